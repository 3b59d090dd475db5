"""What is done with a run's best weights when its training is over."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from ..datasets import Mixture
from ..errors import ModelFileError
from .config import TrainConfig
from .recalibration import recalibrate_weights
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
    folder, space = config.run_folder, data.space
    told = "semantic" in config.targets
    val = list(chain(*(part.samples(config.data.val_split) for part in data.parts if told)))
    if config.recalibrate is not None:
        train = list(chain(*data.samples(config.data.train_split, config.targets)))
        model = config.model.from_random().build(space.num_channels)
        size_hw = config.data.eval_hw
        pictures = recalibrate_weights(folder, model, train, size_hw, config.recalibrate, val=val)
        if pictures:
            _say(f"statistics of batch normalisation recalibrated on {pictures} pictures")
    if space.binary and val and not _has_threshold(folder):
        _say(renew_threshold(folder, val))


def _has_threshold(folder: Path) -> bool:
    """Whether a run has a threshold, of the weights that it has now."""
    try:
        return load_run(folder).threshold is not None
    except ModelFileError:  # of other weights, or damaged
        return False


def _say(text: str) -> None:
    rank_zero_warn(text, category=UserWarning)
