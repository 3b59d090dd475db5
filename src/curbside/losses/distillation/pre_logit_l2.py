"""Squared differences of what the two classifiers see."""

from __future__ import annotations

from dataclasses import dataclass

from .feature_l2 import FeatureL2Config

__all__ = ["PreLogitL2Config"]


@dataclass(frozen=True, kw_only=True)
class PreLogitL2Config(FeatureL2Config):
    """Squared differences of what the classifiers see: feature L2 for that pair alone, as in the ACDC
    thesis, section 3.4."""

    pairs: tuple[tuple[str, str], ...] = (("decoder", "decoder"),)
    """Names of the student's features, each with the teacher's to compare it with."""
