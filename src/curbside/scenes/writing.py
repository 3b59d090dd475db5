"""Sets of scenes on disk, in a raw layout or as a prepared folder; both go on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import read_json, write_bytes, write_json
from ..labels import space_of_encoding
from ..prepared import SPLITS, PreparedWriter, SampleData, SampleRecord, write_sample
from ..processes import in_processes
from .annotating import annotated_part
from .config import Annotation, ScenesConfig
from .layouts import find_layout
from .shot import Shot

__all__ = ["write_layout", "write_prepared"]

_OPTIONS = "curbside-scenes.json"


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A scene to draw and write."""

    root: Path
    shot: Shot
    style: str
    """The raw layout, or the encoding of a prepared folder's masks."""
    annotation: Annotation | None = None
    """What alone is annotated on it; everything where None."""


def write_layout(root: Path, config: ScenesConfig, layout: str = "idd") -> dict[str, int]:
    """Write scenes as a dataset that was just downloaded.

    What is there is kept: files appear whole or not at all, and only streets that lack one are drawn.

    Args:
        root: The folder to make.
        config: What to draw; of its conditions, those that the dataset knows.
        layout: One of `layout_names()`.

    Returns:
        The number of scenes per split.

    Raises:
        ConfigError: There is no such layout, it knows none of the conditions, parts of the annotation are
            wanted, or the folder holds scenes of another layout, seed, size or set of conditions.
        StorageError: The place cannot be written.
    """
    root = Path(root)
    if config.train_annotations:
        raise ConfigError(
            f"the layout {layout} has annotations of its own, not {', '.join(config.train_annotations)}",
            fix="leave train_annotations out, or make a prepared folder",
        )
    kind = find_layout(layout)
    known = [condition for condition in config.conditions if condition in kind.conditions]
    if not known:
        raise ConfigError(
            f"{layout} has no pictures in the conditions {', '.join(config.conditions)}",
            fix=f"choose some of {', '.join(kind.conditions)}",
        )
    _same_scenes(root, {"layout": layout, **_options(config), "conditions": known})
    for leftover in root.rglob(".partial-*"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    shots = _shots(config, known)
    missing = [
        _Job(root=root, shot=shot, style=layout)
        for shot in shots
        if not all((root / name).is_file() for name in kind.files(shot))
    ]
    with closing(_in_processes(_write_files, missing, config)) as done:
        for _ in done:
            pass
    for name, data in kind.lists(shots).items():
        if not (root / name).is_file() or (root / name).read_bytes() != data:
            write_bytes(root / name, data)
    return {split: sum(shot.split == split for shot in shots) for split in SPLITS}


def write_prepared(
    root: Path, config: ScenesConfig, *, labels: str = "level2"
) -> dict[str, dict[str, int]]:
    """Write scenes as a prepared folder with masks, instances and depth, tagged with their weather.

    Args:
        root: The folder to make.
        config: What to draw, and what is annotated on it.
        labels: The IDD encoding of the masks.

    Returns:
        Per split, the number of samples and of each target.

    Raises:
        LabelError: There is no such encoding.
        ConfigError: The folder holds something else.
        StorageError: The place cannot be written.
    """
    root = Path(root)
    encoding, space = space_of_encoding(labels)
    options = {**_options(config), "labels": encoding}
    if config.train_annotations:
        options["train_annotations"] = list(config.train_annotations)
    writer = PreparedWriter(root, space=space, source="drawn scenes", options=options)
    jobs = [
        _Job(root=root, shot=shot, style=encoding, annotation=_annotation(shot, config))
        for shot in _shots(config, config.conditions)
        if not writer.done(shot.split, _id(shot))
    ]
    with closing(_in_processes(_write_sample, jobs, config)) as records:
        for record in records:
            writer.add(record)
    return writer.finish()


def _in_processes(work: Any, jobs: Sequence[_Job], config: ScenesConfig) -> Any:
    return in_processes(
        work,
        jobs,
        config.workers,
        "drawing scenes",
        engine=config.engine,
        address=config.address,
    )


def _options(config: ScenesConfig) -> dict[str, Any]:
    return {
        "seed": config.seed,
        "size_hw": list(config.size_hw),
        "conditions": list(config.conditions),
    }


def _same_scenes(root: Path, options: dict[str, Any]) -> None:
    """Note what the folder holds; refuse one that holds something else."""
    path = root / _OPTIONS
    if path.is_file():
        fix = "choose another folder, or remove that one first"
        if read_json(path, error=ConfigError, fix=fix) != options:
            raise ConfigError(
                f"{root} holds scenes of another layout, seed, size or conditions", fix=fix
            )
    elif root.is_dir() and any(root.iterdir()):
        raise ConfigError(
            f"{root} is not empty and holds no drawn scenes", fix="choose an empty or new folder"
        )
    else:
        write_json(path, options)


def _shots(config: ScenesConfig, conditions: Sequence[str]) -> list[Shot]:
    return [
        Shot(
            seed=config.seed,
            split=split,
            number=number,
            condition=conditions[number % len(conditions)],
            size_hw=(config.size_hw[0], config.size_hw[1]),
        )
        for split, count in zip(SPLITS, (config.train, config.val, config.test), strict=True)
        for number in range(count)
    ]


def _annotation(shot: Shot, config: ScenesConfig) -> Annotation | None:
    """What alone is annotated on a scene; every condition sees all of the annotations in turn."""
    parts = config.train_annotations
    if shot.split != SPLITS[0] or not parts:
        return None
    around, turn = divmod(shot.number, len(config.conditions))
    return parts[(around + turn) % len(parts)]


def _id(shot: Shot) -> str:
    return f"{shot.condition}_{shot.number:06d}"


def _write_files(job: _Job) -> None:
    for name, make in find_layout(job.style).files(job.shot).items():
        write_bytes(job.root / name, make())


def _write_sample(job: _Job) -> SampleRecord:
    shot = job.shot
    focal_px = shot.world.street.camera(shot.size_hw).focal_px
    data = SampleData(
        id=_id(shot),
        split=shot.split,
        image=shot.scene.rgb,
        semantic=shot.scene.ids(job.style),
        instances=shot.scene.instances(job.style),
        depth_m=shot.scene.depth_m,
        focal_xy_px=(focal_px, focal_px),
        tags={"weather": shot.condition},
    )
    space = space_of_encoding(job.style)[1]
    if job.annotation is not None:
        data = annotated_part(data, job.annotation, space)
    return write_sample(job.root, data, space)
