"""Outputs of small instance networks, and their decoding one cell, one object, one pixel at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_models import COLORS

from curbside.imaging import Normalization
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import InputSpec, Manifest, OutputSpec

__all__ = ["SPACE", "Raw", "make_constant_onnx", "manifest_of", "naive_objects", "random_raw"]

SPACE = LabelSpace(
    name="tiny things",
    classes=tuple(
        LabelClass(id=number, name=name, color=COLORS[number], has_instances=True)
        for number, name in enumerate(("car", "person", "dog"))
    ),
)
CLASSES = 3


@dataclass
class Raw:
    """The raw heads of a network, NCHW, class scores before the sigmoid."""

    size_hw: tuple[int, int]
    strides: tuple[int, ...]
    boxes: list[np.ndarray]
    scores: list[np.ndarray]
    mixes: list[np.ndarray]
    prototypes: np.ndarray

    def heads(
        self, *, layout: Literal["NCHW", "NHWC"] = "NCHW", activated: bool = False
    ) -> tuple[dict[str, np.ndarray], tuple[OutputSpec, ...]]:
        """As a compiled graph gives them: arrays by name and what they mean."""
        arrays, specs = {"protos": self.prototypes}, [("protos", "prototypes")]
        for index in range(len(self.strides)):
            scores = self.scores[index]
            arrays[f"box{index}"] = self.boxes[index]
            arrays[f"cls{index}"] = 1 / (1 + np.exp(-scores)) if activated else scores
            arrays[f"mix{index}"] = self.mixes[index]
            specs += [
                (f"box{index}", "box_distribution"),
                (f"cls{index}", "class_scores"),
                (f"mix{index}", "mask_coefficients"),
            ]
        if layout == "NHWC":
            arrays = {k: np.ascontiguousarray(v.transpose(0, 2, 3, 1)) for k, v in arrays.items()}
        outputs = tuple(
            OutputSpec(name=name, meaning=meaning, layout=layout, activated=activated)
            for name, meaning in specs
        )
        return {name: array.astype(np.float32) for name, array in arrays.items()}, outputs

    def whole(self) -> tuple[dict[str, np.ndarray], tuple[OutputSpec, ...]]:
        """As the whole export gives them."""
        columns = []
        for stride, boxes, scores, mixes in zip(
            self.strides, self.boxes, self.scores, self.mixes, strict=True
        ):
            for row in range(scores.shape[2]):
                for column in range(scores.shape[3]):
                    x0, y0, x1, y1 = _box(boxes[0, :, row, column], row, column, stride)
                    box = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
                    shares = [1 / (1 + math.exp(-v)) for v in scores[0, :, row, column]]
                    columns.append([*box, *shares, *mixes[0, :, row, column]])
        arrays = {"found": np.array(columns, np.float32).T[None], "protos": self.prototypes}
        specs = (
            OutputSpec(name="found", meaning="detections"),
            OutputSpec(name="protos", meaning="prototypes"),
        )
        return {name: array.astype(np.float32) for name, array in arrays.items()}, specs


def manifest_of(
    outputs: tuple[OutputSpec, ...],
    size_hw: tuple[int, int],
    *,
    fit: Literal["letterbox", "stretch"] = "letterbox",
    **more: Any,
) -> Manifest:
    """What a network with these outputs says of itself; `more` replaces parts of it."""
    spec = InputSpec(
        name="images",
        size_hw=size_hw,
        layout="NCHW",
        dtype="float32",
        channels="rgb",
        scale=1 / 255,
        fit=fit,
    )
    manifest = Manifest(
        task="instances",
        input=spec,
        outputs=outputs,
        space=SPACE,
        normalization=Normalization.of((0, 0, 0), (1, 1, 1)),
        model="numbers by chance",
    )
    return replace(manifest, **more)


def random_raw(
    seed: int,
    *,
    size_hw: tuple[int, int] = (64, 96),
    strides: tuple[int, ...] = (8, 16, 32),
    bins: int = 4,
    coefficients: int = 5,
    prototype_stride: int = 4,
) -> Raw:
    """Heads of numbers by chance, of which a few dozen cells propose something."""
    random = np.random.default_rng(seed)
    maps = [(size_hw[0] // stride, size_hw[1] // stride) for stride in strides]

    def draw(channels: int, scale: float, middle: float = 0.0) -> list[np.ndarray]:
        return [random.normal(middle, scale, (1, channels, *hw)) for hw in maps]

    low = tuple(side // prototype_stride for side in size_hw)
    return Raw(
        size_hw=size_hw,
        strides=strides,
        boxes=draw(4 * bins, 2.0),
        scores=draw(CLASSES, 1.5, -1.5),
        mixes=draw(coefficients, 1.0),
        prototypes=random.normal(0, 1, (1, coefficients, *low)),
    )


def naive_objects(
    raw: Raw,
    frame_hw: tuple[int, int],
    *,
    fit: str = "letterbox",
    confidence: float = 0.5,
    iou: float = 0.5,
) -> list[dict[str, Any]]:
    """Every object with its box on the frame, score, class, mask values, and whether pixels are in
    the box; in double precision, one number at a time."""
    (height, width), (frame_h, frame_w) = raw.size_hw, frame_hw
    if fit == "letterbox":
        ratio = min(height / frame_h, width / frame_w)
        inside_h, inside_w = round(frame_h * ratio), round(frame_w * ratio)
    else:
        inside_h, inside_w = height, width
    top, left = (height - inside_h) // 2, (width - inside_w) // 2
    proposals = []
    for stride, boxes, scores, mixes in zip(
        raw.strides, raw.boxes, raw.scores, raw.mixes, strict=True
    ):
        for row in range(scores.shape[2]):
            for column in range(scores.shape[3]):
                shares = [1 / (1 + math.exp(-v)) for v in scores[0, :, row, column]]
                best = max(range(CLASSES), key=shares.__getitem__)
                if shares[best] > confidence:
                    box = _box(boxes[0, :, row, column], row, column, stride)
                    proposals.append((shares[best], best, box, mixes[0, :, row, column]))
    proposals.sort(key=lambda item: -item[0])
    found: list[dict[str, Any]] = []
    for score, best, box, mix in proposals:
        x0, x1 = ((x - left) * frame_w / inside_w for x in (box[0], box[2]))
        y0, y1 = ((y - top) * frame_h / inside_h for y in (box[1], box[3]))
        x0, x1 = (min(max(x, 0.0), frame_w) for x in (x0, x1))
        y0, y1 = (min(max(y, 0.0), frame_h) for y in (y0, y1))
        if x0 >= x1 or y0 >= y1:
            continue
        if any(item["class"] == best and _iou(item["on_input"], box) > iou for item in found):
            continue
        low = np.tensordot(mix, raw.prototypes[0], 1)
        values, inside = np.empty(frame_hw), np.zeros(frame_hw, bool)
        for y in range(frame_h):
            for x in range(frame_w):
                at_y = ((y + 0.5) * inside_h / frame_h + top) * low.shape[0] / height - 0.5
                at_x = ((x + 0.5) * inside_w / frame_w + left) * low.shape[1] / width - 0.5
                values[y, x] = _at(low, at_y, at_x)
                inside[y, x] = x0 <= x < x1 and y0 <= y < y1
        found.append(
            {
                "score": score,
                "class": best,
                "box": (x0, y0, x1, y1),
                "on_input": box,
                "values": values,
                "inside": inside,
            }
        )
    return found


def _box(distribution: np.ndarray, row: int, column: int, stride: int) -> tuple[float, ...]:
    bins = len(distribution) // 4
    distances = []
    for side in range(4):
        weights = [math.exp(v) for v in distribution[side * bins : (side + 1) * bins]]
        distances.append(sum(i * w for i, w in enumerate(weights)) / sum(weights))
    x, y = column + 0.5, row + 0.5
    left, top, right, bottom = distances
    return (
        (x - left) * stride,
        (y - top) * stride,
        (x + right) * stride,
        (y + bottom) * stride,
    )


def _iou(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    wide = max(0.0, min(one[2], two[2]) - max(one[0], two[0]))
    tall = max(0.0, min(one[3], two[3]) - max(one[1], two[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return wide * tall / (sum(areas) - wide * tall)


def _at(values: np.ndarray, row: float, column: float) -> float:
    """Bilinear between the centres of cells; beyond the outermost, their value."""
    row = min(max(row, 0.0), values.shape[0] - 1.0)
    column = min(max(column, 0.0), values.shape[1] - 1.0)
    y, x = int(row), int(column)
    down, right = min(y + 1, values.shape[0] - 1), min(x + 1, values.shape[1] - 1)
    fy, fx = row - y, column - x
    upper = values[y, x] * (1 - fx) + values[y, right] * fx
    lower = values[down, x] * (1 - fx) + values[down, right] * fx
    return float(upper * (1 - fy) + lower * fy)


def make_constant_onnx(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    size_hw: tuple[int, int],
    metadata: Mapping[str, str] | None = None,
    open_shapes: bool = False,
) -> Path:
    """An ONNX file that takes (1, 3, H, W) floats and gives these arrays whatever it sees.

    Args:
        path: The file.
        arrays: Its outputs by name.
        size_hw: H and W.
        metadata: Its metadata.
        open_shapes: Leave the sizes of the outputs open.
    """
    frame = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size_hw])
    constants = [numpy_helper.from_array(np.zeros(1, np.float32), "nothing")]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["none"]),
    ]
    outputs = []
    for name, array in arrays.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        constants.append(numpy_helper.from_array(array, f"{name}_is"))
        nodes.append(helper.make_node("Cast", ["none"], [f"{name}_none"], to=kind))
        nodes.append(helper.make_node("Add", [f"{name}_is", f"{name}_none"], [name]))
        shape = [f"{name}_{i}" for i in range(array.ndim)] if open_shapes else array.shape
        outputs.append(helper.make_tensor_value_info(name, kind, shape))
    graph = helper.make_graph(nodes, "constant", [frame], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path
