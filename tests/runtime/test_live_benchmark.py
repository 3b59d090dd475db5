"""The benchmark counts what it says it counts; no test here looks at how long anything took."""

import json
import sys
import threading
import time
from dataclasses import replace
from statistics import mean, median

import numpy as np
import pytest
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import SPACE, make_manifest, make_onnx, write_clip

from curbside.errors import ConfigError, SourceError
from curbside.hardware import core_count
from curbside.manifest import METADATA_KEY
from curbside.results import SceneResult
from curbside.runtime import load_predictor
from curbside.runtime.benchmark import (
    PacedBlock,
    benchmark,
    fixed_input,
    open_networks,
    time_at_rate,
    time_bare,
    time_pipeline,
)
from curbside.runtime.benchmark.clip import Endless, Paced
from curbside.runtime.benchmark.memory import measure_memory
from curbside.runtime.benchmark.timing import time_networks
from curbside.runtime.cores import CorePlan, plan_cores
from curbside.runtime.sources import Frame, Source


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("curbside.runtime.benchmark.timing._WARM_UP_S", 0.0)


@pytest.fixture
def no_memory(monkeypatch):
    monkeypatch.setattr("curbside.runtime.benchmark.run.measure_memory", lambda *a, **k: None)


def make_pair(folder):
    """A semantic network whose cars are things, and one that finds cars."""
    classes = tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
    manifest = make_manifest(space=replace(SPACE, classes=classes))
    raw = random_raw(1)
    arrays, outputs = raw.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()}
    return (
        make_onnx(folder / "s.onnx", manifest=manifest),
        make_constant_onnx(folder / "i.onnx", arrays, size_hw=raw.size_hw, metadata=metadata),
    )


class Numbered(Source):
    """Blank frames at a rate, an error behind them where there is one."""

    def __init__(self, count, fps, error=None):
        self.fps, self._count, self._error = fps, count, error
        self.closed_while_read = False
        self._reading = False

    def frames(self, start_s=0.0):
        self._reading = True
        try:
            for index in range(self._count):
                yield Frame(index, index / self.fps, np.zeros((4, 6, 3), np.uint8))
            if self._error is not None:
                raise self._error
        finally:
            self._reading = False

    def close(self):
        self.closed_while_read |= self._reading


@pytest.mark.parametrize(
    ("threads", "live", "plan"),
    [
        (1, False, CorePlan(workers=1, threads=1)),
        (2, False, CorePlan(workers=2, threads=1)),
        (4, False, CorePlan(workers=4, threads=1)),
        (5, False, CorePlan(workers=4, threads=1)),
        (6, False, CorePlan(workers=3, threads=2)),
        (3, False, CorePlan(workers=3, threads=1)),
        (7, False, CorePlan(workers=3, threads=2)),
        (8, False, CorePlan(workers=4, threads=2)),
        (9, False, CorePlan(workers=3, threads=3)),
        (4, True, CorePlan(workers=1, threads=4)),
    ],
)
def test_cores_are_shared_out(threads, live, plan):
    assert plan_cores(threads, live=live) == plan
    assert plan.workers * plan.threads <= threads


def test_all_cores_where_nobody_says():
    assert plan_cores(None, live=True) == CorePlan(workers=1, threads=core_count())


def test_no_threads_run_nothing():
    with pytest.raises(ConfigError, match="0 threads"):
        plan_cores(0, live=False)


def test_bare_counts_its_runs():
    calls = []
    times_ms = time_bare(lambda: (calls.append(1), time.sleep(0.002)), 5)
    assert len(calls) >= 6  # one to warm up
    assert len(times_ms) == 5
    assert min(times_ms) >= 2


