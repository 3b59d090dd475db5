"""What is done with a run's best weights when its training is over."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from ..datasets import Mixture
from ..errors import ModelFileError
from .config import TrainConfig
from .recalibration import recalibrate_weights, score_run
from .run_folder import load_run
from .threshold import renew_threshold

__all__ = ["finish"]


def finish(config: TrainConfig, data: Mixture) -> None:
    """Recalibrate the statistics of the weights that a run ships, where it asks for that, and choose the
    threshold of yes or no on its validation split. What is done already is not done again.

    Args:
        config: The run, trained to its end.
        data: Its samples.
    """
    folder, split, targets = config.run_folder, config.data.val_split, config.targets
    val = list(chain(*(part.samples(split, targets) for part in data.parts)))
    if config.recalibrate is not None:
        train = list(chain(*data.samples(config.data.train_split, targets)))
        run = load_run(folder, calibrated=False)
        pictures = recalibrate_weights(
            folder,
            run.model,
            train,
            config.data.eval_hw,
            config.recalibrate,
            score=(lambda: score_run(run, val, saying="recalibrated")) if val else None,
        )
        if pictures:
            _say(f"statistics of batch normalisation recalibrated on {pictures} pictures")
    asked = data.space.binary and "semantic" in targets and val
    if asked and not _has_threshold(folder):
        _say(renew_threshold(folder, val))


def _has_threshold(folder: Path) -> bool:
    """Whether a run has a threshold, of the weights that it has now."""
    try:
        return load_run(folder).threshold is not None
    except ModelFileError:  # of other weights, or damaged
        return False


def _say(text: str) -> None:
    rank_zero_warn(text, category=UserWarning)
