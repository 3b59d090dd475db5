"""The pictures on which the control and the best variant differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluation import Page, Predictor
from ...imaging import colorize, resize_ids
from ...prepared import Sample
from ..run_folder import load_run_predictor
from .plan import Plan
from .results import Result
from .verdict import Verdict
from .work import scored_samples

__all__ = ["most_different", "show_pictures"]

_SHOWN = 6
_WIDTH = 250  # pixels; class maps are made small as ids, so that no colour is mixed


def most_different(
    first: np.ndarray, second: np.ndarray, count: int
) -> list[tuple[int, float, float]]:
    """The pictures whose mean IoU over the classes in their truth differs most.

    Args:
        first: Pixels of each picture as one network saw it, (N, C, C + 1) int64.
        second: As another saw it.
        count: How many to name at most.

    Returns:
        The place of each picture and its two scores, the largest difference first.
    """
    scores = np.stack([_miou(first), _miou(second)], axis=1)  # (N, 2)
    gains = np.abs(scores[:, 1] - scores[:, 0])
    order = np.argsort(-np.nan_to_num(gains, nan=-1.0), kind="stable")
    return [(int(i), *map(float, scores[i])) for i in order[:count] if gains[i] > 0]  # type: ignore[misc]


def _miou(per_image: np.ndarray) -> np.ndarray:
    hits = np.diagonal(per_image, axis1=1, axis2=2)  # (N, C)
    truth = per_image.sum(axis=2)
    union = truth + per_image[:, :, :-1].sum(axis=1) - hits
    with np.errstate(invalid="ignore"):
        iou = np.where(truth > 0, hits / union, np.nan)
        return np.nansum(iou, axis=1) / (truth > 0).sum(axis=1)


def show_pictures(
    page: Page, plan: Plan, verdict: Verdict, results: Mapping[str, Mapping[int, Result]]
) -> None:
    """Put them on a page: picture, truth, what the control and what the best variant make of it."""
    control, best = results[plan.control], results.get(verdict.best or "", {})
    seed = next((seed for seed in control if seed in best), None)
    if seed is None:
        return
    pair = (control[seed], best[seed])
    (ids, first), (others, second) = (run.per_image() for run in pair)
    if ids != others:
        return
    samples = {sample.id: sample for sample in scored_samples(plan)}
    predictors = [load_run_predictor(run.folder) for run in pair]
    page.heading(f"Where {plan.control} and {verdict.best} differ most")
    page.text(
        f"Both with seed {seed}. mIoU is over the classes in the picture's truth; ignored pixels are"
        " black."
    )
    space = next(iter(samples.values())).space
    page.swatches({item.name: item.color for item in space.classes})
    for place, before, after in most_different(first, second, _SHOWN):
        captions = (
            ids[place],
            "truth",
            f"{plan.control}: {before:.3f}",
            f"{verdict.best}: {after:.3f}",
        )
        page.images(
            zip(_views(samples[ids[place]], predictors), captions, strict=True), max_width=_WIDTH
        )


def _views(sample: Sample, predictors: Sequence[Predictor]) -> list[np.ndarray]:
    rgb = sample.read_rgb()
    frame_bgr = np.ascontiguousarray(rgb[..., ::-1])
    height, width = rgb.shape[:2]
    shown = min(width, _WIDTH)
    small = (max(1, round(height * shown / width)), shown)
    maps = [sample.read_semantic(), *(predictor(frame_bgr).ids for predictor in predictors)]
    palette = sample.space.palette
    return [rgb, *(colorize(resize_ids(ids, small), palette)[..., ::-1] for ids in maps)]
