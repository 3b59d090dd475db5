"""A run of YOLOv8-seg: a prepared folder in, a run folder with a model file out.

Beside what every run folder holds (`config.json`, `metrics.csv`, a row per epoch) there are::

    last.ckpt        Ultralytics' checkpoint after the last epoch, to go on from
    best.ckpt        the same of the best epoch
    scores.json      what Ultralytics measures of the best epoch in the end
    model.onnx       the network of the best epoch, to ship
    data/, data.yaml the prepared folder as Ultralytics reads it, pictures as hard links
    ultralytics/     what Ultralytics writes itself
    ultralytics.log  what it says
"""

from __future__ import annotations

import json
import re
import shutil
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..convert.outward import write_annotations
from ..errors import ConfigError, DataError, ModelFileError
from ..files import atomic_path, read_json, sha256_file, write_json, write_text
from ..labels import LabelSpace
from ..prepared import PreparedFolder, evenly_spaced
from ..runtime import InstancePredictor, load_predictor
from ..runtime.description import Hints, describe_network
from .fit import FitResult, fit
from .predictors import open_predictor
from .record import MetricsFile, read_metrics
from .run_folder import describe, read_description
from .serialize import changed_settings, config_from_json
from .yolo import (
    Epoch,
    both_opencvs,
    check_weights,
    fetch_weights,
    network_outputs,
    score_weights,
    train_epochs,
    ultralytics_version,
    write_onnx,
)
from .yolo_config import YoloConfig

__all__ = ["AGPL_NOTICE", "YoloExport", "export_yolo", "fit_yolo", "load_yolo_predictor"]

AGPL_NOTICE = (
    "YOLOv8 and Ultralytics are under AGPL-3.0, and so is what is made with them here, unless you have"
    " another licence from Ultralytics"
)
"""What a command that trains or exports through Ultralytics says each time."""
_LICENSE = "AGPL-3.0 (Ultralytics)"
_OPENCVS = (
    "opencv-python, which Ultralytics asks for, and curbside's opencv-python-headless are installed into"
    " one folder, and removing either breaks the other; docs/instances.md says how to keep one of them"
)
_PUBLISHED = re.compile(r"yolov8[nsm]-seg\.pt")
_PICTURES = 4
_FREE = ("accelerator", "data.workers")


@fit.register
def fit_yolo(config: YoloConfig) -> FitResult:
    """Train YOLOv8-seg through Ultralytics, or go on training, and export the best epoch.

    A step is an epoch here.

    Args:
        config: The run.

    Raises:
        MissingDependencyError: Ultralytics is not installed.
        ConfigError: The settings cannot be, or the run folder holds another run.
        DataError, LabelError: The data cannot be learned from.
        ModelFileError: The weights to start from are none.
    """
    ultralytics_version()
    warnings.warn(AGPL_NOTICE, stacklevel=2)
    if both_opencvs():
        warnings.warn(_OPENCVS, stacklevel=2)
    began, folder = time.monotonic(), config.run_folder
    start = _claim(config)
    if not (folder / "model.onnx").is_file():
        if not (folder / "scores.json").is_file():
            _train(config, start)
        export_yolo(folder, folder / "model.onnx")
    rows = read_metrics(folder / "metrics.csv")
    scores = _scores(folder)
    return FitResult(
        folder=folder,
        steps=int(rows[-1]["step"]),
        best_score=scores["mask_map"],
        score_name="mask mAP50-95",
        best_step=scores["step"],
        seconds=time.monotonic() - began,
        resumed_at=start,
        rank=0,
    )


def _claim(config: YoloConfig) -> int:
    """Make the run folder ours; the epochs that it has behind it, if it holds the same run."""
    folder = config.run_folder
    if not (folder / "config.json").is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty and holds no run", fix="choose another --out")
        return 0
    if not (folder / "last.ckpt").is_file():
        return 0
    where = str(folder / "config.json")
    before = config_from_json(read_description(folder)["config"], where=where)
    for key, old, new in changed_settings(before, config, _FREE):
        raise ConfigError(
            f"{folder} holds a run with another {key} ({old}, not {new})",
            fix="choose another --out, or remove that folder to start anew",
        )
    rows = read_metrics(folder / "metrics.csv")
    return int(rows[-1]["step"]) if rows else 0


