"""From a network's outputs to single objects of the frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...manifest import Manifest
from ...results import InstanceResult
from .config import InstanceConfig

__all__ = ["decode_instances"]


def decode_instances(
    outputs: Mapping[str, np.ndarray],
    manifest: Manifest,
    size_hw: tuple[int, int],
    config: InstanceConfig,
) -> InstanceResult:
    """Follows in the next commit."""
    raise NotImplementedError
