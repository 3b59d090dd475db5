"""What training takes from labels that networks made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curbside.datasets import Augmentation, AugmentConfig, SegmentationDataset
from curbside.datasets.segmentation import _is_silent
from curbside.labels import load_space, mapping
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample

SPACE = load_space("idd-lite7")


@pytest.mark.parametrize(
    "facts",
    [{}, {"pseudo": ("semantic",)}, {"dropped_labels": {"dog": 1}}, {"unknown_labels": {"Car": 2}}],
)
def test_what_a_network_was_not_sure_of_is_nothing_that_was_looked_for_in_vain(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    """Where people annotated some classes, 255 is none of those; where a network did, or where objects
    were left out, it is unknown."""
    mask = np.where(np.indices((16, 24))[1] < 12, 0, 255).astype(np.uint8)
    data = SampleData(
        id="a",
        split="train",
        image=np.zeros((16, 24, 3), np.uint8),
        semantic=mask,
        annotated=SPACE.names[:2],
        **facts,
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
    assert torch.equal(item.counts, labelled if facts else torch.ones_like(labelled))


def test_what_a_label_map_loses_was_not_looked_for_in_vain(tmp_path: Path) -> None:
    """A class that was annotated and is none of the other label space lies under 255 there."""
    space, other = load_space("safetrip24"), load_space("camvid11")
    (lost, *_) = (row.source for row in mapping(space, other).lost)
    kept = next(row.source for row in mapping(space, other).classes if row.target)
    names = dict(zip(space.names, space.ids, strict=True))
    for number, annotated in enumerate([(kept,), (kept, lost)]):
        root = tmp_path / str(number)
        mask = np.full((16, 24), names[annotated[-1]], np.uint8)
        mask[:4] = names[kept]
        data = SampleData(
            id="a",
            split="train",
            image=np.zeros((16, 24, 3), np.uint8),
            semantic=mask,
            annotated=annotated,
        )
        writer = PreparedWriter(root, space=space, source="test")
        writer.add(write_sample(root, data, space))
        writer.finish()
        found = PreparedFolder(root).samples("train")[0].mapped(mapping(space, other))
        assert _is_silent(found) == (number == 1)
