"""The training step: supervised loss, and a frozen teacher's where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets import TrainItem, ValItem
from ..labels import LabelSpace
from ..metrics import ConfusionMatrix
from ..models import ModelOutput, SegmentationModel, nearest, upsample
from .config import TrainConfig
from .distiller import Distiller
from .loop_task import LoopTask, Score
from .precision import half_dtype
from .validation import predicted

__all__ = ["SegmentationTask"]


class SegmentationTask(LoopTask):
    """What Lightning runs to train a semantic network.

    Args:
        config: The run.
        model: The network to train.
        space: The label space of the data.
        total_steps: Length of the run.
        teachers: A frozen network per teacher of the config, None for one that is a cache.
        parts: Number of validation samples of each folder by its name, in their order, where there
            are several to score apart.
    """

    config: TrainConfig
    model: SegmentationModel

    def __init__(
        self,
        config: TrainConfig,
        model: SegmentationModel,
        space: LabelSpace,
        total_steps: int,
        teachers: Sequence[SegmentationModel | None] = (),
        parts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(config, model, total_steps)
        self.space = space
        self.score = Score(key="val/miou", name="mIoU")
        if space.binary:
            self.score = Score(key="val/iou", name=f"IoU of {space.names[1]}")
        self.loss = config.loss.build(space.num_channels)
        self.aux_loss = (config.aux_loss or config.loss).build(space.num_channels)
        self.boundary = config.boundary.build()
        self.distiller = (
            Distiller(config.distillation, model, teachers) if config.distillation else None
        )
        self._parts = dict(parts or {"": 0})
        self._ends = np.cumsum(list(self._parts.values()))
        self._confusions = self._no_pixels()

    def learnt(self) -> list[nn.Module]:
        """The network, and what of the distillation is learnt."""
        return [self.model] if self.distiller is None else [self.model, self.distiller]

    def on_fit_start(self) -> None:
        """Put the teachers beside the student, in half precision where the run computes in it."""
        if self.distiller is not None:
            self.distiller.place(self.device, half_dtype(str(self.trainer.precision)))

    def training_step(self, batch: TrainItem, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        self.report(batch.problems)
        output = self.model(self.normalized(batch.image, self.model.normalization))
        total, parts = self._supervise(batch, output)
        if self.distiller is not None and self.config.distillation is not None:
            logits = upsample(output.logits, batch.target.shape[-2:])  # (B, C, H, W)
            distilled = self.distiller(batch, output, logits)
            total = self.config.distillation.supervised * total + distilled.total
            parts |= distilled.parts
        return self.noted(total, parts)

    def _supervise(self, batch: TrainItem, output: ModelOutput) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses against labels: of the logits, of the auxiliary and of the boundary head, and of the
        logits once more where that head sees a border."""
        at_input = self.config.supervise_at == "input"
        size = batch.target.shape[-2:] if at_input else output.logits.shape[-2:]
        target = nearest(batch.target.long(), size)  # (B, H, W)
        weight = None if batch.border_weight is None else nearest(batch.border_weight, size)
        logits = upsample(output.logits, size)  # (B, C, H, W)
        supervised = self.loss(logits, target, weight)
        total, parts = supervised.total, dict(supervised.parts)
        for aux in output.aux:
            extra = self.aux_loss(upsample(aux, size), target, weight).total
            total = total + self.config.aux_weight * extra
            parts["aux"] = parts.get("aux", 0) + extra.detach()
        if output.boundary is not None:
            border = self.boundary(output.boundary, target)
            total = total + border.total
            parts |= border.parts
            if self.config.boundary.aware_weight:
                on_border = self.boundary.aware_target(output.boundary, target)
                aware = self.loss(logits, on_border, weight).total
                total = total + self.config.boundary.aware_weight * aware
                parts["aware"] = aware.detach()
        return total, parts

    def on_validation_epoch_start(self) -> None:
        """Begin to count."""
        self._confusions = self._no_pixels()

    def validation_step(self, batch: ValItem, batch_idx: int) -> None:
        """Score pictures at their own size, as the runtime does: argmax at the input's size, then nearest."""
        self.report(batch.problems)
        if not batch.targets:
            return
        model = self.scored_model
        image = self.normalized(batch.image, model.normalization)
        for ids, target, index in predicted(model, image, batch):
            part = int(np.searchsorted(self._ends[:-1], index, side="right"))
            self._confusions[part].update(ids, target)

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
        if self.space.binary:
            iou = float(whole.iou()[1])
            scores |= {"val/iou": iou, "val/f1": 2 * iou / (1 + iou)}
        if len(self._parts) > 1:
            scores |= {
                f"val/miou/{name}": part.miou()
                for (name, count), part in zip(self._parts.items(), apart, strict=True)
                if count
            }
        self.told({name: float(np.nan_to_num(value)) for name, value in scores.items()})

    def _no_pixels(self, count: int | None = None) -> list[ConfusionMatrix]:
        """Empty counts, one per folder where no number is given."""
        count = len(self._parts) if count is None else count
        return [ConfusionMatrix(self.space.num_classes) for _ in range(count)]
