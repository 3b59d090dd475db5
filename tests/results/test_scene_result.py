"""Everything that is found on a frame: what of it can be shown."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_instances import SPACE as FROM_0

from curbside.labels import LabelSpace
from curbside.results import (
    DepthResult,
    InstanceResult,
    MaskCrop,
    PanopticResult,
    SceneResult,
    SemanticResult,
)

SIZE = (4, 6)
SPACE = LabelSpace(name="from-0", classes=FROM_0.classes)
SEMANTIC = SemanticResult(ids=np.zeros(SIZE, np.uint8), space=SPACE)
SURE = SemanticResult(
    ids=np.zeros(SIZE, np.uint8), space=SPACE, confidence=np.ones(SIZE, np.float32)
)
DEPTH = DepthResult(depth_m=np.ones(SIZE, np.float32))


def _objects(count: int) -> InstanceResult:
    return InstanceResult(
        boxes_xyxy=np.tile(np.float32([0, 0, 2, 2]), (count, 1)),
        scores=np.full(count, 0.5, np.float32),
        class_ids=np.ones(count, np.uint8),
        masks=(MaskCrop(top=0, left=0, inside=np.ones((2, 2), bool)),) * count,
        space=SPACE,
        size_hw=SIZE,
    )


PANOPTIC = PanopticResult(
    ids=np.zeros(SIZE, np.uint8),
    objects=_objects(0),
    found_as=(),
    track_ids=np.zeros(0, np.int32),
    disagreement=np.zeros(SIZE, np.uint8),
)


@pytest.mark.parametrize(
    ("parts", "views", "richest"),
    [
        ({}, ("frame",), "frame"),
        ({"depth": DEPTH}, ("frame", "depth"), "depth"),
        ({"instances": _objects(0), "depth": DEPTH}, ("frame", "instances", "depth"), "instances"),
        ({"semantic": SURE}, ("frame", "semantic", "confidence"), "semantic"),
        (
            {"semantic": SEMANTIC, "depth": DEPTH},
            ("frame", "semantic", "depth", "semantic+depth"),
            "semantic",
        ),
        (
            {"semantic": SEMANTIC, "instances": _objects(1), "panoptic": PANOPTIC},
            ("frame", "semantic", "instances", "panoptic", "disagreement"),
            "panoptic",
        ),
    ],
)
def test_what_is_there_can_be_shown(parts, views, richest):
    result = SceneResult(size_hw=SIZE, **parts)
    assert result.views == views
    assert result.richest == richest


def test_the_richest_part_tells_what_is_there():
    first, second = SPACE.names[:2]
    everything = SceneResult(
        size_hw=SIZE, semantic=SEMANTIC, instances=_objects(1), panoptic=PANOPTIC, depth=DEPTH
    )
    assert everything.shares() == {first: 1.0}
    assert everything.counts() == {}  # of what was fused; the one object was refused
    alone = SceneResult(size_hw=SIZE, instances=_objects(1))
    assert alone.shares() == {second: 4 / 24} and alone.counts() == {second: 1}
    assert SceneResult(size_hw=SIZE, depth=DEPTH).shares() == {}
    assert SceneResult(size_hw=SIZE, semantic=SEMANTIC).counts() == {}


@pytest.mark.parametrize(
    ("result", "name"),
    [(SEMANTIC, "semantic"), (_objects(1), "instances"), (PANOPTIC, "panoptic"), (DEPTH, "depth")],
)
def test_one_result_is_a_scene_of_one_part(result, name):
    scene = SceneResult.of(result)
    assert getattr(scene, name) is result and scene.size_hw == SIZE
    assert SceneResult.of(scene) is scene


def test_a_part_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"depth is \(4, 6\), the frame is \(4, 7\)"):
        SceneResult(size_hw=(4, 7), depth=DEPTH)
