"""What training takes from labels that networks made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curbside.datasets import Augmentation, AugmentConfig, SegmentationDataset
from curbside.labels import load_space
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample

SPACE = load_space("idd-lite7")


@pytest.mark.parametrize("pseudo", [(), ("semantic",)])
def test_what_a_network_was_not_sure_of_is_nothing_that_was_looked_for_in_vain(
    tmp_path: Path, pseudo: tuple[str, ...]
) -> None:
    """Where people annotated some classes, 255 is none of those; where a network did, it is unknown."""
    mask = np.where(np.indices((16, 24))[1] < 12, 0, 255).astype(np.uint8)
    data = SampleData(
        id="a",
        split="train",
        image=np.zeros((16, 24, 3), np.uint8),
        semantic=mask,
        annotated=SPACE.names[:2],
        pseudo=pseudo,
    )
    writer = PreparedWriter(tmp_path, space=SPACE, source="test")
    writer.add(write_sample(tmp_path, data, SPACE))
    writer.finish()
    whole = AugmentConfig(scale=(1.0, 1.0), flip=0)
    dataset = SegmentationDataset(
        PreparedFolder(tmp_path).samples("train"),
        size_hw=(16, 24),
        augmentation=Augmentation(whole, (16, 24)),
    )
    item = dataset[(0, 0)]
    assert item.annotated is not None and item.annotated.tolist() == [True] * 2 + [False] * 5
    labelled = item.target != 255
    assert 0 < labelled.sum() < labelled.numel()
    assert torch.equal(item.counts, labelled if pseudo else torch.ones_like(labelled))
