"""Tiny prepared folders for tests of training and what follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curbside.labels import load_space
from curbside.prepared import PreparedWriter, SampleData, write_sample


def colour_blocks(
    seed: int, *, size_hw: tuple[int, int] = (64, 96), block: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """A picture of blocks in the colours of their classes (CamVid's eleven), noisy, with its ids."""
    rng = np.random.default_rng(seed)
    rows, columns = size_hw[0] // block, size_hw[1] // block
    ids = np.kron(rng.integers(0, 11, (rows, columns)), np.ones((block, block), int)).astype(
        np.uint8
    )
    rgb = load_space("camvid11").palette[ids] * 0.7 + rng.integers(0, 60, (*size_hw, 3))
    return rgb.astype(np.uint8), ids


def blocks_folder(
    root: Path, *, train: int = 12, val: int = 4, size_hw: tuple[int, int] = (64, 96)
) -> Path:
    """A prepared folder of `colour_blocks`, with the tag `weather`."""
    writer = PreparedWriter(root, space=load_space("camvid11"), source="blocks")
    for split, count, offset in (("train", train, 0), ("val", val, 1000)):
        for index in range(count):
            rgb, ids = colour_blocks(offset + index, size_hw=size_hw)
            tags = {"weather": ("fog", "rain")[index % 2]}
            data = SampleData(id=f"{index:03}", split=split, image=rgb, semantic=ids, tags=tags)
            writer.add(write_sample(writer.root, data, writer.space))
    writer.finish()
    return root
