"""AI-Hub's sidewalk data: a street is a folder of surfaces, of obstacles or of depth, in turn.

Annotators outlined surfaces and obstacles whole, so that what stands before them and has no label
of the kind does not cut them; what is mostly hidden they left out. The disparity is in pixels times
100, in a strip of rows that leaves black bars above and below, as in the public sample; its
confidence is white where both cameras see the place, and in the bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from PIL import Image

from ...imaging import encode_jpeg, encode_png, fill_polygon
from ...labels import load_space, mapping
from ...labels.safetrip import SURFACE_CLASSES
from ..cvat_file import cvat_file
from ..scene import LabelledPolygon, Scene
from ..shot import Files, Shot

__all__ = ["DISPARITY_SCALE", "DROPPED", "files"]

DISPARITY_SCALE = 100
"""Disparity files hold pixels times this."""
DROPPED: Mapping[str, str] = {
    "traffic sign": "traffic_sign",
    "traffic light": "traffic_light",
    "animal": "dog",
    "billboard": "movable_signage",
}
"""IDD's labels that AI-Hub's obstacles have and SafeTrip-Q has not."""

_FRAMES_S = (0.0, 1.0)  # the frames of an annotated folder
_SEEN = 0.3  # the part of an outline that must be seen
_BASELINE_M = 0.12
_RESOLUTIONS = {(1242, 2208): "2K", (1080, 1920): "FHD", (720, 1280): "HD", (376, 672): "VGA"}
_FOCAL_OF_VGA = {"2K": 4, "FHD": 4, "HD": 2, "VGA": 1}
"""The camera's focal lengths, in those of its smallest picture: the two largest share one lens."""
_STRIP = (0.225, 0.773)  # rows with disparity, as shares of the height


def files(shot: Shot) -> Files:
    """One folder: annotated frames and their XML, or a stereo pair with disparity and its `.conf`."""
    kind = ("Surface", "Polygon", "Depth")[shot.number % 3]
    folder = f"{kind}_{shot.index + 1:03d}"
    if kind == "Depth":
        return _depth_files(shot, folder)
    return _annotated_files(shot, folder, surface=kind == "Surface")


def _annotated_files(shot: Shot, folder: str, *, surface: bool) -> Files:
    drive = _Drive(shot=shot)
    names = [f"{folder}_{number:06d}.jpg" for number in range(1, 1 + len(_FRAMES_S))]
    found = {f"{folder}/{folder}.xml": lambda: _cvat(drive.scenes, names, folder, surface=surface)}
    for number, name in enumerate(names):
        found[f"{folder}/{name}"] = lambda number=number: encode_jpeg(  # type: ignore[misc]
            drive.scenes[number].rgb, quality=95
        )
    return found


def _depth_files(shot: Shot, folder: str) -> Files:
    pair = _Pair(shot=shot)
    stem = f"{folder}/{folder}_000001"
    return {
        f"{folder}/{folder}.conf": lambda: _calibration(pair).encode(),
        f"{stem}_confidence.png": lambda: encode_png(pair.confidence()),
        f"{stem}_disp16.png": lambda: encode_png(pair.stored_disparity()),
        f"{stem}_right.png": lambda: encode_png(pair.between_bars(pair.right.rgb)),
        f"{stem}_left.png": lambda: encode_png(pair.between_bars(pair.left.rgb)),
    }


@dataclass(frozen=True, kw_only=True)
class _Drive:
    """A few frames along one street."""

    shot: Shot

    @cached_property
    def scenes(self) -> list[Scene]:
        world = self.shot.world
        return [world.scene(size_hw=self.shot.size_hw, time_s=time) for time in _FRAMES_S]


def _cvat(scenes: list[Scene], names: list[str], task: str, *, surface: bool) -> bytes:
    """A CVAT 1.1 file of some frames."""
    labels = _labels(surface=surface)
    return cvat_file(
        task,
        sorted(_choices(surface=surface)),
        list(zip(names, scenes, strict=True)),
        lambda scene: [(labels[p.label], p) for p in _outlined(scene, labels)],
    )


@cache
def _labels(*, surface: bool) -> dict[str, str]:
    """AI-Hub's name of each of IDD's labels, of the surfaces or of the obstacles."""
    classes = mapping(load_space("idd-id"), load_space("safetrip24")).classes
    known = {row.source: row.target for row in classes if row.target} | dict(DROPPED)
    return {name: label for name, label in known.items() if (label in SURFACE_CLASSES) == surface}


