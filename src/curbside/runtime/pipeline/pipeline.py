"""The threaded pipeline: capture, infer, draw, sink.

::

    source --capture, prepare--> [inbox] --infer x workers--> [ready] --decode, draw--> [shown] --> sink, caller
                                 file: waits                  in the order
                                 live: newest wins            of the inbox

The infer threads do nothing but the network, so that a single one never waits for the host's part
of another frame. Every queue is bounded. Frames of a file are all kept, in order; of a live source the newest one
replaces the one that waits.

Without supervision an exception in any stage ends the others and is raised in the caller. With it, a
fault costs one frame its result, and what failed is opened again; every fault is reported.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ...errors import ConfigError, CurbsideError
from ...metrics.timing import Latencies
from ..cores import opencv_on_one_core
from ..sinks import NullSink, Sink
from ..sources import Frame, Source
from .faults import Fault, Supervision, forget_trace
from .job import Job
from .queues import Closed, NumberedQueue
from .reading import read_frames
from .slot import Predictor, PredictorSlot
from .stats import PipelineStats, Shown
from .watch import NetworkWatch

__all__ = ["Pipeline"]

Result = TypeVar("Result")

STAGES = ("capture", "prepare", "network", "decode", "draw", "write")
_JOIN_S = 10.0
_RECENT = 60
_CUT_S = 2.0
"""A jump in time of so many seconds, or back, is another clip: nothing in it is where it was."""


class Pipeline(Generic[Result]):
    """Frames of a source through a predictor; iterate over it once to run it.

    ::

        pipeline = Pipeline(source, predictor, draw=lambda frame, result: result.draw(frame))
        for shown in pipeline:
            ...

    The caller's thread writes to the sink. When the caller leaves the loop early or `stop` is
    called, what was written so far is kept; after an exception it is discarded, and after Ctrl-C too,
    unless the source is live, which has no other end.

    Args:
        source: Where frames come from; the pipeline closes it.
        predictor: The network. With several workers it is called from several threads at once.
        draw: Makes the picture from frame and result; without it the picture is the frame.
        sink: Where pictures go; the pipeline finishes it.
        limit: Stop after so many frames were shown.
        workers: Frames that are in the network at the same time.
        supervision: How it goes on after a fault; None ends it with the first one.
        on_fault: Called with every fault, from the thread in which it happened.
        budget_ms: From captured to shown a frame should take no longer than this: of a live source
            one that is older already is left out before the network; what is shown later is counted.
        on_retired: Called with a predictor that `switch` exchanged, once no frame needs it.
        window: How many of the latest frames the percentiles of `stats` look at.

    Raises:
        ConfigError: A number is out of its range.
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
        supervision: Supervision | None = None,
        on_fault: Callable[[Fault], None] | None = None,
        budget_ms: float | None = None,
        on_retired: Callable[[Any], None] | None = None,
        window: int = 65_536,
    ) -> None:
        _check(limit=limit, workers=workers, budget_ms=budget_ms)
        self._source, self._draw = source, draw
        self._slot = PredictorSlot(predictor, on_retired)
        self._sink = NullSink() if sink is None else sink
        self._limit = limit
        self._workers = workers
        self._supervision, self._on_fault = supervision, on_fault or (lambda fault: None)
        self._watch = NetworkWatch(supervision or Supervision())
        self._budget_ms = float("inf") if budget_ms is None else budget_ms
        room = 1 if source.live else workers + 1
        self._inbox: NumberedQueue[Job] = NumberedQueue(room)
        self._ready: NumberedQueue[Job] = NumberedQueue(room)
        self._shown: NumberedQueue[tuple[Job, Any, np.ndarray]] = NumberedQueue(room)
        self._latencies = {stage: Latencies(window=window) for stage in (*STAGES, "latency")}
        self._faults: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._hopeless: Exception | None = None  # the last fault, while no frame had a result
        self._result_came = False
        self._late_error: CurbsideError | None = None
        self._captured = self._frames = self._left_out = self._late = 0
        self._start_s = self._last_s = 0.0
        self._recent_s: deque[float] = deque(maxlen=_RECENT)

    def __iter__(self) -> Generator[Shown[Result]]:
        """Run, and give every frame once its picture is in the sink.

        Raises:
            SourceError: The source broke off; raised after the frames that came, which are kept.
            StorageError: The sink cannot be written.
            Exception: Whatever a stage raised, without supervision.
        """
        self._start_s = self._last_s = time.perf_counter()
        threads = [self._thread("capture", self._capture), self._thread("draw", self._draw_all)]
        threads += [self._thread(f"infer-{number}", self._infer) for number in range(self._workers)]
        with opencv_on_one_core():
            try:
                for thread in threads:
                    thread.start()
                yield from self._deliver()
            except GeneratorExit:  # the caller has seen enough: keep what there is
                self._sink.close()
                raise
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and self._source.live:
                    self._sink.close()
                else:
                    self._sink.discard()
                raise
            else:
                self._sink.close()
            finally:
                self.stop()
                self._end(threads)
        if self._late_error is not None:
            raise self._late_error

    def run(self) -> PipelineStats:
        """Run to the end of the source, and say what was done; raises what iterating raises."""
        for _ in self:
            pass
        return self.stats()

    def switch(self, predictor: Predictor[Result]) -> None:
        """Exchange the predictor, from any thread: frames that are not yet in the network go to the
        new one, none is lost, and they stay in order."""
        old = self._slot.current
        self._slot.exchange(predictor)
        make_way = None if old is predictor else getattr(old, "make_way", None)
        if make_way is not None:
            make_way(predictor)

    @property
    def predictor(self) -> Predictor[Result]:
        """The predictor in use."""
        return self._slot.current

    def stop(self) -> None:
        """End soon, from any thread: frames on their way are dropped, written ones are kept."""
        self._stopping.set()
        for queue in (self._inbox, self._ready, self._shown):
            queue.close()
        interrupt = getattr(self._source, "interrupt", None)
        if interrupt is not None:
            interrupt()

    def stats(self) -> PipelineStats:
        """What was done so far."""
        return PipelineStats(
            frames=self._frames,
            dropped=self._inbox.replaced,
            late=self._late,
            wall_s=self._last_s - self._start_s,
            stages={name: latencies.summary() for name, latencies in self._latencies.items()},
            faults=dict(self._faults),
        )

    @property
    def on_their_way(self) -> int:
        """Frames that were captured and are neither shown nor dropped yet."""
        return self._captured - self._frames - self._inbox.replaced - self._left_out

    def fps_now(self) -> float:
        """Frames per second over the last ones; 0 where none came for two seconds."""
        moments = list(self._recent_s)
        if len(moments) < 2 or time.perf_counter() - moments[-1] > 2.0:
            return 0.0
        return (len(moments) - 1) / max(1e-9, moments[-1] - moments[0])

    def _deliver(self) -> Iterator[Shown[Result]]:
        try:
            while (ticket := self._shown.get()) is not None:
                _, (job, result, picture) = ticket
                with self._timed(job, "write"):
                    self._sink.write(job.frame.index, picture)
                self._frames += 1
                self._last_s = time.perf_counter()
                self._recent_s.append(self._last_s)
                age_ms = (self._last_s - job.captured_s) * 1e3
                self._late += age_ms > self._budget_ms
                yield Shown(
                    frame=job.frame,
                    result=result,
                    picture_bgr=picture,
                    captured_s=job.captured_s,
                    age_ms=age_ms,
                    stages_ms=job.stages_ms,
                    predictor=job.predictor,
                )
                if self._frames == self._limit:
                    break
            if self._hopeless is not None and not self._source.live:
                raise self._hopeless
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

    def _end(self, threads: list[threading.Thread]) -> None:
        stuck = _join(threads)
        if stuck:
            self._late_error = CurbsideError(
                f"{', '.join(stuck)} did not end within {_JOIN_S:.0f} s",
                fix="check that the source still answers (unplug and replug a camera)",
            )
            return
        self._slot.end()
        self._source.close()

    def _capture(self) -> None:
        # Of a live source any number may be dropped on the way to so many that are shown.
        limit = None if self._source.live else self._limit
        for frame, captured_s, took_ms in islice(self._read(), limit):
            self._captured += 1
            job = Job(frame, captured_s, self._slot.take(), stages_ms={"capture": took_ms})
            self._prepare(job)
            replaced = self._inbox.put(job, replace=self._source.live)
            if replaced is not None:
                self._slot.give_back(replaced.predictor)
        self._inbox.finish()

    def _read(self) -> Iterator[tuple[Frame, float, float]]:
        """The frames of the source; where it breaks off for good, what came before it is good."""
        frames = read_frames(self._source, self._supervision, self._stopping, self._fault_of_source)
        try:
            for frame, captured_s, took_ms in frames:
                self._latencies["capture"].add(took_ms)
                yield frame, captured_s, took_ms
        except CurbsideError as broken:
            self._late_error = broken

    def _fault_of_source(self, error: Exception, action: str) -> None:
        self._fault("capture", error, action)

    def _prepare(self, job: Job) -> None:
        job.failed = False
        with self._caught(job, "prepare"), self._timed(job, "prepare"):
            job.tensor = job.predictor.prepare(job.frame.bgr)

    def _infer(self) -> None:
        while (ticket := self._inbox.get()) is not None:
            number, job = ticket
            self._to_current(job)
            age_ms = (time.perf_counter() - job.captured_s) * 1e3
            if self._source.live and age_ms > self._budget_ms:
                job.left_out = True
                self._late += 1
            elif not job.failed:
                job.began_s = time.monotonic()
                with self._caught(job, "network"), self._timed(job, "network"):
                    job.outputs = job.predictor.infer(job.tensor)
                self._note_errors(job)
                if not job.failed:
                    self._watch.went_well()
                    self._catch_up(job)
            job.tensor = None
            self._ready.put(job, number=number)
        self._ready.finish(self._inbox.taken)

    def _to_current(self, job: Job) -> None:
        """A frame that waited while the predictor was exchanged goes to the new one."""
        if job.predictor is self._slot.current:
            return
        old, job.predictor = job.predictor, self._slot.take()
        self._slot.give_back(old)
        self._prepare(job)

    def _catch_up(self, job: Job) -> None:
        """Where the predictor was exchanged while a frame was in it, let the new one go on from what
        the old one found, if it can: people see it sooner."""
        old, new = job.predictor, self._slot.current
        infer_after = None if new is old else getattr(new, "infer_after", None)
        if infer_after is None:
            return
        new = self._slot.take()
        try:
            outputs = infer_after(old, job.outputs, job.frame.bgr)
            if outputs is not None:
                job.outputs, job.predictor, new = outputs, new, old
        except Exception as error:
            if self._supervision is None:
                raise
            self._fault("network", error, "showed what the one before found", job.frame.index)
        finally:
            self._slot.give_back(new)

    def _note_errors(self, job: Job) -> None:
        """Faults of networks that look on threads of their own, which cost the frame nothing."""
        take_errors = getattr(job.predictor, "take_errors", None)
        for error in () if take_errors is None else take_errors():
            if self._supervision is None:
                raise error
            self._fault("network", error, "went on with what it knew", job.frame.index)

    def _draw_all(self) -> None:
        last: Frame | None = None
        while (ticket := self._ready.get()) is not None:
            _, job = ticket
            self._left_out += job.left_out
            if not job.left_out:
                self._announce(job, last)
                last = job.frame
                result, picture = self._look(job)
                latency_ms = (time.perf_counter() - job.captured_s) * 1e3
                self._latencies["latency"].add(latency_ms)
                job.outputs = None
                self._shown.put((job, result, picture))
            self._slot.give_back(job.predictor)
        self._shown.finish()

    def _announce(self, job: Job, last: Frame | None) -> None:
        """Tell the predictor of a frame that does not follow on the one before."""
        if job.frame is last:
            tell = getattr(job.predictor, "again", None)
        elif last is None or not 0 <= job.frame.timestamp_s - last.timestamp_s <= _CUT_S:
            tell = getattr(job.predictor, "reset", None)
        else:
            return
        if tell is not None:
            with self._caught(job, "decode"):
                tell()

    def _look(self, job: Job) -> tuple[Any, np.ndarray]:
        """The result of a frame, None where there is none, and its picture."""
        frame, result = job.frame.bgr, None
        if not job.failed:
            with self._caught(job, "decode"), self._timed(job, "decode"):
                result = job.predictor.decode(job.outputs, frame.shape[:2])
                self._result_came, self._hopeless = True, None
        picture = frame
        if self._draw is not None and not job.failed:
            with self._caught(job, "draw"), self._timed(job, "draw"):
                picture = self._draw(frame, result)  # type: ignore[arg-type]
        return result, picture

    @contextmanager
    def _timed(self, job: Job, stage: str) -> Iterator[None]:
        start_s = time.perf_counter()
        yield
        job.stages_ms[stage] = took_ms = (time.perf_counter() - start_s) * 1e3
        self._latencies[stage].add(took_ms)

    @contextmanager
    def _caught(self, job: Job, stage: str) -> Iterator[None]:
        """Under supervision an exception of the block is a fault of the frame."""
        try:
            yield
        except Exception as error:
            if self._supervision is None:
                raise
            job.failed = True
            action = "showed the frame without a result"
            if stage in ("prepare", "network"):
                action = self._watch.failed(job.predictor, began_s=job.began_s)
            in_a_row = self._watch.in_a_row
            give_up = not self._source.live and in_a_row >= self._supervision.give_up_after
            if stage != "draw" and not self._result_came:
                self._hopeless = error
            self._fault(stage, error, action, frame=job.frame.index, keep_trace=give_up)
            if give_up:
                raise

    def _fault(
        self,
        stage: str,
        error: Exception,
        action: str,
        frame: int | None = None,
        *,
        keep_trace: bool = False,
    ) -> None:
        self._faults[stage] += 1
        self._on_fault(Fault(stage=stage, error=error, action=action, frame=frame))
        if not keep_trace:
            forget_trace(error)


def _check(*, limit: int | None, workers: int, budget_ms: float | None) -> None:
    for name, value in (("limit", limit), ("workers", workers)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}, which shows nothing", fix="give 1 or more")
    if budget_ms is not None and not budget_ms > 0:
        raise ConfigError(
            f"no frame is shown within {budget_ms:g} ms", fix="give a budget above 0 ms"
        )


def _join(threads: list[threading.Thread]) -> list[str]:
    """Wait for threads that were told to end; the names of those that did not."""
    deadline_s = time.monotonic() + _JOIN_S
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, deadline_s - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
