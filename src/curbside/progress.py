"""Progress bars for long work, on standard error, with rate and time left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["track"]

_REFRESH_S = 0.1

Item = TypeVar("Item")


def track(
    items: Iterable[Item], *, total: int | None, description: str, unit: str = "images"
) -> Iterator[Item]:
    """Yield `items` behind a bar that shows count, rate and time left.

    Args:
        items: What to walk over.
        total: How many there will be; None where nobody knows.
        description: What is being done, in a word or two.
        unit: What is counted.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total, rate="")
        shown, done = time.monotonic(), 0
        for item in items:
            yield item
            done += 1
            if time.monotonic() - shown < _REFRESH_S:  # drawing it costs more than many an item
                continue
            bar.update(task, completed=done)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:.1f} {unit}/s" if speed else "")
            shown = time.monotonic()
        bar.update(task, completed=done)
