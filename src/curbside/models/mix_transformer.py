"""The mix transformers, SegFormer's encoders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import ConfigError
from ..imaging import IMAGENET
from .base import FeatureSpec
from .encoder import Encoder, EncoderConfig, not_downloaded, quiet_downloads
from .keys import KeyMap

__all__ = ["MixTransformer"]

_RULES = (
    (r"^smp\.", ""),
    (r"^patch_embed1\.", "patch_embed."),
    (r"^patch_embed2\.", "stages_1.downsample."),
    (r"^patch_embed3\.", "stages_2.downsample."),
    (r"^patch_embed4\.", "stages_3.downsample."),
    *((rf"^block{n}\.", f"stages_{n - 1}.blocks.") for n in (1, 2, 3, 4)),
    *((rf"^norm{n}\.", f"stages_{n - 1}.norm.") for n in (1, 2, 3, 4)),
    (r"\.dwconv\.dwconv\.", ".dwconv."),
    (r"^", "body."),
)


class MixTransformer(Encoder):
    """Overlapping patches, attention to a coarser grid, and a depthwise convolution for position.

    It is timm's pyramid vision transformer (PVTv2) of the same number with narrower MLPs, layer for
    layer. The authors' own code, and their ImageNet weights, which `pretrained` fetches from
    segmentation-models-pytorch's hub, are under the NVIDIA Source Code License: for research and
    evaluation only. None of that code runs here.

    Source: Xie et al. 2021, SegFormer: Simple and Efficient Design for Semantic Segmentation with
    Transformers.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        size = config.name.removeprefix("mit_b")
        if size not in tuple("012345"):
            raise ConfigError(
                f"there is no mix transformer {config.name!r}", fix="choose mit_b0 to mit_b5"
            )
        is_plain = config.output_stride == 32 and not (config.every_block or config.deep_stem)
        if not is_plain or not 0 <= config.stages <= 4:
            raise ConfigError(
                f"{config.name} has four stages of strides 4 to 32 and no other form",
                fix="choose output stride 32 and 0 to 4 stages, without every_block and deep_stem",
            )
        self.body = timm.create_model(
            f"pvt_v2_b{size}",
            features_only=True,
            out_indices=tuple(range(config.stages or 4)),
            mlp_ratios=(4, 4, 4, 4),
            drop_path_rate=0.1,
        )
        info: Any = self.body.feature_info
        self.specs = tuple(
            FeatureSpec(name=f"stage{number}", channels=channels, stride=2 ** (number + 1))
            for number, channels in enumerate(info.channels(), start=1)
        )
        self.normalization = IMAGENET
        if config.pretrained:
            self._fetch(config.name)

    @property
    def key_maps(self) -> tuple[KeyMap, ...]:
        behind = "".join(str(n) for n in range(len(self.specs) + 1, 5))
        dropped = [r"head\."]
        if behind:
            dropped.append(rf"(?:smp\.)?(?:patch_embed|block|norm)[{behind}]\.")
        return (KeyMap(source="NVIDIA's mix transformers", rules=_RULES, dropped=tuple(dropped)),)

    def forward(self, image: Tensor) -> list[Tensor]:
        if torch.onnx.is_in_onnx_export():
            with _plain_attention(self.body):
                return self.body(image)
        return self.body(image)

    def _fetch(self, name: str) -> None:
        from huggingface_hub import hf_hub_download
        from segmentation_models_pytorch.encoders import encoders

        quiet_downloads()
        published = encoders[name]["pretrained_settings"]["imagenet"]
        try:
            path = hf_hub_download(filename="model.safetensors", **published)
        except Exception as error:  # the hub raises many types here
            raise not_downloaded(name, error) from error
        (names,) = self.key_maps
        state = {names.ours(key): value for key, value in load_file(path).items()}
        self.load_state_dict({str(key): value for key, value in state.items() if key})


@contextmanager
def _plain_attention(body: nn.Module) -> Iterator[None]:
    """Attention as its separate products, for opset 13 has no fused one."""
    layers: list[Any] = [
        module for module in body.modules() if getattr(module, "fused_attn", False)
    ]
    for layer in layers:
        layer.fused_attn = False
    try:
        yield
    finally:
        for layer in layers:
            layer.fused_attn = True
