"""Tiny datasets in their true folder layouts, made with Pillow and json alone."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

__all__ = [
    "KILLED_AT",
    "add_idd_frame",
    "box",
    "idd_object",
    "make_camvid_tree",
    "make_idd_tree",
    "photo",
    "tree_bytes",
]

KILLED_AT = """
import os, signal, sys
from pathlib import Path
count, whole = 0, Path.replace
wanted = int(sys.argv[1])
def replace(self, target):
    global count
    count += 1
    if count == -wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(self, target)
    if count == wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
Path.replace = replace
"""
"""The start of a script that ends, as SIGKILL ends it, at the n-th time a file takes its final name
(or, for n < 0, just before it does, which leaves the temporary file); n is its first argument."""


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    """The corners of an upright rectangle."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def idd_object(label: str, polygon: Sequence[Sequence[float]], **more: Any) -> dict[str, Any]:
    """An object as IDD's annotation files hold it."""
    return {
        "date": "02-Jan-2018 00:00:00",
        "deleted": 0,
        "draw": True,
        "id": 0,
        "label": label,
        "polygon": polygon,
        "user": "someone",
        "verified": 0,
        **more,
    }


def photo(path: Path, *, size_hw: tuple[int, int] = (48, 64), seed: int = 0) -> Path:
    """A picture with enough texture that a truncated file lacks pixels."""
    noise = random.Random(seed).randbytes(size_hw[0] * size_hw[1] * 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.frombytes("RGB", size_hw[::-1], noise).save(path)
    return path


def add_idd_frame(
    root: Path,
    *,
    split: str = "train",
    drive: str = "0",
    frame: str = "000000",
    objects: Any = [],  # noqa: B006 - never changed
    size_hw: tuple[int, int] = (48, 64),
    suffix: str = ".png",
    **more: Any,
) -> tuple[Path, Path]:
    """A picture and its polygon file; the paths of both. `more` replaces values of the file."""
    image = root / "leftImg8bit" / split / drive / f"{frame}_leftImg8bit{suffix}"
    truth = root / "gtFine" / split / drive / f"{frame}_gtFine_polygons.json"
    photo(image, size_hw=size_hw, seed=len(frame) + sum(map(ord, split + drive + frame)))
    truth.parent.mkdir(parents=True, exist_ok=True)
    data = {"imgHeight": size_hw[0], "imgWidth": size_hw[1], "objects": objects, **more}
    truth.write_text(json.dumps(data))
    return image, truth


def make_idd_tree(root: Path, *, train: int = 4, val: int = 2) -> Path:
    """A good IDD tree: several drives, overlapping objects, both picture formats."""
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            objects = [
                idd_object("sky", box(0, 0, 63, 15)),
                idd_object("road", box(0, 24, 63, 47)),
                idd_object("car", box(5 + number, 20, 20 + number, 35)),
                idd_object("car", box(15 + number, 22, 30 + number, 40)),
                idd_object("person", [[40, 18], [46, 18], [43, 41]]),
            ]
            add_idd_frame(
                root,
                split=split,
                drive=str(number % 2),
                frame=f"{number:06}",
                objects=objects,
                suffix=(".png", ".jpg")[number % 2],
            )
    return root


def make_camvid_tree(
    root: Path, *, splits: Sequence[str] = ("train", "val", "test"), each: int = 2
) -> Path:
    """A good CamVid tree in SegNet's layout; masks hold the ids 0..11, four columns each."""
    for split in splits:
        for number in range(each):
            name = f"0001TP_{number:06}"
            photo(root / split / f"{name}.png", size_hw=(20, 48), seed=number)
            mask = Image.frombytes("L", (48, 20), bytes(x // 4 for x in range(48)) * 20)
            (root / f"{split}annot").mkdir(parents=True, exist_ok=True)
            mask.save(root / f"{split}annot" / f"{name}.png")
        lines = [f"/SegNet/CamVid/{split}/0001TP_{n:06}.png\n" for n in range(each)]
        (root / f"{split}.txt").write_text("".join(lines))
    return root


def tree_bytes(root: Path) -> dict[str, bytes]:
    """Every file of a folder and its bytes, by relative path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
