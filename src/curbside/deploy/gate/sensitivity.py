"""Which layers cannot be integers: each one alone, against the float network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...progress import track
from ...runtime import load_predictor
from ..calibration import CalibrationSet
from ..graphs.onnx_manifest import with_logits
from ..quantization import Int8Twins

__all__ = ["LayerError", "Ranking", "layer_errors"]


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """What a single layer in integers does to the outputs."""

    nodes: tuple[str, ...]
    """Names of its nodes in the model file."""
    kind: str
    """ONNX's name of its operator."""
    error: float
    """Squared error of the outputs over their squared size; infinite where they are no numbers."""

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
    """

    def __init__(
        self,
        path: Path,
        calibration: CalibrationSet,
        frames: Sequence[np.ndarray],
        *,
        everything: bool,
    ) -> None:
        self._path, self._calibration, self._frames = path, calibration, frames
        self._everything = everything
        self._found: list[LayerError] | None = None

    def worst(self, *, everything: bool) -> list[LayerError]:
        """The layers, worst first.

        Args:
            everything: Whether those are wanted, too, that ONNX Runtime leaves in float.
        """
        if self._found is None:
            self._found = layer_errors(
                self._path, self._calibration, self._frames, everything=self._everything
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
) -> list[LayerError]:
    """The layers of a float model file, from the one that suffers most from 8 bits to the one that
    suffers least.

    Args:
        path: The file, with a Manifest.
        calibration: The pictures that tell the range of every tensor.
        frames: Pictures to measure on, (H, W, 3) uint8 BGR.
        everything: Whether to try also what ONNX Runtime leaves in float, since it gains nothing by it.

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
            error = _error(expected, _outputs(alone, frames))
            found.append(LayerError(nodes=layer, kind=twins.kind_of(layer), error=error))
    return sorted(found, key=lambda item: -item.error)


def _outputs(path: Path, frames: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """What a network gives for each frame: its float outputs where it has any, else all."""
    with load_predictor(path) as predictor:
        found = [predictor.infer(predictor.prepare(frame)) for frame in frames]
    return [
        [array for array in outputs.values() if array.dtype.kind == "f"] or [*outputs.values()]
        for outputs in found
    ]


def _error(expected: list[list[np.ndarray]], given: list[list[np.ndarray]]) -> float:
    """The mean over the outputs of their relative squared errors."""
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
