"""From maps to proposals: only places whose best class is probable enough are looked at further."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...manifest import Manifest
from .maps import Head, read_detections, read_heads

__all__ = ["Proposals", "read_proposals"]

_SLACK = 1e-3  # of a raw score, so that the choice is made among probabilities alone


class Proposals(NamedTuple):
    """Objects that a network proposes, most probable first; of equal ones the earlier place."""

    boxes_xyxy: np.ndarray
    """(N, 4) float64, in pixels of the network's input."""
    scores: np.ndarray
    """(N,) float32 in 0..1."""
    classes: np.ndarray
    """(N,) int64, channels of the class."""
    coefficients: np.ndarray
    """(N, K) float32."""

    def take(self, keep: np.ndarray) -> Proposals:
        """Some of the proposals: (N,) bool or places, as numpy takes them."""
        return Proposals(*(column[keep] for column in self))


def read_proposals(
    outputs: Mapping[str, np.ndarray], manifest: Manifest, *, coefficients: int, confidence: float
) -> Proposals:
    """What the network proposes with more than this confidence.

    A score that is no finite number is no detection, nor is a place whose box is none.

    Args:
        outputs: Arrays by name.
        manifest: What they mean.
        coefficients: K, the number of prototypes.
        confidence: 0..1.

    Raises:
        ModelFileError: An output is missing or of another shape.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if manifest.output("detections"):
            parts = [_of_whole(*read_detections(outputs, manifest, coefficients), confidence)]
        else:
            heads = read_heads(outputs, manifest, coefficients)
            parts = [_of_head(head, confidence) for head in heads]
        found = Proposals(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
        found = found.take(np.isfinite(sides).all(1) & (sides > 0).all(1))
    return found.take(np.argsort(-found.scores, kind="stable"))


def _of_whole(
    boxes_cxcywh: np.ndarray, scores: np.ndarray, coefficients: np.ndarray, confidence: float
) -> Proposals:
    places, classes, best = _probable(scores, confidence, activated=True)
    centre, side = np.split(boxes_cxcywh[:, places].T.astype(np.float64), 2, axis=1)  # (N, 2)
    boxes = np.hstack([centre - side / 2, centre + side / 2])
    return Proposals(boxes, best, classes, coefficients[:, places].T.astype(np.float32))


def _of_head(head: Head, confidence: float) -> Proposals:
    places, classes, best = _probable(head.class_scores, confidence, activated=head.activated)
    rows, columns = np.divmod(places, head.map_hw[1])
    centre = np.stack([columns, rows], 1) + 0.5  # (N, 2), in cells
    before, after = np.split(_distances(head.box_distribution[:, places]), 2, axis=1)
    boxes = np.hstack([centre - before, centre + after]) * head.stride
    return Proposals(boxes, best, classes, head.mask_coefficients[:, places].T.astype(np.float32))


def _distances(distribution: np.ndarray) -> np.ndarray:
    """Expected distances to the left, top, right and bottom, in cells: (4 * bins, N) to (N, 4).

    A single bin is the distance itself, as in networks that were trained without the distribution.

    Source: Li et al. 2020, Generalized Focal Loss (distribution focal loss).
    """
    bins = len(distribution) // 4
    scores = distribution.reshape(4, bins, distribution.shape[1]).astype(np.float64)
    if bins == 1:
        return scores[:, 0].T
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = np.einsum("b,sbn->ns", np.arange(bins), shares)
    return expected / shares.sum(axis=1).T


def _probable(
    scores: np.ndarray, confidence: float, *, activated: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places where a class is more probable than this, that class, and its probability.

    Args:
        scores: (C, P) float.
        confidence: 0..1.
        activated: Whether the scores are probabilities already.

    Returns:
        places, classes (N,) int64; probabilities (N,) float32.
    """
    scores = scores.astype(np.float32, copy=False)
    least = confidence if activated else _logit(confidence) - _SLACK
    places = np.flatnonzero(~(scores.max(axis=0) <= least))  # what is no number stays for now
    there = scores[:, places]  # (C, N)
    there[~np.isfinite(there)] = -np.inf
    classes = there.argmax(axis=0)
    best = np.take_along_axis(there, classes[None], 0)[0]
    best = best if activated else 1 / (1 + np.exp(-best))
    enough = best > np.float32(confidence)
    return places[enough], classes[enough], np.minimum(best[enough], np.float32(1))


def _logit(share: float) -> float:
    if 0 < share < 1:
        return math.log(share / (1 - share))
    return math.inf if share else -math.inf
