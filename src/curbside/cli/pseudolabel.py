"""Let networks label pictures: what they are sure of becomes a prepared folder, to learn from or to correct."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import cv2
import tyro

from ..errors import ConfigError
from ..labels import LabelSpace, load_space
from ..prepared import evenly_spaced, picture_samples
from ..pseudolabels import (
    Acceptance,
    Labeller,
    Picture,
    PseudoLabelConfig,
    write_pseudolabels,
    write_report,
)
from ..runtime import InstancePredictor, SemanticPredictor, open_source
from ._model import open_class_model

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
        model: A run folder or a model file, of a semantic network or of one that finds objects.
        source: A prepared folder, any folder with pictures, or a video file.
        out: The prepared folder to make; begun before, it goes on.
        instances: A network that finds objects beside a semantic one.
        labels: What the networks must be sure of.
        space: The label space of the labels, reached by the taxonomy; the network's where not given.
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
    target = None if space is None else load_space(space)
    opened = [open_class_model(path, threads=threads) for path in (model, instances) if path]
    try:
        labeller = _labeller(opened, labels, target)
        if video:
            pictures, total = _frames(source, split, every, limit), None
        else:
            samples = picture_samples(source, split, labeller.space)
            samples = samples if limit is None else evenly_spaced(samples, limit)
            pictures, total = map(Picture.of_sample, samples), len(samples)
        found = write_pseudolabels(
            labeller, pictures, out, total=total, source=str(source.resolve())
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
    opened: list[SemanticPredictor | InstancePredictor],
    config: PseudoLabelConfig,
    space: LabelSpace | None,
) -> Labeller:
    semantic = next((p for p in opened if isinstance(p, SemanticPredictor)), None)
    objects = next((p for p in opened if isinstance(p, InstancePredictor)), None)
    if sum(found is not None for found in (semantic, objects)) < len(opened):
        raise ConfigError(
            "both networks have the same task",
            fix="give a semantic network, and one that finds objects with --instances",
        )
    return Labeller(semantic=semantic, instances=objects, config=config, space=space)


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
    table = Table(*(escape(name) for name in found.table.headers))
    for row in found.table.rows:
        table.add_row(*map(escape, row))
    console.print(table)
    if found.unreadable:
        console.print(
            f"{len(found.unreadable)} pictures were left out: {escape(found.unreadable[0])}"
        )
    print(f"labels    {out}")
    print(f"report    {report / 'report.html'}")
    print(f"next      curbside annotations cvat {out} {out}-cvat      to correct them")
