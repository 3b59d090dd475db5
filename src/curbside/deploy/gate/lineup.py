"""Model files of one task side by side: scores, agreement, speed and size, measured in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...evaluation import CommonPredictor, Evaluation, evaluate
from ...evaluation.instances import InstanceEvaluation
from ...hardware import core_count, cpu_model, thread_count
from ...labels import CommonSpace
from ...manifest import Task
from ...metrics.timing import LatencySummary
from ...prepared import Sample
from ...runtime import (
    SemanticPredictor,
    load_class_predictor,
    load_predictor,
    load_semantic_predictor,
)
from ...runtime.cores import opencv_on_one_core
from ..calibration import CalibrationPicture
from ..graphs.onnx_manifest import with_logits
from .objects import score_objects
from .turns import Predictor, in_turns, timing_frames

__all__ = [
    "FileScore",
    "Lineup",
    "line_up",
    "parts_of",
    "score_file",
    "scored_on",
    "time_files",
]

_PARTS = {".xml": (".bin",)}


@dataclass(frozen=True, kw_only=True)
class FileScore:
    """What one file scored."""

    path: Path
    """The file."""
    task: Task
    """What it answers."""
    size_bytes: int
    """Its size, with the parts that belong to it."""
    precision: str
    """What its arithmetic really ran in."""
    device: str
    """What it computed on: `cpu`, `cuda` or `hailo`."""
    input_size_hw: tuple[int, int]
    """Size of the network's input, in pixels."""
    agreement: float
    """Of a semantic network, the share of pixels that have the first file's class, 0..1; of an instance
    network, the share of objects that both found, twice the matches over all (a match is of one class
    and overlaps by an IoU of 0.9)."""
    latency: LatencySummary
    """Time of the bare network."""
    whole: LatencySummary
    """Time from the frame to the class map, or to the objects with their masks."""
    evaluation: Evaluation | None = None
    """Its scores, where there was data to score on."""
    objects: InstanceEvaluation | None = None
    """The same of a network that finds objects."""

    @property
    def scored(self) -> Evaluation | InstanceEvaluation | None:
        """Its scores, whatever it answers."""
        return self.evaluation or self.objects

    @property
    def miou(self) -> float | None:
        """Its mIoU, 0..1; None where it was not scored."""
        return None if self.evaluation is None else self.evaluation.overall.miou

    @property
    def mask_ap(self) -> float | None:
        """Average precision of its masks, 0..1; None where it was not scored."""
        return None if self.objects is None else self.objects.overall.mask.average.ap

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON values."""
        found, objects = self.evaluation, self.objects
        scores = None if found is None else asdict(found.overall)
        return {
            "file": str(self.path),
            "task": self.task,
            "size_bytes": self.size_bytes,
            "precision": self.precision,
            "device": self.device,
            "input_size_hw": list(self.input_size_hw),
            "agreement": self.agreement,
            "latency": asdict(self.latency),
            "whole": asdict(self.whole),
            "scores": scores if objects is None else objects.overall.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Files on the same pictures, with the same threads; the first is what the others are held to."""

    files: tuple[FileScore, ...]
    """One per file, in the order given."""
    threads: int
    """Threads of each network."""
    pictures: str
    """What speed and agreement were measured on."""
    hardware: str
    """The processor and its cores."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files, whole paths where two are the same."""
        names = tuple(file.path.name for file in self.files)
        return names if len(set(names)) == len(names) else tuple(str(f.path) for f in self.files)

    def miou_loss(self, place: int = 1) -> float | None:
        """How much mIoU a file lost against the first, 0..1; negative where it gained; None where
        there is no score."""
        return _lost(self.files[0].miou, self.files[place].miou)

    def mask_ap_loss(self, place: int = 1) -> float | None:
        """How much average precision its masks lost, likewise."""
        return _lost(self.files[0].mask_ap, self.files[place].mask_ap)

    def speed_up(self, place: int = 1) -> float:
        """How many times faster than the first a file is from frame to result, by the medians."""
        return self.files[0].whole.p50_ms / self.files[place].whole.p50_ms

    def to_dict(self) -> dict[str, Any]:
        """The lineup as JSON values."""
        scored = self.files[0].scored
        return {
            **({} if scored is None else scored_on(scored)),
            "pictures": self.pictures,
            "hardware": self.hardware,
            "threads": self.threads,
            "files": [
                {
                    **file.to_dict(),
                    "miou_loss": self.miou_loss(place),
                    "mask_ap_loss": self.mask_ap_loss(place),
                    "speed_up": self.speed_up(place),
                }
                for place, file in enumerate(self.files)
            ],
        }


