"""Precision-recall curves as SVG texts for a `Page`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..metrics import BestThreshold, PrecisionRecallCurve
from .plots import COLORS, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_NAMED", "all_curves", "one_curve"]

MOST_NAMED = 12
"""Of more classes, those with the lowest F1 are named."""

_DARK, _GREY, _LINE = "#1f2933", "#3e4c59", "#9aa5b1"


def all_curves(series: Mapping[str, tuple[PrecisionRecallCurve, BestThreshold]]) -> str:
    """The curves of several classes, the best threshold of each marked.

    Args:
        series: The curve of each class and its best threshold, by its name.

    Returns:
        An `<svg>` element.
    """
    ranked = sorted(series, key=lambda name: -series[name][1].f1)
    named = ranked[-MOST_NAMED:]

    def paint(axes: Axes) -> None:
        for name in ranked[:-MOST_NAMED]:
            curve, _ = series[name]
            axes.plot(curve.recall, curve.precision, color="#cbd2d9", lw=1)
        for index, name in enumerate(named):
            curve, best = series[name]
            again, place = divmod(index, len(COLORS))
            color = COLORS[place]
            said = f"{name}: {best.f1:.3f} at {best.threshold:.2f}"
            line = ("-", "--")[again % 2]
            axes.plot(curve.recall, curve.precision, line, color=color, lw=1.6, label=said)
            axes.plot(best.recall, best.precision, "o", color=color, ms=5, mec="white", mew=0.8)
        _frame(axes, 0.0)
        axes.legend(
            frameon=False,
            fontsize=9,
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            title="best F1, at which threshold",
            title_fontsize=9,
            alignment="left",
        )

    return svg(paint, width=8.2, height=4.8)


def one_curve(
    curve: PrecisionRecallCurve, best: BestThreshold, shown: tuple[float, float] | None
) -> str:
    """The curve of what is looked for, large, over lines of equal F1; the better it is, the closer to the
    corner where both are 1 it is seen.

    Args:
        curve: The curve.
        best: Its best threshold, marked.
        shown: Precision and recall of the class map as it is, marked, too.

    Returns:
        An `<svg>` element.
    """
    worse = min(best.f1, *(shown or (1.0,)))
    start = min(max(0.0, math.floor((1 - 4 * (1 - worse)) * 10) / 10), 0.9)

    def paint(axes: Axes) -> None:
        _equal_f1(axes, start)
        axes.plot(curve.recall, curve.precision, color=COLORS[0], lw=2)
        said = f"best threshold {best.threshold:.3f}: F1 {best.f1:.4f}, IoU {best.iou:.4f}"
        axes.plot(best.recall, best.precision, "o", color=COLORS[1], ms=9, label=said)
        if shown is not None and any(shown):
            f1 = 2 * shown[0] * shown[1] / sum(shown)
            axes.plot(
                *shown[::-1],
                "D",
                color="none",
                mec=_DARK,
                mew=1.6,
                ms=8,
                label=f"the class map as it is: F1 {f1:.4f}, IoU {f1 / (2 - f1):.4f}",
            )
        _frame(axes, start)
        axes.legend(frameon=False, fontsize=10, loc="lower left", bbox_to_anchor=(0, 1))

    return svg(paint, width=6.8, height=6.8)


def _equal_f1(axes: Axes, start: float) -> None:
    """Lines of equal F1 that end at the right edge, where recall is 1, each with its F1 beside it."""
    least = 2 * start / (1 + start)  # of precision `start` and recall 1
    for parts in (5, 10, 20, 50, 100):
        levels = np.arange(max(1, math.ceil(least * parts - 1e-9)), parts) / parts
        if len(levels) >= 3:
            break
    for f1 in levels.tolist():
        recall = np.linspace(max(start, f1 / (2 - f1)), 1, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color="#cbd2d9", lw=0.9, zorder=1)
        place = (1 + 0.015 * (1 - start), f1 / (2 - f1))
        axes.text(*place, f"F1 {f1:g}", va="center", fontsize=9, color=_LINE)


def _frame(axes: Axes, start: float) -> None:
    axes.set_xlim(start, 1)
    axes.set_ylim(start, 1 + 0.005 * (1 - start))
    axes.set_aspect("equal")
    axes.set_xlabel("recall: share of the class that is found")
    axes.set_ylabel("precision: share of what is found that is right")
    axes.grid()
