"""The benchmark counts what it says it counts; no test here looks at how long anything took."""

import time

import pytest
from tiny_models import make_onnx, write_clip

from curbside.errors import ConfigError, SourceError
from curbside.hardware import core_count
from curbside.runtime import load_predictor
from curbside.runtime.benchmark import benchmark, fixed_input, time_bare, time_pipeline
from curbside.runtime.cores import CorePlan, plan_cores


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("curbside.runtime.benchmark._WARM_UP_S", 0.0)


@pytest.mark.parametrize(
    ("threads", "live", "plan"),
    [
        (1, False, CorePlan(workers=1, threads=1)),
        (2, False, CorePlan(workers=2, threads=1)),
        (4, False, CorePlan(workers=4, threads=1)),
        (9, False, CorePlan(workers=4, threads=2)),
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


def test_report_of_two_models(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    paths = [make_onnx(tmp_path / "a.onnx"), make_onnx(tmp_path / "b.onnx", outputs="logits")]
    report = benchmark(paths, clip, frames=7, rounds=3, threads=2)
    assert [speed.model for speed in report.models] == ["a.onnx", "b.onnx"]
    assert (report.frames, report.rounds, report.bare_threads) == (9, 3, 2)
    assert report.frame_size_hw == (72, 96)
    assert report.cpu
    for speed in report.models:
        assert speed.precision == "fp32"
        assert speed.fps == pytest.approx(1e3 / speed.frame_ms)
        assert speed.bare.count == 9
        assert speed.ratio > 0
        assert speed.stages["network"].count >= 9


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
