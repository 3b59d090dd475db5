"""The pipeline under supervision: faults cost one frame, what failed is opened again, networks change."""

import threading
import time
from contextlib import closing

import numpy as np
import pytest
from test_pipeline import Kept, Numbers, Reader, Trouble

from curbside.errors import ConfigError, SourceError
from curbside.runtime import Fault, Frame, Pipeline, Supervision

QUICK = Supervision(retry_s=0.001, longest_retry_s=0.004)


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("curbside")] == []


class Flaky(Reader):
    """A predictor that fails on some frames, and is well again after a restart, or never."""

    def __init__(self, fails, *, where="infer", heals=False, restart_fails=0):
        super().__init__()
        self.fails, self.where, self.heals = fails, where, heals
        self.restarts, self.restart_fails, self.resets = 0, restart_fails, []
        self.mended = False

    def _maybe_fail(self, where, number):
        if where == self.where and number in self.fails and not self.mended:
            raise Trouble(f"at {number}")

    def restart(self):
        self.restarts += 1
        if self.restarts <= self.restart_fails:
            raise Trouble("still out of order")
        self.mended = self.heals

    def reset(self):
        self.resets.append(1)


@pytest.mark.parametrize("where", ["prepare", "infer", "decode"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_costs_one_frame_its_result(where, workers):
    faults: list[Fault] = []
    sink = Kept()
    pipeline = Pipeline(
        Numbers(20),
        Flaky({4, 11}, where=where),
        draw=lambda frame, number: frame + 100,
        sink=sink,
        workers=workers,
        supervision=QUICK,
        on_fault=faults.append,
    )
    shown = list(pipeline)
    assert [item.result for item in shown] == [None if n in (4, 11) else n for n in range(20)]
    assert [value for _, value in sink.written] == [
        n if n in (4, 11) else n + 100 for n in range(20)
    ]
    stage = "network" if where == "infer" else where
    assert pipeline.stats().faults == {stage: 2}
    assert [(fault.stage, fault.frame) for fault in faults] == [(stage, 4), (stage, 11)]
    assert str(faults[0]) == (
        f"{stage} at frame 4: Trouble: at 4; showed the frame without a result"
    )


def test_a_picture_that_cannot_be_drawn_is_the_frame():
    def draw(frame, number):
        if number == 2:
            raise Trouble("no ink")
        return frame + 100

    sink = Kept()
    shown = list(Pipeline(Numbers(4), Reader(), draw=draw, sink=sink, supervision=QUICK))
    assert [item.result for item in shown] == [0, 1, 2, 3]
    assert [value for _, value in sink.written] == [100, 101, 2, 103]


def test_a_network_that_fails_again_and_again_is_loaded_again():
    faults: list[Fault] = []
    predictor = Flaky(set(range(5, 20)), heals=True)
    shown = list(Pipeline(Numbers(20), predictor, supervision=QUICK, on_fault=faults.append))
    assert predictor.restarts == 1
    assert [item.result for item in shown] == [None if n in (5, 6, 7) else n for n in range(20)]
    assert [fault.action for fault in faults][-1] == "loaded the network again"


def test_a_restart_that_fails_is_tried_again_with_growing_patience():
    faults: list[Fault] = []
    predictor = Flaky(set(range(100)), heals=True, restart_fails=2)
    source = Numbers(60, pace_s=0.003)
    list(Pipeline(source, predictor, supervision=QUICK, on_fault=faults.append))
    assert predictor.restarts == 3
    actions = [fault.action for fault in faults]
    assert actions.count("loading the network again failed (still out of order)") == 2
    assert actions[-1] == "loaded the network again"


def test_on_a_file_a_network_that_never_recovers_ends_the_run_and_keeps_nothing_half():
    sink = Kept()
    with pytest.raises(Trouble, match="at 9"):
        Pipeline(
            Numbers(50),
            Flaky(set(range(50))),
            sink=sink,
            supervision=Supervision(retry_s=9, longest_retry_s=9, give_up_after=10),
        ).run()
    assert sink.ends == ["discarded"]


def test_a_file_of_which_no_frame_has_a_result_ends_with_the_error_and_keeps_nothing():
    sink = Kept()
    with pytest.raises(Trouble, match="at 4"):
        Pipeline(Numbers(5), Flaky(set(range(5))), sink=sink, supervision=QUICK).run()
    assert sink.ends == ["discarded"]
    sink = Kept()
    stats = Pipeline(Numbers(5), Flaky({0, 1, 3, 4}), sink=sink, supervision=QUICK).run()
    assert (stats.frames, sink.ends) == (5, ["closed"])


def test_on_a_camera_it_goes_on():
    source = Numbers(live=True, pace_s=0.001)
    rules = Supervision(retry_s=9, longest_retry_s=9, give_up_after=2)
    with closing(iter(Pipeline(source, Flaky(set(range(256))), supervision=rules))) as shown:
        assert all(next(shown).result is None for _ in range(20))


class Unplugged(Numbers):
    """A camera that breaks off after some frames, some times, and then cannot be opened some times."""

    def __init__(self, frames, *, breaks, shut=0, error=None):
        super().__init__(live=True)
        self.each, self.left, self.shut, self.error = frames, breaks, shut, error
        self.opened = 0

    def frames(self):
        self.opened += 1
        if self.opened in range(2, 2 + self.shut):
            raise SourceError("it is not there", fix="plug it in")
        for index in range(self.each):
            time.sleep(0.002)
            yield Frame(index, index / 10, np.full((6, 8, 3), index, np.uint8))
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    "error", [None, SourceError("gone", fix="plug it in"), OSError("I/O error")], ids=repr
)
def test_a_camera_that_breaks_off_is_opened_again_and_its_numbers_go_on(error):
    faults: list[Fault] = []
    source = Unplugged(5, breaks=2, shut=2, error=error)
    pipeline = Pipeline(source, Reader(), limit=12, supervision=QUICK, on_fault=faults.append)
    shown = list(pipeline)
    numbers = [item.frame.index for item in shown]
    assert numbers == sorted(set(numbers)) and len(numbers) == 12 <= numbers[-1] + 1
    moments = [item.frame.timestamp_s for item in shown]
    assert moments == sorted(moments)
    assert source.opened >= 5  # twice it was not there
    assert source.opened - 2 <= pipeline.stats().faults["capture"] <= source.opened
    assert "tried again after 0.001 s" in str(faults[0])
    assert [fault.action for fault in faults][1:3] == [
        "tried again after 0.002 s",
        "tried again after 0.004 s",
    ]


def test_it_stops_at_once_while_it_waits_for_a_camera():
    source = Unplugged(2, breaks=1, error=SourceError("gone", fix="plug it in"))
    pipeline = Pipeline(source, Reader(), supervision=Supervision(retry_s=60, longest_retry_s=60))
    start = time.monotonic()
    threading.Timer(0.1, pipeline.stop).start()
    stats = pipeline.run()
    assert stats.frames + stats.dropped == 2
    assert time.monotonic() - start < 5


def test_a_file_that_breaks_off_is_not_begun_again():
    source = Numbers(10, breaks=SourceError("cut off", fix="fetch it again"), after=6)
    pipeline = Pipeline(source, Reader(), supervision=QUICK)
    with pytest.raises(SourceError, match="cut off"):
        pipeline.run()
    assert pipeline.stats().frames == 6


def test_frames_that_a_source_leaves_out_are_faults():
    class Gappy(Numbers):
        def frames(self):
            for frame in super().frames():
                if frame.index == 3:
                    self.report(SourceError("frame 3 is damaged", fix="record it again"))
                else:
                    yield frame

    pipeline = Pipeline(Gappy(6), Reader(), supervision=QUICK)
    assert [item.frame.index for item in pipeline] == [0, 1, 2, 4, 5]
    assert pipeline.stats().faults == {"capture": 1}


class Named(Reader):
    """A predictor that says who it is."""

    def __init__(self, name, **rest):
        super().__init__(**rest)
        self.name = name

    def decode(self, outputs, size_hw):
        return self.name, outputs


@pytest.mark.parametrize("workers", [1, 3])
def test_another_network_between_two_frames_loses_none(workers):
    networks = [Named(number, pause_s=lambda n: 0.001) for number in range(4)]
    retired = []
    pipeline = Pipeline(Numbers(200), networks[0], workers=workers, on_retired=retired.append)
    seen = []
    for shown in pipeline:
        assert shown.predictor is networks[shown.result[0]]
        seen.append(shown.result)
        if len(seen) in (50, 100, 150):
            pipeline.switch(networks[len(seen) // 50])
            assert pipeline.predictor is networks[len(seen) // 50]
    assert [number for _, number in seen] == list(range(200))
    names = [name for name, _ in seen]
    assert names == sorted(names) and set(names) == {0, 1, 2, 3}
    # In the network and between it and here are at most so many frames, those on show included.
    for turn in (1, 2, 3):
        assert names.index(turn) - 50 * turn <= 2 * (workers + 1) + workers + 1
    assert retired == networks[:3]


def test_another_network_may_go_on_from_what_the_one_before_found():
    class Old(Named):
        def make_way(self, other):
            made_way.append(other)

    class Heir(Named):
        def infer_after(self, other, outputs, frame_bgr):
            assert frame_bgr[0, 0, 0] == outputs
            return outputs + 100 if other.name == "slow" and outputs % 2 == 0 else None

    def exchanged(number):  # while it is at its first frame
        pipeline.switch(heir)
        pipeline.switch(heir)
        return 0.0

    made_way: list[Named] = []
    slow, heir = Old("slow", pause_s=exchanged), Heir("heir")
    retired = []
    pipeline = Pipeline(Numbers(6), slow, on_retired=lambda old: retired.append(old.name))
    seen = [shown.result for shown in pipeline]
    assert seen[0] == ("heir", 100)
    assert seen[1:] == [("heir", number) for number in range(1, 6)]
    assert retired == ["slow"] and made_way == [heir]


def test_a_network_is_retired_only_when_no_frame_needs_it():
    slow, quick = Named("slow", pause_s=lambda n: 0.05), Named("quick")
    retired = []

    def retire(predictor):
        retired.append((predictor.name, predictor.at_once))

    pipeline = Pipeline(Numbers(12), slow, workers=3, on_retired=retire)
    for shown in pipeline:
        if shown.frame.index == 0:
            pipeline.switch(quick)
    assert retired == [("slow", 0)]


def test_there_and_back_again():
    one, other = Named(1, pause_s=lambda n: 0.01), Named(2)  # always at a frame
    retired = []
    pipeline = Pipeline(Numbers(20), one, on_retired=retired.append)
    for shown in pipeline:
        if shown.frame.index == 5:
            pipeline.switch(other)
            pipeline.switch(one)
    assert set(retired) <= {other}
    assert pipeline.predictor is one


def test_frames_over_the_budget_are_left_out_before_the_network_and_counted():
    source = Numbers(40, live=True, pace_s=0.001)
    reader = Reader(pause_s=lambda number: 0.02)
    pipeline = Pipeline(source, reader, budget_ms=5.0)
    stats = pipeline.run()
    assert stats.late > 0 and pipeline.on_their_way == 0
    assert stats.frames + stats.dropped + stats.late >= 40
    assert Pipeline(Numbers(40), Reader(), budget_ms=1e4).run().late == 0


def test_the_age_begins_where_the_source_says():
    class Dated(Numbers):
        def frames(self):
            for frame in super().frames():
                taken_s = time.perf_counter() - 1.0
                yield Frame(frame.index, frame.timestamp_s, frame.bgr, taken_s)

    for shown in Pipeline(Dated(3), Reader()):
        assert 1000 <= shown.age_ms < 2000
        assert set(shown.stages_ms) == {"capture", "prepare", "network", "decode", "write"}


def test_a_jump_in_time_is_another_clip():
    class Jumping(Numbers):
        def frames(self):
            for number, moment in enumerate((0.0, 0.1, 0.2, 5.0, 5.1, 0.0, 0.0)):
                yield Frame(number, moment, np.full((6, 8, 3), number, np.uint8))

    predictor = Flaky(set())
    Pipeline(Jumping(), predictor).run()
    assert len(predictor.resets) == 3  # at first, forward, and back; the same moment again is none


def test_faults_hold_no_frame():
    faults: list[Fault] = []

    def draw(frame, number):
        try:
            raise KeyError(number)
        except KeyError as cause:
            raise Trouble("no ink") from cause

    Pipeline(Numbers(3), Reader(), draw=draw, supervision=QUICK, on_fault=faults.append).run()
    assert len(faults) == 3
    for fault in faults:
        assert fault.error.__traceback__ is None and fault.error.__cause__.__traceback__ is None


def test_a_new_network_that_fails_on_a_frame_in_flight_costs_nothing():
    class Heir(Named):
        def infer_after(self, other, outputs, frame_bgr):
            raise Trouble("not yet")

    def exchanged(number):
        pipeline.switch(heir)
        return 0.0

    faults: list[Fault] = []
    old, heir = Named("old", pause_s=exchanged), Heir("heir")
    pipeline = Pipeline(Numbers(3), old, supervision=QUICK, on_fault=faults.append)
    assert [shown.result for shown in pipeline] == [("old", 0), ("heir", 1), ("heir", 2)]
    assert [fault.action for fault in faults] == ["showed what the one before found"]


def test_what_went_wrong_on_threads_of_the_predictor_is_a_fault_and_costs_no_frame():
    class Aside(Named):
        def take_errors(self):
            return [Trouble("aside")] if self.errors.pop() else []

    faults: list[Fault] = []
    predictor = Aside("a")
    predictor.errors = [False, True, False]
    shown = list(Pipeline(Numbers(3), predictor, supervision=QUICK, on_fault=faults.append))
    assert [item.result for item in shown] == [("a", 0), ("a", 1), ("a", 2)]
    assert [(fault.frame, fault.action) for fault in faults] == [(1, "went on with what it knew")]


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"workers": 0}, {"budget_ms": -1.0}, {"budget_ms": float("nan")}],
    ids=str,
)
def test_numbers_that_show_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match="give"):
        Pipeline(Numbers(1), Reader(), **wrong)


def test_of_a_camera_so_many_frames_are_shown_as_were_asked_for():
    source = Numbers(live=True, pace_s=0.001)
    pipeline = Pipeline(source, Reader(pause_s=lambda number: 0.01), limit=7)
    stats = pipeline.run()
    assert stats.frames == 7 and stats.dropped > 7


def test_rules_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="waits of 2 to 1 seconds"):
        Supervision(retry_s=2, longest_retry_s=1)
    with pytest.raises(ConfigError, match="after 0 frames"):
        Supervision(reload_after=0)
