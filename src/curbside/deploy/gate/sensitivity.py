"""Which layers cannot be integers: each one alone, against the float network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...progress import track
from ...runtime import load_predictor
from ..calibration import CalibrationSet
from ..graphs.onnx_manifest import with_logits
from ..quantization import Int8Twins
from .agreement import relative_difference

__all__ = ["LayerError", "Ranking", "layer_errors"]


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """What a single layer in integers does to the outputs."""

    nodes: tuple[str, ...]
    """Names of its nodes in the model file."""
    kind: str
    """ONNX's name of its operator."""
    error: float
    """Squared error of the outputs over their squared size; infinite where they are no numbers. Of a network
    that tells depth as well, the larger of this and what the depth counts beside it."""
    depth_error: float | None = None
    """Mean difference of the depth, as a share of it; None where the network tells none."""

    @property
    def name(self) -> str:
        """The name of its operator."""
        return self.nodes[0]


class Ranking:
    """The layers of a network by what each costs alone, measured once, when it is first asked for.

    Args:
        path: A float model file with a Manifest.
        calibration: The pictures that tell the range of every tensor.
        frames: Pictures to measure on, (H, W, 3) uint8 BGR.
        everything: Whether to measure also what ONNX Runtime leaves in float.
        depth_weight: See `layer_errors`.
    """

    def __init__(
        self,
        path: Path,
        calibration: CalibrationSet,
        frames: Sequence[np.ndarray],
        *,
        everything: bool,
        depth_weight: float = 1.0,
    ) -> None:
        self._path, self._calibration, self._frames = path, calibration, frames
        self._everything, self._depth_weight = everything, depth_weight
        self._found: list[LayerError] | None = None

    def worst(self, *, everything: bool) -> list[LayerError]:
        """The layers, worst first.

        Args:
            everything: Whether those are wanted, too, that ONNX Runtime leaves in float.
        """
        if self._found is None:
            self._found = layer_errors(
                self._path,
                self._calibration,
                self._frames,
                everything=self._everything,
                depth_weight=self._depth_weight,
            )
        if everything == self._everything:
            return self._found
        integers = Int8Twins(self._path, self._calibration).layers
        names = {name for layer in integers for name in layer}
        return [layer for layer in self._found if names.issuperset(layer.nodes)]


def layer_errors(
    path: Path,
    calibration: CalibrationSet,
    frames: Sequence[np.ndarray],
    *,
    everything: bool = False,
    depth_weight: float = 1.0,
) -> list[LayerError]:
    """The layers of a float model file, from the one that suffers most from 8 bits to the one that
    suffers least.

    Args:
        path: The file, with a Manifest.
        calibration: The pictures that tell the range of every tensor.
        frames: Pictures to measure on, (H, W, 3) uint8 BGR.
        everything: Whether to try also what ONNX Runtime leaves in float, since it gains nothing by it.
        depth_weight: What a squared relative error of depth counts beside one of the other outputs.

    Raises:
        ModelFileError: The file cannot be opened or is quantised already.
    """
    with tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        # A class map hides what moved; where there are scores inside they are asked.
        witness = with_logits(path, Path(folder) / "logits.onnx") or path
        twins = Int8Twins(witness, calibration, everything=everything)
        expected = _outputs(witness, frames)
        found = []
        for layer in track(
            twins.layers, total=len(twins.layers), description="layer by layer", unit="layers"
        ):
            alone = Path(folder) / "alone.onnx"
            alone.write_bytes(twins.alone(layer).SerializeToString())
            error, depth_error = _errors(expected, _outputs(alone, frames), depth_weight)
            kind = twins.kind_of(layer)
            found.append(LayerError(nodes=layer, kind=kind, error=error, depth_error=depth_error))
    return sorted(found, key=lambda item: -item.error)


def _outputs(path: Path, frames: Sequence[np.ndarray]) -> list[_Given]:
    """What a network gives for each frame."""
    found = []
    with load_predictor(path) as predictor:
        spec = predictor.manifest.output("depth")
        for frame in frames:
            outputs = predictor.infer(predictor.prepare(frame))
            depth = None if spec is None else outputs.pop(spec.name)
            rest = [array for array in outputs.values() if array.dtype.kind == "f"]
            found.append(_Given(depth, rest or [*outputs.values()]))
    return found


class _Given(NamedTuple):
    """What a network gives for a frame."""

    depth: np.ndarray | None
    """Its depth."""
    rest: list[np.ndarray]
    """Its other float outputs where it has any, else all others."""


def _errors(
    expected: Sequence[_Given], given: Sequence[_Given], depth_weight: float
) -> tuple[float, float | None]:
    """The error of a layer, and that of the depth."""
    pairs = list(zip(expected, given, strict=True))
    error = _error([one.rest for one, _ in pairs], [two.rest for _, two in pairs])
    deep = [
        relative_difference(one.depth, _metres(two.depth))
        for one, two in pairs
        if one.depth is not None and two.depth is not None
    ]
    if not deep:
        return error, None
    apart = float(np.mean(deep))
    alone = not expected[0].rest
    return (apart**2 if alone else max(error, depth_weight * apart**2)), apart


def _metres(depth: np.ndarray) -> np.ndarray:
    """Depth in which what is no number is unknown."""
    return np.where(np.isfinite(depth), depth, 0)


def _error(expected: list[list[np.ndarray]], given: list[list[np.ndarray]]) -> float:
    """The mean over the outputs of their relative squared errors; 0 where there are none."""
    if not expected[0]:
        return 0.0
    errors = []
    for place in range(len(expected[0])):
        pairs = [
            (one[place].astype(np.float64), two[place].astype(np.float64))
            for one, two in zip(expected, given, strict=True)
        ]
        size = sum(float(np.square(one).sum()) for one, _ in pairs)
        off = sum(float(np.square(one - two).sum()) for one, two in pairs)
        errors.append(off / max(size, 1e-12))
    error = float(np.mean(errors))
    return error if np.isfinite(error) else float("inf")
