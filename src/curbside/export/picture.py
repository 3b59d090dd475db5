"""What stands in front of a network in its file: from raw pixels to what its first layer takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..imaging import Normalization
from ..manifest import InputSpec, OutputSpec

__all__ = ["PictureGraph"]

_SIDES = (32, 8192)


class PictureGraph(nn.Module, ABC):
    """A graph that takes raw pictures of one fixed size; a subclass per task.

    Args:
        normalization: What the network expects of pixel values.
        size_hw: Height and width of the picture in pixels, fixed.
        channels: Order of the picture's colours.
        fit: How a frame gets that size.

    Attributes:
        input_spec: The picture that goes in.
        output_specs: What comes out.

    Raises:
        ConfigError: The size is none that a network takes, or the order of colours is unknown.
    """

    _scale: Tensor
    _shift: Tensor
    output_specs: tuple[OutputSpec, ...]

    def __init__(
        self,
        normalization: Normalization,
        *,
        size_hw: tuple[int, int],
        channels: Literal["bgr", "rgb"],
        fit: Literal["stretch", "letterbox"] = "stretch",
    ) -> None:
        super().__init__()
        least, most = _SIDES
        if not all(least <= side <= most for side in size_hw):
            raise ConfigError(
                f"an input of {size_hw[0]} x {size_hw[1]} (height x width) is impossible",
                fix=f"choose sides of {least} to {most} pixels",
            )
        if channels not in ("bgr", "rgb"):
            raise ConfigError(f"there is no channel order {channels!r}", fix="choose bgr or rgb")
        self.input_spec = InputSpec(size_hw=size_hw, channels=channels, fit=fit)
        mean = torch.tensor(normalization.mean, dtype=torch.float64)[:, None, None]
        std = torch.tensor(normalization.std, dtype=torch.float64)[:, None, None]
        self.register_buffer("_scale", (1 / (255 * std)).float(), persistent=False)
        self.register_buffer("_shift", (-mean / std).float(), persistent=False)

    @property
    @abstractmethod
    def output_names(self) -> tuple[str, ...]:
        """Names of what comes out: what `output_specs` promises, then the tensors that have a name inside,
        of which `image` is the normalised picture."""

    def image(self, frame: Tensor) -> Tensor:
        """The picture as the network takes it, (1, 3, H, W) float.

        Args:
            frame: (1, H, W, 3) uint8, colours in the order of `input_spec`.
        """
        picture = frame.permute(0, 3, 1, 2)  # (1, H, W, 3) -> (1, 3, H, W)
        if self.input_spec.channels == "bgr":
            picture = picture.flip(1)
        # As a product and a sum, half the time of a 1x1 convolution, and zero padding follows it.
        return picture.float() * self._scale + self._shift
