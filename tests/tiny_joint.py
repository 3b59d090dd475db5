"""A network of a few nodes that tells both classes and depth: those of `tiny_models` and `tiny_depth` on one
picture, whose answers a test can compute with numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import compose, helper
from tiny_depth import make_depth_onnx
from tiny_models import WEIGHTS, make_manifest, make_onnx

from curbside.manifest import METADATA_KEY, DepthSpec, Manifest, OutputSpec

__all__ = ["classes_of", "joint_manifest", "make_joint_onnx"]

Outputs = Literal["ids", "logits", "confidence"]


def classes_of(frame_bgr: np.ndarray) -> np.ndarray:
    """The class of every pixel of a picture of the network's input's size, at stride 1: (H, W)."""
    return (frame_bgr.astype(np.float64) @ WEIGHTS.T.astype(np.float64)).argmax(-1)


def joint_manifest(
    *,
    size_hw: tuple[int, int] = (12, 16),
    outputs: Outputs = "ids",
    depth: DepthSpec | None = None,
    **more: Any,
) -> Manifest:
    """What `make_joint_onnx` writes into the file; `more` replaces parts of it."""
    semantic = make_manifest(size_hw=size_hw, outputs=outputs, **more)
    return replace(
        semantic,
        task="semantic+depth",
        outputs=(*semantic.outputs, OutputSpec(name="depth", meaning="depth")),
        depth=depth or DepthSpec(max_m=80.0),
    )


def make_joint_onnx(
    path: Path,
    *,
    size_hw: tuple[int, int] = (12, 16),
    outputs: Outputs = "ids",
    stride: int = 1,
    depth_stride: int = 1,
    manifest: Manifest | None = None,
    described: bool = True,
) -> Path:
    """A network that tells `classes_of` and `metres_of` its input.

    Args:
        path: The file.
        size_hw: Size of its input.
        outputs: How it tells classes, see `make_onnx`.
        stride: Pixels per score, each way.
        depth_stride: Pixels per value of depth, each way.
        manifest: What the file says of itself, where that is not `joint_manifest`.
        described: Whether it carries a Manifest.
    """
    whole = onnx.load(make_onnx(path, size_hw=size_hw, outputs=outputs, stride=stride, metadata={}))
    other = onnx.load(make_depth_onnx(path, size_hw=size_hw, stride=depth_stride, described=False))
    metres = compose.add_prefix_graph(
        other.graph, "depth_", rename_inputs=False, rename_outputs=False
    )
    whole.graph.node.extend(metres.node)
    whole.graph.initializer.extend(metres.initializer)
    whole.graph.output.extend(metres.output)
    onnx.checker.check_model(whole)
    if described:
        said = manifest or joint_manifest(size_hw=size_hw, outputs=outputs)
        helper.set_model_props(whole, {METADATA_KEY: said.to_json()})
    onnx.save(whole, path)
    return path
