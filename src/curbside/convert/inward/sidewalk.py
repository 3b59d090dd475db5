"""AI-Hub's sidewalk data, as SafeTrip-Q uses it: surfaces, obstacles and depth, never all at once.

::

    Surface_001/  <name>.jpg ...  Surface_001.xml (CVAT 1.1)  MASK/<name>.png (not read)
    Polygon_0001/ <name>.jpg ...  Polygon_0001.xml
    Depth_001/    <name>_left.png  <name>_disp16.png  <name>_confidence.png ...  Depth_001.conf

These may lie anywhere under the root, and as in the public sample (`rawdata/`, `output/`, names such
as `Sidewalk_19009_depth_disp16_000001_0.png`). An annotation file's images are found by their base
names alone, the nearest folder first.

Of the depth pictures, `left` and `right` are the rectified pair, with black bars above and below;
`L` and `R` are what the camera saw, do not lie on the disparity and are not read. `confidence` is
black or white. Its bars are white and have no disparity, so that confidence is kept only where depth
is known. White is taken for trusted: on the public pair, 79 % of the pixels that the right camera
cannot see are black, of the others 41 %. It is a weak witness all the same: where both cameras see
a near surface, black and white agree with a matching of the pair equally well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import DataError
from ...imaging import read_ids
from ...labels import LabelSpace, load_space
from ...labels.safetrip import DROPPED_LABELS, SURFACE_CLASSES
from ...prepared import SampleData
from ..cvat_items import CvatItem, cvat_items
from ..cvat_xml import CvatFile
from ..roots import require_root
from ..source import Item, Source, unique
from ..stereo import (
    StereoFrame,
    check_scale,
    depth_from_disparity,
    read_calibration,
    read_disparity,
    stereo_frames,
)
from ..tree import FileTree

__all__ = ["DepthItem", "Sidewalk", "SidewalkItem"]

_SPACE = "safetrip24"
_LAYOUT = "give the folder that holds Surface_*, Polygon_* or Depth_* folders, unpacked"


@dataclass(frozen=True, kw_only=True)
class Sidewalk(Source):
    """AI-Hub's sidewalk images (SafeTrip-Q): surfaces, obstacles and ZED depth."""

    disparity_scale: float = 100.0
    """What the disparity in disp16 files was multiplied with: 100, measured on the public sample
    (`curbside disparity-check ROOT` measures yours)."""
    trusted: Literal["white", "black"] = "white"
    """Which pixels of a confidence picture are the trusted ones."""

    @property
    def space(self) -> LabelSpace:
        """SafeTrip-Q's 24 classes."""
        return load_space(_SPACE)

    def options(self) -> dict[str, Any]:
        """How depth and confidence were read, and the labels that became ignore, with the reasons."""
        return {
            "disparity_scale": self.disparity_scale,
            "trusted": self.trusted,
            "dropped": dict(DROPPED_LABELS),
        }

    def plan(self) -> list[Item]:
        """One item per annotated image and per disparity file, all in `train`.

        Annotation files are walked for the names of their images; one that cannot be is one item,
        which will fail with the reason. XML that is not CVAT's is left alone.

        Raises:
            DataError: The root is missing or holds neither annotations nor disparity.
            ConfigError: The disparity scale is impossible.
        """
        check_scale(self.disparity_scale)
        require_root(self.root, layout=_LAYOUT)
        tree = FileTree(self.root)
        taken: set[str] = set()
        items = list(
            cvat_items(
                tree, SidewalkItem, taken={"train": taken}, annotated=self._annotated_classes
            )
        )
        for frame in stereo_frames(tree):
            item = DepthItem(
                id=unique(tree.short_name(frame.left), taken),
                split="train",
                frame=frame,
                recording=self._within(frame.calibrations[0])
                if frame.calibrations
                else self._within(frame.disparity.parent),
                scale=self.disparity_scale,
                white_is_trusted=self.trusted == "white",
            )
            items.append(item)
        if not items:
            raise DataError(
                f"{self.root} holds no CVAT annotations and no disparity{tree.not_entered()}",
                fix=_LAYOUT,
            )
        return items

    def _within(self, path: Path) -> str:
        """A path relative to the root, the same on every machine."""
        return path.relative_to(self.root).as_posix()

    def _annotated_classes(self, path: Path, file: CvatFile) -> tuple[str, ...]:
        """What the annotators could choose; where the file does not say, the whole group of what
        they did choose."""
        names = self.space.names
        chosen = {*file.labels, *file.used}
        if not file.labels:
            surface, obstacles = set(SURFACE_CLASSES), set(names) - set(SURFACE_CLASSES)
            for group in (surface, obstacles):
                chosen |= group if group & chosen else set()
        annotated = tuple(name for name in names if name in chosen)
        if not annotated:
            raise DataError(
                f"{path} knows no label of {self.space.name}",
                fix="keep CVAT files of other data out of the folder",
            )
        return annotated


