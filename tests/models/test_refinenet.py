"""Light-Weight RefineNet and HydraNet against their authors' networks, and their depth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from published_layers import PublishedLayers
from torch import Tensor
from torch.nn import functional as F

from curbside.errors import ConfigError, ModelFileError
from curbside.models import EncoderConfig, load_weights, networks
from curbside.models.lightweight_refinenet import (
    ChainedPooling,
    LightWeightRefineNet,
    LightWeightRefineNetConfig,
)

CLASSES = 5
GROUPS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
GROUPS += [(6, 160, 3, 2), (6, 320, 1, 1)]  # expansion, channels, blocks, stride


def _encoder(p: PublishedLayers, image: Tensor) -> list[Tensor]:
    """The authors' MobileNetV2: what comes out of layer2 to layer8."""

    def conv(x: Tensor, name: str, channels: int, kernel: int = 1, **options) -> Tensor:
        return p.norm(p.conv(x, f"{name}.0", channels, kernel, **options), f"{name}.1")

    x = F.relu6(conv(image, "layer1", 32, 3, stride=2, padding=1))
    stages = []
    for layer, (expansion, channels, blocks, stride) in enumerate(GROUPS, start=2):
        for block in range(blocks):
            name = f"layer{layer}.{block}.output"
            inner = x.shape[1] * expansion
            step = stride if block == 0 else 1
            y = F.relu6(conv(x, f"{name}.0", inner))
            y = F.relu6(conv(y, f"{name}.1", inner, 3, stride=step, padding=1, groups=inner))
            y = conv(y, f"{name}.2", channels)
            x = x + y if x.shape == y.shape else y
        stages.append(x)
    return stages


def _chain(p: PublishedLayers, x: Tensor, name: str, groups: int = 1) -> Tensor:
    link = x
    for number in range(1, 5):
        link = F.max_pool2d(link, 5, stride=1, padding=2)
        link = p.conv(link, f"{name}.0.{number}_outvar_dimred", 256, groups=groups)
        x = x + link
    return x


def _authors(p: PublishedLayers, image: Tensor, tasks: int) -> tuple[Tensor, Tensor | None]:
    """Logits and raw depth of the authors' network for 1, 2 or 3 tasks, by the names in its checkpoints."""
    _, l3, l4, l5, l6, l7, l8 = _encoder(p, image)

    def resized(x: Tensor, like: Tensor) -> Tensor:
        size = like.shape[-2:]
        return F.interpolate(x, size, mode="bilinear", align_corners=tasks == 1)

    def head(x: Tensor, name: str, channels: int) -> Tensor:
        if tasks > 1:
            x = F.relu6(p.conv(x, f"pre_{name}", 256, groups=256))
        return p.conv(x, name, channels, 3, padding=1, bias=True)

    x = _chain(p, F.relu6(p.conv(l8, "conv8", 256) + p.conv(l7, "conv7", 256)), "crp4")
    x = resized(p.conv(x, "conv_adapt4", 256), l6)
    x = F.relu6(p.conv(l6, "conv6", 256) + p.conv(l5, "conv5", 256) + x)
    x = resized(p.conv(_chain(p, x, "crp3"), "conv_adapt3", 256), l4)
    x = F.relu6(p.conv(l4, "conv4", 256) + x)
    x = resized(p.conv(_chain(p, x, "crp2"), "conv_adapt2", 256), l3)
    x = F.relu6(p.conv(l3, "conv3", 256) + x)
    x = _chain(p, x, "crp1", groups=256 if tasks > 1 else 1)
    if tasks > 2:
        head(x, "normal", 3)
    return head(x, "segm", CLASSES), head(x, "depth", 1) if tasks > 1 else None


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_a_published_checkpoint_gives_the_same_answers(tasks, tmp_path: Path) -> None:
    layers = PublishedLayers(seed=tasks)
    image = torch.randn(1, 3, 65, 99, dtype=torch.float64)
    with torch.no_grad():
        logits, raw = _authors(layers, image, tasks)
    torch.save({"state_dict": layers.state}, tmp_path / "authors.pth")
    config = LightWeightRefineNetConfig(
        depth="uncapped" if tasks > 1 else "none", authors_encoder=True
    )
    model = config.build(CLASSES).eval()
    loaded = load_weights(model, tmp_path / "authors.pth")
    assert loaded.fresh == ()
    assert {key.split(".")[0] for key in loaded.dropped} == (
        {"pre_normal", "normal"} if tasks == 3 else set()
    )
    with torch.no_grad():
        output = model.double()(image)
    assert logits.std() > 0.1
    assert torch.allclose(output.logits, logits, rtol=1e-9, atol=1e-9)
    if raw is None:
        assert output.depth is None
    else:
        assert torch.allclose(output.depth, (1 + raw.exp()).log(), rtol=1e-9, atol=1e-9)

    # timm's encoder has no place for the convolution more, and one task's file is not the other's.
    other = "none" if tasks > 1 else "uncapped"
    for wrong in (
        LightWeightRefineNetConfig(depth=config.depth),
        LightWeightRefineNetConfig(depth=other, authors_encoder=True),
    ):
        with pytest.raises(ModelFileError, match=r"no place here|is missing|in the file"):
            load_weights(wrong.build(CLASSES), tmp_path / "authors.pth")


