"""A network that tells classes and depth, over samples of which each may tell either: one look at each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ...manifest import Manifest
from ...prepared import Sample
from ...results import DepthResult, SemanticResult
from ..predictions import Predictions
from ..result import Evaluation
from ..scoring import Predictor, Scorer, check_tag, readable
from .result import DepthEvaluation
from .scoring import DepthPredictor, DepthScorer, read_depth_truth

__all__ = ["JointNetwork", "OneLook", "evaluate_jointly"]

Outputs = Mapping[str, np.ndarray]


class _Classes(Protocol):
    def decode(
        self, outputs: Outputs, size_hw: tuple[int, int], *, probabilities: bool = False
    ) -> SemanticResult: ...


class _Depth(Protocol):
    def decode(self, outputs: Outputs, size_hw: tuple[int, int]) -> DepthResult: ...


class JointNetwork(Protocol):
    """A network that tells classes and depth of one picture."""

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""
        ...

    @property
    def precision(self) -> str:
        """What the network really runs in."""
        ...

    @property
    def semantic(self) -> _Classes:
        """Makes a class of every pixel from its outputs."""
        ...

    @property
    def depth(self) -> _Depth:
        """Makes a depth of every pixel from its outputs."""
        ...

    def prepare(self, frame_bgr: np.ndarray) -> np.ndarray:
        """A frame as the tensor that it takes."""
        ...

    def infer(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """Its outputs by name."""
        ...


class OneLook:
    """Two predictors over one network that tells classes and depth, which runs once for both where they
    are asked about the same frame in turn.

    Args:
        network: The network.
    """

    def __init__(self, network: JointNetwork) -> None:
        self._network = network
        self._seen: tuple[np.ndarray, dict[str, np.ndarray]] | None = None
        self.semantic = _SemanticView(network, self._outputs)
        """A class of every pixel."""
        self.depth = _DepthView(network, self._outputs)
        """A depth of every pixel."""

    def _outputs(self, frame_bgr: np.ndarray) -> dict[str, np.ndarray]:
        if self._seen is None or self._seen[0] is not frame_bgr:
            self._seen = frame_bgr, self._network.infer(self._network.prepare(frame_bgr))
        return self._seen[1]


class _View:
    def __init__(
        self, network: JointNetwork, outputs: Callable[[np.ndarray], dict[str, np.ndarray]]
    ) -> None:
        self._network, self._outputs = network, outputs

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""
        return self._network.manifest

    @property
    def precision(self) -> str:
        """What the network really runs in."""
        return self._network.precision


class _SemanticView(_View):
    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        """A class of every pixel of a frame, (H, W, 3) uint8."""
        return self._network.semantic.decode(
            self._outputs(frame_bgr), frame_bgr.shape[:2], probabilities=probabilities
        )


class _DepthView(_View):
    def __call__(self, frame_bgr: np.ndarray) -> DepthResult:
        """A depth of every pixel of a frame, (H, W, 3) uint8."""
        return self._network.depth.decode(self._outputs(frame_bgr), frame_bgr.shape[:2])


def evaluate_jointly(
    semantic: Predictor,
    depth: DepthPredictor,
    with_classes: Sequence[Sample],
    with_depth: Sequence[Sample],
    *,
    by: str | None = None,
    kept: Predictions | None = None,
    trusted: bool = False,
    max_m: float | None = None,
) -> tuple[Evaluation | None, DepthEvaluation | None]:
    """Score both answers of a network, at one look at each picture; see `evaluate` and `evaluate_depth`.

    Args:
        semantic: Its classes: those of a `OneLook`, or a `CommonPredictor` over them.
        depth: Its depth, of the same `OneLook`.
        with_classes: The samples with a semantic target.
        with_depth: The samples of the same split with a depth target; both or one of them.
        by: A tag of the samples to group the scores by; a part none of whose samples has it is not
            grouped.
        kept: Where both predictions of every picture go.
        trusted: See `evaluate_depth`.
        max_m: See `evaluate_depth`.

    Returns:
        The scores of classes and of depth; None for a part without samples.

    Raises:
        ConfigError: No sample has the tag, or it has too many values.
        LabelError: The network and the masks do not mean the same by their ids.
        DataError: Not one picture could be read, or a part has nothing that counts.
    """
    check_tag([*with_classes, *with_depth], by)
    classes = Scorer(semantic, with_classes, by=_tag(with_classes, by)) if with_classes else None
    depths = (
        DepthScorer(depth, with_depth, by=_tag(with_depth, by), trusted=trusted, max_m=max_m)
        if with_depth
        else None
    )
    masks, metres = ({s.id: s for s in samples} for samples in (with_classes, with_depth))
    every = sorted({**metres, **masks}.values(), key=lambda sample: sample.id)

    def read(sample: Sample) -> tuple[np.ndarray | None, np.ndarray | None]:
        mask, metre = masks.get(sample.id), metres.get(sample.id)
        return (
            None if mask is None else mask.read_semantic(),
            None if metre is None else read_depth_truth(metre, trusted=trusted),
        )

    unreadable: list[str] = []
    for sample, frame_bgr, (ids, target_m) in readable(
        every, unreadable, doing="evaluating", read=read
    ):
        if classes is not None and ids is not None:
            found = classes.update(sample, frame_bgr, ids)
        elif kept is not None:
            found = semantic(frame_bgr).ids
        if depths is not None and target_m is not None:
            depth_m = depths.update(sample, frame_bgr, target_m)
        elif kept is not None:
            depth_m = depth(frame_bgr).depth_m
        if kept is not None:
            kept.add(sample, found, depth_m=depth_m)
    return (
        None if classes is None else classes.evaluation(unreadable),
        None if depths is None else depths.evaluation(unreadable),
    )


def _tag(samples: Sequence[Sample], by: str | None) -> str | None:
    """The tag, where one of the samples has it."""
    return by if by is not None and any(by in s.record.tags for s in samples) else None
