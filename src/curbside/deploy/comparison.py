"""A float model file beside its quantised twin: what was lost, what was gained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..evaluation import Evaluation, evaluate
from ..hardware import thread_count
from ..metrics.timing import Latencies, LatencySummary
from ..prepared import Sample, evenly_spaced
from ..runtime import SemanticPredictor, load_semantic_predictor
from ..runtime.cores import opencv_on_one_core
from .onnx_manifest import replace_manifest

__all__ = ["Comparison", "FileScore", "add_scores", "compare_files"]

_PICTURES = 16
_WARM_UP = 3


@dataclass(frozen=True, kw_only=True)
class FileScore:
    """What one file scored."""

    path: Path
    """The file."""
    size_bytes: int
    """Its size."""
    evaluation: Evaluation
    """Its scores, with the precision that it really ran in."""
    latency: LatencySummary
    """Time of the bare network."""

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON values."""
        return {
            "file": str(self.path),
            "size_bytes": self.size_bytes,
            "precision": self.evaluation.precision,
            "scores": asdict(self.evaluation.overall),
            "latency": asdict(self.latency),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two files of one network on the same pictures, with the same threads."""

    before: FileScore
    """The float file."""
    after: FileScore
    """The quantised file."""
    agreement: float
    """Share of pixels to which both give the same class, 0..1."""
    threads: int
    """Threads of the network while it was timed."""

    @property
    def miou_loss(self) -> float:
        """How much mIoU was lost, 0..1; negative where it rose; nan where there is no score."""
        before, after = (s.evaluation.overall.miou for s in (self.before, self.after))
        return float("nan") if before is None or after is None else before - after

    @property
    def speed_up(self) -> float:
        """How many times faster the quantised file is, by the medians."""
        return self.before.latency.p50_ms / self.after.latency.p50_ms

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        found = self.after.evaluation
        return {
            "dataset": found.dataset,
            "split": found.split,
            "images": found.images,
            "hardware": found.hardware,
            "threads": self.threads,
            "classes": list(found.space.names),
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "agreement": self.agreement,
            "miou_loss": None if np.isnan(self.miou_loss) else self.miou_loss,
            "speed_up": self.speed_up,
        }


def compare_files(
    before: Path,
    after: Path,
    samples: Sequence[Sample],
    *,
    threads: int | None = None,
    runs: int = 50,
) -> Comparison:
    """Score two files of one network, and time them in turns.

    Args:
        before: The float file.
        after: The quantised file.
        samples: What to score on, all of one split, each with a semantic target.
        threads: Threads for the network; all cores where None.
        runs: How often each network is timed.

    Raises:
        ConfigError: There are fewer than one thread.
        ModelFileError: A file cannot be opened.
        LabelError: The files and the masks do not mean the same by their ids.
        DataError: Not one picture could be read.
    """
    threads = thread_count(threads)
    with (
        opencv_on_one_core(),
        load_semantic_predictor(before, threads=threads) as one,
        load_semantic_predictor(after, threads=threads) as two,
    ):
        evaluations = [evaluate(predictor, samples) for predictor in (one, two)]
        latencies, agreement = _in_turns(one, two, _frames(samples), runs)
    scores = [
        FileScore(path=path, size_bytes=path.stat().st_size, evaluation=evaluation, latency=latency)
        for path, evaluation, latency in zip((before, after), evaluations, latencies, strict=True)
    ]
    return Comparison(before=scores[0], after=scores[1], agreement=agreement, threads=threads)


def _frames(samples: Sequence[Sample]) -> list[np.ndarray]:
    """A few pictures, (H, W, 3) uint8 BGR; the evaluation has named those that cannot be read."""
    frames = []
    for sample in evenly_spaced(samples, _PICTURES):
        with suppress(DataError):
            frames.append(sample.read_bgr())
    if not frames:
        raise DataError(
            f"{samples[0].root}: not one picture to time with can be read",
            fix="restore the dataset",
        )
    return frames


def _in_turns(
    one: SemanticPredictor, two: SemanticPredictor, frames: Sequence[np.ndarray], runs: int
) -> tuple[list[LatencySummary], float]:
    """Latencies of both networks, a run of each in turn, and the share of pixels they agree on."""
    latencies = (Latencies(), Latencies())
    shares = []
    for run in range(-_WARM_UP, max(runs, len(frames))):
        frame = frames[run % len(frames)]
        ids = []
        for predictor, latency in zip((one, two), latencies, strict=True):
            tensor = predictor.prepare(frame)
            timer = Latencies() if run < 0 else latency
            with timer.measure():
                outputs = predictor.infer(tensor)
            if 0 <= run < len(frames):
                ids.append(predictor.decode(outputs, predictor.manifest.input.size_hw).ids)
        if ids:
            shares.append(np.mean(ids[0] == ids[1]))
    return [latency.summary() for latency in latencies], float(np.mean(shares))


def add_scores(comparison: Comparison) -> None:
    """Write what both files scored into the quantised file's Manifest.

    Raises:
        StorageError: The file cannot be written.
    """
    path = comparison.after.path
    with load_semantic_predictor(path) as predictor:
        manifest = predictor.manifest
    for name, found in (("fp32", comparison.before), ("int8", comparison.after)):
        evaluation = found.evaluation
        scores = {
            "miou": evaluation.overall.miou,
            "pixel_accuracy": evaluation.overall.pixel_accuracy,
            "iou": list(evaluation.overall.iou),
            "dataset": evaluation.dataset,
            "split": evaluation.split,
            "images": evaluation.images,
            "p50_ms": found.latency.p50_ms,
            "threads": comparison.threads,
            "hardware": evaluation.hardware,
            "precision": evaluation.precision,
        }
        manifest = manifest.with_scores(name, scores)
    replace_manifest(path, manifest)
