"""The contract of every network for objects that `models` finds in its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from curbside.deploy import check_operators, target_named
from curbside.errors import ConfigError
from curbside.export import ExportConfig, InstanceGraph, export_instances
from curbside.export.tracing import to_onnx
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import Manifest
from curbside.models import (
    EncoderConfig,
    InstanceModel,
    PrototypeMasksConfig,
    inference_form,
    instance_model_configs,
    instance_networks,
    load_instance_network,
)

CLASSES = 3
SPACE = LabelSpace(
    name="three",
    classes=tuple(
        LabelClass(id=i, name=f"class {i}", color=(50 * i, 9, 9), has_instances=True)
        for i in range(CLASSES)
    ),
)
_PLAIN = {"Conv", "Relu", "Clip", "Add", "Resize"}


@pytest.fixture(scope="module", params=sorted(instance_networks()))
def model(request: pytest.FixtureRequest) -> InstanceModel:
    """A named network over the smallest encoder of its family."""
    config = load_instance_network(request.param)
    small = {"mobilenetv2_100": "mobilenetv2_035"}.get(
        config.encoder.name, "mobilenetv4_conv_small_035"
    )
    torch.manual_seed(0)
    return replace(config, encoder=EncoderConfig(name=small)).build(CLASSES)


def test_every_architecture_has_a_named_network() -> None:
    kinds = {type(config).__name__ for config in instance_networks().values()}
    assert kinds == set(instance_model_configs())


def test_the_maps_are_what_the_manifest_says(model: InstanceModel) -> None:
    found = model.eval()(torch.zeros(2, 3, 64, 96))
    specs = model.output_specs
    assert len(specs) == len(found.tensors) == 3 * len(model.strides) + 1
    wanted = {
        "box_distribution": 4 * model.bins,
        "class_scores": CLASSES,
        "mask_coefficients": model.prototype_count,
        "prototypes": model.prototype_count,
    }
    strides = [stride for stride in model.strides for _ in range(3)] + [4]
    for spec, tensor, stride in zip(specs, found.tensors, strides, strict=True):
        assert tensor.shape == (2, wanted[spec.meaning], 64 // stride, 96 // stride)
        assert not spec.activated or spec.meaning != "class_scores"
    Manifest(
        task="instances",
        input=InstanceGraph(model, size_hw=(64, 96)).input_spec,
        outputs=specs,
        space=SPACE,
        normalization=model.normalization,
        model="x",
    )


def test_nothing_is_proposed_before_anything_is_learnt(model: InstanceModel) -> None:
    with torch.no_grad():
        found = model.eval()(torch.randn(1, 3, 64, 64))
    assert all(scores.sigmoid().max() < 0.05 for scores in found.class_scores)


def test_every_weight_learns(model: InstanceModel) -> None:
    found = model.train()(torch.randn(2, 3, 64, 64))
    sum(tensor.square().sum() for tensor in found.tensors).backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert not still
    model.zero_grad()


def test_the_form_for_inference_gives_the_same_with_fewer_layers(model: InstanceModel) -> None:
    picture = torch.randn(1, 3, 96, 64)
    model.eval()
    form = inference_form(model)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in form.modules())
    with torch.no_grad():
        for one, other in zip(model(picture).tensors, form(picture).tensors, strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_any_compiler_takes_the_operators(model: InstanceModel) -> None:
    proto = to_onnx(InstanceGraph(model.eval(), size_hw=(64, 96)).eval(), 13)
    behind, waiting = set(), ["image"]
    while waiting:
        name = waiting.pop()
        for node in proto.graph.node:
            if name in node.input and node.name not in behind:
                behind.add(node.name)
                waiting += node.output
    kinds = {node.op_type for node in proto.graph.node if node.name in behind}
    assert kinds <= _PLAIN and "Conv" in kinds
    assert check_operators(proto, target_named("hailo8")).accepted


def test_a_file_agrees_and_other_sizes_are_refused(model: InstanceModel, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    config = ExportConfig(size_hw=(64, 96))
    found = export_instances(model.eval(), path, config=config, space=SPACE, title="x")
    assert max(found.score_difference, found.box_difference, found.mask_difference) < 1e-3
    assert [item.name for item in onnx.load(str(path)).graph.output] == [
        spec.name for spec in model.output_specs
    ]
    with pytest.raises(ConfigError, match=r"70 x 96 .*--size-hw 64 96"):
        config = ExportConfig(size_hw=(70, 96))
        export_instances(model, tmp_path / "n.onnx", config=config, space=SPACE, title="x")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PrototypeMasksConfig(bins=1), "1 bins"),
        (lambda: PrototypeMasksConfig(prototypes=0), "prototypes is 0"),
        (lambda: load_instance_network("prototype-masks-mobilnetv2"), "did you mean prototype"),
        (
            lambda: PrototypeMasksConfig(encoder=EncoderConfig(output_stride=16)).build(3),
            "no stage of stride 32",
        ),
    ],
)
def test_mistakes_are_named(make, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
