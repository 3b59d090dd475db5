"""Plots of speeds as SVG, drawn by hand: a device needs no plotting library for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import floor, log10
from typing import Literal

from ..metrics.timing import LatencySummary
from ..runtime.benchmark import BenchmarkReport
from ._speeds import STAGES, ms

__all__ = ["latencies_plot", "stages_plot"]

_COLORS = {
    "capture": "#6b7280",
    "prepare": "#9b4f96",
    "network": "#2f6f9f",
    "decode": "#3d8b57",
    "draw": "#d1732b",
    "write": "#b83a3a",
}
_NETWORKS = ("#2f6f9f", "#7fb0d6")
_DARK, _GREY, _RULE = "#1f2933", "#52606d", "#e4e7eb"
_WIDTH, _LEFT, _RIGHT = 960, 230, 90
_TEXT = 'font-family="system-ui, sans-serif" font-size="13"'
_LETTER = 7.2  # width of a letter at that size, about


def stages_plot(report: BenchmarkReport) -> str:
    """Two bars per model: the mean of every stage in a row, and of the bare networks.

    Returns:
        An `<svg>` element.
    """
    bars: list[tuple[str, str, list[tuple[float, str]]]] = []
    there: list[str] = []
    for speed in report.models:
        stages = {
            name: summary.mean_ms
            for name, summary in speed.stages.items()
            if name in _COLORS and summary.mean_ms >= 0.005
        }
        there += [name for name in stages if name not in there]
        bars.append((speed.model, "stages", [(took, _COLORS[n]) for n, took in stages.items()]))
        alone = [
            (network.time.mean_ms, _NETWORKS[place % 2])
            for place, network in enumerate(speed.networks)
        ]
        bars.append(("", "bare", alone))
    longest = max(sum(took for took, _ in parts) for _, _, parts in bars)
    top, parts_svg = 34, list(_legend([(STAGES[name], _COLORS[name]) for name in there]))
    height = top + 62 * len(report.models) + 34
    scale = (_WIDTH - _LEFT - _RIGHT) / max(longest, 1e-6)
    parts_svg += _axis(longest, scale, top, height - 34)
    for place, (name, what, parts) in enumerate(bars):
        y = top + 8 + 62 * (place // 2) + 25 * (place % 2)
        parts_svg += _name(name, y + 14)
        x, tall = float(_LEFT), 20 if what == "stages" else 14
        for took, color in parts:
            parts_svg.append(
                f'<rect x="{x:.1f}" y="{y}" width="{max(0.5, took * scale):.1f}" height="{tall}"'
                f' fill="{color}"/>'
            )
            x += took * scale
        total = sum(took for took, _ in parts)
        parts_svg.append(
            f'<text x="{x + 6:.1f}" y="{y + tall - 4}" fill="{_GREY}">{ms(total)}'
            f"{'' if what == 'stages' else ' bare'}</text>"
        )
    return _svg(height, parts_svg)


def latencies_plot(report: BenchmarkReport, kind: Literal["age", "latency"]) -> str:
    """One line per round of every model, from the median to the 99th percentile.

    Args:
        report: The speeds.
        kind: `age` is that of the pictures at the clip's own rate, `latency` from captured to drawn as
            fast as it goes.

    Returns:
        An `<svg>` element.
    """
    by_model: list[tuple[str, list[LatencySummary]]] = [
        (speed.model, [getattr(turn, kind) for turn in speed.rounds]) for speed in report.models
    ]
    longest = max(summary.p99_ms for _, turns in by_model for summary in turns)
    scale = (_WIDTH - _LEFT - _RIGHT) / max(longest, 1e-6)
    step, top = 12, 8
    height = top + sum(step * len(turns) + 16 for _, turns in by_model) + 34
    parts = _axis(longest, scale, top, height - 34)
    y = float(top + 10)
    for place, (name, turns) in enumerate(by_model):
        color = tuple(_COLORS.values())[(2 + place) % len(_COLORS)]
        parts += _name(name, y + step * (len(turns) - 1) / 2 + 5)
        for turn in turns:
            p50, p95, p99 = (_LEFT + scale * p for p in (turn.p50_ms, turn.p95_ms, turn.p99_ms))
            parts.append(
                f'<path d="M{p50:.1f} {y}H{p99:.1f}M{p95:.1f} {y - 4}v8" stroke="{color}"'
                ' stroke-width="2" fill="none"/>'
            )
            parts.append(f'<circle cx="{p50:.1f}" cy="{y}" r="3.5" fill="{color}"/>')
            y += step
        y += 16
    return _svg(height, parts)


def _svg(height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}"'
        f' width="{_WIDTH}" height="{height:.0f}" role="img" {_TEXT}>{"".join(parts)}</svg>'
    )


def _legend(entries: Sequence[tuple[str, str]]) -> Iterator[str]:
    x = float(_LEFT)
    for name, color in entries:
        yield f'<rect x="{x:.1f}" y="6" width="12" height="12" rx="2" fill="{color}"/>'
        yield f'<text x="{x + 18:.1f}" y="17" fill="{_DARK}">{escape(name)}</text>'
        x += 18 + _LETTER * len(name) + 20


def _name(name: str, y: float) -> list[str]:
    """The name of a model left of its rows, cut where it is too long."""
    room = int((_LEFT - 16) / _LETTER)
    shown = name if len(name) <= room else f"{name[: room - 1]}…"
    return [
        f'<text x="{_LEFT - 10}" y="{y:.1f}" text-anchor="end" fill="{_DARK}">{escape(shown)}</text>'
    ]


def _axis(longest: float, scale: float, top: float, bottom: float) -> list[str]:
    """Lines at round numbers of milliseconds, and what they are."""
    power = 10 ** floor(log10(max(longest, 1e-6)))
    step = next(s for s in (power / 5, power / 2, power, power * 2) if longest / s <= 6)
    parts = []
    for number in range(int(longest / step) + 1):
        x = _LEFT + number * step * scale
        parts.append(f'<path d="M{x:.1f} {top}V{bottom}" stroke="{_RULE}" fill="none"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="{_GREY}">'
            f"{number * step:g}</text>"
        )
    parts.append(f'<text x="{_WIDTH - 60}" y="{bottom + 16}" fill="{_GREY}">ms</text>')
    return parts
