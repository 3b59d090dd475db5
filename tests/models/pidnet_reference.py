"""PIDNet as its authors' checkpoints spell it: their names and shapes, and the answers they must give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Scores", "pidnet_scores", "pidnet_shapes"]

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What the network gives, and some of what is inside."""

    logits: Tensor
    aux: Tensor
    boundary: Tensor
    p: Tensor
    d: Tensor
    context: Tensor


def pidnet_shapes(
    m: int, n: int, planes: int, ppm: int, head: int, classes: int, *, light: bool
) -> Shapes:
    """Every key of a checkpoint with its shape; the letters are the paper's."""
    shapes: Shapes = {}

    def conv(key: str, inputs: int, outputs: int, kernel: int, bias: bool = False) -> None:
        shapes[f"{key}.weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            shapes[f"{key}.bias"] = (outputs,)

    def norm(key: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{key}.{part}"] = (channels,)
        shapes[f"{key}.num_batches_tracked"] = ()

    def block(key: str, inputs: int, outputs: int, *, down: bool, slim: bool = False) -> None:
        inner = outputs // 2 if slim else outputs
        for number, kernel in enumerate((1, 3, 1) if slim else (3, 3), start=1):
            last = number == (3 if slim else 2)
            conv(
                f"{key}.conv{number}",
                inputs if number == 1 else inner,
                outputs if last else inner,
                kernel,
            )
            norm(f"{key}.bn{number}", outputs if last else inner)
        if down:
            conv(f"{key}.downsample.0", inputs, outputs, 1)
            norm(f"{key}.downsample.1", outputs)

    def pair(key: str, inputs: int, outputs: int, kernel: int = 1) -> None:
        conv(f"{key}.0", inputs, outputs, kernel)
        norm(f"{key}.1", outputs)

    def pre(key: str, inputs: int, outputs: int, kernel: int = 1, groups: int = 1, at: int = 0):
        norm(f"{key}.{at}", inputs)
        conv(f"{key}.{at + 2}", inputs // groups, outputs, kernel)

    def reader(key: str, inputs: int, inner: int, outputs: int) -> None:
        norm(f"{key}.bn1", inputs)
        conv(f"{key}.conv1", inputs, inner, 3)
        norm(f"{key}.bn2", inner)
        conv(f"{key}.conv2", inner, outputs, 1, bias=True)

    c = planes
    for at, inputs in ((0, 3), (3, c)):
        conv(f"conv1.{at}", inputs, c, 3, bias=True)
        norm(f"conv1.{at + 1}", c)
    for layer, blocks, inputs, outputs in (
        *(("layer1", m, c, c), ("layer2", m, c, 2 * c), ("layer3", n, 2 * c, 4 * c)),
        *(("layer4", n, 4 * c, 8 * c), ("layer3_", m, 2 * c, 2 * c), ("layer4_", m, 2 * c, 2 * c)),
    ):
        for number in range(blocks):
            first = number == 0
            width = inputs if first else outputs
            block(f"{layer}.{number}", width, outputs, down=first and inputs != outputs)
    block("layer5.0", 8 * c, 16 * c, down=True, slim=True)
    block("layer5.1", 16 * c, 16 * c, down=False, slim=True)
    block("layer5_.0", 2 * c, 4 * c, down=True, slim=True)
    block("layer5_d.0", 2 * c, 4 * c, down=True, slim=True)
    if light:
        block("layer3_d", 2 * c, c, down=True)
        block("layer4_d.0", c, 2 * c, down=True, slim=True)
    else:
        block("layer3_d", 2 * c, 2 * c, down=False)
        block("layer4_d", 2 * c, 2 * c, down=False)
    for number, deep in ((3, 4 * c), (4, 8 * c)):
        pair(f"compression{number}", deep, 2 * c)
        pair(f"pag{number}.f_x", 2 * c, c)
        pair(f"pag{number}.f_y", 2 * c, c)
        pair(f"diff{number}", deep, c if light and number == 3 else 2 * c, 3)
    for number in range(5):
        pre(f"spp.scale{number}", 16 * c, ppm, at=int(number > 0))
    if light:
        pre("spp.scale_process", 4 * ppm, 4 * ppm, 3, groups=4)
        pair("dfm.conv_p", 4 * c, 4 * c)
        pair("dfm.conv_i", 4 * c, 4 * c)
    else:
        for number in range(1, 5):
            pre(f"spp.process{number}", ppm, ppm, 3)
        pre("dfm.conv", 4 * c, 4 * c, 3)
    pre("spp.compression", 5 * ppm, 4 * c)
    pre("spp.shortcut", 16 * c, 4 * c)
    reader("seghead_p", 2 * c, head, classes)
    reader("seghead_d", 2 * c, c, 1)
    reader("final_layer", 4 * c, head, classes)
    return shapes


def pidnet_scores(weights: Mapping[str, Tensor], image: Tensor, *, training: bool) -> Scores:
    """The network's answers, worked out from a checkpoint and torch's functions alone.

    Args:
        weights: A checkpoint, keys as in `pidnet_shapes`; not changed.
        image: (B, 3, H, W) float.
        training: Normalise by the batch's own statistics.
    """

    def conv(x: Tensor, key: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = weights[f"{key}.weight"]
        bias = weights.get(f"{key}.bias")
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2, groups=groups)

    def norm(x: Tensor, key: str) -> Tensor:
        mean, var = (weights[f"{key}.running_{part}"].clone() for part in ("mean", "var"))
        return F.batch_norm(
            x, mean, var, weights[f"{key}.weight"], weights[f"{key}.bias"], training
        )

    def block(x: Tensor, key: str, stride: int = 1) -> Tensor:
        slim = f"{key}.conv3.weight" in weights
        y = norm(conv(x, f"{key}.conv1", 1 if slim else stride), f"{key}.bn1").relu()
        y = norm(conv(y, f"{key}.conv2", stride if slim else 1), f"{key}.bn2")
        if slim:
            y = norm(conv(y.relu(), f"{key}.conv3"), f"{key}.bn3")
        if f"{key}.downsample.0.weight" in weights:
            x = norm(conv(x, f"{key}.downsample.0", stride), f"{key}.downsample.1")
        return x + y

    def basic(x: Tensor, key: str, stride: int = 1) -> Tensor:
        x, number = block(x, f"{key}.0", stride), 1
        while f"{key}.{number}.conv1.weight" in weights:
            x, number = block(x.relu(), f"{key}.{number}"), number + 1
        return x

    def pair(x: Tensor, key: str) -> Tensor:
        return norm(conv(x, f"{key}.0"), f"{key}.1")

    def pre(x: Tensor, key: str, groups: int = 1, at: int = 0) -> Tensor:
        return conv(norm(x, f"{key}.{at}").relu(), f"{key}.{at + 2}", groups=groups)

    def reader(x: Tensor, key: str) -> Tensor:
        x = conv(norm(x, f"{key}.bn1").relu(), f"{key}.conv1")
        return conv(norm(x, f"{key}.bn2").relu(), f"{key}.conv2")

    def resized(x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, like.shape[-2:], mode="bilinear")

    def pyramid(x: Tensor) -> Tensor:
        pooled = [F.avg_pool2d(x, 2 * step + 1, step, step) for step in (2, 4, 8)]
        pooled.append(x.mean((2, 3), keepdim=True))
        own = pre(x, "spp.scale0")
        scales = [
            resized(pre(y, f"spp.scale{number}", at=1), x) for number, y in enumerate(pooled, 1)
        ]
        if light:
            joined = torch.cat([scale + own for scale in scales], 1)
            said = [own, pre(joined, "spp.scale_process", groups=4)]
        else:
            said = [own]
            for number, scale in enumerate(scales, 1):
                said.append(pre(scale + said[-1], f"spp.process{number}"))
        return pre(torch.cat(said, 1), "spp.compression") + pre(x, "spp.shortcut")

    def agree(p: Tensor, i: Tensor, number: int) -> Tensor:
        i = pair(i, f"compression{number}")
        product = pair(p, f"pag{number}.f_x") * resized(pair(i, f"pag{number}.f_y"), p)
        share = product.sum(1, keepdim=True).sigmoid()
        return share * resized(i, p) + (1 - share) * p

    light = "dfm.conv_p.0.weight" in weights
    x = image
    for at in (0, 3):
        x = norm(conv(x, f"conv1.{at}", 2), f"conv1.{at + 1}").relu()
    x = basic(basic(x, "layer1").relu(), "layer2", 2).relu()
    i3 = basic(x, "layer3", 2).relu()
    i4 = basic(i3, "layer4", 2).relu()
    i5 = block(block(i4, "layer5.0", 2), "layer5.1")
    p3 = agree(basic(x, "layer3_"), i3, 3).relu()
    p4 = agree(basic(p3, "layer4_"), i4, 4).relu()
    p = block(p4, "layer5_.0")
    d3 = block(x, "layer3_d")
    d3 = (d3 + resized(pair(i3, "diff3"), d3)).relu()
    d4 = block(d3, "layer4_d.0" if light else "layer4_d")
    d4 = (d4 + resized(pair(i4, "diff4"), d4)).relu()
    d = block(d4, "layer5_d.0")
    context = resized(pyramid(i5), p)
    edge = d.sigmoid()
    if light:
        fused = pair((1 - edge) * context + p, "dfm.conv_p")
        fused = fused + pair(context + edge * p, "dfm.conv_i")
    else:
        fused = pre(edge * p + (1 - edge) * context, "dfm.conv")
    return Scores(
        logits=reader(fused, "final_layer"),
        aux=reader(p3, "seghead_p"),
        boundary=reader(d4, "seghead_d"),
        p=p,
        d=d,
        context=context,
    )
