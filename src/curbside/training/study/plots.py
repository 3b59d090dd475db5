"""The curves of a study: several runs of every variant in one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.plots import _COLORS, _svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bands"]


def bands(
    series: Mapping[str, tuple[Sequence[float], np.ndarray]], *, x_label: str, y_label: str
) -> str:
    """A line per variant, the mean over its runs, in a band from the lowest to the highest.

    Args:
        series: By the name of the variant where its values stand, and the values, (runs, places).
        x_label: What x is.
        y_label: What the values are.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        for index, (name, (x, values)) in enumerate(series.items()):
            color = _COLORS[index % len(_COLORS)]
            style = "-" if index < len(_COLORS) else "--"
            axes.plot(x, values.mean(axis=0), style, color=color, lw=1.6, label=name)
            axes.fill_between(
                x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, lw=0
            )
        axes.set_xlim(left=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid()
        axes.legend(frameon=False, fontsize=9)

    return _svg(paint, width=5.2, height=3.6)
