"""The run folder: what a training run leaves, and opening it again.

::

    config.json         the whole config, versions, commit, label space, dataset counts
    metrics.csv         losses and scores by step
    last.ckpt           everything needed to go on
    best.ckpt           the same at the best validation score
    model.safetensors   the weights to ship: those of the best score (their average, with EMA)
    kept/STEP.safetensors  weights after a step, where they were asked for
    calibration.json    the temperature of these weights, where `curbside calibrate` fitted one
    threshold.json      of yes or no, the probability from which on a pixel is yes
    losses.svg          the losses drawn; scores.svg, the scores
    tensorboard/        the same for TensorBoard
    wandb/, wandb.id    the same for Weights & Biases, where it was asked for
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, safe_open, save_file
from torch import nn

from ..errors import ModelFileError
from ..files import atomic_path, read_json, sha256_file, write_json
from ..hardware import thread_count
from ..labels import LabelSpace
from ..manifest import DecisionThreshold, DepthSpec, TemperatureScaling
from ..models import SegmentationModel
from .cameras import depth_spec
from .config import TrainConfig
from .run_config import RunConfig
from .serialize import config_from_json, config_to_json

__all__ = [
    "Run",
    "describe",
    "drop_fitted",
    "load_config",
    "load_run",
    "load_weights_into",
    "read_description",
    "run_files",
    "set_threads",
    "source_of",
    "weights_facts",
    "write_fitted",
    "write_weights",
]

Fitted = TypeVar("Fitted", TemperatureScaling, DecisionThreshold)

_TRAIN = "train one with: curbside train RECIPE"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run folder, opened."""

    folder: Path
    """Where it is."""
    config: TrainConfig
    """How it was made."""
    space: LabelSpace
    """What its classes are."""
    model: SegmentationModel
    """The network with the weights to ship, on the CPU, in evaluation mode. Its scores are raw: who
    deploys it divides them by `temperature`, and a teacher is left as it is."""
    source: Mapping[str, Any]
    """What a Manifest says of it: recipe, commit, step, SHA-256 of the weights, versions."""
    scores: Mapping[str, Any]
    """Its best validation score."""
    temperature_scaling: TemperatureScaling | None = None
    """What its scores are to be divided by, where it was fitted."""

    depth: DepthSpec | None = None
    """What its metres are good for; None where it did not learn depth."""
    threshold: DecisionThreshold | None = None
    """From which probability on a pixel is id 1, where it was chosen; of a binary label space alone."""

    @property
    def temperature(self) -> float:
        """What its scores are to be divided by; 1 where it was never fitted."""
        return self.temperature_scaling.temperature if self.temperature_scaling else 1.0

    @property
    def title(self) -> str:
        """Architecture and encoder in words."""
        return self.config.title

    @property
    def image_size_hw(self) -> tuple[int, int]:
        """The size that pictures are resized to for scoring and export."""
        return self.config.data.eval_hw


def describe(
    config: RunConfig,
    space: LabelSpace,
    dataset: Mapping[str, Any],
    precision: str,
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """What `config.json` holds.

    Args:
        config: The run's config.
        space: Its label space.
        dataset: Counts and source of its data.
        precision: The arithmetic that `auto` came to on this machine.
        packages: Names of distributions that it needs beyond our own, whose versions are told.
    """
    needed = (
        "curbside",
        "torch",
        "torchvision",
        "lightning",
        "timm",
        "segmentation-models-pytorch",
        "numpy",
        *packages,
    )
    return {
        "format": "curbside-run",
        "config": config_to_json(config),
        "model": config.title,
        "label_space": space.to_dict(),
        "dataset": dict(dataset),
        "precision": precision,
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in needed},
        },
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the curbside that runs, where it runs from a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
        return done.stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def read_description(folder: Path) -> dict[str, Any]:
    """What `config.json` of a run folder holds; see `describe`.

    Raises:
        ModelFileError: There is none, or it describes no run.
    """
    path = folder / "config.json"
    about = read_json(path, error=ModelFileError, fix=_TRAIN)
    known = isinstance(about, dict) and about.get("format") == "curbside-run"
    if not known or not isinstance(about.get("config"), dict) or "data" not in about["config"]:
        raise ModelFileError(f"{path} does not describe a training run", fix=_TRAIN)
    return about


def load_config(folder: Path) -> RunConfig:
    """The config of a run folder, of whatever kind it is.

    Raises:
        ModelFileError: There is none, or this version does not understand it.
    """
    where = str(Path(folder) / "config.json")
    return config_from_json(read_description(Path(folder))["config"], where=where)


def run_files(path: Path) -> tuple[Path, Path]:
    """The run folder and the file of weights that a path names.

    Args:
        path: A run folder, for its best weights; or others that it kept, such as
            `runs/teacher/kept/000500.safetensors`.

    Raises:
        ModelFileError: It is a file, and none of a run.
    """
    path = Path(path)
    if path.suffix == ".safetensors" and not path.is_file():
        raise ModelFileError(
            f"{path} does not exist", fix="train with --keep to keep weights on the way"
        )
    if not path.is_file():
        return path, path / "model.safetensors"
    kept = path.absolute().parent
    if path.suffix != ".safetensors" or kept.name != "kept":
        raise ModelFileError(
            f"{path} is no run folder, and no weights in the kept/ of one",
            fix="name the run folder",
        )
    return kept.parent, path


