"""ACDC: adverse conditions, each with the same street in clear weather; no truth for test."""

from __future__ import annotations

from ...imaging import encode_png
from ..cityscapes_truth import CityscapesTruth
from ..shot import Files, Shot

__all__ = ["CONDITIONS", "files"]

CONDITIONS = ("fog", "night", "rain", "snow")
_PER_SEQUENCE = 10


def files(shot: Shot) -> Files:
    """A picture with its masks, and its reference picture without."""
    sequence = f"GOPR{shot.number // _PER_SEQUENCE:04d}"
    frame = f"{sequence}/{sequence}_frame_{shot.number:06d}"
    images, truths = f"rgb_anon/{shot.condition}", f"gt/{shot.condition}"
    pictures = {
        f"{images}/{shot.split}_ref/{frame}_rgb_ref_anon.png": lambda: encode_png(
            shot.under("clear").rgb
        ),
        f"{images}/{shot.split}/{frame}_rgb_anon.png": lambda: encode_png(shot.scene.rgb),
    }
    if shot.split == "test":
        return pictures

    def truth() -> CityscapesTruth:
        return CityscapesTruth(scene=shot.scene)

    gt = f"{truths}/{shot.split}/{frame}_gt"
    return {
        f"{gt}_labelIds.png": lambda: encode_png(truth().ids("id")),
        f"{gt}_labelTrainIds.png": lambda: encode_png(truth().ids("trainId")),
        f"{gt}_labelColor.png": lambda: encode_png(truth().colors()),
    } | pictures
