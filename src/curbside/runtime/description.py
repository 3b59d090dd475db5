"""A Manifest for a network from elsewhere, from what its file tells of itself."""

from __future__ import annotations

import ast
import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ConfigError, LabelError, ModelFileError
from ..imaging import Normalization
from ..labels import NO_CLASSES, LabelClass, LabelSpace, load_space, space_names
from ..manifest import (
    ANSWERS,
    METADATA_KEY,
    DepthSpec,
    InputSpec,
    Manifest,
    OutputSpec,
    Task,
)
from .backends.onnx_runtime import Graph, read_graph
from .signature import Tensor, require_fit

__all__ = ["Hints", "describe_network"]

_FLOATS = ("float32", "float16")
_EXPORT = "export it with one picture of a fixed size as input, float32 or uint8"


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a file does not tell."""

    task: Task = "instances"
    """What the network answers."""
    space: str | None = None
    """Its classes, one of `curbside labels`; those named in the file where not given."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """Order of the colours of its input."""
    scale: float | None = None
    """What a pixel value, 0..255, is multiplied with before it goes in; 1 / 255 for an input of
    floats where not given."""
    fit: Literal["letterbox", "stretch"] | None = None
    """How a frame gets the input's size; letterbox for instances, else stretch where not given."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What the graph itself subtracts from values in 0..1, RGB; for the record and for compilers."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What the graph itself then divides by."""
    max_depth_m: float | None = None
    """Of a network that tells depth: the farthest that it can say, in metres; no limit where not given."""
    focal_xy_px: tuple[float, float] | None = None
    """Of a network that tells depth: focal length of the camera it was trained for, along x and y, in pixels of
    the network's input."""
    camera: str = ""
    """Of a network that tells depth: that camera, in words."""


def describe_network(path: Path, hints: Hints) -> Manifest:
    """The Manifest of an ONNX file, recognised by the shapes of its outputs.

    Instances: `(1, 4 + C + K, N)` detections and `(1, K, h, w)` prototypes, as Ultralytics exports
    YOLOv8-seg. Semantic: `(1, C, h, w)` logits or `(1, H, W)` ids. Depth: `(1, 1, h, w)`, `(1, h, w)` or
    `(1, h, w, 1)` metres. Semantic and depth: one output of either kind; of two with one channel, the one
    called depth is it.

    Args:
        path: The file.
        hints: What it does not tell.

    Raises:
        ModelFileError: It has a Manifest, cannot be loaded, or is of neither kind.
        LabelError: There is no such label space, or the names in the file are none.
        ConfigError: The normalisation is impossible, or a hint is for another task.
    """
    depth = _depth_facts(hints)
    graph = read_graph(path)
    if METADATA_KEY in graph.metadata:
        raise ModelFileError(
            f"{path} carries its Manifest inside already", fix=f"show it: curbside info {path}"
        )
    letterbox = hints.task == "instances"
    spec = _input(path, graph, hints, hints.fit or ("letterbox" if letterbox else "stretch"))
    told = ANSWERS[hints.task]
    space = NO_CLASSES if told == ("depth",) else _space(path, graph, hints)
    outputs = _FINDERS[hints.task](graph.outputs, space, spec.size_hw)
    if not outputs:
        made = ", ".join(f"{item.name} {_shape(item)} {item.dtype}" for item in graph.outputs)
        what = f" of {len(space.classes)} classes ({space.name})" if space.classes else ""
        raise ModelFileError(
            f"{path} gives {made}, expected for {hints.task}{what} {_EXPECTED[hints.task]}",
            fix="check --task and --space, or export the network anew",
        )
    manifest = Manifest(
        task=hints.task,
        input=spec,
        outputs=outputs,
        space=space,
        normalization=Normalization.of(hints.mean, hints.std),
        model=graph.metadata.get("description", path.stem)[:200],
        source={"described": "from the shapes of its outputs", "file": path.name},
        depth=depth,
    )
    require_fit(manifest, path, inputs=graph.inputs, outputs=graph.outputs)
    return manifest


def _depth_facts(hints: Hints) -> DepthSpec | None:
    """What is said of the network's metres; None where it gives none."""
    told = ANSWERS[hints.task]
    if "depth" in told:
        if told == ("depth",) and hints.space is not None:
            raise ConfigError(
                f"a network for depth has no classes, {hints.space} or others",
                fix="leave out --space",
            )
        return DepthSpec(
            max_m=hints.max_depth_m, focal_xy_px=hints.focal_xy_px, camera=hints.camera
        )
    if hints.max_depth_m is not None or hints.focal_xy_px is not None or hints.camera:
        raise ConfigError(
            f"--max-depth-m, --focal-xy-px and --camera say nothing of a network for {hints.task}",
            fix="leave them out, or say --task depth or --task semantic+depth",
        )
    return None


def _input(
    path: Path, graph: Graph, hints: Hints, fit: Literal["letterbox", "stretch"]
) -> InputSpec:
    shapes = ", ".join(f"{item.name} {_shape(item)} {item.dtype}" for item in graph.inputs)
    wrong = ModelFileError(
        f"{path} takes {shapes}, expected one [1, 3, H, W] or [1, H, W, 3]", fix=_EXPORT
    )
    if len(graph.inputs) != 1:
        raise wrong
    (item,) = graph.inputs
    if len(item.shape) != 4 or item.shape[0] != 1 or item.dtype not in ("float32", "uint8"):
        raise wrong
    layout: Literal["NCHW", "NHWC"] = "NCHW" if item.shape[1] == 3 else "NHWC"
    height, width = item.shape[2:] if layout == "NCHW" else item.shape[1:3]
    if height is None or width is None or item.shape[1 if layout == "NCHW" else 3] != 3:
        raise wrong
    scale = hints.scale
    if scale is None:
        scale = 1 / 255 if item.dtype == "float32" else 1.0
    if not 0 < scale < float("inf") or (item.dtype == "uint8" and scale != 1):
        raise ModelFileError(
            f"{path} takes {item.dtype}, and pixels cannot be multiplied with {scale:g} for it",
            fix="leave out --scale",
        )
    return InputSpec(
        name=item.name,
        size_hw=(height, width),
        layout=layout,
        dtype="float32" if item.dtype == "float32" else "uint8",
        channels=hints.channels,
        scale=scale,
        fit=fit,
    )


