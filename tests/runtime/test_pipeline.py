"""The pipeline with a predictor that is no network: order, drops, errors, ends."""

import threading
import time
from contextlib import closing

import cv2
import numpy as np
import pytest

from curbside.errors import SourceError, StorageError
from curbside.runtime import Frame, Pipeline, open_sink


class Numbers:
    """A source whose frames carry their own number in every pixel."""

    fps = 25.0

    def __init__(self, count=None, *, live=False, pace_s=0.0, breaks=None, after=None):
        self.count, self.live, self.pace_s = count, live, pace_s
        self.breaks, self.after = breaks, after
        self.total = count
        self.given = 0
        self.closed = False

    def frames(self):
        number = 0
        while self.count is None or number < self.count:
            if number == self.after:
                break
            time.sleep(self.pace_s)
            self.given += 1
            yield Frame(number, number / self.fps, np.full((6, 8, 3), number % 256, np.uint8))
            number += 1
        if self.breaks is not None:
            raise self.breaks

    def close(self):
        self.closed = True


class Reader:
    """A predictor that reads the number back; it may take its time or fail."""

    def __init__(self, *, pause_s=lambda number: 0.0, fails_at=None, error=None, where="infer"):
        self.pause_s, self.fails_at, self.error, self.where = pause_s, fails_at, error, where
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def _maybe_fail(self, where, number):
        if where == self.where and number == self.fails_at:
            raise self.error

    def prepare(self, frame_bgr):
        self._maybe_fail("prepare", int(frame_bgr[0, 0, 0]))
        return frame_bgr

    def infer(self, tensor):
        number = int(tensor[0, 0, 0])
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.pause_s(number))
        with self.lock:
            self.at_once -= 1
        self._maybe_fail("infer", number)
        return number

    def decode(self, outputs, size_hw):
        assert size_hw == (6, 8)
        self._maybe_fail("decode", outputs)
        return outputs


class Kept:
    """A sink that remembers."""

    def __init__(self, *, fails_at=None, pace_s=0.0):
        self.written, self.ends = [], []
        self.fails_at, self.pace_s = fails_at, pace_s

    def write(self, index, picture_bgr):
        time.sleep(self.pace_s)
        if index == self.fails_at:
            raise StorageError("the disk is full", fix="free some space")
        self.written.append((index, int(picture_bgr[0, 0, 0])))

    def close(self):
        self.ends.append("closed")

    def discard(self):
        self.ends.append("discarded")


class Trouble(Exception):
    """An error of nobody else's."""


@pytest.fixture(autouse=True)
def no_thread_stays():
    threads = cv2.getNumThreads()
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("curbside")] == []
    assert cv2.getNumThreads() == threads


@pytest.mark.parametrize("workers", [1, 3])
def test_every_frame_of_a_file_in_order(workers):
    source, sink = Numbers(50), Kept()
    reader = Reader(pause_s=lambda number: 0.004 if number % 3 == 0 else 0.0)
    pipeline = Pipeline(
        source, reader, draw=lambda frame, n: frame + 100, sink=sink, workers=workers
    )
    shown = list(pipeline)
    assert [item.result for item in shown] == list(range(50))
    assert [item.frame.index for item in shown] == list(range(50))
    assert sink.written == [(number, number + 100) for number in range(50)]
    assert sink.ends == ["closed"]
    assert source.closed
    assert reader.most_at_once == workers
    stats = pipeline.stats()
    assert (stats.frames, stats.dropped) == (50, 0)
    assert stats.fps == pytest.approx(50 / stats.wall_s)
    counts = {name: summary.count for name, summary in stats.stages.items()}
    assert counts == dict.fromkeys(
        ("capture", "prepare", "network", "decode", "draw", "write", "latency"), 50
    )
    assert stats.stages["network"].p95_ms > 3.5


def test_without_drawing_the_picture_is_the_frame():
    sink = Kept()
    stats = Pipeline(Numbers(4), Reader(), sink=sink).run()
    assert sink.written == [(number, number) for number in range(4)]
    assert stats.stages["draw"].count == 0


def test_no_frame_at_all():
    assert Pipeline(Numbers(0), Reader()).run().frames == 0


def test_a_limit_asks_for_no_frame_more():
    source = Numbers(50, breaks=SourceError("broke", fix="mend"))
    assert Pipeline(source, Reader(), limit=7).run().frames == 7
    assert source.given == 7


def test_of_a_live_source_the_newest_frame_wins():
    source = Numbers(60, live=True, pace_s=0.002)
    pipeline = Pipeline(source, Reader(pause_s=lambda number: 0.02))
    indices = [shown.frame.index for shown in pipeline]
    stats = pipeline.stats()
    assert indices == sorted(set(indices))
    assert indices[-1] == 59
    assert stats.dropped == 60 - len(indices)
    assert stats.dropped > 20
    assert stats.stages["latency"].p95_ms < 500


def test_a_slow_sink_makes_a_live_source_drop_too():
    pipeline = Pipeline(Numbers(60, live=True, pace_s=0.002), Reader(), sink=Kept(pace_s=0.02))
    assert pipeline.run().dropped > 20


