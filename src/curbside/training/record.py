"""What a run leaves behind while it goes: the metrics file, the checkpoints, the progress bar."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from ..files import as_storage_error, link_or_copy, write_text
from .loop_task import LoopTask
from .run_folder import write_weights

__all__ = ["Checkpoints", "MetricsFile", "Progress", "read_metrics"]


class MetricsFile(Logger):
    """`metrics.csv`: a row per logged step, whole at every checkpoint.

    Args:
        path: The file.
        resumed_at: Rows from this step on are forgotten: the resumed run makes them again.
    """

    def __init__(self, path: Path, *, resumed_at: int) -> None:
        super().__init__()
        self._path = path
        self._rows: dict[int, dict[str, float]] = {}
        for row in read_metrics(path):
            if row["step"] <= resumed_at:
                self._rows[int(row["step"])] = {k: v for k, v in row.items() if k != "step"}

    @property
    def name(self) -> str:
        """Required by Lightning."""
        return "metrics"

    @property
    def version(self) -> str:
        """Required by Lightning."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Settings are in config.json."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Note values after so many steps."""
        self._rows.setdefault(int(step or 0), {}).update(metrics)

    @rank_zero_only
    def save(self) -> None:
        """Nothing: rows are written with the checkpoints, so that both tell of the same step."""

    @rank_zero_only
    def write(self) -> None:
        """Write all rows."""
        columns = ["step", *sorted({key for row in self._rows.values() for key in row})]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for step in sorted(self._rows):
            writer.writerow({"step": step, **{k: repr(v) for k, v in self._rows[step].items()}})
        write_text(self._path, text.getvalue())


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a `metrics.csv`, without the empty cells; none where there is no file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {key: float(value) for key, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


class Checkpoints(lightning.Callback):
    """`last.ckpt` at every pause, `best.ckpt` and `model.safetensors` at every better validation score,
    `kept/STEP.safetensors` after the steps that are asked for.

    Args:
        folder: The run folder.
        task: What is trained; its `score` decides which weights are the best.
        metrics: Written together with `last.ckpt`.
        keep: The steps after which weights are kept.
    """

    def __init__(
        self,
        folder: Path,
        task: LoopTask,
        metrics: MetricsFile,
        keep: Collection[int] = (),
    ) -> None:
        self._folder = folder
        self._task = task
        self._metrics = metrics
        self._keep = keep
        self.best_score = -1.0
        self.best_step = 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"best_score": self.best_score, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.best_score, self.best_step = state_dict["best_score"], state_dict["best_step"]

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the weights where the score is the best so far."""
        key = self._task.score.key
        score = self._task.latest.get(key, -1.0)
        if trainer.sanity_checking or not score > self.best_score:
            return
        self.best_score, self.best_step = score, trainer.global_step
        if trainer.is_global_zero:
            known = self._task.latest
            latest = {name: known[name] for name in self._task.score.also if name in known}
            facts = {n.replace("/", "_"): value for n, value in {key: score, **latest}.items()}
            self._save(self._folder / "model.safetensors", step=self.best_step, **facts)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep the weights where they are asked for."""
        step = trainer.global_step
        if step in self._keep and trainer.is_global_zero:
            path = self._folder / "kept" / f"{step:06d}.safetensors"
            path.parent.mkdir(exist_ok=True)
            self._save(path, step=step)

    def _save(self, path: Path, **facts: float) -> None:
        write_weights(self._task.scored_model, path, facts)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Make the run safe up to here."""
        last = self._folder / "last.ckpt"
        # Every process takes part in saving; the first one writes.
        temporary = self._folder / ".partial-last.ckpt"
        try:
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                os.replace(temporary, last)
                if self.best_step == trainer.global_step:
                    link_or_copy(last, self._folder / "best.ckpt")
                self._metrics.write()
        except OSError as error:
            raise as_storage_error(error, last) or error from error
        finally:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)


class Progress(lightning.Callback):
    """One bar for the whole run: steps, loss, last score, pictures per second, time left."""

    def __init__(self, total_steps: int, task: LoopTask) -> None:
        self._total, self._task = total_steps, task
        self._bar: Any = None

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Show the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if trainer.is_global_zero:
            columns = (
                TextColumn("{task.description:<24}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._row = self._bar.add_task(
                self._task.config.name, total=self._total, completed=trainer.global_step, text=""
            )
            self._bar.start()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move it."""
        if self._bar is not None:
            speed = self._bar.tasks[self._row].speed
            parts = [f"loss {float(self._task.latest['train/loss']):.3f}"]
            score = self._task.score
            if score.key in self._task.latest:
                parts.append(f"{score.name} {100 * self._task.latest[score.key]:.1f}")
            if speed:
                parts.append(f"{speed * self._task.config.data.batch_size:.1f} images/s")
            self._bar.update(self._row, completed=trainer.global_step, text=" ".join(parts))

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Leave it standing."""
        self._stop()

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Give the terminal back."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
