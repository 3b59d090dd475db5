"""What is fitted to a run's weights, with figures that say nothing; free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from curbside.manifest import DecisionThreshold, TemperatureScaling

__all__ = ["scaled", "yes_from"]


def scaled(temperature: float, **changes: Any) -> TemperatureScaling:
    """A temperature, and figures that say nothing."""
    found = TemperatureScaling(
        temperature=temperature,
        weights_sha256="0" * 64,
        dataset="d",
        split="val",
        images=4,
        pixels=1000,
        nll_before=0.9,
        nll_after=0.8,
        ece_before=0.1,
        ece_after=0.01,
        ece_cross_fitted=0.02,
        halves="by drive",
    )
    return replace(found, **changes)


def yes_from(threshold: float, **changes: Any) -> DecisionThreshold:
    """A threshold, and figures that say nothing."""
    found = DecisionThreshold(
        threshold=threshold,
        weights_sha256="0" * 64,
        dataset="d",
        split="val",
        images=4,
        precision=0.8,
        recall=0.8,
        f1=0.8,
        iou=2 / 3,
        iou_at_half=0.6,
        iou_cross_fitted=0.65,
        halves="by drive",
    )
    return replace(found, **changes)
