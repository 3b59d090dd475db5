"""The contract of every network that `models` finds in its folder."""

from __future__ import annotations

import math

import pytest
import torch

from curbside.models import EncoderConfig, ModelConfig, model_configs

CONFIGS = sorted(model_configs().items())
CLASSES = 5


def _small(kind: type[ModelConfig]) -> ModelConfig:
    """The network over an encoder that is small enough for tests."""
    name = "convnext_atto" if kind.__name__ == "UPerNetConfig" else "mobilenetv4_conv_small"
    return kind(encoder=EncoderConfig(name=name))


@pytest.fixture(scope="module", params=CONFIGS, ids=[name for name, _ in CONFIGS])
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return _small(request.param[1]).build(CLASSES)


@pytest.mark.parametrize("size_hw", [(64, 96), (65, 99)], ids=["even", "odd"])
def test_logits_and_features_are_as_declared(model, size_hw) -> None:
    model.eval()
    with torch.no_grad():
        output = model(torch.randn(2, 3, *size_hw))
    assert output.logits.shape[:2] == (2, CLASSES)
    assert len(output.features) == len(model.feature_specs) >= 4
    for feature, spec in zip(output.features, model.feature_specs, strict=True):
        assert feature.shape[1] == spec.channels
        for given, wanted in zip(feature.shape[2:], size_hw, strict=True):
            # Convolutions round up, convnext's patches round down.
            assert given in (math.ceil(wanted / spec.stride), wanted // spec.stride)


def test_every_weight_learns(model) -> None:
    model.train()
    model.zero_grad()
    model(torch.randn(2, 3, 64, 64)).logits.square().mean().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_a_few_steps_lower_the_loss(model) -> None:
    torch.manual_seed(1)
    model.train()
    image, target = torch.randn(2, 3, 64, 64), torch.randint(0, CLASSES, (2,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        scores = model(image).logits.mean(dim=(2, 3))
        loss = torch.nn.functional.cross_entropy(scores, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_saved_weights_give_the_same_logits(model, tmp_path) -> None:
    model.eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    again = _small(model_configs()[f"{type(model).__name__}Config"]).build(CLASSES).eval()
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(image).logits, again(image).logits)


def test_channels_last_and_bfloat16_agree(model) -> None:
    model.eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        plain = model(image).logits
        model.to(memory_format=torch.channels_last)
        last = model(image.contiguous(memory_format=torch.channels_last)).logits
        with torch.autocast("cpu", torch.bfloat16):
            half = model(image).logits.float()
    assert torch.allclose(plain, last, atol=1e-4)
    assert torch.allclose(plain, half, atol=0.1 * plain.abs().max().item())
