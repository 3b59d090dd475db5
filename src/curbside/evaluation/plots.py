"""Plots as SVG texts for a `Page`; matplotlib is imported when the first one is drawn."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingDependencyError
from ..metrics import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLORS",
    "bars",
    "changes",
    "confusion",
    "curves",
    "groups",
    "reliability",
    "require_matplotlib",
    "shares",
    "svg",
]

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and can be searched
    "svg.hashsalt": "curbside",  # the same plot gives the same bytes
    "text.parse_math": False,  # a "$" in a class name is a dollar sign
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": "#3e4c59",
    "xtick.color": "#3e4c59",
    "ytick.color": "#3e4c59",
    "grid.color": "#e4e7eb",
    "axes.axisbelow": True,
}
_DARK, _GREY = "#1f2933", "#3e4c59"
COLORS = ("#2f6f9f", "#d1732b", "#3d8b57", "#9b4f96", "#b83a3a", "#6b7280")
"""Of the series of a plot, in their order."""
_LINES = ("-", "--", ":", "-.")


def require_matplotlib() -> None:
    """Find out before long work whether its plots can be drawn.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise MissingDependencyError("matplotlib", extra="report") from None


def bars(
    names: Sequence[str],
    values: Sequence[float | None],
    *,
    label: str,
    intervals: Sequence[tuple[float, float] | None] = (),
) -> str:
    """Horizontal bars over 0..1, one per name from top to bottom, with their values.

    Args:
        names: What each bar stands for.
        values: Their lengths; None is said to be absent.
        label: What the values are.
        intervals: Where a whisker goes from and to on each bar; None for no whisker.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        places = np.arange(len(names))
        axes.barh(places, [value or 0.0 for value in values], color=COLORS[0], height=0.72)
        ends = [value or 0.0 for value in values]
        for place, interval in enumerate(intervals):
            if interval is not None:
                axes.plot(interval, [place, place], color=_DARK, lw=1.2, marker="|", ms=5)
                ends[place] = max(ends[place], interval[1])
        for place, (value, end) in enumerate(zip(values, ends, strict=True)):
            said = "absent" if value is None else f"{value:.3f}"
            axes.text(end + 0.012, place, said, va="center", fontsize=9, color=_GREY)
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1.08)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_xlabel(label)
        axes.grid(axis="x")
        axes.tick_params(left=False)

    return svg(paint, width=7.2, height=0.8 + 0.27 * len(names))


def groups(
    names: Sequence[str], series: Mapping[str, Sequence[float | None]], *, label: str
) -> str:
    """Horizontal bars over 0..1, a group per name from top to bottom, with their values.

    Args:
        names: What each group stands for.
        series: The value of each name, by the name of the series; None is said to be absent.
        label: What the values are.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        height = 0.8 / len(series)
        for index, (name, values) in enumerate(series.items()):
            places = np.arange(len(names)) - 0.4 + height * (index + 0.5)
            color = COLORS[index % len(COLORS)]
            ends = [value or 0.0 for value in values]
            axes.barh(places, ends, color=color, height=height * 0.9, label=name)
            for place, value, end in zip(places, values, ends, strict=True):
                said = "absent" if value is None else f"{value:.3f}"
                axes.text(end + 0.008, place, said, va="center", fontsize=8, color=_GREY)
        axes.set_xlim(0, 1.08)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_yticks(np.arange(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.grid(axis="x")
        axes.tick_params(left=False)
        axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

    return svg(paint, width=7.2, height=0.9 + (0.1 + 0.2 * len(series)) * len(names))


def shares(
    names: Sequence[str], series: Mapping[str, Sequence[float | None]], *, label: str
) -> str:
    """Horizontal bars of percentages on a logarithmic axis, a group per name from top to bottom.

    Args:
        names: What each group stands for.
        series: The shares of each name, 0..1, by the name of the series; None and 0 are said to be
            absent.
        label: What the values are.

    Returns:
        An `<svg>` element.
    """
    least = min((v for values in series.values() for v in values if v), default=1.0)
    left = 10.0 ** np.floor(np.log10(100 * least * 0.99))

    def paint(axes: Axes) -> None:
        height = 0.8 / len(series)
        for index, (name, values) in enumerate(series.items()):
            places = np.arange(len(names)) - 0.4 + height * (index + 0.5)
            percent = [100 * (value or 0.0) for value in values]
            widths = [max(value - left, 0.0) for value in percent]
            color = COLORS[index % len(COLORS)]
            axes.barh(places, widths, left=left, color=color, height=height * 0.9, label=name)
            for place, value in zip(places, percent, strict=True):
                said = f"{value:.2g}" if value else "absent"
                x = max(value, left) * 1.06
                axes.text(x, place, said, va="center", fontsize=8, color=_GREY)
        axes.set_xscale("log")
        axes.set_xlim(left, 200)
        axes.set_xticks([t for t in (0.001, 0.01, 0.1, 1, 10, 100) if t >= left])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.set_yticks(np.arange(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.grid(axis="x")
        axes.tick_params(left=False)
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

    return svg(paint, width=7.2, height=0.9 + (0.1 + 0.2 * len(series)) * len(names))


def confusion(rates: np.ndarray, names: Sequence[str]) -> str:
    """A row-normalised confusion matrix as a heat map, with the percentages from half a percent up.

    Args:
        rates: (C, C) float in 0..1, rows are the truth; nan where the truth has no such class.
        names: The classes.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        axes.set_facecolor("#f1f3f5")
        mesh = axes.pcolormesh(np.ma.masked_invalid(rates), cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(np.nan_to_num(rates) >= 0.005).tolist():
            rate = rates[row, column]
            color = "white" if rate > 0.55 else _DARK
            place = (column + 0.5, row + 0.5)
            axes.text(
                *place, f"{100 * rate:.0f}", ha="center", va="center", fontsize=8, color=color
            )
        middle = np.arange(len(names)) + 0.5
        axes.set_xticks(middle, names, rotation=90)
        axes.set_yticks(middle, names)
        axes.set_ylim(len(names), 0)
        axes.set_aspect("equal")
        axes.set_xlabel("prediction")
        axes.set_ylabel("truth")
        axes.tick_params(left=False, bottom=False)
        bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.6, label="share of the true class")
        bar.outline.set_visible(False)  # type: ignore[operator]

    side = 2.2 + 0.36 * len(names)
    return svg(paint, width=side + 0.6, height=side)


def reliability(diagram: Reliability) -> str:
    """A reliability diagram: accuracy against confidence, and the share of pixels in each bin.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        lower, width = diagram.edges[:-1], np.diff(diagram.edges)
        accuracy, filled = np.nan_to_num(diagram.accuracy), diagram.share > 0
        axes.plot([0, 1], [0, 1], color="#9aa5b1", ls="--", lw=1, label="calibrated")
        axes.bar(lower, accuracy, width, align="edge", color=COLORS[0], alpha=0.8, label="accuracy")
        axes.plot(
            diagram.confidence[filled],
            diagram.accuracy[filled],
            "o",
            color=_DARK,
            ms=3.5,
            label="mean confidence",
        )
        axes.stairs(diagram.share, diagram.edges, color=COLORS[1], lw=1.4, label="share of pixels")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy, share")
        axes.legend(
            frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0
        )

    return svg(paint, width=4.6, height=4.6)


def curves(
    x: Sequence[float], series: Mapping[str, Sequence[float]], *, x_label: str, y_label: str
) -> str:
    """Lines over a common axis.

    Args:
        x: Where the values stand.
        series: The values of each line by its name; nan leaves a gap.
        x_label: What x is.
        y_label: What the values are.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        marker = "o" if len(x) <= 30 else None
        for index, (name, values) in enumerate(series.items()):
            again, place = divmod(index, len(COLORS))
            line = _LINES[again % len(_LINES)]
            axes.plot(x, values, line, color=COLORS[place], lw=1.6, marker=marker, ms=3, label=name)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid()
        if len(series) <= len(COLORS):
            axes.legend(frameon=False, fontsize=9)
        else:
            axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))

    return svg(paint, width=5.2, height=3.3)


def changes(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    *,
    label: str,
) -> str:
    """Horizontal bars from zero to both sides, one per name from top to bottom, with their intervals.

    Args:
        names: What each bar stands for.
        values: How much it changed.
        intervals: The interval of each change; green and red where it leaves out zero.
        label: What the values are.

    Returns:
        An `<svg>` element.
    """

    def color(interval: tuple[float, float] | None) -> str:
        if interval is None or interval[0] <= 0 <= interval[1]:
            return "#9aa5b1"
        return COLORS[2] if interval[0] > 0 else COLORS[4]

    def paint(axes: Axes) -> None:
        places = np.arange(len(names))
        axes.barh(places, values, color=[color(item) for item in intervals], height=0.66)
        for place, interval in zip(places, intervals, strict=True):
            if interval is not None:
                axes.plot(interval, (place, place), color=_DARK, lw=1.2, solid_capstyle="butt")
        axes.axvline(0, color=_GREY, lw=0.8)
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.3g}" if value else "0")
        axes.grid(axis="x")
        axes.tick_params(left=False)

    return svg(paint, width=7.2, height=0.8 + 0.27 * len(names))


def svg(paint: Callable[[Axes], None], *, width: float, height: float) -> str:
    """Draw a plot.

    Args:
        paint: What draws on its axes.
        width: In inches; it grows for long labels, the height too.
        height: In inches.

    Returns:
        An `<svg>` element.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        paint(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(
            text,
            format="svg",
            bbox_inches="tight",
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    whole = text.getvalue()
    return whole[whole.index("<svg") :]
