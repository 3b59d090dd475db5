"""The plot of a frontier: scores over milliseconds, the front as a step, whiskers, names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .frontier import Frontier, MeasuredNetwork
from .plots import COLORS, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

__all__ = ["frontier_plot"]

_FRONT, _GREY = COLORS[0], "#9aa5b1"
_TEXT = {True: "#1f2933", False: "#7b8794"}
_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), tuple(np.arange(1, 10, 0.5).tolist()))
"""Where an axis of milliseconds may have its ticks, in every power of ten."""
_SIDES = ((1, 0), (1, 1), (1, -1), (-1, 1), (-1, 0), (-1, -1), (0, 1), (0, -1))
"""Where a name may stand beside its point, the best first."""
_DISTANCES = (7.0, 14.0, 24.0, 36.0, 50.0)
"""How far, in points."""
_LEADER_FROM = 20.0
"""From this distance on, a line leads from the point to its name."""
_LONGEST = 34

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels of the drawing."""


def frontier_plot(frontier: Frontier) -> str:
    """Scores over the median time from frame to result.

    Returns:
        An `<svg>` element.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """

    def paint(axes: Axes) -> None:
        networks, front = frontier.networks, frontier.front
        left, right = _span_ms(networks)
        low, high = _span_percent(networks)
        axes.set_xscale("log")
        axes.set_xlim(left, right)
        axes.set_ylim(low, high)
        axes.minorticks_off()
        axes.set_xticks(_ticks(left, right))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("time from frame to result, ms (median, to the 95th percentile)")
        axes.set_ylabel(f"{frontier.score_name}, %")
        axes.grid()
        times = [*(item.whole.p50_ms for item in front), right]
        scores = [100 * item.score for item in front]
        steps_x, steps_y = [times[0], *times], [low, *scores, scores[-1]]
        axes.plot(steps_x, steps_y, color=_FRONT, lw=1.6, drawstyle="steps-post", zorder=2)
        axes.fill_between(steps_x, steps_y, low, step="post", color=_FRONT, alpha=0.06, lw=0)
        for item, by in zip(networks, frontier.dominated_by, strict=True):
            _mark(axes, item, on_front=by is None)
        for on_front, label in ((True, "on the front"), (False, "dominated by one on it")):
            style = _style(on_front)
            axes.plot([], [], "o", ms=6, label=label, **style)
        axes.legend(
            frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0
        )
        _write_names(axes, frontier, list(zip(steps_x, steps_y, strict=True)))

    return svg(paint, width=9.0, height=5.2)


def _style(on_front: bool) -> dict[str, Any]:
    color = _FRONT if on_front else _GREY
    return {"color": color, "markerfacecolor": color if on_front else "white", "mew": 1.4}


def _mark(axes: Axes, item: MeasuredNetwork, *, on_front: bool) -> None:
    x, y = item.whole.p50_ms, 100 * item.score
    color, order = (_FRONT, 4) if on_front else (_GREY, 3)
    late = item.whole.p95_ms
    axes.plot([x, late], [y, y], color=color, lw=1.1, alpha=0.75, zorder=order)
    axes.plot([late], [y], color=color, alpha=0.75, marker="|", ms=5, zorder=order)
    if item.interval is not None:
        ends = [100 * end for end in item.interval]
        axes.plot([x, x], ends, color=color, lw=1.1, alpha=0.75, marker="_", ms=5, zorder=order)
    axes.plot([x], [y], "o", ms=6, zorder=order + 2, **_style(on_front))


def _span_ms(networks: Sequence[MeasuredNetwork]) -> tuple[float, float]:
    """From where to where the axis of milliseconds goes: by a factor of 2.5 at the least."""
    least = min(item.whole.p50_ms for item in networks)
    most = max(max(item.whole.p95_ms, item.whole.p50_ms) for item in networks)
    wider = max(0.0, np.log(2.5) - np.log(most / least)) / 2
    margin = wider + 0.1 * (np.log(most / least) + 2 * wider)
    return float(least * np.exp(-margin)), float(most * np.exp(margin))


def _span_percent(networks: Sequence[MeasuredNetwork]) -> tuple[float, float]:
    """The same of the axis of scores, within 0 to 100 and a margin: over 4 points at the least."""
    ends = [(item.score, *(item.interval or ())) for item in networks]
    least, most = (100 * choose(map(choose, ends)) for choose in (min, max))
    wider = max(0.0, 4 - (most - least)) / 2
    margin = wider + 0.12 * (most - least + 2 * wider)
    return max(least - margin, -1.0), min(most + margin, 101.0)


