"""The player: a file at its own pace, paused, one frame on, from another moment; a camera frozen."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from curbside.errors import ConfigError, SourceError
from curbside.runtime import Frame
from curbside.runtime.player import Player
from curbside.runtime.sources import Source


class Clip(Source):
    """Ten frames a second; every frame carries its number."""

    title, live = "a clip", False

    def __init__(self, count=10, *, live=False, fps=10.0, breaks=None):
        self.count, self.live, self.fps, self.breaks = count, live, fps, breaks
        self.total, self.duration_s, self.seekable = count, count / fps, not live
        self.starts, self.closed, self.interrupted = [], 0, 0

    def frames(self, start_s=0.0):
        self.starts.append(start_s)
        for number in range(round(start_s * self.fps), self.count):
            yield Frame(number, number / self.fps, np.full((4, 4, 3), number % 256, np.uint8))
        if self.breaks is not None:
            raise self.breaks

    def interrupt(self):
        self.interrupted += 1

    def close(self):
        self.closed += 1


class Seen:
    """Frames that another thread takes from a player."""

    def __init__(self, player):
        self.player, self.numbers, self.times, self.error = player, [], [], None
        self.thread = threading.Thread(target=self._take)
        self.thread.start()

    def _take(self):
        try:
            for frame in self.player.frames():
                self.times.append(time.monotonic())
                self.numbers.append(frame.index)
        except SourceError as error:
            self.error = error

    def until(self, condition):
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, self.numbers
            time.sleep(0.001)


@contextmanager
def _playing(player):
    seen = Seen(player)
    try:
        yield seen
    finally:
        player.interrupt()
        seen.thread.join(10)
        assert not seen.thread.is_alive()
        player.close()


def test_a_file_plays_at_its_own_rate_and_waits_at_its_end():
    player = Player(Clip(8, fps=50))
    with _playing(player) as seen:
        seen.until(lambda: player.state == "ended")
        assert seen.numbers == list(range(8))
        assert seen.times[-1] - seen.times[0] >= 7 / 50 * 0.95
        assert player.position_s == pytest.approx(7 / 50)
        player.seek(5 / 50)  # to look at, not to go on
        seen.until(lambda: len(seen.numbers) == 9)
        assert seen.numbers[-1] == 5 and player.state == "paused"
        player.resume()
        seen.until(lambda: player.state == "ended")
        assert seen.numbers[8:] == [5, 6, 7]
        player.resume()
        seen.until(lambda: len(seen.numbers) >= 12)
        assert seen.numbers[11] == 0


def test_paused_it_waits_steps_and_jumps():
    player = Player(Clip(1000, fps=1000))
    player.pause()
    with _playing(player) as seen:
        time.sleep(0.05)
        assert seen.numbers == [] and player.state == "paused"
        player.step()
        seen.until(lambda: seen.numbers == [0])
        player.step()
        seen.until(lambda: seen.numbers == [0, 1])
        player.seek(0.5)
        seen.until(lambda: seen.numbers == [0, 1, 500])
        player.again()
        seen.until(lambda: seen.numbers == [0, 1, 500, 500])
        player.step()
        seen.until(lambda: seen.numbers == [0, 1, 500, 500, 501])
        time.sleep(0.03)
        assert len(seen.numbers) == 5
        player.resume()
        seen.until(lambda: len(seen.numbers) > 8)
        assert seen.numbers[5:8] == [502, 503, 504]


def test_the_last_frame_again_at_the_end_and_never_while_it_plays():
    player = Player(Clip(3, fps=1000))
    with _playing(player) as seen:
        seen.until(lambda: player.state == "ended")
        player.again()
        seen.until(lambda: seen.numbers == [0, 1, 2, 2])
    player = Player(Clip(3, fps=100))
    player.again()
    with _playing(player) as seen:
        seen.until(lambda: player.state == "ended")
        assert seen.numbers == [0, 1, 2]


def test_looping():
    source = Clip(3, fps=1000)
    player = Player(source, looping=True)
    with _playing(player) as seen:
        seen.until(lambda: len(seen.numbers) >= 8)
        assert seen.numbers[:8] == [0, 1, 2, 0, 1, 2, 0, 1]
        player.looping = False
        seen.until(lambda: player.state == "ended")


def test_behind_its_pace_every_frame_is_shown_and_none_faster_than_the_clip():
    player = Player(Clip(10, fps=100))
    moments = []
    for frame in player.frames():
        moments.append(time.monotonic())
        if frame.index == 3:
            time.sleep(0.1)
        if frame.index == 9:
            player.interrupt()
    gaps = np.diff(moments)
    assert gaps[3] >= 0.1
    assert gaps[4:].sum() > 0.04  # it does not hurry to make up for it


def test_keeping_the_pace_it_hurries():
    player = Player(Clip(30, fps=100), every_frame=False)
    assert player.live and not player.camera
    start = time.monotonic()
    for frame in player.frames():
        if frame.index == 3:
            time.sleep(0.15)
        if frame.index == 29:
            player.interrupt()
    assert time.monotonic() - start >= 0.28


def test_a_frozen_camera_is_read_on():
    class Camera(Clip):
        def frames(self, start_s=0.0):
            for frame in super().frames():
                time.sleep(0.001)
                yield frame

    player = Player(Camera(10_000, live=True))
    assert player.live and player.camera
    with _playing(player) as seen:
        seen.until(lambda: len(seen.numbers) > 3)
        player.pause()
        time.sleep(0.02)
        before = list(seen.numbers)
        time.sleep(0.05)
        assert seen.numbers == before
        player.again()
        seen.until(lambda: len(seen.numbers) == len(before) + 1)
        assert seen.numbers[-1] == before[-1]
        player.step()
        seen.until(lambda: len(seen.numbers) == len(before) + 2)
        assert seen.numbers[-1] > before[-1] + 10  # what passed meanwhile is gone
        player.resume()
        seen.until(lambda: len(seen.numbers) > len(before) + 5)
        with pytest.raises(ConfigError, match="a clip has no other moments"):
            player.seek(1.0)


def test_a_camera_that_breaks_off_breaks_off():
    player = Player(Clip(2, live=True, breaks=SourceError("gone", fix="plug it in")))
    with pytest.raises(SourceError, match="gone"):
        list(player.frames())


def test_a_file_that_breaks_off_is_reported_and_waits_at_its_end():
    player = Player(Clip(2, fps=1000, breaks=SourceError("cut off", fix="fetch it again")))
    told = []
    player.report = told.append
    with _playing(player) as seen:
        seen.until(lambda: player.state == "ended")
        assert seen.numbers == [0, 1] and str(told[0]) == "cut off; fetch it again"


def test_interrupted_and_closed_with_what_it_plays():
    source = Clip()
    player = Player(source)
    player.pause()
    with _playing(player):
        pass
    assert source.interrupted == 1 and source.closed == 1
    assert list(player.frames()) == []


def test_a_file_without_a_frame_ends_even_where_it_loops():
    player = Player(
        Clip(0, breaks=SourceError("nothing in it", fix="fetch it again")), looping=True
    )
    told = []
    player.report = told.append
    with _playing(player) as seen:
        seen.until(lambda: player.state == "ended")
        time.sleep(0.02)
        assert len(told) == 1 and seen.numbers == []


def test_one_looping_picture_is_given_at_its_rate():
    player = Player(Clip(1, fps=50), looping=True)
    with _playing(player) as seen:
        seen.until(lambda: len(seen.numbers) >= 6)
        assert seen.times[5] - seen.times[0] >= 5 / 50 * 0.95


def test_of_several_jumps_the_last_one_is_seen_and_no_step_is_left_over():
    player = Player(Clip(1000, fps=1000))
    player.pause()
    with _playing(player) as seen:
        player.step()
        seen.until(lambda: seen.numbers == [0])
        for moment in (0.1, 0.2, 0.3, 0.7):
            player.seek(moment)
        seen.until(lambda: seen.numbers[-1] == 700)
        time.sleep(0.03)
        assert seen.numbers[-1] == 700
        for _ in range(5):
            player.step()
        player.resume()
        player.pause()
        time.sleep(0.05)
        there = len(seen.numbers)
        time.sleep(0.05)
        assert len(seen.numbers) == there


def test_a_jump_at_the_last_frame_plays_on():
    player = Player(Clip(10, fps=100))
    times = []
    for frame in player.frames():
        times.append(time.monotonic())
        if frame.index == 9 and len(times) == 10:
            player.seek(0.05)
        elif len(times) == 14:
            assert player.state == "playing"
            player.interrupt()
    assert times[13] - times[10] >= 3 / 100 * 0.9
