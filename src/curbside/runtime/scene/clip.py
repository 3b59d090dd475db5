"""What the networks of a scene told last of a clip, and what that makes of each of its frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...manifest import Task
from ...results import InstanceResult, PanopticResult, SceneResult, SemanticResult
from ..fusion import Fusion, TrackedFrame, Tracker, carried
from ..predictor import JointPredictor, NetworkPredictor, SemanticPredictor
from .config import SceneConfig
from .own_pace import Look

__all__ = ["Clip"]


@dataclass
class _Answer:
    """What a network told last, at the size of its frame."""

    look: int  # the number of its frame in the scene
    number: int  # the same, frames that were shown again left out
    size_hw: tuple[int, int]
    result: SceneResult  # with the parts that this network tells
    speeds: np.ndarray | None = None  # of objects, (N, 4) pixels per frame, once they were fused


class Clip:
    """Keeps what every network told last, fuses it where two of them can be, and follows objects.

    Args:
        networks: The networks by their task.
        fusion: How their answers become one picture; None where no two of them can be fused.
        config: How fused objects are followed.
        own: The tasks of networks on threads of their own, whose looks come more than once.
    """

    def __init__(
        self,
        networks: Mapping[Task, NetworkPredictor[Any]],
        fusion: Fusion | None,
        config: SceneConfig,
        *,
        own: Collection[Task],
    ) -> None:
        self._networks, self._fusion, self._own = networks, fusion, own
        self._tracker: Tracker | None = None
        if fusion is not None and config.tracking is not None:
            self._tracker = Tracker(config.tracking, score=config.fusion.score)
        self._answers: dict[Task, _Answer] = {}
        self._first: int | None = 0  # the first frame of the clip; None where the next one is
        self._repeated, self._repeats = 0, False

    def frame(
        self,
        number: int,
        looks: Mapping[Task, Look],
        size_hw: tuple[int, int],
        *,
        confidence: bool,
    ) -> SceneResult:
        """What is known of the next frame.

        Args:
            number: Its number in the scene.
            looks: What networks gave for it; of one on its own thread, what it gave last.
            size_hw: Its size.
            confidence: Whether it also tells how sure the semantic network is, where it can.
        """
        passed = 0 if self._repeats else 1
        self._repeated += 1 - passed
        self._repeats = False
        if self._first is None:
            self._first = number
        for task, look in looks.items():
            if look.number >= self._first:
                self._answer(task, look, confidence=confidence)
        for task in [t for t, answer in self._answers.items() if answer.size_hw != size_hw]:
            del self._answers[task]  # frames became larger or smaller: nothing is where it was
        found: dict[str, Any] = {}
        ages: dict[str, int] = {}
        for task, answer in self._answers.items():
            for name in self._networks[task].manifest.answers:
                found[name] = getattr(answer.result, name)
                ages[name] = max(0, number - self._repeated - answer.number)
        panoptic = None
        if self._fusion is not None and len(found.keys() & {"semantic", "instances"}) == 2:
            found["instances"], panoptic = self._fused(found["semantic"], ages["instances"], passed)
        return SceneResult(
            size_hw=size_hw,
            semantic=found.get("semantic"),
            instances=found.get("instances"),
            panoptic=panoptic,
            depth=found.get("depth"),
            ages=ages,
        )

    def again(self) -> None:
        """The next frame is the last one once more: nothing in it moves."""
        self._repeats = True

    def end(self) -> None:
        """The next frame is the first of another clip."""
        self._answers.clear()
        self._first = None
        if self._tracker is not None:
            self._tracker.reset()

    def _answer(self, task: Task, look: Look, *, confidence: bool) -> None:
        """Decode what a network gave, where that was not done at an earlier frame."""
        last = self._answers.get(task)
        if task in self._own and last is not None and last.look == look.number:
            return
        network = self._networks[task]
        if isinstance(network, SemanticPredictor | JointPredictor):
            result: Any = network.decode(look.outputs, look.size_hw, confidence=confidence)
        else:
            result = network.decode(look.outputs, look.size_hw)
        self._answers[task] = _Answer(
            look.number, look.number - self._repeated, look.size_hw, SceneResult.of(result)
        )

    def _fused(
        self, semantic: SemanticResult, age: int, passed: int
    ) -> tuple[InstanceResult, PanopticResult]:
        """The objects as they stand now, those of them that count, and one picture of both."""
        assert self._fusion is not None
        answer = self._answers["instances"]
        objects, tracker = answer.result.instances, self._tracker
        assert objects is not None
        if tracker is None:
            panoptic = self._fusion(semantic, objects)
        else:
            is_new = answer.speeds is None
            if is_new and age:  # it took more than a frame to find them
                objects = carried(objects, tracker.speeds(objects.boxes_xyxy), age)
            elif answer.speeds is not None:
                objects = carried(objects, answer.speeds, age)
            follower = TrackedFrame(tracker, seen=is_new, passed=passed)
            panoptic = self._fusion(semantic, objects, follower=follower)
            if is_new:
                answer.speeds = tracker.speeds(objects.boxes_xyxy)
        shown = objects.scores > np.float32(self._fusion.config.score)
        return objects.select(shown), panoptic
