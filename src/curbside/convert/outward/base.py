"""What a format for other tools is, and writing a prepared folder in one."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ...errors import ConfigError, DataError, LabelError
from ...files import link_or_copy, read_json, write_json
from ...labels import LabelSpace
from ...prepared import SPLITS, PreparedFolder, Sample
from ...processes import in_processes
from ..engine import Problem

__all__ = ["Annotations", "Format", "Piece", "link_image", "write_annotations"]

_MARKER = "curbside-annotations.json"
_OTHER_FOLDER = "choose another folder, or remove that one first"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a format made of one sample; its own files are written."""

    id: str
    """The sample."""
    split: str
    """Its split."""
    content: Any = None
    """What goes into the file of the split, in whatever form the format likes."""
    objects: Mapping[str, int] = field(default_factory=dict)
    """Objects, segments or polygons written, per class."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Objects not written, per reason."""
    skipped: str | None = None
    """Why nothing was written; None where it was."""


SomeFormat = TypeVar("SomeFormat", bound="Format")


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """A way to write annotations. One file of this folder per format, which gives its name."""

    layout: ClassVar[str]
    """Formats with the same one are made for each other and may share a folder."""

    @property
    def name(self) -> str:
        """The format in a word, as the command line spells it."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    def resolved(self: SomeFormat, space: LabelSpace) -> SomeFormat:
        """The format with its options made definite for a label space.

        Raises:
            ConfigError: An option is impossible.
            LabelError: The label space cannot be written so.
        """
        del space
        return self

    @abstractmethod
    def lacks(self, sample: Sample) -> str | None:
        """Why a sample cannot be written, in a few words; None where it can. Nothing is read."""

    @abstractmethod
    def write_sample(self, sample: Sample, number: int, out: Path) -> Piece:
        """Write the files of one sample; called in several processes.

        Args:
            sample: The sample.
            number: Its place in its split, from 1.
            out: The folder to write into.

        Raises:
            DataError: A file of it is missing, damaged or says something impossible.
            LabelError: It holds an id outside the label space.
        """

    @abstractmethod
    def write_split(
        self, out: Path, split: str, space: LabelSpace, pieces: Iterable[Piece]
    ) -> None:
        """Write the file of a split, whole or not at all.

        Args:
            out: The folder to write into.
            split: The split.
            space: What the class ids mean.
            pieces: What became of its samples, in their order. They are made while they are
                walked over, which must be to the end.
        """


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """What was written."""

    out: Path
    """The folder."""
    counts: Mapping[str, Mapping[str, int]]
    """Per split, the number of images, of those without objects, and of objects."""
    objects: Mapping[str, int]
    """Objects per class."""
    skipped: Mapping[str, int]
    """Samples without what the format needs, per reason."""
    left_out: Mapping[str, int]
    """Objects not written, per reason."""
    problems: tuple[Problem, ...]
    """Samples that are bad."""
    seconds: float
    """Wall time."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "out": str(self.out), "seconds": round(self.seconds, 3)}


def write_annotations(
    form: Format,
    data: PreparedFolder,
    out: Path,
    *,
    splits: Sequence[str] | None = None,
    workers: int | None = None,
) -> Annotations:
    """Write the annotations of a prepared folder for other tools.

    Files appear whole or not at all, those of whole splits last. Run again, it writes the same
    bytes again. Files of samples that `data` has no more are not removed.

    Args:
        form: The format, with its options.
        data: The prepared folder.
        out: The folder to make.
        splits: Which splits; all that have samples where not given.
        workers: Processes; as many as there are cores where not given. More than one needs the
            usual `if __name__ == "__main__":` around the caller's own script.

    Raises:
        ConfigError: An option is impossible, or `out` holds something else.
        LabelError: The label space cannot be written so.
        DataError: Not one sample can be written.
        StorageError: The place cannot be written.
    """
    start = time.perf_counter()
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers cannot work", fix="give 1 or more")
    form, out = form.resolved(data.space), Path(out)
    chosen = [s for s in SPLITS if (data.counts[s] if splits is None else s in splits)]
    jobs, skipped = _jobs(form, data, out, chosen)
    if not jobs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        raise DataError(
            f"no sample of {data.root} can be written as {form.name}: {reasons or 'there is none'}",
            fix="convert the dataset with what the format needs",
        )
    _claim(form, data, out)
    tally = _Tally()
    with closing(in_processes(_work, jobs, workers, "writing annotations")) as results:
        for split, of_split in groupby(results, key=lambda result: result.split):
            form.write_split(out, split, data.space, tally.good(of_split))
    if len(tally.problems) == len(jobs):
        raise DataError(
            f"not one of the {len(jobs)} samples of {data.root} can be written, "
            f"the first because: {tally.problems[0].message}",
            fix="repair the data, then run the same command again",
        )
    return Annotations(
        out=out,
        counts={split: dict(counts) for split, counts in tally.counts.items()},
        objects=dict(tally.objects),
        skipped=dict(sorted((skipped + tally.skipped).items())),
        left_out=dict(sorted(tally.left_out.items())),
        problems=tuple(tally.problems),
        seconds=time.perf_counter() - start,
    )


