"""What the training steps of all networks of ours share: the average, the optimiser, the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..errors import ConfigError
from ..imaging import Normalization
from ..models import normalize
from .run_config import LoopConfig

__all__ = ["LoopTask", "Score"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """The score that decides which weights of a run are the best; more is better, 0..1."""

    key: str
    """Its name in the log, such as val/miou."""
    name: str
    """What it is called, such as mIoU."""
    also: tuple[str, ...] = ()
    """Names of other scores that are noted with weights."""


class LoopTask(lightning.LightningModule):
    """What Lightning runs; a subclass per kind of network.

    A subclass has a `training_step` that ends with `noted`, and a validation that puts its scores, also
    that of `score`, to `told`.

    Args:
        config: The run.
        model: The network to train.
        total_steps: Length of the run.

    Attributes:
        score: What decides which weights are the best.
        latest: The newest value of every loss part and score, by its name in the log.
    """

    score: Score

    def __init__(self, config: LoopConfig, model: nn.Module, total_steps: int) -> None:
        super().__init__()
        self.config = config
        self.model = model
        self.average: AveragedModel | None = None
        if config.ema_decay:
            self.average = AveragedModel(model, avg_fn=_ema(config.ema_decay), use_buffers=True)
            self.average.requires_grad_(False)
        self._total_steps = total_steps
        self._reported: set[str] = set()
        self._log_every = max(1, min(10, total_steps // 20))
        self.latest: dict[str, Any] = {}

    @property
    def scored_model(self) -> Any:
        """The network that is scored and shipped: the average where there is one."""
        return self.average.module if self.average is not None else self.model

    def learnt(self) -> list[nn.Module]:
        """What the optimiser moves."""
        return [self.model]

    def configure_optimizers(self) -> Any:
        """The optimiser, its learning rate moved every step."""
        optimizer = self.config.optimizer.build(*self.learnt())
        factor = self.config.schedule.build(self._total_steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tie all randomness of the step (dropout) to the step, so that a resumed run repeats it."""
        part = batch_idx % self.config.data.accumulate
        torch.manual_seed(
            self.config.seed * 1_000_003 + self.global_step * 1_009 + self.global_rank + part * 131
        )

    def noted(self, total: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
        """A step's loss, kept for the log with its parts.

        Raises:
            ConfigError: It is no finite number.
        """
        if not torch.isfinite(total):
            raise ConfigError(
                f"the loss became {total.item()} at step {self.global_step}",
                fix="lower --optimizer.lr, add --schedule.warmup-steps, or train with --precision fp32",
            )
        scores = {name: v for name, v in self.latest.items() if not name.startswith("train/")}
        self.latest = scores | {
            "train/lr": self.optimizers().param_groups[-1]["lr"],  # type: ignore[union-attr]
            "train/loss": total.detach(),
            **{f"train/{name}": value for name, value in parts.items()},
        }
        return total

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the average; log the losses."""
        if self.average is not None:
            self.average.update_parameters(self.model)
        if self.global_step % self._log_every == 0:
            self._log({k: v for k, v in self.latest.items() if k.startswith("train/")})

    def told(self, scores: Mapping[str, float]) -> None:
        """Keep and log the scores of a validation."""
        self.latest |= scores
        self._log(scores)

    def _log(self, values: Mapping[str, Any]) -> None:
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

    def normalized(self, image: Tensor, normalization: Normalization) -> Tensor:
        """A picture, (B, 3, H, W) uint8 RGB, as the network expects it."""
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
