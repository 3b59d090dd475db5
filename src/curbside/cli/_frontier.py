"""The networks of `curbside frontier`: opened, brought into files, and scored once."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, LabelError, ModelFileError

if TYPE_CHECKING:
    import numpy as np

    from ..evaluation.frontier import MainScore
    from ..labels import CommonSpace
    from ..manifest import Manifest
    from ..prepared import Sample

__all__ = ["Entrant", "Task", "exported", "make_task", "open_entrants", "scored"]


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A network that takes part."""

    name: str
    """What it is called."""
    path: Path
    """The run folder or model file that was named."""
    manifest: Manifest
    """What it says of itself; of a run, what its file would say."""
    ran: tuple[str, str]
    """The precision and the device of it, opened here."""
    parameters: int | None
    """Its weights, where a run tells."""

    @property
    def is_run(self) -> bool:
        """Whether it is a run folder, which is exported first."""
        return self.path.is_dir()


@dataclass(frozen=True, kw_only=True)
class Task:
    """What all are scored on."""

    samples: tuple[Sample, ...]
    """The samples, in common classes where these were asked for."""
    classes: tuple[str, ...]
    """At which classes."""
    ways: tuple[CommonSpace | None, ...]
    """By entrant, how its classes become these; None where they are the data's, or objects'."""


def open_entrants(paths: Sequence[Path], *, threads: int | None) -> list[Entrant]:
    """Open every run folder and model file once, to see that it can take part.

    Raises:
        ModelFileError: One is missing, cannot be opened, is for another task than the first, or
            stands there twice.
    """
    from ._model import open_class_model

    found: list[Entrant] = []
    for path, name in zip(paths, _names(paths), strict=True):
        parameters = _parameters(path) if path.is_dir() else None
        with open_class_model(path, threads=threads) as predictor:
            entrant = Entrant(
                name=name,
                path=path,
                manifest=predictor.manifest,
                ran=(predictor.precision, predictor.backend.device),
                parameters=parameters,
            )
        found.append(entrant)
        told, first = (item.manifest.answers[0] for item in (entrant, found[0]))
        if told != first:
            raise ModelFileError(
                f"{path} answers {told}, {paths[0]} answers {first}",
                fix="draw a frontier of networks of one task",
            )
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """What each is called: the last parts of its path, as many as tell all of them apart."""
    parts = [path.resolve().parts for path in paths]
    for place, path in enumerate(paths):
        if parts[place] in parts[:place]:
            raise ModelFileError(f"{path} stands there twice", fix="name every network once")
    most = max(map(len, parts))
    tails = (["/".join(item[-count:]) for item in parts] for count in range(1, most + 1))
    return next(names for names in tails if len(set(names)) == len(names))


def _parameters(run: Path) -> int:
    """The weights of a run's network, in the form that is deployed."""
    from ..labels import LabelSpace
    from ..models.complexity import deployed_parameters, on_meta
    from ..training import InstanceTrainConfig, YoloConfig, load_config
    from ..training.run_folder import read_description

    config: Any = load_config(run)
    if isinstance(config, YoloConfig):
        raise ModelFileError(
            f"{run} is a run of Ultralytics' network, which is exported as it does it",
            fix=f"name its file: curbside export {run} --out M.onnx",
        )
    space = LabelSpace.from_dict(read_description(run)["label_space"])
    objects = isinstance(config, InstanceTrainConfig)
    channels = len(space.classes) if objects else space.num_channels
    return deployed_parameters(on_meta(config.model, channels))


def make_task(
    entrants: Sequence[Entrant], samples: Sequence[Sample], *, common: bool, split: str
) -> Task:
    """What all the networks can be scored on.

    Args:
        entrants: The networks, all of one task.
        samples: Those of the split.
        common: Score at the classes that all label spaces have in common.
        split: What to call them.

    Raises:
        LabelError: The label spaces differ, or have nothing in common.
        DataError: There is no truth for the task.
    """
    from ..labels import common as brought
    from ..labels.common_space import joined

    none = tuple(None for _ in entrants)
    if entrants[0].manifest.task == "instances":
        return _objects_task(entrants, samples, split)
    space = samples[0].space
    if not common:
        for item in entrants:
            _require_space(item, samples[0])
        return Task(samples=tuple(samples), classes=space.names, ways=none)
    ways = joined([brought(item.manifest.space, space) for item in entrants])
    return Task(
        samples=tuple(sample.mapped(ways[0].second) for sample in samples),
        classes=ways[0].space.names,
        ways=tuple(ways),
    )


def _require_space(item: Entrant, sample: Sample) -> None:
    from ..evaluation import require_same_space

    try:
        require_same_space(
            item.manifest.space, sample.space, otherwise=", or score at common classes: --common"
        )
    except LabelError as error:
        raise LabelError(f"{item.path}: {error.what}", fix=error.fix) from error


def _objects_task(entrants: Sequence[Entrant], samples: Sequence[Sample], split: str) -> Task:
    """Objects are always compared at the classes that network and data share; these must be one set."""
    from ..deploy.gate.objects import told_objects
    from ..evaluation.instances import shared_things
    from ..metrics import require_coco_eval

    require_coco_eval()
    first, *others = [shared_things(item.manifest, samples[0].space) for item in entrants]
    for item, shared in zip(entrants[1:], others, strict=True):
        if shared.space.names != first.space.names:
            raise LabelError(
                f"{item.path} and the data share the classes {', '.join(shared.space.names)},"
                f" {entrants[0].path} and the data {', '.join(first.space.names)}",
                fix="draw a frontier of networks that find the same objects",
            )
    told = told_objects(entrants[0].manifest, samples)
    if not told:
        raise DataError(
            f"{samples[0].root} has no objects of {', '.join(first.space.names)} in {split}",
            fix="choose another split, or data whose objects are counted",
        )
    none = tuple(None for _ in entrants)
    return Task(samples=tuple(told), classes=first.space.names, ways=none)


