"""Tiny trees of mask datasets in their true layouts, drawn with Pillow alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from builders import box, photo
from PIL import Image, ImageDraw

__all__ = [
    "CITYSCAPES_IDS",
    "STREET",
    "add_cityscapes_frame",
    "clutter",
    "draw_ids",
    "make_acdc_tree",
    "make_bdd100k_tree",
    "make_camvid_colors_tree",
    "make_cityscapes_tree",
    "make_idd_lite_tree",
    "save_ids",
]

Objects = Sequence[tuple[str, Sequence[Sequence[float]]]]

CITYSCAPES_IDS = {  # label id, train id, counted
    "unlabeled": (0, 255, False),
    "ego vehicle": (1, 255, False),
    "out of roi": (3, 255, False),
    "road": (7, 0, False),
    "building": (11, 2, False),
    "polegroup": (18, 255, False),
    "sky": (23, 10, False),
    "person": (24, 11, True),
    "car": (26, 13, True),
    "caravan": (29, 255, True),
}
STREET: Objects = (
    ("sky", box(0, 0, 63, 15)),
    ("building", box(0, 10, 20, 30)),
    ("road", box(0, 24, 63, 40)),
    ("polegroup", box(30, 5, 33, 30)),
    ("car", box(5, 20, 20, 35)),
    ("car", box(15, 22, 30, 38)),
    ("cargroup", box(40, 20, 50, 30)),
    ("caravan", box(50, 22, 60, 32)),
    ("person", [[40.7, 18.2], [46.0, 18.9], [43.5, 41.0]]),
    ("license plate", box(6, 30, 10, 33)),
)
"""What stands in a frame, in the order it is painted."""


def draw_ids(
    objects: Objects, column: int, *, size_hw: tuple[int, int] = (48, 64), counted: bool = False
) -> Image.Image:
    """Label ids (column 0) or train ids (column 1), or with `counted` their instances, by Pillow."""
    canvas = Image.new("I", size_hw[::-1], CITYSCAPES_IDS["unlabeled"][column])
    seen: dict[str, int] = {}
    for label, polygon in objects:
        if label == "license plate":
            continue
        single = label in CITYSCAPES_IDS
        row = CITYSCAPES_IDS[label if single else label.removesuffix("group")]
        value = row[column]
        if counted and single and row[2] and value != 255:
            value = value * 1000 + seen.get(label, 0)
            seen[label] = seen.get(label, 0) + 1
        ImageDraw.Draw(canvas).polygon([(int(x), int(y)) for x, y in polygon], fill=value)
    return canvas


def save_ids(path: Path, image: Image.Image, *, deep: bool = False) -> Path:
    """Save ids as a PNG of 8 or, `deep`, of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert("I;16" if deep else "L").save(path)
    return path


