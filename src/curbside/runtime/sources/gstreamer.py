"""Pictures from a GStreamer pipeline, in a process of its own: `gst-launch-1.0`, without a shell.

That way no binding is needed, and whatever happens in a vendor's plugin leaves us standing. The raw
pictures come through a pipe; of what size they are, the process says on its standard output.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from weakref import WeakSet

import numpy as np

from ...errors import ConfigError, SourceError
from ...imaging.reading import MAX_PIXELS
from .live import Connection, LiveSource
from .source import usable_fps
from .stream import public_words, without_passwords

__all__ = ["GstPipeline", "split_pipeline"]

_PROGRAM = "gst-launch-1.0"
_SINK = "curbside"
_SAID = re.compile(rf"GstFdSink:{_SINK}\.GstPad:sink: caps = video/x-raw, (.*)")
_ERROR = re.compile(r"(?:ERROR|WARNING): (?:from element \S*:|erroneous pipeline:)?\s*")
_OPEN_S, _ENDED_S = 10.0, 2.0
_LONGEST_TITLE = 80
_GUARD = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"  # PR_SET_PDEATHSIG
    "if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])"
)
"""Asks Linux to end the process with the thread that started it, however that ends, and becomes the
program. Done between fork and exec it could hang in a process of many threads."""
_running: WeakSet[subprocess.Popen[str]] = WeakSet()

Title = Callable[[int, int, float], str]
"""Makes a line from width, height and frames per second."""


class GstPipeline(LiveSource):
    """What a pipeline shows, converted to BGR.

    Args:
        pipeline: Its elements and the `!` between them, one word each; see `split_pipeline`.
        name: What the errors call it.
        paced: Show the pictures at the pipeline's own clock, as a file among its elements needs;
            off for a camera, whose pictures are wanted at once.
        title: Makes the title; where None, the pipeline is its own.
        fix: What to do where it cannot be started.

    Raises:
        SourceError: It cannot be started, or GStreamer is not installed.
    """

    def __init__(
        self,
        pipeline: Sequence[str],
        *,
        name: str = "the GStreamer pipeline",
        paced: bool = True,
        title: Title | None = None,
        fix: str = "try the pipeline with gst-launch-1.0, and autovideosink at its end",
    ) -> None:
        words = tuple(pipeline)
        shown = public_words(words)
        if len(shown) > _LONGEST_TITLE:
            shown = f"{shown[:_LONGEST_TITLE]}..."

        def say(width: int, height: int, fps: float) -> str:
            return f"{shown}, {width} x {height} at {fps:g} fps"

        super().__init__(
            name,
            lambda: _Process(words, name, title or say, fix, paced=paced),
            open_s=_OPEN_S + _ENDED_S,
        )


def split_pipeline(text: str) -> list[str]:
    """The words of a pipeline, as a shell would split them; nothing in them is executed or replaced.

    Raises:
        ConfigError: There are none, or a quotation mark is left open.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(
            f"the pipeline {without_passwords(text)!r} cannot be read ({error})", fix="close it"
        ) from None
    if not words:
        raise ConfigError(
            "gst: names no pipeline", fix="write it as in gst:videotestsrc is-live=true"
        )
    return words


