"""The loop that trains any network of ours: the folder it goes on in, the trainer, what it came to."""

from __future__ import annotations

import copy
import logging
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from torch import nn
from torch.utils.data import DataLoader

from ..errors import ConfigError
from ..evaluation import plots
from ..files import write_json, write_text
from ..labels import LabelSpace
from ..models import load_weights
from .batch_statistics import has_batch_statistics
from .boards import boards
from .fit import FitResult
from .loop_task import LoopTask, Score
from .plan import Plan, Validations
from .precision import lightning_precision
from .record import Checkpoints, MetricsFile, Progress, read_metrics
from .run_config import LoopConfig
from .run_folder import describe, read_description
from .serialize import changed_settings, config_from_json

__all__ = ["Loop"]


class Loop:
    """A run of our own loop: taken up where its folder says, built, and trained to its end.

    Args:
        config: The run.
        pictures: Number of its training pictures.

    Attributes:
        plan: Where it pauses.
        start: The step that it goes on from.

    Raises:
        ConfigError: The run folder holds another run, or something else.
    """

    def __init__(self, config: LoopConfig, pictures: int) -> None:
        self._config = config
        one_epoch = replace(config, steps=None, epochs=1.0).length(pictures)
        self.plan = Plan(config, total=config.length(pictures), steps_per_epoch=one_epoch)
        self._last = _claim(config)
        self.start = _step_of(self._last)

    def network(self, num_classes: int, weights: Path | None) -> Any:
        """The network to train, its first weights drawn by the run's seed or read from a file.

        Args:
            num_classes: Number of scores that it gives per place.
            weights: The file.

        Raises:
            ConfigError: The settings do not fit each other.
            ModelFileError: The file of weights cannot be read.
        """
        config = self._config
        torch.manual_seed(config.seed)
        # Where weights come from a file or the last checkpoint, none are fetched.
        ready = weights is not None or self._last is not None
        model = (config.model.from_random() if ready else config.model).build(num_classes)
        _check_batch(model, config)
        if config.recalibrate is not None and not has_batch_statistics(model):
            raise ConfigError(
                f"{config.model.title} has no batch normalisation to recalibrate",
                fix="leave out --recalibrate",
            )
        if weights and self._last is None:
            rank_zero_warn(str(load_weights(model, weights)), category=UserWarning)
        if config.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    def write_config(
        self, space: LabelSpace, dataset: Mapping[str, Any], score: Score | None = None
    ) -> None:
        """Write `config.json`, which makes the folder this run's.

        Args:
            space: The label space.
            dataset: What it says of the data.
            score: What decides which weights are the best, where that is known yet.
        """
        if not rank_zero_only.rank:  # type: ignore[attr-defined]
            facts = describe(self._config, space, dataset, lightning_precision(self._config))
            facts |= {} if score is None else {"score": asdict(score)}
            write_json(self._config.run_folder / "config.json", facts)

    def train(
        self,
        task: LoopTask,
        loaders: Callable[[lightning.Trainer], tuple[DataLoader, DataLoader]],
        space: LabelSpace,
        dataset: Mapping[str, Any],
    ) -> FitResult:
        """Train to the end.

        Args:
            task: What is trained.
            loaders: Gives the batches to learn from and those to score, asked for by a trainer.
            space: The label space, for `config.json`.
            dataset: What `config.json` says of the data.
        """
        folder = self._config.run_folder
        trainer = self._trainer(task)
        batches = loaders(trainer)
        if self._last is None:
            self.write_config(space, dataset, task.score)
        began = time.monotonic()
        if self.start < self.plan.total:
            try:
                trainer.fit(
                    task,
                    *batches,
                    ckpt_path=None if self._last is None else str(self._last),
                    weights_only=True,
                )
            except SystemExit:  # what Lightning makes of Ctrl-C
                raise KeyboardInterrupt from None
            if trainer.is_global_zero:
                _draw(folder)
        key = task.score.key
        rows = [row for row in read_metrics(folder / "metrics.csv") if key in row]
        best = max(rows, key=lambda row: row[key], default={key: math.nan, "step": 0})
        return FitResult(
            folder=folder,
            steps=self.plan.total,
            best_score=best[key],
            score_name=task.score.name,
            best_step=int(best["step"]),
            seconds=time.monotonic() - began,
            resumed_at=self.start,
            rank=trainer.global_rank,
        )

    def _trainer(self, task: LoopTask) -> lightning.Trainer:
        config, plan, start = self._config, self.plan, self.start
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=r"lightning|torch\.utils\.data|torch\.optim")
        warnings.filterwarnings("default", message="skipped:")
        folder = config.run_folder
        metrics = MetricsFile(folder / "metrics.csv", resumed_at=start)
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            precision=lightning_precision(config),
            max_steps=plan.total,
            max_epochs=-1,
            gradient_clip_val=config.optimizer.clip_norm,
            accumulate_grad_batches=config.data.accumulate,
            logger=[metrics, *boards(config, resumed_at=start)],
            callbacks=[
                Validations(plan),
                Progress(plan.total, task),
                Checkpoints(
                    folder,
                    task,
                    metrics,
                    {max(1, round(part * plan.total)) for part in config.keep},
                ),
            ],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )


def _check_batch(model: nn.Module, config: LoopConfig) -> None:
    """Stop where a BatchNorm would have a single value to learn from."""
    if config.data.batch_size > 1:
        return
    with torch.no_grad():
        try:
            copy.deepcopy(model).to("meta").train()(
                torch.zeros(1, 3, *config.data.crop_hw, device="meta")
            )
        except ValueError as error:
            raise ConfigError(
                f"{config.model.title} cannot learn from a batch of 1 ({error})",
                fix="give --data.batch-size 2 or more",
            ) from error


def _claim(config: LoopConfig) -> Path | None:
    """Make the run folder ours; its last checkpoint, if it holds a run of the same config."""
    folder = config.run_folder
    last = folder / "last.ckpt"
    if rank_zero_only.rank:  # type: ignore[attr-defined]  # the first process has done what follows
        return last if last.is_file() else None
    held = ("last.ckpt", "model.safetensors", "phase-1/last.ckpt")
    trained = any((folder / name).is_file() for name in held)
    if (folder / "config.json").is_file() and trained:
        where = str(folder / "config.json")
        before = config_from_json(read_description(folder)["config"], where=where)
        for key, old, new in changed_settings(before, config):
            raise ConfigError(
                f"{folder} holds a run with another {key} ({old}, not {new})",
                fix="choose another --out, or remove that folder to start anew",
            )
        return last if last.is_file() else None
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} is not empty and holds no run", fix="choose another --out")
    return None


def _step_of(last: Path | None) -> int:
    if last is None:
        return 0
    try:
        # Our own file of tensors and plain values; Lightning's callbacks' states are plain as well.
        return int(
            torch.load(last, map_location="cpu", weights_only=True, mmap=True)["global_step"]
        )
    except Exception as error:
        raise ConfigError(
            f"{last} cannot be read ({type(error).__name__})", fix="remove it to start anew"
        ) from error


def _draw(folder: Path) -> None:
    rows = read_metrics(folder / "metrics.csv")
    for file, prefix, what in (
        ("losses.svg", "train/", "loss"),
        ("scores.svg", "val/", "score on the validation split"),
    ):
        names = sorted({key for row in rows for key in row if key.startswith(prefix)})
        drawn = [row for row in rows if any(name in row for name in names)]
        if drawn:
            series = {name: [row.get(name, math.nan) for row in drawn] for name in names}
            write_text(
                folder / file,
                plots.curves([row["step"] for row in drawn], series, x_label="step", y_label=what),
            )
