"""What a page tells of a running pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...results import SceneResult
from ..events import fault_event, summary_event
from ..pipeline import Fault, Pipeline, Shown

__all__ = ["live_facts"]

_FAULTS = 20


def live_facts(
    pipeline: Pipeline[Any],
    shown: Shown[Any],
    *,
    title: str = "curbside",
    source: str,
    model: str | None = None,
    precision: str = "",
    faults: Iterable[Fault] = (),
    recording: Path | None = None,
) -> dict[str, Any]:
    """The facts of a frame and of the run so far, see `board`.

    It looks at all pixels and sorts latencies: give the board a function that calls it.

    ::

        for shown in pipeline:
            board.publish(shown.picture_bgr, partial(live_facts, pipeline, shown, source=source.title))

    Args:
        pipeline: What runs.
        shown: The newest frame.
        title: Heading of the page.
        source: What plays, in words, without passwords.
        model: The networks in words; what the predictor says where None.
        precision: What their arithmetic runs in.
        faults: What went wrong, newest last; the latest are told. A list or deque that another
            thread adds to is well.
        recording: Where pictures are recorded to.
    """
    summary = summary_event(pipeline.stats())
    scene = None if shown.result is None else SceneResult.of(shown.result)
    shares = {} if scene is None else scene.shares()
    return {
        "title": title,
        "source": source,
        "model": getattr(shown.predictor, "title", "") if model is None else model,
        "precision": precision,
        "fps": round(pipeline.fps_now(), 1),
        "age_ms": round(shown.age_ms, 1),
        **{name: summary[name] for name in ("frames", "dropped", "late", "stages")},
        "objects": {} if scene is None else scene.counts(),
        "shares": {name: round(share, 4) for name, share in shares.items()},
        "fault_counts": summary["faults"],
        "faults": [fault_event(fault) for fault in _latest(faults)],
        "recording": None if recording is None else str(recording),
    }


def _latest(faults: Iterable[Fault]) -> list[Fault]:
    """The latest, newest first."""
    while True:
        try:
            return list(faults)[: -_FAULTS - 1 : -1]
        except RuntimeError:  # it changed meanwhile
            continue
