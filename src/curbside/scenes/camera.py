"""The pinhole camera: metres to pixels, and the depth of planes.

Metres: x right, y up from the ground, z forward from the camera. Pixels: u right, v down, whole
numbers at pixel centres. A pitched camera is taken as one with a shifted horizon (its picture is
rectified), so that upright things stay upright in the picture and `v = horizon + focal * (height
- y) / z`.

The inverse depth of any plane is affine in the pixel, `1 / z = a * u + b * v + c`, so a plane is
the three numbers `(a, b, c)`; `(0, 0, 0)` is infinitely far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FAR", "NEAR_M", "Camera", "InversePlane"]

InversePlane = tuple[float, float, float]
"""`(a, b, c)` of `1 / z = a * u + b * v + c`."""

FAR: InversePlane = (0.0, 0.0, 0.0)
"""The sky."""

NEAR_M = 0.7
"""What is nearer than this is cut off."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera above flat ground."""

    size_hw: tuple[int, int]
    """Height and width of the picture in pixels."""
    focal_px: float
    """Focal length in pixels."""
    horizon_px: float
    """Row of the horizon."""
    height_m: float
    """Height of the lens above the road."""
    x_m: float = 0.0
    """How far to the right of its place the lens is: the right eye of a stereo camera."""

    @property
    def center_px(self) -> float:
        """Column of the optical axis."""
        return (self.size_hw[1] - 1) / 2

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in metres, z > 0, to (N, 2) pixels, both float."""
        scale = self.focal_px / points[:, 2]
        out = np.empty((len(points), 2))
        out[:, 0] = self.center_px + (points[:, 0] - self.x_m) * scale
        out[:, 1] = self.horizon_px + (self.height_m - points[:, 1]) * scale
        return out

    def level_plane(self, y_m: float = 0.0) -> InversePlane:
        """The plane at the height `y_m`; 0 is the road."""
        b = 1.0 / (self.focal_px * (self.height_m - y_m))
        return (0.0, b, -self.horizon_px * b)

    def planes_of(
        self, corners: np.ndarray, normals: np.ndarray
    ) -> tuple[list[InversePlane], np.ndarray]:
        """The planes through one corner each, with one normal each, both (F, 3) in metres.

        A plane that is seen edge-on has no depth per pixel; it is taken to face the camera.

        Returns:
            The planes, and whether each turns its front to the camera: (F,) bool.
        """
        relative = corners - (self.x_m, self.height_m, 0.0)
        distances = (normals * relative).sum(axis=1)
        edge_on = np.abs(distances) <= 1e-3 * np.abs(normals).sum(axis=1)
        away = np.where(edge_on, 1.0, distances)
        a = normals[:, 0] / (self.focal_px * away)
        b = -normals[:, 1] / (self.focal_px * away)
        c = normals[:, 2] / away - a * self.center_px - b * self.horizon_px
        a[edge_on] = b[edge_on] = 0.0
        c[edge_on] = 1.0 / np.maximum(corners[edge_on, 2], NEAR_M)
        return list(zip(a.tolist(), b.tolist(), c.tolist(), strict=True)), distances < 0
