"""Sources that may block: the newest picture, prompt errors, nobody held up."""

from __future__ import annotations

import contextlib
import threading
import time

import numpy as np
import pytest

from curbside.errors import SourceError
from curbside.runtime.sources import live
from curbside.runtime.sources.live import Connection, LiveSource


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waits are short, and what still waits in the end is let go on, so that no thread stays."""
    monkeypatch.setattr(live, "_JOIN_S", 0.05)
    yield
    while WAITING:
        WAITING.pop().set()
    for thread in threading.enumerate():
        if thread.name.startswith("curbside-read"):
            thread.join(10)


WAITING: list[threading.Event] = []


class Scripted(Connection):
    """Gives what a list says: a number for a picture of it, an exception to raise or, of a
    `SourceError` in a tuple, to leave out, and an event to wait for."""

    fps, title = 50.0, "a script that runs"

    def __init__(self, script):
        self._script = script
        self.closed = threading.Event()
        self.thread = threading.current_thread()

    def pictures(self):
        for item in self._script:
            if isinstance(item, threading.Event):
                WAITING.append(item)
                item.wait(10)
            elif isinstance(item, tuple):
                yield item[0]
            elif isinstance(item, Exception):
                raise item
            else:
                yield np.full((2, 3, 3), item, np.uint8)

    def close(self):
        self.closed.set()


def broken(text="it broke"):
    return SourceError(text, fix="mend it")


class Rig:
    """A source over scripts, one for each time it connects; an exception is raised instead."""

    def __init__(self, *scripts, **more):
        self.scripts, self.made = list(scripts), []
        self.source = LiveSource("a script", self._connect, **more)

    def _connect(self):
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        if isinstance(script, threading.Event):
            WAITING.append(script)
            script.wait(10)
            raise broken("too late")
        self.made.append(Scripted(script))
        return self.made[-1]


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_it_is_opened_at_once_and_tells_what_really_runs():
    rig = Rig([threading.Event()])
    assert (rig.source.title, rig.source.fps, rig.source.live) == ("a script that runs", 50.0, True)
    rig.source.close()
    rig.source.close()


def test_the_newest_picture_wins_and_says_when_it_was_taken():
    late, end = threading.Event(), threading.Event()
    rig = Rig([1, 2, 3, late, 4, end, broken()])
    until(lambda: rig.source._reader._newest and rig.source._reader._newest.number == 2)
    frames = rig.source.frames()
    first = next(frames)
    assert (first.index, first.timestamp_s, first.bgr[0, 0, 0]) == (0, 0.0, 3)
    late.set()
    second = next(frames)
    assert (second.index, second.bgr[0, 0, 0]) == (1, 4)
    assert second.timestamp_s == second.captured_s - first.captured_s > 0
    assert second.captured_s <= time.perf_counter()
    end.set()
    with pytest.raises(SourceError, match="it broke"):
        next(frames)
    assert rig.made[0].closed.wait(5)


def test_it_connects_anew_after_it_broke_or_was_left():
    rig = Rig([1, broken()], [2, threading.Event()], broken("still gone"), [3, threading.Event()])
    frames = rig.source.frames()
    assert next(frames).bgr[0, 0, 0] == 1
    with pytest.raises(SourceError, match="it broke"):
        next(frames)
    again = rig.source.frames()
    assert next(again).bgr[0, 0, 0] == 2
    again.close()
    with pytest.raises(SourceError, match="still gone"):
        next(rig.source.frames())
    assert next(rig.source.frames()).bgr[0, 0, 0] == 3
    rig.source.close()


def test_what_cannot_be_opened_fails_at_once():
    with pytest.raises(SourceError, match="not there"):
        Rig(broken("not there"))
    with pytest.raises(ZeroDivisionError):  # a bug is no fault of the device
        Rig(ZeroDivisionError())


def test_what_never_answers_holds_nobody_up():
    never = threading.Event()
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"a script did not answer within 0\.1 s"):
        Rig(never, open_s=0.1)
    assert time.monotonic() - start < 5
    never.set()


def test_what_falls_silent_is_said_and_left_behind():
    wake = threading.Event()
    rig = Rig([1, wake, 2], silence_s=0.15)
    frames = rig.source.frames()
    next(frames)
    with pytest.raises(SourceError, match=r"a script gave no picture for 0\.15 s"):
        next(frames)
    assert not rig.made[0].closed.is_set()
    wake.set()
    assert rig.made[0].closed.wait(5)


def test_the_first_picture_may_take_longer():
    wake = threading.Event()
    rig = Rig([wake, 1, threading.Event()], silence_s=0.4)
    threading.Timer(0.6, wake.set).start()
    assert next(rig.source.frames()).bgr[0, 0, 0] == 1
    rig.source.close()


def test_interrupting_ends_at_once_and_it_can_begin_again():
    wake = threading.Event()
    rig = Rig([1, wake], [2, broken()])
    frames = rig.source.frames()
    next(frames)
    threading.Timer(0.05, rig.source.interrupt).start()
    start = time.monotonic()
    assert list(frames) == []
    assert time.monotonic() - start < 4
    wake.set()
    assert next(rig.source.frames()).bgr[0, 0, 0] == 2


def test_interrupting_ends_connecting():
    wake = threading.Event()
    rig = Rig([broken()], wake)
    with pytest.raises(SourceError):
        next(rig.source.frames())
    threading.Timer(0.05, rig.source.interrupt).start()
    assert list(rig.source.frames()) == []
    wake.set()


def test_frames_that_cannot_be_decoded_are_reported_or_named_at_the_end():
    script = [(broken("first"),), 1, (broken("second"),)]
    rig = Rig(script, script)
    reported = []
    rig.source.report = reported.append
    frames = list(rig.source.frames())
    assert [frame.bgr[0, 0, 0] for frame in frames] == [1]
    assert [error.what for error in reported] == ["first", "second"]
    rig.source.report = None
    frames = []
    with pytest.raises(SourceError, match="2 of its frames cannot be read: first; second"):
        frames += rig.source.frames()


def test_no_thread_is_left(monkeypatch):
    before = set(threading.enumerate())
    for script in ([1] * 1000, [1, broken()], []):
        rig = Rig(script)
        with contextlib.suppress(SourceError):
            next(rig.source.frames(), None)
        rig.source.close()
    until(lambda: set(threading.enumerate()) <= before)
