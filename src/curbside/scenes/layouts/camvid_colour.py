"""CamVid as first published: masks of thirty-two colours, and lists that say the splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...imaging import encode_png
from ...labels import camvid_labels, idd_labels
from ...prepared import SPLITS
from ..shot import Files, Shot

__all__ = ["LABELS", "files", "lists"]

LABELS: Mapping[str, str] = {
    "road": "Road",
    "sidewalk": "Sidewalk",
    "person": "Pedestrian",
    "animal": "Animal",
    "rider": "Bicyclist",
    "motorcycle": "MotorcycleScooter",
    "bicycle": "Bicyclist",
    "car": "Car",
    "truck": "Truck_Bus",
    "bus": "Truck_Bus",
    "train": "Train",
    "autorickshaw": "OtherMoving",
    "caravan": "OtherMoving",
    "trailer": "OtherMoving",
    "vehicle fallback": "OtherMoving",
    "wall": "Wall",
    "fence": "Fence",
    "billboard": "Misc_Text",
    "traffic sign": "SignSymbol",
    "traffic light": "TrafficLight",
    "pole": "Column_Pole",
    "polegroup": "Column_Pole",
    "building": "Building",
    "bridge": "Bridge",
    "tunnel": "Tunnel",
    "vegetation": "Tree",
    "sky": "Sky",
}
"""CamVid's label of each of IDD's; of those that are not here, Void."""

_VOID = "Void"


def files(shot: Shot) -> Files:
    """A picture and its mask."""
    return {
        f"LabeledApproved_full/{_name(shot)}_L.png": lambda: encode_png(_colors(shot)),
        f"701_StillsRaw_full/{_name(shot)}.png": lambda: encode_png(shot.scene.rgb),
    }


def lists(shots: Sequence[Shot]) -> Mapping[str, bytes]:
    """The pictures of each split, and the colours of the labels."""
    colors = [
        f"{' '.join(map(str, label.color))}\t{label.name}\n" for label in camvid_labels().values()
    ]
    found = {"label_colors.txt": "".join(colors).encode()}
    for split in SPLITS:
        lines = [f"{_name(shot)}.png\n" for shot in shots if shot.split == split]
        if lines:
            found[f"{split}.txt"] = "".join(lines).encode()
    return found


def _name(shot: Shot) -> str:
    return f"{shot.condition}_{shot.index:07d}"  # all splits lie in one folder


def _colors(shot: Shot) -> np.ndarray:
    labels = camvid_labels()
    table = np.zeros((256, 3), np.uint8)
    for name, label in idd_labels().items():
        table[label.ids["id"]] = labels[LABELS.get(name, _VOID)].color
    return table[shot.scene.ids("id")]
