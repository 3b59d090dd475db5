"""The contract of every network that `models` finds in its folder."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curbside.errors import ConfigError
from curbside.export import ExportConfig, export_onnx
from curbside.labels import LabelClass, LabelSpace
from curbside.models import (
    EncoderConfig,
    ModelConfig,
    ModelOutput,
    SegmentationModel,
    load_network,
    load_weights,
    model_configs,
    networks,
    upsample,
)

CLASSES = 5
SPACE = LabelSpace(
    name="five",
    classes=tuple(
        LabelClass(id=i, name=f"class {i}", color=(50 * i, 255 - 50 * i, 9)) for i in range(CLASSES)
    ),
)
SMALL_ENCODERS = {
    "HRNetConfig": "hrnet_w18_small",
    "SegFormerConfig": "mit_b0",
    "UPerNetConfig": "test_convnext",
}
SMALLEST = "test_efficientnet"
"""A block per stage: the encoders themselves are tested in `tests/models/test_encoder.py`."""
NETWORKS = sorted(networks())


def _small(name: str) -> ModelConfig:
    """An architecture's first network, over an encoder that is small enough for tests where it has one."""
    config = model_configs()[name].networks()[0].config
    if not hasattr(config, "encoder"):
        return config
    encoder = EncoderConfig(
        name=SMALL_ENCODERS.get(name, SMALLEST),
        output_stride=config.encoder.output_stride,
        every_block=config.encoder.every_block,
    )
    return replace(config, encoder=encoder)  # type: ignore[call-arg]


@pytest.fixture(scope="module", params=sorted(model_configs()))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(kind: str) -> SegmentationModel:
    torch.manual_seed(0)
    return _small(kind).build(CLASSES)


def _score(output: ModelOutput, target: Tensor) -> Tensor:
    """One number that everything a network says in training has a part in; zero only for a perfect one."""
    size = target.shape[-2:]
    total = torch.zeros(())
    for logits in (output.logits, *output.aux):
        total = total + torch.nn.functional.cross_entropy(upsample(logits.float(), size), target)
    for extra in (output.boundary, output.depth):
        if extra is not None:
            total = total + (extra.float() - 1).square().mean()
    return total


def test_every_architecture_has_a_named_network_with_a_title() -> None:
    named = networks()
    assert {type(item.config).__name__ for item in named.values()} == set(model_configs())
    for name, item in named.items():
        assert item.name == name and item.config.title and " " not in name and name.islower()
        assert load_network(name) == item.config
        assert item.config.from_random() == item.config
    with pytest.raises(ConfigError, match=r"no network 'pidnet-x'.*pidnet"):
        load_network("pidnet-x")


@pytest.mark.parametrize("size_hw", [(64, 96), (65, 99), (33, 47)], ids=["even", "odd", "least"])
def test_logits_and_features_are_as_declared(model: SegmentationModel, size_hw) -> None:
    model.eval()
    with torch.no_grad():
        output = model(torch.randn(1, 3, *size_hw))
    assert output.logits.shape[:2] == (1, CLASSES)
    assert output.aux == () and output.boundary is None
    assert model.feature_specs[-1].name == "decoder"
    assert len({spec.name for spec in model.feature_specs}) == len(model.feature_specs)
    assert len(output.features) == len(model.feature_specs) >= 4
    for feature, spec in zip(output.features, model.feature_specs, strict=True):
        assert feature.shape[1] == spec.channels, spec
        for given, wanted in zip(feature.shape[2:], size_hw, strict=True):
            # Convolutions round up, convnext's patches round down, a padded picture is up to 31 larger.
            low, high = wanted // spec.stride, math.ceil((wanted + 31) / spec.stride)
            assert low <= given <= high, spec
    if output.depth is not None:
        assert output.depth.shape[1] == 1 and (output.depth >= 0).all()


