"""Let networks label pictures: what they are sure of becomes a prepared folder, to learn from or to correct."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import cv2
import tyro

from ..errors import ConfigError
from ..labels import LabelSpace, load_space
from ..prepared import PreparedFolder, Sample, evenly_spaced, picture_samples
from ..pseudolabels import (
    Acceptance,
    Labeller,
    Picture,
    PseudoLabelConfig,
    write_pseudolabels,
    write_report,
)
from ..runtime import (
    DepthPredictor,
    InstancePredictor,
    JointPredictor,
    SemanticPredictor,
    TaskPredictor,
    open_source,
)
from ._model import open_model

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside pseudolabel`."""
    tyro.cli(
        _pseudolabel,
        args=argv,
        prog="curbside pseudolabel",
        description=__doc__,
        config=(tyro.conf.OmitArgPrefixes,),
    )


def _pseudolabel(
    model: Annotated[Path, tyro.conf.Positional],
    source: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    instances: Path | None = None,
    depth: Path | None = None,
    keep_targets: bool = False,
    labels: PseudoLabelConfig = PseudoLabelConfig(),  # noqa: B008 - it is frozen
    space: str | None = None,
    split: Literal["train", "val", "test"] = "train",
    every: int = 1,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Let networks label pictures.

    Args:
        model: A run folder or a model file, of a semantic network, of one that finds objects or of one that
            tells depth; one that tells classes and depth gives its classes.
        source: A prepared folder, any folder with pictures, or a video file.
        out: The prepared folder to make; begun before, it goes on.
        instances: A network that finds objects beside a semantic one.
        depth: A network that tells depth, too; MODEL again where that tells both.
        keep_targets: Keep what samples of a prepared folder are labelled with: networks give classes to those
            with depth alone, depth to those with masks alone, and to those on which some of the classes
            were annotated the others.
        labels: What the networks must be sure of.
        space: The label space of the labels, reached by the taxonomy; where not given, the network's, or that
            of a prepared SOURCE where its targets are kept or depth alone is told.
        split: The split to label, and the one that the labels go into.
        every: Of a video, one frame out of so many.
        limit: Label at most so many pictures, spread evenly over them; of a video the first ones.
        threads: Threads for the networks; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise ConfigError(
            f"every {every} with a limit of {limit} labels nothing", fix="give 1 or more of each"
        )
    video = source.is_file()
    if every > 1 and not video:
        raise ConfigError(
            f"--every {every} is for videos, and {source} is none",
            fix="leave it out, or give --limit",
        )
    if not video and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(
            f"{out} lies in {source}: labels would be taken for pictures",
            fix="choose another place",
        )
    prepared = (source / "dataset.json").is_file()
    if keep_targets and not prepared:
        raise ConfigError(
            f"{source} is no prepared folder, so that there are no targets to keep",
            fix="leave --keep-targets out, or make one first: curbside convert SOURCE ROOT OUT",
        )
    target = None if space is None else load_space(space)
    opened: list[TaskPredictor] = []
    try:
        opened += [open_model(path, threads=threads) for path in (model, instances) if path]
        classes, metres = opened[:], None
        if depth is not None and depth.resolve() == model.resolve():
            metres = opened[0]
        elif depth is not None:
            metres = open_model(depth, threads=threads)
            opened.append(metres)
        depth_alone = all(isinstance(predictor, DepthPredictor) for predictor in opened)
        if target is None and prepared and (keep_targets or depth_alone):
            target = PreparedFolder(source).space
        labeller = _labeller(classes, metres, labels, target)
        if video:
            pictures, total = _frames(source, split, every, limit), None
        else:
            samples = _samples(source, split, labeller.space, keep_targets)
            samples = samples if limit is None else evenly_spaced(samples, limit)
            pictures, total = map(Picture.of_sample, samples), len(samples)
        found = write_pseudolabels(
            labeller,
            pictures,
            out,
            total=total,
            source=str(source.resolve()),
            keep_targets=keep_targets,
        )
    finally:
        for predictor in opened:
            predictor.close()
    report = out.resolve()
    report = report.with_name(f"{report.name}.labels")
    write_report(found, report)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        _show(found, out, report)


def _labeller(
    classes: Sequence[TaskPredictor],
    metres: TaskPredictor | None,
    config: PseudoLabelConfig,
    space: LabelSpace | None,
) -> Labeller:
    """Networks by what they tell.

    Args:
        classes: Those that classes are asked of: of one that tells depth as well, its classes.
        metres: The one that depth is asked of, which may be one of them.
        config: What they must be sure of.
        space: The label space of the labels.
    """
    asked = [p.semantic if isinstance(p, JointPredictor) else p for p in classes]
    if isinstance(metres, JointPredictor):
        metres = metres.depth
    if metres is not None and not isinstance(metres, DepthPredictor):
        raise ConfigError(
            f"{metres.title} is a network for the task {metres.manifest.task}, and tells no depth",
            fix="give --depth one that does",
        )
    semantic = next((p for p in asked if isinstance(p, SemanticPredictor)), None)
    objects = next((p for p in asked if isinstance(p, InstancePredictor)), None)
    alone = next((p for p in asked if isinstance(p, DepthPredictor)), None)
    told = (semantic, objects, alone)
    again = alone is not None and metres is not None and alone is not metres
    if sum(found is not None for found in told) < len(asked) or again:
        raise ConfigError(
            "both networks have the same task",
            fix="give a semantic network, one that finds objects with --instances, and one that tells"
            " depth with --depth",
        )
    return Labeller(
        semantic=semantic, instances=objects, depth=metres or alone, config=config, space=space
    )


def _samples(source: Path, split: str, space: LabelSpace, keep_targets: bool) -> list[Sample]:
    """The pictures of a folder, with their targets where those are kept."""
    if keep_targets:
        return PreparedFolder(source).samples(split)
    return picture_samples(source, split, space)


def _frames(path: Path, split: str, every: int, limit: int | None) -> Iterator[Picture]:
    """Frames of a video, each by its number."""
    source = open_source(path)
    try:
        count = 0
        for frame in source.frames():
            if frame.index % every:
                continue
            if count == limit:
                return
            count += 1
            bgr = frame.bgr
            yield Picture(
                id=f"{path.stem}_{frame.index:06d}",
                split=split,
                image=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
                read_bgr=lambda bgr=bgr: bgr,  # type: ignore[misc]
                tags={"clip": path.stem},
            )
    finally:
        source.close()


def _show(found: Acceptance, out: Path, report: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(escape(found.about), highlight=False)
    if found.warning:
        console.print(f"warning: {escape(found.warning)}", style="yellow", highlight=False)
    table = Table(*(escape(name) for name in found.table.headers))
    for row in found.table.rows:
        table.add_row(*map(escape, row))
    if found.table.rows:
        console.print(table)
    if found.unreadable:
        console.print(
            f"{len(found.unreadable)} pictures were left out: {escape(found.unreadable[0])}"
        )
    print(f"labels    {out}")
    print(f"report    {report / 'report.html'}")
    print(f"next      curbside annotations cvat {out} {out}-cvat      to correct them")
