"""SegFormer and its mix transformers, against segmentation-models-pytorch's and by hand."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from curbside.errors import ConfigError, ModelFileError
from curbside.models import EncoderConfig
from curbside.models.base import networks
from curbside.models.segformer import SegFormerConfig
from curbside.models.weights import load_weights

CLASSES = 5


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    torch.manual_seed(3)
    model = smp.Segformer("mit_b0", encoder_weights=None, classes=CLASSES).eval()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.ndim == 1 and value.is_floating_point():
                value.add_(0.3 * torch.rand_like(value))
    return model


def _same_logits(reference: nn.Module, path: Path) -> None:
    model = SegFormerConfig().build(CLASSES).eval()
    assert load_weights(model, path).fresh == ()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        stages = reference.encoder(image)  # type: ignore[operator]
        expected = reference.segmentation_head[0](reference.decoder(stages))  # type: ignore
        torch.testing.assert_close(model(image).logits, expected, rtol=1e-4, atol=1e-4)


def test_smp_checkpoints_give_smp_logits(reference: nn.Module, tmp_path: Path) -> None:
    torch.save(reference.state_dict(), tmp_path / "published.pth")
    _same_logits(reference, tmp_path / "published.pth")


def test_the_authors_checkpoints_load(reference: nn.Module, tmp_path: Path) -> None:
    names = {"encoder.": "backbone.", "segmentation_head.0.": "decode_head.linear_pred."}
    names |= {
        f"decoder.mlp_stage.{i}.linear.": f"decode_head.linear_c{4 - i}.proj." for i in range(4)
    }
    names["decoder.fuse_stage.0."] = "decode_head.linear_fuse.conv."
    names["decoder.fuse_stage.1."] = "decode_head.linear_fuse.bn."
    state = {"decode_head.conv_seg.weight": torch.zeros(19, 128, 1, 1)}
    for key, value in reference.state_dict().items():
        (begin,) = [name for name in names if key.startswith(name)]
        state[key.replace(begin, names[begin], 1)] = value
    torch.save({"meta": {"CLASSES": ["road"]}, "state_dict": state}, tmp_path / "authors.pth")
    _same_logits(reference, tmp_path / "authors.pth")


def test_resnet_checkpoints_do_not_fit(tmp_path: Path) -> None:
    other = smp.Segformer("resnet18", encoder_weights=None, classes=CLASSES)
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(ModelFileError, match=r"fits \d+ of \d+ tensors"):
        load_weights(SegFormerConfig().build(CLASSES), tmp_path / "other.pth")


def test_the_decoder_at_an_odd_size_is_the_papers() -> None:
    torch.manual_seed(0)
    model = SegFormerConfig(channels=16).build(CLASSES).eval()
    with torch.no_grad():
        output = model(torch.randn(1, 3, 65, 99))
        *stages, decoded = output.features
        resized = []
        for stage, layer in zip(stages[::-1], model.decoder.mlp_stage, strict=True):  # type: ignore
            linear = torch.einsum("bchw,dc->bdhw", stage, layer.linear.weight)
            linear = linear + layer.linear.bias[:, None, None]
            resized.append(F.interpolate(linear, size=(17, 25), mode="bilinear"))
        fuse = model.decoder.fuse_stage  # type: ignore[union-attr]
        expected = F.relu(fuse[1](F.conv2d(torch.cat(resized, 1), fuse[0].weight)))  # type: ignore
    torch.testing.assert_close(decoded, expected)
    assert output.logits.shape == (1, CLASSES, 17, 25)


@pytest.mark.parametrize("size", [0, 2])
def test_every_mix_transformer_has_smps_weights(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # smp reads numbers out of it, which the meta device has not.
    monkeypatch.setattr(torch, "linspace", partial(torch.linspace, device="cpu"))
    with torch.device("meta"):
        mine = EncoderConfig(name=f"mit_b{size}").build()
        theirs = smp.encoders.get_encoder(f"mit_b{size}")
    shapes = [sorted(tuple(p.shape) for p in net.parameters()) for net in (mine, theirs)]
    assert shapes[0] == shapes[1]
    (names,) = mine.key_maps
    assert {names.ours(key) for key in theirs.state_dict()} == set(mine.state_dict())


@pytest.mark.parametrize("name", ["segformer-b0", "segformer-b2"])
def test_its_size_is_the_published_one(name: str) -> None:
    network = networks()[name]
    with torch.device("meta"):
        model = network.config.build(network.published_classes)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions == pytest.approx(network.published_m, rel=0.01)


def test_attention_as_separate_products_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = EncoderConfig(name="mit_b0").build().eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        fused = encoder(image)
        with monkeypatch.context() as patch:
            patch.setattr("torch.onnx.is_in_onnx_export", lambda: True)
            patch.setattr(F, "scaled_dot_product_attention", None)
            plain = encoder(image)
        again = encoder(image)
    for a, b, c in zip(fused, plain, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
        assert torch.equal(a, c)


def test_fewer_stages_of_a_mix_transformer(reference: nn.Module, tmp_path: Path) -> None:
    state = {f"encoder.{k}": v for k, v in reference.encoder.state_dict().items()}  # type: ignore
    encoder = EncoderConfig(name="mit_b0", stages=2).build().eval()
    (names,) = encoder.key_maps
    mine = {names.ours(key.removeprefix("encoder.")): value for key, value in state.items()}
    encoder.load_state_dict({key: value for key, value in mine.items() if key})  # type: ignore
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = reference.encoder(image)[2:4]  # type: ignore[operator]
        for a, b in zip(encoder(image), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_published_encoder_weights_are_fetched_from_smps_hub(
    reference: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save_file(reference.encoder.state_dict(), tmp_path / "hub.safetensors")  # type: ignore
    asked = []

    def hub(**where: str) -> str:
        asked.append(where["repo_id"])
        return str(tmp_path / "hub.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub)
    encoder = EncoderConfig(name="mit_b0", pretrained=True).build().eval()
    assert asked == ["smp-hub/mit_b0.imagenet"]
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(encoder(image), reference.encoder(image)[2:], strict=True):  # type: ignore
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_failed_download_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**where: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(ModelFileError, match=r"mit_b0 could not be downloaded .*--weights FILE"):
        EncoderConfig(name="mit_b0", pretrained=True).build()


def test_impossible_mix_transformers_are_one_line() -> None:
    with pytest.raises(ConfigError, match="no mix transformer 'mit_b9'"):
        EncoderConfig(name="mit_b9").build()
    for options in ({"output_stride": 16}, {"every_block": True}, {"stages": 5}):
        with pytest.raises(ConfigError, match="four stages of strides 4 to 32"):
            EncoderConfig(name="mit_b0", **options).build()  # type: ignore[arg-type]


def test_attention_looks_at_the_whole_picture() -> None:
    torch.manual_seed(0)
    encoder = EncoderConfig(name="mit_b0").build().eval()
    image = torch.randn(1, 3, 96, 96, requires_grad=True)
    encoder(image)[0][0, 0, 0, 0].backward()
    assert image.grad is not None and math.isfinite(image.grad.sum())
    assert image.grad[..., -8:, -8:].any()
