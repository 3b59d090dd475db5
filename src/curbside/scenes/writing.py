"""Sets of scenes on disk, in IDD's raw layout or as a prepared folder; both go on after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import read_json, write_json, write_text
from ..imaging import write_jpeg
from ..labels import LabelSpace, space_of_encoding
from ..prepared import SPLITS, PreparedWriter, SampleData, SampleRecord, write_sample
from ..processes import in_processes
from .config import ScenesConfig
from .drawing import draw_scene

__all__ = ["write_idd", "write_prepared"]

_OPTIONS = "curbside-scenes.json"
_FIRST_INDEX = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # no two splits share a street


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One scene to draw and write."""

    root: Path
    seed: int
    split: str
    number: int
    condition: str
    size_hw: tuple[int, int]
    labels: str

    @property
    def index(self) -> int:
        """The number of its street."""
        return _FIRST_INDEX[self.split] + self.number

    @property
    def name(self) -> str:
        """The frame's name within its drive."""
        return f"{self.number:06d}"

    @property
    def image(self) -> Path:
        """The picture in IDD's layout; a drive is a condition."""
        folder = self.root / "leftImg8bit" / self.split / self.condition
        return folder / f"{self.name}_leftImg8bit.jpg"

    @property
    def annotation(self) -> Path:
        """The polygons in IDD's layout."""
        return (
            self.root / "gtFine" / self.split / self.condition / f"{self.name}_gtFine_polygons.json"
        )


def write_idd(root: Path, config: ScenesConfig) -> dict[str, int]:
    """Write scenes as an IDD dataset: `leftImg8bit/` and `gtFine/`, one drive per condition.

    What is there is kept: a picture is written after its polygons, so one that exists is complete.

    Args:
        root: The folder to make.
        config: What to draw.

    Returns:
        The number of scenes per split.

    Raises:
        ConfigError: The folder holds scenes of another seed, size or set of conditions.
        StorageError: The place cannot be written.
    """
    root = Path(root)
    _same_scenes(root, config)
    for leftover in root.glob("*/*/*/.partial-*"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    jobs = list(_jobs(root, config, labels=""))
    missing = [job for job in jobs if not (job.image.is_file() and job.annotation.is_file())]
    for _ in in_processes(_write_idd_scene, missing, config.workers, "drawing scenes"):
        pass
    return {split: sum(job.split == split for job in jobs) for split in SPLITS}


def write_prepared(
    root: Path, config: ScenesConfig, *, labels: str = "level2"
) -> dict[str, dict[str, int]]:
    """Write scenes as a prepared folder with masks, instances and depth, tagged with their weather.

    Args:
        root: The folder to make.
        config: What to draw.
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
    writer = PreparedWriter(root, space=space, source="drawn scenes", options=options)
    jobs = [
        job for job in _jobs(root, config, labels=encoding) if not writer.done(job.split, _id(job))
    ]
    for record in in_processes(_write_sample, jobs, config.workers, "drawing scenes"):
        writer.add(record)
    return writer.finish()


def _options(config: ScenesConfig) -> dict[str, Any]:
    return {
        "seed": config.seed,
        "size_hw": list(config.size_hw),
        "conditions": list(config.conditions),
    }


def _same_scenes(root: Path, config: ScenesConfig) -> None:
    """Note what the folder holds; refuse one that holds something else."""
    path = root / _OPTIONS
    if path.is_file():
        fix = "choose another folder, or remove that one first"
        if read_json(path, error=ConfigError, fix=fix) != _options(config):
            raise ConfigError(f"{root} holds scenes of another seed, size or conditions", fix=fix)
    elif root.is_dir() and any(root.iterdir()):
        raise ConfigError(
            f"{root} is not empty and holds no drawn scenes", fix="choose an empty or new folder"
        )
    else:
        write_json(path, _options(config))


def _jobs(root: Path, config: ScenesConfig, *, labels: str) -> Iterator[_Job]:
    for split, count in zip(SPLITS, (config.train, config.val, config.test), strict=True):
        for number in range(count):
            yield _Job(
                root=root,
                seed=config.seed,
                split=split,
                number=number,
                condition=config.conditions[number % len(config.conditions)],
                size_hw=tuple(config.size_hw),  # type: ignore[arg-type]
                labels=labels,
            )


def _id(job: _Job) -> str:
    return f"{job.condition}_{job.name}"


def _write_idd_scene(job: _Job) -> None:
    scene = draw_scene(job.seed, job.index, job.condition, size_hw=job.size_hw)
    write_text(job.annotation, json.dumps(scene.idd_json()))
    write_jpeg(job.image, scene.rgb, quality=95)


def _write_sample(job: _Job) -> SampleRecord:
    scene = draw_scene(job.seed, job.index, job.condition, size_hw=job.size_hw)
    space: LabelSpace = space_of_encoding(job.labels)[1]
    data = SampleData(
        id=_id(job),
        split=job.split,
        image=scene.rgb,
        semantic=scene.ids(job.labels),
        instances=scene.instances(job.labels),
        depth_m=scene.depth_m,
        tags={"weather": job.condition},
    )
    return write_sample(job.root, data, space)
