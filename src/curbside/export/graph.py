"""The network as a device runs it: raw pixels in, class map out, nothing left for the host."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..manifest import InputSpec, OutputSpec
from ..models import SegmentationModel, inference_form, upsample

__all__ = ["DeployableGraph", "Outputs"]

Outputs = Literal["ids", "confidence", "logits"]
_SIDES = (32, 8192)


class DeployableGraph(nn.Module):
    """A trained network between a raw picture and a class map, at one fixed size.

    Args:
        model: The network; its inference form is deployed, it is not changed.
        size_hw: Height and width of the picture in pixels, fixed.
        channels: Order of the picture's colours.
        outputs: `ids` gives the class map alone; `confidence` adds the probability of the class
            shown; `logits` adds the scores at the decoder's stride, for a host that wants the
            probability of every class.

    Raises:
        ConfigError: The size is none that a network takes, or a choice is unknown.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        model: SegmentationModel,
        *,
        size_hw: tuple[int, int],
        channels: Literal["bgr", "rgb"] = "bgr",
        outputs: Outputs = "ids",
    ) -> None:
        super().__init__()
        least, most = _SIDES
        if not all(least <= side <= most for side in size_hw):
            raise ConfigError(
                f"an input of {size_hw[0]} x {size_hw[1]} (height x width) is impossible",
                fix=f"choose sides of {least} to {most} pixels",
            )
        if channels not in ("bgr", "rgb") or outputs not in get_args(Outputs):
            raise ConfigError(
                f"there is no channel order {channels!r} with outputs {outputs!r}",
                fix=f"choose bgr or rgb, and one of {', '.join(get_args(Outputs))}",
            )
        self.model = inference_form(model)
        self.input_spec = InputSpec(size_hw=size_hw, channels=channels)
        meanings: dict[Outputs, tuple[Outputs, ...]] = {
            "ids": ("ids",),
            "confidence": ("ids", "confidence"),
            "logits": ("ids", "logits"),
        }
        self.output_specs = tuple(OutputSpec(name=name, meaning=name) for name in meanings[outputs])
        mean = torch.tensor(model.normalization.mean, dtype=torch.float64)[:, None, None]
        std = torch.tensor(model.normalization.std, dtype=torch.float64)[:, None, None]
        self.register_buffer("_scale", (1 / (255 * std)).float(), persistent=False)
        self.register_buffer("_shift", (-mean / std).float(), persistent=False)

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """The tensors that `output_names` names.

        Args:
            frame: (1, H, W, 3) uint8, colours in the order of `input_spec`.
        """
        picture = frame.permute(0, 3, 1, 2)  # (1, H, W, 3) -> (1, 3, H, W)
        if self.input_spec.channels == "bgr":
            picture = picture.flip(1)
        # As a product and a sum, half the time of a 1x1 convolution, and zero padding follows it.
        image = picture.float() * self._scale + self._shift
        logits = self.model(image).logits
        scores = upsample(logits, self.input_spec.size_hw)
        made = {"ids": scores.argmax(dim=1).to(torch.uint8), "image": image, "logits": logits}
        if any(spec.meaning == "confidence" for spec in self.output_specs):
            # The winner's softmax alone: no normalised copy of all channels is made.
            best = scores.amax(dim=1, keepdim=True)
            made["confidence"] = (scores - best).exp().sum(dim=1).reciprocal()
        return tuple(made[name] for name in self.output_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what comes out: what `output_specs` promises, then the tensors that have a name inside.

        `image` is the normalised picture and `logits` the decoder's scores: what lies between them
        is the network itself, the part that an accelerator runs.
        """
        promised = [spec.name for spec in self.output_specs]
        return tuple(dict.fromkeys([*promised, "logits", "image"]))
