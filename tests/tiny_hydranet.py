"""A small HydraNet."""

from __future__ import annotations

from typing import Literal

import torch
from color_scenes import SIZE_HW, scene
from torch import nn

from curbside.imaging import Normalization
from curbside.models import EncoderConfig, LightWeightRefineNetConfig, SegmentationModel

__all__ = ["SIZE_HW", "hydranet"]


def hydranet(
    depth: Literal["none", "capped", "uncapped"] = "capped", *, classes: int = 4, seed: int = 0
) -> SegmentationModel:
    """A network with random weights whose classes and depths differ over a picture."""
    torch.manual_seed(seed)
    encoder = EncoderConfig(name="mobilenetv2_035", every_block=True)
    model = LightWeightRefineNetConfig(encoder=encoder, depth=depth).build(classes).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    model.normalization = Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    image = torch.from_numpy(scene(5)[0]).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():  # so that no class and no depth is everywhere
        for head in (model.get_submodule(name) for name in ("segmentation", *model.depth_only)):
            classifier = head.get_submodule("classifier")
            assert isinstance(classifier, nn.Conv2d) and classifier.bias is not None
            given: list[torch.Tensor] = []
            keep = given.append
            hook = classifier.register_forward_hook(lambda *args, keep=keep: keep(args[2]))
            model((image - 0.4) / 0.25)
            hook.remove()
            mean, std = given[0].mean((0, 2, 3)), given[0].std((0, 2, 3))
            classifier.weight /= std[:, None, None, None]
            classifier.bias.copy_((classifier.bias - mean) / std)
    return model
