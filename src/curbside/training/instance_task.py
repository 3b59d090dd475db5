"""The training step of a network that finds objects, and its validation by average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..datasets import ObjectItem, ObjectPicture, true_objects
from ..errors import DataError
from ..imaging import Placement
from ..labels import LabelSpace
from ..losses.instances import Truth
from ..manifest import InputSpec, Manifest
from ..metrics import FoundObjects, InstanceScores
from ..models import InstanceModel
from ..prepared import Sample
from ..runtime import InstanceConfig
from ..runtime.instances import decode_instances
from .instance_config import InstanceTrainConfig
from .loop_task import LoopTask, Score

__all__ = ["SCORED", "InstanceTask", "instance_manifest"]

SCORED = InstanceConfig(confidence=0.05, iou=0.6, max_detections=100)
"""What counts for average precision: nearly everything, the best hundred of a picture."""


def instance_manifest(
    model: InstanceModel, space: LabelSpace, size_hw: tuple[int, int], title: str
) -> Manifest:
    """What a network of ours gives, frames letterboxed to a size, RGB."""
    return Manifest(
        task="instances",
        input=InputSpec(size_hw=size_hw, channels="rgb", fit="letterbox"),
        outputs=model.output_specs,
        space=space,
        normalization=model.normalization,
        model=title,
    )


class InstanceTask(LoopTask):
    """What Lightning runs to train a network that finds objects.

    Args:
        config: The run.
        model: The network to train.
        space: The label space of what it finds, a class per channel.
        total_steps: Length of the run.
        val: The samples to score on.
        classes: How `object_classes` is asked for the classes.
    """

    config: InstanceTrainConfig
    model: InstanceModel
    score = Score(key="val/mask_ap", name="mask AP")

    def __init__(
        self,
        config: InstanceTrainConfig,
        model: InstanceModel,
        space: LabelSpace,
        total_steps: int,
        val: Sequence[Sample],
        classes: tuple[str, ...],
    ) -> None:
        super().__init__(config, model, total_steps)
        self.space = space
        self.loss = config.loss.build(model.strides)
        self._manifest = instance_manifest(model, space, config.data.eval_hw, config.title)
        self._val, self._classes = val, classes
        self._scores = InstanceScores(space)

    def training_step(self, batch: ObjectItem, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        self.report(batch.problems)
        output = self.model(self.normalized(batch.image, self.model.normalization))
        truth = Truth(batch.boxes_xyxy, batch.classes, batch.objects)
        with torch.autocast(self.device.type, enabled=False):
            found = self.loss(*output, truth)
            # Every weight has a gradient, whatever the pictures show: several devices wait for it.
            nothing = 0 * sum(tensor.float().mean() for tensor in output.tensors)
        return self.noted(found.total + nothing, found.parts)

    def on_validation_epoch_start(self) -> None:
        """Begin to count."""
        self._scores = InstanceScores(self.space)

    def validation_step(self, batch: ObjectPicture, batch_idx: int) -> None:
        """Score pictures at their own size, decoded as the runtime does."""
        self.report(batch.problems)
        if not batch.indices:
            return
        model = self.scored_model
        found = model(self.normalized(batch.image, model.normalization))
        names = [spec.name for spec in self._manifest.outputs]
        tensors = [tensor.float().cpu().numpy() for tensor in found.tensors]
        for place, index in enumerate(batch.indices):
            outputs = {
                name: tensor[place : place + 1] for name, tensor in zip(names, tensors, strict=True)
            }
            self._count(outputs, self._val[index])

    def _count(self, outputs: dict[str, np.ndarray], sample: Sample) -> None:
        try:
            true = true_objects(sample, self._classes, self.space)
        except DataError as error:
            self.report((str(error),))
            return
        place = Placement.letterbox(sample.record.size_hw, self.config.data.eval_hw)
        result = decode_instances(outputs, self._manifest, place, SCORED)
        found = FoundObjects(
            boxes_xyxy=result.boxes_xyxy,
            scores=result.scores,
            class_ids=result.class_ids,
            masks=[(mask.top, mask.left, mask.inside) for mask in result.masks],
        )
        self._scores.update(true, found)

    def on_validation_epoch_end(self) -> None:
        """Log the average precision of boxes and masks, over all processes."""
        scores = InstanceScores(self.space)
        if self.trainer.world_size > 1:
            parts: list[InstanceScores] = [scores] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, self._scores)
        else:
            parts = [self._scores]
        for part in parts:
            scores += part
        summary = scores.summary()
        kinds = {"box": summary.box.average, "mask": summary.mask.average}
        self.told(
            {
                f"val/{kind}_{name}": float(getattr(average, name) or 0.0)
                for kind, average in kinds.items()
                for name in ("ap", "ap50")
            }
        )
