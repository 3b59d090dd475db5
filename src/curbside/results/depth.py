"""How far away every pixel of a frame is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging import blend_depth

__all__ = ["DepthResult"]


@dataclass(frozen=True, kw_only=True)
class DepthResult:
    """How far away every pixel of a frame is, along the camera's axis.

    Raises:
        ValueError: The array has the wrong shape or type, or holds a value that is no distance.
    """

    depth_m: np.ndarray
    """Depth in metres, (H, W) float32, at the frame's size; 0 where nothing is known."""
    max_m: float | None = None
    """The farthest that the network can say, in metres; None where it has no such limit."""

    def __post_init__(self) -> None:
        depth = self.depth_m
        if depth.ndim != 2 or depth.dtype != np.float32 or not depth.size:
            raise ValueError(f"depth_m must be (H, W) float32, not {depth.shape} {depth.dtype}")
        low, high = float(depth.min()), float(depth.max())  # NaN where any value is
        if not 0 <= low <= high < float("inf"):
            raise ValueError(f"depths must be 0 m or more and finite, not {low} to {high} m")
        if self.max_m is not None and not 0 < self.max_m < float("inf"):
            raise ValueError(f"the farthest depth cannot be {self.max_m} m")

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.depth_m.shape[0], self.depth_m.shape[1]

    @property
    def known(self) -> np.ndarray:
        """Where a depth is known, (H, W) bool."""
        return self.depth_m > 0

    def draw(self, frame_bgr: np.ndarray, *, alpha: float = 0.5) -> np.ndarray:
        """The frame with the depth over it: near is warm, far is cool, unknown shows the frame darkened.

        A distance has the same colour on every frame and for every network.

        Args:
            frame_bgr: The frame that was predicted, (H, W, 3) uint8.
            alpha: 0 shows the frame alone, 1 the colours alone.

        Returns:
            A new (H, W, 3) uint8 BGR picture.
        """
        return blend_depth(frame_bgr, self.depth_m, alpha=alpha)
