"""BDD100K's 10K pictures with masks of train ids, the test split without, and their attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ...imaging import encode_jpeg, encode_png
from ...prepared import SPLITS
from ..cityscapes_truth import CityscapesTruth
from ..shot import Files, Shot

__all__ = ["files", "lists"]

_WEATHER = {"clear": "clear", "fog": "foggy", "night": "clear", "rain": "rainy", "snow": "snowy"}


def files(shot: Shot) -> Files:
    """A picture and its mask."""
    name = f"{shot.split}/{_clip(shot)}"
    picture = {f"images/10k/{name}.jpg": lambda: encode_jpeg(shot.scene.rgb, quality=95)}
    if shot.split == "test":
        return picture

    def mask() -> bytes:
        return encode_png(CityscapesTruth(scene=shot.scene).ids("trainId"))

    return {f"labels/sem_seg/masks/{name}.png": mask} | picture


def lists(shots: Sequence[Shot]) -> Mapping[str, bytes]:
    """The attributes of the pictures of each split."""
    found = {}
    for split in SPLITS:
        frames = [_frame(shot) for shot in shots if shot.split == split]
        if frames:
            name = f"labels/bdd100k_labels_images_{split}.json"
            found[name] = json.dumps(frames, indent=1).encode()
    return found


def _frame(shot: Shot) -> dict[str, object]:
    time = "night" if shot.condition == "night" else "daytime"
    attributes = {"weather": _WEATHER[shot.condition], "scene": "city street", "timeofday": time}
    return {"name": f"{_clip(shot)}.jpg", "attributes": attributes}


def _clip(shot: Shot) -> str:
    return f"{shot.index:08x}-{shot.seed:08x}"
