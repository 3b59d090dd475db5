"""What goes into a network and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MEANINGS", "InputSpec", "Meaning", "OutputSpec", "Task"]

Task = Literal["semantic", "instances"]
"""`semantic`: a class for every pixel. `instances`: objects with boxes and masks (YOLOv8-seg)."""

Meaning = Literal[
    "ids",
    "confidence",
    "logits",
    "detections",
    "prototypes",
    "box_distribution",
    "class_scores",
    "mask_coefficients",
]

MEANINGS: dict[Task, tuple[Meaning, ...]] = {
    "semantic": ("ids", "confidence", "logits"),
    "instances": (
        "detections",
        "prototypes",
        "box_distribution",
        "class_scores",
        "mask_coefficients",
    ),
}
"""What the outputs of a task may mean."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The one picture that goes in."""

    name: str = "frame"
    """Name of the graph's input."""
    size_hw: tuple[int, int]
    """Height and width in pixels, fixed."""
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    """Order of the axes; N is 1."""
    dtype: Literal["uint8", "float32"] = "uint8"
    """Type of a value."""
    channels: Literal["bgr", "rgb"] = "bgr"
    """Order of the colours."""
    scale: float = 1.0
    """What a pixel value, 0..255, is multiplied with before it goes in: 1 / 255 for a network that
    takes 0..1."""
    fit: Literal["stretch", "letterbox"] = "stretch"
    """How a frame gets this size: stretched to it, or at its own aspect with a grey border."""


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """One tensor that comes out.

    H and W are the input's size, C the number of classes, K the number of mask coefficients, N the
    number of places where an object may be; h and w are a map's own size. Shapes are for `NCHW`; in
    `NHWC` the channels of a map come last.
    """

    name: str
    """Name of the graph's output."""
    meaning: Meaning
    """`ids`: (1, H, W) class ids; `confidence`: (1, H, W) probability of that class;
    `logits`: (1, C, h, w) scores before softmax, at any stride.
    `detections`: (1, 4 + C + K, N) boxes as centre x, centre y, width, height in input pixels, class
    probabilities and mask coefficients; `prototypes`: (1, K, h, w) masks to mix.
    In the place of `detections`, per stride: `box_distribution`: (1, 4 * bins, h, w) scores of the
    distances from a cell's centre to the left, top, right and bottom; `class_scores`: (1, C, h, w);
    `mask_coefficients`: (1, K, h, w)."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of a map's axes."""
    activated: bool = True
    """Of `class_scores`: whether they are probabilities already, or want a sigmoid."""
