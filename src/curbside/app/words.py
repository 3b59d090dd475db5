"""What people read for views and for what networks tell."""

from __future__ import annotations

from ..manifest import Answer, Manifest
from ..results import View

__all__ = ["TASK_WORDS", "VIEW_WORDS", "task_words"]

TASK_WORDS: dict[Answer, str] = {"semantic": "Classes", "instances": "Objects", "depth": "Depth"}
VIEW_WORDS: dict[View | None, str] = {
    None: "Automatic",
    "frame": "Frame",
    "semantic": "Classes",
    "instances": "Objects",
    "panoptic": "Classes + objects",
    "depth": "Depth",
    "semantic+depth": "Classes + depth",
    "confidence": "Confidence",
    "disagreement": "Disagreement",
}


def task_words(manifest: Manifest) -> str:
    """What a network tells, in words: `classes + depth` where it tells both."""
    return " + ".join(TASK_WORDS[answer] for answer in manifest.answers).lower()
