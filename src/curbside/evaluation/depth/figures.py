"""Plots and pictures of depth for a `Page`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ...imaging import depth_palette, encode_depth
from ..plots import COLORS, svg
from ..thumbnails import class_map
from .density import DepthDensity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["density_plot", "depth_colors", "depth_map", "error_colors", "error_map", "errors_plot"]

_GREY, _LINE = "#3e4c59", "#9aa5b1"
_METRES = (2, 5, 10, 20, 40, 80)
_NEAR, _FAR, _UNKNOWN = (33, 102, 172), (178, 24, 43), (60, 64, 70)  # RGB
_MIDDLE = 128


def errors_plot(names: Sequence[str], values: Sequence[float | None]) -> str:
    """Horizontal bars of relative errors, one per band from top to bottom, with their values.

    Returns:
        An `<svg>` element.
    """

    def paint(axes: Axes) -> None:
        places, lengths = np.arange(len(names)), [value or 0.0 for value in values]
        axes.barh(places, lengths, color=COLORS[0], height=0.72)
        end = max(lengths) or 1.0
        for place, value in enumerate(values):
            said = "absent" if value is None else f"{value:.3f}"
            axes.text((value or 0) + 0.012 * end, place, said, va="center", fontsize=9, color=_GREY)
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1.12 * end)
        axes.set_xlabel("mean relative error (AbsRel)")
        axes.grid(axis="x")
        axes.tick_params(left=False)

    return svg(paint, width=4.4, height=0.9 + 0.34 * len(names))


def density_plot(density: DepthDensity) -> str:
    """Predicted against true depth: of each true distance, the share of its pixels, and their median.

    Returns:
        An `<svg>` element.
    """
    counts, edges = density.counts, density.edges_m
    pixels = counts.sum(axis=1)
    shares = np.divide(
        counts, pixels[:, None], out=np.zeros(counts.shape), where=pixels[:, None] > 0
    )
    middles = np.sqrt(edges[1:] * edges[:-1])
    enough = pixels >= max(1, pixels.sum() // 10_000)
    halves = np.array([np.searchsorted(np.cumsum(row), 0.5) for row in shares])
    medians = np.where(enough, middles[np.minimum(halves, len(middles) - 1)], np.nan)
    seen = np.flatnonzero(counts.any(axis=0) | counts.any(axis=1))
    low, high = edges[seen[0]], edges[seen[-1] + 1]

    def paint(axes: Axes) -> None:
        shown = np.ma.masked_equal(np.where(enough[:, None], shares, 0).T, 0)
        mesh = axes.pcolormesh(edges, edges, shown, cmap="Blues", vmin=0, rasterized=True)
        axes.plot([low, high], [low, high], color=_LINE, ls="--", lw=1, label="right")
        axes.plot(middles, medians, color=COLORS[1], lw=1.6, marker=".", ms=4, label="median")
        for axis, scale, limit in (
            (axes.xaxis, axes.set_xscale, axes.set_xlim),
            (axes.yaxis, axes.set_yscale, axes.set_ylim),
        ):
            scale("log", base=2)
            limit(low, high)
            ticks = [t for t in (0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160) if low <= t <= high]
            axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_aspect("equal")
        axes.set_xlabel("true depth, m")
        axes.set_ylabel("predicted depth, m")
        axes.legend(frameon=False, fontsize=9, loc="upper left")
        bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.7, label="share of the true distance")
        bar.outline.set_visible(False)  # type: ignore[operator]

    return svg(paint, width=5.2, height=4.4)


def depth_map(depth_m: np.ndarray, width: int) -> np.ndarray:
    """Depth in the colours it has everywhere, made small, unknown black.

    Args:
        depth_m: (H, W) float32 metres, 0 = unknown.
        width: In pixels, at most.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    return class_map(encode_depth(depth_m), depth_palette(), width)


def depth_colors() -> dict[str, tuple[int, int, int]]:
    """What the colours of `depth_map` mean."""
    levels = encode_depth(np.array([_METRES], np.float32))[0]
    table = depth_palette()[levels].tolist()
    return {f"{m} m": (r, g, b) for m, (r, g, b) in zip(_METRES, table, strict=True)}


def error_map(depth_m: np.ndarray, target_m: np.ndarray, width: int) -> np.ndarray:
    """Where depth is wrong, made small: white where it is right, red where it is too far, blue where it is
    too near, full at a factor of two, dark where one of them is unknown.

    Args:
        depth_m: Predicted, (H, W) float32 metres, 0 = unknown.
        target_m: True, the same.
        width: In pixels, at most.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    both = (depth_m > 0) & (target_m > 0)
    ratio = np.divide(depth_m, target_m, out=np.ones_like(depth_m), where=both)
    levels = _MIDDLE + np.rint(127 * np.clip(np.log2(ratio), -1, 1))
    return class_map(np.where(both, levels, 0).astype(np.uint8), _error_palette(), width)


def error_colors() -> dict[str, tuple[int, int, int]]:
    """What the colours of `error_map` mean."""
    white = (255, 255, 255)
    return {
        "half as far or nearer": _NEAR,
        "right": white,
        "twice as far or farther": _FAR,
        "unknown": _UNKNOWN,
    }


@cache
def _error_palette() -> np.ndarray:
    """(256, 3) uint8 RGB of the levels of an error map; 0 is unknown."""
    levels = np.arange(256)
    far, near = (np.clip(sign * (levels - _MIDDLE) / 127, 0, 1)[:, None] for sign in (1, -1))
    palette = 255 + far * (np.array(_FAR) - 255.0) + near * (np.array(_NEAR) - 255.0)
    palette[0] = _UNKNOWN
    return np.rint(palette).astype(np.uint8)
