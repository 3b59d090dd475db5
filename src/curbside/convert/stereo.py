"""Disparity of a ZED stereo camera as metres: its `.conf` file, the formula, a check of the scale.

::

    depth_m = fx_px * baseline_m / (disp16 / scale)

A `.conf` has one section per eye and resolution, so that `fx` stands in it eight times: the section
is chosen by the size of the picture.
"""

from __future__ import annotations

import configparser
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import ConfigError, DataError
from ..files import require_file
from ..imaging import read_ids, read_rgb
from .tree import FileTree

__all__ = [
    "Calibration",
    "ScaleCheck",
    "StereoFrame",
    "check_disparity_scale",
    "check_scale",
    "depth_from_disparity",
    "estimate_disparity_scale",
    "read_calibration",
    "read_disparity",
    "stereo_frames",
]

RESOLUTIONS = {(1242, 2208): "2K", (1080, 1920): "FHD", (720, 1280): "HD", (376, 672): "VGA"}
"""The camera's resolutions, height and width, and how sections name them."""
MAX_BYTES = 64 * 2**10
"""Larger `.conf` files are refused unread; real ones have one kilobyte."""

_DISPARITY = re.compile(r"(?<![0-9A-Za-z])disp16(?![0-9A-Za-z])", re.IGNORECASE)
_FIX = "give the ZED calibration file that belongs to these pictures"


@dataclass(frozen=True, kw_only=True)
class StereoFrame:
    """The files of one disparity picture: those of its name, with another word for `disp16`."""

    disparity: Path
    """The disp16 file."""
    left: Path
    """The rectified left picture, where it should be."""
    right: Path
    """The rectified right picture, where it should be."""
    confidence: Path
    """The confidence picture, where it should be."""
    calibrations: tuple[Path, ...]
    """The `.conf` files that may be meant; none or several is an error of the data."""


def stereo_frames(tree: FileTree) -> Iterator[StereoFrame]:
    """Every disparity file of a dataset with what belongs to it, folder by folder.

    A calibration is the file of its name (`a_output_1.conf` to `a_disp16_1.png`), else those of the
    first folder upwards that has any, and among them the one called like the folder. It is never
    that of a folder beside, since every folder has its own.
    """
    for path in tree.with_suffix(".png", _DISPARITY):
        conf = _partner(path, "output").stem + ".conf"
        found = tree.nearest(path.parent, conf) or tree.upwards(path.parent, ".conf")
        own = [file for file in found if file.stem == file.parent.name]
        yield StereoFrame(
            disparity=path,
            left=_partner(path, "left"),
            right=_partner(path, "right"),
            confidence=_partner(path, "confidence"),
            calibrations=tuple(own or found),
        )


def read_disparity(path: Path) -> np.ndarray:
    """Disparity as it is stored: (H, W) uint16, 0 = unknown.

    Raises:
        DataError: The file is missing, damaged or not of 16 bits.
    """
    raw = read_ids(path)
    if raw.dtype != np.uint16:
        raise DataError(
            f"{path} has 8 bits per pixel",
            fix="give the 16-bit disparity; the 8-bit one is for looking at",
        )
    return raw


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns the left camera's disparity into metres."""

    section: str
    """The section it was read from, such as `LEFT_CAM_FHD`."""
    fx_px: float
    """Focal length along x, in pixels of that resolution."""
    fy_px: float
    """The same along y."""
    baseline_m: float
    """Distance between the two cameras, in metres."""


def read_calibration(path: Path, size_hw: tuple[int, int]) -> Calibration:
    """Read the left camera's focal length and the baseline from a ZED `.conf` file.

    Args:
        path: The file.
        size_hw: Height and width of the pictures, which choose the section.

    Raises:
        DataError: The size is none of the camera's, or the file is missing, damaged, ambiguous, or
            holds values that cannot be.
    """
    resolution = RESOLUTIONS.get(size_hw)
    if resolution is None:
        sizes = ", ".join(f"{width} x {height}" for height, width in RESOLUTIONS)
        raise DataError(
            f"{path} says nothing of pictures of {size_hw[1]} x {size_hw[0]} pixels",
            fix=f"give the pictures as the camera made them: {sizes}",
        )
    values = _parse(path)
    section = f"LEFT_CAM_{resolution}"
    width = size_hw[1]
    return Calibration(
        section=section,
        fx_px=_number(values, path, section, "fx", 0.1 * width, 10.0 * width),
        fy_px=_number(values, path, section, "fy", 0.1 * width, 10.0 * width),
        baseline_m=_number(values, path, "STEREO", "BaseLine", 10.0, 1000.0) / 1000.0,
    )


