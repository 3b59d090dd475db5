"""A model and data of different label spaces, brought to the finest classes they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..labels import CommonSpace, common
from ..labels.common_space import joined
from ..manifest import Manifest
from ..prepared import Sample
from ..results import SemanticResult

if TYPE_CHECKING:
    from .scoring import Predictor

__all__ = ["CommonPredictor", "all_at_common_classes", "at_common_classes"]


def at_common_classes(
    predictor: Predictor, samples: Sequence[Sample]
) -> tuple[CommonPredictor, list[Sample]]:
    """A predictor and samples in the common classes of their label spaces, ready for `evaluate`.

    A pixel whose true class has no partner is ignored. A pixel that the model gives a class without
    partner counts as wrong.

    Args:
        predictor: The model.
        samples: At least one, all of one label space.

    Raises:
        LabelError: The two spaces have nothing in common.
    """
    found = common(predictor.manifest.space, samples[0].space)
    return CommonPredictor(predictor, found), [sample.mapped(found.second) for sample in samples]


def all_at_common_classes(
    predictors: Sequence[Predictor], samples: Sequence[Sample]
) -> tuple[list[CommonPredictor], list[Sample]]:
    """Several predictors and samples in the classes that all their label spaces have in common.

    Args:
        predictors: The models; see `at_common_classes`.
        samples: At least one, all of one label space.

    Raises:
        LabelError: The spaces have nothing in common.
    """
    found = joined([common(item.manifest.space, samples[0].space) for item in predictors])
    brought = [CommonPredictor(*pair) for pair in zip(predictors, found, strict=True)]
    return brought, [sample.mapped(found[0].second) for sample in samples]


class CommonPredictor:
    """A predictor that answers in common classes: the probabilities of merged classes are added up.

    Args:
        predictor: The model.
        common: Its own label space and the data's, in this order, brought together.
    """

    def __init__(self, predictor: Predictor, common: CommonSpace) -> None:
        self._predictor = predictor
        self.common = common

    @property
    def manifest(self) -> Manifest:
        """The model's, with the common classes for its label space."""
        manifest, space = self._predictor.manifest, self.common.space
        return replace(
            manifest, space=space, threshold=manifest.threshold if space.binary else None
        )

    @property
    def precision(self) -> str:
        """What the network really runs in."""
        return self._predictor.precision

    @property
    def merges(self) -> bool:
        """Whether some of the model's classes become one, so that a confidence needs probabilities."""
        return any(row.kind == "many to one" for row in self.common.first.classes)

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        """Predict a frame, (H, W, 3) uint8; classes without partner become 255.

        The class is that of the class which the model shows; its confidence is what all the model's
        classes in it are given together.
        """
        result = self._predictor(frame_bgr, probabilities=probabilities)
        labels, count = self.common.first, self.common.space.num_classes
        every, confidence = None, None if self.merges else result.confidence
        if result.probabilities is not None:
            places = np.minimum(labels.table, count)  # the last is for all classes without partner
            sums = np.zeros((count + 1, *result.ids.shape), np.float32)
            for class_id, plane in enumerate(result.probabilities):
                sums[places[class_id]] += plane
            shown = places[result.ids].astype(np.intp)
            every, confidence = sums[:count], np.take_along_axis(sums, shown[None], axis=0)[0]
        return SemanticResult(
            ids=labels.apply(result.ids),
            space=self.common.space,
            confidence=confidence,
            probabilities=every,
        )
