"""The camera that a network's metres are for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from ..manifest import DepthSpec
from ..models import SegmentationModel
from ..prepared import Sample

__all__ = ["Camera", "camera_of", "depth_spec"]

_ALIKE = 0.02


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The camera that depth is told for."""

    focal_xy_px: tuple[float, float] | None
    """Its focal length along x and y, in pixels of the network's input; None where no sample tells."""
    words: str
    """Where it is from."""
    note: str = ""
    """What the person who trains should know of it; empty where there is nothing."""

    @property
    def focal_px(self) -> float | None:
        """The geometric mean of both."""
        return None if self.focal_xy_px is None else math.sqrt(math.prod(self.focal_xy_px))

    def to_dict(self) -> dict[str, Any]:
        """The camera as JSON values."""
        return asdict(self)


def camera_of(train: Sequence[Sequence[Sample]], size_hw: tuple[int, int]) -> Camera:
    """The camera in the middle of those of the samples with depth, in order of their focal lengths.

    Args:
        train: The samples that are learnt from, of each folder.
        size_hw: Height and width of the network's input.
    """
    deep = [sample for sample in chain(*train) if "depth" in sample.record.targets]
    seen: list[tuple[float, float, str]] = []
    for sample in deep:
        height, width = sample.record.size_hw
        own = sample.record.focal_xy_px
        if own is None:
            continue
        words = f"{sample.root.resolve().name}: {own[0]:.5g} px at {width} x {height}"
        seen.append((own[0] * size_hw[1] / width, own[1] * size_hw[0] / height, words))
    if not seen:
        note = (
            "no sample tells the focal length of its camera: depth is metric for that camera alone"
        )
        return Camera(focal_xy_px=None, words="", note=note if deep else "")
    seen.sort(key=lambda camera: (camera[0] * camera[1], camera))
    along_x, along_y, words = seen[(len(seen) - 1) // 2]
    others = [
        (x, y) for x, y, _ in seen if abs(x / along_x - 1) > _ALIKE or abs(y / along_y - 1) > _ALIKE
    ]
    remarks = []
    if others:
        cameras = len({(f"{x:.4g}", f"{y:.4g}") for x, y in others})
        words += f", and {cameras} other{'s' if cameras > 1 else ''}"
        remarks.append(
            f"{len(others)} of {len(seen)} samples are of another focal length than"
            f" {along_x:.4g} x {along_y:.4g} px: their depth is told as that camera would see it"
        )
    if len(seen) < len(deep):
        remarks.append(
            f"{len(deep) - len(seen)} of {len(deep)} samples with depth do not tell their focal"
            " length, and are taken to be of that camera"
        )
    return Camera(focal_xy_px=(along_x, along_y), words=words, note="; ".join(remarks))


def depth_spec(model: SegmentationModel, dataset: Mapping[str, Any]) -> DepthSpec:
    """What a Manifest says of a run's metres.

    Args:
        model: Its network.
        dataset: What its `config.json` says of the data.

    Raises:
        KeyError, TypeError, ValueError, ModelFileError: It says something else.
    """
    camera = dataset.get("camera") or {"focal_xy_px": None, "words": ""}
    facts = {"focal_xy_px": camera["focal_xy_px"], "camera": camera["words"]}
    return DepthSpec.from_dict({"max_m": model.max_depth_m, **facts})
