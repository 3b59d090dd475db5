"""The networks with a decoder of segmentation-models-pytorch, against that library's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from curbside.errors import ConfigError, ModelFileError
from curbside.models import DeepLabV3PlusConfig, EncoderConfig, ModelConfig, SegmentationModel
from curbside.models.base import networks
from curbside.models.deeplabv3 import DeepLabV3Config
from curbside.models.fpn import FPNConfig
from curbside.models.linknet import LinknetConfig
from curbside.models.manet import MAnetConfig
from curbside.models.pan import PANConfig
from curbside.models.pspnet import PSPNetConfig
from curbside.models.unet import UnetConfig
from curbside.models.unetplusplus import UnetPlusPlusConfig
from curbside.models.upernet import UPerNetConfig
from curbside.models.weights import load_weights

CLASSES = 5
FAMILY: dict[str, Callable[..., Any]] = {
    "Unet": UnetConfig,
    "UnetPlusPlus": UnetPlusPlusConfig,
    "MAnet": MAnetConfig,
    "Linknet": LinknetConfig,
    "FPN": FPNConfig,
    "PSPNet": PSPNetConfig,
    "PAN": PANConfig,
    "DeepLabV3": DeepLabV3Config,
    "UPerNet": UPerNetConfig,
    # smp's default rates differ from the paper's, which are ours.
    "DeepLabV3Plus": lambda **given: DeepLabV3PlusConfig(atrous_rates=(12, 24, 36), **given),
}
FORMS = {
    "PSPNet": {"stages": 3},
    "PAN": {"output_stride": 16},
    "DeepLabV3": {"output_stride": 8},
    "DeepLabV3Plus": {"output_stride": 16},
}
CASES = [
    *((name, "tu-mobilenetv2_100", "mobilenetv2_100") for name in FAMILY if name != "UPerNet"),
    ("Unet", "resnet18", "resnet18"),
    ("PSPNet", "resnet18", "resnet18"),
    ("PAN", "resnet18", "smp-resnet18"),
    ("DeepLabV3Plus", "resnet18", "smp-resnet18"),
    ("FPN", "mobilenet_v2", "smp-mobilenet_v2"),
    ("DeepLabV3", "mobilenet_v2", "smp-mobilenet_v2"),
    ("PSPNet", "mobilenet_v2", "smp-mobilenet_v2"),
    ("PSPNet", "mobilenet_v2", "mobilenetv2_100"),
    ("FPN", "timm-efficientnet-b0", "efficientnet_b0"),
    ("Unet", "mit_b0", "mit_b0"),
    ("FPN", "mit_b0", "mit_b0"),
    ("UPerNet", "tu-convnext_atto", "convnext_atto"),
    ("UPerNet", "resnet18", "resnet18"),
]


def published(name: str, encoder: str, **options: Any) -> nn.Module:
    """smp's network with weights and statistics that are no layer's first ones."""
    torch.manual_seed(7)
    model = smp.create_model(name, encoder, encoder_weights=None, classes=CLASSES, **options)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.ndim == 1 and value.is_floating_point():
                value.add_(0.3 * torch.rand_like(value))
    return model.eval()


def scores(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """What smp's network gives before it upsamples."""
    with torch.no_grad():
        return model.segmentation_head[0](model.decoder(model.encoder(image)))  # type: ignore


def ours(name: str, encoder: str, **options: Any) -> SegmentationModel:
    options = FORMS.get(name, {}) | options
    return FAMILY[name](encoder=EncoderConfig(name=encoder, **options)).build(CLASSES).eval()


@pytest.mark.parametrize(("name", "theirs", "encoder"), CASES)
def test_smp_checkpoints_give_smp_logits(
    name: str, theirs: str, encoder: str, tmp_path: Path
) -> None:
    reference = published(name, theirs)
    torch.save(reference.state_dict(), tmp_path / "published.pth")
    model = ours(name, encoder)
    loaded = load_weights(model, tmp_path / "published.pth")
    assert "segmentation-models-pytorch" in loaded.source
    assert loaded.fresh == ()
    # PAN's pyramid needs 8 x 8 places.
    image = torch.randn(1, 3, *((128, 160) if name == "PAN" else (64, 96)))
    with torch.no_grad():
        output = model(image)
    torch.testing.assert_close(output.logits, scores(reference, image), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.head(output.features[-1]), output.logits)


@pytest.mark.parametrize("name", ["PAN", "DeepLabV3"])
def test_a_dilation_that_differs_is_refused(name: str, tmp_path: Path) -> None:
    torch.save(published(name, "resnet18").state_dict(), tmp_path / "published.pth")
    with pytest.raises(ModelFileError, match=r"fits \d+ of \d+ tensors"):
        load_weights(ours(name, "resnet18"), tmp_path / "published.pth")


def test_deeplabv3_of_old_versions_loads(tmp_path: Path) -> None:
    reference = published("DeepLabV3", "tu-mobilenetv2_100")
    old = {
        "decoder.aspp.": "decoder.0.",
        "decoder.conv.": "decoder.1.",
        "decoder.bn.": "decoder.2.",
    }
    state = {}
    for key, value in reference.state_dict().items():
        for new, number in old.items():
            key = key.replace(new, number) if key.startswith(new) else key
        state[key] = value
    assert "decoder.1.weight" in state
    torch.save(state, tmp_path / "old.pth")
    model = ours("DeepLabV3", "mobilenetv2_100")
    load_weights(model, tmp_path / "old.pth")
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            model(image).logits, scores(reference, image), rtol=1e-4, atol=1e-4
        )


