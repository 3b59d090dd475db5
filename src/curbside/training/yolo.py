"""Ultralytics behind one file: what is trained, scored and exported through it.

It is under AGPL-3.0 and comes with the extra `yolo` alone; it is imported when it is used. While it
works it is offline and silent: no usage is reported, nothing is fetched but weights that are asked for,
nothing is installed, its settings are those below whatever its user's file of settings says, that file
is neither read nor written, and checkpoints are unpickled as tensors and Ultralytics' own classes alone.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ..errors import ConfigError, MissingDependencyError, ModelFileError
from .yolo_config import YoloConfig

__all__ = [
    "Epoch",
    "both_opencvs",
    "check_weights",
    "fetch_weights",
    "network_outputs",
    "quiet_ultralytics",
    "score_weights",
    "train_epochs",
    "ultralytics_version",
    "write_onnx",
]

_ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}
_SCORES = {
    f"metrics/{theirs}({letter})": f"val/{what}_{ours}"
    for letter, what in (("B", "box"), ("M", "mask"))
    for theirs, ours in (
        ("mAP50-95", "map"),
        ("mAP50", "map50"),
        ("precision", "precision"),
        ("recall", "recall"),
    )
}


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What an epoch came to."""

    number: int
    """Which one, from 1."""
    values: Mapping[str, float]
    """Losses, scores and learning rate by their names in `metrics.csv`."""
    last: Path
    """The checkpoint after it."""
    best: Path | None
    """The same, where none before was better."""


def ultralytics_version() -> str:
    """Which Ultralytics is installed.

    Raises:
        MissingDependencyError: None is.
    """
    try:
        return metadata.version("ultralytics")
    except metadata.PackageNotFoundError:
        raise MissingDependencyError("ultralytics", extra="yolo") from None


def both_opencvs() -> bool:
    """Whether OpenCV is installed twice into one folder, with windows and without."""
    found = {(item.metadata["Name"] or "").lower() for item in metadata.distributions()}
    return {"opencv-python", "opencv-python-headless"} <= found


def fetch_weights(name: str, folder: Path, *, log: Path) -> Path:
    """Published weights by their name, fetched into a folder unless they are there.

    Args:
        name: Such as yolov8n-seg.pt.
        folder: Where they go.
        log: Where Ultralytics says what it does.

    Raises:
        ConfigError: They cannot be fetched.
    """
    path = folder / name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with quiet_ultralytics(log) as library, _environment({"YOLO_OFFLINE": "false"}):
            try:
                library("utils.downloads").attempt_download_asset(path, retry=0)
            except Exception as error:  # whatever the network, a proxy or the disk make of it
                raise ConfigError(
                    f"{name} is not here and cannot be fetched ({type(error).__name__})",
                    fix="get it elsewhere and give its path with --weights, or leave --weights out",
                ) from error
    if not path.is_file():
        raise ConfigError(
            f"Ultralytics publishes no {name}", fix="name one such as yolov8n-seg.pt, or a file"
        )
    return path


