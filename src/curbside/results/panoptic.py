"""A class for every pixel and single objects in one picture, and where two networks disagree on it."""

from __future__ import annotations

import colorsys
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import cv2
import numpy as np

from ..imaging import blend_classes, draw_objects, grey_frame
from ..labels import IGNORE_ID, LabelSpace
from .instances import InstanceResult
from .semantic import class_shares, uncover

__all__ = ["Disagreement", "PanopticResult", "disagreement_palette"]

_GOLDEN = 0.618034
_MARKS_RGB = ((0, 0, 0), (235, 60, 50), (250, 200, 40), (60, 140, 250))


class Disagreement(IntEnum):
    """What two networks do not agree on at a pixel."""

    NONE = 0
    """They agree, or only one of them speaks."""
    CLASS = 1
    """An object stands where the class map says something that it cannot be."""
    NO_OBJECT = 2
    """The class map says something that comes in objects, and there is none."""
    REFUSED = 3
    """An object was proposed and refused: the class map and the rules of fusion spoke against it."""


@dataclass(frozen=True, kw_only=True)
class PanopticResult:
    """What stands everywhere in a frame, and which object each pixel belongs to.

    Raises:
        ValueError: An array has the wrong shape or type.
    """

    ids: np.ndarray
    """Class ids, (H, W) uint8, objects included; 255 where nothing is known."""
    objects: InstanceResult
    """The objects, best first; no two of their masks share a pixel, and where they lie `ids` has
    their class. Their boxes are those that were found: an object may be partly hidden."""
    found_as: tuple[str, ...]
    """What the instance network calls each object, such as `bus` where the class is `car`, N of them."""
    track_ids: np.ndarray
    """Numbers that stay with the objects from frame to frame, (N,) int32; 0 where none is given."""
    disagreement: np.ndarray
    """A `Disagreement` per pixel, (H, W) uint8."""

    def __post_init__(self) -> None:
        size, count = self.objects.size_hw, len(self.objects)
        for name, shape, kind in (
            ("ids", size, np.uint8),
            ("disagreement", size, np.uint8),
            ("track_ids", (count,), np.int32),
        ):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != kind:
                raise ValueError(
                    f"{name} must be {shape} {np.dtype(kind)}, not {array.shape} {array.dtype}"
                )
        if len(self.found_as) != count:
            raise ValueError(f"{count} objects have {len(self.found_as)} names")

    @property
    def space(self) -> LabelSpace:
        """What the ids mean."""
        return self.objects.space

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.objects.size_hw

    def segment_map(self) -> np.ndarray:
        """Every pixel's segment as instance maps of prepared folders hold it: (H, W) int32.

        An object's pixels hold class * 1000 + its number, from 1 on within its class; others the
        plain class id, 255 where nothing is known.
        """
        return self.objects.segment_map(self.ids)

    def counts(self) -> dict[str, int]:
        """Number of objects by class name, most first; absent classes left out."""
        return self.objects.counts()

    def shares(self) -> dict[str, float]:
        """Share of the frame that each class covers, by name, largest first; absent classes left out."""
        return class_shares(self.ids, self.space)

    def disagreement_shares(self) -> dict[str, float]:
        """Share of the frame of every kind of disagreement, by its name in small letters."""
        counts = np.bincount(self.disagreement.ravel(), minlength=len(Disagreement))
        return {
            kind.name.lower().replace("_", " "): float(counts[kind] / self.ids.size)
            for kind in Disagreement
            if kind is not Disagreement.NONE
        }

    def draw(
        self, frame_bgr: np.ndarray, *, alpha: float = 0.5, hidden: Collection[str] = ()
    ) -> np.ndarray:
        """The frame with the class colours over it, every object in a colour of its own.

        An object keeps its colour while it keeps its `track_ids`.

        Args:
            frame_bgr: The frame that was predicted, (H, W, 3) uint8.
            alpha: How much colours cover the frame, 0..1; outlines, boxes and names are drawn in any case.
            hidden: Names of classes whose pixels show the frame and whose objects are not drawn, be it the
                class of the picture or what the instance network calls the object.

        Returns:
            A new (H, W, 3) uint8 BGR picture.
        """
        found, names = self.objects, self.objects.names
        picture = blend_classes(
            frame_bgr, self.ids, self.space.palette, alpha=alpha, ignore_id=IGNORE_ID
        )
        picture = uncover(picture, frame_bgr, self.ids, self.space, hidden)
        for mask in found.masks:  # an object's own colour lies on the frame, not on its class's
            cv2.copyTo(frame_bgr[mask.window], mask.inside.view(np.uint8), picture[mask.window])
        order = [  # the best is drawn last
            index
            for index in np.argsort(found.scores, kind="stable").tolist()
            if names[index] not in hidden and self.found_as[index] not in hidden
        ]
        masks = [found.masks[index] for index in order]
        return draw_objects(
            picture,
            boxes_xyxy=found.boxes_xyxy[order],
            masks=[(mask.top, mask.left, mask.inside) for mask in masks],
            captions=[self._caption(index) for index in order],
            colors_rgb=self._colors()[order],
            alpha=alpha,
        )

    def draw_disagreement(
        self, frame_bgr: np.ndarray, *, alpha: float = 0.7, hidden: Collection[str] = ()
    ) -> np.ndarray:
        """The frame in grey, with what the two networks disagree on in colour: red where classes
        differ, yellow where an object is missing, blue where one was refused.

        Args:
            frame_bgr: The frame that was predicted, (H, W, 3) uint8.
            alpha: How much the colours cover the frame, 0..1.
            hidden: Names of classes whose pixels show the grey frame.

        Returns:
            A new (H, W, 3) uint8 BGR picture.
        """
        grey = grey_frame(frame_bgr)
        marked = blend_classes(grey, self.disagreement, disagreement_palette(), alpha=alpha)
        marked = uncover(marked, grey, self.ids, self.space, hidden)
        return cv2.copyTo(marked, self.disagreement, grey)

    def _caption(self, index: int) -> str:
        track = int(self.track_ids[index])
        number = f" #{track}" if track else ""
        return f"{self.found_as[index]}{number} {self.objects.scores[index]:.2f}"

    def _colors(self) -> np.ndarray:
        """A colour per object, (N, 3) uint8 RGB: its class's, shifted by its number."""
        colors = self.space.palette[self.objects.class_ids].astype(np.float64)
        numbers = np.where(self.track_ids, self.track_ids, np.arange(1, len(colors) + 1))
        own = [colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.85, 1.0) for number in numbers.tolist()]
        return np.rint(0.35 * colors + 0.65 * 255 * np.reshape(own, (-1, 3))).astype(np.uint8)


@cache
def disagreement_palette() -> np.ndarray:
    """Colours of the values of `Disagreement`, (256, 3) uint8 RGB."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(_MARKS_RGB)] = _MARKS_RGB
    return palette
