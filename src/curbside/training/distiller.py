"""What a student learns from its teachers in a step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..datasets import TrainItem
from ..errors import ConfigError
from ..losses import DepthLoss, FeatureLossConfig, LogitLossConfig, LossOutput, distillation_losses
from ..models import ModelOutput, SegmentationModel, nearest, normalize, two_sided, upsample
from .adapters import FeatureComparison
from .config import DistillationConfig

__all__ = ["Distiller"]


class Distiller(nn.Module):
    """The losses between a student and its teachers, with the adapters that are learnt for them.

    Args:
        config: The teachers and the losses.
        depth_loss: Compares depths, where they are.
        depth_factors: What the metres of each teacher are multiplied by; 1 where not given.
        student: The student, for what it shows of its inside.
        teachers: One network per teacher of the config, or None where its logits come with the
            batch, from a cache.

    Raises:
        ConfigError: A loss asks for features that are not there, or for depth.
    """

    def __init__(
        self,
        config: DistillationConfig,
        student: SegmentationModel,
        teachers: Sequence[SegmentationModel | None],
        depth_loss: DepthLoss | None = None,
        depth_factors: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self._depth, self._depth_loss = config.depth, depth_loss
        # In a tuple, so that teachers are no part of this module: not saved, not trained.
        self._teachers = tuple(teachers)
        self._shares = config.teacher_shares
        self._factors = tuple(depth_factors) or (1.0,) * len(self._teachers)
        on_logits = [loss for loss in config.losses if isinstance(loss, LogitLossConfig)]
        on_features = [loss for loss in config.losses if isinstance(loss, FeatureLossConfig)]
        self._resolutions = [loss.resolution for loss in on_logits]
        self.logit_losses = nn.ModuleList(loss.build() for loss in on_logits)
        self.feature_losses = nn.ModuleList()  # for each teacher, its own
        for path, teacher in zip(config.teacher, teachers, strict=True):
            if teacher is None and on_features:
                raise ConfigError(
                    f"{path} holds a teacher's logits, and {_name(on_features[0])} compares features",
                    fix="name the teacher's run folder, or leave that loss out",
                )
            if config.depth and (teacher is None or not teacher.depth_only):
                raise ConfigError(
                    f"{path} gives no depth to compare with",
                    fix="name the run folder of a network that does, or leave out --distillation.depth",
                )
            shown = () if teacher is None else teacher.feature_specs
            self.feature_losses.append(
                nn.ModuleList(
                    FeatureComparison(loss, student.feature_specs, shown) for loss in on_features
                )
            )

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Put the teachers beside the student, frozen.

        Args:
            device: Where the student is.
            dtype: What the teachers compute in.
        """
        for teacher in self._teachers:
            if teacher is not None:
                teacher.to(device=device, dtype=dtype).eval().requires_grad_(False)
                teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, batch: TrainItem, output: ModelOutput, logits: Tensor) -> LossOutput:
        """Compare a batch.

        Args:
            batch: The batch.
            output: What the student says of it.
            logits: (B, C, H, W), its logits at the size of the pictures.

        Returns:
            The sum over losses of their means over the teachers, by their shares; a part of the same
            name in another loss has a number behind it.
        """
        total = logits.new_zeros((), dtype=torch.float32)
        parts: dict[str, Tensor] = {}
        taught = iter(batch.taught)
        for teacher, share, factor, feature_losses in zip(
            self._teachers, self._shares, self._factors, self.feature_losses, strict=True
        ):
            said = ModelOutput(next(taught)) if teacher is None else _ask(teacher, batch.image)
            found = self._on_logits(batch, *map(two_sided, (output.logits, logits, said.logits)))
            found += [loss(output.features, said.features) for loss in feature_losses]  # type: ignore[attr-defined]
            if self._depth and self._depth_loss is not None:
                found.append(self._on_depth(batch, output, said, factor))
            often: Counter[str] = Counter()
            for one in found:
                total = total + share * one.total
                for name, value in one.parts.items():
                    often[name] += 1
                    key = f"{name}-{often[name]}" if often[name] > 1 else name
                    parts[key] = parts.get(key, 0) + share * value
        return LossOutput(total, parts)

    def _on_depth(
        self, batch: TrainItem, output: ModelOutput, said: ModelOutput, factor: float
    ) -> LossOutput:
        """Compare depths where the batch shows a picture, at the size of the student's."""
        assert output.depth is not None and said.depth is not None and self._depth_loss is not None
        size = output.depth.shape[-2:]
        taught = factor * upsample(said.depth.float(), size)[:, 0]
        weight = torch.ones_like(taught) if batch.covered is None else nearest(batch.covered, size)
        total = self._depth * self._depth_loss(output.depth, taught, weight).total
        return LossOutput(total, {"depth-kd": total.detach()})

    def _on_logits(
        self, batch: TrainItem, coarse: Tensor, full: Tensor, taught: Tensor
    ) -> list[LossOutput]:
        found = []
        for loss, resolution in zip(self.logit_losses, self._resolutions, strict=True):
            size = full.shape[-2:]
            if resolution == "logits":  # the finer: the coarser cannot say where a border is
                size = max(coarse.shape[-2:], taught.shape[-2:], key=math.prod)
            found.append(
                loss(
                    full if size == full.shape[-2:] else upsample(coarse, size),
                    upsample(taught.float(), size),
                    nearest(batch.counts, size),
                    None if batch.border_weight is None else nearest(batch.border_weight, size),
                )
            )
        return found


def _name(loss: FeatureLossConfig) -> str:
    """What the command line calls a loss."""
    names = {kind: name for name, kind in distillation_losses().items()}
    return names.get(type(loss), type(loss).__name__)


@torch.no_grad()
def _ask(teacher: SegmentationModel, image: Tensor) -> ModelOutput:
    like = next(teacher.parameters())
    pixels = normalize(image, teacher.normalization).to(like.dtype)
    with torch.autocast(image.device.type, enabled=False):
        return teacher(pixels.to(memory_format=torch.channels_last))
