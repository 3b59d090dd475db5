"""The outputs of an instance network, checked against their Manifest and laid out alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...errors import ModelFileError
from ...manifest import Manifest, Meaning, OutputSpec

__all__ = ["Head", "read_detections", "read_heads", "read_prototypes"]

_FIX = (
    "make the file again, or say anew what it gives: curbside describe M.onnx --task instances"
    " --space SPACE"
)


class Head(NamedTuple):
    """What one stride proposes, one place per cell of its map, row by row."""

    box_distribution: np.ndarray
    """(4 * bins, P) float."""
    class_scores: np.ndarray
    """(C, P) float."""
    activated: bool
    """Whether the scores are probabilities already."""
    mask_coefficients: np.ndarray
    """(K, P) float."""
    map_hw: tuple[int, int]
    """Height and width of the map, P in all."""
    stride: int
    """Pixels of the input per cell, each way."""


def read_prototypes(outputs: Mapping[str, np.ndarray], manifest: Manifest) -> np.ndarray:
    """The masks to mix, (K, h, w) float, a view.

    Raises:
        ModelFileError: The output is missing or no map.
    """
    (spec,) = manifest.outputs_of("prototypes")[:1]
    return _map(outputs, spec)


def read_detections(
    outputs: Mapping[str, np.ndarray], manifest: Manifest, coefficients: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parts of the whole export's one tensor.

    Args:
        outputs: Arrays by name.
        manifest: What they mean.
        coefficients: K, the number of prototypes.

    Returns:
        Boxes (4, P) as centre x, centre y, width, height; scores (C, P); coefficients (K, P).

    Raises:
        ModelFileError: The output is missing or of another shape.
    """
    (spec,) = manifest.outputs_of("detections")
    classes = len(manifest.space.classes)
    rows = 4 + classes + coefficients
    array = _array(outputs, spec)
    if array.ndim != 3 or array.shape[0] != 1 or array.shape[1] != rows:
        raise _unlike(spec, array, f"1, {rows}, any")
    boxes, scores, mix = np.split(array[0], [4, 4 + classes])
    return boxes, scores, mix


def read_heads(
    outputs: Mapping[str, np.ndarray], manifest: Manifest, coefficients: int
) -> list[Head]:
    """The maps of every stride.

    Args:
        outputs: Arrays by name.
        manifest: What they mean.
        coefficients: K, the number of prototypes.

    Raises:
        ModelFileError: An output is missing or of another shape, or the maps of one stride differ
            in size.
    """
    meanings: tuple[Meaning, ...] = ("box_distribution", "class_scores", "mask_coefficients")
    specs = zip(*(manifest.outputs_of(meaning) for meaning in meanings), strict=True)
    return [_head(outputs, manifest, coefficients, *group) for group in specs]


def _head(
    outputs: Mapping[str, np.ndarray],
    manifest: Manifest,
    coefficients: int,
    boxes: OutputSpec,
    scores: OutputSpec,
    mix: OutputSpec,
) -> Head:
    box_map = _map(outputs, boxes)
    map_hw = box_map.shape[1:]
    if len(box_map) % 4:
        raise _unlike(boxes, outputs[boxes.name], f"{_any(boxes)} with 4 * bins channels")
    height, width = manifest.input.size_hw
    stride = height // map_hw[0]
    if (map_hw[0] * stride, map_hw[1] * stride) != (height, width):
        raise _unlike(
            boxes, outputs[boxes.name], f"a map that divides the input of {height} x {width} evenly"
        )
    maps = [_map(outputs, spec) for spec in (scores, mix)]
    wanted = (len(manifest.space.classes), coefficients)
    for spec, found, channels in zip((scores, mix), maps, wanted, strict=True):
        if found.shape != (channels, *map_hw):
            raise _unlike(
                spec, outputs[spec.name], f"{channels} channels of {map_hw[0]} x {map_hw[1]} cells"
            )
    return Head(
        box_distribution=_flat(box_map),
        class_scores=_flat(maps[0]),
        activated=scores.activated,
        mask_coefficients=_flat(maps[1]),
        map_hw=(map_hw[0], map_hw[1]),
        stride=stride,
    )


def _flat(found: np.ndarray) -> np.ndarray:
    """(channels, h, w) to (channels, h * w), without a copy in either layout."""
    if found.flags.c_contiguous:
        return found.reshape(len(found), -1)
    return found.transpose(1, 2, 0).reshape(-1, len(found)).T


def _map(outputs: Mapping[str, np.ndarray], spec: OutputSpec) -> np.ndarray:
    """A map as (channels, h, w), a view."""
    array = _array(outputs, spec)
    if array.ndim != 4 or array.shape[0] != 1 or 0 in array.shape:
        raise _unlike(spec, array, _any(spec))
    return array[0] if spec.layout == "NCHW" else array[0].transpose(2, 0, 1)


def _array(outputs: Mapping[str, np.ndarray], spec: OutputSpec) -> np.ndarray:
    array = outputs.get(spec.name)
    if array is None:
        raise ModelFileError(
            f"the network gave no output {spec.name}, which its Manifest calls {spec.meaning}",
            fix=_FIX,
        )
    if array.dtype.kind != "f":
        raise ModelFileError(
            f"output {spec.name} ({spec.meaning}) holds {array.dtype}, expected floats", fix=_FIX
        )
    return array


def _any(spec: OutputSpec) -> str:
    return "1, channels, h, w" if spec.layout == "NCHW" else "1, h, w, channels"


def _unlike(spec: OutputSpec, array: np.ndarray, wanted: str) -> ModelFileError:
    have = ", ".join(map(str, array.shape))
    return ModelFileError(
        f"output {spec.name} ({spec.meaning}) has shape [{have}], expected [{wanted}]", fix=_FIX
    )
