"""What `curbside run` tells: events while it runs, tables at its end."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from ..results import SceneResult
from ..runtime import Fault, PipelineStats, Shown
from ..runtime.events import fault_event, frame_event, json_value, summary_event

__all__ = ["Tally", "print_faults", "print_frame", "print_summary", "show_run"]

_LATEST_FAULTS = 5
_PASSED_OVER = 1000
"""Numbers that may still turn up below the highest, as of an object that was hidden at first."""


class Tally:
    """What was seen, over all frames that have a result, in bounded memory.

    Args:
        shares: Count the pixels of the classes.
    """

    def __init__(self, *, shares: bool) -> None:
        self._shares = shares
        self._sums: dict[str, Counter[str]] = {
            name: Counter() for name in ("shares", "objects", "disagreement")
        }
        self._results = self._followed = self._highest = 0
        self._passed_over: dict[int, None] = {}  # ascending
        self.failed = 0
        """Frames without a result."""

    @property
    def followed(self) -> int | None:
        """How many objects were told apart; None where none was followed."""
        return self._followed or None

    def add(self, result: SceneResult | None) -> None:
        """Count what a frame shows."""
        if result is None:
            self.failed += 1
            return
        self._results += 1
        if self._shares:
            self._sums["shares"].update(result.shares())
        self._sums["objects"].update(result.counts())
        if result.panoptic is not None:
            self._sums["disagreement"].update(result.panoptic.disagreement_shares())
            numbers = result.panoptic.track_ids
            for number in sorted(numbers[numbers > 0].tolist()):
                self._follow(number)

    def _follow(self, number: int) -> None:
        """Count an object that was not seen before; new ones get higher and higher numbers."""
        if number > self._highest:
            first = max(self._highest + 1, number - _PASSED_OVER)
            self._passed_over.update(dict.fromkeys(range(first, number)))
            while len(self._passed_over) > _PASSED_OVER:
                del self._passed_over[next(iter(self._passed_over))]
            self._highest = number
        elif number in self._passed_over:
            del self._passed_over[number]
        else:
            return
        self._followed += 1

    def means(self) -> dict[str, dict[str, float]]:
        """Means over the frames that have a result: share of the picture by class, objects by class,
        and so on."""
        return {
            kind: {name: total / self._results for name, total in sums.most_common()}
            for kind, sums in self._sums.items()
        }


def print_faults(news: deque[Fault]) -> None:
    """Print faults that were not told yet, which are taken out, as lines of JSON."""
    while news:
        print(json.dumps(fault_event(news.popleft())), flush=True)


def print_frame(shown: Shown[SceneResult], *, shares: bool) -> None:
    """Print a frame as a line of JSON."""
    print(json.dumps(frame_event(shown, shares=shares)), flush=True)


def print_summary(
    facts: Mapping[str, Any], stats: PipelineStats, means: Mapping[str, Mapping[str, float]]
) -> None:
    """Print the last line of JSON: what was done in all."""
    print(json.dumps(json_value({**summary_event(stats), **facts, **means})))


def show_run(
    facts: Mapping[str, object],
    stats: PipelineStats,
    means: Mapping[str, Mapping[str, float]],
    faults: Iterable[Fault],
) -> None:
    """Print what was done as tables."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    about = Table(show_header=False)
    for name, value in facts.items():
        if value is not None:
            about.add_row(name.replace("_", " "), escape(str(value)))
    console.print(about)
    table = Table("stage", "p50 ms", "p95 ms", "p99 ms")
    for name, times in stats.stages.items():
        if times.count:
            row = (times.p50_ms, times.p95_ms, times.p99_ms)
            table.add_row(name, *(f"{value:.2f}" for value in row))
    console.print(table)
    for first, title, kind, form in (
        ("class", "share", "shares", ".1%"),
        ("class", "objects per frame", "objects", ".2f"),
        ("disagreement", "share", "disagreement", ".1%"),
    ):
        if means[kind]:
            table = Table(first, title)
            for name, mean in means[kind].items():
                table.add_row(escape(name), format(mean, form))
            console.print(table)
    if stats.faults:
        table = Table("fault", "times")
        for stage, times_seen in stats.faults.items():
            table.add_row(stage, str(times_seen))
        console.print(table)
        for fault in list(faults)[-_LATEST_FAULTS:]:
            console.print(str(fault), markup=False, highlight=False)
