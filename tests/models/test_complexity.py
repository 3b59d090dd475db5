"""Sizes and work of networks: against sums worked out by hand, published figures, and the docs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curbside.models import (
    EncoderConfig,
    LRASPPConfig,
    ModelConfig,
    ModelOutput,
    SegmentationModel,
    networks,
)
from curbside.models.complexity import Complexity, complexity
from curbside.models.lightweight_refinenet import ByChannel

DOCS = Path(__file__).resolve().parents[2] / "docs/networks.md"


@dataclass(frozen=True, kw_only=True)
class _Config(ModelConfig):
    """One layer, or any other module, as a network."""

    make: Callable[[], nn.Module]

    def build(self, num_classes: int) -> _Network:
        return _Network(self.make(), num_classes)

    @property
    def title(self) -> str:
        return "a layer"


class _Network(SegmentationModel):
    training_only = ("extra",)

    def __init__(self, layer: nn.Module, num_classes: int) -> None:
        super().__init__(num_classes)
        self.layer = layer
        self.extra = nn.Conv2d(3, num_classes, 1)

    def forward(self, image: Tensor) -> ModelOutput:
        aux = (self.extra(image),) if self.training else ()
        return ModelOutput(logits=self.layer(image), aux=aux)


class _Attention(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        tokens = image.flatten(2).transpose(1, 2)  # (1, H*W, 3)
        return F.scaled_dot_product_attention(tokens, tokens, tokens)


class _ReadsValues(nn.Module):
    """As constructors do that take drop rates from a linspace."""

    def __init__(self) -> None:
        super().__init__()
        widths = [int(value.item()) for value in torch.linspace(2, 4, 3)]
        self.layer = nn.Conv2d(3, widths[-1], 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image)


@pytest.mark.parametrize(
    ("make", "parameters", "macs"),
    [
        # 16 outputs a side of 32 with stride 2: 16 * 24 places, 3 * 9 weights for each of 5 channels.
        (lambda: nn.Conv2d(3, 5, 3, stride=2, padding=1), 3 * 9 * 5 + 5, 16 * 24 * 3 * 9 * 5),
        (lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3, bias=False), 54, 32 * 48 * 9 * 6),
        # Three weights for each of 256 channels, then one that is computed as a product.
        (
            lambda: nn.Sequential(nn.Conv2d(3, 256, 1, bias=False), ByChannel()),
            3 * 256 + 256,
            32 * 48 * (3 * 256 + 256),
        ),
        # Each pixel of the input meets every weight once.
        (lambda: nn.ConvTranspose2d(3, 4, 2, stride=2), 3 * 4 * 4 + 4, 32 * 48 * 3 * 4 * 4),
        (lambda: nn.Linear(48, 7), 48 * 7 + 7, 3 * 32 * 48 * 7),
        # Tokens with tokens, and the weights with tokens.
        (_Attention, 0, 2 * (32 * 48) ** 2 * 3),
        (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2)), 6, 0),
        (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), 0, 0),
        (_ReadsValues, 3 * 4 + 4, 32 * 48 * 3 * 4),
    ],
    ids=[
        "strided",
        "depthwise",
        "by channel",
        "transposed",
        "linear",
        "attention",
        "norm",
        "resize",
        "reads values",
    ],
)
def test_layers_are_counted_as_by_hand(
    make: Callable[[], nn.Module], parameters: int, macs: int
) -> None:
    found = complexity(_Config(make=make), 2, (32, 48))
    assert found.parameters == parameters
    assert found.training_parameters == parameters + 3 * 2 + 2
    assert found.macs == {(32, 48): macs}


def test_resnet18_has_its_published_work() -> None:
    # He et al. 2016, table 1: 1.8 * 10^9 multiply-adds at 224 x 224; torchvision lists 1.814.
    found = complexity(_Config(make=lambda: timm.create_model("resnet18")), 2, (224, 224))
    assert found.parameters == 11_689_512
    assert found.macs[224, 224] / 1e9 == pytest.approx(1.814, abs=0.001)


def test_nothing_is_counted_where_no_size_is_given_and_nothing_is_downloaded() -> None:
    config = LRASPPConfig(encoder=EncoderConfig(name="resnet18", pretrained=True))
    found = complexity(config, 4)
    assert found.macs == {}
    assert [spec.stride for spec in found.features] == [2, 4, 8, 16, 32, 32]


def _documented() -> dict[str, list[str]]:
    """The cells of the docs' table by the network."""
    text = DOCS.read_text(encoding="utf-8")
    found = re.search(r"<!-- networks -->\n(.*?)<!-- end of networks -->", text, re.DOTALL)
    assert found
    rows = [line.strip("| ").split(" | ") for line in found[1].splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in rows[2:]}


@pytest.fixture(scope="module")
def counted() -> dict[str, Complexity]:
    return {
        name: complexity(network.config, network.published_classes)
        for name, network in networks().items()
    }


def test_the_docs_have_every_network_with_its_parameters(counted: dict[str, Complexity]) -> None:
    computed = {name: f"{found.parameters / 1e6:.2f}" for name, found in counted.items()}
    documented = {name: cells[0] for name, cells in _documented().items()}
    assert documented == computed, (
        "put the output of curbside models --markdown into docs/networks.md"
    )


@pytest.mark.parametrize(
    "name", ["deeplabv3plus-resnet18", "lraspp-mobilenetv4-small", "hydranet-mobilenetv2"]
)
def test_the_docs_have_the_work(name: str) -> None:
    network = networks()[name]
    sizes_hw = ((512, 512), (1080, 1920))
    found = complexity(network.config, network.published_classes, *sizes_hw)
    assert _documented()[name][3:5] == [f"{found.macs[size] / 1e9:.2f}" for size in sizes_hw]


def test_every_difference_from_a_published_size_has_its_reason(
    counted: dict[str, Complexity],
) -> None:
    docs = DOCS.read_text(encoding="utf-8")
    for name, network in networks().items():
        if network.published_m is None:
            continue
        assert network.published_in, f"{name} does not say who published its size"
        if abs(counted[name].parameters / (1e6 * network.published_m) - 1) > 0.03:
            assert network.difference, f"{name} differs by more than 3 % and does not say why"
            assert network.difference in docs