def test_a_clip_shorter_than_the_frames_starts_again(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    with load_predictor(make_onnx(tmp_path / "m.onnx"), threads=1) as predictor:
        block = time_pipeline(clip, predictor, workers=2, frames=20)
    assert block.frame_ms > 0
    assert 0 < block.cpu_share <= 1.1
    assert block.stages["draw"].count >= 20


def test_networks_are_timed_one_after_the_other():
    calls = []
    times_ms = time_networks(
        {"a": lambda: calls.append("a"), "b": lambda: (calls.append("b"), time.sleep(0.002))}, 3
    )
    assert calls == ["a", "b"] * (len(calls) // 2)
    assert len(calls) >= 8  # once to warm up
    assert {name: len(times) for name, times in times_ms.items()} == {"a": 3, "b": 3}
    assert min(times_ms["b"]) >= 2


def test_an_endless_clip_counts_on():
    source = Numbered(3, fps=10.0)
    frames = Endless(source).frames()
    found = [next(frames) for _ in range(8)]
    assert [frame.index for frame in found] == list(range(8))
    np.testing.assert_allclose([f.timestamp_s for f in found], [i / 10 for i in range(8)])


def test_a_paced_clip_gives_frames_at_their_moments_and_the_newest_alone():
    paced = Paced(Numbered(1000, fps=500.0))
    found, start_s = [], time.perf_counter()
    for frame in paced.frames():
        found.append(frame)
        time.sleep(0.02)  # ten frames pass
        if len(found) == 6:
            break
    paced.close()
    numbers = [frame.index for frame in found]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] > len(numbers)  # some were left out
    assert all(f.captured_s - start_s >= f.timestamp_s for f in found)  # none too early


def test_a_paced_clip_ends_when_it_is_interrupted_and_not_before():
    source = Numbered(2, fps=0.01)  # the second frame is due in 100 s
    paced = Paced(source)
    frames = paced.frames()
    assert next(frames).index == 0
    ender = threading.Timer(0.05, paced.interrupt)
    ender.start()
    assert list(frames) == []
    paced.close()
    ender.join()
    assert not source.closed_while_read
    assert not [thread for thread in threading.enumerate() if thread.name == "curbside-paced"]


def test_a_paced_clip_that_breaks_off_says_so():
    paced = Paced(Numbered(1, fps=1000.0, error=SourceError("cut off", fix="fetch it again")))
    with pytest.raises(SourceError, match="cut off"):
        for _ in paced.frames():
            pass
    paced.close()


def test_what_was_shown_of_a_clip():
    block = PacedBlock(passed=40, shown=10, wall_s=2.0, clip_s=2.0, ages_ms=(), cpu_share=0.5)
    assert (block.shown_fps, block.dropped_share) == (5.0, 0.75)


def test_a_slow_network_drops_frames_at_the_rate_of_the_clip(tmp_path):
    class Slow:
        def prepare(self, frame_bgr):
            return frame_bgr

        def infer(self, tensor):
            time.sleep(0.25)  # of ten frames a second, every third at most
            return tensor

        def decode(self, outputs, size_hw):
            return SceneResult(size_hw=size_hw)

    block = time_at_rate(write_clip(tmp_path / "clip.mp4", frames=10), Slow(), frames=6)
    assert block.passed >= 6
    assert block.shown == len(block.ages_ms) < block.passed
    assert min(block.ages_ms) >= 250
    assert block.clip_s >= (block.passed - 1.5) / 10


def test_report_of_two_models(tmp_path, no_memory):
    clip = write_clip(tmp_path / "clip.mp4")
    paths = [make_onnx(tmp_path / "a.onnx"), make_onnx(tmp_path / "b.onnx", outputs="logits")]
    report = benchmark(paths, clip, frames=4, rounds=2, threads=2)
    assert [speed.model for speed in report.models] == ["a.onnx", "b.onnx"]
    assert (report.frames, report.rounds, report.bare_threads) == (4, 2, 2)
    assert report.frame_size_hw == (72, 96)
    assert report.source_fps == 10
    assert report.cpu
    for speed in report.models:
        turns = speed.rounds
        assert len(turns) == 2
        assert speed.precision == "fp32"
        assert speed.fps == pytest.approx(1e3 / median(turn.frame_ms for turn in turns))
        assert speed.fps_range == (
            pytest.approx(1e3 / max(turn.frame_ms for turn in turns)),
            pytest.approx(1e3 / min(turn.frame_ms for turn in turns)),
        )
        assert speed.ratio == pytest.approx(median(turn.frame_ms / turn.bare_ms for turn in turns))
        assert speed.bare.count == 4
        assert speed.bare.mean_ms == pytest.approx(mean(turn.bare_ms for turn in turns))
        assert [network.file for network in speed.networks] == [speed.model]
        assert speed.networks[0].input_size_hw == (12, 16)
        assert speed.stages["network"].count >= 4
        assert speed.at_rate.age.count <= 4
        assert 0 <= speed.at_rate.dropped_share < 1
        assert speed.memory is None
    assert json.loads(json.dumps(report.to_dict()))["models"][1]["rounds"][0]["age"]["p99_ms"] > 0


def test_networks_of_a_scene_are_measured_together(tmp_path, no_memory):
    semantic, instances = make_pair(tmp_path)
    clip = write_clip(tmp_path / "clip.mp4")
    report = benchmark([semantic], clip, beside=[instances], frames=3, rounds=1, threads=1)
    (speed,) = report.models
    assert speed.model == "s.onnx + i.onnx"
    assert [network.task for network in speed.networks] == ["semantic", "instances"]
    assert [network.input_size_hw for network in speed.networks] == [(12, 16), (64, 96)]
    alone_ms = [network.time.mean_ms for network in speed.networks]
    assert speed.bare.mean_ms == pytest.approx(sum(alone_ms))
    with open_networks([semantic, instances], threads=1) as networks:
        result = networks.predictor(np.zeros((72, 96, 3), np.uint8))
        assert result.views == ("frame", "semantic", "instances", "panoptic", "disagreement")


def test_files_of_one_name_are_told_apart(tmp_path, no_memory):
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(make_onnx(tmp_path / folder / "m.onnx"))
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    report = benchmark(paths, clip, frames=1, rounds=1, threads=1)
    assert [speed.model for speed in report.models] == [str(path) for path in paths]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_of_a_network(tmp_path):
    """Two planes of three and four floats per pixel are alive at once: at least 29 million bytes."""
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    large = make_onnx(tmp_path / "m.onnx", size_hw=(1024, 1024))
    use = measure_memory([large], clip, threads=1, workers=1)
    assert use is not None
    assert use.loading_mb > 0
    assert use.peak_mb - use.before_mb - use.loading_mb > 25
    assert use.peak_mb < 2000


def test_what_cannot_be_loaded_takes_no_memory(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no network")
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    assert measure_memory([tmp_path / "m.onnx"], clip, threads=1, workers=1) is None


def test_input_is_the_same_every_time(tmp_path):
    predictor = load_predictor(make_onnx(tmp_path / "m.onnx"), threads=1)
    first, second = fixed_input(predictor), fixed_input(predictor)
    assert first.shape == (1, 12, 16, 3)
    assert (first == second).all()
    assert len(set(first.ravel().tolist())) > 100


def test_what_cannot_be_measured(tmp_path):
    path = make_onnx(tmp_path / "m.onnx")
    with pytest.raises(SourceError, match="does not exist"):
        benchmark([path], tmp_path / "none.mp4")
    with pytest.raises(ConfigError, match="measure nothing"):
        benchmark([path], tmp_path / "none.mp4", frames=0)
    with pytest.raises(ConfigError, match="both answer semantic"):
        open_networks([path, make_onnx(tmp_path / "n.onnx")], threads=1)


def test_what_would_be_measured_in_vain_is_refused_before_it_is(tmp_path, monkeypatch):
    path = make_onnx(tmp_path / "m.onnx")
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    monkeypatch.setattr("curbside.runtime.benchmark.run.measure_memory", None)
    with pytest.raises(ConfigError, match="no model file"):
        benchmark([], clip)
    with pytest.raises(ConfigError, match=r"m\.onnx cannot look at a frame beside itself"):
        benchmark([path], clip, beside=[path])
    with pytest.raises(ConfigError, match="beside itself"):
        open_networks([path, path], threads=1)