def exported(
    item: Entrant,
    folder: Path,
    size_hw: tuple[int, int] | None,
    frames: Sequence[np.ndarray],
    *,
    threads: int | None,
) -> Path:
    """The model file of a network: what was named, or what its run comes to.

    Args:
        item: The network.
        folder: Where files of runs are; one that is there already is used if it is the same.
        size_hw: Input size of runs; their own where None.
        frames: (H, W, 3) uint8 BGR, to check a new file on against its checkpoint.
        threads: Threads for looking into a file that is there.
    """
    if not item.is_run:
        return item.path
    path = folder / f"{item.name}.onnx"
    size_hw = size_hw or item.manifest.input.size_hw
    if _is_made(path, item.manifest, size_hw, threads=threads):
        return path
    _say(f"exporting {item.name}")
    from ..export import ExportConfig
    from ..training import load_instance_run, load_run
    from .export import export_instance_run, export_run

    config = ExportConfig(size_hw=size_hw)
    if item.manifest.task == "instances":
        export_instance_run(load_instance_run(item.path), path, config, frames)
    else:
        export_run(load_run(item.path), path, config, frames)
    return path


def _is_made(path: Path, run: Manifest, size_hw: tuple[int, int], *, threads: int | None) -> bool:
    """Whether a file has what a run comes to at this size: its weights, what was fitted to them, and the
    class map or the objects alone."""
    from ..runtime import load_class_predictor

    if not path.is_file():
        return False
    try:
        with load_class_predictor(path, threads=threads) as predictor:
            made = predictor.manifest
    except ModelFileError:
        return False
    if made.input.size_hw != size_hw or made.output("logits") or made.output("confidence"):
        return False
    return _of_the_run(made) == _of_the_run(run)


def _of_the_run(manifest: Manifest) -> str:
    """What a Manifest says that does not depend on the form of the file."""
    facts = manifest.to_dict()
    return json.dumps(
        {k: v for k, v in facts.items() if k not in ("input", "outputs", "host")}, sort_keys=True
    )


def scored(
    item: Entrant,
    path: Path,
    samples: Sequence[Sample],
    way: CommonSpace | None,
    folder: Path,
    *,
    threads: int,
) -> MainScore:
    """What a file scores: kept from an earlier time where nothing has changed, else taken now.

    Args:
        item: The network.
        path: Its file.
        samples: What to score on.
        way: How its classes become common ones.
        folder: Where scores are kept.
        threads: Threads for the network.

    Raises:
        DataError: Not one picture could be read, or there is nothing to score on.
    """
    from ..deploy.gate.lineup import score_file
    from ..deploy.gate.objects import score_objects
    from ..evaluation.frontier import MainScore, main_score
    from ..files import write_json

    key = _key(item, path, samples, way)
    kept = folder / f"{_sha256(key)[:20]}.json"
    known = _read(kept, key)
    if known is not None:
        _say(f"{item.name}: its score is known")
        return MainScore(**known)
    _say(f"scoring {item.name}")
    found: Any = (
        score_objects(path, samples, threads=threads)
        if item.manifest.task == "instances"
        else score_file(path, samples, threads=threads, calibration=False, common=way)
    )
    for message in found.unreadable:
        _say(f"left out: {message}")
    score = main_score(found)
    if score.value is None:
        raise DataError(
            f"{item.name} has no {score.name}: the pictures hold nothing to take it on",
            fix="choose another split, or more pictures",
        )
    if not found.unreadable:
        write_json(kept, {"key": key, "score": asdict(score)})
    return score


def _key(
    item: Entrant, path: Path, samples: Sequence[Sample], way: CommonSpace | None
) -> dict[str, Any]:
    """Everything that a score depends on."""
    from .. import __version__
    from ..deploy.gate.lineup import parts_of
    from ..files import sha256_file
    from ..hardware import cpu_model

    beside = [path.with_name(f"{path.name}.json"), *(path.with_suffix(s) for s in parts_of(path))]
    target = "instances" if item.manifest.task == "instances" else "semantic"
    pictures = [
        [sample.id, *_stamp(sample.image_path), *_stamp(sample.target_path(target))]
        for sample in samples
    ]
    key = {
        "curbside": __version__,
        "file": [sha256_file(one) for one in (path, *beside) if one.is_file()],
        "ran": [*item.ran, cpu_model()],
        "data": str(samples[0].root.resolve()),
        "split": samples[0].record.split,
        "pictures": _sha256(pictures),
        "classes": samples[0].space.to_dict(),
        "common": None if way is None else way.to_dict(),
    }
    whole: dict[str, Any] = json.loads(json.dumps(key))  # as it is when it is read again
    return whole


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file, zeros where it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return 0, 0
    return facts.st_size, facts.st_mtime_ns


def _read(path: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """A score that was kept for this very key; None where there is none, or it is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        score = dict(data["score"]) if data["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if score is None or set(score) != {"name", "value", "interval", "images"}:
        return None
    return {**score, "interval": score["interval"] and tuple(score["interval"])}


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _say(line: str) -> None:
    print(f"curbside frontier: {line}", file=sys.stderr)