@pytest.mark.parametrize("where", ["prepare", "infer", "decode"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_predictor_that_raises_is_raised_to_the_caller(where, workers):
    source, sink = Numbers(), Kept()
    reader = Reader(fails_at=9, error=Trouble("nine"), where=where)
    with pytest.raises(Trouble, match="nine"):
        Pipeline(source, reader, sink=sink, workers=workers).run()
    assert sink.ends == ["discarded"]
    assert source.closed


def test_drawing_that_raises_is_raised_to_the_caller():
    def draw(frame, number):
        if number == 5:
            raise Trouble("five")
        return frame

    sink = Kept()
    with pytest.raises(Trouble, match="five"):
        Pipeline(Numbers(), Reader(), draw=draw, sink=sink).run()
    assert sink.ends == ["discarded"]


def test_a_source_that_raises_what_it_should_not():
    sink = Kept()
    with pytest.raises(Trouble):
        Pipeline(Numbers(9, after=5, breaks=Trouble("a bug")), Reader(), sink=sink).run()
    assert sink.ends == ["discarded"]


def test_a_source_that_breaks_off_keeps_what_came():
    source = Numbers(30, after=12, breaks=SourceError("12 of 30 frames", fix="fetch it again"))
    sink = Kept()
    pipeline = Pipeline(source, Reader(pause_s=lambda number: 0.002), sink=sink, workers=2)
    with pytest.raises(SourceError, match="12 of 30"):
        pipeline.run()
    assert [index for index, _ in sink.written] == list(range(12))
    assert sink.ends == ["closed"]
    assert pipeline.stats().frames == 12


def test_a_sink_that_fails_ends_everything(tmp_path):
    source, sink = Numbers(), Kept(fails_at=6)
    with pytest.raises(StorageError, match="disk is full"):
        Pipeline(source, Reader(), sink=sink, workers=2).run()
    assert sink.ends == ["discarded"]
    assert source.closed


def test_a_failure_leaves_no_file(tmp_path):
    reader = Reader(fails_at=9, error=Trouble("nine"))
    sink = open_sink(tmp_path / "out.mp4", fps=25)
    with pytest.raises(Trouble):
        Pipeline(Numbers(), reader, sink=sink).run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("live", [False, True])
def test_leaving_the_loop_while_everything_is_full(live):
    source, sink = Numbers(live=live), Kept()
    with closing(iter(Pipeline(source, Reader(), sink=sink, workers=2))) as flow:
        for shown in flow:
            if shown.frame.index >= 3:
                time.sleep(0.03)  # meanwhile every queue fills
                break
    assert sink.ends == ["closed"]
    assert source.closed
    if not live:
        assert source.given < 20  # the queues are bounded


def test_stop_from_another_thread_while_everything_is_full():
    source, sink = Numbers(), Kept(pace_s=0.005)
    pipeline = Pipeline(source, Reader(), sink=sink)
    threading.Timer(0.05, pipeline.stop).start()
    stats = pipeline.run()
    assert 0 < stats.frames < 60
    assert sink.ends == ["closed"]
    assert source.closed


@pytest.mark.parametrize(("live", "end"), [(True, "closed"), (False, "discarded")])
def test_an_interrupt_keeps_what_a_camera_gave_and_no_part_of_a_file(live, end):
    class Interrupted(Kept):
        def write(self, index, picture_bgr):
            if index >= 4:
                raise KeyboardInterrupt
            super().write(index, picture_bgr)

    sink = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Pipeline(Numbers(live=live), Reader(), sink=sink).run()
    assert sink.ends == [end]


def test_a_source_that_hangs_is_named(monkeypatch):
    from curbside.errors import CurbsideError
    from curbside.runtime.pipeline import pipeline as room

    monkeypatch.setattr(room, "_JOIN_S", 0.05)
    release = threading.Event()

    class Hanging(Numbers):
        def frames(self):
            yield from super().frames()
            release.wait(10)

    source = Hanging(3, live=True, pace_s=0.01)
    pipeline = Pipeline(source, Reader())
    threading.Timer(0.2, pipeline.stop).start()
    with pytest.raises(CurbsideError, match="curbside-capture did not end within"):
        pipeline.run()
    assert not source.closed
    release.set()
    for thread in threading.enumerate():
        if thread.name == "curbside-capture":
            thread.join(5)


def test_frames_of_changing_size():
    class Growing(Numbers):
        def frames(self):
            for number in range(6):
                yield Frame(number, 0.0, np.zeros((4 + number, 5, 3), np.uint8))

    class Sizes(Reader):
        def decode(self, outputs, size_hw):
            return size_hw

    shown = list(Pipeline(Growing(), Sizes()))
    assert [item.result for item in shown] == [(4 + number, 5) for number in range(6)]


def test_every_stage_measures_its_own_part_and_latency_the_whole_way():
    class Slow(Numbers):
        def frames(self):
            for frame in super().frames():
                time.sleep(0.004)
                yield frame

    class Parts(Reader):
        def prepare(self, frame_bgr):
            time.sleep(0.008)
            return super().prepare(frame_bgr)

        def decode(self, outputs, size_hw):
            time.sleep(0.016)
            return super().decode(outputs, size_hw)

    def draw(frame, number):
        time.sleep(0.02)
        return frame

    reader, sink = Parts(pause_s=lambda number: 0.012), Kept(pace_s=0.024)
    stages = Pipeline(Slow(5), reader, draw=draw, sink=sink).run().stages
    least = {"capture": 4, "prepare": 8, "network": 12, "decode": 16, "draw": 20, "write": 24}
    for name, time_ms in least.items():
        assert stages[name].p50_ms >= time_ms, name
    assert stages["latency"].p50_ms >= 8 + 12 + 16 + 20


def test_of_a_live_source_only_the_newest_frame_waits():
    busy, given = threading.Event(), threading.Event()

    class Live(Numbers):
        def frames(self):
            for frame in super().frames():
                if frame.index == 1:
                    busy.wait(5)
                yield frame
            given.set()

    class Held(Reader):
        def infer(self, tensor):
            busy.set()
            given.wait(5)
            return super().infer(tensor)

    pipeline = Pipeline(Live(20, live=True), Held())
    assert [shown.frame.index for shown in pipeline] == [0, 19]
    assert pipeline.stats().dropped == 18
