"""What people read for views and tasks."""

from __future__ import annotations

from ..manifest import Task
from ..results import View

__all__ = ["TASK_WORDS", "VIEW_WORDS"]

TASK_WORDS: dict[Task, str] = {"semantic": "Classes", "instances": "Objects", "depth": "Depth"}
VIEW_WORDS: dict[View | None, str] = {
    None: "Automatic",
    "frame": "Frame",
    "semantic": "Classes",
    "instances": "Objects",
    "panoptic": "Classes + objects",
    "depth": "Depth",
    "confidence": "Confidence",
    "disagreement": "Disagreement",
}
