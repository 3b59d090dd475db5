"""Model files of a few nodes, built node by node, whose answers a test can compute with numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from curbside.imaging import IMAGENET
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import METADATA_KEY, InputSpec, Manifest, OutputSpec

__all__ = ["SPACE", "WEIGHTS", "make_manifest", "make_onnx", "write_clip"]

COLORS = ((128, 64, 128), (70, 130, 180), (107, 142, 35), (0, 0, 142))
SPACE = LabelSpace(
    name="tiny",
    classes=tuple(
        LabelClass(id=number, name=name, color=color)
        for number, (name, color) in enumerate(
            zip(("road", "sky", "tree", "car"), COLORS, strict=True)
        )
    ),
)
WEIGHTS = np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1], [0.5, 0.5, -1.5]], np.float32)
"""Score of every class from the three values of a pixel: (4, 3)."""

Outputs = Literal["ids", "logits", "confidence"]


def make_manifest(
    *, size_hw: tuple[int, int] = (12, 16), outputs: Outputs = "ids", **more: Any
) -> Manifest:
    """What `make_onnx` writes into the file; `more` replaces parts of it."""
    named = [OutputSpec(name=outputs, meaning=outputs)]
    if outputs == "confidence":
        named.insert(0, OutputSpec(name="ids", meaning="ids"))
    manifest = Manifest(
        input=InputSpec(size_hw=size_hw),
        outputs=tuple(named),
        space=SPACE,
        normalization=IMAGENET,
        model="a convolution",
    )
    return replace(manifest, **more)


def make_onnx(
    path: Path,
    *,
    size_hw: tuple[int, int] = (12, 16),
    outputs: Outputs = "ids",
    stride: int = 1,
    layout: Literal["NHWC", "NCHW"] = "NHWC",
    dtype: Literal["uint8", "float32"] = "uint8",
    manifest: Manifest | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a network that scores every pixel block by `WEIGHTS` and takes the best class.

    Args:
        path: The file.
        size_hw: Its input size.
        outputs: `ids` puts the class map inside; `logits` ends at the stride of the scores;
            `confidence` adds the probability of the class shown as a byte.
        stride: Pixels per score, each way; more than 1 averages and then upsamples for ids.
        layout: Order of the input's axes.
        dtype: Type of the input.
        manifest: What the file says of itself, where that is not the truth.
        metadata: The metadata as it stands, instead of a Manifest.
    """
    height, width = size_hw
    classes = len(WEIGHTS)
    kernel = np.repeat(np.repeat(WEIGHTS[:, :, None, None], stride, 2), stride, 3) / stride**2
    constants = [numpy_helper.from_array(kernel.astype(np.float32), "kernel")]
    nodes = [helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT)]
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]))
    else:
        nodes.append(helper.make_node("Identity", ["float"], ["planes"]))
    nodes.append(
        helper.make_node("Conv", ["planes", "kernel"], ["logits"], strides=[stride, stride])
    )
    made = []
    if outputs == "logits":
        shape = [1, classes, height // stride, width // stride]
        made.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape))
    else:
        constants.append(numpy_helper.from_array(np.array([1, classes, height, width]), "size"))
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        nodes += [
            helper.make_node("Resize", ["logits", "", "", "size"], ["scores"], **mode),
            helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
            helper.make_node("Cast", ["best"], ["ids"], to=TensorProto.UINT8),
        ]
        made.append(helper.make_tensor_value_info("ids", TensorProto.UINT8, [1, height, width]))
    if outputs == "confidence":
        constants.append(numpy_helper.from_array(np.array(255, np.float32), "full"))
        nodes += [
            helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
            helper.make_node("ReduceMax", ["shares"], ["top"], axes=[1], keepdims=0),
            helper.make_node("Mul", ["top", "full"], ["scaled"]),
            helper.make_node("Round", ["scaled"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["confidence"], to=TensorProto.UINT8),
        ]
        shape = [1, height, width]
        made.append(helper.make_tensor_value_info("confidence", TensorProto.UINT8, shape))
    kind = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
    shape = [1, height, width, 3] if layout == "NHWC" else [1, 3, height, width]
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("frame", kind, shape)], made, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    if metadata is None:
        true = make_manifest(
            size_hw=size_hw,
            outputs=outputs,
            input=InputSpec(size_hw=size_hw, layout=layout, dtype=dtype),
        )
        metadata = {METADATA_KEY: (manifest or true).to_json()}
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return path


def write_clip(path: Path, *, frames: int = 10, size_hw: tuple[int, int] = (72, 96)) -> Path:
    """A drawn video: a square that moves over a gradient."""
    import cv2

    height, width = size_hw
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (width, height))
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    for number in range(frames):
        picture = np.repeat(np.stack([ramp, ramp[::-1], ramp // 2], 1)[None], height, 0).copy()
        picture[20:40, 4 * number : 4 * number + 20] = (30, 200, 90)
        writer.write(picture)
    writer.release()
    return path
