"""Seconds of a step on this machine, of several runs in turns."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch

from ...datasets import TeacherCache, open_mixture
from ...models import ModelConfig, SegmentationModel, inference_form
from ...progress import track
from ..cameras import camera_of
from ..config import TrainConfig
from ..loading import loaders, unlabelled_samples
from ..precision import half_dtype, lightning_precision
from ..task import SegmentationTask

__all__ = ["Timed", "measure_seconds"]

_ROUNDS = 5
_STEPS = 4
_PICTURES = 4
_LONG = 10**6  # steps, so that the learning rate and the batches do not come to an end


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A run to time."""

    config: TrainConfig
    """The run."""
    teachers: Sequence[ModelConfig | Path]
    """The network of each teacher, which need not be trained to be timed, or its cache."""
    before: Sequence[tuple[ModelConfig, tuple[int, int], int]] = ()
    """The network behind each cache, the size it saw pictures at, and their number."""


def measure_seconds(runs: Mapping[str, Timed]) -> dict[str, tuple[float, float]]:
    """Time training steps, their loading included, run by run in turns, so that all meet the same
    neighbours on the machine.

    Args:
        runs: The runs by their names.

    Returns:
        Of each the seconds of an optimiser step, the median over the rounds, and those of the forward
        passes behind its caches.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        benches = {name: _Bench(run, Path(folder)) for name, run in runs.items()}
        turns = [name for _ in range(_ROUNDS) for name in benches]
        found: dict[str, list[float]] = {name: [] for name in benches}
        for name in track(turns, total=len(turns), description="timing", unit="turns"):
            found[name].append(benches[name].turn())
        before = {name: bench.seconds_before() for name, bench in benches.items()}
    return {name: (statistics.median(found[name]), before[name]) for name in runs}


class _Bench:
    """A run that can be trained for a few steps again and again."""

    def __init__(self, run: Timed, folder: Path) -> None:
        # One device: several would be processes of their own.
        self._run, self._config = run, replace(run.config, devices=1, out=folder)
        config = self._config
        data = open_mixture(config.data.root, config.data.space)
        train = data.samples(config.data.train_split, config.targets)
        caches = [TeacherCache(one) for one in run.teachers if isinstance(one, Path)]
        teachers: list[SegmentationModel | None] = [
            None
            if isinstance(one, Path)
            else inference_form(one.from_random().build(data.space.num_channels).eval())
            for one in run.teachers
        ]
        model = config.model.from_random().build(data.space.num_channels)
        self._task = SegmentationTask(config, model, data.space, _LONG, teachers)
        # What the readers have ready must be used up before their own speed shows.
        self._idle = 2 * config.data.workers + 1
        samples = [*train, *unlabelled_samples(config, data.space)]
        camera = camera_of(train, config.data.eval_hw) if "depth" in config.targets else None
        loader, _ = loaders(
            config,
            samples,
            [],
            caches,
            self._trainer(),
            pause=lambda step: _LONG,
            camera=camera,
        )
        self._batches = _Endless(loader)

    def turn(self) -> float:
        """Seconds of a step, mean over a few."""
        clock = _Clock()
        try:
            self._trainer(clock).fit(self._task, self._batches)
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
        return (clock.ends[-1] - clock.ends[self._idle - 1]) / _STEPS

    def seconds_before(self) -> float:
        """Seconds of the forward passes behind the caches, in the precision of a teacher beside it."""
        return sum(
            passes * self._seconds_per_picture(model, size_hw)
            for model, size_hw, passes in self._run.before
        )

    @torch.inference_mode()
    def _seconds_per_picture(self, config: ModelConfig, size_hw: tuple[int, int]) -> float:
        on_gpu = self._config.accelerator != "cpu" and torch.cuda.is_available()
        device = "cuda" if on_gpu else "cpu"
        dtype = half_dtype(lightning_precision(self._config))
        model = config.from_random().build(self._task.space.num_channels).eval()
        model = inference_form(model).to(device=device, dtype=dtype)
        pictures = torch.zeros(_PICTURES, 3, *size_hw, device=device, dtype=dtype)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        taken = []
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            model(pictures).logits.sum().item()  # waits for the device
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) / _PICTURES

    def _trainer(self, *callbacks: lightning.Callback) -> lightning.Trainer:
        config = self._config
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=1,
            precision=lightning_precision(config),
            max_steps=self._idle + _STEPS,
            max_epochs=-1,
            limit_val_batches=0,
            gradient_clip_val=config.optimizer.clip_norm,
            accumulate_grad_batches=config.data.accumulate,
            logger=False,
            callbacks=list(callbacks),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=config.out,
        )


class _Endless:
    """The batches of a loader, which go on where the last reader of them stopped."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._batches: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._batches is None:
            self._batches = iter(self._loader)
        return self._batches


class _Clock(lightning.Callback):
    """When each optimiser step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.global_step > len(self.ends):
            if pl_module.device.type == "cuda":  # kernels are still under way
                torch.cuda.synchronize()
            self.ends.append(time.perf_counter())
