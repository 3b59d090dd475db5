"""Two model files as one predictor: frame in, one picture out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from ...errors import ModelFileError
from ...labels import LabelSpace
from ...results import PanopticResult
from ..instances import InstanceConfig
from ..predictor import (
    InstancePredictor,
    JointPredictor,
    SemanticPredictor,
    TaskPredictor,
    load_predictor,
)
from .config import FusionConfig, TrackerConfig
from .fuse import Fusion
from .tracker import Tracker

__all__ = ["FusedPredictor", "fuse_predictors", "load_fused_predictor"]


class _Tensors(NamedTuple):
    """What the two networks take."""

    semantic: np.ndarray
    instances: np.ndarray


class _Outputs(NamedTuple):
    """What they give, by the names of their outputs."""

    semantic: Mapping[str, np.ndarray]
    instances: Mapping[str, np.ndarray]


class FusedPredictor:
    """A semantic network and one that finds objects, fused on the frame.

    Frames are taken for those of one clip, in the order in which they are decoded; `reset` begins
    another. The two networks may run on different backends.

    Args:
        semantic: Gives the class map; closed with this predictor.
        instances: Gives the objects, down to the config's `followed_score`; closed with this predictor.
        config: The rules of fusion.
        tracking: How objects are followed; None gives single pictures, without numbers.

    Raises:
        LabelError: No object of the one could ever be shown with the other.
    """

    def __init__(
        self,
        semantic: SemanticPredictor,
        instances: InstancePredictor,
        config: FusionConfig | None = None,
        tracking: TrackerConfig | None = None,
    ) -> None:
        self.semantic, self.instances = semantic, instances
        self.fusion = Fusion(semantic.manifest.space, instances.manifest.space, config)
        score = self.fusion.config.score
        self._tracker = None if tracking is None else Tracker(tracking, score=score)

    @property
    def space(self) -> LabelSpace:
        """What the ids of results mean."""
        return self.fusion.space

    @property
    def title(self) -> str:
        """Both networks in words."""
        return f"{self.semantic.manifest.model} + {self.instances.manifest.model}"

    @property
    def precision(self) -> str:
        """What the arithmetic of either really runs in."""
        both = dict.fromkeys((self.semantic.precision, self.instances.precision))
        return " + ".join(both)

    def __call__(self, frame_bgr: np.ndarray) -> PanopticResult:
        """What is on the next frame.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        return self.decode(self.infer(self.prepare(frame_bgr)), frame_bgr.shape[:2])

    def prepare(self, frame_bgr: np.ndarray) -> _Tensors:
        """The frame as the tensors that the two networks take; raises what a call raises."""
        return _Tensors(self.semantic.prepare(frame_bgr), self.instances.prepare(frame_bgr))

    def infer(self, tensors: _Tensors) -> _Outputs:
        """The outputs of the two networks, one after the other."""
        return _Outputs(
            self.semantic.infer(tensors.semantic), self.instances.infer(tensors.instances)
        )

    def decode(self, outputs: _Outputs, size_hw: tuple[int, int]) -> PanopticResult:
        """One picture at the size of the frame, from what `infer` gave; frames come in order."""
        classes = self.semantic.decode(outputs.semantic, size_hw)
        objects = self.instances.decode(outputs.instances, size_hw)
        return self.fusion(classes, objects, follower=self._tracker)

    def reset(self) -> None:
        """The next frame is the first of another clip."""
        if self._tracker is not None:
            self._tracker.reset()

    def close(self) -> None:
        """Give the memory of both networks back."""
        self.semantic.close()
        self.instances.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_fused_predictor(
    semantic: Path,
    instances: Path,
    *,
    config: FusionConfig | None = None,
    tracking: TrackerConfig | None = None,
    iou: float = 0.5,
    threads: int | None = None,
) -> FusedPredictor:
    """Open two model files as one predictor.

    Args:
        semantic: The model file of a semantic network.
        instances: The model file of a network that finds objects.
        config: The rules of fusion.
        tracking: How objects are followed; None gives single pictures.
        iou: Of two objects of one class that overlap by more than this, the better one counts.
        threads: Threads for either network; all cores where None.

    Raises:
        ModelFileError: A file is missing, damaged, or of another task.
        LabelError: No object of the one could ever be shown with the other.
        MissingDependencyError: The library for a kind of file is not installed.
    """
    first = load_predictor(semantic, threads=threads)
    try:
        second = load_predictor(instances, threads=threads)
    except BaseException:
        first.close()
        raise
    return fuse_predictors(first, second, config=config, tracking=tracking, iou=iou)


def fuse_predictors(
    semantic: TaskPredictor,
    instances: TaskPredictor,
    *,
    config: FusionConfig | None = None,
    tracking: TrackerConfig | None = None,
    iou: float = 0.5,
) -> FusedPredictor:
    """Two open predictors as one, which closes them; they are closed where they cannot be fused.

    Args:
        semantic: Gives a class for every pixel; what else it tells is left out.
        instances: Finds objects; how it was told to choose them gives way to the rules.
        config: The rules of fusion.
        tracking: How objects are followed; None gives single pictures.
        iou: Of two objects of one class that overlap by more than this, the better one counts.

    Raises:
        ModelFileError: One is of the other's task.
        LabelError: No object of the one could ever be shown with the other.
    """
    config = config or FusionConfig()
    least = config.least_score(following=tracking is not None)
    try:
        if isinstance(semantic, JointPredictor):
            semantic = semantic.semantic
        if not isinstance(semantic, SemanticPredictor):
            raise _other_task(semantic, "a class for every pixel")
        if not isinstance(instances, InstancePredictor):
            raise _other_task(instances, "single objects")
        chosen = InstancePredictor(instances.backend, InstanceConfig(confidence=least, iou=iou))
        return FusedPredictor(semantic, chosen, config, tracking)
    except BaseException:
        semantic.close()
        instances.close()
        raise


def _other_task(predictor: TaskPredictor, needed: str) -> ModelFileError:
    return ModelFileError(
        f"{predictor.title} does not give {needed}",
        fix="give the semantic network first and the one that finds objects with --instances",
    )