@pytest.mark.parametrize("size_hw", [(64, 96), (65, 99)], ids=["even", "odd"])
def test_every_weight_learns(model: SegmentationModel, size_hw) -> None:
    model.train()
    model.zero_grad()
    # Three pictures: a BatchNorm over the two values of two one-pixel maps leaves nothing but a sign.
    output = model(torch.randn(3, 3, *size_hw))
    assert all(aux.shape[:2] == (3, CLASSES) for aux in output.aux)
    assert bool(output.aux or output.boundary is not None) == bool(model.training_only)
    _score(output, torch.randint(0, CLASSES, (3, *size_hw))).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_a_few_steps_lower_the_loss(kind: str) -> None:
    torch.manual_seed(1)
    model = _small(kind).build(CLASSES).train()
    image = torch.randn(2, 3, 64, 64)
    target = torch.randint(0, CLASSES, (2, 4, 4)).repeat_interleave(16, 1).repeat_interleave(16, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = _score(model(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_saved_weights_give_the_same_logits(model: SegmentationModel, kind, tmp_path: Path) -> None:
    model.eval()
    path = tmp_path / "weights.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    again = _small(kind).build(CLASSES).eval()
    again.load_state_dict(load_file(path))
    image = torch.randn(1, 3, 64, 64)
    third = _small(kind).build(CLASSES).eval()
    assert load_weights(third, path).fresh == ()
    with torch.no_grad():
        wanted = model(image).logits
        assert torch.equal(wanted, again(image).logits)
        assert torch.equal(wanted, third(image).logits)


def test_channels_last_and_half_precision_agree(model: SegmentationModel) -> None:
    model = copy.deepcopy(model).eval()
    torch.manual_seed(3)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        plain = model(image).logits
        model.to(memory_format=torch.channels_last)
        last = model(image.contiguous(memory_format=torch.channels_last)).logits
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(image).logits.float()
        half = model.to(torch.bfloat16)(image.to(torch.bfloat16)).logits.float()
    scale = plain.abs().max().item()
    assert torch.allclose(plain, last, atol=1e-4 * max(1, scale))
    assert (plain - mixed).abs().mean() < 0.05 * scale
    assert (plain - half).abs().mean() < 0.05 * scale


def test_a_step_in_half_precision_is_finite(kind: str) -> None:
    torch.manual_seed(2)
    model = _small(kind).build(CLASSES).train()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(torch.randn(2, 3, 64, 64))
    loss = _score(output, torch.randint(0, CLASSES, (2, 64, 64)))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_it_compiles_in_one_piece(model: SegmentationModel) -> None:
    model.eval()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(compiled(image).logits, model(image).logits, atol=1e-5)


def test_its_file_answers_as_it_does(model: SegmentationModel, tmp_path: Path) -> None:
    _answers_alike(model.eval(), tmp_path)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("name", ["LRASPPConfig", "SegFormerConfig", "UPerNetConfig"])
def test_its_file_of_another_opset_answers_as_it_does(
    name: str, tmp_path: Path, opset: int
) -> None:
    """What came in between are normalisation over channels, hard swish, and reductions over pixels, tokens
    and channels; these networks have them all."""
    _answers_alike(_small(name).build(CLASSES).eval(), tmp_path, opset=opset)


def _answers_alike(model: SegmentationModel, folder: Path, **settings: int) -> None:
    found = export_onnx(
        model,
        folder / "model.onnx",
        config=ExportConfig(size_hw=(96, 160), **settings),
        space=SPACE,
        title="a network",
    )
    assert found.agreement >= 0.999
    assert found.logit_difference <= 1e-3 * max(1, found.logit_range)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_named_network_is_as_declared_at_full_size(name: str) -> None:
    with torch.device("meta"):
        model = load_network(name).build(19).eval()
        output = model(torch.zeros(1, 3, 512, 1024))
    assert output.logits.shape[:2] == (1, 19)
    for feature, spec in zip(output.features, model.feature_specs, strict=True):
        assert feature.shape[1:] == (spec.channels, 512 // spec.stride, 1024 // spec.stride), spec
