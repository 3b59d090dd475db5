"""The picture of one scene, or of two side by side."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ...results import SceneResult
from ..views import ViewConfig, draw_scene
from .pair import Pair

__all__ = ["draw_found"]


def draw_found(frame_bgr: np.ndarray, found: SceneResult | Pair, config: ViewConfig) -> np.ndarray:
    """The picture of a frame; of two scenes their pictures side by side.

    A view that a scene does not have gives way to what tells most of it.
    """
    if isinstance(found, Pair):
        return cv2.hconcat([draw_found(frame_bgr, part, config) for part in found])
    if config.view is not None and config.view not in found.views:
        config = replace(config, view=None)
    return draw_scene(frame_bgr, found, config)
