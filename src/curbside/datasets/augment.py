"""What training does to a picture and its mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from ..errors import ConfigError
from ..imaging import Piece
from ..labels import IGNORE_ID

__all__ = ["AugmentConfig", "Augmentation", "Augmented", "cut"]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random crop, flip, colour jitter."""

    scale: tuple[float, float] = (0.25, 1.0)
    """Smallest and largest share of the picture's area that a crop takes."""
    ratio: tuple[float, float] = (0.75, 1.3333)
    """Narrowest and widest crop, width over height, relative to the size that comes out: 1 distorts nothing."""
    zoom: tuple[float, float] | None = None
    """In the place of `scale` and `ratio`: smallest and largest magnification of the picture, before a
    piece of the size that comes out is cut from it. What lies beyond the picture is ignored."""
    flip: float = 0.5
    """Probability of mirroring left and right."""
    brightness: float = 0.3
    """Largest relative change."""
    contrast: float = 0.3
    """Largest relative change."""
    saturation: float = 0.3
    """Largest relative change."""
    hue: float = 0.0
    """Largest shift around the colour circle, 0..0.5; costs as much as all the rest together."""

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise ConfigError(
                f"crops with scale {self.scale} and ratio {self.ratio} are impossible",
                fix="give 0 < low <= high",
            )
        if self.zoom is not None and not 0 < self.zoom[0] <= self.zoom[1]:
            raise ConfigError(f"a zoom of {self.zoom} is impossible", fix="give 0 < low <= high")
        if not 0 <= self.flip <= 1:
            raise ConfigError(
                f"mirroring with probability {self.flip} is impossible", fix="choose 0 to 1"
            )
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"a change of {name} by {getattr(self, name)} is impossible",
                    fix="choose 0 or more",
                )
        if not 0 <= self.hue <= 0.5:
            raise ConfigError(f"a shift of hue by {self.hue} is impossible", fix="choose 0 to 0.5")


def cut(values: np.ndarray, piece: Piece, *, beyond: float) -> Tensor:
    """What belongs to the pixels of a piece, each from the pixel nearest to it.

    Args:
        values: (H, W) of any type, of the whole picture.
        piece: The piece.
        beyond: What lies beyond the picture.

    Returns:
        (*piece.size_hw) of the same type.
    """
    mask = torch.from_numpy(np.array(values))[None]
    mask = TF.resized_crop(mask, *_box(piece), interpolation=TF.InterpolationMode.NEAREST)
    return _placed(mask, piece, beyond)[0]


def _box(piece: Piece) -> tuple[int, int, int, int, list[int]]:
    return piece.top, piece.left, piece.height, piece.width, list(piece.inside_hw)


def _placed(pixels: Tensor, piece: Piece, beyond: float) -> Tensor:
    """Cut pixels on their canvas, mirrored where it is."""
    missing = [want - have for want, have in zip(piece.size_hw, piece.inside_hw, strict=True)]
    if any(missing):
        pixels = TF.pad(pixels, [0, 0, missing[1], missing[0]], fill=beyond)
    return TF.horizontal_flip(pixels) if piece.flipped else pixels


class Augmented(NamedTuple):
    """A picture and its mask as training sees them."""

    image: Tensor
    """(3, *size_hw) uint8."""
    target: Tensor
    """(*size_hw) ids, of the type that was given."""
    piece: Piece
    """Where they come from."""


class Augmentation:
    """Random crop, flip and colour jitter of a picture with its mask.

    Args:
        config: The settings.
        size_hw: Height and width of what comes out.
    """

    def __init__(self, config: AugmentConfig, size_hw: tuple[int, int]) -> None:
        self._config, self._size_hw = config, size_hw
        aspect = size_hw[1] / size_hw[0]
        self._crop = v2.RandomResizedCrop(
            size_hw,
            scale=config.scale,
            ratio=(config.ratio[0] * aspect, config.ratio[1] * aspect),
        )
        jitters = config.brightness or config.contrast or config.saturation or config.hue
        self._jitter = (
            v2.ColorJitter(config.brightness, config.contrast, config.saturation, config.hue)
            if jitters
            else None
        )

    def __call__(
        self, rgb: np.ndarray, ids: np.ndarray, *, seed: int, beyond: int = IGNORE_ID
    ) -> Augmented:
        """Augment one sample, the same way for the same seed.

        Args:
            rgb: (H, W, 3) uint8.
            ids: (H, W) uint8, or int32 of less than 2 ** 24.
            seed: Chooses the crop, the flip and the colours.
            beyond: The id of what lies beyond the picture.
        """
        image = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            piece = self._draw(image)
            image = TF.resized_crop(image, *_box(piece), antialias=True)
            image = _placed(image, piece, 0)
            if self._jitter is not None:
                image = self._jitter(image)
        return Augmented(image, cut(ids, piece, beyond=beyond), piece)

    def _draw(self, image: Tensor) -> Piece:
        height, width = image.shape[-2:]
        frame_hw, size_hw = (height, width), self._size_hw
        if self._config.zoom is None:
            box = self._crop.make_params([image])
            inside_hw = size_hw
        else:
            low, high = self._config.zoom
            zoom = float(torch.empty(1).uniform_(low, high))
            wanted = [max(1, round(size / zoom)) for size in size_hw]
            extent = [min(have, want) for have, want in zip(frame_hw, wanted, strict=True)]
            inside = [
                max(1, round(size * have / want))
                for size, have, want in zip(size_hw, extent, wanted, strict=True)
            ]
            inside_hw = (inside[0], inside[1])
            top, left = (
                int(torch.randint(0, have - take + 1, (1,)))
                for have, take in zip(frame_hw, extent, strict=True)
            )
            box = {"top": top, "left": left, "height": extent[0], "width": extent[1]}
        return Piece(
            **box,
            frame_hw=frame_hw,
            inside_hw=inside_hw,
            size_hw=size_hw,
            flipped=bool(torch.rand(1) < self._config.flip),
        )
