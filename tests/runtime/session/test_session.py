"""A session: everything is changed while it runs, and it ends in time whatever is going on."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import SPACE, make_manifest, make_onnx, write_clip

from curbside.errors import ConfigError
from curbside.manifest import METADATA_KEY
from curbside.runtime import FusionConfig, InstanceConfig, load_predictor
from curbside.runtime.scene import SceneConfig
from curbside.runtime.session import Session
from curbside.runtime.views import ViewConfig

RAW = random_raw(1)
THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("curbside")] == []


@pytest.fixture
def semantic(tmp_path):
    return make_onnx(tmp_path / "s.onnx", manifest=make_manifest(space=THINGS))


@pytest.fixture
def instances(tmp_path):
    arrays, outputs = RAW.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    return make_constant_onnx(tmp_path / "i.onnx", arrays, size_hw=RAW.size_hw, metadata=metadata)


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", frames=20)  # ten a second


@contextmanager
def _session(**rest):
    shown = []
    session = Session(threads=1, on_shown=shown.append, **rest)
    try:
        yield session, shown
    finally:
        session.close()


def _until(condition, session):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, session.status()
        time.sleep(0.002)


def _scene(*models, **rest):
    return SceneConfig(models=models, **rest)


def test_nothing_yet(tmp_path):
    with _session() as (session, _):
        status = session.status()
        assert (status.state, status.source, status.views) == ("idle", None, ("frame",))
        session.pause()
        session.seek(3.0)
        session.show(ViewConfig(alpha=0.2))
        session.snapshot(tmp_path / "a.png")
        assert session.status().message.startswith("there is no picture yet")
    session.close()
    for act in (lambda: session.play("x"), lambda: session.use(None)):
        with pytest.raises(ConfigError, match="the session was closed"):
            act()


def test_a_clip_through_a_network_to_its_end(semantic, clip):
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.play(str(clip))
        _until(lambda: session.status().state == "ended", session)
        status = session.status()
    assert [item.frame.index for item in shown] == list(range(20))
    assert (status.frames, status.dropped, status.fault_counts) == (20, 0, {})
    assert status.scene == _scene(semantic) and status.space == THINGS
    assert status.views == ("frame", "semantic")
    assert status.duration_s == pytest.approx(2.0, abs=0.1) and status.seekable
    assert status.frame_size_hw == (72, 96) and status.position_s == pytest.approx(1.9)
    expected = load_predictor(semantic)(shown[7].frame.bgr)
    np.testing.assert_array_equal(shown[7].result.semantic.ids, expected.ids)
    np.testing.assert_array_equal(shown[7].picture_bgr, expected.draw(shown[7].frame.bgr))


def test_networks_are_exchanged_while_it_runs_and_no_frame_is_lost(semantic, instances, tmp_path):
    fused = ("frame", "semantic", "instances", "panoptic", "disagreement")
    turns = [
        (_scene(instances), ("frame", "instances")),
        (_scene(semantic, instances), fused),
        (SceneConfig(), ("frame",)),
        (_scene(semantic), ("frame", "semantic")),
    ]
    clip = write_clip(tmp_path / "clip.mp4", frames=40)
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.play(str(clip))
        _until(lambda: shown, session)
        for turn, views in turns:
            session.use(turn)
            _until(lambda views=views: shown[-1].result.views == views, session)
            assert session.status().scene == turn
        _until(lambda: session.status().precision == "fp32", session)
        _until(lambda: session.status().state == "ended", session)
    assert [item.frame.index for item in shown] == list(range(40))


def test_what_cannot_be_loaded_is_told_and_what_runs_stays(semantic, clip, tmp_path):
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.looping = True
        session.play(str(clip))
        _until(lambda: shown, session)
        before = session.status().messages
        session.use(_scene(tmp_path / "none.onnx"))
        _until(lambda: session.status().messages > before, session)
        status = session.status()
        assert "none.onnx does not exist" in status.message
        assert status.scene == status.wanted == _scene(semantic)
        session.use(_scene(semantic, semantic))
        _until(lambda: "both answer semantic" in session.status().message, session)
        seen = len(shown)
        _until(lambda: len(shown) > seen + 1, session)
        assert shown[-1].result.semantic is not None


def test_a_first_network_that_cannot_be_loaded_leaves_the_picture(clip, tmp_path):
    with _session() as (session, shown):
        session.use(_scene(tmp_path / "none.onnx"))
        session.play(str(clip))
        _until(lambda: shown, session)
        assert "none.onnx does not exist" in session.status().message
        np.testing.assert_array_equal(shown[0].picture_bgr, shown[0].frame.bgr)


def test_another_source_takes_the_place_of_the_one_that_plays(semantic, clip, tmp_path):
    other = write_clip(tmp_path / "other.mp4", frames=5, size_hw=(40, 64))
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.play(str(clip))
        _until(lambda: shown, session)
        for spec in (clip, other, clip, other):
            session.play(str(spec))
        _until(lambda: session.status().state == "ended", session)
        assert session.status().frame_size_hw == (40, 64) and session.status().frames == 5
        session.play(str(tmp_path / "none.mp4"))
        _until(lambda: session.status().state == "failed", session)
        assert "none.mp4 does not exist" in session.status().message
        session.play(str(other))
        _until(lambda: session.status().state == "ended", session)


def test_paused_everything_is_made_anew_of_the_frame_on_show(semantic, instances, clip):
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.play(str(clip))
        _until(lambda: len(shown) > 1, session)
        session.pause()
        _until(lambda: session.status().state == "paused", session)
        time.sleep(0.2)
        index = shown[-1].frame.index

        def again(act):
            seen = len(shown)
            act()
            _until(lambda: len(shown) > seen, session)
            assert shown[-1].frame.index == index
            return shown[-1]

        plain = again(lambda: session.show(ViewConfig(view="frame")))
        np.testing.assert_array_equal(plain.picture_bgr, plain.frame.bgr)
        found = again(lambda: session.use(_scene(semantic, instances)))
        assert found.result.panoptic is not None
        few = again(lambda: session.configure(fusion=FusionConfig(score=0.99, sure_score=1.0)))
        assert len(few.result.instances) < len(found.result.instances)
        session.step()
        _until(lambda: shown[-1].frame.index == index + 1, session)
        session.seek(1.5)
        _until(lambda: shown[-1].frame.index == 15, session)
        assert session.status().state == "paused"


def test_rules_that_are_none_are_refused_at_once():
    with _session() as (session, _):
        with pytest.raises(ConfigError, match="see SceneConfig"):
            session.configure(speed=3)
        session.configure(instances=InstanceConfig(confidence=0.3))
        assert session.status().wanted.instances.confidence == 0.3
    with pytest.raises(ConfigError, match="-1 threads"):
        Session(threads=-1)


def test_two_scenes_side_by_side(semantic, instances, clip):
    with _session() as (session, shown):
        session.use(_scene(semantic), _scene(instances))
        session.play(str(clip))
        _until(lambda: len(shown) > 2, session)
        status = session.status()
        assert status.beside == _scene(instances)
        assert status.views == ("frame", "semantic", "instances")
        session.show(ViewConfig(view="semantic"))
        _until(lambda: session.status().state == "ended", session)
    last = shown[-1]
    assert last.picture_bgr.shape == (72, 192, 3)
    left = load_predictor(semantic)(last.frame.bgr).draw(last.frame.bgr)
    right = load_predictor(instances)(last.frame.bgr).draw(last.frame.bgr)  # it has no such view
    np.testing.assert_array_equal(last.picture_bgr, np.hstack([left, right]))


def test_record_and_snapshot(semantic, clip, tmp_path):
    video, picture = tmp_path / "out" / "a.mp4", tmp_path / "a.png"
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.play(str(clip))
        _until(lambda: shown, session)
        session.record(video)
        assert session.status().recording == video
        seen = len(shown)
        _until(lambda: len(shown) > seen + 4, session)
        session.snapshot(picture)
        session.stop_recording()
        _until(lambda: f"recorded {video}" == session.status().message, session)
        assert session.status().recording is None
        session.record(tmp_path / "a.txt")
        _until(lambda: "a.txt is no video name" in session.status().message, session)
        session.snapshot(tmp_path / "a.gif")
        _until(lambda: "a.gif is no picture's name" in session.status().message, session)
    capture = cv2.VideoCapture(str(video))
    assert 4 <= capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 20
    written = cv2.imread(str(picture))
    assert any(np.array_equal(written, item.picture_bgr) for item in shown)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_recording_that_cannot_be_written_ends_alone(semantic, clip):
    with _session() as (session, shown):
        session.looping = True
        session.play(str(clip))
        _until(lambda: shown, session)
        session.record(type(clip)("/proc/none/a.mp4"))
        _until(lambda: session.status().message, session)
        assert session.status().recording is None
        seen = len(shown)
        _until(lambda: len(shown) > seen + 2, session)


def test_keeping_the_pace_a_slow_network_drops_frames_of_a_file(semantic, clip, monkeypatch):
    from curbside.runtime import SemanticPredictor

    infer = SemanticPredictor.infer
    monkeypatch.setattr(
        SemanticPredictor, "infer", lambda self, tensor: (time.sleep(0.25), infer(self, tensor))[1]
    )
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.every_frame = False
        session.play(str(clip))
        _until(lambda: session.status().state == "ended", session)
        _until(lambda: session.status().frames + session.status().dropped == 20, session)
        assert session.status().dropped > 5
    assert [item.frame.index for item in shown] == sorted({item.frame.index for item in shown})


def test_a_network_that_fails_is_told_and_loaded_again(semantic, clip, monkeypatch):
    from curbside.runtime.scene.network import ReloadableNetwork

    runs = []
    real = ReloadableNetwork.run

    def run(self, inputs):
        runs.append(self)
        if 3 <= len(runs) < 7:
            raise RuntimeError("out of order")
        return real(self, inputs)

    monkeypatch.setattr(ReloadableNetwork, "run", run)
    with _session() as (session, shown):
        session.use(_scene(semantic))
        session.play(str(clip))
        _until(lambda: session.status().state == "ended", session)
        status = session.status()
    assert [item.frame.index for item in shown] == list(range(20))
    assert sum(item.result is None for item in shown) == 4 == status.fault_counts["network"]
    assert "RuntimeError: out of order; loaded the network again" in str(status.faults[2])


def test_closed_while_busy(semantic, clip, monkeypatch):
    from curbside.runtime import SemanticPredictor

    inside = threading.Event()
    infer = SemanticPredictor.infer

    def slow(self, tensor):
        inside.set()
        time.sleep(0.3)
        return infer(self, tensor)

    monkeypatch.setattr(SemanticPredictor, "infer", slow)
    with _session() as (session, _):
        session.use(_scene(semantic))
        session.play(str(clip))
        assert inside.wait(10)
        session.use(_scene(semantic), _scene(semantic))
        start = time.monotonic()
    assert time.monotonic() - start < 5


def test_callbacks_that_ask_the_session_do_not_hang_it(semantic, clip):
    asked, changes = [], []
    session = Session(
        threads=1,
        on_shown=lambda shown: asked.append(session.status().frames),
        on_change=lambda: changes.append(session.status().state) if asked else None,
    )
    session.use(_scene(semantic))
    session.play(str(clip))
    _until(lambda: len(asked) > 3, session)
    session.pause()
    _until(lambda: "paused" in changes, session)
    session.close()
