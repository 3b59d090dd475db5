"""Figures of a split, summed over its samples: class shares, objects, depth, and class weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from ..labels import IGNORE_ID, LabelSpace
from .inspection import Inspection
from .layout import DEPTH_SCALE

__all__ = [
    "ClassFigures",
    "ClassWeights",
    "DepthFigures",
    "SplitFigures",
    "class_weights",
    "figures",
]

_ENET = 1.02


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """What a split holds of one class."""

    name: str
    """The class."""
    pixels: int
    """Its pixels."""
    share: float | None
    """Of the labelled pixels of the samples on which the class was annotated; None without such."""
    samples: int
    """Samples with a pixel of it."""
    annotated: int
    """Samples on which it was annotated."""
    instances: int | None
    """Its objects; None where no sample has instances."""


@dataclass(frozen=True, kw_only=True)
class DepthFigures:
    """The depths of a split, in metres."""

    samples: int
    """Samples with depth."""
    known: float
    """Share of their pixels that has a depth."""
    low_m: float
    """The smallest."""
    median_m: float
    """The median over all of their pixels that have one, rounded to a tenth of a metre."""
    high_m: float
    """The largest."""


@dataclass(frozen=True, kw_only=True)
class SplitFigures:
    """What the usable samples of a split hold."""

    samples: int
    """Usable samples: without errors, not set aside."""
    masks: int
    """Those with a mask."""
    ignored: float | None
    """Share of the pixels that is ignored; None without masks."""
    classes: tuple[ClassFigures, ...]
    """In the order of the label space."""
    depth: DepthFigures | None
    """None where no sample has a known depth."""

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            **vars(self),
            "classes": [vars(item) for item in self.classes],
            "depth": None if self.depth is None else vars(self.depth),
        }


def figures(items: Iterable[Inspection], space: LabelSpace) -> SplitFigures:
    """Sum up a split.

    Args:
        items: Its usable samples.
        space: What the ids of their masks mean.
    """
    items = list(items)
    masked = [item for item in items if item.pixels is not None]
    pixels: Counter[int] = Counter()
    base: Counter[int] = Counter()  # labelled pixels where the class was annotated
    present: Counter[int] = Counter()
    annotated: Counter[int] = Counter()
    for item in masked:
        assert item.pixels is not None
        pixels.update(item.pixels)
        present.update(item.pixels.keys())
        labelled = sum(count for i, count in item.pixels.items() if i != IGNORE_ID)
        names = item.case.annotated
        for label in space.classes:
            if names is None or label.name in names:
                annotated[label.id] += 1
                base[label.id] += labelled
    counted = [item.instances for item in items if item.instances is not None]
    objects: Counter[int] = Counter()
    for found in counted:
        objects.update(found)
    total = pixels.total()
    return SplitFigures(
        samples=len(items),
        masks=len(masked),
        ignored=pixels[IGNORE_ID] / total if total else None,
        classes=tuple(
            ClassFigures(
                name=label.name,
                pixels=pixels[label.id],
                share=pixels[label.id] / base[label.id] if base[label.id] else None,
                samples=present[label.id],
                annotated=annotated[label.id],
                instances=objects[label.id] if counted and label.has_instances else None,
            )
            for label in space.classes
        ),
        depth=_depth(items),
    )


def _depth(items: Iterable[Inspection]) -> DepthFigures | None:
    seen = [item.depth for item in items if item.depth is not None]
    with_any = [depth for depth in seen if depth.known]
    if not with_any:
        return None
    tenths = np.zeros(max(depth.tenths.size for depth in with_any), np.int64)
    for depth in with_any:
        tenths[: depth.tenths.size] += depth.tenths
    sums = np.cumsum(tenths)
    middle = int(np.searchsorted(sums, (sums[-1] + 1) // 2))  # of two the lower one
    return DepthFigures(
        samples=len(seen),
        known=sum(depth.known for depth in seen) / sum(depth.total for depth in seen),
        low_m=min(depth.low for depth in with_any) / DEPTH_SCALE,
        median_m=middle / 10,
        high_m=max(depth.high for depth in with_any) / DEPTH_SCALE,
    )


@dataclass(frozen=True, kw_only=True)
class ClassWeights:
    """Weights for the loss, against classes of few pixels; each in the order of the label space.

    Ignored pixels count nowhere. A class without a pixel has the weight 0 (ENet's formula gives it
    its largest).
    """

    inverse: tuple[float, ...]
    """1 / (classes present * share of the class): the mean over the labelled pixels is 1. Source:
    King and Zeng 2001, Logistic Regression in Rare Events Data; "balanced" in scikit-learn."""
    median: tuple[float, ...]
    """Median of the classes' frequencies over the frequency of the class, which is its share of the
    labelled pixels of the pictures it is in. Source: Eigen and Fergus 2015, Predicting Depth,
    Surface Normals and Semantic Labels with a Common Multi-Scale Convolutional Architecture."""
    enet: tuple[float, ...]
    """1 / ln(1.02 + share of the class). Source: Paszke et al. 2016, ENet."""


def class_weights(masks: Iterable[Mapping[int, int]], space: LabelSpace) -> ClassWeights | None:
    """Class weights from the pixels of a split; None where no pixel is labelled.

    Args:
        masks: Of each of its masks, the number of pixels by their id.
        space: What the ids mean.
    """
    pixels: Counter[int] = Counter()
    beside: Counter[int] = Counter()  # labelled pixels of the pictures that a class is in
    for mask in masks:
        found = {i: count for i, count in mask.items() if i != IGNORE_ID}
        pixels.update(found)
        labelled = sum(found.values())
        beside.update(dict.fromkeys(found, labelled))
    total = pixels.total()
    if not total:
        return None
    frequency = {i: pixels[i] / beside[i] for i in pixels}
    middle = median(frequency.values())
    shares = [pixels[i] / total for i in space.ids]
    return ClassWeights(
        inverse=tuple(1 / (len(pixels) * share) if share else 0.0 for share in shares),
        median=tuple(middle / frequency[i] if i in frequency else 0.0 for i in space.ids),
        enet=tuple(1 / math.log(_ENET + share) for share in shares),
    )