def _train(config: YoloConfig, start: int) -> None:
    """Train to the end, then measure the best epoch."""
    folder = config.run_folder
    log, last = folder / "ultralytics.log", folder / "last.ckpt"
    data = PreparedFolder(config.data.root[0])
    space = config.data.layout().label_space(data.space)
    splits = (config.data.train_split, config.data.val_split)
    about: dict[str, Any] = {"source": data.info.get("source"), "root": str(data.root)}
    about |= {
        name: len(data.samples(split)) for name, split in zip(("train", "val"), splits, strict=True)
    }
    weights = None
    if not start:
        _describe(config, space, about)
        weights = _first_weights(config, log)
    counts = _write_data(config, data, space)
    if not start:
        _describe(config, space, {**about, **counts})
    with _Follower(config, start) as follower:
        batch = train_epochs(
            config,
            folder / "data.yaml",
            work=folder / "ultralytics",
            weights=weights,
            last=last if last.is_file() else None,
            log=log,
            on_batch=follower.batch,
            on_epoch=follower.epoch,
        )
    if batch != config.batch_size:
        warnings.warn(
            f"memory held batches of {batch} alone, not {config.batch_size}", stacklevel=2
        )
    found = score_weights(folder / "best.ckpt", config, folder / "data.yaml", log=log)
    facts = {"split": splits[1], "measured_by": "Ultralytics", "least_pixels": config.data.min_area}
    write_json(folder / "scores.json", {**found, **facts})


def _describe(config: YoloConfig, space: LabelSpace, dataset: Mapping[str, Any]) -> None:
    device = "cpu" if config.accelerator == "cpu" or not torch.cuda.is_available() else "gpu"
    precision = "fp32" if device == "cpu" else "mixed"
    facts = describe(config, space, dataset, precision, ("ultralytics",))
    write_json(config.run_folder / "config.json", {**facts, "license": _LICENSE})


def _write_data(config: YoloConfig, data: PreparedFolder, space: LabelSpace) -> dict[str, Any]:
    """Write the splits for Ultralytics; what was written."""
    folder = config.run_folder
    splits = {"train": config.data.train_split, "val": config.data.val_split}
    out = folder / "data"
    done = write_annotations(
        config.data.layout(),
        data,
        out,
        splits=tuple(splits.values()),
        workers=max(1, config.data.workers),
    )
    for problem in done.problems:
        warnings.warn(f"left out: {problem.message}", stacklevel=2)
    for split in splits.values():
        if not done.counts.get(split, {}).get("objects"):
            raise DataError(
                f"the split {split} of {data.root} has no object of {', '.join(space.names)}",
                fix="choose other --data.classes, or data with instances",
            )
    for cache in (out / "labels").glob("*.cache"):  # pickles, perhaps of somebody else's making
        cache.unlink()
    about = {
        "path": str(out.resolve()),
        **{name: f"images/{split}" for name, split in splits.items()},
        "names": dict(enumerate(space.names)),
    }
    write_text(folder / "data.yaml", json.dumps(about, indent=2))  # JSON is YAML
    return {
        "counts": {split: dict(counts) for split, counts in done.counts.items()},
        "objects": dict(done.objects),
        "left_out": dict(done.left_out),
    }


def _first_weights(config: YoloConfig, log: Path) -> Path | None:
    if config.weights is None:
        return None
    path = Path(config.weights)
    if not path.exists() and _PUBLISHED.fullmatch(config.weights):
        path = fetch_weights(config.weights, config.run_folder / "ultralytics", log=log)
    check_weights(path, config.size, log=log)
    return path


class _Follower:
    """Shows how far the training is, and keeps of every epoch what a killed run needs to go on."""

    def __init__(self, config: YoloConfig, start: int) -> None:
        self._folder = config.run_folder
        self._metrics = MetricsFile(self._folder / "metrics.csv", resumed_at=start)
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._row = self._bar.add_task(config.name, total=None, text="")
        self._score = ""

    def __enter__(self) -> _Follower:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def batch(self, done: int, total: int, loss: float) -> None:
        """A batch is over."""
        text = f"batch {done:,} of {total:,} loss {loss:.2f}{self._score}"
        self._bar.update(self._row, completed=done, total=total, text=text)

    def epoch(self, found: Epoch) -> None:
        """An epoch is over: the checkpoint first, as one that is behind only costs that epoch."""
        self._score = f" mask mAP {100 * found.values['val/mask_map']:.1f}"
        if found.best is not None:
            _copy(found.best, self._folder / "best.ckpt")
        _copy(found.last, self._folder / "last.ckpt")
        self._metrics.log_metrics(found.values, found.number)
        self._metrics.write()


def _copy(source: Path, target: Path) -> None:
    """A copy, not a link: Ultralytics writes its own file anew in place, which a kill can cut short."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


@dataclass(frozen=True, kw_only=True)
class YoloExport:
    """How closely a written file agrees with its checkpoint, over every place of the pictures."""

    pictures: int
    """Number of pictures."""
    box_difference: float
    """Largest difference of a box's centre or side, in pixels of the input."""
    score_difference: float
    """Largest difference of a probability."""
    mask_difference: float
    """Largest difference of a coefficient or a prototype."""


