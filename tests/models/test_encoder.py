"""Encoders: stages, strides, and errors that say the way out."""

from __future__ import annotations

import pytest
import torch

from curbside.errors import ConfigError, ModelFileError
from curbside.models import DeepLabV3PlusConfig, EncoderConfig, LRASPPConfig, upsample

SMALL = "mobilenetv4_conv_small"


def _parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_source_documents_student_has_its_published_size() -> None:
    # Its ONNX file of 16 classes has 1.38 MB: 345 k float32 weights.
    model = LRASPPConfig(encoder=EncoderConfig(name=SMALL, stages=4)).build(16)
    assert _parameters(model) * 4 / 1e6 == pytest.approx(1.38, abs=0.01)
    assert [spec.channels for spec in model.feature_specs] == [32, 32, 64, 96, 128]
    assert [spec.stride for spec in model.feature_specs] == [2, 4, 8, 16, 16]


@pytest.mark.parametrize(("stride", "last"), [(32, 32), (16, 16), (8, 8)])
def test_output_stride(stride: int, last: int) -> None:
    encoder = EncoderConfig(name="mobilenetv2_100", output_stride=stride).build().eval()
    with torch.no_grad():
        features = encoder(torch.randn(1, 3, 64, 64))
    assert features[-1].shape[-1] == 64 // last
    assert encoder.specs[-1].stride == last


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", offline)
    monkeypatch.setattr("timm.models._builder.load_cached_file", offline, raising=False)
    with pytest.raises(ModelFileError, match=r"could not be downloaded .*--weights FILE"):
        EncoderConfig(name=SMALL, pretrained=True).build()


def test_unknown_encoders_and_stages() -> None:
    with pytest.raises(ConfigError, match="timm has no encoder 'mobilenetv99'"):
        EncoderConfig(name="mobilenetv99").build()
    with pytest.raises(ConfigError, match="has 5 stages, not 9"):
        EncoderConfig(name=SMALL, stages=9).build()
    with pytest.raises(ConfigError, match="cannot have output stride 8"):
        EncoderConfig(name=SMALL, stages=4, output_stride=8).build()


def test_normalization_is_the_encoders_own() -> None:
    assert DeepLabV3PlusConfig(encoder=EncoderConfig(name="tf_efficientnet_lite0")).build(
        3
    ).normalization.mean == (0.5, 0.5, 0.5)
    assert LRASPPConfig(encoder=EncoderConfig(name=SMALL)).build(3).normalization.mean[
        0
    ] == pytest.approx(0.485)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_lraspp_scores_come_out_at_the_detail_stride(stride: int) -> None:
    config = LRASPPConfig(encoder=EncoderConfig(name=SMALL, stages=4), detail_stride=stride)
    with torch.no_grad():
        logits = config.build(3).eval()(torch.randn(1, 3, 64, 96)).logits
    assert logits.shape == (1, 3, 64 // stride, 96 // stride)


def test_the_gate_of_lraspp_multiplies() -> None:
    torch.manual_seed(0)
    model = LRASPPConfig(encoder=EncoderConfig(name=SMALL, stages=4)).build(3).eval()
    torch.nn.init.zeros_(model.gate[1].weight)  # sigmoid(0) = 1/2 everywhere
    with torch.no_grad():
        output = model(torch.randn(1, 3, 64, 96))
        coarse = model.deep(model.project(output.features[-2]) / 2)
        expected = upsample(coarse, (16, 24)) + model.fine(output.features[1])
    torch.testing.assert_close(output.logits, expected)


def test_the_settings_of_deeplab_reach_its_pyramid() -> None:
    config = DeepLabV3PlusConfig(
        encoder=EncoderConfig(name=SMALL, stages=4), atrous_rates=(2, 3, 5), dropout=0.3
    )
    decoder = config.build(3).decoder
    dilations = {m.dilation[0] for m in decoder.modules() if isinstance(m, torch.nn.Conv2d)}
    assert dilations == {1, 2, 3, 5}
    assert {m.p for m in decoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
