"""What goes into a network and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from ..errors import ModelFileError

__all__ = [
    "ANSWERS",
    "MEANINGS",
    "Answer",
    "DepthSpec",
    "InputSpec",
    "Meaning",
    "OutputSpec",
    "Task",
]

Task = Literal["semantic", "instances", "depth", "semantic+depth"]
"""`semantic`: a class for every pixel. `instances`: objects with boxes and masks (YOLOv8-seg).
`depth`: how far away every pixel is, in metres. `semantic+depth`: both, by one network."""

Answer = Literal["semantic", "instances", "depth"]
"""One thing that a network can tell."""

Meaning = Literal[
    "ids",
    "confidence",
    "logits",
    "detections",
    "prototypes",
    "box_distribution",
    "class_scores",
    "mask_coefficients",
    "depth",
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
    "depth": ("depth",),
    "semantic+depth": ("ids", "confidence", "logits", "depth"),
}
"""What the outputs of a task may mean."""

ANSWERS: dict[Task, tuple[Answer, ...]] = {
    "semantic": ("semantic",),
    "instances": ("instances",),
    "depth": ("depth",),
    "semantic+depth": ("semantic", "depth"),
}
"""What a network of a task tells."""


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
    `mask_coefficients`: (1, K, h, w).
    `depth`: (1, 1, h, w) or (1, h, w) metres along the camera's axis, at any stride; 0 where the network
    does not know. Whatever makes metres of a network's numbers is inside the graph."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of a map's axes."""
    activated: bool = True
    """Of `class_scores`: whether they are probabilities already, or want a sigmoid."""


@dataclass(frozen=True, kw_only=True)
class DepthSpec:
    """What the metres of a network are good for.

    One picture alone does not tell how large things are: a network learns it with its camera. For
    another camera its depth is right up to a factor, the ratio of the two focal lengths.

    Raises:
        ModelFileError: A number is none.
    """

    max_m: float | None = None
    """The farthest that the network can say, in metres; None where its answer has no such limit."""
    focal_xy_px: tuple[float, float] | None = None
    """Focal length of the camera it was trained for, along x and along y, in pixels of the network's
    input; None where nobody said."""
    camera: str = ""
    """That camera, in words."""

    def __post_init__(self) -> None:
        for what, value in (
            ("farthest depth", self.max_m),
            *(("focal length", focal) for focal in self.focal_xy_px or ()),
        ):
            if value is not None and not 0 < value < float("inf"):
                raise ModelFileError(
                    f"the {what} of the network cannot be {value:g}",
                    fix="give a number above 0, or leave it out",
                )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The facts that `dataclasses.asdict` wrote.

        Raises:
            KeyError, TypeError, ValueError: They are not readable.
        """
        far, focal = data["max_m"], data["focal_xy_px"]
        if focal is not None:
            along_x, along_y = focal
            focal = (float(along_x), float(along_y))
        return cls(
            max_m=None if far is None else float(far),
            focal_xy_px=focal,
            camera=str(data["camera"]),
        )
