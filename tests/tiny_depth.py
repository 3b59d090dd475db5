"""A depth network of a few nodes, whose metres a test can compute with numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from curbside.imaging import Normalization
from curbside.labels import NO_CLASSES
from curbside.manifest import METADATA_KEY, DepthSpec, InputSpec, Manifest, OutputSpec

__all__ = ["depth_manifest", "make_depth_onnx", "metres_of"]

Form = Literal["channels", "plain", "channels last"]

WEIGHTS = np.array([0.2, 0.1, -0.05], np.float32)
"""Metres per value of blue, green and red."""
NEAREST = 12.0
"""What is taken off; nothing is known where less than nothing is left."""


def metres_of(frame_bgr: np.ndarray, *, stride: int = 1) -> np.ndarray:
    """What the network says of a picture of its input's size: (h, w) float64 metres, 0 for unknown."""
    height, width = frame_bgr.shape[:2]
    cells = frame_bgr.reshape(height // stride, stride, width // stride, stride, 3)
    return np.maximum(0, cells.mean((1, 3), dtype=np.float64) @ WEIGHTS.astype(float) - NEAREST)


def depth_manifest(
    *,
    size_hw: tuple[int, int] = (12, 16),
    form: Form = "channels",
    fit: Literal["stretch", "letterbox"] = "stretch",
    depth: DepthSpec | None = None,
) -> Manifest:
    """What `make_depth_onnx` writes into the file."""
    layout: Literal["NCHW", "NHWC"] = "NHWC" if form == "channels last" else "NCHW"
    return Manifest(
        task="depth",
        input=InputSpec(size_hw=size_hw, fit=fit),
        outputs=(OutputSpec(name="depth", meaning="depth", layout=layout),),
        space=NO_CLASSES,
        normalization=Normalization.of((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        model="a convolution",
        depth=depth or DepthSpec(),
    )


def make_depth_onnx(
    path: Path,
    *,
    size_hw: tuple[int, int] = (12, 16),
    stride: int = 1,
    form: Form = "channels",
    fit: Literal["stretch", "letterbox"] = "stretch",
    depth: DepthSpec | None = None,
    described: bool = True,
) -> Path:
    """A network that says `metres_of` its input.

    Args:
        path: The file.
        size_hw: Size of its input.
        stride: Pixels per value, each way.
        form: Axes of its output.
        fit: How frames come to that size.
        depth: What the file says of its metres.
        described: Whether it carries a Manifest.
    """
    height, width = size_hw
    kernel = np.tile(WEIGHTS[None, :, None, None] / stride**2, (1, 1, stride, stride))
    constants = [
        numpy_helper.from_array(kernel.astype(np.float32), "kernel"),
        numpy_helper.from_array(np.array([-NEAREST], np.float32), "bias"),
    ]
    shape = [height // stride, width // stride]
    nodes = [
        helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel", "bias"], ["raw"], strides=[stride, stride]),
    ]
    if form == "channels":
        nodes.append(helper.make_node("Relu", ["raw"], ["depth"]))
        shape = [1, 1, *shape]
    else:
        shape = [1, *shape] if form == "plain" else [1, *shape, 1]
        constants.append(numpy_helper.from_array(np.array(shape), "shape"))
        nodes += [
            helper.make_node("Relu", ["raw"], ["known"]),
            helper.make_node("Reshape", ["known", "shape"], ["depth"]),
        ]
    graph = helper.make_graph(
        nodes,
        "tiny depth",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, height, width, 3])],
        [helper.make_tensor_value_info("depth", TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    if described:
        manifest = depth_manifest(size_hw=size_hw, form=form, fit=fit, depth=depth)
        helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, path)
    return path
