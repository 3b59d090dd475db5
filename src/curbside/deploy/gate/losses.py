"""What files lose against the float file that they were made from, on the same pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...manifest import Manifest
from ...prepared import Sample
from ...runtime import load_predictor
from ..calibration import CalibrationPicture
from .agreement import agreement, depth_apart
from .lineup import score_depth, score_file
from .objects import score_objects, told_objects
from .turns import pictures_of

__all__ = ["Losses"]

_PICTURES = 64


class Losses:
    """What files lose against a float file.

    Classes are scored where all pictures are samples that tell them, of a network that tells depth as
    well on those that do; its depth on the samples with depth. Where there are none, it is measured
    how far a file agrees with the float file.

    Args:
        baseline: The float file.
        pictures: What to measure on, at least one.
        threads: Threads for the networks; all cores where None.

    Attributes:
        classes: The samples that classes or objects are scored on.
        depth: Those that depth is scored on.
        unit: What a loss of classes or objects counts; empty where the network tells none.
        depth_unit: What a loss of depth counts; likewise.
    """

    def __init__(
        self,
        baseline: Path,
        pictures: Sequence[CalibrationPicture],
        *,
        threads: int | None = None,
    ) -> None:
        self._baseline, self._pictures, self._threads = baseline, pictures, threads
        with load_predictor(baseline, threads=threads) as predictor:
            manifest = predictor.manifest
        self.classes, self.unit = _classes(manifest, pictures)
        self.depth, self.depth_unit = list[Sample](), ""
        if "depth" in manifest.answers:
            self.depth = _with_target(pictures, "depth")
            self.depth_unit = "% of AbsRel" if self.depth else "% of the depth"
        self.scores_pixels = bool(self.classes) and "semantic" in manifest.answers
        """Whether mIoU is measured."""

    @property
    def samples(self) -> list[Sample]:
        """All samples that something is scored on, each once."""
        return [*{id(sample): sample for sample in (*self.classes, *self.depth)}.values()]

    def of(self, path: Path) -> tuple[float | None, float | None]:
        """What the classes and what the depth of a file lost; None for what the network does not tell."""
        loss = depth_loss = None
        if self.unit:
            loss = self._lost(path) if self.classes else 100 * (1 - self._apart(path)[0])
        if self.depth_unit:
            depth_loss = self._depth_lost(path) if self.depth else 100 * self._apart(path)[1]
        return loss, depth_loss

    def _lost(self, path: Path) -> float:
        before, after = (self._score(item) for item in (self._baseline, path))
        return math.inf if before is None or after is None else 100 * (before - after)

    def _depth_lost(self, path: Path) -> float:
        before = self._depth_error(self._baseline)
        try:
            after = self._depth_error(path)
        except DataError:  # it says no depth at all
            return math.inf
        if before == after:
            return 0.0
        return 100 * (after - before) / before if before else math.inf

    @cache  # noqa: B019 - lives as long as the search
    def _score(self, path: Path) -> float | None:
        found = score_file(path, self.classes, threads=self._threads, calibration=False)
        if found is not None:
            return found.overall.miou
        objects = score_objects(path, self.classes, threads=self._threads)
        return None if objects is None else objects.overall.mask.average.ap

    @cache  # noqa: B019
    def _depth_error(self, path: Path) -> float:
        """Mean relative error; where the network says no depth, an error of 1."""
        found = score_depth(path, self.depth, threads=self._threads)
        assert found is not None
        overall = found.overall
        assert overall.abs_rel is not None and overall.coverage is not None
        return overall.coverage * overall.abs_rel + 1 - overall.coverage

    @cache  # noqa: B019
    def _apart(self, path: Path) -> tuple[float, float]:
        """How far the classes agree, and how far apart the depth is, both 0..1 and NaN where there is
        none."""
        frames = pictures_of(self._pictures, _PICTURES)
        agreements, depths = list[float](), list[float]()
        with (
            load_predictor(self._baseline, threads=self._threads) as one,
            load_predictor(path, threads=self._threads) as two,
        ):
            for frame in frames:
                before, after = one(frame), two(frame)
                same, apart = agreement(before, after), depth_apart(before, after)
                agreements += [] if same is None else [same]
                depths += [] if apart is None else [apart]
        return _mean(agreements), _mean(depths)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _classes(
    manifest: Manifest, pictures: Sequence[CalibrationPicture]
) -> tuple[list[Sample], str]:
    """The samples that classes or objects are scored on, and what a loss of them counts."""
    if manifest.task == "depth":
        return [], ""
    if manifest.task == "instances":
        told = told_objects(manifest, pictures)
        units = "points of mask AP", "% of the objects"
    else:
        told = _with_target(pictures, "semantic")
        units = "points of mIoU", "% of the pixels"
    enough = bool(told) if manifest.depth else len(told) == len(pictures)
    return (told, units[0]) if enough else ([], units[1])


def _with_target(pictures: Sequence[CalibrationPicture], target: str) -> list[Sample]:
    samples = [item for item in pictures if isinstance(item, Sample)]
    return [item for item in samples if target in item.record.targets]
