"""One scene, or two side by side: opened and described."""

from __future__ import annotations

from typing import Any

from ..scene import NetworkShelf, PairPredictor, SceneConfig, ScenePredictor

__all__ = ["facts_of", "open_networks"]


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
