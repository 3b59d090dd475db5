"""What training does to a picture and its mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..errors import ConfigError

__all__ = ["AugmentConfig", "Augmentation"]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random resized crop, flip, colour jitter."""

    scale: tuple[float, float] = (0.25, 1.0)
    """Smallest and largest share of the picture's area that a crop takes."""
    ratio: tuple[float, float] = (0.75, 1.3333)
    """Narrowest and widest crop, width over height, relative to the size that comes out: 1 distorts nothing."""
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


class Augmentation:
    """Random resized crop, flip and colour jitter of a picture with its mask.

    Args:
        config: The settings.
        size_hw: Height and width of what comes out.
    """

    def __init__(self, config: AugmentConfig, size_hw: tuple[int, int]) -> None:
        aspect = size_hw[1] / size_hw[0]
        steps: list[torch.nn.Module] = [
            v2.RandomResizedCrop(
                size_hw,
                scale=config.scale,
                ratio=(config.ratio[0] * aspect, config.ratio[1] * aspect),
                antialias=True,
            ),
            v2.RandomHorizontalFlip(config.flip),
        ]
        if config.brightness or config.contrast or config.saturation or config.hue:
            steps.append(
                v2.ColorJitter(
                    brightness=config.brightness,
                    contrast=config.contrast,
                    saturation=config.saturation,
                    hue=config.hue,
                )
            )
        self._transform = v2.Compose(steps)

    def __call__(self, rgb: np.ndarray, ids: np.ndarray, *, seed: int) -> tuple[Tensor, Tensor]:
        """Augment one sample, the same way for the same seed.

        Args:
            rgb: (H, W, 3) uint8.
            ids: (H, W) uint8.
            seed: Chooses the crop, the flip and the colours.

        Returns:
            The picture, (3, *size_hw) uint8, and the mask, (*size_hw) uint8.
        """
        image = tv_tensors.Image(torch.from_numpy(np.array(rgb)).permute(2, 0, 1))
        mask = tv_tensors.Mask(torch.from_numpy(np.array(ids)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image, mask = self._transform(image, mask)
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)