def link_image(sample: Sample, folder: Path) -> Path:
    """Put the picture of a sample into a folder under the sample's name, as a link where possible.

    Returns:
        The new path.

    Raises:
        DataError: The picture is missing.
    """
    if not sample.image_path.is_file():
        raise DataError(
            f"{sample.image_path} does not exist",
            fix="restore the picture or convert the dataset again",
        )
    path = folder / f"{sample.id}{sample.image_path.suffix}"
    link_or_copy(sample.image_path, path)
    return path


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One sample to write."""

    form: Format
    sample: Sample
    number: int
    out: Path


def _jobs(
    form: Format, data: PreparedFolder, out: Path, splits: Sequence[str]
) -> tuple[list[_Job], Counter[str]]:
    jobs: list[_Job] = []
    skipped: Counter[str] = Counter()
    for split in splits:
        number = 0
        for sample in data.samples(split):
            reason = form.lacks(sample)
            if reason is None:
                number += 1
                jobs.append(_Job(form=form, sample=sample, number=number, out=out))
            else:
                skipped[reason] += 1
    return jobs, skipped


def _work(job: _Job) -> Piece | Problem:
    """Write one sample. Bad data is a result; a disk that fails is an error and ends the run."""
    try:
        return job.form.write_sample(job.sample, job.number, job.out)
    except (DataError, LabelError) as error:
        return Problem(id=job.sample.id, split=job.sample.record.split, message=str(error))


class _Tally:
    """Counts what passes by."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.objects: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def good(self, results: Iterable[Piece | Problem]) -> Iterator[Piece]:
        """The pieces among the results."""
        for result in results:
            if isinstance(result, Problem):
                self.problems.append(result)
                continue
            if result.skipped is not None:
                self.skipped[result.skipped] += 1
                continue
            number = sum(result.objects.values())
            counts = self.counts.setdefault(result.split, Counter())
            counts.update({"images": 1, "without objects": int(not number), "objects": number})
            self.objects.update(result.objects)
            self.left_out.update(result.left_out)
            yield result


def _claim(form: Format, data: PreparedFolder, out: Path) -> None:
    """Note what the folder holds; refuse one that holds something else."""
    marker = out / _MARKER
    head = {"layout": form.layout, "data": str(data.root.resolve())}
    formats: dict[str, Any] = {}
    if marker.is_file():
        noted = read_json(marker, error=ConfigError, fix=_OTHER_FOLDER)
        if not isinstance(noted, dict) or {key: noted.get(key) for key in head} != head:
            raise ConfigError(
                f"{out} holds annotations of other data or in another format", fix=_OTHER_FOLDER
            )
        formats = noted["formats"]
    elif out.is_dir() and any(out.iterdir()):
        raise ConfigError(
            f"{out} is not empty and holds no annotations", fix="choose an empty or new folder"
        )
    options = json.loads(json.dumps({"label_space": data.space.name, **asdict(form)}))
    if formats.setdefault(form.name, options) != options:
        raise ConfigError(f"{out} holds annotations with other options", fix=_OTHER_FOLDER)
    for leftover in out.rglob(".partial-*"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    write_json(marker, {**head, "formats": dict(sorted(formats.items()))})
