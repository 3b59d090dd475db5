"""Boundary IoU: how well contours are hit, which the IoU of large regions hardly tells."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..labels import IGNORE_ID
from .confusion import check_maps
from .histogram import histogram

__all__ = ["BoundaryIoU"]


class BoundaryIoU:
    """IoU per class of the parts of prediction and truth that lie near their own contours.

    A pixel lies near a contour where the square of d pixels around it, 2d + 1 wide, holds another
    class or reaches beyond the picture: as in the authors' code, which erodes each mask d times by
    3 x 3. One minimum and one maximum over the class map decide it for all classes at once.

    Two things differ, as a class map of a road scene is no mask of an object. The sums run over all
    pictures before they are divided. And pixels whose truth is unknown are neither counted nor
    looked at: nobody knows whether a contour runs there, so what borders on them alone is no
    boundary, where the authors' masks end there.

    Args:
        num_classes: C, at most 255; the classes are 0..C-1.
        ratio: d as a share of the picture's diagonal, rounded, at least 1 pixel. The authors take
            0.02, and 0.005 for the large pictures of Cityscapes.

    Source: Cheng et al. 2021, Boundary IoU: Improving Object-Centric Image Segmentation Evaluation.
    """

    def __init__(self, num_classes: int, *, ratio: float = 0.02) -> None:
        if not 1 <= num_classes <= IGNORE_ID or not 0 < ratio < 1:
            raise ValueError(
                f"num_classes must be 1..{IGNORE_ID} and ratio in 0..1, not {num_classes}, {ratio}"
            )
        self.num_classes = num_classes
        self.ratio = ratio
        self.widths: set[int] = set()
        """Every d that was used so far, in pixels."""
        self._hits = np.zeros(num_classes, np.int64)
        self._truth = np.zeros(num_classes, np.int64)
        self._predicted = np.zeros(num_classes, np.int64)

    def update(self, ids: np.ndarray, target: np.ndarray) -> None:
        """Count the pixels of a picture.

        Args:
            ids: Predicted classes, (H, W) uint8. A value outside 0..C-1 is a wrong prediction.
            target: True classes, (H, W) uint8; pixels of 255 are ignored.
        """
        check_maps(ids, target)
        width = max(1, round(self.ratio * math.hypot(*target.shape)))
        self.widths.add(width)
        unknown = np.where(target == IGNORE_ID, np.uint8(IGNORE_ID), np.uint8(0))
        truth, predicted = (
            _near_contours(np.ascontiguousarray(each), unknown, width) for each in (target, ids)
        )
        counts = histogram([truth, predicted], [(0, 256), (0, 256)])
        classes = slice(self.num_classes)
        self._hits += counts.diagonal()[classes]
        self._truth += counts.sum(axis=1)[classes]
        self._predicted += counts.sum(axis=0)[classes]

    def __iadd__(self, other: BoundaryIoU) -> BoundaryIoU:
        """Add the pixels that another one of the same classes and ratio has counted."""
        if (other.num_classes, other.ratio) != (self.num_classes, self.ratio):
            raise ValueError("cannot add boundaries of other classes or another ratio")
        self.widths |= other.widths
        self._hits += other._hits
        self._truth += other._truth
        self._predicted += other._predicted
        return self

    def iou(self) -> np.ndarray:
        """Boundary IoU per class, (C,) float64; nan where neither truth nor prediction has any."""
        with np.errstate(invalid="ignore"):
            return self._hits / (self._truth + self._predicted - self._hits)

    def mean_iou(self) -> float:
        """Mean of `iou` over the classes with a boundary in truth or prediction; nan without any."""
        iou = self.iou()
        found = iou[~np.isnan(iou)]
        return float(found.mean()) if found.size else float("nan")


def _near_contours(ids: np.ndarray, unknown: np.ndarray, width: int) -> np.ndarray:
    """A class map with 255 where the truth is unknown and where no contour is near.

    Args:
        ids: (H, W) uint8, contiguous.
        unknown: 255 where the truth is unknown, else 0, (H, W) uint8.
        width: How far from a contour is near, in pixels.
    """
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    # The largest value for the minimum, the smallest for the maximum: unknown pixels are not seen.
    lowest = cv2.erode(cv2.bitwise_or(ids, unknown), square)
    highest = cv2.dilate(cv2.subtract(ids, unknown), square)
    inner = cv2.compare(lowest, highest, cv2.CMP_EQ)
    inner[:width] = inner[-width:] = inner[:, :width] = inner[:, -width:] = 0
    return cv2.bitwise_or(cv2.bitwise_or(ids, unknown), inner)
