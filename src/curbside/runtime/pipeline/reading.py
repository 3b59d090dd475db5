"""The frames of a source, which is opened again where it breaks off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from ...errors import SourceError
from ..sources import Frame, Source
from .faults import Supervision

__all__ = ["read_frames"]


def read_frames(
    source: Source,
    supervision: Supervision | None,
    stopping: threading.Event,
    note: Callable[[Exception, str], None],
) -> Iterator[tuple[Frame, float, float]]:
    """The frames of a source, each with the moment it was taken and how long it took, in milliseconds.

    Under supervision a live source that breaks off or ends begins again; its numbers go on, and its
    times.

    Args:
        source: Where they come from.
        supervision: How long to wait before it begins again; None lets every error through.
        stopping: Ends a wait, and what comes after it.
        note: Called with what went wrong and what was done about it.

    Raises:
        SourceError: A file broke off, or any source without supervision.
        Exception: Whatever else it raised, likewise.
    """
    if supervision is not None:
        source.report = lambda error: note(error, "went on without it")
    begun_s, attempt, following, last_s = time.perf_counter(), 0, 0, 0.0
    while True:
        start_s = time.perf_counter()
        first, offset_s = following, max(last_s, start_s - begun_s) if following else 0.0
        try:
            for frame in source.frames():
                now_s = time.perf_counter()
                attempt, following = 0, first + frame.index + 1
                if first:
                    later_s = offset_s + frame.timestamp_s
                    frame = replace(frame, index=first + frame.index, timestamp_s=later_s)
                last_s = frame.timestamp_s
                captured_s = now_s if frame.captured_s is None else frame.captured_s
                yield frame, captured_s, (now_s - start_s) * 1e3
                start_s = time.perf_counter()
            error: Exception = SourceError("the source ended", fix="check that it still sends")
        except Exception as broken:
            if supervision is None or not source.live:
                raise
            error = broken
        if supervision is None or not source.live or stopping.is_set():
            return
        wait_s = supervision.wait_s(attempt)
        note(error, f"tried again after {wait_s:g} s")
        attempt += 1
        if stopping.wait(wait_s):
            return
