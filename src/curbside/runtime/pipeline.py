"""The threaded pipeline: capture, infer, draw, sink.

::

    source --capture, prepare--> [inbox] --infer x workers--> [ready] --decode, draw--> [shown] --> sink, caller
                                 file: waits                  in the order
                                 live: newest wins            of the inbox

The infer threads do nothing but the network, so that a single one never waits for the host's part
of another frame. Every queue is bounded. Frames of a file are all kept, in order; of a live source the newest one
replaces the one that waits. An exception in any stage ends the others and is raised in the caller.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from ..errors import CurbsideError
from ..metrics.timing import Latencies, LatencySummary
from .cores import opencv_on_one_core
from .queues import Closed, NumberedQueue
from .sinks import NullSink, Sink
from .sources import Frame, Source

__all__ = ["Pipeline", "PipelineStats", "Predictor", "Shown"]

Result = TypeVar("Result")
Found = TypeVar("Found", covariant=True)

STAGES = ("capture", "prepare", "network", "decode", "draw", "write")
_JOIN_S = 10.0


class Predictor(Protocol[Found]):
    """What the pipeline needs of a predictor: the three parts of a call."""

    def prepare(self, frame_bgr: np.ndarray) -> Any:
        """The network's input from a frame."""

    def infer(self, tensor: Any) -> Any:
        """The network's outputs."""

    def decode(self, outputs: Any, size_hw: tuple[int, int]) -> Found:
        """The result at the frame's size."""


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[Result]):
    """A frame that went all the way through."""

    frame: Frame
    """The frame."""
    result: Result
    """What the predictor found in it."""
    picture_bgr: np.ndarray
    """What was drawn, (H, W, 3) uint8; the frame itself where nothing draws."""


