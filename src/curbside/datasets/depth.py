"""The depth of training pictures: what of it counts, and what becomes of it in a piece."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from ..imaging import Piece
from ..prepared import Sample
from .augment import cut

__all__ = ["DepthConfidence", "DepthTargets", "PictureDepth", "focal_at"]

DepthConfidence = Literal["mask", "weigh", "none"]


@dataclass(frozen=True, kw_only=True)
class PictureDepth:
    """The depth of a whole picture."""

    metres: np.ndarray
    """(H, W) float32, 0 = unknown."""
    weight: np.ndarray
    """(H, W) float32, what each pixel counts; 0 where nothing is known."""
    focal_px: float
    """Focal length of its camera, the geometric mean of both axes, in pixels of the picture."""
    reference_px: float
    """The same of the camera that depth is told for, in pixels of the network's input."""
    to_input: float
    """Pixels of that input per pixel of the picture, the geometric mean of both axes."""

    def whole(self) -> np.ndarray:
        """The whole picture as the camera that depth is told for would see it, (H, W) float32 metres, 0 =
        unknown; see `cut`."""
        return self.metres * np.float32(self.reference_px / (self.focal_px * self.to_input))

    def cut(self, piece: Piece) -> tuple[Tensor, Tensor]:
        """Depth and weight of a piece, (*piece.size_hw) float32 each.

        A piece shows the picture as a camera of another focal length would. One picture does not tell
        how large things are, so that a network can only be right for one camera: depth is told for
        that one, which sees a thing as large as it is here at `reference / focal` times the distance.

        Source: Yin et al. 2023, Metric3D: Towards Zero-shot Metric 3D Prediction from a Single Image.
        """
        zoom = math.sqrt(piece.inside_hw[0] / piece.height * piece.inside_hw[1] / piece.width)
        nearer = self.reference_px / (self.focal_px * zoom)
        metres = cut(self.metres, piece, beyond=0) * nearer
        return metres, cut(self.weight, piece, beyond=0)


class DepthTargets:
    """Reads the depth of samples for training.

    Args:
        confidence: What the confidence of depth means: `mask` leaves out what is trusted by less than
            half, `weigh` lets a pixel count by it, `none` trusts all.
        size_hw: Height and width of the network's input for whole pictures.
        reference_px: Focal length of the camera that depth is told for, in pixels of that input. None
            where nobody knows: then it is the one of each sample's own camera.
    """

    def __init__(
        self,
        *,
        confidence: DepthConfidence,
        size_hw: tuple[int, int],
        reference_px: float | None = None,
    ) -> None:
        self._confidence, self._size_hw = confidence, size_hw
        self._reference_px = reference_px

    def read(self, sample: Sample) -> PictureDepth:
        """The depth of a sample; unknown everywhere where it has none.

        Raises:
            DataError: A file is missing, damaged or of another size than the picture.
        """
        has = sample.record.targets
        size_hw = sample.record.size_hw
        metres = sample.read_depth_m() if "depth" in has else np.zeros(size_hw, np.float32)
        weight = (metres > 0).astype(np.float32)
        if "depth" in has and "confidence" in has and self._confidence != "none":
            trust = sample.read_confidence()
            weight *= trust > 127 if self._confidence == "mask" else trust / np.float32(255)
        own = focal_at(sample, self._size_hw)
        # Whose focal length is unknown may have any: that of the reference, then.
        reference = self._reference_px or own or 1.0
        to_input = math.sqrt(self._size_hw[0] / size_hw[0] * self._size_hw[1] / size_hw[1])
        return PictureDepth(
            metres=metres,
            weight=weight,
            focal_px=(own or reference) / to_input,
            reference_px=reference,
            to_input=to_input,
        )


def focal_at(sample: Sample, size_hw: tuple[int, int]) -> float | None:
    """The focal length of a sample's camera, the geometric mean of both axes, in pixels of its picture
    at another size; None where it is unknown."""
    focal = sample.record.focal_xy_px
    if focal is None:
        return None
    height, width = sample.record.size_hw
    return math.sqrt(focal[0] * size_hw[1] / width * focal[1] * size_hw[0] / height)