def depth_from_disparity(raw: np.ndarray, calibration: Calibration, scale: float) -> np.ndarray:
    """Disparity as metres.

    Args:
        raw: (H, W) uint16, disparity in pixels times `scale`, 0 = unknown.
        calibration: Of the camera that saw it.
        scale: What the file's values were multiplied with.

    Returns:
        (H, W) float32, 0 where unknown.
    """
    product = np.float32(calibration.fx_px * calibration.baseline_m * scale)
    depth = np.zeros(raw.shape, np.float32)
    np.divide(product, raw, out=depth, where=raw > 0, casting="unsafe")
    return depth


def estimate_disparity_scale(
    left_rgb: np.ndarray, right_rgb: np.ndarray, raw: np.ndarray
) -> tuple[float, float]:
    """What a disparity file was multiplied with, by OpenCV's semi-global matching of its pair.

    Args:
        left_rgb: (H, W, 3) uint8, rectified.
        right_rgb: (H, W, 3) uint8, rectified.
        raw: (H, W) uint16 disparity of the left picture, 0 = unknown.

    Returns:
        The median of raw over matched disparity, 0 where nothing can be compared; and the share of
        the picture, 0..1, that could be compared.
    """
    left, right = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (left_rgb, right_rgb))
    block = 5
    matcher = cv2.StereoSGBM.create(
        numDisparities=16 * -(-left.shape[1] // 128),  # an eighth of the width, in whole sixteens
        blockSize=block,
        P1=8 * block**2,
        P2=32 * block**2,
        disp12MaxDiff=1,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    matched = matcher.compute(left, right) / np.float32(16)
    # Small disparities are left out: there half a pixel of error is a large part of the ratio.
    compared = (matched > 4) & (raw > 0)
    if not compared.any():
        return 0.0, 0.0
    return float(np.median(raw[compared] / matched[compared])), float(compared.mean())


@dataclass(frozen=True, kw_only=True)
class ScaleCheck:
    """The disparity of one picture against a matching of its stereo pair."""

    disparity: Path
    """The disp16 file."""
    scale: float
    """What its values seem to have been multiplied with; 0 where nothing can be compared."""
    share: float
    """Share of the picture that could be compared, 0..1."""


def check_disparity_scale(root: Path, *, pairs: int = 10) -> Iterator[ScaleCheck]:
    """Measure the scale of disparity files on their rectified pairs, a quarter second each.

    Args:
        root: Folder with disp16 files, anywhere, and `left` and `right` pictures beside them.
        pairs: How many are measured at most, spread evenly.

    Raises:
        DataError: No disparity has both pictures, or one is damaged.
    """
    fix = "give the folder of a dataset with left and right pictures beside its disp16 files"
    if not root.is_dir():
        raise DataError(f"the folder {root} does not exist", fix=fix)
    frames = [
        frame
        for frame in stereo_frames(FileTree(root))
        if frame.left.is_file() and frame.right.is_file()
    ]
    if not frames:
        raise DataError(f"{root} has no disparity with its rectified pair", fix=fix)
    count = min(pairs, len(frames))
    for frame in (frames[index * len(frames) // count] for index in range(count)):
        raw, left, right = (
            read_disparity(frame.disparity),
            read_rgb(frame.left),
            read_rgb(frame.right),
        )
        if not left.shape[:2] == right.shape[:2] == raw.shape:
            raise DataError(
                f"{frame.disparity} and its pictures differ in size", fix="give all of one size"
            )
        scale, share = estimate_disparity_scale(left, right, raw)
        yield ScaleCheck(disparity=frame.disparity, scale=scale, share=share)


def check_scale(scale: float) -> None:
    """Refuse a disparity scale that cannot be.

    Raises:
        ConfigError: It is not positive, or endless.
    """
    if not 0 < scale < 2**16:
        raise ConfigError(f"the disparity scale is {scale}", fix="give a positive number, as 100")


def _partner(disparity: Path, word: str) -> Path:
    """The file called the same with another word for `disp16`."""
    return disparity.with_name(_DISPARITY.sub(word, disparity.stem) + disparity.suffix)


def _parse(path: Path) -> configparser.ConfigParser:
    values = configparser.ConfigParser(interpolation=None)
    try:
        require_file(path)
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise DataError(f"{path} has more than the {MAX_BYTES:,} bytes allowed", fix=_FIX)
        values.read_string(data.decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=_FIX) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text file", fix=_FIX) from error
    except configparser.Error as error:
        raise DataError(f"{path} is not readable ({error})", fix=_FIX) from error
    return values


def _number(
    values: configparser.ConfigParser, path: Path, section: str, key: str, low: float, high: float
) -> float:
    text = values.get(section, key, fallback=None)
    if text is None:
        raise DataError(f"{path} has no {key} in [{section}]", fix=_FIX)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not low <= value <= high:
        raise DataError(
            f"{path}: {key} in [{section}] is {reprlib.repr(text)}, not {low:g}..{high:g}", fix=_FIX
        )
    return value
