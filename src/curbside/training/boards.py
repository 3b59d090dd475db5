"""Where the losses and scores of a run go beside `metrics.csv`: TensorBoard, Weights & Biases."""

from __future__ import annotations

import inspect
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_warn

from ..errors import ConfigError, MissingDependencyError
from ..files import write_text
from .run_config import LoopConfig
from .serialize import config_to_json

if TYPE_CHECKING:
    from lightning.pytorch.loggers import WandbLogger

__all__ = ["boards"]

_PROJECT = "curbside"


def boards(config: LoopConfig, *, resumed_at: int) -> list[Logger]:
    """The loggers that a run asks for; nothing is written, or sent, before they get something.

    Args:
        config: The run.
        resumed_at: The step that it goes on from.

    Raises:
        MissingDependencyError: wandb is asked for and not installed.
    """
    folder = config.run_folder
    found: list[Logger] = []
    if "tensorboard" in config.logger:
        purged = resumed_at or None
        found.append(TensorBoardLogger(folder, name="tensorboard", version="", purge_step=purged))
    if "wandb" in config.logger:
        found.append(_wandb(config, folder))
    return found


def _wandb(config: LoopConfig, folder: Path) -> WandbLogger:
    try:
        import wandb
        from lightning.pytorch.loggers import WandbLogger
        from lightning.pytorch.loggers.logger import rank_zero_experiment
    except ImportError as error:
        raise MissingDependencyError("wandb", extra="wandb") from error

    note = folder / "wandb.id"

    class Board(WandbLogger):
        """A W&B run that goes on where the run folder goes on, and ends with the training."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self._wandb_init.pop("anonymous", None)  # deprecated, and told of where it is None, too

        @property
        @rank_zero_experiment
        def experiment(self) -> Any:
            """The run, begun when it is first asked for."""
            if self._experiment is None:
                write_text(note, f"{self._wandb_init['id']}\n")
                try:
                    return super().experiment
                except wandb.Error as error:
                    reason = " ".join(str(error).split())[:160]
                    raise ConfigError(
                        f"Weights & Biases takes no run ({reason})",
                        fix="run: wandb login; or set WANDB_MODE=offline and send it later by wandb sync",
                    ) from error
            return super().experiment

        def finalize(self, status: str) -> None:
            """End the run, so that the next one of this process is another."""
            if self._experiment is not None:
                self._experiment.finish(exit_code=0 if status == "success" else 1)
                self._experiment = None

    offline = _must_be_offline(wandb)
    # The progress bar is ours, not to be caught.
    quiet: dict[str, Any] = {"console": "off", **({"silent": True} if offline else {})}
    known = note.read_text(encoding="utf-8").strip() if note.is_file() else ""
    return Board(
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        name=folder.absolute().name,
        save_dir=folder,
        id=known or secrets.token_hex(4),
        config=config_to_json(config),
        settings=wandb.Settings(**quiet),
        mode="offline" if offline else None,
    )


def _must_be_offline(wandb: Any) -> bool:
    """Whether nobody has said who logs in, nor that nobody does: it would be asked for."""
    if os.environ.get("WANDB_MODE") or wandb.setup().settings.mode != "online":
        return os.environ.get("WANDB_MODE") in ("offline", "dryrun")
    if "prompt" in inspect.signature(wandb.login).parameters:
        known = wandb.login(prompt=False, verify=False)
    else:
        known = wandb.api.api_key is not None
    if not known:
        rank_zero_warn(
            "no key of Weights & Biases is known, so the run is kept in its folder alone; send it by"
            " wandb sync, or run wandb login before",
            category=UserWarning,
        )
    return not known
