"""The training step: supervised loss, and a frozen teacher's where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ..datasets import TrainItem, ValItem
from ..errors import ConfigError
from ..imaging import Normalization, resize_ids
from ..labels import LabelSpace
from ..metrics import ConfusionMatrix
from ..models import ModelOutput, SegmentationModel, normalize, upsample
from .config import TrainConfig
from .distiller import Distiller
from .precision import half_dtype

__all__ = ["SegmentationTask"]


class SegmentationTask(lightning.LightningModule):
    """What Lightning runs.

    Args:
        config: The run.
        model: The network to train.
        space: The label space of the data.
        total_steps: Length of the run.
        teachers: A frozen network per teacher of the config, None for one that is a cache.
        parts: Number of validation samples of each folder by its name, in their order, where there
            are several to score apart.

    Attributes:
        latest: The newest value of every loss part and score, by its name in the log.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: SegmentationModel,
        space: LabelSpace,
        total_steps: int,
        teachers: Sequence[SegmentationModel | None] = (),
        parts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.space = space
        self.model = model
        self.loss = config.loss.build(space.num_classes)
        self.aux_loss = (config.aux_loss or config.loss).build(space.num_classes)
        self.boundary = config.boundary.build()
        self.distiller = (
            Distiller(config.distillation, model, teachers) if config.distillation else None
        )
        self.average: AveragedModel | None = None
        if config.ema_decay:
            self.average = AveragedModel(model, avg_fn=_ema(config.ema_decay), use_buffers=True)
            self.average.requires_grad_(False)
        self._total_steps = total_steps
        self._parts = dict(parts or {"": 0})
        self._ends = np.cumsum(list(self._parts.values()))
        self._confusions = self._no_pixels()
        self._reported: set[str] = set()
        self._log_every = max(1, min(10, total_steps // 20))
        self.latest: dict[str, Any] = {}

    @property
    def scored_model(self) -> SegmentationModel:
        """The network that is scored and shipped: the average where there is one."""
        return self.average.module if self.average is not None else self.model  # type: ignore[return-value]

    def configure_optimizers(self) -> Any:
        """The optimiser, its learning rate moved every step."""
        learnt = [self.model] if self.distiller is None else [self.model, self.distiller]
        optimizer = self.config.optimizer.build(*learnt)
        factor = self.config.schedule.build(self._total_steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_fit_start(self) -> None:
        """Put the teachers beside the student, in half precision where the run computes in it."""
        if self.distiller is not None:
            self.distiller.place(self.device, half_dtype(str(self.trainer.precision)))

    def on_train_batch_start(self, batch: TrainItem, batch_idx: int) -> None:
        """Tie all randomness of the step (dropout) to the step, so that a resumed run repeats it."""
        part = batch_idx % self.config.data.accumulate
        torch.manual_seed(
            self.config.seed * 1_000_003 + self.global_step * 1_009 + self.global_rank + part * 131
        )

    def training_step(self, batch: TrainItem, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        self.report(batch.problems)
        output = self.model(self._normalized(batch.image, self.model.normalization))
        logits = upsample(output.logits, batch.target.shape[-2:])  # (B, C, H, W)
        total, parts = self._supervise(batch, output, logits)
        if self.distiller is not None and self.config.distillation is not None:
            distilled = self.distiller(batch, output, logits)
            total = self.config.distillation.supervised * total + distilled.total
            parts |= distilled.parts
        if not torch.isfinite(total):
            raise ConfigError(
                f"the loss became {total.item()} at step {self.global_step}",
                fix="lower --optimizer.lr, add --schedule.warmup-steps, or train with --precision fp32",
            )
        self.latest |= {
            "train/lr": self.optimizers().param_groups[-1]["lr"],  # type: ignore[union-attr]
            "train/loss": total.detach(),
            **{f"train/{name}": value for name, value in parts.items()},
        }
        return total

    def _supervise(
        self, batch: TrainItem, output: ModelOutput, logits: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses against labels: of the logits, of the auxiliary and of the boundary head, and of the
        logits once more where that head sees a border."""
        target = batch.target.long()  # (B, H, W)
        supervised = self.loss(logits, target, batch.border_weight)
        total, parts = supervised.total, dict(supervised.parts)
        for aux in output.aux:
            extra = self.aux_loss(
                upsample(aux, target.shape[-2:]), target, batch.border_weight
            ).total
            total = total + self.config.aux_weight * extra
            parts["aux"] = parts.get("aux", 0) + extra.detach()
        if output.boundary is not None:
            border = self.boundary(output.boundary, target)
            total = total + border.total
            parts |= border.parts
            if self.config.boundary.aware_weight:
                on_border = self.boundary.aware_target(output.boundary, target)
                aware = self.loss(logits, on_border, batch.border_weight).total
                total = total + self.config.boundary.aware_weight * aware
                parts["aware"] = aware.detach()
        return total, parts

    def on_train_batch_end(self, outputs: Any, batch: TrainItem, batch_idx: int) -> None:
        """Move the average; log the losses."""
        if self.average is not None:
            self.average.update_parameters(self.model)
        if self.global_step % self._log_every == 0:
            self._log({k: v for k, v in self.latest.items() if k.startswith("train/")})

    def on_validation_epoch_start(self) -> None:
        """Begin to count."""
        self._confusions = self._no_pixels()

    def validation_step(self, batch: ValItem, batch_idx: int) -> None:
        """Score pictures at their own size, as the runtime does: argmax at the input's size, then nearest."""
        self.report(batch.problems)
        if not batch.targets:
            return
        model = self.scored_model
        logits = model(self._normalized(batch.image, model.normalization)).logits
        ids = (
            upsample(logits.float(), batch.image.shape[-2:])
            .argmax(dim=1)
            .to(torch.uint8)
            .cpu()
            .numpy()
        )
        for predicted, target, index in zip(ids, batch.targets, batch.indices, strict=True):
            part = int(np.searchsorted(self._ends[:-1], index, side="right"))
            self._confusions[part].update(resize_ids(predicted, target.shape), target)

    def on_validation_epoch_end(self) -> None:
        """Log the scores, over all processes, and those of each folder where there are several."""
        counted = [self._confusions]
        if self.trainer.world_size > 1:
            counted = [[] for _ in range(self.trainer.world_size)]
            torch.distributed.all_gather_object(counted, self._confusions)
        (whole,) = self._no_pixels(1)
        apart = self._no_pixels()
        for process in counted:
            for total, part in zip(apart, process, strict=True):
                total += part
                whole += part
        scores = {"val/miou": whole.miou(), "val/pixel_accuracy": whole.pixel_accuracy()}
        if len(self._parts) > 1:
            scores |= {
                f"val/miou/{name}": part.miou()
                for (name, count), part in zip(self._parts.items(), apart, strict=True)
                if count
            }
        self.latest |= {name: float(np.nan_to_num(value)) for name, value in scores.items()}
        self._log({name: self.latest[name] for name in scores})

    def _no_pixels(self, count: int | None = None) -> list[ConfusionMatrix]:
        """Empty counts, one per folder where no number is given."""
        count = len(self._parts) if count is None else count
        return [ConfusionMatrix(self.space.num_classes) for _ in range(count)]

    def _log(self, values: dict[str, Any]) -> None:
        # Under the number of steps done, which Lightning's own counting misses by one after a resume.
        for logger in self.loggers:
            logger.log_metrics(
                {name: float(value) for name, value in values.items()}, step=self.global_step
            )

    def report(self, problems: tuple[str, ...]) -> None:
        """Say once that a sample cannot be read."""
        for problem in set(problems) - self._reported:
            self._reported.add(problem)
            lightning.utilities.rank_zero_warn(f"skipped: {problem}", category=UserWarning)

    def _normalized(self, image: Tensor, normalization: Normalization) -> Tensor:
        image = normalize(image, normalization)
        return image.to(memory_format=torch.channels_last) if self.config.channels_last else image


def _ema(decay: float | None) -> Any:
    def move(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return current
        # A young average follows quickly, or the initial weights would stay in it for long.
        rate = min(decay or 0.0, (1 + int(count)) / (10 + int(count)))
        return average.lerp(current, 1 - rate)

    return move