def load_run(folder: Path, *, calibrated: bool = True) -> Run:
    """Open the run folder of a semantic network.

    Args:
        folder: The folder; or, in the place of its best weights, others that it kept, such as
            `runs/teacher/kept/000500.safetensors`, for which no temperature is fitted.
        calibrated: Read `calibration.json` and `threshold.json` where they are there.

    Raises:
        ModelFileError: It is missing, unfinished, of another kind, or its parts do not fit.
    """
    folder, weights_path = run_files(folder)
    calibrated = calibrated and weights_path.parent == folder
    about = read_description(folder)
    where = str(folder / "config.json")
    config = config_from_json(about["config"], where=where, kind=TrainConfig)
    space = LabelSpace.from_dict(about["label_space"])
    # The run's own weights are loaded into it, so nothing is to be fetched.
    model = config.model.from_random().build(space.num_channels)
    facts = load_weights_into(model, weights_path)
    step = int(facts.get("step", 0))
    source = source_of(about, weights_path, step)
    best = {key.removeprefix("val_"): facts[key] for key in facts if key.startswith("val_")}
    scores = {"validation": {**best, "split": config.data.val_split, "step": step}}
    try:
        depth = depth_spec(model, about["dataset"]) if "depth" in config.targets else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{where} does not tell the camera of its depth ({type(error).__name__})", fix=_TRAIN
        ) from error
    return Run(
        folder=folder,
        config=config,
        space=space,
        model=model.eval(),
        source=source,
        scores=scores,
        temperature_scaling=_read_fitted(folder, TemperatureScaling, source)
        if calibrated
        else None,
        depth=depth,
        threshold=_read_fitted(folder, DecisionThreshold, source)
        if calibrated and space.binary
        else None,
    )


def load_weights_into(model: nn.Module, path: Path) -> dict[str, Any]:
    """Read the weights that a run wrote into the network of its config.

    Returns:
        What the run noted of them: the step, and a score.

    Raises:
        ModelFileError: There are none yet, or they do not fit.
    """
    if not path.is_file():
        raise ModelFileError(
            f"{path.parent} has no {path.name} yet", fix="let it train to its first validation"
        )
    try:
        model.load_state_dict(load_file(path))
        return weights_facts(path)
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(
            f"{path} does not fit its config ({reason})", fix="train again"
        ) from error


def weights_facts(path: Path) -> dict[str, Any]:
    """What was noted of weights when they were written: the step, scores, what was done with them since.

    Raises:
        SafetensorError, OSError, ValueError: The file is none of ours.
    """
    with safe_open(path, "pt") as file:
        return json.loads((file.metadata() or {}).get("curbside", "{}"))


def write_weights(model: nn.Module, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the weights of a network, which `load_weights_into` reads.

    Args:
        model: The network.
        path: The file, ending in .safetensors.
        facts: What is noted of them.

    Raises:
        StorageError: It cannot be written.
    """
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    with atomic_path(path) as temporary:
        # One entry: safetensors writes several in no fixed order.
        save_file(weights, temporary, metadata={"curbside": json.dumps(dict(facts))})


def source_of(about: Mapping[str, Any], weights_path: Path, step: int) -> dict[str, Any]:
    """What a Manifest says of the run behind it.

    Args:
        about: What `read_description` gave.
        weights_path: The file of weights.
        step: The step they are of.
    """
    return {
        "recipe": about["config"]["name"],
        "commit": about.get("commit"),
        "step": step,
        "weights_sha256": sha256_file(weights_path),
        "dataset": about.get("dataset"),
        "trained_in": about.get("precision"),
        "versions": about.get("versions"),
    }


_CALIBRATE = "fit it again with: curbside calibrate RUN DATA; or delete the file"


_FILES: Mapping[type, str] = {
    TemperatureScaling: "calibration.json",
    DecisionThreshold: "threshold.json",
}


def _read_fitted(folder: Path, kind: type[Fitted], source: Mapping[str, Any]) -> Fitted | None:
    """What was fitted for a run's weights; None where nothing was."""
    path = folder / _FILES[kind]
    if not path.exists():
        return None
    data = read_json(path, error=ModelFileError, fix=_CALIBRATE)
    try:
        found = kind.from_dict(data)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = "calibration" if kind is TemperatureScaling else "threshold"
        raise ModelFileError(
            f"{path} holds no {what} ({type(error).__name__}: {error})", fix=_CALIBRATE
        ) from error
    if found.weights_sha256 != source["weights_sha256"]:
        raise ModelFileError(
            f"{path} was fitted for other weights than the run has now", fix=_CALIBRATE
        )
    return found


def write_fitted(folder: Path, found: TemperatureScaling | DecisionThreshold) -> Path:
    """Write what was fitted for a run's weights into its folder, where `load_run` reads it, and say where
    it is.

    Raises:
        StorageError: It cannot be written.
    """
    path = folder / _FILES[type(found)]
    write_json(path, found.to_dict(), durable=True)
    return path


def drop_fitted(folder: Path, kind: type[TemperatureScaling] | type[DecisionThreshold]) -> None:
    """Remove what was fitted for weights that a run had before."""
    (folder / _FILES[kind]).unlink(missing_ok=True)


def set_threads(threads: int | None) -> None:
    """Let torch compute on so many threads; None leaves that to it.

    Raises:
        ConfigError: There are fewer than one.
    """
    if threads is not None:
        torch.set_num_threads(thread_count(threads))