def export_yolo(
    folder: Path, out: Path, *, size_hw: tuple[int, int] | None = None, opset: int = 17
) -> YoloExport:
    """Write the best epoch of a run as an ONNX model file, and only if it answers as its checkpoint does.

    Args:
        folder: The run folder.
        out: The file to write, ending in .onnx.
        size_hw: Height and width of the picture that goes in, multiples of 32; the run's own where None.
        opset: Version of ONNX's operators.

    Raises:
        MissingDependencyError: Ultralytics is not installed.
        ModelFileError: The run is unfinished, or the file disagrees with the checkpoint.
    """
    from ..deploy import replace_manifest  # wants onnx, which training alone does not

    if out.suffix.lower() != ".onnx":
        raise ConfigError(f"{out} does not end in .onnx", fix="name the file with --out M.onnx")
    about = read_description(folder)
    config = config_from_json(about["config"], where=str(folder / "config.json"), kind=YoloConfig)
    config = replace(config, export_hw=size_hw or config.export_hw)  # checks the size
    weights, log = folder / "best.ckpt", folder / "ultralytics.log"
    scores = _scores(folder)
    with atomic_path(out, durable=True) as temporary:
        write_onnx(weights, temporary, config.input_hw, opset, log=log)
        manifest = replace(
            describe_network(temporary, Hints(task="instances")),
            space=LabelSpace.from_dict(about["label_space"]),
            model=config.title,
            source={
                "recipe": config.name,
                "commit": about.get("commit"),
                "step": scores["step"],
                "weights_sha256": sha256_file(weights),
                "dataset": about.get("dataset"),
                "trained_in": about.get("precision"),
                "versions": about.get("versions"),
                "license": _LICENSE,
            },
            scores={"validation": scores},
        )
        replace_manifest(temporary, manifest)
        found = _compare(temporary, weights, _pictures(folder, config), log)
        if max(found.box_difference / 0.1, found.score_difference / 1e-3) > 1:
            raise ModelFileError(
                f"the exported graph differs from the checkpoint by {found.box_difference:.3g} pixels"
                f" and {found.score_difference:.3g} of a probability: {out} was not written",
                fix="try another --opset, and report the network that it happens with",
            )
    return found


def _pictures(folder: Path, config: YoloConfig) -> list[np.ndarray]:
    """A few of those it was scored on; noise where they are gone."""
    try:
        samples = PreparedFolder(config.data.root[0]).samples(config.data.val_split)
        return [sample.read_bgr() for sample in evenly_spaced(samples, _PICTURES)]
    except DataError:
        random = np.random.default_rng(0)
        return [random.integers(0, 256, (*config.input_hw, 3), np.uint8) for _ in range(_PICTURES)]


def _compare(path: Path, weights: Path, frames: list[np.ndarray], log: Path) -> YoloExport:
    with load_predictor(path) as predictor:
        tensors = [predictor.prepare(frame) for frame in frames]
        names = [predictor.manifest.outputs_of(m)[0].name for m in ("detections", "prototypes")]
        given = [[predictor.infer(tensor)[name] for name in names] for tensor in tensors]
        classes = len(predictor.manifest.space.classes)
    wanted = network_outputs(weights, tensors, log=log)
    parts = np.array([4, 4 + classes])
    worst = np.zeros(3)
    for ours, theirs in zip(given, wanted, strict=True):
        apart = [np.abs(one - two) for one, two in zip(ours, theirs, strict=True)]
        boxes, chances, mixes = (part.max() for part in np.split(apart[0], parts, axis=1))
        worst = np.maximum(worst, [boxes, chances, max(mixes, apart[1].max())])
    return YoloExport(
        pictures=len(frames),
        box_difference=float(worst[0]),
        score_difference=float(worst[1]),
        mask_difference=float(worst[2]),
    )


def _scores(folder: Path) -> dict[str, Any]:
    return read_json(
        folder / "scores.json",
        error=ModelFileError,
        fix="let it train to its end: the same curbside train goes on",
    )


def load_yolo_predictor(folder: Path, *, threads: int | None = None) -> InstancePredictor:
    """Open a run folder as a predictor: its model file in the runtime.

    Args:
        folder: The run folder.
        threads: Threads for the network; all cores where None.

    Raises:
        ModelFileError: The run is unfinished.
    """
    path = folder / "model.onnx"
    if not path.is_file():
        raise ModelFileError(
            f"{folder} has no model.onnx yet", fix="let it train to its end, which exports it"
        )
    predictor = load_predictor(path, threads=threads)
    assert isinstance(predictor, InstancePredictor)
    return predictor


@open_predictor.register
def _open_yolo(
    config: YoloConfig, folder: Path, *, device: str, calibrated: bool
) -> InstancePredictor:
    del config, device, calibrated  # its model file runs on the processor, and has no temperature
    return load_yolo_predictor(folder, threads=torch.get_num_threads())
