"""Model files of one task side by side: scores, agreement, speed and size, measured in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, ModelFileError
from ...evaluation import CommonPredictor, Evaluation, evaluate
from ...evaluation.depth import DepthEvaluation, evaluate_depth
from ...hardware import core_count, cpu_model, thread_count
from ...labels import CommonSpace
from ...prepared import Sample
from ...runtime import (
    DepthPredictor,
    JointPredictor,
    SemanticPredictor,
    TaskPredictor,
    load_predictor,
    load_semantic_predictor,
)
from ...runtime.cores import opencv_on_one_core
from ..calibration import CalibrationPicture
from ..graphs.onnx_manifest import with_logits
from .lineup_result import FileScore, Lineup
from .objects import score_objects
from .turns import in_turns, timing_frames

__all__ = ["line_up", "parts_of", "score_depth", "score_file", "time_files"]

_PARTS = {".xml": (".bin",)}


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
            that find some (see `told_objects`), depth for those that tell it: each sample counts for
            what it has. Nothing is scored where empty.
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
    masked, deep = (
        [sample for sample in samples if target in sample.record.targets]
        for target in ("semantic", "depth")
    )
    found: list[dict[str, Any]] = []
    for path in paths:
        evaluation = score_file(path, masked, witness=twins.get(path), threads=threads)
        objects = None if evaluation else score_objects(path, samples, threads=threads)
        depth = _depth_or_none(path, deep, threads)
        found.append({"evaluation": evaluation, "objects": objects, "depth": depth})
    frames = timing_frames(pictures or samples, source)
    timed = time_files(paths, frames, threads=threads, runs=runs)
    files = tuple(replace(file, **scores) for file, scores in zip(timed, found, strict=True))
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
        paths: Model files of one task; or of several that have an answer in common, which alone is
            then decoded.
        frames: (H, W, 3) uint8 BGR, at least one.
        threads: Threads for each network.
        runs: How often each network is timed; once on every frame at the least.
        at_frame: Results are wanted at the size of the frame, as a viewer has them; else all are at
            the size of the first network's input.

    Raises:
        ModelFileError: A file cannot be opened, or is for another task than the first.
    """
    with opencv_on_one_core(), ExitStack() as stack:
        opened = []
        for path in paths:
            opened.append(load_predictor(path, threads=threads))
            stack.callback(opened[-1].close)
        predictors = _of_one_answer(paths, opened)
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
                agreement=float(np.mean(times.agreements)) if times.agreements else None,
                depth_difference=float(np.mean(times.depths)) if times.depths else None,
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
        None where there is nothing to score on, or the network tells no classes of pixels.
    """
    with (
        tempfile.TemporaryDirectory(prefix="curbside-") as folder,
        load_predictor(path, threads=threads) as opened,
        opencv_on_one_core(),
    ):
        predictor = opened.semantic if isinstance(opened, JointPredictor) else opened
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


def score_depth(
    path: Path, samples: Sequence[Sample], *, threads: int | None = None
) -> DepthEvaluation | None:
    """What the depth of a model file scores.

    Args:
        path: The file.
        samples: What to score on, each with a depth target.
        threads: Threads for the network; all cores where None.

    Returns:
        None where there is nothing to score on, or the network tells no depth.

    Raises:
        DataError: Not one picture could be read, or no pixel has both a known and a predicted depth.
    """
    with load_predictor(path, threads=threads) as opened, opencv_on_one_core():
        predictor = opened.depth if isinstance(opened, JointPredictor) else opened
        if not samples or not isinstance(predictor, DepthPredictor):
            return None
        return evaluate_depth(predictor, samples)


def _depth_or_none(
    path: Path, samples: Sequence[Sample], threads: int | None
) -> DepthEvaluation | None:
    """The same; None also where the file says no depth at all, as one that was ruined may."""
    try:
        return score_depth(path, samples, threads=threads)
    except DataError:
        return None


def _of_one_answer(
    paths: Sequence[Path], opened: Sequence[TaskPredictor]
) -> Sequence[TaskPredictor]:
    """The networks as they are where all have one task, else by an answer that all of them give."""
    first = opened[0].manifest
    if all(predictor.manifest.task == first.task for predictor in opened):
        return opened
    for answer in first.answers:
        if all(answer in predictor.manifest.answers for predictor in opened):
            return [
                getattr(item, answer) if isinstance(item, JointPredictor) else item
                for item in opened
            ]
    path, other = next(
        (path, item.manifest.task)
        for path, item in zip(paths, opened, strict=True)
        if not set(first.answers) & set(item.manifest.answers) or item is opened[-1]
    )
    raise ModelFileError(
        f"{path} answers {other}, {paths[0]} answers {first.task}",
        fix="compare files of one task",
    )


def parts_of(path: Path) -> tuple[str, ...]:
    """Suffixes of the files that a model file is nothing without."""
    return _PARTS.get(path.suffix, ())


def _size_of(path: Path) -> int:
    parts = [path.with_suffix(suffix) for suffix in parts_of(path)]
    return sum(item.stat().st_size for item in (path, *parts))
