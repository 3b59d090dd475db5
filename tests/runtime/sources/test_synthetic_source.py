"""The drawn road: every frame tells its number, and faults come as often as they were asked for."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from curbside.errors import ConfigError, SourceError
from curbside.runtime import open_source
from curbside.runtime.sources import Synthetic, SyntheticFaults, read_number


def test_every_frame_tells_its_number_and_is_the_same_whenever_it_is_drawn():
    source = Synthetic(size_hw=(120, 320), live=False, count=40)
    frames = list(source.frames())
    assert (
        [frame.index for frame in frames] == [read_number(f.bgr) for f in frames] == list(range(40))
    )
    assert frames[0].bgr.shape == (120, 320, 3) and frames[0].bgr.dtype == np.uint8
    assert (source.total, source.duration_s, source.seekable) == (40, 40 / 30, True)
    again = list(source.frames(1.0))
    assert [frame.index for frame in again] == list(range(30, 40))
    np.testing.assert_array_equal(again[0].bgr, frames[30].bgr)
    assert not np.array_equal(frames[30].bgr, frames[31].bgr)


def test_the_number_survives_a_jpeg():
    (frame,) = Synthetic(size_hw=(360, 640), live=False, count=1).frames()
    picture = Synthetic(size_hw=(360, 640), live=False, fps=1, count=2**20)
    frame = next(picture.frames(700_001.0))
    packed = cv2.imencode(".jpg", frame.bgr, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    assert read_number(cv2.imdecode(packed, cv2.IMREAD_COLOR)) == 700_001


def test_live_it_keeps_its_pace_and_leaves_out_what_nobody_fetched():
    source = Synthetic(size_hw=(48, 256), fps=50)
    assert (source.live, source.total, source.seekable) == (True, None, False)
    start = time.perf_counter()
    frames = source.frames()
    first = next(frames)
    time.sleep(0.2)
    second = next(frames)
    assert first.index == 0
    assert second.index >= 10
    third = next(frames)
    assert time.perf_counter() - start >= third.index / 50
    for frame in (first, second, third):
        assert read_number(frame.bgr) == frame.index
        assert frame.timestamp_s == frame.index / 50
        assert start <= frame.captured_s <= time.perf_counter()
    frames.close()


def test_waiting_for_the_next_frame_can_be_interrupted():
    source = Synthetic(size_hw=(48, 256), fps=0.01)
    frames = source.frames()
    next(frames)
    threading.Timer(0.05, source.interrupt).start()
    assert list(frames) == []
    assert next(source.frames()).index == 0


def test_broken_frames_are_left_out_and_reported():
    source = Synthetic(
        size_hw=(32, 256), live=False, count=2000, faults=SyntheticFaults(seed=4, broken=0.1)
    )
    reported = []
    source.report = reported.append
    frames = list(source.frames())
    assert len(frames) + len(reported) == 2000
    assert 140 < len(reported) < 260  # 200 expected, six standard deviations are 80
    assert f"frame {sorted(set(range(2000)) - {f.index for f in frames})[0]} " in reported[0].what
    source.report = None
    with pytest.raises(SourceError, match="of 2000 frames cannot be read"):
        list(source.frames())


def test_it_breaks_off_elsewhere_each_time_and_the_same_with_the_same_seed():
    def places(seed):
        source = Synthetic(
            size_hw=(32, 256), live=False, faults=SyntheticFaults(seed=seed, break_off=0.05)
        )
        found = []
        for _ in range(20):
            count = 0
            with pytest.raises(SourceError, match="breaks off"):
                for _ in source.frames():
                    count += 1
            found.append(count)
        return found

    assert places(1) == places(1) != places(2)
    assert len(set(places(1))) > 5


def test_pictures_change_their_size():
    source = Synthetic(size_hw=(64, 512), live=False, count=200, faults=SyntheticFaults(resize=0.1))
    frames = list(source.frames())
    assert {frame.bgr.shape[:2] for frame in frames} == {(64, 512), (48, 384), (32, 256)}
    assert all(read_number(frame.bgr) == frame.index for frame in frames)


@pytest.mark.parametrize(
    ("spec", "size_hw", "fps"),
    [
        ("synthetic", (720, 1280), 30),
        ("synthetic:", (720, 1280), 30),
        ("synthetic:640x360", (360, 640), 30),
        ("synthetic:640x360@12.5", (360, 640), 12.5),
        ("synthetic:@5", (720, 1280), 5),
    ],
)
def test_what_may_stand_behind_the_name(spec, size_hw, fps):
    source = open_source(spec)
    assert isinstance(source, Synthetic) and source.live
    assert (next(source.frames()).bgr.shape[:2], source.fps) == (size_hw, fps)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("synthetic:big", "synthetic:big names no size"),
        ("synthetic:640x360@", "names no size"),
        ("synthetic:-1x360", "names no size"),
        ("synthetic:100000x100000", "no road of 100000 x 100000"),
        ("synthetic:8x8", "no road of 8 x 8"),
        ("synthetic:640x360@0", "0 is no rate"),
        ("synthetic:640x360@99999", "99999 is no rate"),
    ],
)
def test_what_may_not(spec, said):
    with pytest.raises(ConfigError, match=said):
        open_source(spec)


def test_a_chance_is_a_probability():
    with pytest.raises(ConfigError, match="broken is 2"):
        SyntheticFaults(broken=2)


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "synthetic").mkdir()
    with pytest.raises(SourceError, match="holds no pictures"):
        open_source("synthetic")
