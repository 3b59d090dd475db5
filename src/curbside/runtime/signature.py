"""Does a Manifest fit the graph that it describes? One check for all backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import ModelFileError
from ..manifest import Manifest, OutputSpec

__all__ = ["Tensor", "input_shape", "require_fit"]

Shape = tuple[int | None, ...]

_FLOATS = ("float32", "float16")
_TYPES = {
    "ids": ("uint8", "int32", "int64"),
    "confidence": ("float32", "uint8"),
}


class Tensor(NamedTuple):
    """An input or output of a graph, as an inference library tells of it."""

    name: str
    """Its name."""
    dtype: str
    """Type of a value, as numpy calls it."""
    shape: Shape
    """Its shape; None for a size that is left open."""


def input_shape(manifest: Manifest) -> tuple[int, int, int, int]:
    """The shape of the tensor that goes in."""
    height, width = manifest.input.size_hw
    return (1, height, width, 3) if manifest.input.layout == "NHWC" else (1, 3, height, width)


def require_fit(
    manifest: Manifest, path: Path, *, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> None:
    """Refuse a Manifest that does not fit its graph.

    Args:
        manifest: What the file says of itself.
        path: The file, for the error.
        inputs: What the graph takes.
        outputs: What it gives.

    Raises:
        ModelFileError: Names every difference.
    """
    differences = list(_differences(manifest, inputs, outputs))
    if differences:
        raise ModelFileError(
            f"the Manifest of {path} does not fit its graph: {'; '.join(differences)}",
            fix="make the file again with: curbside export RUN --out M.onnx",
        )


def _differences(
    manifest: Manifest, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Iterator[str]:
    spec = manifest.input
    given = {item.name: item for item in inputs}
    if list(given) != [spec.name]:
        yield f"the graph's inputs are {', '.join(given) or 'none'}, the Manifest names {spec.name}"
    else:
        yield from _unlike("input", given[spec.name], (spec.dtype,), input_shape(manifest))
    made = {item.name: item for item in outputs}
    for output in manifest.outputs:
        if output.name not in made:
            yield f"the graph has no output {output.name}, only {', '.join(made)}"
        else:
            kinds = _TYPES.get(output.meaning, _FLOATS)
            tensor = made[output.name]
            shape = _shape(output, manifest, tensor)
            yield from _unlike("output", tensor, kinds, shape)
    if manifest.output("logits") and not manifest.space.contiguous:
        yield f"logits need ids 0, 1, 2, ..., and the label space {manifest.space.name} has gaps"


def _shape(output: OutputSpec, manifest: Manifest, tensor: Tensor) -> Shape:
    """What an output's shape must be; None where any size will do. Depth may do without an axis for its
    one channel, and yes or no may be told by one score or by two."""
    if output.meaning in ("ids", "confidence"):
        return (1, *manifest.input.size_hw)
    if output.meaning == "detections":
        return (1, None, None)
    if output.meaning == "depth" and len(tensor.shape) == 3:
        return (1, None, None)
    channels = 1 if output.meaning == "depth" else None
    if output.meaning in ("logits", "class_scores"):
        channels = len(manifest.space.classes)
    if output.meaning == "logits" and len(tensor.shape) == 4:
        given = tensor.shape[1 if output.layout == "NCHW" else 3]
        channels = given if given in manifest.space.score_counts else channels
    return (1, channels, None, None) if output.layout == "NCHW" else (1, None, None, channels)


def _unlike(what: str, tensor: Tensor, types: Sequence[str], shape: Shape) -> Iterator[str]:
    if tensor.dtype not in types:
        yield f"{what} {tensor.name} is {tensor.dtype}, expected {' or '.join(types)}"
    if len(tensor.shape) != len(shape) or any(
        have is not None and want is not None and have != want
        for have, want in zip(tensor.shape, shape, strict=False)
    ):
        have, wanted = (
            ", ".join("any" if size is None else str(size) for size in sizes)
            for sizes in (tensor.shape, shape)
        )
        yield f"{what} {tensor.name} has shape [{have}], expected [{wanted}]"
