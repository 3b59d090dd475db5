"""The gate: a compiled file passes only if it has lost little enough, and says how much.

The target compiles everything that it can. If that loses too much, the layers that suffer most from
8 bits, each tried alone, stay in float: one, two, four, eight ..., then as few of these as will do.
What does not pass is not written.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError, ModelFileError, StorageError
from ...prepared import Sample
from ...runtime import load_class_predictor, load_predictor
from ..calibration import CalibrationPicture, CalibrationSet
from ..graphs.onnx_manifest import with_logits
from ..target import Built, Target, Work
from .agreement import agreement
from .lineup import Lineup, line_up, score_file
from .objects import score_objects, told_objects
from .sensitivity import LayerError, Ranking
from .turns import pictures_of
from .written_scores import add_scores

__all__ = [
    "Attempt",
    "GateConfig",
    "GateReport",
    "compile_through_gate",
    "publish",
    "rank",
    "what_counts",
]

_PICTURES_FOR_LAYERS = 4
_PICTURES_FOR_AGREEMENT = 64


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What may be lost.

    Raises:
        ConfigError: A limit is none.
    """

    max_loss: float = 1.0
    """Most that a file may lose: points of mIoU, of an instance network points of its masks' average
    precision (AP); where there is no truth to score on, percent of the pixels that change their class,
    or of the objects that do not agree with the float file's."""
    most_float: float = 0.5
    """Most of the layers that may stay in float, as a share; with more there is little left to gain."""

    def __post_init__(self) -> None:
        if math.isnan(self.max_loss) or self.max_loss < 0:
            raise ConfigError(
                f"--max-loss {self.max_loss} is no limit", fix="give 0 or more points, such as 1.0"
            )
        if not 0 <= self.most_float <= 1:
            raise ConfigError(
                f"--most-float {self.most_float} is no share", fix="give a number from 0 to 1"
            )


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One file that was tried."""

    float_layers: tuple[str, ...]
    """The layers that stayed in float."""
    loss: float
    """What it lost: see `GateConfig.max_loss`."""
    passed: bool
    """Whether that is little enough."""


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """What a target made of a model file, and what that cost."""

    target: str
    """Device and compiler in words."""
    model: Path
    """The float file."""
    path: Path | None
    """What was written; None where nothing passed."""
    predicted: bool
    """Whether the scores are those of a stand-in, since the device is not here."""
    config: GateConfig
    """What might be lost."""
    unit: str
    """What a loss counts."""
    attempts: tuple[Attempt, ...]
    """Every file that was tried, in order."""
    layers: tuple[LayerError, ...]
    """What each layer alone costs, worst first; empty where it was not needed to know."""
    lineup: Lineup
    """The float file beside the last that was tried, or the one that passed."""
    calibration: dict[str, Any]
    """What the quantiser saw."""
    notes: tuple[str, ...]
    """What else the person should know."""

    @property
    def passed(self) -> bool:
        """Whether something was written."""
        return self.path is not None

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        last = self.best
        kept = len(last.float_layers)
        kept_said = f", {kept} layers kept in float" if kept else ""
        how = "is predicted to lose" if self.predicted else "loses"
        said = f"{self.target} {how} {last.loss:.2f} {self.unit}{kept_said}"
        return f"{said}: {'within' if last.passed else 'over'} the {self.config.max_loss:g} allowed"

    @property
    def best(self) -> Attempt:
        """The attempt that passed with the fewest layers in float, else the one that lost least."""
        passed = [item for item in self.attempts if item.passed]
        if passed:
            return min(passed, key=lambda item: len(item.float_layers))
        return min(self.attempts, key=lambda item: item.loss)

    def require_passed(self) -> None:
        """Stop where nothing passed.

        Raises:
            ModelFileError: Nothing did.
        """
        if not self.passed:
            raise ModelFileError(
                f"{self.verdict}; nothing was written",
                fix="calibrate on more or other pictures, fine-tune (longer) with --finetune RUN, or"
                " allow more with --max-loss",
            )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "target": self.target,
            "model": str(self.model),
            "path": None if self.path is None else str(self.path),
            "passed": self.passed,
            "predicted": self.predicted,
            "verdict": self.verdict,
            **asdict(self.config),
            "unit": self.unit,
            "attempts": [asdict(item) for item in self.attempts],
            "layers": [asdict(item) for item in self.layers],
            "calibration": self.calibration,
            "notes": list(self.notes),
            "lineup": self.lineup.to_dict(),
        }


def compile_through_gate(
    target: Target,
    work: Work,
    pictures: Sequence[CalibrationPicture],
    *,
    baseline: Path | None = None,
    ranking: Ranking | None = None,
    config: GateConfig | None = None,
    threads: int | None = None,
    full: bool = True,
) -> GateReport:
    """Compile a model file for a target, and write what comes of it only if it has lost little enough.

    Args:
        target: The device.
        work: What to make; its `keep_float` stays in float in every attempt.
        pictures: What to measure on, at least one. Where all are samples of one split that tell what
            is true, masks for a semantic network or objects for one that finds some, mIoU or average
            precision is measured; otherwise how far the file agrees with the float file.
        baseline: The float file that the loss is counted from; the model of `work` where None.
        ranking: What the layers of the network cost, where several files are made of it.
        config: What may be lost.
        threads: Threads for the networks; all cores where None.
        full: Whether to take all scores of what comes of it, not only the loss.

    Raises:
        ConfigError: The settings are impossible.
        ModelFileError: The model cannot be compiled, or the compiler failed.
        MissingDependencyError: The compiler's library is not installed.
        DataError: Not one picture can be read.
        StorageError: The place cannot be written.
    """
    out = work.out
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that what passes is only renamed.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=out.parent) as folder:
        baseline = baseline or work.model
        config = config or GateConfig()
        search = _Search(target, work, pictures, baseline, ranking, config, threads, Path(folder))
        built, passed = search.run()
        lineup = line_up(
            [baseline, built.witness],
            samples=search.labelled if full else (),
            pictures=pictures,
            witnesses=search.with_scores() if full else {},
            threads=threads,
        )
        predicted = built.witness != built.path
        if passed and not predicted:
            add_scores(built.path, lineup)
        if passed:
            built = replace(built, path=publish(built.path, out))
    if passed:  # a compiler that takes hours keeps its log where it works
        built = target.complete(built)
    return GateReport(
        target=target.title,
        model=baseline,
        path=built.path if passed else None,
        predicted=predicted,
        config=config,
        unit=search.unit,
        attempts=tuple(search.attempts),
        layers=tuple(search.layers),
        lineup=lineup,
        calibration=work.calibration.describe() if work.calibration else {},
        notes=built.notes,
    )


def rank(
    model: Path,
    calibration: CalibrationSet,
    pictures: Sequence[CalibrationPicture],
    *,
    everything: bool = True,
) -> Ranking:
    """What the layers of a float model file cost, to be measured on a few of the pictures."""
    frames = pictures_of(pictures, _PICTURES_FOR_LAYERS)
    return Ranking(model, calibration, frames, everything=everything)


def what_counts(model: Path, pictures: Sequence[CalibrationPicture]) -> tuple[list[Sample], str]:
    """The samples that a network can be scored on by their masks or objects, none where one of the
    pictures does not tell them; and what a loss counts."""
    with load_class_predictor(model) as predictor:
        manifest = predictor.manifest
    if manifest.task == "semantic":
        samples = [item for item in pictures if isinstance(item, Sample)]
        told = [item for item in samples if "semantic" in item.record.targets]
        units = "points of mIoU", "% of the pixels"
    else:
        told = told_objects(manifest, pictures)
        units = "points of mask AP", "% of the objects"
    return (told, units[0]) if len(told) == len(pictures) else ([], units[1])


class _Search:
    """The search for the fewest layers that must stay in float."""

    def __init__(
        self,
        target: Target,
        work: Work,
        pictures: Sequence[CalibrationPicture],
        baseline: Path,
        ranking: Ranking | None,
        config: GateConfig,
        threads: int | None,
        folder: Path,
    ) -> None:
        self._target, self._work, self._pictures = target, work, pictures
        self._baseline, self._ranking, self._config = baseline, ranking, config
        self._threads, self._folder = threads, folder
        self.labelled, self.unit = what_counts(baseline, pictures)
        self.attempts: list[Attempt] = []
        self.layers: list[LayerError] = []
        self._built: dict[int, Built] = {}
        self._chosen = 0

    def run(self) -> tuple[Built, bool]:
        """What passed with the fewest layers in float, else what lost least; and whether it passed."""
        if self._try(0):
            return self._built[0], True
        if self._target.quantizes and self._work.calibration is not None:
            everything = self._target.quantizes_everything
            ranking = self._ranking or rank(
                self._work.model, self._work.calibration, self._pictures, everything=everything
            )
            self.layers = ranking.worst(everything=everything)
            count = self._fewest(int(self._config.most_float * len(self.layers)))
            if count is not None:
                self._chosen = count
                return self._built[count], True
        losses = [attempt.loss for attempt in self.attempts]
        self._chosen = list(self._built)[int(np.argmin(losses))]
        return self._built[self._chosen], False

    def with_scores(self) -> dict[Path, Path]:
        """What was chosen, made once more so that it gives its scores beside the class map, by the file
        that it stands for; nothing where that gives them or can be asked for them itself."""
        witness = self._built[self._chosen].witness
        if self.unit != "points of mIoU" or witness.suffix == ".onnx":
            return {}
        with load_predictor(witness, threads=1) as predictor:
            copy = None
            if predictor.manifest.output("logits") is None:
                copy = with_logits(self._work.model, self._folder / "logits.onnx")
        if copy is None:
            return {}
        return {witness: self._build(self._chosen, "scores", copy).witness}

    def _fewest(self, most: int) -> int | None:
        """The fewest of the worst layers that must stay in float, at most so many; None if that is not
        enough. It is sought by doubling, then by halving what lies between."""
        failed, count = 0, 1
        while failed < most:
            count = min(count, most)
            if self._try(count):
                break
            failed, count = count, 2 * count
        else:
            return None
        while count - failed > 1:
            middle = (failed + count) // 2
            if self._try(middle):
                count = middle
            else:
                failed = middle
        return count

    def _try(self, count: int) -> bool:
        """Build with the worst layers in float and measure the loss."""
        built = self._build(count, str(count), self._work.model)
        loss = self._loss(built.witness)
        passed = loss <= self._config.max_loss
        self._built[count] = built
        names = tuple(layer.name for layer in self.layers[:count])
        self.attempts.append(Attempt(float_layers=names, loss=loss, passed=passed))
        return passed

    def _build(self, count: int, folder: str, model: Path) -> Built:
        """Build with the worst layers in float, in a folder of its own."""
        keep = self._work.keep_float.union(*(layer.nodes for layer in self.layers[:count]))
        out = self._folder / folder / self._work.out.name
        out.parent.mkdir()
        work = replace(self._work, model=model, out=out, keep_float=frozenset(keep))
        return self._target.attempt(work)

    def _loss(self, path: Path) -> float:
        if not self.labelled:
            return 100 * (1 - self._agreement(path))
        before, after = (self._score(item) for item in (self._baseline, path))
        return math.inf if before is None or after is None else 100 * (before - after)

    @cache  # noqa: B019 - lives as long as the search
    def _score(self, path: Path) -> float | None:
        found = score_file(path, self.labelled, threads=self._threads, calibration=False)
        if found is not None:
            return found.overall.miou
        objects = score_objects(path, self.labelled, threads=self._threads)
        return None if objects is None else objects.overall.mask.average.ap

    def _agreement(self, path: Path) -> float:
        frames = pictures_of(self._pictures, _PICTURES_FOR_AGREEMENT)
        with (
            load_class_predictor(self._baseline, threads=self._threads) as one,
            load_class_predictor(path, threads=self._threads) as two,
        ):
            return float(np.mean([agreement(one(frame), two(frame)) for frame in frames]))


def publish(path: Path, out: Path) -> Path:
    """Move what was built, with all that lies beside it, to its place: the parts of a file first and
    its Manifest last, so that a file is never believed before it is whole.

    Args:
        path: The file or folder that was built, in a folder of its own.
        out: Its place.

    Raises:
        StorageError: The place cannot be written.
    """
    files = sorted(path.parent.iterdir(), key=lambda item: (item.suffix == ".json", item.name))
    for item in files:
        place = out.parent / item.name
        if item.is_dir() and place.is_dir():
            # What is told of itself in a JSON file is told of in the same one before.
            if not all((place / about.name).is_file() for about in item.glob("*.json")):
                raise StorageError(
                    f"{place} is a folder of something else", fix="name another place with --out"
                )
            shutil.rmtree(place)
        item.replace(place)
    return out.parent / path.name
