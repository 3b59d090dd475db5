"""Single objects: boxes, scores, classes and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..errors import LabelError
from ..imaging import draw_objects
from ..labels import IGNORE_ID, PER_CLASS, LabelSpace
from .semantic import class_shares

__all__ = ["InstanceResult", "MaskCrop"]


@dataclass(frozen=True, kw_only=True)
class MaskCrop:
    """The pixels of one object, as a piece of the frame.

    Raises:
        ValueError: The array has the wrong shape or type, or the place is left of or above the frame.
    """

    top: int
    """First row of the frame that the piece shows."""
    left: int
    """First column."""
    inside: np.ndarray
    """Whether a pixel belongs to the object, (h, w) bool; h or w is 0 where no pixel's centre does."""

    def __post_init__(self) -> None:
        if self.inside.ndim != 2 or self.inside.dtype != np.bool_:
            raise ValueError(
                f"a mask must be (h, w) bool, not {self.inside.shape} {self.inside.dtype}"
            )
        if self.top < 0 or self.left < 0:
            raise ValueError(f"a mask cannot begin at row {self.top}, column {self.left}")

    @property
    def area(self) -> int:
        """Number of pixels of the object."""
        return int(np.count_nonzero(self.inside))

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the piece shows."""
        height, width = self.inside.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True, kw_only=True)
class InstanceResult:
    """The objects of a frame, best score first.

    Raises:
        ValueError: An array has the wrong shape or type, a score is not in 0..1, or a mask leaves the
            frame.
    """

    boxes_xyxy: np.ndarray
    """Left, top, right, bottom in frame pixels, (N, 4) float32, inside the frame."""
    scores: np.ndarray
    """Probability of the class shown, (N,) float32 in 0..1."""
    class_ids: np.ndarray
    """Class ids, (N,) uint8."""
    masks: tuple[MaskCrop, ...]
    """The pixels of each object, N of them."""
    space: LabelSpace
    """What the ids mean."""
    size_hw: tuple[int, int]
    """Height and width of the frame in pixels."""

    def __post_init__(self) -> None:
        count = len(self.masks)
        for name, shape, kind in (
            ("boxes_xyxy", (count, 4), np.float32),
            ("scores", (count,), np.float32),
            ("class_ids", (count,), np.uint8),
        ):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != kind:
                raise ValueError(
                    f"{name} must be {shape} {np.dtype(kind)} for {count} masks,"
                    f" not {array.shape} {array.dtype}"
                )
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores must be in 0..1, not {self.scores}")
        height, width = self.size_hw
        for number, mask in enumerate(self.masks):
            rows, columns = mask.window
            if rows.stop > height or columns.stop > width:
                raise ValueError(
                    f"mask {number} ends at row {rows.stop}, column {columns.stop}"
                    f" of a frame of {height} x {width}"
                )

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each object's class."""
        return tuple(self.space.name_of(int(number)) for number in self.class_ids)

    def counts(self) -> dict[str, int]:
        """Number of objects by class name, most first; absent classes left out."""
        return dict(Counter(self.names).most_common())

    def full_mask(self, index: int) -> np.ndarray:
        """The pixels of one object, (H, W) bool, at the frame's size."""
        full = np.zeros(self.size_hw, bool)
        full[self.masks[index].window] = self.masks[index].inside
        return full

    def select(self, keep: np.ndarray) -> InstanceResult:
        """Some of the objects.

        Args:
            keep: (N,) bool, or the places of those wanted, whole numbers.
        """
        places = np.arange(len(self))[keep]
        return InstanceResult(
            boxes_xyxy=self.boxes_xyxy[places],
            scores=self.scores[places],
            class_ids=self.class_ids[places],
            masks=tuple(self.masks[place] for place in places),
            space=self.space,
            size_hw=self.size_hw,
        )

    def class_map(self) -> np.ndarray:
        """The class of every pixel, (H, W) uint8, the best score on top; 255 where no object is."""
        ids = np.full(self.size_hw, IGNORE_ID, np.uint8)
        for index in np.argsort(self.scores, kind="stable"):
            mask = self.masks[index]
            ids[mask.window][mask.inside] = self.class_ids[index]
        return ids

    def segment_map(self, base: np.ndarray | None = None) -> np.ndarray:
        """Every pixel's segment as instance maps of prepared folders hold it: (H, W) int32.

        An object's pixels hold class * 1000 + its number, from 1 on within its class, the best score on
        top; from the thousandth of a class on, the plain class id.

        Args:
            base: What other pixels hold, (H, W) uint8; 255 where not given.

        Raises:
            LabelError: An object has the class id 0, whose objects look like plain class ids.
        """
        if (self.class_ids == 0).any():
            raise LabelError(
                f"objects of {self.space.name_of(0)} (id 0 of {self.space.name}) cannot be told from"
                " plain class ids in an instance map",
                fix="give countable classes ids from 1 on",
            )
        segments = (
            np.full(self.size_hw, IGNORE_ID, np.int32) if base is None else base.astype(np.int32)
        )
        order = np.argsort(-self.scores, kind="stable")
        numbers: Counter[int] = Counter()
        painted: list[tuple[MaskCrop, int]] = []
        for index in order.tolist():
            class_id = int(self.class_ids[index])
            numbers[class_id] += 1
            alone = numbers[class_id] < PER_CLASS
            value = class_id * PER_CLASS + numbers[class_id] if alone else class_id
            painted.append((self.masks[index], value))
        for mask, value in reversed(painted):
            segments[mask.window][mask.inside] = value
        return segments

    def shares(self) -> dict[str, float]:
        """Share of the frame that each class covers, by name, largest first; absent classes left out."""
        return class_shares(self.class_map(), self.space)

    def draw(
        self, frame_bgr: np.ndarray, *, alpha: float = 0.5, hidden: Collection[str] = ()
    ) -> np.ndarray:
        """The frame with masks, boxes and names over it, a new (H, W, 3) uint8 BGR picture.

        Args:
            frame_bgr: The frame that was predicted, (H, W, 3) uint8.
            alpha: How much the colour of an object covers its pixels, 0..1; its outline, box and
                name are drawn in any case.
            hidden: Names of classes whose objects are not drawn.
        """
        names = self.names
        order = [  # the best is drawn last
            index
            for index in np.argsort(self.scores, kind="stable").tolist()
            if names[index] not in hidden
        ]
        masks = [self.masks[index] for index in order]
        return draw_objects(
            frame_bgr,
            boxes_xyxy=self.boxes_xyxy[order],
            masks=[(mask.top, mask.left, mask.inside) for mask in masks],
            captions=[f"{names[index]} {self.scores[index]:.2f}" for index in order],
            colors_rgb=self.space.palette[self.class_ids[order]],
            alpha=alpha,
        )
