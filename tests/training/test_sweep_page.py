"""What is shown of a sweep: tables, and the data of the plots."""

from __future__ import annotations

import csv
import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plotly")

from curbside.errors import MissingDependencyError
from curbside.models import LRASPPConfig
from curbside.training import TrainConfig
from curbside.training.sweep import (
    Sweep,
    Trial,
    read_space,
    require_plotly,
    split_items,
    trial_table,
)
from curbside.training.sweep.page import _Drawing, sweep_page
from curbside.training.sweep.tables import trials_csv, trials_json

ITEMS = ["optimizer.lr=1e-4..1e-2:log", "data.crop-hw=32x64,64x32", "steps=10..30"]


def _sweep() -> Sweep:
    bases = {"": TrainConfig(name="recipe", model=LRASPPConfig())}
    space = read_space(split_items(ITEMS), bases)
    words = ("recipe", "--data.root", "my data")
    return Sweep(folder=Path("sweeps/one"), bases=bases, space=space, words=words)


def _trial(number: int, state: Any, score: float | None, *values: Any, **more: Any) -> Trial:
    names = ("optimizer.lr", "data.crop-hw", "steps")
    about = {"step": 7, "score_name": "IoU of road", "seconds": 1.4, **more}
    return Trial(
        number=number,
        state=state,
        score=score,
        values=dict(zip(names, values, strict=True)),
        **about,
    )


TRIALS = [
    _trial(0, "complete", 0.25, 1e-4, "32x64", 10),
    _trial(1, "pruned", 0.9, 1e-2, "64x32", 30),
    _trial(2, "complete", 0.5, 1e-3, "64x32", 20),
    _trial(3, "failed", None, 2e-3, "32x64", 20, step=None, reason="it | broke"),
    _trial(4, "complete", 0.375, 5e-3, "32x64", 25),
]


class _Figures(_Drawing):
    """Gives the figures as they are."""

    def _html(self, figure: Any, *_: Any, **__: Any) -> Any:
        return figure


def test_the_plots_show_the_trials() -> None:
    drawn: Any = _Figures(_sweep(), TRIALS)
    pruned, complete, best = drawn.history().data
    assert (pruned.x, pruned.y, pruned.marker.symbol) == ((1,), (90.0,), "x")
    assert (complete.x, complete.y) == ((0, 2, 4), (25.0, 50.0, 37.5))
    assert (best.x, best.y) == ((0, 2, 4), (25.0, 50.0, 50.0))
    rate, size, _ = _sweep().space.parameters
    figure = drawn.slice(rate)
    assert figure.layout.xaxis.type == "log" and figure.data[1].x == (1e-4, 1e-3, 5e-3)
    figure = drawn.slice(size)
    assert figure.layout.xaxis.categoryarray == ("32x64", "64x32")
    assert figure.data[0].x == ("64x32",) and figure.data[1].x == ("32x64", "64x32", "32x64")
    lines = {one.label: one for one in drawn.coordinates().data[0].dimensions}
    assert list(lines) == ["optimizer.lr", "data.crop-hw", "steps", "state", "IoU of road, %"]
    assert lines["optimizer.lr"].values == pytest.approx((-4, -2, -3, -2.30103), abs=1e-6)
    assert lines["optimizer.lr"].range == (-4, -2)
    assert lines["data.crop-hw"].values == (0, 1, 1, 0)
    assert lines["state"].values == (1, 0, 1, 1)  # 0 is pruned
    assert lines["IoU of road, %"].values == (25.0, 90.0, 50.0, 37.5)
    bars = drawn.importances({"steps": 0.7, "optimizer.lr": 0.3}).data[0]
    assert (bars.x, bars.y) == ((0.3, 0.7), ("optimizer.lr", "steps"))


def test_the_page_stands_alone_and_brings_its_script_once() -> None:
    page = sweep_page(_sweep(), TRIALS, "There is one parameter alone.").html()
    assert page.count("Plotly.newPlot(") == 5 and page.count("* plotly.js v") == 1
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=", page)
    assert "There is one parameter alone." in page and "trial 3 failed: it | broke" in page
    assert "5 trials of recipe: 3 complete, 1 pruned, 1 failed" in page
    assert sweep_page(_sweep(), [], "None yet.").html().count("Plotly.newPlot(") == 5


def test_the_best_complete_trial_stands_first() -> None:
    table = trial_table(_sweep(), TRIALS)
    assert table.headers[2] == "IoU of road, %"
    assert [row[0] for row in table.rows] == ["2", "4", "0", "1", "3"]
    assert table.rows[0] == ("2", "complete", "50.00", "7", "1", "0.001", "64x32", "20")
    assert table.rows[-1][2:4] == ("–", "–")
    assert trial_table(_sweep(), TRIALS, narrow=True).headers[-3:] == ("lr", "crop-hw", "steps")
    data = trials_json(_sweep(), TRIALS)
    assert data["best"] == 2
    assert data["command"] == (
        "curbside train recipe --data.root 'my data'"
        " --optimizer.lr 0.001 --data.crop-hw 64 32 --steps 20"
    )
    rows = list(csv.DictReader(io.StringIO(trials_csv(_sweep(), TRIALS))))
    assert [row["trial"] for row in rows] == list("01234")
    assert (
        rows[3]["reason"] == "it | broke" and rows[3]["score"] == "" and rows[1]["score"] == "0.9"
    )


def test_without_plotly_the_extra_is_named(monkeypatch) -> None:
    for name in ("plotly", "plotly.graph_objects"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"curbside\[sweep\]"):
        require_plotly()
