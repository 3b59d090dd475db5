"""What people see of a frame: one of the views of a scene, and the legend beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from ..errors import ConfigError
from ..imaging import (
    depth_palette,
    doubt_palette,
    draw_legend,
    draw_scale,
    encode_depth,
    legend_rows,
    resize_ids,
)
from ..labels import LabelSpace
from ..results import (
    Disagreement,
    SceneResult,
    SemanticResult,
    View,
    disagreement_palette,
)

__all__ = ["ViewConfig", "draw_scene"]

_METRES = (2, 5, 10, 20, 50, 100)
_LEAST_SCALE = 48
"""Rows that a scale below names needs to be read."""
_PAPER = 24
_SURE = (0, 25, 50, 75, 100)


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """What is shown of a frame, and how.

    Raises:
        ConfigError: The alpha is none.
    """

    view: View | None = None
    """What is shown. Where not given, what tells most of what is there: panoptic, else semantic,
    instances, depth, and the frame alone where nothing else is. `semantic+depth`, in which both are half
    as large, is shown where it is asked for."""
    alpha: float = 0.5
    """How much colours cover the frame, 0..1: 0 shows the frame alone; objects keep their outlines,
    boxes and names."""
    hidden: frozenset[str] = frozenset()
    """Names of classes that are not shown: their pixels show the frame and their objects are not drawn,
    be it the class of the picture or what the instance network calls an object. Depth has no classes
    and shows all."""
    legend: bool = False
    """Put what the colours mean beside the picture, in a column of the same width for every view."""

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"colours cannot cover the frame by {self.alpha:g}", fix="give an alpha of 0..1"
            )


def draw_scene(frame_bgr: np.ndarray, result: SceneResult, config: ViewConfig) -> np.ndarray:
    """A view of a scene; classes and depth side by side are half as large each, in the middle of a
    picture of the frame's size.

    Args:
        frame_bgr: The frame that was looked at, (H, W, 3) uint8.
        result: What was found on it.
        config: What is shown, and how.

    Returns:
        A new uint8 BGR picture, (H, W, 3), wider by the legend where it is wanted.

    Raises:
        ConfigError: The result lacks the view.
        ValueError: The frame is of another size than the result.
    """
    if frame_bgr.shape[:2] != result.size_hw:
        raise ValueError(f"the frame is {frame_bgr.shape[:2]}, its result is {result.size_hw}")
    view = result.richest if config.view is None else config.view
    if view not in result.views:
        raise ConfigError(
            f"there is no {view} view of this: {_MISSING[view]}",
            fix=f"show one of: {', '.join(result.views)}",
        )
    picture = _draw(frame_bgr, result, view, config)
    if not config.legend:
        return picture
    return cv2.hconcat([picture, _legend(len(picture), result, view, config.hidden)])


_MISSING: dict[View, str] = {
    "semantic": "no network gives a class for every pixel",
    "instances": "no network finds objects",
    "panoptic": "that takes a semantic network and one that finds objects",
    "depth": "no network gives depth",
    "semantic+depth": "that takes a class and a depth for every pixel",
    "confidence": "no semantic network gives its confidence or its scores",
    "disagreement": "that takes a semantic network and one that finds objects",
}


def _draw(frame_bgr: np.ndarray, result: SceneResult, view: View, config: ViewConfig) -> np.ndarray:
    alpha, hidden = config.alpha, config.hidden
    if view == "semantic" and result.semantic is not None:
        return result.semantic.draw(frame_bgr, alpha=alpha, hidden=hidden)
    if view == "instances" and result.instances is not None:
        return result.instances.draw(frame_bgr, alpha=alpha, hidden=hidden)
    if view == "panoptic" and result.panoptic is not None:
        return result.panoptic.draw(frame_bgr, alpha=alpha, hidden=hidden)
    if view == "depth" and result.depth is not None:
        return result.depth.draw(frame_bgr, alpha=alpha)
    if view == "semantic+depth":
        small_bgr, small = _half(frame_bgr, result)
        return _side_by_side(
            _draw(small_bgr, small, "semantic", config),
            _draw(small_bgr, small, "depth", config),
            result.size_hw,
        )
    if view == "confidence" and result.semantic is not None:
        return result.semantic.draw_confidence(frame_bgr, alpha=alpha, hidden=hidden)
    if view == "disagreement" and result.panoptic is not None:
        return result.panoptic.draw_disagreement(frame_bgr, alpha=alpha, hidden=hidden)
    return frame_bgr.copy()


def _half(frame_bgr: np.ndarray, result: SceneResult) -> tuple[np.ndarray, SceneResult]:
    """A frame at half its size, and the classes and the depth of its pixels there."""
    height, width = result.size_hw
    size = (max(1, height // 2), max(1, width // 2))
    semantic, depth = result.semantic, result.depth
    assert semantic is not None and depth is not None  # else there is no such view
    small = SceneResult(
        size_hw=size,
        semantic=SemanticResult(ids=resize_ids(semantic.ids, size), space=semantic.space),
        depth=replace(depth, depth_m=resize_ids(depth.depth_m, size)),
    )
    return cv2.resize(frame_bgr, size[::-1], interpolation=cv2.INTER_AREA), small


def _side_by_side(
    left_bgr: np.ndarray, right_bgr: np.ndarray, size_hw: tuple[int, int]
) -> np.ndarray:
    """Two pictures in the middle of one of this size, the first at its left edge, the second at its right."""
    picture = np.full((*size_hw, 3), _PAPER, np.uint8)
    height, width = left_bgr.shape[:2]
    top = (size_hw[0] - height) // 2
    picture[top : top + height, :width] = left_bgr
    picture[top : top + height, size_hw[1] - width :] = right_bgr
    return picture


def _legend(height: int, result: SceneResult, view: View, hidden: frozenset[str]) -> np.ndarray:
    """What the colours of a view mean, (height, w, 3) uint8 BGR, with a w that is always the same."""
    if view == "semantic+depth":
        below = height // 2 if height // 2 >= _LEAST_SCALE else 0
        names = _legend(height - below, result, "semantic", hidden)
        return cv2.vconcat([names, _legend(below, result, "depth", hidden)]) if below else names
    if view in ("depth", "confidence", "disagreement"):
        far = result.depth.max_m if result.depth is not None and view == "depth" else None
        return _scale(height, view, far)
    part = getattr(result, view, None)  # the frame alone has no colours
    if part is None:
        return _names(height, (), ())
    space: LabelSpace = part.space
    shown = [item for item in space.painted if item.name not in hidden]
    if len(shown) > legend_rows(height):  # those that are there, then
        there = part.shares()
        shown = [item for item in shown if item.name in there]
    return _names(height, tuple(i.name for i in shown), tuple(i.color for i in shown))


@lru_cache(maxsize=64)
def _names(
    height: int, names: tuple[str, ...], colors_rgb: tuple[tuple[int, int, int], ...]
) -> np.ndarray:
    return draw_legend(height, names, colors_rgb)


@lru_cache(maxsize=64)
def _scale(height: int, view: View, far_m: float | None) -> np.ndarray:
    if view == "depth":
        metres = [m for m in _METRES if far_m is None or m <= far_m]
        levels = encode_depth(np.array([metres], np.float32))[0].tolist()
        marks = [(level, f"{m} m") for m, level in zip(metres, levels, strict=True)]
        return draw_scale(height, depth_palette(), marks)
    if view == "confidence":
        marks = [(max(1, 255 - round(2.55 * sure)), f"{sure} % sure") for sure in _SURE]
        return draw_scale(height, doubt_palette(), marks)
    kinds = {
        Disagreement.CLASS: "another class",
        Disagreement.NO_OBJECT: "object missing",
        Disagreement.REFUSED: "object refused",
    }
    red, green, blue = disagreement_palette()[list(kinds)].T.tolist()
    return draw_legend(height, list(kinds.values()), list(zip(red, green, blue, strict=True)))
