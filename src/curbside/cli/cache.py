"""Keep what a teacher says of pictures on disk, for students to learn from at little cost."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from ..training.caching import CacheResult

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside cache`."""
    tyro.cli(_cache, args=argv, prog="curbside cache", description=__doc__)


def _cache(
    run: tyro.conf.Positional[Path],
    data: tyro.conf.Positional[tuple[Path, ...]],
    /,
    *,
    out: Path | None = None,
    split: Literal["train", "val", "test"] = "train",
    stride: int = 4,
    top_k: int | None = None,
    size_hw: tuple[int, int] | None = None,
    flip: bool = False,
    limit: int | None = None,
    batch_size: int = 8,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Cache a teacher's logits. The same command again goes on where it stopped.

    Args:
        run: The teacher: its run folder, or weights that it kept (RUN/kept/000500.safetensors).
        data: Prepared folders, whose pictures are taken with masks and without, or folders with
            pictures.
        out: Folder of the cache; RUN/cache where not given.
        split: Which of their splits. The pictures of a plain folder count as all of it.
        stride: Pixels per value, each way, of the picture at the teacher's input size, or at its own
            where that is smaller. No cache is finer than the teacher's own logits.
        top_k: Classes per pixel that are kept apart, the others sharing one level; all where not given.
        size_hw: Height and width that the teacher sees pictures at; those of its run where not given.
        flip: Take the mean of what it says of a picture and of its mirror image, at twice the time.
        limit: Cache only so many pictures of each folder, spread evenly over it, to see how large and
            how faithful they are; training needs all.
        batch_size: Pictures per forward pass.
        precision: Arithmetic of the teacher: auto takes fp16 on a GPU, bf16 where the CPU computes it.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of a table.
    """
    from ..training import load_run
    from ..training.caching import cache_teacher
    from ..training.run_folder import set_threads

    set_threads(threads)
    if out is None:
        out = run / "cache" if run.is_dir() else run.with_suffix(".cache")
    result = cache_teacher(
        load_run(run),
        data,
        out,
        split=split,
        stride=stride,
        top_k=top_k,
        size_hw=size_hw,
        flip=flip,
        limit=limit,
        batch_size=batch_size,
        precision=precision,
    )
    for message in result.unreadable:
        print(f"curbside cache: left out: {message}", file=sys.stderr)
    if result.unreadable:
        print(
            "curbside cache: training needs them all: restore these and run the same command again,"
            " or set them aside with curbside doctor DATA --quarantine",
            file=sys.stderr,
        )
    if as_json:
        print(json.dumps({**asdict(result), "root": str(result.root)}, indent=2))
    else:
        _show(result)
        if limit is None:
            print(f"use it with: curbside train RECIPE --distillation.teacher {result.root}")


def _show(result: CacheResult) -> None:
    from rich.console import Console

    from ..evaluation.tables import Table
    from ._tables import print_table

    rows = [
        (
            f"{folder.name} {folder.split}",
            f"{folder.pictures:,}",
            f"{folder.bytes / folder.pictures / 1000:.1f} kB" if folder.pictures else "–",
            f"{folder.bytes / folder.picture_bytes:.2f}" if folder.pictures else "–",
            folder.precision,
        )
        for folder in result.folders
    ]
    headers = ("folder", "pictures", "each", "of the pictures' size", "teacher in")
    print_table(Console(), Table(headers=headers, rows=tuple(rows)))
    found = result.faithfulness
    print(
        f"KL(teacher in fp32 || cache) on {found.pictures} pictures: {found.kl_1:.1e} at temperature 1, "
        f"{found.kl_4:.1e} at 4; same class at {100 * found.agreement:.2f} % of the pixels"
    )
    print(f"{result.new:,} new entries in {result.root}")
