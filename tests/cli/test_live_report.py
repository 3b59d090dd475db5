"""What `curbside run` tells at its end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from curbside.cli import _live_report
from curbside.cli._live_report import Tally, show_run
from curbside.runtime import PipelineStats


def _result(*numbers, cars=0):
    panoptic = SimpleNamespace(
        track_ids=np.array(numbers, np.int32), disagreement_shares=lambda: {"road": 0.5}
    )
    return SimpleNamespace(panoptic=panoptic, counts=lambda: {"car": cars}, shares=lambda: {})


def test_means_are_over_the_frames_with_a_result():
    tally = Tally(shares=False)
    for result in (_result(cars=2), None, _result(cars=4), None):
        tally.add(result)
    assert tally.means()["objects"] == {"car": pytest.approx(3)}
    assert tally.means()["disagreement"] == {"road": pytest.approx(0.5)}
    assert tally.failed == 2


def test_nothing_seen_has_no_means():
    tally = Tally(shares=True)
    tally.add(None)
    assert tally.means() == {"shares": {}, "objects": {}, "disagreement": {}}
    assert tally.followed is None


def test_objects_are_told_apart_by_their_numbers():
    """Against a set of all numbers: many at once, some hidden at first, some never shown."""
    dice, tally, seen = np.random.default_rng(0), Tally(shares=False), set()
    for frame in range(300):
        numbers = np.unique(dice.integers(frame, frame + 40, dice.integers(0, 8)))
        shown = dice.permutation([0, *numbers.tolist()])
        tally.add(_result(*shown))
        seen |= set(shown.tolist()) - {0}
    assert tally.followed == len(seen)


def test_counting_objects_takes_no_more_memory_the_longer_it_lasts(monkeypatch):
    monkeypatch.setattr(_live_report, "_PASSED_OVER", 10)
    tally = Tally(shares=False)
    for number in range(5, 5000, 5):
        tally.add(_result(number))
    tally.add(_result(10**9))
    assert tally.followed == 1000
    sizes = [len(held) for held in vars(tally).values() if hasattr(held, "__len__")]
    assert max(sizes) <= 10


def test_paths_are_printed_as_they_are(capsys):
    stats = PipelineStats(frames=1, dropped=0, wall_s=1.0, stages={})
    means = {"shares": {}, "objects": {"[red]car": 1.0}, "disagreement": {}}
    show_run({"model": "x[/b]/s.onnx", "source": "c[red].mp4"}, stats, means, [])
    shown = capsys.readouterr().out
    assert "x[/b]/s.onnx" in shown
    assert "c[red].mp4" in shown
    assert "[red]car" in shown