def clutter(folder: Path) -> None:
    """What systems leave in folders."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Thumbs.db").write_bytes(b"db")
    (folder / "._frame_leftImg8bit.png").write_bytes(b"mac")
    (folder / ".checkpoints").mkdir(exist_ok=True)


def add_cityscapes_frame(
    root: Path,
    *,
    split: str = "train",
    city: str = "ulm",
    number: int = 0,
    objects: Objects = STREET,
    kinds: Iterable[str] = ("labelIds", "labelTrainIds", "instanceIds", "polygons"),
    truth: str = "gtFine",
) -> str:
    """A picture and its truth in some of the forms; the name of the frame."""
    name = f"{city}_{number:06}_000019"
    photo(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", seed=number)
    folder = root / truth / split / city
    for kind in kinds:
        file = folder / f"{name}_{truth}_{kind}.png"
        if kind == "labelIds":
            save_ids(file, draw_ids(objects, 0))
        elif kind == "labelTrainIds":
            save_ids(file, draw_ids(objects, 1))
        elif kind == "instanceIds":
            save_ids(file, draw_ids(objects, 0, counted=True), deep=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            listed = [{"label": label, "polygon": polygon} for label, polygon in objects]
            data = {"imgHeight": 48, "imgWidth": 64, "objects": listed}
            file.with_suffix(".json").write_text(json.dumps(data))
    return name


def make_cityscapes_tree(root: Path, **more: object) -> Path:
    """Two cities to train on, one to validate; `more` goes to `add_cityscapes_frame`."""
    for split, city in (("train", "ulm"), ("train", "jena"), ("val", "munster")):
        for number in range(2):
            shift = [[(x + number, y) for x, y in polygon] for _, polygon in STREET]
            objects = [(label, moved) for (label, _), moved in zip(STREET, shift, strict=True)]
            add_cityscapes_frame(
                root,
                split=split,
                city=city,
                number=number,
                objects=objects,
                **more,  # type: ignore[arg-type]
            )
    return root


def make_acdc_tree(root: Path, *, conditions: Sequence[str] = ("fog", "night")) -> Path:
    """A frame per condition and split with its reference; the first train reference has a truth."""
    for condition in conditions:
        for split in ("train", "val", "test"):
            sequence, frame = "GOPR0475", "GOPR0475_frame_000041"
            at = f"{condition}/{split}/{sequence}/{frame}"
            ref = f"{condition}/{split}_ref/{sequence}/{frame}"
            photo(root / "rgb_anon" / f"{at}_rgb_anon.png", seed=1)
            photo(root / "rgb_anon" / f"{ref}_rgb_ref_anon.png", seed=2)
            if split == "test":
                continue
            for column, kind in ((0, "labelIds"), (1, "labelTrainIds")):
                save_ids(root / "gt" / f"{at}_gt_{kind}.png", draw_ids(STREET, column))
                if split == "train" and condition == conditions[0]:
                    truth = draw_ids(STREET[:2], column)
                    save_ids(root / "gt" / f"{ref}_gt_ref_{kind}.png", truth)
    return root


def make_bdd100k_tree(root: Path, *, newer: bool = True) -> Path:
    """Two clips of train, one of val, one of test without a mask."""
    images, masks, ending = (
        ("images/10k", "labels/sem_seg/masks", "")
        if newer
        else ("seg/images", "seg/labels", "_train_id")
    )
    for split, clip in (("train", "0a"), ("train", "0b"), ("val", "7d"), ("test", "ac")):
        photo(root / images / split / f"{clip}0a0b1a-7c39d841.jpg", seed=3)
        if split != "test":
            mask = draw_ids(STREET, 1)
            save_ids(root / masks / split / f"{clip}0a0b1a-7c39d841{ending}.png", mask)
    return root


def make_camvid_colors_tree(
    root: Path, colors: Sequence[tuple[int, int, int]], names: Sequence[str], *, flat: bool = True
) -> Path:
    """Pictures and masks of columns in these colours, four pixels wide, as first published or, not
    `flat`, divided into folders (all of them train)."""
    images, masks = (
        ("701_StillsRaw_full", "LabeledApproved_full") if flat else ("train", "train_labels")
    )
    width = 4 * len(colors)
    row = b"".join(bytes(color) * 4 for color in colors)
    for number, name in enumerate(names):
        photo(root / images / f"{name}.png", size_hw=(20, width), seed=number)
        (root / masks).mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (width, 20), row * 20).save(root / masks / f"{name}_L.png")
    return root


def make_idd_lite_tree(root: Path) -> Path:
    """Three drives of train, one of val, one of test without masks; columns of the ids 0..6, 255."""
    frames = [("train", "0"), ("train", "7"), ("train", "19"), ("val", "5"), ("test", "6")]
    row = bytes(i for i in (*range(7), 255) for _ in range(8))
    for split, drive in frames:
        photo(
            root / "leftImg8bit" / split / drive / "frame0029_image.jpg", size_hw=(20, 64), seed=4
        )
        if split != "test":
            mask = Image.frombytes("L", (64, 20), row * 20)
            for ending in ("label", "inst_label"):
                save_ids(root / "gtFine" / split / drive / f"frame0029_{ending}.png", mask)
    return root
