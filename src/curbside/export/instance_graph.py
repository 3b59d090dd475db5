"""A network that finds objects as a device runs it: raw pixels in, its maps out; the host decodes them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ..errors import ConfigError
from ..models import InstanceModel, inference_form
from .picture import PictureGraph

__all__ = ["InstanceGraph"]


class InstanceGraph(PictureGraph):
    """A trained network between a raw, letterboxed picture and its maps, at one fixed size.

    Boxes are decoded by the host, where there is an object alone: what would follow here costs more
    at every place than it does there, and has ranges that no 8 bits hold together.

    Args:
        model: The network; its inference form is deployed, it is not changed.
        size_hw: Height and width of the picture in pixels, fixed, multiples of the coarsest stride.
        channels: Order of the picture's colours.

    Raises:
        ConfigError: The size is none that the network takes.
    """

    def __init__(
        self,
        model: InstanceModel,
        *,
        size_hw: tuple[int, int],
        channels: Literal["bgr", "rgb"] = "bgr",
    ) -> None:
        super().__init__(model.normalization, size_hw=size_hw, channels=channels, fit="letterbox")
        stride = model.strides[-1]
        if any(side % stride for side in size_hw):
            fit = " ".join(str(max(1, round(side / stride)) * stride) for side in size_hw)
            raise ConfigError(
                f"an input of {size_hw[0]} x {size_hw[1]} (height x width) does not divide by {stride}",
                fix=f"choose multiples of it: --size-hw {fit}",
            )
        self.model = inference_form(model)
        self.output_specs = model.output_specs

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """The tensors that `output_names` names.

        Args:
            frame: (1, H, W, 3) uint8, colours in the order of `input_spec`.
        """
        image = self.image(frame)
        return (*self.model(image).tensors, image)

    @property
    def output_names(self) -> tuple[str, ...]:
        return (*(spec.name for spec in self.output_specs), "image")
