"""Two scenes on the same frame, to look at side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...labels import LabelSpace
from ...results import SceneResult, View
from .predictor import ScenePredictor

__all__ = ["Pair", "PairPredictor"]


class Pair(NamedTuple):
    """What two scenes found on one frame."""

    left: SceneResult
    """What the first found."""
    right: SceneResult
    """What the second found."""


class PairPredictor:
    """Two scenes as one predictor; closed together.

    Args:
        left: The first.
        right: The second.
    """

    def __init__(self, left: ScenePredictor, right: ScenePredictor) -> None:
        self.left, self.right = left, right

    @property
    def space(self) -> LabelSpace | None:
        """What the ids of the first one's results mean."""
        return self.left.space

    @property
    def title(self) -> str:
        """Both in words."""
        return f"{self.left.title} | {self.right.title}"

    @property
    def precision(self) -> str:
        """What the arithmetic of either really runs in."""
        return f"{self.left.precision} | {self.right.precision}"

    @property
    def views(self) -> tuple[View, ...]:
        """What can be shown of at least one of them."""
        return tuple(dict.fromkeys((*self.left.views, *self.right.views)))

    @property
    def confidence(self) -> bool:
        """Whether results also tell how sure the semantic networks are."""
        return self.left.confidence

    @confidence.setter
    def confidence(self, wanted: bool) -> None:
        self.left.confidence = self.right.confidence = wanted

    def prepare(self, frame_bgr: np.ndarray) -> tuple[Any, Any]:
        """The frame as the tensors of either."""
        return self.left.prepare(frame_bgr), self.right.prepare(frame_bgr)

    def infer(self, tensors: tuple[Any, Any]) -> tuple[Any, Any]:
        """The outputs of either, one after the other."""
        return self.left.infer(tensors[0]), self.right.infer(tensors[1])

    def decode(self, outputs: tuple[Any, Any], size_hw: tuple[int, int]) -> Pair:
        """What either found; frames come in order."""
        return Pair(self.left.decode(outputs[0], size_hw), self.right.decode(outputs[1], size_hw))

    def reset(self) -> None:
        """The next frame is the first of another clip."""
        self.left.reset()
        self.right.reset()

    def again(self) -> None:
        """The next frame to be decoded is the last one once more."""
        self.left.again()
        self.right.again()

    def take_errors(self) -> list[Exception]:
        """What networks on threads of their own raised since this was asked last."""
        return [*self.left.take_errors(), *self.right.take_errors()]

    def restart(self) -> None:
        """Load the networks of both again."""
        self.left.restart()
        self.right.restart()

    def close(self) -> None:
        """Close both."""
        self.left.close()
        self.right.close()
