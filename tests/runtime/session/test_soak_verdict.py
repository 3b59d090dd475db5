"""What the soak fails on, with counts written by hand: it is of no use where it cannot fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from curbside.errors import SourceError
from curbside.runtime import Fault

WELL = {
    "frames": 1000,
    "faults_made": {"capture": 900, "network": 700},
    "faults_made_that_were_reported": {"capture": 900, "network": 690},
    "faults_reported_twice": 0,
    "faults_that_nobody_made": {},
    "faults_seen": {"capture": 900, "network": 690},
    "faults_counted_by_the_session": {"capture": 900, "network": 690},
    "growth_mb_per_10000_frames": 0.1,
    "held_before": {"python_threads": 1, "threads": 5, "files": 10},
    "held_after": {"python_threads": 1, "threads": 6, "files": 11},
    "unhandled": [],
}


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    for name in ("soak", "soak_faults"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import soak

    return soak


def test_a_run_that_went_well(soak):
    assert soak._failures(WELL, frames=1000) == []


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"frames": 999}, "frames"),
        ({"faults_made_that_were_reported": {}}, "faults: capture"),
        ({"faults_made_that_were_reported": {"capture": 900, "network": 600}}, "faults: network"),
        ({"faults_reported_twice": 1}, "faults reported twice"),
        ({"faults_that_nobody_made": {"draw: ValueError": 1}}, "faults that nobody made"),
        ({"faults_counted_by_the_session": {"capture": 1}}, "the session's counts of faults"),
        ({"growth_mb_per_10000_frames": 1.0}, "memory"),
        ({"held_after": {"python_threads": 2, "threads": 6, "files": 11}}, "python_threads"),
        ({"held_after": {"python_threads": 1, "threads": 400, "files": 11}}, "threads"),
        ({"held_after": {"python_threads": 1, "threads": 6, "files": 900}}, "files"),
        ({"unhandled": ["KeyError: 1"]}, "unhandled exceptions"),
    ],
)
def test_a_run_that_did_not(soak, change, failed):
    assert failed in soak._failures({**WELL, **change}, frames=1000)


def test_faults_are_counted_one_by_one(soak):
    from soak_faults import Faults

    faults = Faults(0)
    errors = [SourceError(f"broken {number}", fix="go on") for number in range(4)]
    for number, error in enumerate(errors):
        faults.make("capture", error, leaving=number == 3)
    reports = [Fault(stage="capture", error=error, action="") for error in errors[:2]]
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = errors[1]
    faults.see(reports)
    faults.see([*reports, Fault(stage="network", error=wrapped, action="")])
    faults.see([Fault(stage="draw", error=ValueError("no view"), action="")])
    told = faults.told()
    assert told["faults_made"]["capture"] == 3
    assert told["faults_made_that_were_reported"]["capture"] == 2
    assert told["faults_made_while_leaving"] == {"capture": 1}
    assert told["faults_reported_twice"] == 1
    assert told["faults_that_nobody_made"] == {"draw: ValueError: no view": 1}
    assert told["faults_seen"] == {"capture": 2, "network": 1, "draw": 1}
