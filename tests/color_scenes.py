"""Tiny networks, and pictures of four colours that they can tell apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from curbside.imaging import Normalization
from curbside.labels import LabelSpace
from curbside.models import DeepLabV3PlusConfig, EncoderConfig, LRASPPConfig, SegmentationModel
from curbside.prepared import PreparedWriter, SampleData, write_sample

SIZE_HW = (64, 96)
COLORS = ((200, 40, 40), (40, 180, 60), (60, 60, 220), (210, 200, 70))


def build(kind: str, classes: int = 4, seed: int = 0) -> SegmentationModel:
    """A tiny network with random weights and batch-norm statistics as training would leave them."""
    torch.manual_seed(seed)
    encoder = EncoderConfig(name="mobilenetv4_conv_small", stages=4)
    config = {
        "lraspp": LRASPPConfig(encoder=encoder, channels=32),
        "deeplab": DeepLabV3PlusConfig(encoder=encoder, channels=32, atrous_rates=(1, 2, 3)),
    }[kind]
    model = config.build(classes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.4)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    # Uneven channels, so that a wrong colour order cannot go unseen.
    model.normalization = Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    return model.eval()


def expected_logits(model: SegmentationModel, frame_rgb: np.ndarray) -> torch.Tensor:
    """What the network itself makes of a picture at its input size: (1, C, h, w)."""
    norm = model.normalization
    picture = (frame_rgb.astype(np.float64) / 255 - norm.mean) / norm.std
    with torch.no_grad():
        return model(torch.tensor(picture.transpose(2, 0, 1)[None], dtype=torch.float32)).logits


def scene(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> tuple[np.ndarray, np.ndarray]:
    """A picture of noisy blocks, (H, W, 3) uint8 RGB, and the class of each pixel."""
    rng = np.random.default_rng(seed)
    ids = cv2.resize(
        rng.integers(0, 4, (3, 4), dtype=np.uint8), size_hw[::-1], interpolation=cv2.INTER_NEAREST
    )
    rgb = np.asarray(COLORS)[ids] + rng.normal(0, 14, (*size_hw, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), ids


def make_data(root: Path, space: LabelSpace, *, train: int = 12, val: int = 4) -> Path:
    """A prepared folder of scenes."""
    writer = PreparedWriter(root, space=space, source="test scenes")
    for split, count in (("train", train), ("val", val)):
        for index in range(count):
            rgb, ids = scene(index + 100 * (split == "val"), (96, 128))
            data = SampleData(id=f"s{index:02d}", split=split, image=rgb, semantic=ids)
            writer.add(write_sample(root, data, space))
    writer.finish()
    return root