@dataclass(frozen=True, kw_only=True)
class PipelineStats:
    """What a pipeline did."""

    frames: int
    """Frames that went all the way through."""
    dropped: int
    """Frames of a live source that a newer one replaced."""
    wall_s: float
    """From the start to the last frame, in seconds."""
    stages: dict[str, LatencySummary]
    """Latency of every stage, in milliseconds; `latency` is from captured to drawn."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.wall_s if self.wall_s else 0.0


class Pipeline(Generic[Result]):
    """Frames of a source through a predictor; iterate over it once to run it.

    ::

        pipeline = Pipeline(source, predictor, draw=lambda frame, result: result.draw(frame))
        for shown in pipeline:
            ...

    The caller's thread writes to the sink. When the caller leaves the loop early or `stop` is
    called, what was written so far is kept; after an exception it is discarded.

    Args:
        source: Where frames come from; the pipeline closes it.
        predictor: The network. With several workers it is called from several threads at once.
        draw: Makes the picture from frame and result; without it the picture is the frame.
        sink: Where pictures go; the pipeline finishes it.
        limit: Stop after so many frames.
        workers: Frames that are in the network at the same time.
    """

    def __init__(
        self,
        source: Source,
        predictor: Predictor[Result],
        *,
        draw: Callable[[np.ndarray, Result], np.ndarray] | None = None,
        sink: Sink | None = None,
        limit: int | None = None,
        workers: int = 1,
    ) -> None:
        self._source, self._predictor, self._draw = source, predictor, draw
        self._sink = NullSink() if sink is None else sink
        self._limit = limit
        self._workers = workers
        room = 1 if source.live else workers + 1
        self._inbox: NumberedQueue[tuple[Frame, float, Any]] = NumberedQueue(room)
        self._ready: NumberedQueue[tuple[Frame, float, Any]] = NumberedQueue(room)
        self._shown: NumberedQueue[Shown[Result]] = NumberedQueue(room)
        self._latencies = {stage: Latencies() for stage in (*STAGES, "latency")}
        self._error: BaseException | None = None
        self._late_error: CurbsideError | None = None
        self._frames = 0
        self._start_s = self._last_s = 0.0

    def __iter__(self) -> Generator[Shown[Result]]:
        """Run, and give every frame once its picture is in the sink.

        Raises:
            SourceError: The source broke off; raised after the frames that came, which are kept.
            StorageError: The sink cannot be written.
            Exception: Whatever a stage raised.
        """
        self._start_s = self._last_s = time.perf_counter()
        threads = [self._thread("capture", self._capture), self._thread("draw", self._draw_all)]
        threads += [self._thread(f"infer-{number}", self._infer) for number in range(self._workers)]
        with opencv_on_one_core():
            try:
                for thread in threads:
                    thread.start()
                yield from self._deliver()
            except (
                GeneratorExit,
                KeyboardInterrupt,
            ):  # the caller has seen enough: keep what there is
                self._sink.close()
                raise
            except BaseException:
                self._sink.discard()
                raise
            else:
                self._sink.close()
            finally:
                self.stop()
                stuck = _join(threads)
                if stuck:
                    self._late_error = CurbsideError(
                        f"{', '.join(stuck)} did not end within {_JOIN_S:.0f} s",
                        fix="check that the source still answers (unplug and replug a camera)",
                    )
                else:
                    self._source.close()
        if self._late_error is not None:
            raise self._late_error

    def run(self) -> PipelineStats:
        """Run to the end of the source, and say what was done; raises what iterating raises."""
        for _ in self:
            pass
        return self.stats()

    def stop(self) -> None:
        """End soon, from any thread: frames on their way are dropped, written ones are kept."""
        for queue in (self._inbox, self._ready, self._shown):
            queue.close()

    def stats(self) -> PipelineStats:
        """What was done so far."""
        return PipelineStats(
            frames=self._frames,
            dropped=self._inbox.replaced,
            wall_s=self._last_s - self._start_s,
            stages={name: latencies.summary() for name, latencies in self._latencies.items()},
        )

    def _deliver(self) -> Iterator[Shown[Result]]:
        try:
            while (ticket := self._shown.get()) is not None:
                _, shown = ticket
                with self._latencies["write"].measure():
                    self._sink.write(shown.frame.index, shown.picture_bgr)
                self._frames += 1
                self._last_s = time.perf_counter()
                yield shown
        except Closed:
            if self._error is not None:
                raise self._error from None

    def _thread(self, name: str, stage: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                stage()
            except Closed:
                pass
            except BaseException as error:
                self._error = self._error or error
                self.stop()

        return threading.Thread(target=guarded, name=f"curbside-{name}", daemon=True)

    def _capture(self) -> None:
        for frame, captured_s in self._read():
            with self._latencies["prepare"].measure():
                tensor = self._predictor.prepare(frame.bgr)
            self._inbox.put((frame, captured_s, tensor), replace=self._source.live)
        self._inbox.finish()

    def _read(self) -> Iterator[tuple[Frame, float]]:
        """The frames of the source, each with the moment it came."""
        start_s = time.perf_counter()
        try:
            for frame in islice(self._source.frames(), self._limit):
                now_s = time.perf_counter()
                self._latencies["capture"].add((now_s - start_s) * 1e3)
                yield frame, now_s
                start_s = time.perf_counter()
        except CurbsideError as error:  # what came before it is good
            self._late_error = error

    def _infer(self) -> None:
        while (ticket := self._inbox.get()) is not None:
            number, (frame, captured_s, tensor) = ticket
            with self._latencies["network"].measure():
                outputs = self._predictor.infer(tensor)
            self._ready.put((frame, captured_s, outputs), number=number)
        self._ready.finish(self._inbox.taken)

    def _draw_all(self) -> None:
        while (ticket := self._ready.get()) is not None:
            _, (frame, captured_s, outputs) = ticket
            with self._latencies["decode"].measure():
                result = self._predictor.decode(outputs, frame.bgr.shape[:2])
            picture = frame.bgr
            if self._draw is not None:
                with self._latencies["draw"].measure():
                    picture = self._draw(frame.bgr, result)
            self._latencies["latency"].add((time.perf_counter() - captured_s) * 1e3)
            self._shown.put(Shown(frame=frame, result=result, picture_bgr=picture))
        self._shown.finish()


def _join(threads: list[threading.Thread]) -> list[str]:
    """Wait for threads that were told to end; the names of those that did not."""
    deadline_s = time.monotonic() + _JOIN_S
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, deadline_s - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
