"""Tiny sidewalk data in the layouts of AI-Hub: CVAT 1.1 XML, ZED calibration, disparity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from builders import photo
from PIL import Image

__all__ = [
    "OBSTACLES",
    "SURFACES",
    "add_depth",
    "cvat_box",
    "cvat_image",
    "cvat_mask",
    "cvat_polygon",
    "make_full_tree",
    "make_sample_tree",
    "write_cvat",
    "zed_conf",
]

SURFACES = ["caution_zone", "bike_lane", "alley", "roadway", "braille_guide_blocks", "sidewalk"]
_OBSTACLES = """traffic_light_controller power_controller wheelchair truck tree_trunk traffic_sign
traffic_light table stroller stop scooter potted_plant pole person parking_meter movable_signage
motorcycle kiosk fire_hydrant dog chair cat carrier car bus bollard bicycle bench barricade"""
OBSTACLES = _OBSTACLES.split()
"""The labels that AI-Hub's annotators could choose, in the order of its files."""

VGA_HW = (376, 672)
"""The smallest pictures of the camera."""
_FX = {"2K": 1400.5, "FHD": 1394.83, "HD": 697.414, "VGA": 350.25}


def cvat_polygon(
    label: str, points: Sequence[tuple[float, float]], *, z: int = 0, more: str = ""
) -> str:
    """A polygon as CVAT writes it."""
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    attribute = '<attribute name="attribute">normal</attribute>'
    return (
        f'<polygon label="{label}" occluded="0" points="{text}" z_order="{z}"{more}>\n'
        f"      {attribute}\n    </polygon>"
    )


def cvat_box(
    label: str, left: float, top: float, right: float, bottom: float, *, z: int = 0, more: str = ""
) -> str:
    """An upright rectangle as CVAT writes it."""
    corners = f'xtl="{left:.2f}" ytl="{top:.2f}" xbr="{right:.2f}" ybr="{bottom:.2f}"'
    return f'<box label="{label}" occluded="1" {corners} z_order="{z}"{more}>\n    </box>'


def cvat_mask(label: str, runs: Sequence[int], left: int, top: int, width: int, height: int) -> str:
    """A mask as CVAT writes it."""
    words = ", ".join(map(str, runs))
    place = f'left="{left}" top="{top}" width="{width}" height="{height}"'
    return f'<mask label="{label}" occluded="0" rle="{words}" {place} z_order="0"></mask>'


def cvat_image(
    name: str, shapes: Sequence[str], *, size_hw: tuple[int, int] = (48, 64), number: int = 0
) -> str:
    """An image element."""
    body = "".join(f"    {shape}\n" for shape in shapes)
    head = f'id="{number}" name="{name}" width="{size_hw[1]}" height="{size_hw[0]}"'
    return f"  <image {head}>\n{body}  </image>\n"


def write_cvat(path: Path, labels: Sequence[str], images: Sequence[str]) -> Path:
    """An annotation file; `<size>` in it is wrong, as in the real ones."""
    names = "".join(
        f"<label><name>{name}</name><attributes><attribute><name>attribute</name>"
        "<values>normal\ndamaged</values></attribute></attributes></label>\n"
        for name in labels
    )
    task = f"<task><id>15</id><name>{path.stem}</name><size>120</size>\n<labels>{names}</labels></task>"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta>{task}</meta>\n{''.join(images)}</annotations>\n"
    )
    return path


def zed_conf(*, baseline_mm: float = 120.0) -> str:
    """A calibration file; VGA comes last, as in the real ones."""
    text = ""
    for name, fx in _FX.items():
        for eye, factor in (("LEFT", 1.0), ("RIGHT", 1.01)):
            text += f"[{eye}_CAM_{name}]\nfx={fx * factor}\nfy={fx * factor - 0.5}\ncx=1\ncy=1\nk1=-0.17\n\n"
        if name == "2K":
            text += f"[STEREO]\nCV_2K=0.0048\nBaseLine={baseline_mm}\nRX_VGA=0.0123\n\n"
    return text


def add_depth(
    folder: Path,
    pattern: str,
    *,
    raw: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> Path:
    """The pictures of one stereo frame, `{}` in the pattern being its kind; returns the disparity."""
    if raw is None:
        raw = np.full(VGA_HW, 1000, np.uint16)
    for seed, kind in enumerate(("left", "right")):
        photo(folder / pattern.format(kind), size_hw=(raw.shape[0], raw.shape[1]), seed=seed)
    Image.fromarray(raw).save(folder / pattern.format("disp16"))
    if confidence is not None:
        Image.fromarray(confidence).save(folder / pattern.format("confidence"))
    return folder / pattern.format("disp16")


def make_sample_tree(root: Path) -> Path:
    """The layout of the public sample: pictures in `rawdata`, annotations in `output`."""
    raw, output = root / "rawdata", root / "output"
    square = [(8, 8), (40, 8), (40, 40), (8, 40)]
    for kind, labels, label in (
        ("surface", SURFACES, "alley"),
        ("polygon", OBSTACLES, "pole"),
    ):
        images = []
        for number in (1, 2):
            name = f"Sidewalk_19009_{kind}_raw_{number:06}_2.jpg"
            photo(raw / name, seed=number)
            images.append(cvat_image(name, [cvat_polygon(label, square)], number=number))
        write_cvat(output / f"Sidewalk_19009_{kind}_output_000001_2.xml", labels, images)
    white = np.full(VGA_HW, 255, np.uint8)
    add_depth(raw, "Sidewalk_19009_depth_{}_000001_0.png", confidence=white)
    (output / "Sidewalk_19009_depth_output_000001_0.conf").write_text(zed_conf())
    return root


def make_full_tree(root: Path) -> Path:
    """The layout of the full dataset: every folder with its own annotations or calibration.

    The two surface folders hold pictures of the same name; masks have the names of the pictures.
    """
    square = [(8, 8), (40, 8), (40, 40), (8, 40)]
    for number, label in ((1, "sidewalk"), (2, "roadway")):
        folder = root / f"Surface/Surface_{number:03}"
        photo(folder / "MP_SEL_SUR_000001.jpg", seed=number)
        photo(folder / "MASK/MP_SEL_SUR_000001.png", seed=9)
        image = cvat_image("MP_SEL_SUR_000001.jpg", [cvat_polygon(label, square)])
        write_cvat(folder / f"{folder.name}_{number}.xml", SURFACES, [image])
    folder = root / "Polygon/Polygon_0001"
    photo(folder / "MP_SEL_000007.jpg")
    image = cvat_image("MP_SEL_000007.jpg", [cvat_polygon("car", square)])
    write_cvat(folder / "Polygon_0001.xml", OBSTACLES, [image])
    for number, baseline_mm in ((1, 120.0), (2, 60.0)):
        folder = root / f"Depth/Depth_{number:03}"
        add_depth(folder, "ZED1_KSC_00103" + str(number) + "_{}.png")
        for other in ("L", "R", "disp", "confidence_save"):
            photo(folder / f"ZED1_KSC_00103{number}_{other}.png")
        (folder / f"{folder.name}.conf").write_text(zed_conf(baseline_mm=baseline_mm))
    return root
