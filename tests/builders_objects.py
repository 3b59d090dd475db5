"""Tiny prepared folders of pictures with objects, each in its own colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curbside.labels import LabelClass, LabelSpace
from curbside.prepared import PreparedWriter, SampleData, write_sample

__all__ = ["SPACE", "objects_folder", "objects_picture"]

SPACE = LabelSpace(
    name="yard",
    classes=(
        LabelClass(id=0, name="ground", color=(90, 90, 90)),
        LabelClass(id=1, name="car", color=(0, 0, 200), has_instances=True),
        LabelClass(id=2, name="bus", color=(200, 200, 0), has_instances=True),
        LabelClass(id=3, name="dog", color=(0, 200, 0), has_instances=True),
    ),
)


def objects_picture(
    seed: int, *, size_hw: tuple[int, int] = (96, 128), count: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """A picture of boxes and discs on noise, and its instance map: cars are blue boxes, buses yellow ones
    and larger, dogs green discs; each object a little different in colour."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    rgb = random.integers(70, 110, (height, width, 3))
    instances = np.zeros(size_hw, np.uint16)
    y, x = np.mgrid[:height, :width]
    for number in range(count):
        class_id = int(random.integers(1, 4))
        half = (
            random.uniform(0.16, 0.22) if class_id == 2 else random.uniform(0.08, 0.13)
        ) * height
        middle = random.uniform(half, height - half), random.uniform(half, width - half)
        away = np.abs(y - middle[0]), np.abs(x - middle[1])
        if class_id == 3:
            inside = away[0] ** 2 + away[1] ** 2 < half**2
        else:
            inside = (away[0] < 0.7 * half) & (away[1] < half)
        color = SPACE.classes[class_id].color
        rgb[inside] = np.array(color) + random.integers(0, 50, 3)
        instances[inside] = class_id * 1000 + number
    return rgb.clip(0, 255).astype(np.uint8), instances


def objects_folder(
    root: Path, *, train: int = 4, val: int = 2, size_hw: tuple[int, int] = (96, 128)
) -> Path:
    """A prepared folder of `objects_picture`."""
    writer = PreparedWriter(root, space=SPACE, source="yard")
    for split, count, offset in (("train", train, 0), ("val", val, 1000)):
        for index in range(count):
            rgb, instances = objects_picture(offset + index, size_hw=size_hw)
            data = SampleData(id=f"{index:03}", split=split, image=rgb, instances=instances)
            writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return root