class _Process(Connection):
    """A pipeline that runs.

    Args:
        pipeline: Its words.
        name: What the errors call it.
        title: Makes the title.
        fix: What to do where it does not.
        paced: As for `GstPipeline`.
    """

    def __init__(
        self, pipeline: Sequence[str], name: str, title: Title, fix: str, *, paced: bool
    ) -> None:
        program = shutil.which(_PROGRAM)
        if program is None:
            raise SourceError(
                f"this needs {_PROGRAM}, which is not installed",
                fix="run: sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base",
            )
        self._name, self._fix = name, fix
        self._lines: deque[str] = deque(maxlen=50)
        self._size_known = threading.Event()
        self._said = ""
        reading, writing = os.pipe()
        self._pictures = FileIO(reading, "rb")
        sink = f"fdsink name={_SINK} fd={writing} sync={'true' if paced else 'false'}"
        tail = ["!", "videoconvert", "!", "video/x-raw,format=BGR", "!", *sink.split()]
        try:
            self._process = subprocess.Popen(
                [*_guard(), program, "-v", "--", *pipeline, *tail],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                start_new_session=True,  # an interrupt from the keyboard is ours to pass on
                text=True,
                errors="replace",
                env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C", "GST_DEBUG_NO_COLOR": "1"},
            )
        except BaseException:
            self._pictures.close()
            raise
        finally:
            os.close(writing)
        _running.add(self._process)
        self._listener = threading.Thread(
            target=self._listen, name=f"curbside-gst {name}", daemon=True
        )
        self._listener.start()
        try:
            self._shape = self._wait_for_size()
        except BaseException:
            self.close()
            raise
        height, width, fps = self._shape
        self.fps, self.title = fps, title(width, height, fps)

    def _listen(self) -> None:
        """Read what the process says, to its end."""
        assert self._process.stdout is not None
        with suppress(ValueError, OSError), self._process.stdout as lines:
            for line in lines:
                if (caps := _SAID.search(line)) is None:
                    self._lines.append(line.strip())
                elif not self._said:
                    self._said = caps[1]
                    self._size_known.set()
                elif caps[1] != self._said:  # nothing tells at which byte: begin again
                    self._lines.append("ERROR: the size of the pictures changed")
                    _kill(self._process)
        self._size_known.set()

    def _wait_for_size(self) -> tuple[int, int, float]:
        """Height, width and frames per second."""
        if not self._size_known.wait(_OPEN_S):
            raise SourceError(f"{self._name} gave no picture for {_OPEN_S:g} s", fix=self._fix)
        facts = dict(re.findall(r"(\w+)=\(\w+\)([\w/]+)", self._said))
        if not self._said:
            raise SourceError(
                f"{self._name} cannot be started ({self._last_words()})", fix=self._fix
            )
        width, height = int(facts["width"]), int(facts["height"])
        if width * height > MAX_PIXELS:
            raise SourceError(
                f"{self._name} says it is {width} x {height} pixels, more than the "
                f"{MAX_PIXELS:,} allowed",
                fix="scale it down in the pipeline",
            )
        above, _, below = facts.get("framerate", "0/1").partition("/")
        return height, width, usable_fps(int(above) / max(1, int(below or 1)))

    def _last_words(self) -> str:
        """What the process says went wrong, without passwords."""
        self._process.wait()
        self._listener.join(_ENDED_S)
        told = [line for line in self._lines if _ERROR.match(line) and "preroll" not in line]
        told.sort(key=lambda line: not line.startswith("ERROR"))  # the first is the cause of others
        ended = f"it ended with {self._process.returncode}"
        return without_passwords(_ERROR.sub("", told[0])) if told else ended

    def pictures(self) -> Iterator[np.ndarray | SourceError]:
        """Pictures until the pipeline ends."""
        height, width, _ = self._shape
        stride = -(-3 * width // 4) * 4  # GStreamer fills rows to four bytes
        count = 0
        while True:
            rows = np.empty((height, stride), np.uint8)
            if not self._fill(rows.data.cast("B")):
                break
            count += 1
            yield np.ascontiguousarray(rows[:, : 3 * width]).reshape(height, width, 3)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDED_S)
        if self._process.returncode != 0:
            _kill(self._process)
            raise SourceError(
                f"{self._name} stopped after {count} frames ({self._last_words()})", fix=self._fix
            )

    def _fill(self, room: memoryview) -> bool:
        """Read a picture; whether a whole one came."""
        done = 0
        while done < len(room):
            came = self._pictures.readinto(room[done:])
            if not came:
                return False
            done += came
        return True

    def interrupt(self) -> None:
        """End the process; its pipe then ends, too."""
        _kill(self._process)

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        _kill(self._process)
        self._process.wait()
        self._listener.join(_ENDED_S)
        self._pictures.close()


def _guard() -> list[str]:
    """What a program is started through, so that it does not outlive us; nothing but on Linux."""
    if sys.platform != "linux" or not sys.executable:
        return []
    return [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid())]


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and what it started: it leads a session of its own."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


@atexit.register
def _leave_none_behind() -> None:
    for process in list(_running):
        _kill(process)
