"""Draw driving scenes with exact labels, in a dataset's raw layout or prepared, and a video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..errors import ConfigError
from ..scenes import (
    Annotation,
    ScenesConfig,
    check_video,
    layout_names,
    write_layout,
    write_prepared,
    write_video,
)

__all__ = ["main"]

_PREPARED = "prepared"
_LABELS = "level2"
_Layout: Any = Literal[(*layout_names(), _PREPARED)]  # type: ignore[valid-type]


def main(argv: list[str]) -> None:
    """Entry of `curbside scenes`."""
    tyro.cli(_scenes, args=argv, prog="curbside scenes", description=__doc__)


def _scenes(
    out: Annotated[Path | None, tyro.conf.Positional] = None,
    /,
    *,
    layout: _Layout = "idd",
    labels: str | None = None,
    train: int = 200,
    val: int = 40,
    test: int = 0,
    size_hw: tuple[int, int] = (288, 512),
    seed: int = 0,
    conditions: tuple[str, ...] = ("clear", "fog", "night", "rain", "snow"),
    train_annotations: tuple[Annotation, ...] = (),
    workers: int | None = None,
    engine: Literal["processes", "ray"] = "processes",
    address: str | None = None,
    video: Path | None = None,
    frames: int = 250,
    video_size_hw: tuple[int, int] = (720, 1280),
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Draw driving scenes.

    Args:
        out: The folder to make; may be left out when only a video is wanted.
        layout: A dataset's own layout, as it is downloaded, or a prepared folder with depth.
        labels: The IDD encoding of a prepared folder's masks; level2 if not given.
        train: Scenes in the train split.
        val: Scenes in the val split.
        test: Scenes in the test split.
        size_hw: Height and width of the pictures.
        seed: Another seed gives other streets.
        conditions: The conditions, taken in turn; the first is that of the video.
        train_annotations: What is annotated on the train scenes of a prepared folder, in turn, so that none
            has two: of semantic, stuff, things and depth. Everything on each if not given.
        workers: Processes that draw; one per core if not given.
        engine: Processes of this machine, or a Ray cluster whose machines see the folder.
        address: Of the Ray cluster; one on this machine is started if not given.
        video: Also write a drive through one street to this .mp4 file.
        frames: Frames of the video, at 25 per second.
        video_size_hw: Height and width of the video.
        as_json: Print JSON instead of a table.
    """
    from rich.console import Console
    from rich.table import Table

    if out is None and video is None:
        raise ConfigError("there is nothing to draw", fix="name a folder, or --video FILE.mp4")
    if labels is not None and layout != _PREPARED:
        raise ConfigError(
            f"the layout {layout} has labels of its own, not {labels}",
            fix="leave --labels out, or add --layout prepared",
        )
    if train_annotations and layout != _PREPARED:
        raise ConfigError(
            f"the layout {layout} has annotations of its own, not {', '.join(train_annotations)}",
            fix="leave --train-annotations out, or add --layout prepared",
        )
    if out is not None:
        config = ScenesConfig(
            seed=seed,
            size_hw=size_hw,
            train=train,
            val=val,
            test=test,
            conditions=conditions,
            train_annotations=train_annotations,
            workers=workers,
            engine=engine,
            address=address,
        )
    if video is not None:  # not after the set, which may take hours
        check_video(video, frames=frames, size_hw=video_size_hw)
    made: dict[str, object] = {}
    if out is not None:
        if layout == _PREPARED:
            prepared = write_prepared(out, config, labels=labels or _LABELS)
            counts = {split: targets["samples"] for split, targets in prepared.items()}
        else:
            counts = write_layout(out, config, layout)
        made |= {"out": str(out), "layout": layout, "scenes": counts}
    if video is not None:
        write_video(
            video,
            seed=seed,
            frames=frames,
            size_hw=video_size_hw,
            condition=conditions[0] if conditions else "clear",
            workers=workers,
        )
        made |= {"video": str(video), "frames": frames}
    if as_json:
        print(json.dumps(made, indent=2))
        return
    table = Table("what", "where", "how many")
    if out is not None:
        how_many = ", ".join(f"{split} {count}" for split, count in counts.items() if count)
        table.add_row(f"scenes ({layout})", str(out), how_many)
    if video is not None:
        table.add_row("video", str(video), f"{frames} frames")
    Console().print(table)
