"""One scene, or two side by side: opened, described and drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from ...results import SceneResult
from ..scene import NetworkShelf, Pair, PairPredictor, SceneConfig, ScenePredictor
from ..views import ViewConfig, draw_scene

__all__ = ["draw_found", "facts_of", "open_networks"]


def open_networks(
    shelf: NetworkShelf, scene: SceneConfig, beside: SceneConfig | None, *, threads: int
) -> ScenePredictor | PairPredictor:
    """The predictor of a scene and, where there is one, of another beside it.

    Args:
        shelf: Where the networks are.
        scene: The first.
        beside: The second.
        threads: Threads for every network.

    Raises:
        CurbsideError: Whatever `NetworkShelf.open` raises.
    """
    left = shelf.open(scene, threads=threads)
    if beside is None:
        return left
    try:
        return PairPredictor(left, shelf.open(beside, threads=threads))
    except BaseException:
        left.close()
        raise


def facts_of(
    predictor: ScenePredictor | PairPredictor, scene: SceneConfig, beside: SceneConfig | None
) -> dict[str, Any]:
    """What a `Status` says of the networks in use, before it is known what they run in."""
    return {
        "scene": scene,
        "beside": beside,
        "views": predictor.views,
        "space": predictor.space,
        "precision": "",
    }


def draw_found(frame_bgr: np.ndarray, found: SceneResult | Pair, config: ViewConfig) -> np.ndarray:
    """The picture of a frame; of two scenes their pictures side by side.

    A view that a scene does not have gives way to what tells most of it.
    """
    if isinstance(found, Pair):
        return cv2.hconcat([draw_found(frame_bgr, part, config) for part in found])
    if config.view is not None and config.view not in found.views:
        config = replace(config, view=None)
    return draw_scene(frame_bgr, found, config)
