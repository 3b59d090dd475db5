"""Sources: every frame, in order; what is broken is said after what was good."""

import subprocess
import sys
from itertools import islice

import cv2
import numpy as np
import pytest
from builders import photo
from PIL import Image
from tiny_models import write_clip

from curbside.errors import SourceError
from curbside.runtime import open_source
from curbside.runtime.sources import video_file
from curbside.runtime.sources.container import Decoded


def _all(source):
    """Every frame, and the error at the end if there is one."""
    frames = []
    try:
        for frame in source.frames():
            frames.append(frame)
    except SourceError as error:
        return frames, error
    return frames, None


def test_every_frame_of_a_video(tmp_path):
    source = open_source(write_clip(tmp_path / "clip.mp4", frames=12))
    assert (source.live, source.total, source.fps) == (False, 12, 10.0)
    frames, error = _all(source)
    assert error is None
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.timestamp_s for frame in frames] == pytest.approx(np.arange(12) / 10)
    assert all(frame.bgr.shape == (72, 96, 3) and frame.bgr.dtype == np.uint8 for frame in frames)
    squares = [frame.bgr[30, 4 * frame.index + 10].astype(int) for frame in frames]
    assert np.abs(np.array(squares) - (30, 200, 90)).max() < 40  # the codec is lossy


def test_a_video_can_be_read_again(tmp_path):
    source = open_source(write_clip(tmp_path / "clip.mp4", frames=5))
    first, again = _all(source)[0], _all(source)[0]
    assert len(first) == len(again) == 5
    np.testing.assert_array_equal(first[0].bgr, again[0].bgr)
    source.close()
    source.close()


def test_a_video_that_ends_early_says_so_after_its_frames(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (96, 72))
    for seed in range(30):
        writer.write(np.random.default_rng(seed).integers(0, 255, (72, 96, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, error = _all(open_source(path))
    assert 5 <= len(frames) <= 25
    assert error is not None
    assert f"ends early: {len(frames)} of 30 frames" in str(error)
    list(islice(open_source(path).frames(), 3))  # nobody asked for more


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50])
def test_what_is_no_video(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"clip\.mp4 cannot be opened as a video"):
        open_source(path)


def test_a_video_without_its_index(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="cannot be opened as a video"):
        open_source(path)


def test_opencv_says_nothing_of_its_own(tmp_path):
    """In a process of its own: FFmpeg reads its log level once, at the first video."""
    write_clip(tmp_path / "clip.mp4")
    for name in ("cut.mp4", "noise.mp4"):
        half = (tmp_path / "clip.mp4").read_bytes()[:700] if name == "cut.mp4" else b"noise" * 99
        (tmp_path / name).write_bytes(half)
    code = (
        "import sys\n"
        "from curbside.errors import SourceError\n"
        "from curbside.runtime import open_source\n"
        "for spec in sys.argv[1:]:\n"
        "    try: open_source(spec)\n"
        "    except SourceError: print('refused')\n"
    )
    specs = [str(tmp_path / "cut.mp4"), str(tmp_path / "noise.mp4"), "97"]
    done = subprocess.run(
        [sys.executable, "-c", code, *specs], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["refused"] * 3
    assert done.stderr == ""


@pytest.mark.parametrize("spec", ["nowhere.mp4", "nowhere/"])
def test_nothing_there(tmp_path, spec):
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / spec)


@pytest.mark.parametrize("spec", ["97", "/dev/video97"])
def test_no_camera_there(spec):
    with pytest.raises(SourceError, match="camera 97 cannot be opened"):
        open_source(spec)


def test_pictures_in_order_of_their_names_and_of_any_size(tmp_path):
    for name, size_hw in (("b.png", (10, 12)), ("a.jpg", (8, 6)), ("c.PNG", (5, 5))):
        photo(tmp_path / name, size_hw=size_hw)
    (tmp_path / "notes.txt").write_text("no picture")
    source = open_source(tmp_path)
    frames, error = _all(source)
    assert error is None
    assert source.total == 3
    assert [frame.bgr.shape[:2] for frame in frames] == [(8, 6), (10, 12), (5, 5)]
    with Image.open(tmp_path / "b.png") as image:
        np.testing.assert_array_equal(frames[1].bgr[..., ::-1], np.asarray(image.convert("RGB")))


def test_one_picture(tmp_path):
    frames, error = _all(open_source(photo(tmp_path / "one.png", size_hw=(7, 9))))
    assert error is None
    assert [frame.bgr.shape for frame in frames] == [(7, 9, 3)]


def test_a_broken_picture_is_said_after_the_good_ones(tmp_path):
    for name in "abc":
        photo(tmp_path / f"{name}.png")
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    frames, error = _all(open_source(tmp_path))
    assert [frame.index for frame in frames] == [0, 2]
    assert "1 of 3 pictures cannot be read" in str(error)
    assert "b.png" in str(error)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(SourceError, match="holds no pictures"):
        open_source(tmp_path)


class _Container:
    """A container that promises 100 frames and gives some."""

    fps, promised, promised_s, duration_s = 10.0, 100, None, 10.0

    def __init__(self, gives):
        self._gives = self.packets = gives

    def decode(self):
        for number in range(self._gives):
            yield Decoded(None, number / 10, (number + 1) / 10)

    def picture(self, decoded):
        return np.zeros((4, 6, 3), np.uint8)

    def close(self):
        pass


@pytest.mark.parametrize(("gives", "whole"), [(100, True), (99, True), (98, False)])
def test_one_frame_in_a_hundred_may_be_missing(tmp_path, monkeypatch, gives, whole):
    monkeypatch.setattr(video_file, "Container", lambda *_, **__: _Container(gives))
    (tmp_path / "clip.mp4").touch()
    frames, error = _all(open_source(tmp_path / "clip.mp4"))
    assert len(frames) == gives
    assert (error is None) == whole