def _loaded(name: str, tmp_path: Path) -> tuple[nn.Module, SegmentationModel]:
    reference = published(name, "resnet18")
    torch.save(reference.state_dict(), tmp_path / "published.pth")
    model = ours(name, "resnet18")
    load_weights(model, tmp_path / "published.pth")
    return reference, model


def test_unet_takes_odd_pictures_as_smp_does(tmp_path: Path) -> None:
    reference, model = _loaded("Unet", tmp_path)
    image = torch.randn(1, 3, 65, 99)
    with torch.no_grad():
        torch.testing.assert_close(
            model(image).logits, scores(reference, image), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(("name", "stride"), [("Linknet", 1), ("FPN", 4)])
def test_odd_pictures_have_their_stages_continued(name: str, stride: int, tmp_path: Path) -> None:
    reference, model = _loaded(name, tmp_path)
    image = torch.randn(1, 3, 65, 99)  # continued to 96 x 128
    with torch.no_grad():
        stages = []
        for power, stage in enumerate(reference.encoder(image)):  # type: ignore[operator]
            below, right = (96 >> power) - stage.shape[2], (128 >> power) - stage.shape[3]
            grown = np.pad(stage.numpy(), ((0, 0), (0, 0), (0, below), (0, right)), mode="edge")
            stages.append(torch.from_numpy(grown))
        decoded = reference.decoder(stages)  # type: ignore[operator]
        decoded = decoded[..., : -(-65 // stride), : -(-99 // stride)]
        expected = reference.segmentation_head[0](decoded)  # type: ignore[index]
        torch.testing.assert_close(model(image).logits, expected, rtol=1e-4, atol=1e-4)


def test_the_smallest_picture_reaches_the_bottom_of_pan() -> None:
    model = PANConfig(encoder=EncoderConfig(name="mobilenetv4_conv_small")).build(CLASSES).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 32, 33)).logits.shape == (1, CLASSES, 8, 9)


@pytest.mark.parametrize("seed", range(2))
def test_no_gate_of_manet_is_born_dead(seed: int) -> None:
    torch.manual_seed(seed)
    model = MAnetConfig(encoder=EncoderConfig(name="mobilenetv2_100")).build(CLASSES)
    model(torch.randn(2, 3, 64, 64)).logits.square().mean().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_named_networks_are_those_of_the_road_task() -> None:
    named = networks()
    with torch.device("meta"):
        for name in ("unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "pan"):
            network = named[f"{name}-mobilenetv2"]
            assert network.config.build(1).num_classes == 1
            assert "mobilenetv2_100" in network.config.title
    assert "deeplabv3-mobilenetv2" in named


@pytest.mark.parametrize("encoder", ["smp-mobilenet_v2", "smp-resnet18"])
def test_layers_behind_the_last_stage_are_dropped(encoder: str) -> None:
    kept = EncoderConfig(name=encoder, stages=3).build()
    features = kept(torch.randn(2, 3, 64, 64))
    assert [(f.shape[1], 64 // f.shape[2]) for f in features] == [
        (spec.channels, spec.stride) for spec in kept.specs
    ]
    features[-1].square().mean().backward()
    assert [n for n, p in kept.named_parameters() if p.grad is None] == []


def _refused(config: ModelConfig, match: str) -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=match):
        config.build(CLASSES)


def test_encoders_that_do_not_fit_are_one_line() -> None:
    mix, wide = EncoderConfig(name="mit_b0"), EncoderConfig(name="resnet18", output_stride=16)
    stages = r"cannot use an encoder with stages of strides \[4, 8, 16, 32\]"
    _refused(UnetPlusPlusConfig(encoder=mix), f"UnetPlusPlus {stages}.*such as resnet18")
    _refused(LinknetConfig(encoder=mix), f"Linknet {stages}")
    _refused(FPNConfig(encoder=wide), r"FPN cannot use .*\[2, 4, 8, 16, 16\]")
    _refused(FPNConfig(encoder=EncoderConfig(name="mit_b0", stages=3)), "FPN cannot use")
    _refused(PANConfig(encoder=EncoderConfig(name="resnet18", stages=2)), "PAN cannot use")
    _refused(UnetConfig(channels=(64, 32, 16)), "3 widths .* do not fit 5 stages")
    _refused(UnetConfig(encoder=EncoderConfig(name="smp-vgg11")), "no encoder 'smp-vgg11'")
    every = EncoderConfig(name="smp-resnet18", every_block=True)
    _refused(UnetConfig(encoder=every), "has five stages and no other form")


def test_unet_of_fewer_stages() -> None:
    config = UnetConfig(encoder=EncoderConfig(name="resnet18", stages=3), channels=(64, 32, 16))
    with torch.no_grad():
        output = config.build(CLASSES).eval()(torch.randn(1, 3, 40, 48))
    assert output.logits.shape == (1, CLASSES, 40, 48)


def test_a_failed_download_of_smp_weights_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", offline)
    with pytest.raises(ModelFileError, match=r"smp-resnet18 could not be downloaded \(OSError\)"):
        EncoderConfig(name="smp-resnet18", pretrained=True).build()


def test_biases_that_batch_normalisation_cancels_are_not_trained() -> None:
    model = PANConfig(encoder=EncoderConfig(name="mobilenetv4_conv_small")).build(CLASSES)
    held = {name for name in model.state_dict() if name.endswith(".conv.bias")}
    assert "decoder.fpa.down3.1.conv.bias" in held  # published files have them
    assert held.isdisjoint(name for name, _ in model.named_parameters())
