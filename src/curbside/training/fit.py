"""`fit(config)`: train, or go on training, into a run folder."""

from __future__ import annotations

import copy
import logging
import math
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from ..datasets import Mixture, open_mixture
from ..errors import ConfigError
from ..evaluation import plots
from ..files import write_json, write_text
from ..models import SegmentationModel, load_weights
from ..prepared import Sample
from .config import TrainConfig
from .loading import loaders, taught_samples, unlabelled_samples
from .precision import lightning_precision
from .record import Checkpoints, MetricsFile, Progress, read_metrics
from .run_folder import describe, read_description
from .serialize import changed_settings, config_from_json
from .task import SegmentationTask
from .teachers import open_teachers

__all__ = ["FitResult", "fit"]


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What a run came to."""

    folder: Path
    """The run folder."""
    steps: int
    """Optimiser steps done."""
    best_miou: float
    """Best mIoU on the validation split while training, 0..1."""
    best_step: int
    """The step of that score; its weights are `model.safetensors`."""
    seconds: float
    """Wall time of this call."""
    resumed_at: int
    """The step this call started from."""
    rank: int
    """Number of this process among those that trained; the first, 0, is the one to report."""


def fit(config: TrainConfig) -> FitResult:
    """Train a network; take up an unfinished run of the same config where it stopped.

    Args:
        config: The run.

    Returns:
        Where it is and how it scored.

    Raises:
        ConfigError: The settings cannot be, or the run folder holds another run.
        DataError: The data are missing or a split is empty.
    """
    folder = config.run_folder
    data = open_mixture(config.data.root, config.data.space)
    train = data.samples(config.data.train_split)
    val = data.samples(config.data.val_split)
    pictures = sum(map(len, train))
    total = config.length(pictures)
    one_epoch = replace(config, steps=None, epochs=1.0).length(pictures)
    plan = _Plan(config, total=total, steps_per_epoch=one_epoch)
    _check_shares(config, train)
    last = _claim(folder, config)
    alone = unlabelled_samples(config, data.space)
    named = config.distillation.teacher if config.distillation else ()
    teachers, caches = open_teachers(named, data.space, taught_samples(config, train, alone))
    start = _step_of(last)

    torch.manual_seed(config.seed)
    # Where weights come from a file or the last checkpoint, none are fetched.
    ready = config.weights is not None or last is not None
    network = config.model.from_random() if ready else config.model
    model = network.build(data.space.num_classes)
    _check_batch(model, config)
    for name in model.depth_only:
        model.get_submodule(name).requires_grad_(False)
        rank_zero_warn(f"{name}: stays as it is, there is no loss for it", category=UserWarning)
    if config.weights and last is None:
        rank_zero_warn(str(load_weights(model, config.weights)), category=UserWarning)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for line in data.warnings(config.data.train_split):
        rank_zero_warn(line, category=UserWarning)
    names = [part.name for part in data.parts]
    parts = dict(zip(names, map(len, val), strict=True))
    task = SegmentationTask(config, model, data.space, total, teachers, parts)
    trainer = _trainer(config, plan, task, start)
    batches = loaders(config, [*train, *alone], val, caches, trainer, pause=plan.next_pause)
    if last is None and not rank_zero_only.rank:  # type: ignore[attr-defined]
        facts = describe(config, data.space, _counts(data, train, val), lightning_precision(config))
        write_json(folder / "config.json", facts)
    began = time.monotonic()
    if start < total:
        try:
            trainer.fit(
                task, *batches, ckpt_path=None if last is None else str(last), weights_only=True
            )
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
        if trainer.is_global_zero:
            _draw(folder)
    rows = [row for row in read_metrics(folder / "metrics.csv") if "val/miou" in row]
    best = max(rows, key=lambda row: row["val/miou"], default={"val/miou": math.nan, "step": 0})
    return FitResult(
        folder=folder,
        steps=total,
        best_miou=best["val/miou"],
        best_step=int(best["step"]),
        seconds=time.monotonic() - began,
        resumed_at=start,
        rank=trainer.global_rank,
    )


class _Plan:
    """Where training pauses: to score, and in between to make itself safe."""

    def __init__(self, config: TrainConfig, *, total: int, steps_per_epoch: int) -> None:
        self.total = total
        every = config.validate_every or steps_per_epoch
        every = min(every if every >= 1 else max(1.0, every * total), total)
        validations = round(total / every)
        wanted = math.ceil(every / config.checkpoint_every)
        self._per_validation = min(wanted, total // validations)  # no pause without a step
        count = validations * self._per_validation
        self._pauses = [total * (i + 1) // count for i in range(count)]
        self._scored = frozenset(self._pauses[self._per_validation - 1 :: self._per_validation])

    def next_pause(self, step: int) -> int:
        """The first pause after a step."""
        return next((pause for pause in self._pauses if pause > step), self.total)

    def scores(self, step: int) -> bool:
        """Whether the validation split is scored after a step."""
        return step in self._scored


class _Validations(lightning.Callback):
    """Scores where the plan says so, by the step: Lightning's own count of its epochs, which end at
    pauses here, is not the same in a run that was resumed."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Ask for a validation at the end of this epoch, or for none."""
        pause = self._plan.next_pause(trainer.global_step)
        trainer.limit_val_batches = 1.0 if self._plan.scores(pause) else 0


def _check_batch(model: SegmentationModel, config: TrainConfig) -> None:
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


def _check_shares(config: TrainConfig, train: list[list[Sample]]) -> None:
    for root, share, samples in zip(config.data.root, config.data.shares, train, strict=False):
        if share and not samples:
            raise ConfigError(
                f"{root} gets the share {share} and has no sample in {config.data.train_split}",
                fix="give it the share 0",
            )


def _counts(data: Mixture, train: list[list[Sample]], val: list[list[Sample]]) -> dict[str, Any]:
    """What `config.json` says of the data."""
    folders = [
        {**about, "train": len(one), "val": len(other)}
        for about, one, other in zip(data.describe(), train, val, strict=True)
    ]
    return {
        "source": ", ".join(str(folder["source"]) for folder in folders),
        "root": ", ".join(str(folder["root"]) for folder in folders),
        "train": sum(map(len, train)),
        "val": sum(map(len, val)),
        "unfed": list(data.unfed),
        "folders": folders,
    }


def _claim(folder: Path, config: TrainConfig) -> Path | None:
    """Make the run folder ours; its last checkpoint, if it holds a run of the same config."""
    last = folder / "last.ckpt"
    if rank_zero_only.rank:  # type: ignore[attr-defined]  # the first process has done what follows
        return last if last.is_file() else None
    trained = any((folder / name).is_file() for name in ("last.ckpt", "model.safetensors"))
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


def _trainer(
    config: TrainConfig, plan: _Plan, task: SegmentationTask, start: int
) -> lightning.Trainer:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning|torch\.utils\.data|torch\.optim")
    warnings.filterwarnings("default", message="skipped:")
    folder = config.run_folder
    metrics = MetricsFile(folder / "metrics.csv", resumed_at=start)
    board = TensorBoardLogger(folder, name="tensorboard", version="", purge_step=start or None)
    return lightning.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision=lightning_precision(config),
        max_steps=plan.total,
        max_epochs=-1,
        gradient_clip_val=config.optimizer.clip_norm,
        accumulate_grad_batches=config.data.accumulate,
        logger=[metrics, board],
        callbacks=[
            _Validations(plan),
            Progress(plan.total, task),
            Checkpoints(
                folder, task, metrics, {max(1, round(part * plan.total)) for part in config.keep}
            ),
        ],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


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
