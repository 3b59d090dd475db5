"""`run_pipeline`: IDD's annotations alone, under the official tools' names, without a prepared folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from ..errors import ConfigError, DataError, LabelError
from ..processes import in_processes
from .engine import Problem, sum_counts
from .official import (
    OUTPUTS,
    TRUTH,
    AnnotatedFrame,
    OfficialTree,
    annotated_frames,
    encodings_of,
    polygon_labels,
)
from .polygon_frame import Background, PolygonFrame

__all__ = ["PipelineResult", "run_pipeline"]


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """What `run_pipeline` did."""

    out: Path
    """The folder with the official names."""
    frames: Mapping[str, int]
    """Per split, the frames of which everything asked is there."""
    drawn: int
    """Frames drawn by this run; the others were there already."""
    problems: tuple[Problem, ...]
    """Frames left out, in order of split and name."""
    unknown_labels: Mapping[str, int]
    """Labels that no table knows, and how many objects of the frames drawn were skipped for them."""
    seconds: float
    """Wall time of this run."""

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {**asdict(self), "out": str(self.out), "seconds": round(self.seconds, 3)}


def run_pipeline(
    datadir: Path | str,
    out_basedir: Path | str,
    encoding: str,
    do_semantic: bool = True,
    do_instance: bool = True,
    do_color: bool = True,
    do_panoptic: bool = True,
    *,
    background: Background = "ignore",
    workers: int | None = None,
) -> PipelineResult:
    """Make the official tools' files of an IDD folder, from its annotations alone.

    Run again it does only what is missing; another call may add other encodings and outputs.

    Args:
        datadir: The folder that holds `gtFine/<split>/<drive>`.
        out_basedir: The folder to make; may be `datadir`.
        encoding: `level3Id` or `level3`, case does not matter; "all" for every encoding.
        do_semantic: Make `*_label<encoding>s.png`.
        do_instance: Make `*_instance<encoding>s.png`.
        do_color: Make `*_labelColors.png`.
        do_panoptic: Make `<split>_panoptic/` and its JSON.
        background: Pixels that no polygon covers: "ignore" is 255, "unlabeled" the official value.
        workers: Processes; as many as there are cores where not given. More than one needs the
            usual `if __name__ == "__main__":` around the caller's own script.

    Raises:
        DataError: There are no annotations, or none that can be drawn.
        LabelError: There is no such encoding.
        ConfigError: Nothing was asked, or files of other making are in the way.
        StorageError: The place cannot be written.
    """
    start = time.perf_counter()
    asked = zip(OUTPUTS, (do_semantic, do_instance, do_color, do_panoptic), strict=True)
    tree = OfficialTree(
        root=Path(out_basedir),
        encodings=encodings_of([encoding]),
        outputs=tuple(output for output, wanted in asked if wanted),
        background=background,
    )
    if not tree.outputs:
        raise ConfigError("no output was asked", fix="leave one of the do_... flags true")
    if background not in get_args(Background):
        raise ConfigError(f"background is {background!r}", fix="give 'ignore' or 'unlabeled'")
    frames = annotated_frames(Path(datadir))
    if not frames:
        raise DataError(
            f"{Path(datadir) / TRUTH} holds no polygon files",
            fix=f"give the folder that holds {TRUTH}/<split>/<drive>",
        )
    tree.check(frames)
    todo = [frame for frame in frames if not tree.complete(frame)]
    problems, unknown = [], []
    work = partial(_draw, tree=tree)
    with closing(in_processes(work, todo, workers, "drawing", unit="frames")) as results:
        for result in results:
            if isinstance(result, Problem):
                problems.append(result)
            else:
                unknown.append(result)
    if len(problems) == len(frames):
        raise DataError(
            f"not one of the {len(frames)} frames of {datadir} can be drawn, "
            f"the first because: {problems[0].message}",
            fix="repair the data, then run it again",
        )
    tree.finish(frames)
    bad = {(problem.split, problem.id) for problem in problems}
    return PipelineResult(
        out=tree.root,
        frames=dict(Counter(item.split for item in frames if (item.split, item.name) not in bad)),
        drawn=len(unknown),
        problems=tuple(problems),
        unknown_labels=sum_counts(unknown),
        seconds=time.perf_counter() - start,
    )


def _draw(frame: AnnotatedFrame, *, tree: OfficialTree) -> Mapping[str, int] | Problem:
    """Draw one frame; its unknown labels."""
    try:
        drawn = PolygonFrame.read(frame.polygons, polygon_labels(tree.background))
        tree.write(frame, drawn)
        return drawn.unknown_labels
    except (DataError, LabelError) as error:
        return Problem(id=frame.name, split=frame.split, message=str(error))
