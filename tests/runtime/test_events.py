"""What a machine is told: values computed by hand, and nothing that JSON lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curbside.errors import SourceError
from curbside.labels import LabelClass, LabelSpace
from curbside.metrics.timing import Latencies
from curbside.results import (
    DepthResult,
    Disagreement,
    InstanceResult,
    MaskCrop,
    PanopticResult,
    SceneResult,
    SemanticResult,
)
from curbside.runtime import Fault, Frame, PipelineStats, Shown
from curbside.runtime.events import fault_event, frame_event, json_value, summary_event

SIZE = (4, 6)
SPACE = LabelSpace(
    name="street",
    classes=(
        LabelClass(id=0, name="road", color=(100, 50, 200)),
        LabelClass(id=1, name="car", color=(0, 0, 140), has_instances=True),
    ),
)
IDS = np.zeros(SIZE, np.uint8)
IDS[:2, :3] = 1  # 6 of 24 pixels
IDS[3, 5] = 255
SEMANTIC = SemanticResult(ids=IDS, space=SPACE)
OBJECTS = InstanceResult(
    boxes_xyxy=np.float32([[0, 0.04, 2.96, 2], [3.25, 1, 5.5, 3.3333]]),
    scores=np.float32([0.91349, 0.5]),
    class_ids=np.uint8([1, 1]),
    masks=(
        MaskCrop(top=0, left=0, inside=np.ones((2, 3), bool)),
        MaskCrop(top=1, left=3, inside=np.ones((2, 2), bool)),
    ),
    space=SPACE,
    size_hw=SIZE,
)
DISAGREEMENT = np.zeros(SIZE, np.uint8)
DISAGREEMENT[0, :3] = Disagreement.CLASS
DISAGREEMENT[3, 0] = Disagreement.REFUSED
PANOPTIC = PanopticResult(
    ids=IDS,
    objects=OBJECTS,
    found_as=("bus", "car"),
    track_ids=np.int32([7, 0]),
    disagreement=DISAGREEMENT,
)
DEPTH = DepthResult(depth_m=np.ones(SIZE, np.float32))

FOUND = [
    {"class": "car", "score": 0.913, "box_xyxy": [0.0, 0.0, 3.0, 2.0]},
    {"class": "car", "score": 0.5, "box_xyxy": [3.2, 1.0, 5.5, 3.3]},
]
ALONE = [{**item, "found_as": "car", "track": None} for item in FOUND]
FUSED = [
    {**FOUND[0], "found_as": "bus", "track": 7},
    {**FOUND[1], "found_as": "car", "track": None},
]
COVERED = {"road": 0.7083, "car": 0.25}  # 17 and 6 of 24 pixels
OF_OBJECTS = {"car": 0.4167}  # 10 of 24
DISPUTED = {"class": 0.125, "no object": 0.0, "refused": 0.0417}


def _shown(result, **changes) -> Shown:
    facts = {"age_ms": 41.2345, "stages_ms": {"capture": 3.14159, "network": 20.0}}
    frame = Frame(17, 0.68004321, np.zeros((*SIZE, 3), np.uint8))
    facts |= {"frame": frame, "picture_bgr": frame.bgr, "captured_s": 0.0, "predictor": None}
    return Shown(result=result, **(facts | changes))


def _as_json(event: dict) -> dict:
    """What arrives at the other end; JSON that is none is refused."""
    return json.loads(json.dumps(event, allow_nan=False))


@pytest.mark.parametrize(
    ("result", "objects", "shares", "disagreement", "ages"),
    [
        (SEMANTIC, None, COVERED, None, {}),
        (OBJECTS, ALONE, OF_OBJECTS, None, {}),
        (OBJECTS.select(np.zeros(2, bool)), [], {}, None, {}),
        (PANOPTIC, FUSED, COVERED, DISPUTED, {}),
        (DEPTH, None, None, None, {}),
        (SceneResult(size_hw=SIZE), None, None, None, {}),
        (
            SceneResult(size_hw=SIZE, semantic=SEMANTIC, depth=DEPTH, ages={"depth": 3}),
            None,
            COVERED,
            None,
            {"depth": 3},
        ),
        (
            SceneResult(
                size_hw=SIZE, semantic=SEMANTIC, instances=OBJECTS.select([0]), panoptic=PANOPTIC
            ),
            FUSED,
            COVERED,
            DISPUTED,
            {},
        ),
        (
            SceneResult(size_hw=SIZE, semantic=SEMANTIC, instances=OBJECTS),
            ALONE,
            COVERED,
            None,
            {},
        ),
    ],
)
def test_a_frame_of_every_kind_of_result(result, objects, shares, disagreement, ages):
    event = {
        "event": "frame",
        "frame": 17,
        "timestamp_s": 0.68,
        "age_ms": 41.23,
        "failed": False,
        "objects": objects,
        "ages": ages,
        "stages_ms": {"capture": 3.14, "network": 20.0},
    }
    assert _as_json(frame_event(_shown(result))) == event
    asked = {**event, "shares": shares, "disagreement": disagreement}
    assert _as_json(frame_event(_shown(result), shares=True)) == asked


def test_a_frame_on_which_the_network_failed():
    event = _as_json(frame_event(_shown(None), shares=True))
    assert (event["failed"], event["objects"], event["ages"]) == (True, None, {})
    assert (event["shares"], event["disagreement"]) == (None, None)


def test_numbers_that_json_lacks_are_null():
    odd = {"age_ms": float("inf"), "stages_ms": {"network": float("nan"), "draw": -0.001}}
    event = frame_event(_shown(SEMANTIC, **odd))
    assert '"age_ms": null' in json.dumps(event)
    assert json.dumps(event["stages_ms"]) == '{"network": null, "draw": 0.0}'


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            SourceError("the camera\n is gone", fix="plug it in"),
            "SourceError",
            "the camera is gone",
        ),
        (ZeroDivisionError("by\n0"), "ZeroDivisionError", "ZeroDivisionError: by 0"),
    ],
)
def test_a_fault(error, kind, message):
    fault = Fault(stage="capture", error=error, action="tried again after 0.5 s", at_s=5.00049)
    assert _as_json(fault_event(fault)) == {
        "event": "fault",
        "stage": "capture",
        "frame": None,
        "error": kind,
        "message": message,
        "action": "tried again after 0.5 s",
        "at_s": 5.0,
    }


def test_a_summary_tells_no_times_of_what_never_ran():
    network = Latencies()
    for took_ms in (1.0, 2.0, 6.0):
        network.add(took_ms)
    stats = PipelineStats(
        frames=3,
        dropped=2,
        late=1,
        wall_s=1.23456,
        stages={"network": network.summary(), "draw": Latencies().summary()},
        faults={"capture": 4},
    )
    names = ("mean_ms", "p50_ms", "p95_ms", "p99_ms")
    assert _as_json(summary_event(stats)) == {
        "event": "summary",
        "frames": 3,
        "dropped": 2,
        "late": 1,
        "wall_s": 1.235,
        "fps": 2.43,
        "faults": {"capture": 4},
        "stages": {
            # percentiles between ranks: 2 + 0.9 * (6 - 2) and 2 + 0.98 * (6 - 2)
            "network": {"count": 3, **dict(zip(names, (3.0, 2.0, 5.6, 5.92), strict=True))},
            "draw": {"count": 0, **dict.fromkeys(names)},
        },
    }


def test_any_value_as_json():
    value = {
        1: np.float32("nan"),
        "path": Path("a/b"),
        "array": np.array([[1.5, np.inf], [-2.0, 0.0]]),
        "whole": np.int64(3),
        "true": np.bool_(True),
        "deep": [{"x": (float("-inf"), None)}],
        "fault": SourceError("gone", fix="wait"),
    }
    assert _as_json(json_value(value)) == {
        "1": None,
        "path": "a/b",
        "array": [[1.5, None], [-2.0, 0.0]],
        "whole": 3,
        "true": True,
        "deep": [{"x": [None, None]}],
        "fault": "gone; wait",
    }
