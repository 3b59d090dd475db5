"""COCO's average precision, by faster-coco-eval; it is imported when the first score is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import MissingDependencyError
from ..labels import LabelSpace

__all__ = ["AveragePrecision", "coco_scores", "require_coco_eval"]

_MOST = (1, 10, 100)  # detections that count per picture and class, the best ones
_FIELDS = ("all", "small", "medium", "large")


@dataclass(frozen=True, kw_only=True)
class AveragePrecision:
    """COCO's scores, each 0..1, means over the classes that occur; None where none does.

    Source: Lin et al. 2014, Microsoft COCO; the definitions are those of its evaluation server.
    """

    ap: float | None
    """Average precision, mean over the IoUs 0.50, 0.55, ..., 0.95 that a match needs."""
    ap50: float | None
    """At an IoU of 0.50."""
    ap75: float | None
    """At an IoU of 0.75."""
    ap_small: float | None
    """`ap` of objects of less than 32 x 32 pixels."""
    ap_medium: float | None
    """Of 32 x 32 to 96 x 96."""
    ap_large: float | None
    """Of more."""
    ar1: float | None
    """Average recall with one detection per picture and class."""
    ar10: float | None
    """With ten."""
    ar100: float | None
    """With a hundred."""
    ar_small: float | None
    """`ar100` of small objects."""
    ar_medium: float | None
    """Of medium ones."""
    ar_large: float | None
    """Of large ones."""


def require_coco_eval() -> None:
    """Find out before long work whether its scores can be taken.

    Raises:
        MissingDependencyError: faster-coco-eval is not installed.
    """
    try:
        import faster_coco_eval  # noqa: F401
    except ModuleNotFoundError:
        raise MissingDependencyError("faster-coco-eval", extra="report") from None


def coco_scores(
    kind: str,
    space: LabelSpace,
    sizes_hw: Sequence[tuple[int, int]],
    true: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> tuple[AveragePrecision, tuple[AveragePrecision, ...]]:
    """The scores over all classes, and class by class in the order of the label space.

    Args:
        kind: `bbox` or `segm`.
        space: The classes.
        sizes_hw: Height and width of every picture.
        true: What COCO calls annotations, `image_id` being the place in `sizes_hw` from 1 on,
            `category_id` the class id + 1.
        found: The same of the detections, with `score`.

    Raises:
        MissingDependencyError: faster-coco-eval is not installed.
    """
    require_coco_eval()
    from faster_coco_eval import COCO, COCOeval_faster

    head = {
        "info": {},
        "images": [
            {"id": number, "height": height, "width": width}
            for number, (height, width) in enumerate(sizes_hw, 1)
        ],
        "categories": [{"id": item.id + 1, "name": item.name} for item in space.classes],
    }
    sides = [
        COCO({**head, "annotations": [{**item, "id": n} for n, item in enumerate(side, 1)]})
        for side in (true, found)
    ]
    run = COCOeval_faster(*sides, iouType=kind, print_function=_quiet)
    run.params.maxDets = [*_MOST]
    run.evaluate()
    run.accumulate()
    # (IoUs, recalls, classes, areas, most) and (IoUs, classes, areas, most); -1 where there is none
    precision, recall = np.asarray(run.eval["precision"]), np.asarray(run.eval["recall"])
    at = {item_id: place for place, item_id in enumerate(run.params.catIds)}
    every = list(at.values())
    ious = np.asarray(run.params.iouThrs)
    return _read(precision, recall, ious, every), tuple(
        _read(precision, recall, ious, [at[item.id + 1]]) for item in space.classes
    )


def _read(
    precision: np.ndarray, recall: np.ndarray, ious: np.ndarray, classes: list[int]
) -> AveragePrecision:
    half, three_quarters = (np.isclose(ious, value) for value in (0.5, 0.75))
    areas = {name: place for place, name in enumerate(_FIELDS)}
    return AveragePrecision(
        ap=_mean(precision[:, :, classes, 0, -1]),
        ap50=_mean(precision[half][:, :, classes, 0, -1]),
        ap75=_mean(precision[three_quarters][:, :, classes, 0, -1]),
        ar1=_mean(recall[:, classes, 0, 0]),
        ar10=_mean(recall[:, classes, 0, 1]),
        ar100=_mean(recall[:, classes, 0, 2]),
        **{f"ap_{name}": _mean(precision[:, :, classes, areas[name], -1]) for name in _FIELDS[1:]},
        **{f"ar_{name}": _mean(recall[:, classes, areas[name], -1]) for name in _FIELDS[1:]},
    )


def _mean(values: np.ndarray) -> float | None:
    there = values[values > -1]
    return float(there.mean()) if there.size else None


def _quiet(*_: object) -> None:
    """Says nothing."""
