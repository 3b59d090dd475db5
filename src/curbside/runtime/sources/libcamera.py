"""Cameras of libcamera without picamera2: through GStreamer's `libcamerasrc`.

Source: the libcamera project, its element libcamerasrc and its program cam.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction

from ...errors import SourceError
from .found import Found
from .gstreamer import GstPipeline
from .settings import CameraSettings

__all__ = ["find_libcameras", "open_libcamera"]

_SIZE_WH, _FPS = (1280, 720), 30.0
_LISTERS = (
    ("rpicam-hello", "--list-cameras"),
    ("libcamera-hello", "--list-cameras"),
    ("cam", "--list"),
)
_LISTED = re.compile(r"^\s*\d+\s*:\s*(.*?)\s*\((/\S+|\\\S+)\)\s*$", re.MULTILINE)
"""A camera of theirs, as in `0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)`
and `1: 'imx219' (/base/soc/i2c0mux/i2c@1/imx219@10)`."""
_ANSWER_S = 5.0


def open_libcamera(which: str, settings: CameraSettings | None = None) -> GstPipeline:
    """Open a camera of libcamera.

    Args:
        which: Its number in the order of `find_libcameras`, or its whole name, as in
            `/base/soc/i2c0mux/i2c@1/imx219@10`.
        settings: What is asked of it; 1280 x 720 at 30 fps where it says nothing.

    Raises:
        SourceError: There is none, or libcamera's element is not installed.
    """
    asked = settings or CameraSettings()
    name = f"camera {which} of libcamera"
    width, height = _SIZE_WH
    if asked.width is not None and asked.height is not None:
        width, height = asked.width, asked.height
    rate = Fraction(asked.fps or _FPS).limit_denominator(1001)
    wanted = f"video/x-raw,width={width},height={height}"
    wanted += f",framerate={rate.numerator}/{rate.denominator}"
    camera = [] if which == "0" else [f"camera-name={_full_name(which)}"]
    return GstPipeline(
        ["libcamerasrc", *camera, "!", wanted],
        name=name,
        paced=False,
        title=lambda width, height, fps: asked.title(name, width, height, fps),
        fix="run: sudo apt install gstreamer1.0-libcamera, and see: rpicam-hello --list-cameras",
    )


def _full_name(which: str) -> str:
    if not which.isdecimal():
        return which
    cameras = _names()
    if int(which) >= len(cameras):
        raise SourceError(
            f"libcamera knows {len(cameras)} cameras, so there is no number {which}",
            fix="see: curbside sources",
        )
    return cameras[int(which)][1]


def find_libcameras(timeout_s: float = _ANSWER_S) -> list[Found]:
    """The cameras that libcamera's own programs list; none where they or GStreamer are not there, or
    where the first program that is there does not answer in time."""
    if shutil.which("gst-launch-1.0") is None:
        return []
    return [
        Found(f"libcamera:{number}", f"{title}, libcamera", "libcamera")
        for number, (title, _) in enumerate(_names(timeout_s))
    ]


def _names(timeout_s: float = _ANSWER_S) -> list[tuple[str, str]]:
    """What the cameras are, and their names, by the first program that there is."""
    for program, option in _LISTERS:
        path = shutil.which(program)
        if path is None:
            continue
        try:
            done = subprocess.run(
                [path, option],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
            )
        except OSError:
            continue
        except subprocess.TimeoutExpired:  # what hangs is libcamera, and so would the others
            return []
        return [(title.strip("'"), name) for title, name in _LISTED.findall(done.stdout)]
    return []
