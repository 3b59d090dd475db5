"""`curbside sources`, from the shell's point of view."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import cv2
import pytest
from video_builders import numbered, write_video

from curbside.cli import main
from curbside.cli import sources as verb
from curbside.runtime.sources import Found, Mode, Synthetic, prove_source, proving

CAMERA = Found(
    "/dev/video7",
    "USB [camera]",
    "v4l2",
    tuple(Mode(64 * n, 48 * n, (30.0, 7.5), "MJPG") for n in range(1, 8)),
)
ROAD = Found("synthetic:256x48@50", "a drawn road", "synthetic")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "find_sources", lambda timeout_s: [CAMERA, ROAD])
    monkeypatch.setenv("COLUMNS", "120")


def test_what_is_found_is_proved_by_a_frame(two, capsys) -> None:
    assert main(["sources"]) == 0
    shown = capsys.readouterr().out
    assert "USB [camera]" in shown and "256 x 48" in shown and " ms" in shown
    assert "448 x 336 MJPG 30, 7.5 fps" in shown and "and 3 more" in shown
    assert "camera 7 cannot be opened" in shown
    assert "no camera was found" not in shown


def test_json_holds_everything(two, capsys) -> None:
    assert main(["sources", "--json"]) == 0
    camera, road = json.loads(capsys.readouterr().out)
    assert len(camera["modes"]) == 7
    assert camera["modes"][0] == {"width": 64, "height": 48, "fps": [30.0, 7.5], "format": "MJPG"}
    assert (camera["gives_pictures"], camera["first_frame_ms"]) == (False, None)
    assert "camera 7" in camera["error"]
    assert (road["gives_pictures"], road["size_hw"], road["error"]) == (True, [48, 256], None)
    assert 0 < road["opened_ms"] < road["first_frame_ms"]


def test_without_proving_no_camera_is_opened(two, capsys) -> None:
    assert main(["sources", "--no-prove"]) == 0
    assert "not asked" in capsys.readouterr().out
    assert main(["sources", "--no-prove", "--save", "x"]) == 2


def test_named_ones_are_proved_and_saved(tmp_path, capsys) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, [numbered(9)])
    frames = tmp_path / "frames"
    specs = [str(clip), "synthetic:256x48@50", "rtsp://driver:s3cret@127.0.0.1:9/x"]
    assert main(["sources", *specs, "--save", str(frames)]) == 1
    shown = capsys.readouterr()
    assert "s3cret" not in shown.out + shown.err
    assert "rtsp://127.0.0.1:9/x cannot be opened" in shown.out
    pictures = sorted(frames.iterdir())
    assert len(pictures) == 2
    assert [cv2.imread(str(path)).shape[:2] for path in pictures] == [(48, 96), (48, 256)]
    assert main(["sources", str(clip)]) == 0


def test_a_source_that_hangs_is_left_behind() -> None:
    wake = threading.Event()

    class Hanging(Synthetic):
        def frames(self, start_s: float = 0.0):
            wake.wait(10)
            return iter(())

    start = time.monotonic()
    proof = prove_source("a camera", timeout_s=0.1, opening=lambda spec: Hanging())
    assert time.monotonic() - start < 5
    assert proof.error is not None and "no picture within 0.1 s" in proof.error
    assert proof.picture_bgr is None
    wake.set()


def test_whatever_a_driver_raises_is_a_line() -> None:
    def opening(spec: str):
        raise RuntimeError("first\nsecond")

    proof = prove_source("a camera", opening=opening)
    assert proof.error == "RuntimeError: first"
    nothing = prove_source("none", opening=lambda spec: Synthetic(live=False, count=0))
    assert nothing.error is not None and "ended before its first picture" in nothing.error
    assert replace(nothing, error=None).title == "a drawn road, 1280 x 720 at 30 fps"
    assert proving.Proof(spec="x").picture_bgr is None


@pytest.mark.parametrize("arguments", [["--timeout", "0"], ["--timeout", "-3"]])
def test_mistakes_are_a_line(arguments, capsys) -> None:
    assert main(["sources", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
