"""Where a run pauses, to score and to make itself safe."""

from __future__ import annotations

import math

import lightning.pytorch as lightning

from .run_config import LoopConfig

__all__ = ["Plan", "Validations"]


class Plan:
    """Where training pauses: to score, and in between to make itself safe.

    Args:
        config: The run.
        total: Its length in steps.
        steps_per_epoch: Steps of one pass over the training pictures.
    """

    def __init__(self, config: LoopConfig, *, total: int, steps_per_epoch: int) -> None:
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


class Validations(lightning.Callback):
    """Scores where the plan says so, by the step: Lightning's own count of its epochs, which end at
    pauses here, is not the same in a run that was resumed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Ask for a validation at the end of this epoch, or for none."""
        pause = self._plan.next_pause(trainer.global_step)
        trainer.limit_val_batches = 1.0 if self._plan.scores(pause) else 0