def check_weights(path: Path, size: str, *, log: Path) -> None:
    """Refuse a file that holds no YOLOv8-seg of this size.

    Raises:
        ModelFileError: It is missing, none of torch's files, or holds something else.
        ConfigError: It is of another size.
    """
    fix = "give a .pt file of Ultralytics, such as yolov8n-seg.pt"
    if path.suffix != ".pt" or not path.is_file():
        raise ModelFileError(f"there are no weights at {path}", fix=fix)
    try:
        with zipfile.ZipFile(path) as archive:
            whole = any(name.endswith("/data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        whole = False
    if not whole:
        raise ModelFileError(f"{path} was not written by torch.save", fix=fix)
    with quiet_ultralytics(log) as library:
        model = _load(library, path)
        made = getattr(model, "yaml", {})
        if getattr(model, "task", None) != "segment" or "yolov8" not in made.get("yaml_file", ""):
            raise ModelFileError(f"{path} holds no YOLOv8-seg", fix=fix)
        if made.get("scale", size) != size:
            raise ConfigError(
                f"{path} is of the size {made['scale']}, not {size}",
                fix=f"add --size {made['scale']}",
            )


def train_epochs(
    config: YoloConfig,
    data: Path,
    *,
    work: Path,
    weights: Path | None,
    last: Path | None,
    log: Path,
    on_batch: Callable[[int, int, float], None],
    on_epoch: Callable[[Epoch], None],
) -> int:
    """Train to the end, or to where nothing gets better.

    Args:
        config: The run.
        data: Ultralytics' description of the data.
        work: A folder of its own.
        weights: What to start from; random weights where None.
        last: The checkpoint to go on from.
        log: Where it says what it does.
        on_batch: Called with the number of batches done, that of all, and the loss.
        on_epoch: Called when an epoch is over and its checkpoint is written.

    Returns:
        Pictures per batch: fewer than were asked for where memory did not hold them.

    Raises:
        ConfigError: There is no such device.
        ModelFileError: The checkpoint cannot be read.
    """
    device = _device(config)
    with quiet_ultralytics(log) as library:
        overrides = _overrides(config, data, work, device)
        if last is None:
            overrides["model"] = str(weights or _untrained(config.size))
        else:
            resumed = work / "weights" / "last.pt"
            resumed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(last, resumed)
            if int(_load(library, resumed, whole=True).get("epoch", -1)) + 1 >= config.epochs:
                return config.batch_size
            overrides |= {"model": str(resumed), "resume": str(resumed)}
        kind = library("models.yolo.segment").SegmentationTrainer

        class Trainer(kind):  # type: ignore[misc, valid-type]
            """Scores the best weights only when asked."""

            def final_eval(self) -> None:
                """Nothing."""

        threads = torch.get_num_threads()
        trainer = Trainer(overrides=overrides)
        trainer.add_callback("on_train_start", lambda _: torch.set_num_threads(threads))
        trainer.add_callback("on_train_batch_end", lambda found: on_batch(*_batch(found)))
        trainer.add_callback("on_model_save", lambda found: on_epoch(_epoch(found)))
        trainer.train()
        return int(trainer.batch_size)


def score_weights(weights: Path, config: YoloConfig, data: Path, *, log: Path) -> dict[str, float]:
    """Box and mask average precision of weights on the validation split, as Ultralytics measures them, and
    the epoch (`step`) that they are of.

    Args:
        weights: A checkpoint.
        config: Its run.
        data: Ultralytics' description of the data.
        log: Where it says what it does.
    """
    with quiet_ultralytics(log) as library, _as_pt(weights) as path:
        overrides = _overrides(config, data, path.parent / "scores", _device(config))
        overrides |= {"mode": "val", "rect": True, "model": str(path)}
        validator = library("models.yolo.segment").SegmentationValidator(args=overrides)
        found = validator(model=str(path))
        epoch = int(_load(library, path, whole=True).get("epoch", -1)) + 1
    scores = {ours.removeprefix("val/"): float(found[theirs]) for theirs, ours in _SCORES.items()}
    return {**scores, "step": epoch}


def write_onnx(
    weights: Path, out: Path, size_hw: tuple[int, int], opset: int, *, log: Path
) -> None:
    """Write a checkpoint's network as ONNX for pictures of one size, with Ultralytics' own outputs.

    Args:
        weights: A checkpoint.
        out: The file to write.
        size_hw: Height and width of the picture that goes in.
        opset: Version of ONNX's operators.
        log: Where Ultralytics says what it does.
    """
    with quiet_ultralytics(log) as library, _as_pt(weights) as path:
        overrides = {
            "format": "onnx",
            "imgsz": list(size_hw),
            "opset": opset,
            "batch": 1,
            "simplify": True,
            "device": "cpu",
        }
        model = _load(library, path)
        shutil.copyfile(library("engine.exporter").Exporter(overrides=overrides)(model), out)


def network_outputs(
    weights: Path, tensors: list[np.ndarray], *, log: Path
) -> list[list[np.ndarray]]:
    """What a checkpoint's network gives in torch: detections and prototypes, float32.

    Args:
        weights: A checkpoint.
        tensors: (1, 3, H, W) float32 each.
        log: Where Ultralytics says what it does.
    """
    with quiet_ultralytics(log) as library, _as_pt(weights) as path, torch.inference_mode():
        model = _load(library, path).fuse().eval()
        model.model[-1].export = True
        return [[out.numpy() for out in model(torch.from_numpy(one))] for one in tensors]


def _overrides(config: YoloConfig, data: Path, work: Path, device: str) -> dict[str, Any]:
    half: str | bool = False
    if device != "cpu":
        half = "bf16" if torch.cuda.is_bf16_supported() else True
    return {
        "data": str(data),
        "save_dir": str(work),
        "epochs": config.epochs,
        "imgsz": config.image_size,
        "batch": config.batch_size,
        "nbs": config.step_pictures,
        "workers": config.data.workers,
        "patience": config.patience,
        "optimizer": config.optimizer,
        "lr0": config.lr,
        "mosaic": config.mosaic,
        "close_mosaic": config.close_mosaic,
        "seed": config.seed,
        "device": device,
        "amp": half,
        "plots": False,
        "verbose": False,
    }


def _untrained(size: str) -> str:
    """The network to train from random weights: a file of Ultralytics, or of one's own."""
    return f"yolov8{size}-seg.yaml"


def _device(config: YoloConfig) -> str:
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("torch sees no GPU", fix="add --accelerator cpu")
    return "cpu" if config.accelerator == "cpu" or not torch.cuda.is_available() else "0"


def _batch(trainer: Any) -> tuple[int, int, float]:
    batches = len(trainer.train_loader)
    step = getattr(trainer, "curbside_step", trainer.start_epoch * batches) + 1
    trainer.curbside_step = step
    return step, trainer.epochs * batches, float(trainer.loss)


def _epoch(trainer: Any) -> Epoch:
    found = {**trainer.label_loss_items(trainer.tloss), **trainer.metrics}
    values = {
        _SCORES.get(name, name): float(value)
        for name, value in found.items()
        if not name.endswith("sem_loss")  # of another task
    }
    values |= {"lr": float(trainer.lr["lr/pg0"]), "val/fitness": float(trainer.fitness)}
    best = trainer.best if trainer.best_fitness == trainer.fitness else None
    return Epoch(number=trainer.epoch + 1, values=values, last=trainer.last, best=best)


def _load(library: Callable[[str], Any], path: Path, *, whole: bool = False) -> Any:
    """The network of a checkpoint, or all that the checkpoint holds."""
    try:
        model, checkpoint = library("nn.tasks").load_checkpoint(str(path))
    except Exception as error:  # a pickle may fail in any way
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(
            f"{path} cannot be read as a checkpoint of Ultralytics ({reason})",
            fix="give one that its version here has written, or train again",
        ) from error
    return checkpoint if whole else model


@contextmanager
def _as_pt(weights: Path) -> Iterator[Path]:
    """A copy whose name ends as Ultralytics wants it, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        yield Path(shutil.copyfile(weights, Path(folder) / "network.pt"))


@contextmanager
def quiet_ultralytics(log: Path) -> Iterator[Callable[[str], Any]]:
    """Its modules by their names, while it is kept quiet; what it prints and logs goes to a file."""
    ultralytics_version()
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    with ExitStack() as stack:
        stack.enter_context(_environment(_ENVIRONMENT))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(torch.set_num_threads, threads[0])
        stack.callback(cv2.setNumThreads, threads[1])
        _import()
        said = stack.enter_context(open(log, "a", encoding="utf-8", buffering=1))
        stack.enter_context(redirect_stdout(said))
        for owner, name, value in (
            ("utils.callbacks", "add_integration_callbacks", lambda _: None),  # reports of usage
            ("utils.checks", "ONLINE", False),
            ("utils.checks", "AUTOINSTALL", False),
            ("nn.tasks", "SAFE_LOAD", True),
            ("data.utils", "check_font", lambda *_: None),  # fetches one
        ):
            stack.enter_context(_replaced(_module(owner), name, value))
        logger = _module("utils").LOGGER
        stack.enter_context(_replaced(logger, "handlers", [logging.StreamHandler(said)]))
        cv2.setNumThreads(0)  # its loaders are processes
        try:
            yield _module
        except ModuleNotFoundError as error:  # installed without what it needs
            raise MissingDependencyError(error.name or "ultralytics", extra="yolo") from error


def _import() -> None:
    """Import it without a trace: no settings file of its user's, nothing printed, no global changed."""
    printing, save = np.get_printoptions(), torch.save
    with tempfile.TemporaryDirectory(prefix="curbside-") as folder, ExitStack() as stack:
        stack.enter_context(_environment({"YOLO_CONFIG_DIR": folder}))
        with redirect_stdout(io.StringIO()) as nowhere:
            logger = _module("utils").LOGGER
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is nowhere:
                handler.setStream(sys.stdout)
    np.set_printoptions(**printing)
    torch.save = save


def _module(name: str) -> Any:
    return import_module(f"ultralytics.{name}")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables, and afterwards all that were before, whoever changed them."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
