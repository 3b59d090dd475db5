"""HRNetV2: branches that exchange by interpolation, the head over them, the authors' count and names."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curbside.errors import ConfigError
from curbside.models.encoder import EncoderConfig
from curbside.models.hrnet import HRNet, HRNetConfig

SMALL = "hrnet_w18_small"


@pytest.fixture(scope="module")
def model() -> HRNet:
    """A small one whose normalisations are not the identity."""
    torch.manual_seed(0)
    made = HRNetConfig(encoder=EncoderConfig(name=SMALL)).build(5).eval()
    for name, value in made.state_dict().items():
        if value.ndim == 1:
            value.uniform_(0.5, 1.5) if name.endswith("running_var") else value.normal_(0.3, 0.3)
    return made


def enlarged(x: Tensor, size_hw: tuple[int, ...]) -> Tensor:
    return F.interpolate(x, size_hw, mode="bilinear", align_corners=False)


def test_branches_are_timms_with_interpolation_in_the_place_of_repetition(model: HRNet) -> None:
    peer = timm.create_model(SMALL, features_only=True, feature_location="").eval()
    for layer in peer.modules():
        if isinstance(layer, nn.Upsample):
            layer.mode, layer.align_corners = "bilinear", False
    peer.load_state_dict(model.encoder.body.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, given = peer(image), model(image).features
    assert len(given) == len(expected) + 1 == 6
    for a, b in zip(given, expected, strict=False):
        assert b.abs().max() > 0.1
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4 * b.abs().max().item())


def test_an_exchange_between_odd_sides_meets_the_finer_maps_size(model: HRNet) -> None:
    unit = model.encoder.body.stage2[0]
    fine, coarse = torch.randn(1, 16, 17, 25), torch.randn(1, 32, 9, 13)
    with torch.no_grad():
        to_fine, to_coarse = unit([fine, coarse])
        fine, coarse = unit.branches[0](fine), unit.branches[1](coarse)
        up, down = unit.fuse_layers[0][1], unit.fuse_layers[1][0]
        assert len(up) == 2
        assert torch.allclose(to_fine, F.relu(fine + enlarged(up(coarse), (17, 25))), atol=1e-5)
        assert torch.allclose(to_coarse, F.relu(down(fine) + coarse), atol=1e-5)


def test_the_head_joins_the_four_branches_at_the_finest(model: HRNet) -> None:
    weight = model.state_dict()
    with torch.no_grad():
        output = model(torch.randn(1, 3, 65, 99))
        branches = output.features[1:5]
        assert [x.shape[1:] for x in branches] == [
            (16, 17, 25),
            (32, 9, 13),
            (64, 5, 7),
            (128, 3, 4),
        ]
        x = torch.cat([enlarged(x, (17, 25)) for x in branches], 1)  # (1, 240, 17, 25)
        x = torch.einsum("oc,bchw->bohw", weight["fuse.0.weight"][..., 0, 0], x)
        x = x + weight["fuse.0.bias"].view(-1, 1, 1)
        mean, var = (weight[f"fuse.1.running_{kind}"].view(-1, 1, 1) for kind in ("mean", "var"))
        x = (x - mean) / (var + 1e-5).sqrt()
        x = x * weight["fuse.1.weight"].view(-1, 1, 1) + weight["fuse.1.bias"].view(-1, 1, 1)
        decoded = x.clamp(min=0)
        logits = torch.einsum("oc,bchw->bohw", weight["head.weight"][..., 0, 0], decoded)
        logits = logits + weight["head.bias"].view(-1, 1, 1)
    scale = logits.abs().max().item()
    assert torch.allclose(output.features[-1], decoded, rtol=1e-4, atol=1e-4)
    assert torch.allclose(output.logits, logits, rtol=1e-4, atol=1e-5 * scale)


def test_w48_has_as_many_weights_as_published() -> None:
    (network,) = HRNetConfig.networks()
    with torch.device("meta"):
        whole = network.config.build(19)
    assert [spec.channels for spec in whole.feature_specs] == [64, 48, 96, 192, 384, 720]
    assert round(sum(p.numel() for p in whole.parameters()) / 1e6, 1) == network.published_m == 65.9


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("model.conv2.weight", "encoder.body.conv2.weight"),
        ("layer1.0.downsample.1.bias", "encoder.body.layer1.0.downsample.1.bias"),
        (
            "stage4.0.fuse_layers.0.3.1.running_var",
            "encoder.body.stage4.0.fuse_layers.0.3.1.running_var",
        ),
        (
            "stage3.0.fuse_layers.2.0.1.0.weight",
            "encoder.body.stage3.0.fuse_layers.2.0.1.0.weight",
        ),
        ("transition3.3.0.0.weight", "encoder.body.transition3.3.0.0.weight"),
        ("model.last_layer.0.bias", "fuse.0.bias"),
        ("last_layer.1.running_mean", "fuse.1.running_mean"),
        ("last_layer.3.weight", "head.weight"),
        ("loss.criterion.weight", None),
    ],
)
def test_the_authors_names_find_their_places(model: HRNet, theirs: str, ours: str | None) -> None:
    (names,) = model.key_maps
    assert names.ours(theirs) == ours
    assert ours is None or ours in model.state_dict()


@pytest.mark.parametrize(
    "encoder",
    [
        EncoderConfig(name="resnet18"),
        EncoderConfig(name=SMALL, stages=2),
        EncoderConfig(name=SMALL, output_stride=16),
    ],
)
def test_other_encoders_are_refused(encoder: EncoderConfig) -> None:
    with pytest.raises(ConfigError, match="hrnet_w48"):
        HRNetConfig(encoder=encoder).build(5)