@dataclass(frozen=True, kw_only=True)
class SidewalkItem(CvatItem):
    """One image annotated with surfaces or obstacles."""

    @property
    def space(self) -> LabelSpace:
        """SafeTrip-Q's 24 classes."""
        return load_space(_SPACE)

    @property
    def dropped(self) -> Collection[str]:
        """AI-Hub's labels that SafeTrip-Q does not have."""
        return DROPPED_LABELS

    @property
    def tags(self) -> Mapping[str, str]:
        """The annotation file, and `surface`, `polygon` or, for files of one's own, `both`."""
        names = self.annotated or ()
        surfaces = sum(name in SURFACE_CLASSES for name in names)
        kind = {0: "polygon", len(names): "surface"}.get(surfaces, "both")
        return {"kind": kind, "sequence": self.annotation.stem}


@dataclass(frozen=True, kw_only=True)
class DepthItem(Item):
    """One picture of the ZED camera with its disparity."""

    frame: StereoFrame
    """Its files."""
    recording: str
    """The calibration, which is one recording's, relative to the root."""
    scale: float
    """What the disparity was multiplied with."""
    white_is_trusted: bool
    """Which pixels of the confidence picture are the trusted ones."""

    @property
    def group(self) -> str:
        """The recording."""
        return self.recording

    def load(self) -> SampleData:
        """Turn disparity into metres.

        Raises:
            DataError: A file is missing, damaged, ambiguous, or of another size.
        """
        frame = self.frame
        if not frame.left.is_file():
            raise DataError(
                f"{frame.disparity} has no rectified left picture {frame.left.name}",
                fix="add it (the one called L is not rectified), or remove the disparity",
            )
        if len(frame.calibrations) != 1:
            found = " and ".join(map(str, frame.calibrations[:2])) or "none"
            raise DataError(
                f"{frame.disparity} needs one .conf file, found {found}",
                fix="put the camera's .conf file into the folder of the disparity",
            )
        raw = read_disparity(frame.disparity)
        calibration = read_calibration(frame.calibrations[0], (raw.shape[0], raw.shape[1]))
        depth_m = depth_from_disparity(raw, calibration, self.scale)
        return SampleData(
            id=self.id,
            split=self.split,
            image=frame.left,
            depth_m=depth_m,
            confidence=self._confidence(depth_m),
            annotated=(),
            focal_xy_px=(calibration.fx_px, calibration.fy_px),
            tags={"kind": "depth", "sequence": frame.calibrations[0].stem},
        )

    def _confidence(self, depth_m: np.ndarray) -> np.ndarray | None:
        path = self.frame.confidence
        if not path.is_file():
            return None
        seen = read_ids(path)
        if seen.dtype != np.uint8 or seen.shape != depth_m.shape:
            raise DataError(
                f"{path} is {seen.shape[1]} x {seen.shape[0]} pixels of {8 * seen.itemsize} bits, "
                f"its disparity {depth_m.shape[1]} x {depth_m.shape[0]}",
                fix="give an 8-bit confidence picture of the disparity's size, or remove it",
            )
        trusted = seen if self.white_is_trusted else 255 - seen
        return np.where(depth_m > 0, trusted, np.uint8(0))