def line_up(
    paths: Sequence[Path],
    *,
    samples: Sequence[Sample] = (),
    pictures: Sequence[CalibrationPicture] = (),
    source: str | Path | None = None,
    witnesses: Mapping[Path, Path] | None = None,
    threads: int | None = None,
    runs: int = 50,
) -> Lineup:
    """Score files on the same samples, and time them in turns on the same pictures.

    Args:
        paths: Model files of one task; the first is what the others are held to.
        samples: What to score on, all of one split: masks for semantic networks, objects for those
            that find some (see `told_objects`); nothing is scored where empty.
        pictures: What to measure speed and agreement on; the samples where there are none.
        source: A video or a folder of pictures to measure these on instead.
        witnesses: By a file, its twin that gives its scores, too; see `score_file`.
        threads: Threads for each network; all cores where None.
        runs: How often each network is timed.

    Raises:
        ConfigError: There are fewer than one thread.
        ModelFileError: A file cannot be opened, or is for another task than the first.
        LabelError: The files and the masks do not mean the same by their ids.
        DataError: Not one picture could be read.
        SourceError: The source cannot be read.
    """
    threads = thread_count(threads)
    twins = witnesses or {}
    evaluations = [
        score_file(path, samples, witness=twins.get(path), threads=threads) for path in paths
    ]
    objects = [
        None if found else score_objects(path, samples, threads=threads)
        for path, found in zip(paths, evaluations, strict=True)
    ]
    frames = timing_frames(pictures or samples, source)
    timed = time_files(paths, frames, threads=threads, runs=runs)
    files = tuple(
        replace(file, evaluation=evaluation, objects=scored)
        for file, evaluation, scored in zip(timed, evaluations, objects, strict=True)
    )
    what = f"{len(frames)} pictures" if source is None else f"{len(frames)} frames of {source}"
    hardware = f"{cpu_model()}, {core_count()} cores"
    return Lineup(files=files, threads=threads, pictures=what, hardware=hardware)


def time_files(
    paths: Sequence[Path],
    frames: Sequence[np.ndarray],
    *,
    threads: int,
    runs: int = 50,
    at_frame: bool = False,
) -> tuple[FileScore, ...]:
    """Time model files in turns, and say how far they agree with the first; nothing is scored.

    Args:
        paths: Model files of one task.
        frames: (H, W, 3) uint8 BGR, at least one.
        threads: Threads for each network.
        runs: How often each network is timed; once on every frame at the least.
        at_frame: Results are wanted at the size of the frame, as a viewer has them; else all are at
            the size of the first network's input.

    Raises:
        ModelFileError: A file cannot be opened, or is for another task than the first.
    """
    with opencv_on_one_core(), ExitStack() as stack:
        predictors = [load_class_predictor(path, threads=threads) for path in paths]
        for predictor in predictors:
            stack.callback(predictor.close)
        _require_one_task(paths, predictors)
        size_hw = None if at_frame else predictors[0].manifest.input.size_hw
        timed = in_turns(predictors, frames, max(runs, len(frames)), size_hw)
        return tuple(
            FileScore(
                path=path,
                task=predictor.manifest.task,
                size_bytes=_size_of(path),
                precision=predictor.precision,
                device=predictor.backend.device,
                input_size_hw=predictor.manifest.input.size_hw,
                agreement=float(np.mean(times.agreements)),
                latency=times.network.summary(),
                whole=times.whole.summary(),
            )
            for path, predictor, times in zip(paths, predictors, timed, strict=True)
        )


def score_file(
    path: Path,
    samples: Sequence[Sample],
    *,
    witness: Path | None = None,
    threads: int | None = None,
    calibration: bool = True,
    common: CommonSpace | None = None,
) -> Evaluation | None:
    """What a model file scores.

    Classes are those of the file as it is. Where it gives the class map alone, calibration and
    precision-recall come from a twin that gives its scores, too.

    Args:
        path: The file.
        samples: What to score on, each with a semantic target.
        witness: The twin; an ONNX file with scores inside has its own made.
        threads: Threads for the network; all cores where None.
        calibration: Whether calibration and precision-recall are wanted, in the file's own classes.
        common: The file's label space and the data's brought together, where they differ; the samples
            are in its classes.

    Returns:
        None where there is nothing to score on, or the network is not a semantic one.
    """
    with (
        tempfile.TemporaryDirectory(prefix="curbside-") as folder,
        load_predictor(path, threads=threads) as predictor,
        opencv_on_one_core(),
    ):
        if not samples or not isinstance(predictor, SemanticPredictor):
            return None
        found = evaluate(CommonPredictor(predictor, common) if common else predictor, samples)
        if not calibration or predictor.manifest.output("logits"):
            return found
        if witness is None and path.suffix == ".onnx":
            witness = with_logits(path, Path(folder) / "logits.onnx")
        if witness is None:
            return found
        with load_semantic_predictor(witness, threads=threads) as twin:
            more = evaluate(twin, samples)
    overall = replace(
        found.overall,
        ece=more.overall.ece,
        ece_fine=more.overall.ece_fine,
        ece_uncalibrated=more.overall.ece_uncalibrated,
        mean_auprc=more.overall.mean_auprc,
        auprc=more.overall.auprc,
    )
    return replace(
        found,
        overall=overall,
        reliability=more.reliability,
        reliability_uncalibrated=more.reliability_uncalibrated,
        missing=more.missing,
    )


def scored_on(found: Evaluation | InstanceEvaluation) -> dict[str, Any]:
    """What scores were taken on, as JSON values."""
    return {
        "dataset": found.dataset,
        "split": found.split,
        "images": found.images,
        "classes": list(found.space.names),
    }


def _require_one_task(paths: Sequence[Path], predictors: Sequence[Predictor]) -> None:
    first = predictors[0].manifest.task
    for path, predictor in zip(paths, predictors, strict=True):
        if predictor.manifest.task != first:
            raise ModelFileError(
                f"{path} answers {predictor.manifest.task}, {paths[0]} answers {first}",
                fix="compare files of one task",
            )


def _lost(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def parts_of(path: Path) -> tuple[str, ...]:
    """Suffixes of the files that a model file is nothing without."""
    return _PARTS.get(path.suffix, ())


def _size_of(path: Path) -> int:
    parts = [path.with_suffix(suffix) for suffix in parts_of(path)]
    return sum(item.stat().st_size for item in (path, *parts))