@pytest.mark.parametrize("name", [n for n in networks() if "refinenet" in n or "hydranet" in n])
def test_parameters_are_as_published(name: str) -> None:
    network = networks()[name]
    assert network.published_m
    with torch.device("meta"):
        model = network.config.build(network.published_classes)
    parameters = sum(p.numel() for p in model.parameters())
    assert abs(parameters / 1e6 / network.published_m - 1) < 0.01
    if name.endswith("authors"):  # as the authors' code counts
        assert parameters in (3_284_565, 3_070_057)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_chain_adds_up_its_links(grouped: bool) -> None:
    torch.manual_seed(0)
    chain = ChainedPooling(grouped=grouped)
    x = torch.randn(1, 256, 7, 6)

    def largest_around(x: Tensor) -> Tensor:
        padded = F.pad(x, (2, 2, 2, 2), value=-torch.inf)
        shifts = [padded[..., i : i + 7, j : j + 6] for i in range(5) for j in range(5)]
        return torch.stack(shifts).amax(0)

    total, link = x, x
    for convolution in chain.convolutions:
        weight = convolution.weight[:, :, 0, 0]
        matrix = weight[:, 0].diag() if grouped else weight
        link = torch.einsum("oi,bihw->bohw", matrix, largest_around(link))
        total = total + link
    assert len(chain.convolutions) == 4
    assert torch.allclose(chain(x), total, atol=1e-4)


def _with_raw_depth(config: LightWeightRefineNetConfig, raw: float) -> LightWeightRefineNet:
    """A network whose depth head gives one number everywhere."""
    model = config.build(CLASSES).eval()
    torch.nn.init.zeros_(model.depth.classifier.weight)
    torch.nn.init.constant_(model.depth.classifier.bias, raw)
    return model


SMALL = EncoderConfig(name="mobilenetv4_conv_small_035", every_block=True)


@pytest.mark.parametrize(
    ("settings", "raw", "metres"),
    [
        ({"depth": "capped"}, 0.0, 40.0),
        ({"depth": "capped"}, 1e3, 80.0),
        ({"depth": "capped", "max_depth_m": 10.0}, -1.0986123, 2.5),  # 1 / (1 + 3)
        ({"depth": "capped"}, -1e3, 0.0),
        ({"depth": "uncapped"}, 0.0, 0.6931472),  # log 2
        ({"depth": "uncapped"}, 500.0, 500.0),
        ({"depth": "uncapped"}, -1e3, 0.0),
    ],
)
def test_depth_in_metres(settings, raw: float, metres: float) -> None:
    model = _with_raw_depth(LightWeightRefineNetConfig(encoder=SMALL, **settings), raw)
    with torch.no_grad():
        output = model(torch.randn(1, 3, 33, 64))
    assert output.depth.shape == (1, 1, 9, 16) and output.logits.shape == (1, CLASSES, 9, 16)
    assert torch.allclose(output.depth, torch.full((), metres), atol=1e-5)


def test_both_tasks_teach_what_they_share_and_only_that() -> None:
    model = LightWeightRefineNetConfig(encoder=SMALL, depth="uncapped").build(CLASSES)
    for task, idle in (("depth", "segmentation"), ("logits", "depth")):
        model.zero_grad()
        getattr(model(torch.randn(2, 3, 64, 64)), task).square().mean().backward()
        untaught = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is None}
        assert untaught == {idle}


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match=r"0\.0 m"):
        LightWeightRefineNetConfig(depth="capped", max_depth_m=0.0)
    with pytest.raises(ConfigError, match="resnet18"):
        LightWeightRefineNetConfig(
            encoder=EncoderConfig(name="resnet18", every_block=True), authors_encoder=True
        )
    with pytest.raises(ConfigError, match="stride 4"):
        LightWeightRefineNetConfig(
            encoder=EncoderConfig(name="mobilenetv2_100", stages=1, every_block=True)
        ).build(CLASSES)
