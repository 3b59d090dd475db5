"""What a running pipeline tells a machine: one JSON object for each frame, each fault, and the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics.timing import LatencySummary
from ..results import InstanceResult, SceneResult
from .pipeline import Fault, PipelineStats, Shown

__all__ = ["fault_event", "frame_event", "json_value", "summary_event"]


def frame_event(shown: Shown[Any], *, shares: bool = False) -> dict[str, Any]:
    """What there is to say of a frame, as JSON values.

    ::

        {"event": "frame", "frame": 17, "timestamp_s": 0.68, "age_ms": 41.2, "failed": false,
         "objects": [{"class": "car", "found_as": "bus", "score": 0.913,
                      "box_xyxy": [3.0, 4.5, 80.2, 61.0], "track": 5}],
         "ages": {"semantic": 0, "instances": 2},
         "stages_ms": {"capture": 3.1, "network": 21.4},
         "shares": {"road": 0.4312}, "disagreement": {"class": 0.0104}}

    `objects` is null where no network looks for objects, `track` where none is followed. `ages` says
    how many frames ago each network of a scene looked. `failed` is true where the frame has no result.

    Args:
        shown: The frame, with a result of any kind.
        shares: Also tell which share of the frame each class covers and, of two fused, where they
            disagree; takes a pass over all pixels. Each is null where the result does not tell it.
    """
    scene = None if shown.result is None else SceneResult.of(shown.result)
    event = {
        "event": "frame",
        "frame": shown.frame.index,
        "timestamp_s": _rounded(shown.frame.timestamp_s, 4),
        "age_ms": _rounded(shown.age_ms, 2),
        "failed": scene is None,
        "objects": _objects(scene),
        "ages": {} if scene is None else dict(scene.ages),
        "stages_ms": {name: _rounded(took, 2) for name, took in shown.stages_ms.items()},
    }
    if shares:
        event["shares"] = _shares(scene)
        fused = None if scene is None else scene.panoptic
        event["disagreement"] = None if fused is None else _parts(fused.disagreement_shares())
    return event


def fault_event(fault: Fault) -> dict[str, Any]:
    """What went wrong and what was done about it, as JSON values."""
    return {
        "event": "fault",
        "stage": fault.stage,
        "frame": fault.frame,
        "error": type(fault.error).__name__,
        "message": fault.message,
        "action": fault.action,
        "at_s": _rounded(fault.at_s, 3),
    }


def summary_event(stats: PipelineStats) -> dict[str, Any]:
    """What was done in all, as JSON values; times of a stage that never ran are null."""
    return {
        "event": "summary",
        "frames": stats.frames,
        "dropped": stats.dropped,
        "late": stats.late,
        "wall_s": _rounded(stats.wall_s, 3),
        "fps": _rounded(stats.fps, 2),
        "faults": dict(stats.faults),
        "stages": {name: _times(summary) for name, summary in stats.stages.items()},
    }


def json_value(value: Any) -> Any:
    """A value as JSON has it: numbers that JSON lacks (NaN, infinity) become null, arrays lists, paths
    and what else it does not know texts."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_value(item) for item in value]
        case np.ndarray() | np.generic():
            return json_value(value.tolist())
        case Path():
            return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return json_value(asdict(value))
    return str(value)


def _objects(scene: SceneResult | None) -> list[dict[str, Any]] | None:
    if scene is None:
        return None
    if scene.panoptic is not None:
        fused = scene.panoptic
        return _listed(fused.objects, fused.found_as, fused.track_ids)
    if scene.instances is not None:
        found = scene.instances
        return _listed(found, found.names, np.zeros(len(found), np.int32))
    return None


def _listed(
    found: InstanceResult, found_as: tuple[str, ...], track_ids: np.ndarray
) -> list[dict[str, Any]]:
    columns = (found.names, found_as, found.scores, found.boxes_xyxy, track_ids)
    return [
        {
            "class": name,
            "found_as": called,
            "score": _rounded(score, 3),
            "box_xyxy": [_rounded(side, 1) for side in box],
            "track": int(track) or None,
        }
        for name, called, score, box, track in zip(*columns, strict=True)
    ]


def _shares(scene: SceneResult | None) -> dict[str, float | None] | None:
    """Nothing told is null; told that nothing is there, an empty object."""
    if scene is None or scene.richest in ("depth", "frame"):
        return None
    return _parts(scene.shares())


def _parts(parts: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _rounded(share, 4) for name, share in parts.items()}


def _times(summary: LatencySummary) -> dict[str, Any]:
    times = {name: value for name, value in asdict(summary).items() if name != "count"}
    ran = summary.count > 0
    return {"count": summary.count} | {
        name: _rounded(value, 2) if ran else None for name, value in times.items()
    }


def _rounded(value: Any, digits: int) -> float | None:
    number = float(value)
    return round(number, digits) + 0.0 if math.isfinite(number) else None  # no -0.0
