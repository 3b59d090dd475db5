"""SFNet and SFNet-lite: the warp, the gate, the authors' counts and names, what training adds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curbside.errors import ConfigError
from curbside.models.encoder import EncoderConfig
from curbside.models.sfnet import SFNet, SFNetConfig, warp
from curbside.models.sfnet_lite import SFNetLite, SFNetLiteConfig

DEEP = EncoderConfig(name="resnet18", deep_stem=True)


def warped_by_hand(source: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Every pixel by itself: (C, h, w) looked up along (2, H, W)."""
    (channels, height, width), (rows, columns) = source.shape, flow.shape[1:]
    result = np.zeros((channels, rows, columns))
    for row in range(rows):
        for column in range(columns):
            # The corners of both maps lie on each other; a flow of 1 is 1 / columns of half the map.
            x = (width - 1) * (column / (columns - 1) + flow[0, row, column] / columns / 2)
            y = (height - 1) * (row / (rows - 1) + flow[1, row, column] / rows / 2)
            left, top = math.floor(x), math.floor(y)
            for i in (top, top + 1):
                for j in (left, left + 1):
                    if 0 <= i < height and 0 <= j < width:
                        weight = (1 - abs(y - i)) * (1 - abs(x - j))
                        result[:, row, column] += weight * source[:, i, j]
    return result


class Warp(nn.Module):
    def forward(self, source: Tensor, flow: Tensor) -> Tensor:
        return warp(source, flow)


def far_flow() -> tuple[Tensor, Tensor]:
    """A small map and a flow that often leaves it on all four sides."""
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(1, 3, 5, 7, generator=generator)
    return source, torch.randn(1, 2, 9, 12, generator=generator) * 12


