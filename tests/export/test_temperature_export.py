"""A temperature in an exported file: the scores are divided by it, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from color_scenes import SIZE_HW, build, expected_logits, scene
from fitted import scaled
from torch import nn

from curbside.deploy import CalibrationSet, quantize
from curbside.export import ExportConfig, export_onnx
from curbside.labels import LabelSpace
from curbside.manifest import TemperatureScaling
from curbside.models import ModelOutput, SegmentationModel, upsample
from curbside.prepared import PreparedFolder
from curbside.runtime import load_predictor

T = 1.7


def scaling(temperature: float = T) -> TemperatureScaling:
    return scaled(temperature)


def written(model: Any, path: Path, space: LabelSpace, **more: Any) -> Path:
    size_hw, outputs, opset = more.pop("shape", (SIZE_HW, "logits", 17))
    config = ExportConfig(size_hw=size_hw, outputs=outputs, opset=opset)
    export_onnx(model, path, config=config, space=space, title="tiny", **more)
    return path


def answers(path: Path, rgb: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"frame": rgb[None, ..., ::-1].copy()}), strict=True))


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


class Squashed(SegmentationModel):
    """Ends in something that is not linear."""

    def __init__(self, inner: SegmentationModel) -> None:
        super().__init__(inner.num_classes)
        self.inner, self.normalization = inner, inner.normalization

    def forward(self, image: torch.Tensor) -> ModelOutput:
        return ModelOutput(logits=5 * torch.tanh(self.inner(image).logits / 8), features=())


class Twice(SegmentationModel):
    """Sums up two layers, one of which reads the other's output: dividing both is once too often."""

    def __init__(self, inner: SegmentationModel) -> None:
        super().__init__(inner.num_classes)
        self.inner, self.normalization = inner, inner.normalization
        self.first, self.second = (nn.Conv2d(4, 4, 1) for _ in range(2))

    def forward(self, image: torch.Tensor) -> ModelOutput:
        scores = self.first(self.inner(image).logits)
        return ModelOutput(logits=scores + self.second(torch.relu(scores)), features=())


@pytest.mark.parametrize(
    ("kind", "outputs", "size_hw", "opset"),
    [
        ("lraspp", "ids", SIZE_HW, 17),
        ("deeplab", "confidence", (65, 97), 13),
        ("lraspp", "logits", (70, 75), 18),
    ],
)
def test_scores_are_divided_in_the_weights_and_classes_stay(
    tmp_path: Path, space: LabelSpace, kind: str, outputs: str, size_hw: tuple[int, int], opset: int
) -> None:
    model, shape = build(kind), (size_hw, outputs, opset)
    plain = written(model, tmp_path / "plain.onnx", space, shape=shape)
    path = written(model, tmp_path / "m.onnx", space, shape=shape, temperature_scaling=scaling())
    assert operators(path) == operators(plain), "no operator is added"
    rgb, _ = scene(3, size_hw)
    logits = expected_logits(model, rgb) / T
    scores = upsample(logits, size_hw)[0]
    given, before = answers(path, rgb), answers(plain, rgb)
    assert (given["ids"] == before["ids"]).mean() > 0.9999
    assert len(set(np.unique(given["ids"]))) > 1, "one class everywhere would prove nothing"
    if outputs == "confidence":
        winner = scores.softmax(0).amax(0).numpy()
        np.testing.assert_allclose(given["confidence"][0], winner, atol=1e-4)
        assert np.abs(before["confidence"][0] - winner).max() > 0.01
    if outputs == "logits":
        np.testing.assert_allclose(given["logits"], logits.numpy(), atol=1e-3)
    with load_predictor(path, threads=1) as predictor:
        assert predictor.manifest.temperature_scaling == scaling()
        assert predictor.manifest.to_dict()["temperature_scaling"]["folded"] is True
        frame = rgb[..., ::-1].copy()
        result = predictor(frame, probabilities=outputs == "logits")
    if outputs == "logits":
        expected = scores.softmax(0).numpy()
        np.testing.assert_allclose(result.probabilities, expected, atol=1e-4)


@pytest.mark.parametrize("kind", [Squashed, Twice])
def test_what_is_not_linear_gets_one_multiplication(
    tmp_path: Path, space: LabelSpace, kind: type
) -> None:
    model = kind(build("lraspp")).eval()
    plain = written(model, tmp_path / "plain.onnx", space)
    path = written(model, tmp_path / "m.onnx", space, temperature_scaling=scaling())
    assert operators(path) - operators(plain) == Counter({"Mul": 1})
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    rgb, _ = scene(5)
    expected = expected_logits(model, rgb).numpy() / T
    np.testing.assert_allclose(answers(path, rgb)["logits"], expected, atol=1e-3)
    assert (answers(path, rgb)["ids"] == answers(plain, rgb)["ids"]).mean() > 0.9999


def test_verifying_divides_too(
    tmp_path: Path, space: LabelSpace, fitted: SegmentationModel
) -> None:
    config = ExportConfig(size_hw=SIZE_HW, outputs="confidence")
    found = export_onnx(
        fitted,
        tmp_path / "m.onnx",
        config=config,
        space=space,
        title="tiny",
        temperature_scaling=scaling(),
    )
    assert found.logit_difference < 1e-3
    assert found.confidence_difference is not None and found.confidence_difference < 1e-3


def test_the_quantised_file_keeps_temperature_and_classes(
    tmp_path: Path, space: LabelSpace, data: Path, fitted: SegmentationModel
) -> None:
    chosen = CalibrationSet.choose(PreparedFolder(data), count=8)
    files = []
    for name, more in (("plain", {}), ("m", {"temperature_scaling": scaling()})):
        path = written(fitted, tmp_path / f"{name}.onnx", space, **more)
        files.append(quantize(path, tmp_path / f"{name}.int8.onnx", chosen))
    assert operators(files[0]) == operators(files[1])
    rgb, _ = scene(11)
    plain, scaled = (answers(path, rgb) for path in files)
    # Weights and scales shrink together, so the integers are the same ones.
    np.testing.assert_allclose(scaled["logits"] * T, plain["logits"], rtol=1e-4, atol=1e-4)
    assert (scaled["ids"] == plain["ids"]).mean() > 0.9999
    with load_predictor(files[1], threads=1) as predictor:
        assert predictor.manifest.temperature == T
        assert predictor.manifest.calibration["count"] == 8
        assert predictor.manifest.precision == "int8"
