"""Sinks: whole files under their own name, or none."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from curbside.errors import ConfigError, StorageError
from curbside.runtime import open_sink
from curbside.runtime.sinks import Recorder, write_picture


def _picture(size_hw=(48, 64), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)


def _read(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames.append(frame)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_a_video_comes_back(tmp_path, suffix):
    path = tmp_path / "deep" / f"out{suffix}"
    sink = open_sink(path, fps=10)
    for level in range(8):
        sink.write(level, np.full((48, 64, 3), 20 + 25 * level, np.uint8))
    assert not path.exists()
    sink.close()
    frames = _read(path)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 8
    means = [frame.mean() for frame in frames]
    assert means == pytest.approx([20 + 25 * level for level in range(8)], abs=6)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("size_hw", [(37, 51), (1, 1)])
def test_odd_sizes_and_a_change_of_size(tmp_path, size_hw):
    path = tmp_path / "out.mp4"
    sink = open_sink(path, fps=25)
    sink.write(0, _picture(size_hw))
    sink.write(1, _picture((90, 30)))
    sink.close()
    height, width = (max(2, side // 2 * 2) for side in size_hw)
    assert [frame.shape for frame in _read(path)] == [(height, width, 3)] * 2


def test_discard_leaves_nothing_and_what_was_there_before(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"an older video")
    sink = open_sink(path, fps=25)
    for seed in range(5):
        sink.write(seed, _picture(seed=seed))
    sink.discard()
    assert path.read_bytes() == b"an older video"
    assert list(tmp_path.iterdir()) == [path]


def test_no_frame_makes_no_file(tmp_path):
    sink = open_sink(tmp_path / "out.mp4", fps=25)
    sink.close()
    assert list(tmp_path.iterdir()) == []


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from curbside.errors import StorageError
from curbside.runtime import open_sink

sink = open_sink(Path(sys.argv[1]), fps=25)
sink.write(0, np.zeros((96, 128, 3), np.uint8))
# From here on writing fails, as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for seed in range(1, 40):
    sink.write(seed, np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8))
try:
    sink.close()
except StorageError as error:
    print(error)
    sys.exit(7)
"""


def test_a_disk_that_fills_leaves_no_half_video(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(tmp_path / "out.mp4")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7, done.stderr
    assert "out.mp4 is not whole" in done.stdout
    assert "of 40 frames" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_none(tmp_path):
    (tmp_path / "file").write_text("in the way")
    sink = open_sink(tmp_path / "file" / "out.mp4", fps=25)
    with pytest.raises(StorageError, match="cannot write"):
        sink.write(0, _picture())
    sink.discard()


def test_a_folder_of_pictures(tmp_path):
    sink = open_sink(tmp_path / "pictures", fps=25)
    sink.write(3, np.full((8, 10, 3), (200, 30, 60), np.uint8))
    sink.close()
    with Image.open(tmp_path / "pictures" / "000003.jpg") as image:
        colors = np.asarray(image).reshape(-1, 3)
    assert np.abs(colors - np.array((60, 30, 200))).max() <= 4  # blue first in, red first out


def test_a_name_that_is_no_video(tmp_path):
    with pytest.raises(ConfigError, match=r"out\.gif is no video name"):
        open_sink(tmp_path / "out.gif", fps=25)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_a_video_plays_at_the_speed_asked_for(tmp_path, suffix):
    sink = open_sink(tmp_path / f"out{suffix}", fps=10)
    for seed in range(4):
        sink.write(seed, _picture(seed=seed))
    sink.close()
    capture = cv2.VideoCapture(str(tmp_path / f"out{suffix}"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


@pytest.mark.parametrize(
    "name", ["\0.mp4", "a\0b", "\ud800.avi", "\ud800", "caf\udce9.mp4", "caf\udce9/a.mp4"]
)
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(ConfigError, match="cannot be the name of a file"):
        open_sink(Path(name), fps=25)


def test_a_pictures_name_that_no_file_can_have():
    with pytest.raises(ConfigError, match="cannot be the name of a file"):
        write_picture(Path("\0.png"), _picture())


def test_bytes_that_are_no_text_can_name_a_folder_of_pictures(tmp_path):
    folder = tmp_path / "caf\udce9"
    open_sink(folder, fps=25).write(0, _picture())
    assert (folder / "000000.jpg").is_file()


class Clock:
    """`time`, as a test turns it."""

    def __init__(self):
        self.now_s = 0.0

    def monotonic(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("curbside.runtime.sinks.time", clock)
    return clock


def test_a_camera_that_is_slower_than_its_rate_fills_the_time(tmp_path, clock):
    recorder = Recorder()
    recorder.start(tmp_path / "out.avi", fps=20, live=True)
    for tenth in range(11):
        clock.now_s = tenth / 10 + 0.001
        recorder.write(tenth, _picture())
    assert recorder.stop() == tmp_path / "out.avi"
    assert len(_read(tmp_path / "out.avi")) == 21  # 1 s at 20 frames/s, and the last one


def test_a_long_gap_is_filled_by_one_picture_alone(tmp_path, clock):
    recorder = Recorder()
    recorder.start(tmp_path / "out.avi", fps=10, live=True)
    recorder.write(0, _picture())
    clock.now_s = 60.001
    counts = []
    for number in range(1, 6):
        recorder.write(number, _picture())
        counts.append(recorder._sink._count)
        clock.now_s += 0.1
    recorder.stop()
    assert counts == [51, 52, 53, 54, 55]


def test_a_rate_that_no_video_has_still_keeps_the_time(tmp_path, clock):
    recorder = Recorder()
    recorder.start(tmp_path / "out.avi", fps=1000, live=True)
    for number in range(101):
        clock.now_s = number / 1000 + 1e-6
        recorder.write(number, _picture())
    recorder.stop()
    frames = _read(tmp_path / "out.avi")
    capture = cv2.VideoCapture(str(tmp_path / "out.avi"))
    assert len(frames) / capture.get(cv2.CAP_PROP_FPS) == pytest.approx(0.1, abs=0.005)


def test_a_recorder_tells_what_became_of_it(tmp_path, monkeypatch):
    errors = []
    recorder = Recorder(errors.append)
    assert recorder.stop() is None
    (tmp_path / "old.avi").write_bytes(b"an older recording")
    recorder.start(tmp_path / "old.avi", fps=25)
    assert recorder.stop() is None  # no picture came
    assert not errors
    recorder.start(tmp_path / "old.avi", fps=25)
    recorder.write(0, _picture())
    monkeypatch.setattr("curbside.imaging.video._frames_in", lambda path: 0)  # as on a full disk
    assert recorder.stop() is None
    assert "not whole" in str(errors.pop())
    assert (tmp_path / "old.avi").read_bytes() == b"an older recording"
    recorder.start(tmp_path / "pictures", fps=25)
    recorder.write(7, _picture())
    assert recorder.stop() == tmp_path / "pictures"
    assert recorder.stop() is None