def test_warp_looks_up_bilinearly_and_finds_zero_outside() -> None:
    source, flow = far_flow()
    expected = warped_by_hand(source[0].numpy(), flow[0].numpy())
    assert 0.1 < (expected == 0).mean() < 0.9
    assert np.allclose(warp(source, flow)[0], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Constant folding")
def test_the_exported_warp_needs_opset_13_alone_and_gives_the_same(tmp_path: Path) -> None:
    source, flow = far_flow()
    path = tmp_path / "warp.onnx"
    names = ["source", "flow"]
    torch.onnx.export(
        Warp(), (source, flow), path, dynamo=False, opset_version=13, input_names=names
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    flow = flow.flip(-1) * 3  # others than it was traced with
    (given,) = session.run(None, {"source": source.numpy(), "flow": flow.numpy()})
    assert np.allclose(given[0], warped_by_hand(source[0].numpy(), flow[0].numpy()), atol=1e-5)


def test_warp_without_flow_is_a_resize_in_any_precision() -> None:
    source = torch.randn(2, 3, 16, 300).bfloat16()
    given = warp(source, torch.zeros(2, 2, 16, 300).bfloat16())
    assert given.dtype == torch.bfloat16
    assert torch.allclose(given.float(), source.float(), atol=0.02)


def test_the_gate_mixes_both_maps_each_along_its_own_flow() -> None:
    torch.manual_seed(1)
    unit = SFNetLiteConfig(channels=4).build(3).alignment
    weight = {name: value.detach() * 4 for name, value in unit.named_parameters()}
    unit.load_state_dict(weight)
    fine, coarse = torch.randn(1, 4, 6, 8), torch.randn(1, 4, 3, 4)
    with torch.no_grad():
        given = unit(fine, coarse)
        wide = F.interpolate(
            F.conv2d(coarse, weight["coarse.weight"]), (6, 8), mode="bilinear", align_corners=True
        )
        joined = torch.cat([wide, F.conv2d(fine, weight["fine.weight"])], 1)
        flow = F.conv2d(joined, weight["flow.weight"], padding=1)[0].numpy()
        pools = [wide.mean(1), fine.mean(1), wide.max(1).values, fine.max(1).values]
        scores = F.conv2d(torch.stack(pools, 1), weight["gate.weight"], padding=1)
    gate = 1 / (1 + np.exp(-scores[0].numpy()))
    expected = gate * warped_by_hand(coarse[0].numpy(), flow[:2])
    expected += (1 - gate) * warped_by_hand(fine[0].numpy(), flow[2:])
    assert gate.std() > 0.05
    assert np.allclose(given[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "millions", "unused"),
    # The authors' lite count holds a lateral layer for 512 channels and a head, neither of which runs.
    [
        (SFNetConfig, 12.87, 0),
        (SFNetLiteConfig, 12.30, (512 * 128 + 3 * 128) + (128 * 128 * 9 + 3 * 128 + 129 * 19)),
    ],
)
def test_the_authors_network_has_as_many_weights_as_they_say(
    config: type, millions: float, unused: int
) -> None:
    (network,) = config.networks()
    with torch.device("meta"):
        model = network.config.build(19)
    idle = {name.split(".")[0] for name, _ in model.named_children()} & set(model.training_only)
    assert idle == {"aux"}
    count = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("aux."))
    assert round((count + unused) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("config", "theirs", "ours", "shape"),
    [
        (SFNetConfig, "layer0.0.3.weight", "encoder.body.conv1.3.weight", (64, 64, 3, 3)),
        (SFNetConfig, "layer0.1.bias", "encoder.body.bn1.bias", (128,)),
        (
            SFNetConfig,
            "layer1.0.downsample.0.weight",
            "encoder.body.layer1.0.downsample.0.weight",
            (64, 128, 1, 1),
        ),
        (SFNetConfig, "head.ppm.stages.3.1.weight", "context.stages.3.1.weight", (128, 512, 1, 1)),
        (SFNetConfig, "head.ppm.bottleneck.1.bias", "context.bottleneck.1.bias", (128,)),
        (SFNetConfig, "head.fpn_in.2.0.weight", "laterals.2.0.weight", (128, 256, 1, 1)),
        (SFNetConfig, "head.fpn_out.0.0.1.weight", "smooths.0.1.weight", (128,)),
        (
            SFNetConfig,
            "head.fpn_out_align.1.down_h.weight",
            "alignments.1.coarse.weight",
            (64, 128, 1, 1),
        ),
        (
            SFNetConfig,
            "head.fpn_out_align.1.flow_make.weight",
            "alignments.1.flow.weight",
            (2, 128, 3, 3),
        ),
        (SFNetConfig, "head.dsn.2.4.weight", "aux.2.4.weight", (19, 128, 1, 1)),
        (SFNetConfig, "head.conv_last.0.0.weight", "fuse.0.weight", (128, 512, 3, 3)),
        (SFNetConfig, "head.conv_last.1.bias", "head.bias", (19,)),
        (SFNetLiteConfig, "head.fpn_in.0.0.weight", "fine.0.weight", (128, 64, 1, 1)),
        (SFNetLiteConfig, "head.fpn_in.1.0.weight", "middle.0.weight", (128, 256, 1, 1)),
        (SFNetLiteConfig, "head.fpn_in.2.0.weight", None, ()),
        (SFNetLiteConfig, "head.dsn.0.weight", None, ()),
        (
            SFNetLiteConfig,
            "head.flow_align_module.down_l.weight",
            "alignment.fine.weight",
            (64, 128, 1, 1),
        ),
        (
            SFNetLiteConfig,
            "head.flow_align_module.flow_gate.0.weight",
            "alignment.gate.weight",
            (1, 4, 3, 3),
        ),
        (SFNetLiteConfig, "head.conv_last.0.0.weight", "fuse.0.weight", (128, 256, 3, 3)),
    ],
)
def test_the_authors_names_find_their_places(
    config: type, theirs: str, ours: str | None, shape: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        model = config(encoder=DEEP).build(19)
    (names,) = model.key_maps
    assert names.ours(theirs) == ours
    if ours:
        assert model.state_dict()[ours].shape == shape


@pytest.mark.parametrize(("config", "heads"), [(SFNetConfig, 3), (SFNetLiteConfig, 1)])
def test_training_scores_the_aligned_maps_too(config: type, heads: int) -> None:
    torch.manual_seed(0)
    model: SFNet | SFNetLite = config(channels=16).build(5)
    image = torch.randn(2, 3, 64, 64)
    output = model.train()(image)
    aligned = output.features[-1 - heads : -1]
    assert [a.shape[2:] for a in output.aux] == [a.shape[2:] for a in aligned]
    assert {a.shape[1] for a in output.aux} == {5}
    del model.aux
    assert model.eval()(image).aux == ()


def test_a_resnets_last_stages_see_further_at_their_stride() -> None:
    with torch.device("meta"):
        body = SFNetConfig().build(3).encoder.body
    seen = [
        (block.conv1.dilation, block.conv2.dilation, block.conv1.stride)
        for stage in (body.layer2, body.layer3, body.layer4)
        for block in stage
    ]
    one, two, four = (1, 1), (2, 2), (4, 4)
    assert seen == [
        (one, one, two),
        (one, one, one),
        (one, two, two),
        (one, two, one),
        (one, four, two),
        (one, four, one),
    ]


@pytest.mark.parametrize(
    "encoder",
    [
        EncoderConfig(name="mobilenetv4_conv_small", deep_stem=True),
        EncoderConfig(name="resnet18", deep_stem=True, pretrained=True),
    ],
)
def test_a_stem_that_timm_does_not_have_is_refused(encoder: EncoderConfig) -> None:
    with pytest.raises(ConfigError, match="with a deep stem"):
        encoder.build()
