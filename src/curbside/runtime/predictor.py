"""Frame in, result at frame size out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from ..imaging import resize_frame
from ..manifest import Manifest
from ..results import SemanticResult
from .backends import Backend, open_backend
from .decoding import decode_semantic

__all__ = ["SemanticPredictor", "load_predictor"]


class SemanticPredictor:
    """A semantic network behind any backend.

    A call is `prepare`, `infer` and `decode` in turn; a pipeline calls the three itself, to time
    them and to run them in several threads.

    Args:
        backend: The network; the predictor closes it.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @property
    def manifest(self) -> Manifest:
        """What the network expects and gives."""
        return self.backend.manifest

    @property
    def precision(self) -> str:
        """What the arithmetic really runs in."""
        return self.backend.precision

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        """A class for every pixel of a frame.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.
            probabilities: Also give every class's probability, where the network gives logits.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        outputs = self.infer(self.prepare(frame_bgr))
        return self.decode(outputs, frame_bgr.shape[:2], probabilities=probabilities)

    def prepare(self, frame_bgr: np.ndarray) -> np.ndarray:
        """The frame as the tensor that the network takes.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        shape, kind = getattr(frame_bgr, "shape", None), getattr(frame_bgr, "dtype", None)
        if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape or kind != np.uint8:
            given = type(frame_bgr).__name__ if shape is None else f"{tuple(shape)} {kind}"
            raise ValueError(f"a frame must be (H, W, 3) uint8 in BGR order, not {given}")
        spec = self.manifest.input
        picture = resize_frame(frame_bgr, spec.size_hw)
        if spec.channels == "rgb":
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        if spec.layout == "NCHW":
            picture = picture.transpose(2, 0, 1)
        return np.ascontiguousarray(picture, spec.dtype)[None]

    def infer(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """The network's outputs by name, from what `prepare` made."""
        return self.backend.run({self.manifest.input.name: tensor})

    def decode(
        self,
        outputs: Mapping[str, np.ndarray],
        size_hw: tuple[int, int],
        *,
        probabilities: bool = False,
    ) -> SemanticResult:
        """The result at the size of the frame, from what `infer` gave."""
        return decode_semantic(outputs, self.manifest, size_hw, probabilities=probabilities)

    def close(self) -> None:
        """Give the network's memory back."""
        self.backend.close()

    def __enter__(self) -> SemanticPredictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_predictor(path: Path, *, threads: int | None = None) -> SemanticPredictor:
    """Open a model file as a predictor.

    Args:
        path: A model file with a Manifest.
        threads: Threads for the network; all cores where None.

    Raises:
        ModelFileError: The file is missing, damaged, or carries no Manifest that fits it.
        MissingDependencyError: The library for this kind of file is not installed.
    """
    return SemanticPredictor(open_backend(Path(path), threads=threads))