def _choices(*, surface: bool) -> set[str]:
    """What the annotators could choose from."""
    if surface:
        return set(SURFACE_CLASSES)
    return set(load_space("safetrip24").names) - set(SURFACE_CLASSES) | set(DROPPED.values())


def _outlined(scene: Scene, labels: Mapping[str, str]) -> list[LabelledPolygon]:
    seen = np.bincount(scene.owner.ravel(), minlength=len(scene.polygons))
    return [
        polygon
        for polygon, pixels in zip(scene.polygons, seen, strict=True)
        if polygon.label in labels and pixels >= _SEEN * _area(polygon, scene.depth_m.shape)
    ]


def _area(polygon: LabelledPolygon, size_hw: tuple[int, ...]) -> int:
    """How many pixels of the picture an outline covers."""
    canvas = Image.new("L", (size_hw[1], size_hw[0]))
    fill_polygon(canvas, polygon.points, 1)
    return int(np.count_nonzero(np.asarray(canvas)))


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A street through both lenses of a stereo camera."""

    shot: Shot

    @property
    def size_hw(self) -> tuple[int, int]:
        """A resolution of the camera's: that of the set if it is one, else the smallest."""
        size_hw = self.shot.size_hw
        return size_hw if size_hw in _RESOLUTIONS else (376, 672)

    @cached_property
    def left(self) -> Scene:
        return self.shot.world.scene(size_hw=self.size_hw)

    @cached_property
    def right(self) -> Scene:
        return self.shot.world.scene(size_hw=self.size_hw, x_m=_BASELINE_M)

    @property
    def focal_px(self) -> float:
        return self.shot.world.street.camera(self.size_hw).focal_px

    @cached_property
    def disparity_px(self) -> np.ndarray:
        """(H, W) float32; 0 is the sky."""
        depth_m = self.left.depth_m
        near = np.float32(self.focal_px * _BASELINE_M)
        return np.divide(near, depth_m, out=np.zeros_like(depth_m), where=depth_m > 0)

    def stored_disparity(self) -> np.ndarray:
        """(H, W) uint16."""
        stored = np.rint(self.disparity_px * DISPARITY_SCALE).clip(0, 65535).astype(np.uint16)
        return self.between_bars(stored)

    def confidence(self) -> np.ndarray:
        """(H, W) uint8: 0 where the right lens does not see the place, 255 elsewhere."""
        height, width = self.size_hw
        rows, columns = np.indices(self.size_hw)
        there = np.rint(columns - self.disparity_px).astype(int)
        inside = there >= 0
        nearest = np.zeros((height, width), np.float32)
        np.maximum.at(nearest, (rows[inside], there[inside]), self.disparity_px[inside])
        covered = nearest[rows, there.clip(0)] > self.disparity_px + 1
        return np.where(inside & ~covered | self._bars, 255, 0).astype(np.uint8)

    def between_bars(self, pixels: np.ndarray) -> np.ndarray:
        """The pixels, black above and below the strip."""
        pixels = pixels.copy()
        pixels[self._bars[:, 0]] = 0
        return pixels

    @property
    def _bars(self) -> np.ndarray:
        """(H, W) bool."""
        height, width = self.size_hw
        top, bottom = (int(share * height) for share in _STRIP)
        rows = np.arange(height)
        return np.repeat(((rows < top) | (rows > bottom))[:, None], width, axis=1)


def _calibration(pair: _Pair) -> str:
    """The camera's `.conf` file: every resolution of both eyes, in the camera's own order."""
    vga_px = pair.focal_px / _FOCAL_OF_VGA[_RESOLUTIONS[pair.size_hw]]
    sections = {}
    for (height, width), name in _RESOLUTIONS.items():
        focal = f"{vga_px * _FOCAL_OF_VGA[name]:.6f}"
        center = {"cx": f"{(width - 1) / 2:.3f}", "cy": f"{(height - 1) / 2:.3f}"}
        for eye in ("LEFT", "RIGHT"):
            sections[f"{eye}_CAM_{name}"] = {"fx": focal, "fy": focal, **center}
        if name == "2K":
            sections["STEREO"] = {"BaseLine": f"{_BASELINE_M * 1000:g}"}
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())
        for name, values in sections.items()
    )