_EXPECTED: dict[Task, str] = {
    "instances": "[1, 4 + classes + K, N] and [1, K, h, w] floats",
    "semantic": "[1, classes, h, w] floats or [1, H, W] whole numbers",
    "depth": "one [1, 1, h, w], [1, h, w] or [1, h, w, 1] of floats, or one of several called depth",
    "semantic+depth": "[1, classes, h, w] floats or [1, H, W] whole numbers, and beside them one"
    " [1, 1, h, w], [1, h, w] or [1, h, w, 1] of floats, or one of several called depth",
}


def _instance_outputs(
    outputs: Sequence[Tensor], space: LabelSpace, size_hw: tuple[int, int]
) -> tuple[OutputSpec, ...]:
    floats = [item for item in outputs if item.dtype in _FLOATS and item.shape[0] == 1]
    for found in (item for item in floats if len(item.shape) == 3):
        for masks in (item for item in floats if len(item.shape) == 4):
            if (
                masks.shape[1] is not None
                and found.shape[1] == 4 + len(space.classes) + masks.shape[1]
            ):
                return (
                    OutputSpec(name=found.name, meaning="detections"),
                    OutputSpec(name=masks.name, meaning="prototypes"),
                )
    return ()


def _semantic_outputs(
    outputs: Sequence[Tensor], space: LabelSpace, size_hw: tuple[int, int]
) -> tuple[OutputSpec, ...]:
    for item in outputs:
        if item.dtype in ("uint8", "int32", "int64") and item.shape == (1, *size_hw):
            return (OutputSpec(name=item.name, meaning="ids"),)
    for item in outputs:
        one_map = item.dtype in _FLOATS and len(item.shape) == 4 and item.shape[0] == 1
        if one_map and item.shape[1] in space.score_counts:
            return (OutputSpec(name=item.name, meaning="logits"),)
    return ()


def _depth_outputs(
    outputs: Sequence[Tensor], space: LabelSpace, size_hw: tuple[int, int]
) -> tuple[OutputSpec, ...]:
    found = []
    for item in (item for item in outputs if item.dtype in _FLOATS and item.shape[0] == 1):
        if len(item.shape) == 3 or (len(item.shape) == 4 and item.shape[1] == 1):
            found.append(OutputSpec(name=item.name, meaning="depth"))
        elif len(item.shape) == 4 and item.shape[3] == 1:
            found.append(OutputSpec(name=item.name, meaning="depth", layout="NHWC"))
    named = [item for item in found if item.name == "depth"]
    return tuple(named or found if len(named or found) == 1 else ())


def _joint_outputs(
    outputs: Sequence[Tensor], space: LabelSpace, size_hw: tuple[int, int]
) -> tuple[OutputSpec, ...]:
    named = [item for item in outputs if item.name == "depth"]
    classes = _semantic_outputs([i for i in outputs if i not in named], space, size_hw)
    taken = [item for item in outputs if item.name in {spec.name for spec in classes}]
    if not named and _depth_outputs(taken, space, size_hw):
        return ()  # one score of yes or no looks like depth: nobody could tell which is which
    depth = _depth_outputs([item for item in outputs if item not in taken], space, size_hw)
    return (*classes, *depth) if classes and depth else ()


_FINDERS: dict[
    Task,
    Callable[[Sequence[Tensor], LabelSpace, tuple[int, int]], tuple[OutputSpec, ...]],
] = {
    "instances": _instance_outputs,
    "semantic": _semantic_outputs,
    "depth": _depth_outputs,
    "semantic+depth": _joint_outputs,
}


def _space(path: Path, graph: Graph, hints: Hints) -> LabelSpace:
    if hints.space is not None:
        return load_space(hints.space)
    text = graph.metadata.get("names")
    if text is None:
        raise ModelFileError(
            f"{path} does not name its classes",
            fix="say which they are: --space coco80, or another of: curbside labels",
        )
    try:
        named = ast.literal_eval(text)  # Ultralytics writes a dictionary as Python does
        names = [named[number] for number in range(len(named))]
        if not all(isinstance(name, str) for name in names):
            raise TypeError("a name is no text")
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise LabelError(
            f"the names of classes in {path} cannot be read ({type(error).__name__})",
            fix="say which they are: --space coco80, or another of: curbside labels",
        ) from error
    shipped = (load_space(name) for name in space_names())
    known = next((s for s in shipped if s.contiguous and list(s.names) == names), None)
    return known or _colored(path.stem, names, things=hints.task == "instances")


def _colored(name: str, names: Sequence[str], *, things: bool) -> LabelSpace:
    """A label space of these names, in colours a golden angle apart."""
    classes = []
    for number, item in enumerate(names):
        rgb = colorsys.hsv_to_rgb(number * 0.618034 % 1, (0.9, 0.6)[number // 8 % 2], 0.95)
        red, green, blue = (round(255 * value) for value in rgb)
        classes.append(
            LabelClass(id=number, name=item, color=(red, green, blue), has_instances=things)
        )
    return LabelSpace(name=name, classes=tuple(classes))


def _shape(item: Tensor) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in item.shape)}]"
