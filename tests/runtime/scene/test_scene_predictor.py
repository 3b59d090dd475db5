"""The networks of a scene: as each alone, fused as the fusion does it, at their rates, in order."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tiny_depth import make_depth_onnx, metres_of
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_joint import classes_of, joint_manifest, make_joint_onnx
from tiny_models import SPACE, make_manifest, make_onnx

from curbside.errors import ConfigError, ModelFileError
from curbside.manifest import METADATA_KEY
from curbside.results import InstanceResult, MaskCrop
from curbside.runtime import (
    FusionConfig,
    InstanceConfig,
    TrackerConfig,
    load_fused_predictor,
    load_predictor,
)
from curbside.runtime.fusion import Tracker, carried
from curbside.runtime.interruption import RunInterrupted
from curbside.runtime.scene import (
    NetworkShelf,
    PairPredictor,
    SceneConfig,
    ScenePredictor,
    load_scene,
)

RAW = random_raw(1)
THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)


@pytest.fixture
def semantic(tmp_path):
    return make_onnx(tmp_path / "s.onnx", manifest=make_manifest(space=THINGS))


@pytest.fixture
def instances(tmp_path):
    arrays, outputs = RAW.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    return make_constant_onnx(tmp_path / "i.onnx", arrays, size_hw=RAW.size_hw, metadata=metadata)


def _frames(count, size_hw=(50, 90)):
    make = np.random.default_rng(0)
    return [make.integers(0, 256, (*size_hw, 3), np.uint8) for _ in range(count)]


def test_one_network_is_as_it_is_alone(semantic, instances):
    (frame,) = _frames(1)
    with load_scene(SceneConfig(models=(semantic,)), threads=1) as scene:
        found = scene(frame)
        assert scene.views == ("frame", "semantic")
        assert (scene.space, scene.title, scene.precision) == (THINGS, "a convolution", "fp32")
    np.testing.assert_array_equal(found.semantic.ids, load_predictor(semantic)(frame).ids)
    assert found.instances is found.panoptic is found.depth is None
    chosen = InstanceConfig(confidence=0.4, iou=0.6)
    with load_scene(SceneConfig(models=(instances,), instances=chosen), threads=1) as scene:
        found = scene(frame)
    alone = load_predictor(instances, instances=chosen)(frame)
    np.testing.assert_array_equal(found.instances.boxes_xyxy, alone.boxes_xyxy)
    np.testing.assert_array_equal(found.instances.class_map(), alone.class_map())
    assert len(alone) > 3


def test_no_network_shows_the_frame():
    (frame,) = _frames(1)
    with ScenePredictor([]) as scene:
        assert (scene.views, scene.space, scene.title) == (("frame",), None, "no network")
        assert scene(frame).views == ("frame",)


@pytest.mark.parametrize("tracking", [None, TrackerConfig()], ids=["single", "followed"])
def test_two_are_fused_as_the_fusion_does_it(semantic, instances, tracking):
    rules = FusionConfig(score=0.5, followed_score=0.3, min_agreement=0.05)
    config = SceneConfig(models=(instances, semantic), fusion=rules, tracking=tracking)
    with (
        load_scene(config, threads=1) as scene,
        load_fused_predictor(semantic, instances, config=rules, tracking=tracking) as fused,
    ):
        for frame in _frames(4):
            found, expected = scene(frame), fused(frame)
            np.testing.assert_array_equal(found.panoptic.ids, expected.ids)
            np.testing.assert_array_equal(found.panoptic.track_ids, expected.track_ids)
            assert len(expected.objects) > 1
            assert (found.instances.scores > 0.5).all()  # not those that only prolong a track
        assert scene.space == fused.space
        assert "panoptic" in scene.views and "disagreement" in scene.views


def test_one_network_for_classes_and_depth_is_filed_under_both(tmp_path):
    joint = make_joint_onnx(tmp_path / "j.onnx", outputs="logits")
    frames = _frames(4, (12, 16))
    config = SceneConfig(models=(joint,), rates={"semantic": 2, "depth": 3})  # the first counts
    with load_scene(config, threads=1) as scene:
        assert scene.answers == ("semantic", "depth") and list(scene.manifests) == [
            "semantic+depth"
        ]
        assert scene.views == ("frame", "semantic", "depth", "semantic+depth", "confidence")
        assert scene.space == SPACE
        found = [scene(frame) for frame in frames]
        assert [result.ages["depth"] for result in found] == [0, 1, 0, 1]
        for number, result in enumerate(found):
            looked_at = frames[number - number % 2]
            assert result.ages["semantic"] == result.ages["depth"]
            np.testing.assert_array_equal(result.semantic.ids, classes_of(looked_at))
            metres = np.minimum(metres_of(looked_at), 80)
            np.testing.assert_allclose(result.depth.depth_m, metres, atol=2e-3)
        assert found[0].semantic.confidence is None
        scene.confidence = True
        assert scene(frames[0]).semantic.confidence is not None


def test_one_network_for_classes_and_depth_at_its_own_pace(tmp_path):
    network = load_predictor(make_joint_onnx(tmp_path / "j.onnx"), threads=1)
    network.backend = Slow(network.backend)
    frames = _frames(2, (12, 16))
    with ScenePredictor([network], SceneConfig(rates={"semantic": "own"})) as scene:
        assert scene(frames[0]).ages == {}
        network.backend.go.set()
        (own,) = scene._own.values()
        _until(lambda: own.newest() is not None and own.free)
        late = scene(frames[1])
    assert late.ages in ({"semantic": 1, "depth": 1}, {"semantic": 0, "depth": 0})
    looked_at = frames[1 - late.ages["depth"]]
    np.testing.assert_array_equal(late.semantic.ids, classes_of(looked_at))


def test_classes_of_a_network_with_depth_are_fused_with_objects(tmp_path, semantic, instances):
    joint = make_joint_onnx(tmp_path / "j.onnx", manifest=joint_manifest(space=THINGS))
    rules = FusionConfig(outside="keep", min_agreement=0)
    (frame,) = _frames(1)
    found = []
    for first in (joint, semantic):
        with load_scene(SceneConfig(models=(first, instances), fusion=rules), threads=1) as scene:
            found.append(scene(frame))
    both, plain = found
    assert len(plain.panoptic.objects) > 1 and plain.depth is None
    np.testing.assert_array_equal(both.panoptic.ids, plain.panoptic.ids)
    assert both.depth is not None
    assert both.ages == {"semantic": 0, "depth": 0, "instances": 0}
    assert set(both.views) >= {"panoptic", "depth", "semantic+depth"}


def test_what_a_network_with_two_answers_tells_no_other_may(tmp_path, semantic):
    joint = make_joint_onnx(tmp_path / "j.onnx")
    depth = make_depth_onnx(tmp_path / "d.onnx")
    for models, twice in (
        ((joint, semantic), "semantic"),
        ((semantic, joint), "semantic"),
        ((joint, depth), "depth"),
        ((depth, joint), "depth"),
        ((joint, joint), "semantic"),
    ):
        with pytest.raises(ConfigError, match=f"both answer {twice}; give at most one"):
            load_scene(SceneConfig(models=models), threads=1)


def test_a_scene_goes_on_from_a_network_with_two_answers(tmp_path, instances):
    joint = make_joint_onnx(tmp_path / "j.onnx", manifest=joint_manifest(space=THINGS))
    (frame,) = _frames(1)
    shelf = NetworkShelf()
    old = shelf.open(SceneConfig(models=(joint,)), threads=1)
    new = shelf.open(SceneConfig(models=(joint, instances)), threads=1)
    given = old.infer(old.prepare(frame))
    new._networks["semantic+depth"].infer = None  # it need not look again
    found = new.decode(new.infer_after(old, given, frame), frame.shape[:2])
    assert found.ages == {"semantic": 0, "depth": 0, "instances": 0}
    np.testing.assert_array_equal(found.depth.depth_m, old(frame).depth.depth_m)
    for scene in (old, new):
        scene.close()
    shelf.close()


def test_two_of_one_task_are_refused_and_closed(semantic):
    with pytest.raises(ConfigError, match="both answer semantic; give at most one"):
        load_scene(SceneConfig(models=(semantic, semantic)))
    with pytest.raises(ModelFileError, match="does not exist"):
        load_scene(SceneConfig(models=(semantic, semantic.with_name("none.onnx"))))


@pytest.mark.parametrize("rate", [0, -1, "often", 1.5])
def test_rates_that_are_none_are_refused(rate):
    with pytest.raises(ConfigError, match="cannot look at every"):
        SceneConfig(rates={"semantic": rate})


def test_every_third_frame_and_between_them_what_was_known(semantic):
    frames = _frames(7)
    with load_scene(SceneConfig(models=(semantic,), rates={"semantic": 3}), threads=1) as scene:
        found = [scene(frame) for frame in frames]
    with load_scene(SceneConfig(models=(semantic,)), threads=1) as every:
        expected = [every(frame) for frame in frames]
    assert [result.ages["semantic"] for result in found] == [0, 1, 2, 0, 1, 2, 0]
    for number, result in enumerate(found):
        np.testing.assert_array_equal(
            result.semantic.ids, expected[number - number % 3].semantic.ids
        )


def test_a_turn_that_was_dropped_on_its_way_is_made_up_for(semantic):
    frames = _frames(10)
    with load_scene(SceneConfig(models=(semantic,), rates={"semantic": 3}), threads=1) as scene:
        ages = []
        for number, frame in enumerate(frames):
            tensors = scene.prepare(frame)
            if number in (3, 6):  # a newer frame took its place
                continue
            ages.append(scene.decode(scene.infer(tensors), frame.shape[:2]).ages["semantic"])
    assert ages == [0, 1, 2, 4, 5, 0, 1, 0]  # frames 0 1 2 4 5 7 8 9


def test_another_size_of_frame_forgets_what_was_known(semantic):
    small, large = _frames(1)[0], _frames(1, (64, 70))[0]
    with load_scene(SceneConfig(models=(semantic,), rates={"semantic": 2}), threads=1) as scene:
        assert scene(small).semantic is not None
        assert scene(large).semantic is None  # it was not its turn
        assert scene(large).semantic.size_hw == (64, 70)
        scene.reset()
        assert scene(large).semantic is None


class Slow:
    """A backend that waits until it is let go on."""

    device = "cpu"

    def __init__(self, inner):
        self.inner, self.go, self.runs = inner, threading.Event(), 0
        self.fails = False

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def run(self, inputs):
        self.runs += 1
        assert self.go.wait(5)
        if self.fails:
            raise RuntimeError("out of order")
        return self.inner.run(inputs)


def _until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_at_its_own_pace_a_slow_network_never_holds_the_others_up(semantic, instances):
    frames = _frames(6)
    config = SceneConfig(rates={"instances": "own"}, fusion=FusionConfig(min_agreement=0))
    slow = load_predictor(instances, threads=1)
    slow.backend = Slow(slow.backend)
    backend = slow.backend
    with ScenePredictor([load_predictor(semantic, threads=1), slow], config) as scene:
        found = [scene(frame) for frame in frames[:3]]
        assert [result.instances for result in found] == [None] * 3
        assert [result.ages for result in found] == [{"semantic": 0}] * 3
        _until(lambda: backend.runs == 1)  # the frames since found it busy
        backend.go.set()
        own = scene._own["instances"]
        _until(lambda: own.free)
        backend.go.clear()
        late = scene(frames[3])  # offers itself too, and gets the answer to the first
        assert late.ages == {"semantic": 0, "instances": 3}
        assert len(late.panoptic.objects) > 0
        backend.fails = True
        backend.go.set()
        _until(lambda: own.free)
        (error,) = scene.take_errors()
        assert str(error) == "out of order" and scene.take_errors() == []
        backend.fails = False
        backend.go.clear()
        scene.reset()
        assert scene(frames[5]).ages == {"semantic": 0}  # what is known is of another clip
        backend.go.set()


def test_at_its_own_pace_a_network_that_fails_is_loaded_again(semantic):
    class Broken(Slow):
        restarts = 0

        def restart(self):
            self.restarts += 1
            self.fails = self.restarts < 2

    network = load_predictor(semantic, threads=1)
    network.backend = backend = Broken(network.backend)
    backend.fails = True
    backend.go.set()
    errors = []
    with ScenePredictor([network], SceneConfig(rates={"semantic": "own"})) as scene:
        own = scene._own["semantic"]
        own._wait_s = 0.001
        (frame,) = _frames(1)
        end = time.monotonic() + 5
        while "semantic" not in scene(frame).ages:
            errors += scene.take_errors()
            assert time.monotonic() < end
    assert backend.restarts == 2 and len(errors) >= 3


def test_followed_objects_move_on_at_their_speed_between_two_looks(semantic, instances):
    """Four pixels a frame, looked for at every third: never further away than a look can tell."""
    scene = load_scene(
        SceneConfig(
            models=(semantic, instances),
            rates={"instances": 3},
            fusion=FusionConfig(sure_score=0.5, outside="keep"),
        ),
        threads=1,
    )
    objects = scene._networks["instances"]
    (frame,) = _frames(1, (40, 200))
    step = [0]

    def found(outputs, size_hw):
        left = 10 + 4 * step[0]
        return replace(_box(left, 5, left + 30, 25, size_hw), space=objects.space)

    objects.decode = found
    off = []
    for step[0] in range(16):
        box = scene(frame).panoptic.objects.boxes_xyxy[0]
        off.append(box[0] - (10 + 4 * step[0]))
    assert off == [0, -4, -8] + [0] * 13
    place = box[0]
    for _ in range(3):  # the same frame again: nothing moves
        scene.again()
        assert scene(frame).panoptic.objects.boxes_xyxy[0][0] == place
    scene.close()


def test_a_scene_from_files_is_loaded_again_and_one_that_came_loaded_says_so(semantic):
    (frame,) = _frames(1)
    with load_scene(SceneConfig(models=(semantic,)), threads=1) as scene:
        before = scene._networks["semantic"].backend._backend
        scene.restart()
        assert scene._networks["semantic"].backend._backend is not before
        assert scene(frame).semantic is not None
    with (
        ScenePredictor([load_predictor(semantic, threads=1)]) as scene,
        pytest.raises(ConfigError, match="a convolution came loaded"),
    ):
        scene.restart()
    assert not [t for t in threading.enumerate() if t.name.startswith("curbside")]


def test_networks_on_different_devices_run_at_once(semantic, instances):
    meet = threading.Barrier(2, timeout=5)

    class Meeting(Slow):
        def run(self, inputs):
            meet.wait()  # breaks unless both are inside
            return self.inner.run(inputs)

    networks = [load_predictor(path, threads=1) for path in (semantic, instances)]
    for network in networks:
        network.backend = Meeting(network.backend)
    networks[1].backend.device = "hailo"
    with ScenePredictor(networks) as scene:
        assert scene(_frames(1)[0]).panoptic is not None


def test_a_network_makes_way_for_another(semantic, instances, tmp_path):
    """It stops in the middle of a frame, the network that both have does not, and the other scene
    gives all of that frame."""
    other = make_onnx(tmp_path / "o.onnx", manifest=make_manifest(space=THINGS, model="another"))
    (frame,) = _frames(1)
    shelf = NetworkShelf()
    old, new, alone = (
        shelf.open(SceneConfig(models=models), threads=1)
        for models in ((semantic, instances), (other, instances), (other,))
    )
    ran = []

    class Interruptible:
        def __init__(self, inner):
            self.inner, self.gone = inner, threading.Event()

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def run(self, inputs):
            ran.append("begun")
            if not self.gone.wait(5):
                return self.inner.run(inputs)
            raise RunInterrupted

        def interrupt(self):
            self.gone.set()

    old._networks["semantic"].backend = Interruptible(old._networks["semantic"].backend)
    at_its_pace = ScenePredictor(  # the same networks
        list(old._networks.values()), SceneConfig(rates={"semantic": "own"}), on_close=lambda: None
    )
    shared = old._networks["instances"].backend
    shared.interrupt = lambda: ran.append("objects interrupted")
    tensors = old.prepare(frame)
    with ThreadPoolExecutor() as pool:
        given = pool.submit(old.infer, tensors)
        _until(lambda: ran == ["begun"])
        old.make_way(object())
        old.make_way(at_its_pace)
        assert ran == ["begun"] and not old._networks["semantic"].backend.gone.is_set()
        old.make_way(new)
        given = given.result(timeout=5)
    assert ran == ["begun"]
    assert given.interrupted and not given.looks
    expected = load_scene(SceneConfig(models=(other, instances)), threads=1)(frame)
    found = new.decode(new.infer_after(old, given, frame), frame.shape[:2])
    np.testing.assert_array_equal(found.panoptic.ids, expected.panoptic.ids)
    found = alone.decode(alone.infer_after(old, given, frame), frame.shape[:2])
    np.testing.assert_array_equal(found.semantic.ids, expected.semantic.ids)
    nothing = old.decode(given, frame.shape[:2])
    assert nothing.semantic is None and nothing.instances is None
    for scene in (at_its_pace, old, new, alone):
        scene.close()
    shelf.close()


def test_another_scene_goes_on_from_what_the_one_before_found(semantic, instances, tmp_path):
    """With the networks of a shelf: the one that both have looks once, the results are the same."""
    other = make_onnx(tmp_path / "o.onnx", manifest=make_manifest(space=THINGS, model="another"))
    (frame,) = _frames(1)
    shelf = NetworkShelf()
    old = shelf.open(SceneConfig(models=(semantic, instances)), threads=1)
    new = shelf.open(SceneConfig(models=(other, instances)), threads=1)
    alone = shelf.open(SceneConfig(models=(other,)), threads=1)
    given = old.infer(old.prepare(frame))
    ran = []
    for task, network in new._networks.items():
        network.infer = lambda tensor, task=task, real=network.infer: (
            ran.append(task) or real(tensor)
        )
    found = new.decode(new.infer_after(old, given, frame), frame.shape[:2])
    assert ran == ["semantic"]
    expected = load_scene(SceneConfig(models=(other, instances)), threads=1)(frame)
    np.testing.assert_array_equal(found.panoptic.ids, expected.panoptic.ids)
    assert found.ages == {"semantic": 0, "instances": 0}
    assert alone.infer_after(old, given, frame) is None  # nothing in common
    assert alone.infer_after(object(), given, frame) is None
    for scene in (old, new, alone):
        scene.close()
    shelf.close()


def test_two_scenes_on_one_frame(semantic, instances):
    (frame,) = _frames(1)
    left = load_scene(SceneConfig(models=(semantic,)), threads=1)
    right = load_scene(SceneConfig(models=(instances,)), threads=1)
    pair = PairPredictor(left, right)
    found = pair.decode(pair.infer(pair.prepare(frame)), frame.shape[:2])
    np.testing.assert_array_equal(found.left.semantic.ids, left(frame).semantic.ids)
    assert len(found.right.instances) == len(right(frame).instances)
    assert pair.views == ("frame", "semantic", "instances")
    pair.confidence = True
    assert left.confidence and right.confidence
    pair.close()


def _box(left, top, right, bottom, size_hw=(40, 60)):
    inside = np.ones((bottom - top, right - left), bool)
    inside[0, 0] = False
    return InstanceResult(
        boxes_xyxy=np.array([[left, top, right, bottom]], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([1], np.uint8),
        masks=(MaskCrop(top=top, left=left, inside=inside),),
        space=SPACE,
        size_hw=size_hw,
    )


@pytest.mark.parametrize("move_xy", [(3, 2), (-3, -2), (0, 0), (-25, 0), (45, 39), (200, -200)])
def test_carried_objects_move_as_a_whole_and_are_cut_at_the_frame(move_xy):
    found = _box(10, 5, 22, 15)
    dx, dy = move_xy
    later = carried(found, np.array([[dx, dy, dx, dy]]) / 4, 4)
    expected = np.zeros((40, 60), bool)
    for y, x in np.argwhere(found.full_mask(0)):
        if 0 <= y + dy < 40 and 0 <= x + dx < 60:
            expected[y + dy, x + dx] = True
    np.testing.assert_array_equal(later.full_mask(0), expected)
    box = np.array([10 + dx, 5 + dy, 22 + dx, 15 + dy])
    np.testing.assert_array_equal(later.boxes_xyxy[0], box.clip(0, [60, 40, 60, 40]))


def test_speeds_are_those_of_the_objects_that_were_seen_there():
    tracker = Tracker()
    for step in range(4):
        tracker(_box(10 + 2 * step, 5 + step, 22 + 2 * step, 15 + step))
    speeds = tracker.speeds(np.array([[16, 8, 28, 18], [40, 0, 50, 9]], np.float32))
    np.testing.assert_allclose(speeds, [[2, 1, 2, 1], [0, 0, 0, 0]])
    assert Tracker().speeds(np.zeros((3, 4), np.float32)).tolist() == [[0] * 4] * 3
    assert tracker.speeds(np.zeros((0, 4), np.float32)).shape == (0, 4)
