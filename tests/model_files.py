"""A network fitted to the four colours, its model file, and a prepared folder of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from color_scenes import COLORS, SIZE_HW, build, make_data, scene
from torch.nn import functional as F

from curbside.export import ExportConfig, export_onnx
from curbside.labels import LabelClass, LabelSpace
from curbside.models import SegmentationModel, upsample


@pytest.fixture(scope="session")
def space() -> LabelSpace:
    """Four classes, each of one colour."""
    return LabelSpace(
        name="colors",
        classes=tuple(LabelClass(id=i, name=f"c{i}", color=c) for i, c in enumerate(COLORS)),
    )


@pytest.fixture(scope="session")
def fitted() -> SegmentationModel:
    """A network that knows the four colours, after a few seconds of fitting."""
    model = build("lraspp").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scenes = [scene(seed) for seed in range(1000, 1024)]
    mean, std = (torch.tensor(v)[:, None, None] for v in vars(model.normalization).values())
    images = torch.stack([torch.from_numpy(rgb).permute(2, 0, 1) for rgb, _ in scenes]) / 255
    images = (images - mean) / std
    targets = torch.stack([torch.from_numpy(ids).long() for _, ids in scenes])
    for step in range(30):
        part = slice(8 * (step % 3), 8 * (step % 3) + 8)
        loss = F.cross_entropy(upsample(model(images[part]).logits, SIZE_HW), targets[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, space: LabelSpace) -> Path:
    """A prepared folder: 12 training and 4 validation pictures, larger than the network's input."""
    return make_data(tmp_path_factory.mktemp("prepared") / "colors", space)


@pytest.fixture(scope="session")
def float_file(
    tmp_path_factory: pytest.TempPathFactory, fitted: SegmentationModel, space: LabelSpace
) -> Path:
    """The fitted network as a model file."""
    path = tmp_path_factory.mktemp("models") / "m.onnx"
    config = ExportConfig(size_hw=SIZE_HW)
    export_onnx(fitted, path, config=config, space=space, title="tiny", source={"recipe": "test"})
    return path
