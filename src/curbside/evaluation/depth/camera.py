"""Whether pictures were taken by the camera that a network's metres are for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...imaging import Placement
from ...manifest import Manifest
from ...prepared import Sample

__all__ = ["CameraFit", "camera_fit"]

_ALIKE = 0.05


@dataclass(frozen=True, kw_only=True)
class CameraFit:
    """The focal lengths of a network and of pictures, both in pixels of the network's input."""

    network_xy_px: tuple[float, float] | None
    """What the network's metres are for, along x and y; None where its file does not tell."""
    pictures_xy_px: tuple[float, float] | None
    """The median of the pictures; None where none tells."""
    pictures: int
    """How many of them tell."""
    others: int
    """How many of these are of another camera: one of the two is more than 5 % off."""
    factor: float | None
    """How many times the network's focal length theirs is, the median; it sees everything so much too
    near. None where one of them is not known."""

    @property
    def remark(self) -> str:
        """What a reader must know of the metres; empty where they are for this camera, or nobody knows."""
        if not self.others or not self.factor or not self.network_xy_px or not self.pictures_xy_px:
            return ""
        theirs, own = (_said(pair) for pair in (self.pictures_xy_px, self.network_xy_px))
        return (
            f"metric scale is for another camera: {self.others} of {self.pictures} pictures have another"
            f" focal length than the network was trained for, {theirs} against {own} px of its input;"
            f" its depth times {self.factor:.3g} would be in their metres"
        )

    def to_dict(self) -> dict[str, Any]:
        """The focal lengths as JSON values."""
        return {
            "network_focal_xy_px": self.network_xy_px and list(self.network_xy_px),
            "pictures_focal_xy_px": self.pictures_xy_px and list(self.pictures_xy_px),
            "pictures": self.pictures,
            "other_pictures": self.others,
            "factor": self.factor,
        }


def camera_fit(manifest: Manifest, samples: Sequence[Sample]) -> CameraFit:
    """Compare the camera that a network's metres are for with those of pictures.

    Args:
        manifest: The network's.
        samples: What it is to be scored on.
    """
    own = None if manifest.depth is None else manifest.depth.focal_xy_px
    theirs = [pair for sample in samples if (pair := _at_input(sample, manifest)) is not None]
    if not theirs:
        return CameraFit(network_xy_px=own, pictures_xy_px=None, pictures=0, others=0, factor=None)
    along_x, along_y = np.median(np.array(theirs), axis=0).tolist()
    others, factor = 0, None
    if own is not None:
        ratios = [(x / own[0], y / own[1]) for x, y in theirs]
        others = sum(max(abs(ratio - 1) for ratio in pair) > _ALIKE for pair in ratios)
        factor = float(np.median([math.sqrt(math.prod(pair)) for pair in ratios]))
    return CameraFit(
        network_xy_px=own,
        pictures_xy_px=(along_x, along_y),
        pictures=len(theirs),
        others=others,
        factor=factor,
    )


def _at_input(sample: Sample, manifest: Manifest) -> tuple[float, float] | None:
    """A sample's focal length along x and y in pixels of a network's input."""
    own = sample.record.focal_xy_px
    if own is None:
        return None
    make = Placement.letterbox if manifest.input.fit == "letterbox" else Placement.stretch
    scale_x, scale_y = make(sample.record.size_hw, manifest.input.size_hw).scale_xy
    return own[0] * scale_x, own[1] * scale_y


def _said(pair: tuple[float, float]) -> str:
    return " x ".join(f"{value:.4g}" for value in pair)
