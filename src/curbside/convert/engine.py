"""From a source to a prepared folder: in parallel, resumable, and not stopped by a bad sample."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError, LabelError
from ..imaging import verify_image
from ..labels import LabelSpace
from ..prepared import PreparedWriter, SampleRecord, write_sample
from ..processes import Engine, in_processes
from .source import Item, Source, held_out

__all__ = ["Conversion", "Problem", "convert", "sum_counts"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A sample that was left out, and why."""

    id: str
    """The sample."""
    split: str
    """Its split."""
    message: str
    """One line: what is wrong, the value, the fix."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What a conversion did."""

    out: Path
    """The prepared folder."""
    counts: Mapping[str, Mapping[str, int]]
    """Per split, the number of samples and of each target, now in the folder."""
    converted: int
    """Samples written by this run; the others were there already."""
    completed: int
    """Samples that were there already, of which this run made what belongs beside the folder."""
    problems: tuple[Problem, ...]
    """Samples left out, in order of split and id."""
    unknown_labels: Mapping[str, int]
    """Labels that no table knows, and how many objects were skipped for them."""
    dropped_labels: Mapping[str, int]
    """Labels that are left out on purpose, and how many objects had them."""
    mostly_unknown: int
    """Samples on which more objects have unknown labels than known ones."""
    seconds: float
    """Wall time of this run."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "out": str(self.out), "seconds": round(self.seconds, 3)}


def convert(
    source: Source,
    out: Path,
    *,
    workers: int | None = None,
    verify: bool = True,
    engine: Engine = "processes",
    address: str | None = None,
) -> Conversion:
    """Make a prepared folder from a source.

    Files appear whole or not at all. Run again with the same options it does only what is missing:
    after a kill the rest, on a finished folder the samples that were bad and have been repaired.
    The bytes are those of an undisturbed run.

    Args:
        source: Where the data lie, and the options of their kind.
        out: The folder to make.
        workers: Processes; as many as there are cores where not given. More than one needs the
            usual `if __name__ == "__main__":` around the caller's own script.
        verify: Read every picture to its end, so that no damaged one enters. At 1080p that costs
            about 3 ms of one core for a JPEG (decoded) and for a PNG (its checksums).
        engine: Processes of this machine, or a Ray cluster whose machines see the same folders.
        address: Of the Ray cluster; one on this machine is started where not given.

    Raises:
        DataError: The source has not its layout, or not one sample of it can be converted.
        ConfigError: `out` holds something else, or the same made with other options.
        StorageError: The place cannot be written.
    """
    start = time.perf_counter()
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} workers cannot work", fix="give 1 or more")
    planned = source.plan()
    held_out(planned, source.hold_out)  # what cannot be is refused before a folder is made
    options = source.options() | ({"hold_out": source.hold_out} if source.hold_out else {})
    writer = PreparedWriter(out, space=source.space, source=source.name, options=options)
    items = held_out(planned, source.hold_out, done=writer.done)
    known = ((item, writer.done(item.split, item.id)) for item in items)
    todo = [(item, done) for item, done in known if not (done and item.complete())]
    work = partial(_work, root=writer.root, space=source.space, verify=verify)
    converted, completed, problems = 0, 0, []
    running = in_processes(
        work, todo, workers, "converting", unit="samples", engine=engine, address=address
    )
    with closing(running) as results:
        for result in results:
            if isinstance(result, Problem):
                problems.append(result)
            elif result is None:
                completed += 1
            else:
                writer.add(result)
                converted += 1
    if not len(writer):
        writer.abandon()
        raise DataError(
            f"not one of the {len(items)} samples of {source.root} can be converted, "
            f"the first because: {problems[0].message}",
            fix="repair the data, then run the same command again",
        )
    counts = writer.finish()
    source.finish(items)
    records = writer.records
    return Conversion(
        out=writer.root,
        counts=counts,
        converted=converted,
        completed=completed,
        problems=tuple(problems),
        unknown_labels=sum_counts(record.unknown_labels for record in records),
        dropped_labels=sum_counts(record.dropped_labels for record in records),
        mostly_unknown=sum(
            sum(record.unknown_labels.values()) > record.known_objects for record in records
        ),
        seconds=time.perf_counter() - start,
    )


def _work(
    job: tuple[Item, bool], *, root: Path, space: LabelSpace, verify: bool
) -> SampleRecord | Problem | None:
    """Convert one sample; None where it was there and only what belongs beside the folder was not.

    Bad data is a result; a disk that fails is an error and ends the run.
    """
    item, done = job
    try:
        data = item.load()
        if done:
            return None
        if verify and isinstance(data.image, Path):
            verify_image(data.image)
        return write_sample(root, data, space)
    except (DataError, LabelError) as error:
        return Problem(id=item.id, split=item.split, message=str(error))


def sum_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The counts of every name together, the highest first."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))
