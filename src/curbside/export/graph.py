"""The network as a device runs it: raw pixels in, class map and depth out."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import ConfigError
from ..manifest import Meaning, OutputSpec
from ..models import SegmentationModel, best_class, inference_form, upsample
from .picture import PictureGraph

__all__ = ["DeployableGraph", "Outputs"]

Outputs = Literal["ids", "confidence", "logits"]


class DeployableGraph(PictureGraph):
    """A trained network between a raw picture and a class map, a map of depth or both, at one fixed size.

    Args:
        model: The network; its inference form is deployed, it is not changed.
        size_hw: Height and width of the picture in pixels, fixed.
        channels: Order of the picture's colours.
        outputs: `ids` gives the class map alone; `confidence` adds the probability of the class
            shown; `logits` adds the scores at the decoder's stride, for a host that wants the
            probability of every class.
        least_score: Of a binary label space, the score from which on a pixel is id 1.
        semantic: Whether classes come out.
        depth: Whether depth comes out: metres at the decoder's stride, which the host enlarges.

    Raises:
        ConfigError: The size is none that a network takes, a choice is unknown, the network gives no
            depth, or nothing is to come out.
    """

    def __init__(
        self,
        model: SegmentationModel,
        *,
        size_hw: tuple[int, int],
        channels: Literal["bgr", "rgb"] = "bgr",
        outputs: Outputs = "ids",
        least_score: float = 0.0,
        semantic: bool = True,
        depth: bool = False,
    ) -> None:
        super().__init__(model.normalization, size_hw=size_hw, channels=channels)
        if outputs not in get_args(Outputs):
            raise ConfigError(
                f"there are no outputs {outputs!r}",
                fix=f"choose one of {', '.join(get_args(Outputs))}",
            )
        if depth and not model.depth_only:
            raise ConfigError(
                "the network has no depth head", fix="export its classes alone, or train a HydraNet"
            )
        if not semantic and (not depth or outputs != "ids"):
            raise ConfigError(
                f"a network that tells depth alone has no {outputs}"
                if depth
                else "neither classes nor depth are to come out",
                fix="leave out --outputs" if depth else "choose one of them",
            )
        self.model = inference_form(model)
        self._least_score = least_score
        meanings: dict[Outputs, tuple[Outputs, ...]] = {
            "ids": ("ids",),
            "confidence": ("ids", "confidence"),
            "logits": ("ids", "logits"),
        }
        given: tuple[Meaning, ...] = meanings[outputs] if semantic else ()
        given = (*given, "depth") if depth else given
        self._semantic = semantic
        self.output_specs = tuple(OutputSpec(name=name, meaning=name) for name in given)

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """The tensors that `output_names` names.

        Args:
            frame: (1, H, W, 3) uint8, colours in the order of `input_spec`.
        """
        image = self.image(frame)
        found = self.model(image)
        made = {"image": image, "logits": found.logits, "depth": found.depth}
        if self._semantic:
            scores = upsample(found.logits, self.input_spec.size_hw)
            made["ids"] = ids = best_class(scores, least=self._least_score)
            if any(spec.meaning == "confidence" for spec in self.output_specs):
                made["confidence"] = _confidence(scores, ids)
        return tuple(made[name] for name in self.output_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what comes out: what `output_specs` promises, then the tensors that have a name inside.

        `image` is the normalised picture and `logits` the decoder's scores: what lies between it and
        them, or the depth, is the network itself, the part that an accelerator runs.
        """
        promised = [spec.name for spec in self.output_specs]
        inside = ["logits", "image"] if self._semantic else ["image"]
        return tuple(dict.fromkeys([*promised, *inside]))


def _confidence(scores: Tensor, ids: Tensor) -> Tensor:
    """The probability of the class shown: (B, C, H, W) and (B, H, W) to (B, H, W)."""
    if scores.shape[1] == 1:
        return torch.where(ids > 0, scores[:, 0], -scores[:, 0]).sigmoid()
    # The winner's softmax alone: no normalised copy of all channels is made.
    best = scores.amax(dim=1, keepdim=True)
    return (scores - best).exp().sum(dim=1).reciprocal()
