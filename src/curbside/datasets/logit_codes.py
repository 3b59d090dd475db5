"""Logits as few bytes: of every class the eighth root of its probability in six bits or fewer, as a
lossless WebP picture.

What an error of a log-probability costs a KL divergence grows with the probability at the temperature
of the loss. Equal steps of `p ** (1/8)` are fine where a class is likely and coarse in the tail, in the
proportion that temperatures of 1 to 4 ask for. WebP predicts each value from those around it and from
the other two of three classes that make up the colour of a pixel; any viewer shows the picture.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from ..errors import ConfigError

__all__ = ["LEVELS", "decode", "encode", "log_probabilities", "plane_count"]

LEVELS = (63, 45, 31, 22, 15)
"""Into how many steps 0..1 may be divided; the error of a KL divergence grows with their square."""
_ROOT = 8
_TAIL = 4.0
"""The temperature at which the classes beyond the top-k keep their common share."""
_MAX_SIDE = 16383  # of a WebP picture
_LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]


def plane_count(classes: int, top_k: int | None) -> int:
    """Number of maps that hold the logits of so many classes."""
    return classes if top_k is None else classes + 1


def encode(log_probs: np.ndarray, top_k: int | None = None, levels: int = LEVELS[0]) -> bytes:
    """Log-probabilities as a WebP picture.

    Args:
        log_probs: (C, h, w) float32, natural logarithms. The most likely class remains the most likely.
        top_k: Number of classes per pixel, below C, to keep apart; the others share one level.
        levels: Into how many steps 0..1 is divided.

    Raises:
        ConfigError: The map is too large for the format.
    """
    codes = _codes(log_probs, levels)
    if top_k is not None:
        codes = _with_tail(codes, log_probs, top_k, levels)
    planes, height, width = codes.shape
    groups = -(-planes // 3)
    if max(groups * height, width) > _MAX_SIDE:
        raise ConfigError(
            f"{planes} maps of {width} x {height} are too many for a file",
            fix="give a larger --stride",
        )
    codes = np.concatenate([codes, codes[-1:].repeat(groups * 3 - planes, axis=0)])
    colours = codes.reshape(groups, 3, height, width).transpose(0, 2, 3, 1)
    done, data = cv2.imencode(
        ".webp", np.ascontiguousarray(colours).reshape(groups * height, width, 3), _LOSSLESS
    )
    assert done
    return data.tobytes()


def _codes(log_probs: np.ndarray, levels: int) -> np.ndarray:
    """Codes of all classes, (C, h, w) uint8; that of the most likely one is above all others."""
    codes = np.rint(levels * np.exp(log_probs / _ROOT)).astype(np.uint8)
    best = log_probs.argmax(axis=0)[None]
    others = codes.copy()
    np.put_along_axis(others, best, 0, axis=0)
    above = np.maximum(np.take_along_axis(codes, best, axis=0), others.max(axis=0) + 1)
    np.put_along_axis(
        codes, best, above, axis=0
    )  # never over `levels`: two equal codes are far below
    return codes


def _with_tail(codes: np.ndarray, log_probs: np.ndarray, top_k: int, levels: int) -> np.ndarray:
    """Codes with 0 where a class is beyond the top-k, and the level of those as one plane more."""
    classes = len(codes)
    order = np.argpartition(-log_probs, top_k, axis=0)
    kept = np.zeros(codes.shape, bool)
    np.put_along_axis(kept, order[:top_k], True, axis=0)
    share = (np.exp(log_probs / _TAIL) * ~kept).sum(axis=0) / (classes - top_k)
    level = np.rint(levels * share ** (_TAIL / _ROOT))
    level = np.minimum(level, codes.max(axis=0) - 1)  # the most likely class stays it
    return np.concatenate([np.where(kept, np.maximum(codes, 1), 0), level[None]]).astype(np.uint8)


def decode(data: bytes, planes: int, map_hw: tuple[int, int]) -> np.ndarray:
    """The codes in a WebP picture.

    Args:
        data: The file.
        planes: Number of maps in it.
        map_hw: Their height and width.

    Returns:
        (ceil(planes / 3), h, w, 3) uint8.

    Raises:
        ValueError: It is no such picture.
    """
    height, width = map_hw
    groups = -(-planes // 3)
    if _size_hw(data) != (groups * height, width):
        raise ValueError("no picture of that size")
    try:
        colours = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ValueError("no picture") from error
    if colours is None or colours.shape != (groups * height, width, 3):
        raise ValueError("no picture of that size")
    return colours.reshape(groups, height, width, 3)


def _size_hw(data: bytes) -> tuple[int, int] | None:
    """The size that a lossless WebP file names, read before anything is allocated for it."""
    if data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8L" or data[20:21] != b"\x2f":
        return None
    bits = int.from_bytes(data[21:25], "little")
    return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1


def log_probabilities(
    codes: np.ndarray, classes: int, top_k: int | None = None, levels: int = LEVELS[0]
) -> np.ndarray:
    """What codes stand for.

    Args:
        codes: (groups, h, w, 3) uint8, as `decode` gives them, or a part of every map.
        classes: Number of classes.
        top_k: As they were encoded.
        levels: Likewise.

    Returns:
        (classes, h, w) float32, natural logarithms; their exponentials sum to about 1.
    """
    maps = np.ascontiguousarray(codes.transpose(0, 3, 1, 2)).reshape(-1, *codes.shape[1:3])
    table = _table(levels)
    found = table[maps[:classes]]
    return found if top_k is None else np.where(maps[:classes] == 0, table[maps[classes]], found)


@cache
def _table(levels: int) -> np.ndarray:
    """The log-probability of every code: 0 for the last, and for 0 what a quarter of a step would be."""
    return _ROOT * np.log(np.maximum(np.arange(256), 0.25) / levels).astype(np.float32)
