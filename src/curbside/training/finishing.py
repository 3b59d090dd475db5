"""What is done with a run's best weights when its training is over."""

from __future__ import annotations

from itertools import chain

from lightning.pytorch.utilities import rank_zero_warn

from ..datasets import open_mixture
from ..errors import ConfigError, DataError
from ..files import read_json
from .config import TrainConfig
from .recalibration import recalibrate_weights
from .run_folder import load_run, write_threshold
from .threshold import choose_threshold

__all__ = ["finish"]


def finish(config: TrainConfig) -> None:
    """Recalibrate the statistics of the weights that a run ships, where it asks for that, and choose the
    threshold of yes or no on its validation split. What is done already is not done again.

    Args:
        config: The run, trained to its end.
    """
    data = open_mixture(config.data.root, config.data.space)
    space = data.space
    train, val = (
        list(chain(*data.samples(split)))
        for split in (config.data.train_split, config.data.val_split)
    )
    folder = config.run_folder
    if config.recalibrate is not None:
        model = config.model.from_random().build(space.num_channels)
        pictures = recalibrate_weights(
            folder,
            model,
            train,
            config.data.eval_hw,
            config.recalibrate,
            val=val,
        )
        if pictures:
            _say(f"statistics of batch normalisation recalibrated on {pictures} pictures")
    if not space.binary:
        return
    weights = load_run(folder, calibrated=False).source["weights_sha256"]
    path = folder / "threshold.json"
    if path.is_file():
        held = read_json(path, error=ConfigError, fix="remove it: it is made again")
        if isinstance(held, dict) and held.get("weights_sha256") == weights:
            return
    try:
        found, _ = choose_threshold(folder, val)
    except DataError as error:
        path.unlink(missing_ok=True)  # that of other weights
        _say(f"no threshold was chosen: {error.what}")
        return
    write_threshold(folder, found)
    name = space.names[1]
    _say(
        f"{name} from a probability of {found.threshold:.4f} on: IoU {100 * found.iou:.2f} %, F1"
        f" {100 * found.f1:.2f} %; at 0.5 IoU {100 * found.iou_at_half:.2f} %"
    )


def _say(text: str) -> None:
    rank_zero_warn(text, category=UserWarning)
