"""Cityscapes: polygons and all masks; a city is a condition, the test split says nothing."""

from __future__ import annotations

import json

import numpy as np

from ...imaging import encode_png
from ..cityscapes_truth import CityscapesTruth
from ..shot import Files, Shot

__all__ = ["files"]


def files(shot: Shot) -> Files:
    """A picture, its polygons and four masks."""
    name = f"{shot.split}/{shot.condition}/{shot.condition}_{shot.number:06d}_000019"

    def truth() -> CityscapesTruth:
        return CityscapesTruth(scene=shot.scene, annotated=shot.split != "test")

    gt = f"gtFine/{name}_gtFine"
    return {
        f"{gt}_polygons.json": lambda: json.dumps(truth().polygons()).encode(),
        f"{gt}_labelIds.png": lambda: encode_png(truth().ids("id")),
        f"{gt}_labelTrainIds.png": lambda: encode_png(truth().ids("trainId")),
        f"{gt}_instanceIds.png": lambda: encode_png(truth().instances().astype(np.uint16)),
        f"{gt}_color.png": lambda: encode_png(truth().colors()),
        f"leftImg8bit/{name}_leftImg8bit.png": lambda: encode_png(shot.scene.rgb),
    }
