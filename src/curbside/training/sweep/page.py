"""`sweep.html`: the trials drawn, on one page that opens offline."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from ...errors import MissingDependencyError
from ...evaluation import Page
from .plan import Sweep
from .space import Choices, Parameter
from .tables import best_of, command_line, failure_lines, score_name, trial_table, value_text
from .trials import State, Trial

__all__ = ["require_plotly", "sweep_page"]

_STYLES: Mapping[State, tuple[str, str]] = {
    "complete": ("#2f6f9f", "circle"),
    "pruned": ("#c0762b", "x"),
}
_STATES: tuple[State, ...] = ("pruned", "complete")
_GREY = "#9aa5b1"
_TICKS = 6


def require_plotly() -> Any:
    """The module that draws.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    try:
        import plotly.graph_objects as drawing
    except ImportError as error:
        raise MissingDependencyError("plotly", extra="sweep") from error
    return drawing


def sweep_page(
    sweep: Sweep, trials: Sequence[Trial], importances: Mapping[str, float] | str
) -> Page:
    """The page of a sweep.

    Args:
        sweep: The sweep.
        trials: Its trials.
        importances: Which share each parameter has in what is good, or why that cannot be said.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    drawn = _Drawing(sweep, trials)
    page = Page(f"Sweep {sweep.name}")
    counts = {s: sum(one.state == s for one in trials) for s in ("complete", "pruned", "failed")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    how = f"proposed by {sweep.sampler}, seed {sweep.seed}, broken off by {sweep.pruner}"
    page.text(
        f"{len(trials)} trials of {sweep.words[0]}: {told}; {how}.".replace("by none", "by nobody")
    )
    best = best_of(trials)
    if best is not None and best.score is not None:
        page.text(
            f"The best is trial {best.number}, {drawn.score} {100 * best.score:.2f} %. Again:"
        )
        page.text(command_line(sweep, best))
    page.heading("One trial after the other")
    page.figure(
        drawn.history(), "The line is the best score so far; trials with a cross were broken off."
    )
    page.heading("Which parameter matters")
    if isinstance(importances, str):
        page.text(importances)
    else:
        page.figure(
            drawn.importances(importances),
            "Share of each parameter in what tells the better complete trials from the others, by"
            " PED-ANOVA (Watanabe et al. 2023). Of few trials it is a guess.",
        )
    page.heading("Score by parameter")
    for one in sweep.space.parameters:
        page.figure(drawn.slice(one))
    page.heading("All parameters together")
    page.figure(
        drawn.coordinates(),
        "A line for every trial; drag along an axis to see a part of them alone.",
    )
    page.heading("Trials")
    page.put(trial_table(sweep, trials))
    for line in failure_lines(trials):
        page.text(line)
    return page


class _Drawing:
    """The plots; the first one brings the script that draws them all."""

    def __init__(self, sweep: Sweep, trials: Sequence[Trial]) -> None:
        self._go = require_plotly()
        self._sweep = sweep
        self._scored = [one for one in trials if one.score is not None and one.state in _STYLES]
        self._with_script = True
        self.score = score_name(trials)

    def history(self) -> str:
        """Score by number, and the best so far."""
        figure = self._go.Figure()
        for state in _STATES:
            figure.add_trace(self._points(state, lambda one: one.number))
        complete = [one for one in self._scored if one.state == "complete"]
        figure.add_trace(
            self._go.Scatter(
                x=[one.number for one in complete],
                y=list(accumulate((100 * (one.score or 0) for one in complete), max)),
                mode="lines",
                line={"color": _STYLES["complete"][0], "shape": "hv"},
                name="best so far",
            )
        )
        figure.update_xaxes(title="trial", tickformat="d", rangemode="tozero")
        return self._html(figure, 380)

    def importances(self, shares: Mapping[str, float]) -> str:
        """A bar per parameter."""
        names = sorted(shares, key=shares.__getitem__)
        figure = self._go.Figure(
            self._go.Bar(
                x=[shares[name] for name in names],
                y=names,
                orientation="h",
                marker_color=_STYLES["complete"][0],
                texttemplate="%{x:.0%}",
            )
        )
        figure.update_xaxes(tickformat=".0%", range=[0, 1], title="importance")
        return self._html(figure, 100 + 34 * len(names), scored=False)

    def slice(self, one: Parameter) -> str:
        """Score by a parameter."""
        figure = self._go.Figure()
        for state in _STATES:
            figure.add_trace(self._points(state, lambda trial: trial.values[one.name]))
        if isinstance(one, Choices):
            figure.update_xaxes(
                type="category", categoryorder="array", categoryarray=list(one.texts)
            )
        elif one.log:
            figure.update_xaxes(type="log", exponentformat="e")
        figure.update_xaxes(title=one.name)
        return self._html(figure, 320)

    def coordinates(self) -> str:
        """A line per trial over all parameters, whether it was broken off, and the score."""
        scores = [100 * (one.score or 0) for one in self._scored]
        states = {"values": [_STATES.index(one.state) for one in self._scored], "label": "state"}
        states |= {"tickvals": [0, 1], "ticktext": list(_STATES), "range": [-0.2, 1.2]}
        axes = [self._axis(one) for one in self._sweep.space.parameters]
        axes += [states, {"label": f"{self.score}, %", "values": scores}]
        figure = self._go.Figure(
            self._go.Parcoords(
                dimensions=axes,
                line={"color": scores, "colorscale": "Viridis", "showscale": bool(scores)},
            )
        )
        margin = {"l": 170, "r": 60, "t": 70, "b": 40}
        return self._html(figure, 430, scored=False, margin=margin)

    def _axis(self, one: Parameter) -> dict[str, Any]:
        values = [trial.values[one.name] for trial in self._scored]
        if isinstance(one, Choices):
            places = list(range(len(one.texts)))
            found: dict[str, Any] = {"values": [one.texts.index(str(value)) for value in values]}
            found |= {
                "tickvals": places,
                "ticktext": list(one.texts),
                "range": [-0.2, places[-1] + 0.2],
            }
        elif one.log:
            ends = [math.log10(one.low), math.log10(one.high)]
            ticks = [ends[0] + (ends[1] - ends[0]) * i / (_TICKS - 1) for i in range(_TICKS)]
            found = {"values": [math.log10(float(value)) for value in values], "range": ends}
            found |= {"tickvals": ticks, "ticktext": [f"{10**tick:.2g}" for tick in ticks]}
        else:
            found = {"values": values, "range": [one.low, one.high]}
        return {"label": one.name, **found}

    def _points(self, state: State, place: Callable[[Trial], Any]) -> Any:
        """A marker per trial that ended in a way; over it, all that it was."""
        shown = [one for one in self._scored if one.state == state]
        color, symbol = _STYLES[state]
        return self._go.Scatter(
            x=[place(one) for one in shown],
            y=[100 * (one.score or 0) for one in shown],
            mode="markers",
            cliponaxis=False,
            name=state,
            marker={"color": color, "symbol": symbol, "size": 9},
            text=[_told(one) for one in shown],
            hovertemplate="%{text}<extra></extra>",
        )

    def _html(
        self,
        figure: Any,
        height: int,
        *,
        scored: bool = True,
        margin: dict[str, int] | None = None,
    ) -> str:
        if scored:
            figure.update_yaxes(title=f"{self.score}, %")
        figure.update_layout(
            template="plotly_white",
            height=height,
            font={"family": "system-ui, sans-serif", "color": "#1f2933"},
            legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
            margin=margin or {"l": 60, "r": 20, "t": 36, "b": 50},
        )
        figure.update_xaxes(linecolor=_GREY)
        text = figure.to_html(
            full_html=False,
            include_plotlyjs=self._with_script,
            config={"displayModeBar": False, "responsive": True},
        )
        self._with_script = False
        return str(text)


def _told(one: Trial) -> str:
    values = "<br>".join(f"{name} {value_text(value)}" for name, value in one.values.items())
    return f"trial {one.number}, {one.state}: {100 * (one.score or 0):.2f} %<br>{values}"
