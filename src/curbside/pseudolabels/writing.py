"""Pictures through a labeller into a prepared folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, SourceError
from ..files import as_storage_error
from ..prepared import PSEUDO_LABELS, PreparedWriter, Sample, SampleData, write_sample
from ..progress import track
from .keeping import Own, Targets
from .labeller import Labeller, Labels
from .report import ACCEPTED, Acceptance, read_acceptance

__all__ = ["Picture", "write_pseudolabels"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture to label."""

    id: str
    """Its name, without a slash, unique within its split."""
    split: str
    """`train`, `val` or `test`."""
    image: Path | np.ndarray
    """A file to link or copy as it is, or (H, W, 3) uint8 RGB."""
    read_bgr: Callable[[], np.ndarray]
    """Reads it: (H, W, 3) uint8 BGR."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Anything to group by."""
    focal_xy_px: tuple[float, float] | None = None
    """Focal length of its camera along x and y, in its pixels, where it is known."""
    sample: Sample | None = None
    """The sample of a prepared folder that it is of, whose targets may be kept."""

    @property
    def name(self) -> str:
        """Where it comes from, for a message."""
        return str(self.image) if isinstance(self.image, Path) else self.id

    @classmethod
    def of_sample(cls, sample: Sample) -> Picture:
        """The picture of a prepared folder's sample."""
        return cls(
            id=sample.id.replace("/", "_"),
            split=sample.record.split,
            image=sample.image_path,
            read_bgr=sample.read_bgr,
            tags=sample.record.tags,
            focal_xy_px=sample.record.focal_xy_px,
            sample=sample,
        )


def write_pseudolabels(
    labeller: Labeller,
    pictures: Iterable[Picture],
    out: Path,
    *,
    total: int | None = None,
    source: str = "pictures",
    keep_targets: bool = False,
) -> Acceptance:
    """Label pictures into a prepared folder; what was done before a kill is not done again.

    Args:
        labeller: The networks, and what they must be sure of.
        pictures: The pictures.
        out: The prepared folder to make.
        total: How many there are, where that is known.
        source: Where the pictures come from, for the record.
        keep_targets: Take over what samples of a prepared folder are labelled with: their depth, and their
            masks and objects, of which networks fill in the classes that were not annotated. Nothing is
            asked of networks that a sample has already.

    Returns:
        How much of what the networks said became labels, over all pictures in the folder.

    Raises:
        ConfigError: The folder holds something else, or labels made otherwise, or masks that are to be kept
            are of another label space.
        DataError: Not one picture could be read, or two have one name.
        StorageError: The place cannot be written.
    """
    writer = PreparedWriter(
        out,
        space=labeller.space,
        source=PSEUDO_LABELS,
        options={
            "teacher": labeller.title,
            "teacher_source": labeller.sources,
            "temperature": labeller.temperature,
            "pictures": source,
            **asdict(labeller.config),
            **({"keep_targets": True} if keep_targets else {}),
        },
    )
    noted = {(row["split"], row["id"]) for row in read_acceptance(out)}
    unreadable: list[str] = []
    seen: set[tuple[str, str]] = set()
    for picture in _to_the_end(track(pictures, total=total, description="labelling"), unreadable):
        key = picture.split, picture.id
        if key in seen:
            raise DataError(
                f"two pictures are called {picture.id}, the second {picture.name}",
                fix="rename one: names are paths with _ for /, without what follows the last dot",
            )
        seen.add(key)
        if writer.done(*key) and key in noted:
            continue
        try:
            targets, labels, kept = _targets(labeller, picture, keep_targets)
            data = SampleData(
                id=picture.id,
                split=picture.split,
                image=picture.image,
                tags=picture.tags,
                focal_xy_px=picture.focal_xy_px,
                **vars(targets),
            )
            record = write_sample(out, data, labeller.space)
        except DataError as error:
            unreadable.append(str(error))
            continue
        if key not in noted:
            _note(out, picture, labels, kept)
        if not writer.done(*key):
            writer.add(record)
    if not len(writer):
        writer.abandon()
        raise DataError(
            f"none of the pictures could be labelled: {unreadable[0] if unreadable else 'there is none'}",
            fix="name a folder with pictures, a prepared folder or a video",
        )
    writer.finish()
    return Acceptance.of(read_acceptance(out), labeller, unreadable=tuple(unreadable))


def _targets(
    labeller: Labeller, picture: Picture, keep_targets: bool
) -> tuple[Targets, Labels, tuple[str, ...]]:
    """What a picture gets, what networks said of it, and the names of the targets that it had."""
    focal = picture.focal_xy_px
    if not keep_targets or picture.sample is None:
        labels = labeller(picture.read_bgr(), focal_xy_px=focal)
        return Targets.of(labels, labeller), labels, ()
    own = Own.of(picture.sample, labeller.space)
    labels = labeller(
        picture.read_bgr(),
        focal_xy_px=focal,
        classes=own.lacks_classes(labeller),
        depth=own.depth_m is None,
    )
    return *own.with_rest(labels, labeller), picture.sample.record.targets


def _to_the_end(pictures: Iterable[Picture], unreadable: list[str]) -> Iterator[Picture]:
    """The pictures, as far as a video that breaks off gives them."""
    try:
        yield from pictures
    except SourceError as error:
        unreadable.append(str(error))


def _note(out: Path, picture: Picture, labels: Labels, kept: tuple[str, ...]) -> None:
    """Add a picture's counts to `acceptance.jsonl`."""
    row: dict[str, Any] = {"split": picture.split, "id": picture.id}
    row |= {name: dict(getattr(labels, name)) for name in ACCEPTED}
    row |= {"kept": dict.fromkeys(kept, 1)} if kept else {}
    path = out / "acceptance.jsonl"
    try:
        with open(path, "a", encoding="utf-8") as file:
            # On a line of its own, whatever a kill left before it.
            file.write("\n" + json.dumps(row, sort_keys=True) + "\n")
    except OSError as error:
        raise as_storage_error(error, path) or error from error