def _ticks(left: float, right: float) -> list[float]:
    """Round numbers from left to right, three at the least where there are as many."""
    powers = range(int(np.floor(np.log10(left))), int(np.ceil(np.log10(right))) + 1)
    found: list[float] = []
    for steps in _STEPS:
        every = [float(f"{step * 10.0**power:.3g}") for power in powers for step in steps]
        found = [value for value in every if left <= value <= right]
        if len(found) >= 3:
            break
    return found


def _write_names(axes: Axes, frontier: Frontier, line: Sequence[tuple[float, float]]) -> None:
    """The name of every network beside its point, where it is least in the way."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[arg-type]
    point = figure.dpi / 72
    networks, to_pixels = frontier.networks, axes.transData.transform
    inverse = axes.transData.inverted().transform
    x0, y0, x1, y1 = axes.get_window_extent(renderer).extents
    taken = [box for item in networks for box in _boxes(item, to_pixels, point)]
    taken += _boxes_along(to_pixels(line), point)
    order = sorted(range(len(networks)), key=lambda i: (frontier.dominated_by[i] is not None, i))
    for place in order:
        item, on_front = networks[place], frontier.dominated_by[place] is None
        x, y = to_pixels((item.whole.p50_ms, 100 * item.score))
        text = axes.text(
            0, 0, _shortened(item.name), fontsize=9, color=_TEXT[on_front], zorder=8,
            ha="left", va="bottom",
        )  # fmt: skip
        box, distance = _best_place((x, y), _size(text, renderer), taken, (x0, y0, x1, y1), point)
        left, bottom = inverse(box[:2])
        text.set_position((float(left), float(bottom)))
        if distance >= _LEADER_FROM:
            near = (np.clip(x, box[0], box[2]), np.clip(y, box[1], box[3]))
            ends = inverse([(x, y), near])
            axes.plot(*zip(*ends, strict=True), color=_TEXT[False], lw=0.6, zorder=1)
        taken.append(box)


def _size(text: Text, renderer: object) -> tuple[float, float]:
    """Width and height of a text, with room for a reader's font that is wider than ours."""
    extent: Bbox = text.get_window_extent(renderer)  # type: ignore[arg-type]
    return 1.06 * extent.width, extent.height


def _best_place(
    at: tuple[float, float],
    size: tuple[float, float],
    taken: Sequence[Box],
    inside: Box,
    point: float,
) -> tuple[Box, float]:
    """Where a name covers least of what is drawn, as near as can be; and how far that is, in points."""
    best: tuple[float, Box, float] | None = None
    for distance in _DISTANCES:
        for rank, (across, up) in enumerate(_SIDES):
            reach = distance * point * (0.75 if across and up else 1.0)
            x = at[0] + across * reach - (0, size[0] / 2, size[0])[(1 - across)]
            y = at[1] + up * reach - (0, size[1] / 2, size[1])[(1 - up)]
            box = (x, y, x + size[0], y + size[1])
            covered = sum(_overlap(box, other) for other in taken)
            outside = size[0] * size[1] - _overlap(box, inside)
            cost = covered + 4 * outside + (0.04 * distance / 7 + 0.004 * rank) * size[0] * size[1]
            if best is None or cost < best[0]:
                best = (cost, box, distance)
    assert best is not None
    return best[1], best[2]


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _boxes(item: MeasuredNetwork, to_pixels: Any, point: float) -> list[Box]:
    """What a point and its whiskers cover."""
    x, y = item.whole.p50_ms, 100 * item.score
    (px, py), (end, _) = to_pixels([(x, y), (item.whole.p95_ms, y)])
    radius, wide = 5 * point, 3 * point
    boxes = [(px - radius, py - radius, px + radius, py + radius), (px, py - wide, end, py + wide)]
    if item.interval is not None:
        ends = [(x, 100 * value) for value in item.interval]
        (_, low), (_, high) = to_pixels(ends)
        boxes.append((px - wide, low, px + wide, high))
    return boxes


def _boxes_along(corners: np.ndarray, point: float) -> list[Box]:
    """What a line of steps covers: flat to the next corner, then up."""
    boxes = []
    for (x, y), (next_x, next_y) in pairwise(corners.tolist()):
        boxes.append((x, y - point, next_x, y + point))
        boxes.append((next_x - point, min(y, next_y), next_x + point, max(y, next_y)))
    return boxes


def _shortened(name: str) -> str:
    """A name that fits beside a point; the table has it whole."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[-half:]}"
