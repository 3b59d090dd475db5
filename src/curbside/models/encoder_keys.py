"""How timm and torchvision name the weights of the encoders that come from timm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import nn

from .keys import KeyMap

__all__ = ["timm_key_maps"]

Rules = tuple[tuple[str, str], ...]


def timm_key_maps(name: str, body: nn.Module) -> tuple[KeyMap, ...]:
    """How files of a whole network name the weights of an encoder that was cut out of it.

    Layers that the cut left out are spare: a file may hold them, in the whole network's shapes. Its
    classifier may have any number of classes.

    Args:
        name: The network in timm.
        body: What is left of it, held as `body` by the encoder.
    """
    with torch.device("meta"):
        network = timm.create_model(name, pretrained=False)
    whole = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    kept = {f"body.{key}" for key in body.state_dict()}
    cut = _cut(whole, body)
    plain = KeyMap(source=f"timm's {name}", rules=cut, dropped=_classifier(name))
    names = {key: f"{plain.ours(key)}" for key in whole}
    spare = {names[key]: shape for key, shape in whole.items() if names[key] not in kept}
    maps = [KeyMap(source=plain.source, rules=cut, dropped=plain.dropped, spare=spare)]
    family = next((f for f in _FAMILIES if re.fullmatch(f.timm, name.split(".")[0])), None)
    if family:
        maps.append(
            KeyMap(
                source=f"torchvision's {name.split('.')[0]}",
                rules=(*family.stem, *_numbering(family, whole), *family.rules, *cut),
                dropped=(r"classifier\.",),
                spare=spare,
                epsilons={"": family.epsilon},
            )
        )
    return tuple(maps)


def _classifier(name: str) -> tuple[str, ...]:
    published = timm.get_pretrained_cfg(name)
    layers: Any = (published and published.classifier) or ()
    return tuple(re.escape(f"{x}.") for x in ([layers] if isinstance(layers, str) else layers))


def _cut(whole: Iterable[str], body: nn.Module) -> Rules:
    """From the whole network's keys to those of an encoder that holds it as `body`.

    timm keeps the names, or puts them under `model`, or makes one of the first two: `stem.0` turns into
    `stem_0`.
    """
    children = {child for child, _ in body.named_children()}
    if children == {"model"}:
        return ((r"^", "body.model."),)
    pairs = {tuple(key.split(".")[:2]) for key in whole}
    joined = sorted(pair for pair in pairs if "_".join(pair) in children - {pair[0]})
    rules = tuple((rf"^{first}\.{second}\.", f"{first}_{second}.") for first, second in joined)
    return (*rules, (r"^", "body."))


@dataclass(frozen=True, kw_only=True)
class _Family:
    """Networks that torchvision has under other names, and otherwise the same."""

    timm: str
    """Regular expression of their names in timm."""
    stem: Rules
    """Of the layers that stand before the blocks."""
    rules: Rules
    """Of what stands inside the blocks, once those have their numbers, and behind them."""
    epsilon: float
    """Of torchvision's BatchNorm."""
    flat: bool = False
    """The blocks are counted through from 1; otherwise in each stage, the stages from 1."""


def _numbering(family: _Family, whole: Mapping[str, object]) -> Rules:
    """From torchvision's numbers of blocks to timm's, both of which count in order."""
    found = re.compile(r"^blocks\.(\d+)\.(\d+)\.")
    matches = [match for key in whole if (match := found.match(key))]
    blocks = sorted({(int(match[1]), int(match[2])) for match in matches})
    if family.flat:
        return tuple(
            (rf"^features\.{number}\.", f"blocks.{stage}.{block}.")
            for number, (stage, block) in enumerate(blocks, start=1)
        )
    stages = sorted({stage for stage, _ in blocks})
    return tuple((rf"^features\.{stage + 1}\.", f"blocks.{stage}.") for stage in stages)


_STEM: Rules = (
    (r"^features\.0\.0\.", "conv_stem."),
    (r"^features\.0\.1\.", "bn1."),
)
_HEAD: Rules = (
    (r"^features\.\d+\.0\.", "conv_head."),
    (r"^features\.\d+\.1\.", "bn2."),
)
_BLOCK: Rules = (
    # The first stage does not widen: depthwise, squeeze-and-excite, pointwise.
    (r"^(blocks\.0\.\d+)\.block\.0\.0\.", r"\1.conv_dw."),
    (r"^(blocks\.0\.\d+)\.block\.0\.1\.", r"\1.bn1."),
    (r"^(blocks\.0\.\d+)\.block\.[12]\.0\.", r"\1.conv_pw."),
    (r"^(blocks\.0\.\d+)\.block\.[12]\.1\.", r"\1.bn2."),
    # The others: pointwise, depthwise, squeeze-and-excite, pointwise.
    (r"\.block\.0\.0\.", ".conv_pw."),
    (r"\.block\.0\.1\.", ".bn1."),
    (r"\.block\.1\.0\.", ".conv_dw."),
    (r"\.block\.1\.1\.", ".bn2."),
    (r"\.block\.\d\.fc1\.", ".se.conv_reduce."),
    (r"\.block\.\d\.fc2\.", ".se.conv_expand."),
    (r"\.block\.[23]\.0\.", ".conv_pwl."),
    (r"\.block\.[23]\.1\.", ".bn3."),
)
_FAMILIES = (
    _Family(
        timm="mobilenetv2_100",
        flat=True,
        stem=_STEM,
        rules=(
            # The last convolution of a block and its norm stand one level higher than the others.
            (r"^(blocks\.0\.0)\.conv\.1\.", r"\1.block.1.0."),
            (r"^(blocks\.0\.0)\.conv\.2\.", r"\1.block.1.1."),
            (r"\.conv\.([01]\.\d)\.", r".block.\1."),
            (r"\.conv\.2\.", ".block.2.0."),
            (r"\.conv\.3\.", ".block.2.1."),
            *_BLOCK,
            *_HEAD,
        ),
        epsilon=1e-5,
    ),
    _Family(
        timm="mobilenetv3_(small|large)_100",
        flat=True,
        stem=_STEM,
        rules=(
            *_BLOCK,
            (r"^(blocks\.\d+\.\d+)\.0\.", r"\1.conv."),
            (r"^(blocks\.\d+\.\d+)\.1\.", r"\1.bn1."),
        ),
        epsilon=1e-3,
    ),
    _Family(timm="efficientnet_b[0-4]", stem=_STEM, rules=(*_BLOCK, *_HEAD), epsilon=1e-5),
    _Family(timm="efficientnet_b[5-7]", stem=_STEM, rules=(*_BLOCK, *_HEAD), epsilon=1e-3),
    _Family(
        timm="convnext_(tiny|small|base|large)",
        stem=((r"^features\.0\.", "stem."),),
        rules=(
            (r"^features\.1\.", "stages.0.blocks."),
            (r"^features\.2\.", "stages.1.downsample."),
            (r"^features\.3\.", "stages.1.blocks."),
            (r"^features\.4\.", "stages.2.downsample."),
            (r"^features\.5\.", "stages.2.blocks."),
            (r"^features\.6\.", "stages.3.downsample."),
            (r"^features\.7\.", "stages.3.blocks."),
            (r"\.block\.0\.", ".conv_dw."),
            (r"\.block\.2\.", ".norm."),
            (r"\.block\.3\.", ".mlp.fc1."),
            (r"\.block\.5\.", ".mlp.fc2."),
            (r"\.layer_scale$", ".gamma"),
        ),
        epsilon=1e-5,  # it has no BatchNorm
    ),
)
"""ResNets are missing here because both libraries name them alike."""
