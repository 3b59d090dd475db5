"""The gate: a compiled file passes only if it has lost little enough, and says how much.

The target compiles everything that it can. If that loses too much, the layers that suffer most from
8 bits, each tried alone, stay in float: one, two, four, eight ..., then as few of these as will do.
What does not pass is not written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import StorageError
from ...runtime import load_predictor
from ..calibration import CalibrationPicture, CalibrationSet
from ..graphs.onnx_manifest import with_logits
from ..target import Built, Target, Work
from .lineup import line_up
from .losses import Losses
from .outcome import Attempt, GateConfig, GateReport
from .sensitivity import LayerError, Ranking
from .turns import pictures_of
from .written_scores import add_scores

__all__ = ["compile_through_gate", "publish", "rank"]

_PICTURES_FOR_LAYERS = 4


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
            precision is measured; otherwise how far the file agrees with the float file. Of a network
            that tells depth, classes are scored on the samples with masks and depth on those with
            depth, which may be others.
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
            samples=search.losses.samples if full else (),
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
        unit=search.losses.unit,
        depth_unit=search.losses.depth_unit,
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
    config: GateConfig | None = None,
    everything: bool = True,
) -> Ranking:
    """What the layers of a float model file cost, to be measured on a few of the pictures."""
    frames = pictures_of(pictures, _PICTURES_FOR_LAYERS)
    weight = (config or GateConfig()).depth_weight()
    return Ranking(model, calibration, frames, everything=everything, depth_weight=weight)


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
        self._ranking, self._config, self._folder = ranking, config, folder
        self.losses = Losses(baseline, pictures, threads=threads)
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
                self._work.model,
                self._work.calibration,
                self._pictures,
                config=self._config,
                everything=everything,
            )
            self.layers = ranking.worst(everything=everything)
            count = self._fewest(int(self._config.most_float * len(self.layers)))
            if count is not None:
                self._chosen = count
                return self._built[count], True
        shares = [self._config.share(item.loss, item.depth_loss) for item in self.attempts]
        self._chosen = list(self._built)[int(np.argmin(shares))]
        return self._built[self._chosen], False

    def with_scores(self) -> dict[Path, Path]:
        """What was chosen, made once more so that it gives its scores beside the class map, by the file
        that it stands for; nothing where that gives them or can be asked for them itself."""
        witness = self._built[self._chosen].witness
        if not self.losses.scores_pixels or witness.suffix == ".onnx":
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
        loss, depth_loss = self.losses.of(built.witness)
        passed = self._config.allows(loss, depth_loss)
        self._built[count] = built
        names = tuple(layer.name for layer in self.layers[:count])
        self.attempts.append(
            Attempt(float_layers=names, loss=loss, depth_loss=depth_loss, passed=passed)
        )
        return passed

    def _build(self, count: int, folder: str, model: Path) -> Built:
        """Build with the worst layers in float, in a folder of its own."""
        keep = self._work.keep_float.union(*(layer.nodes for layer in self.layers[:count]))
        out = self._folder / folder / self._work.out.name
        out.parent.mkdir()
        work = replace(self._work, model=model, out=out, keep_float=frozenset(keep))
        return self._target.attempt(work)


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
