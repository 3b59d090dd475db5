"""`evaluate_depth`: a network that tells depth over the samples of a prepared folder."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from ...errors import ConfigError, DataError
from ...hardware import core_count, cpu_model
from ...manifest import Manifest
from ...metrics import DepthScores, bootstrap_mean
from ...prepared import Sample
from ...results import DepthResult
from ..intervals import FEWEST_PICTURES, Interval
from ..predictions import Predictions
from ..scoring import check_tag, group_of, readable
from .camera import camera_fit
from .density import DepthDensity
from .result import DepthEvaluation, DepthGroup, MedianScaling, WorstDepth

__all__ = ["DepthPredictor", "DepthScorer", "evaluate_depth", "read_depth_truth"]

_TRUSTED = 127


class DepthPredictor(Protocol):
    """Frame in, depth at frame size out."""

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""
        ...

    @property
    def precision(self) -> str:
        """What the network really runs in, such as `fp32`."""
        ...

    def __call__(self, frame_bgr: np.ndarray) -> DepthResult:
        """The depth of a frame, (H, W, 3) uint8."""
        ...


def evaluate_depth(
    predictor: DepthPredictor,
    samples: Sequence[Sample],
    *,
    by: str | None = None,
    worst: int = 6,
    kept: Predictions | None = None,
    trusted: bool = False,
    max_m: float | None = None,
) -> DepthEvaluation:
    """Score a network that tells depth over samples, streaming: of a picture, two numbers alone are kept.

    Pixels are compared at the size of the truth. A picture that cannot be read is left out and named in
    `DepthEvaluation.unreadable`.

    Args:
        predictor: The network.
        samples: At least one, all of one split, each with a depth target.
        by: A tag of the samples to group the scores by, such as `weather`.
        worst: How many of the worst pictures to name.
        kept: Where the predictions go.
        trusted: Score only pixels whose confidence is over 127, where a sample tells one.
        max_m: Leave out truth beyond it and cut predictions to it, as KITTI's evaluation does with 80 m.

    Raises:
        ConfigError: No sample has the tag, or it has too many values; the farthest depth is none.
        DataError: Not one picture could be read, or no pixel has both a known and a predicted depth.
    """
    scorer = DepthScorer(predictor, samples, by=by, trusted=trusted, max_m=max_m)
    unreadable: list[str] = []
    read = partial(read_depth_truth, trusted=trusted)
    for sample, frame_bgr, target_m in readable(samples, unreadable, doing="evaluating", read=read):
        depth_m = scorer.update(sample, frame_bgr, target_m)
        if kept is not None:
            kept.add(sample, depth_m=depth_m)
    return scorer.evaluation(unreadable, worst=worst)


def read_depth_truth(sample: Sample, *, trusted: bool) -> np.ndarray:
    """The depth that counts, (H, W) float32 metres, 0 = none.

    Args:
        sample: A sample with a depth target.
        trusted: Only where its confidence is over 127; everywhere where it tells none.
    """
    depth_m = sample.read_depth_m()
    if trusted and "confidence" in sample.record.targets:
        return depth_m * (sample.read_confidence() > _TRUSTED)
    return depth_m


class DepthScorer:
    """What a network that tells depth scores, picture by picture.

    Args:
        predictor: The network.
        samples: Those that are to come.
        by: The tag to group by.
        trusted: See `evaluate_depth`.
        max_m: See `evaluate_depth`.

    Raises:
        ConfigError: No sample has the tag, or it has too many values; the farthest depth is none.
    """

    def __init__(
        self,
        predictor: DepthPredictor,
        samples: Sequence[Sample],
        *,
        by: str | None = None,
        trusted: bool = False,
        max_m: float | None = None,
    ) -> None:
        if not samples:
            raise ValueError("give at least one sample")
        if max_m is not None and not 0.1 <= max_m < float("inf"):
            raise ConfigError(
                f"no truth lies within a farthest depth of {max_m} m", fix="give metres, such as 80"
            )
        check_tag(samples, by)
        self._predictor, self._first, self._by = predictor, samples[0], by
        self._trusted, self._max_m = trusted, max_m
        self._camera = camera_fit(predictor.manifest, samples)
        self._doubtless = sum("confidence" not in sample.record.targets for sample in samples)
        self._started = time.perf_counter()
        self._scaled = self._scores()
        self._factors: list[float] = []
        self._groups: dict[str, DepthScores] = defaultdict(self._scores)
        self._members: Counter[str] = Counter()
        self._density = DepthDensity()
        self._pictures: list[WorstDepth] = []

    def _scores(self) -> DepthScores:
        return DepthScores(max_m=self._max_m)

    def update(self, sample: Sample, frame_bgr: np.ndarray, target_m: np.ndarray) -> np.ndarray:
        """Predict a picture and count its pixels.

        Args:
            sample: Where it comes from.
            frame_bgr: (H, W, 3) uint8.
            target_m: (H, W) float32 metres, 0 where nothing counts.

        Returns:
            The predicted depth, (H, W) float32 metres, 0 = unknown.
        """
        depth_m = self._predictor(frame_bgr).depth_m
        group = group_of(sample, self._by)
        alone = self._groups[group].update(depth_m, target_m).summary()
        self._members[group] += 1
        both = (depth_m > 0) & (target_m > 0)
        if self._max_m is not None:
            both &= target_m <= self._max_m
        if alone.abs_rel is None or alone.delta1 is None or not both.any():
            return depth_m
        said, true = depth_m[both], target_m[both]
        self._density.update(said, true)
        factor = float(np.median(true)) / float(np.median(said))
        self._factors.append(factor)
        self._scaled.update(depth_m * np.float32(factor), target_m)
        self._pictures.append(
            WorstDepth(
                id=sample.id, abs_rel=alone.abs_rel, delta1=alone.delta1, pixels=alone.pixels
            )
        )
        return depth_m

    def evaluation(self, unreadable: Sequence[str], *, worst: int = 6) -> DepthEvaluation:
        """What the pictures so far, at least one, come to.

        Args:
            unreadable: What was wrong with those that were left out.
            worst: How many of the worst pictures to name.

        Raises:
            DataError: No pixel has both a known and a predicted depth.
        """
        total = self._scores()
        for scores in self._groups.values():
            total += scores
        overall, images = total.summary(), sum(self._members.values())
        if not overall.pixels:
            untold = "the network says no depth" if overall.coverage == 0 else "no depth is known"
            raise DataError(
                f"{untold} at any pixel that counts, of {images} pictures",
                fix="choose another split, or score without --trusted and --max-depth-m",
            )
        predictor, manifest, first = self._predictor, self._predictor.manifest, self._first
        assert manifest.depth is not None  # the Manifest makes sure of it
        ranked = sorted(self._pictures, key=lambda item: (-item.abs_rel, item.id))
        return DepthEvaluation(
            overall=overall,
            pictures=total.mean_of_pictures(),
            scaled=self._median_scaling(),
            bands=tuple(b for b in total.bands if b.summary.coverage is not None),
            abs_rel_interval=self._interval(),
            density=self._density,
            by=self._by,
            groups=tuple(
                DepthGroup(
                    value=value,
                    images=self._members[value],
                    summary=self._groups[value].summary(),
                )
                for value in (sorted(self._groups) if self._by else ())
            ),
            worst=tuple(ranked[:worst]),
            unreadable=tuple(unreadable),
            images=images,
            camera=self._camera,
            trusted=self._trusted,
            doubtless=self._doubtless if self._trusted else 0,
            max_m=self._max_m,
            depth=manifest.depth,
            dataset=first.root.resolve().name,
            split=first.record.split,
            model=manifest.model,
            source=dict(manifest.source),
            precision=predictor.precision,
            input_size_hw=manifest.input.size_hw,
            hardware=f"{cpu_model()}, {core_count()} cores",
            seconds=time.perf_counter() - self._started,
        )

    def _median_scaling(self) -> MedianScaling:
        factor = float(np.median(self._factors)) if self._factors else None
        return MedianScaling(
            overall=self._scaled.summary(),
            pictures=self._scaled.mean_of_pictures(),
            factor=factor,
            spread=float(np.std(self._factors)) / factor if factor else None,
        )

    def _interval(self) -> Interval | None:
        if len(self._pictures) < FEWEST_PICTURES:
            return None
        counts = np.array([item.pixels for item in self._pictures], np.float64)
        return bootstrap_mean(counts * [item.abs_rel for item in self._pictures], counts)
