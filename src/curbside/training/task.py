"""The training step: the losses against labels, and those of a frozen teacher where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets import TrainItem, ValItem
from ..labels import IGNORE_ID, LabelSpace
from ..losses import LossOutput, SupervisedLoss
from ..metrics import ConfusionMatrix, DepthScores
from ..models import ModelOutput, SegmentationModel, nearest, upsample
from .config import TrainConfig
from .distiller import Distiller
from .loop_task import LoopTask, Score
from .precision import half_dtype
from .validation import class_maps, depth_maps

__all__ = ["SegmentationTask"]


class SegmentationTask(LoopTask):
    """What Lightning runs to train a network for classes, for depth, or for both.

    Args:
        config: The run.
        model: The network to train.
        space: The label space of the data.
        total_steps: Length of the run.
        teachers: A frozen network per teacher of the config, None for one that is a cache.
        parts: Number of validation samples of each folder by its name, in their order, where there
            are several to score apart.
        depth_factors: What the metres of each teacher are multiplied by; 1 where not given.
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
        depth_factors: Sequence[float] = (),
    ) -> None:
        super().__init__(config, model, total_steps)
        self.space = space
        self.score = _score(config, space)
        self.loss = config.loss.build(space.num_channels)
        self.aux_loss = (config.aux_loss or config.loss).build(space.num_channels)
        self.boundary = config.boundary.build()
        self.partial = config.partial.build(space)
        self.depth_loss = config.depth.loss.build()
        self.weighting = config.weighting.build(config.targets)
        self.distiller = (
            Distiller(config.distillation, model, teachers, self.depth_loss, depth_factors)
            if config.distillation
            else None
        )
        self._parts = dict(parts or {"": 0})
        self._ends = np.cumsum(list(self._parts.values()))
        self._confusions = self._no_pixels()
        self._depths = DepthScores()

    def learnt(self) -> list[nn.Module]:
        """The network, and what of the distillation and of the tasks' weights is learnt."""
        others = [] if self.distiller is None else [self.distiller]
        return [self.model, *others, *([self.weighting] if len(self.config.targets) > 1 else [])]

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
        """The losses against the targets, of all tasks as one."""
        tasks = self.config.targets
        found = {task: self._of_task(task, batch, output) for task in tasks}
        parts = {name: value for one in found.values() for name, value in one.parts.items()}
        if len(tasks) == 1:
            return found[tasks[0]].total, parts
        losses = {task: one.total for task, one in found.items()}
        present = {task: bool(_has(task, batch).any()) for task in tasks}
        shared = output.features[-2] if len(output.features) > 1 else None  # the last stage
        whole = self.weighting(losses, present, shared)
        parts |= {task: loss.detach() for task, loss in losses.items() if present[task]}
        return whole.total, parts | dict(whole.parts)

    def _of_task(self, task: str, batch: TrainItem, output: ModelOutput) -> LossOutput:
        """The loss of a task. Where samples or their pixels count differently, each counts as much as its
        weight: the mean over those of one weight, summed over the weights by their shares of the samples."""
        lose = self._of_classes if task == "semantic" else self._of_depth
        has = _has(task, batch)
        if batch.weight is None or not has.any():
            return lose(batch, output)
        total, parts = output.logits.new_zeros((), dtype=torch.float32), dict[str, Tensor]()
        for weight, shares, part in self._by_weight(task, batch, has):
            rows = shares > 0
            share = weight * shares.sum() / has.sum()
            one = lose(part.rows(rows), _rows(output, rows))
            total = total + share * one.total
            for name, value in one.parts.items():
                parts[name] = parts.get(name, 0) + share * value
        return LossOutput(total, parts) if parts else lose(batch, output)

    def _by_weight(
        self, task: str, batch: TrainItem, has: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, TrainItem]]:
        """The samples that a task learns from, by what they count: the weight, how much of each counts so,
        (B,) float in 0..1, and the batch with the labels of those pixels alone."""
        assert batch.weight is not None
        weights = batch.weight[:, 0 if task == "semantic" else 1]  # (B,)
        if task == "depth" or batch.filled is None:
            for weight in weights[has].unique():
                yield weight, (has & (weights == weight)).float(), batch
            return
        less = weights * self.config.data.pseudo_weight
        mixed = has & batch.filled.flatten(1).any(dim=1)
        pixels = torch.where(batch.filled, less[:, None, None], weights[:, None, None])  # (B, H, W)
        told = batch.counts | (batch.target != IGNORE_ID)
        number = told.flatten(1).sum(dim=1)
        for weight in torch.cat([weights[has], less[mixed]]).unique():
            where = told & (pixels == weight)
            shares = has * where.flatten(1).sum(dim=1) / number.clamp(min=1)
            if shares.any():
                target = batch.target.masked_fill(~where, IGNORE_ID)
                yield (
                    weight,
                    shares,
                    batch._replace(target=target, counts=where, whole=batch.target),
                )

    def _of_depth(self, batch: TrainItem, output: ModelOutput) -> LossOutput:
        """The loss of the depth, at the size of the pictures."""
        assert output.depth is not None and batch.depth is not None
        assert batch.depth_weight is not None
        depth = upsample(output.depth, batch.depth.shape[-2:])  # (B, 1, H, W)
        return self.depth_loss(depth, batch.depth, batch.depth_weight)

    def _of_classes(self, batch: TrainItem, output: ModelOutput) -> LossOutput:
        """The losses against masks: of the logits, of the auxiliary and of the boundary head, and of the
        logits once more where that head sees a border."""
        at_input = self.config.supervise_at == "input"
        size = batch.target.shape[-2:] if at_input else output.logits.shape[-2:]
        target = nearest(batch.target.long(), size)  # (B, H, W)
        if batch.border_weight is not None:
            batch = batch._replace(border_weight=nearest(batch.border_weight, size))
        if batch.annotated is not None:
            batch = batch._replace(counts=nearest(batch.counts, size))
        logits = upsample(output.logits, size)  # (B, C, H, W)
        total, parts = self._of_logits(self.loss, logits, target, batch)
        for aux in output.aux:
            extra, _ = self._of_logits(self.aux_loss, upsample(aux, size), target, batch)
            total = total + self.config.aux_weight * extra
            parts["aux"] = parts.get("aux", 0) + extra.detach()
        if output.boundary is not None:
            whole = None if batch.whole is None else nearest(batch.whole.long(), size)
            border = self.boundary(output.boundary, target, whole)
            total = total + border.total
            parts |= border.parts
            if self.config.boundary.aware_weight:
                on_border = self.boundary.aware_target(output.boundary, target)
                shown = self._shown(logits, on_border, batch)
                aware = self.loss(shown, on_border, batch.border_weight).total
                total = total + self.config.boundary.aware_weight * aware
                parts["aware"] = aware.detach()
        return LossOutput(total, parts)

    def _of_logits(
        self, loss: SupervisedLoss, logits: Tensor, target: Tensor, batch: TrainItem
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A supervised loss of scores, which knows what was not annotated on a picture."""
        found = loss(self._shown(logits, target, batch), target, batch.border_weight)
        if batch.annotated is None:
            return found.total, dict(found.parts)
        rest = self.partial(logits, target, batch.annotated, batch.counts)
        return found.total + rest.total, {**found.parts, **rest.parts}

    def _shown(self, logits: Tensor, target: Tensor, batch: TrainItem) -> Tensor:
        """Scores without those of classes that were not annotated and may be there all the same."""
        if batch.annotated is None:
            return logits
        return self.partial.hide(logits, target, batch.annotated)

    def on_validation_epoch_start(self) -> None:
        """Begin to count."""
        self._confusions, self._depths = self._no_pixels(), DepthScores()

    def validation_step(self, batch: ValItem, batch_idx: int) -> None:
        """Score pictures at their own size, as the runtime does: argmax at the input's size, then nearest."""
        self.report(batch.problems)
        if not batch.targets:
            return
        model = self.scored_model
        image = self.normalized(batch.image, model.normalization)
        input_hw, output = (image.shape[-2], image.shape[-1]), model(image)
        if "semantic" in self.config.targets:
            for ids, target, index in class_maps(output.logits, input_hw, batch):
                part = int(np.searchsorted(self._ends[:-1], index, side="right"))
                self._confusions[part].update(ids, target)
        if "depth" in self.config.targets:
            for depth_m, true_m, weight in depth_maps(output.depth, batch):
                self._depths.update(depth_m, true_m, weight)

    def on_validation_epoch_end(self) -> None:
        """Log the scores, over all processes, and those of each folder where there are several."""
        counted = [(self._confusions, self._depths)]
        if self.trainer.world_size > 1:
            counted = [([], DepthScores()) for _ in range(self.trainer.world_size)]
            torch.distributed.all_gather_object(counted, (self._confusions, self._depths))
        scores: dict[str, float] = {}
        if "semantic" in self.config.targets:
            scores |= self._class_scores([confusions for confusions, _ in counted])
        if "depth" in self.config.targets:
            depths = DepthScores()
            for _, part in counted:
                depths += part
            found = depths.summary()
            errors = {"val/abs_rel": found.abs_rel, "val/rmse": found.rmse}
            scores["val/delta1"] = found.delta1 or 0.0
            scores |= {name: value for name, value in errors.items() if value is not None}
        if len(self.config.targets) > 1:
            scores["val/joint"] = (scores[_main(self.space)] + scores["val/delta1"]) / 2
        self.told({name: float(np.nan_to_num(value)) for name, value in scores.items()})

    def _class_scores(self, counted: Sequence[Sequence[ConfusionMatrix]]) -> dict[str, float]:
        """The scores of classes, from the counts of every process."""
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
        return {name: float(np.nan_to_num(value)) for name, value in scores.items()}

    def _no_pixels(self, count: int | None = None) -> list[ConfusionMatrix]:
        """Empty counts, one per folder where no number is given."""
        count = len(self._parts) if count is None else count
        return [ConfusionMatrix(self.space.num_classes) for _ in range(count)]


def _main(space: LabelSpace) -> str:
    """The score that classes are judged by."""
    return "val/iou" if space.binary else "val/miou"


def _score(config: TrainConfig, space: LabelSpace) -> Score:
    """What decides which weights are the best."""
    name = f"IoU of {space.names[1]}" if space.binary else "mIoU"
    classes = Score(key=_main(space), name=name)
    depth = Score(key="val/delta1", name="delta < 1.25", also=("val/abs_rel", "val/rmse"))
    if config.tasks == "semantic":
        return classes
    if config.tasks == "depth":
        return depth
    return replace(
        depth,
        key="val/joint",
        name=f"mean of {name} and {depth.name}",
        also=(classes.key, depth.key, *depth.also),
    )


def _has(task: str, batch: TrainItem) -> Tensor:
    """Which samples of a batch a task learns from, (B,) bool."""
    if task == "depth":
        assert batch.depth_weight is not None
        return (batch.depth_weight > 0).flatten(1).any(dim=1)
    has = (batch.target != IGNORE_ID).flatten(1).any(dim=1)
    if batch.annotated is None:
        return has
    # A mask of some classes tells something where it has no label, too.
    return has | (batch.annotated.any(dim=1) & ~batch.annotated.all(dim=1))


def _rows(output: ModelOutput, chosen: Tensor) -> ModelOutput:
    """What a network says of some of a batch, (B,) bool."""
    return ModelOutput(
        logits=output.logits[chosen],
        aux=tuple(aux[chosen] for aux in output.aux),
        boundary=None if output.boundary is None else output.boundary[chosen],
        depth=None if output.depth is None else output.depth[chosen],
    )
