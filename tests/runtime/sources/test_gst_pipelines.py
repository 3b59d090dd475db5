"""GStreamer pipelines: for real where `gst-launch-1.0` is installed, no process left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from curbside.errors import ConfigError, SourceError
from curbside.runtime import open_source
from curbside.runtime.sources import gstreamer

needs_gstreamer = pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None, reason="gst-launch-1.0 is not installed"
)


def alive(process) -> bool:
    return process.poll() is None


def process_of(source):
    return source._reader._connection._process


@needs_gstreamer
@pytest.mark.parametrize(("width", "height"), [(320, 240), (321, 239), (98, 50)])
def test_pictures_of_any_width_in_blue_green_red(width, height):
    size = f"video/x-raw,width={width},height={height},framerate=50/1"
    source = open_source(f"gst:videotestsrc is-live=true pattern=smpte ! {size}")
    assert (source.live, source.fps) == (True, 50.0)
    assert f"{width} x {height} at 50 fps" in source.title
    process = process_of(source)
    picture = next(source.frames()).bgr
    assert picture.shape == (height, width, 3) and picture.flags.c_contiguous
    bars = picture[height // 3, [width // 14 + width * bar // 7 for bar in range(7)]] > 96
    # SMPTE's bars: white, yellow, cyan, green, magenta, red, blue.
    assert (
        bars.tolist()
        == [[b, g, r] for g in (True, False) for r in (True, False) for b in (True, False)][:7]
    )
    source.close()
    assert not alive(process)


@needs_gstreamer
def test_a_pipeline_that_ends_ends_the_source():
    source = open_source("gst:videotestsrc num-buffers=5 ! video/x-raw,framerate=50/1")
    frames = list(source.frames())
    assert 1 <= len(frames) <= 5
    again = list(source.frames())
    assert again[0].index == 0


@needs_gstreamer
def test_a_process_that_dies_in_mid_stream_is_said():
    source = open_source("gst:videotestsrc is-live=true")
    process = process_of(source)
    frames = source.frames()
    next(frames)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(SourceError, match=r"stopped after \d+ frames \(it ended with -9\)"):
        list(frames)
    assert next(source.frames()).index == 0
    source.close()


@needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("nosuchelement", 'no element "nosuchelement"'),
        ("filesrc location=/nowhere ! decodebin", "Resource not found"),
        ("videotestsrc ! video/x-raw,width=100000,height=100000", "could not link"),
        ("videotestsrc; touch {hole}", "erroneous|no element|could not|syntax"),
        ("$(touch {hole})", "syntax|no element|erroneous"),
    ],
)
def test_a_pipeline_that_cannot_be_started_says_why_in_a_line(tmp_path, pipeline, said):
    hole = tmp_path / "hole"
    with pytest.raises(SourceError, match=said) as raised:
        open_source("gst:" + pipeline.format(hole=hole))
    assert "\n" not in str(raised.value)
    assert not hole.exists()


@needs_gstreamer
def test_a_pipeline_that_gives_nothing_is_killed(monkeypatch):
    monkeypatch.setattr(gstreamer, "_OPEN_S", 0.4)
    with pytest.raises(SourceError, match=r"gave no picture for 0\.4 s"):
        open_source("gst:identity")
    assert not any(map(alive, gstreamer._running))


@needs_gstreamer
def test_leaving_in_any_way_leaves_no_process():
    for leave in ("close", "generator", "interrupt"):
        source = open_source("gst:videotestsrc is-live=true")
        process = process_of(source)
        frames = source.frames()
        next(frames)
        if leave == "interrupt":
            source.interrupt()
            assert list(frames) == []
        elif leave == "generator":
            frames.close()
        source.close()
        assert not alive(process)


EXITS = """
import os, signal, sys
from curbside.runtime import open_source
source = open_source("gst:videotestsrc is-live=true ! video/x-raw,framerate=1/60")
print(source._reader._connection._process.pid, flush=True)
{ending}
"""


@needs_gstreamer
@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(3)",
        "1 / 0",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_no_process_outlives_python(ending):
    """A camera that is silent for a minute: no pipe that breaks ends it."""
    command = [sys.executable, "-c", EXITS.format(ending=ending)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode != 0
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{int(done.stdout)}/status"):
        with open(f"/proc/{int(done.stdout)}/status", encoding="utf-8") as status:
            if "State:\tZ" in status.read():  # dead, and nobody has asked after it
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_without_gstreamer_the_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"apt install gstreamer1\.0-tools"):
        open_source("gst:videotestsrc")


def test_a_program_that_changes_its_size_or_claims_an_absurd_one_is_refused(monkeypatch, tmp_path):
    """A stand-in for the program, which says what a test wants and sends no picture."""
    program = tmp_path / "gst-launch-1.0"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    line = (
        "/GstPipeline:pipeline0/GstFdSink:curbside.GstPad:sink: caps = video/x-raw, "
        "format=(string)BGR, width=(int){}, height=(int){}, framerate=(fraction)0/1"
    )
    program.write_text(f"#!/bin/sh\necho '{line.format(99999, 99999)}'\nsleep 20\n")
    program.chmod(0o755)
    with pytest.raises(SourceError, match="99999 x 99999 pixels, more than"):
        open_source("gst:any")
    program.write_text(
        f"#!/bin/sh\necho '{line.format(8, 4)}'\nsleep 0.3\necho '{line.format(9, 4)}'\nsleep 20\n"
    )
    source = open_source("gst:any")
    assert source.fps == 25.0
    with pytest.raises(SourceError, match="the size of the pictures changed"):
        next(source.frames())


@pytest.mark.parametrize(
    ("text", "said"), [("", "names no pipeline"), ("  ", "names no"), ("a 'b", "cannot be read")]
)
def test_what_is_no_pipeline(text, said):
    with pytest.raises(ConfigError, match=said):
        open_source(f"gst:{text}")


def test_words_are_split_as_a_shell_would():
    words = gstreamer.split_pipeline("v4l2src device=/dev/video0 ! 'a b' ! c=\"d e\"")
    assert words == ["v4l2src", "device=/dev/video0", "!", "a b", "!", "c=d e"]
    assert np.all([isinstance(word, str) for word in words])
