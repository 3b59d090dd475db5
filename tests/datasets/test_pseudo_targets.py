"""What training takes from labels that networks made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curbside.datasets import Augmentation, AugmentConfig, SegmentationDataset
from curbside.datasets.segmentation import _is_silent
from curbside.labels import load_space, mapping
from curbside.prepared import PreparedFolder, PreparedWriter, Sample, SampleData, write_sample

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


def _folder(root: Path, source: str = "test", options: Any = None, **facts: Any) -> list[Sample]:
    """Columns of the classes 0 to 6 and 255, two pixels each, on one training picture."""
    mask = np.repeat(np.array([*range(7), 255], np.uint8), 2)[None].repeat(8, 0)
    image = np.zeros((8, 16, 3), np.uint8)
    writer = PreparedWriter(root, space=SPACE, source=source, options=options)
    data = SampleData(id="a", split="train", image=image, semantic=mask, **facts)
    writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return PreparedFolder(root).samples("train")


def _first(samples: list[Sample], **settings: Any) -> Any:
    plain = AugmentConfig(scale=(1, 1), ratio=(1, 1), flip=0)
    augmentation = Augmentation(plain, (8, 16))
    dataset = SegmentationDataset(samples, size_hw=(8, 16), augmentation=augmentation, **settings)
    return dataset[(0, 0)]


def test_the_pixels_that_networks_filled_in_are_known(tmp_path: Path) -> None:
    people = SPACE.names[:2]
    (sample,) = samples = _folder(tmp_path, pseudo=("semantic",), by_people=people)
    expected = [False] * 4 + [True] * 10 + [False] * 2  # the classes that people did not annotate
    filled = sample.read_filled()
    assert filled is not None and filled[0].tolist() == expected
    item = _first(samples, weights=[(1.0, 1.0)])
    assert item.filled[0].tolist() == expected
    assert _first(samples).filled is None  # all count alike
    # Where classes of both become one, who said what is still known pixel by pixel.
    road = sample.mapped(mapping(SPACE, load_space("road2")))
    assert len(np.unique(road.read_semantic()[0, 2:14])) == 1
    assert road.read_filled()[0].tolist() == expected  # type: ignore[index]
    whole = replace(sample, record=replace(sample.record, by_people=()))
    assert whole.read_filled() is None


@pytest.mark.parametrize(
    ("source", "options", "pseudo", "expected"),
    [
        ("pseudo-labels", {"pictures": "data"}, (), ("semantic",)),
        ("pseudo-labels", {"keep_targets": True}, (), ()),
        ("pseudo-labels", {"keep_targets": True}, ("semantic",), ("semantic",)),
        ("idd", {}, (), ()),
    ],
)
def test_older_folders_of_pseudo_labels_are_known_by_their_source(
    tmp_path: Path, source: str, options: Any, pseudo: Any, expected: Any
) -> None:
    """Their records do not say who made the labels; those that kept labels of people always did."""
    (sample,) = _folder(tmp_path, source, options, pseudo=pseudo)
    line = json.loads((tmp_path / "samples.jsonl").read_text())
    assert ("pseudo" in line) == bool(pseudo)
    assert sample.record.pseudo == expected


def test_a_damaged_mask_does_not_matter_where_no_classes_are_learnt(tmp_path: Path) -> None:
    (sample,) = samples = _folder(tmp_path, annotated=SPACE.names[:2])
    sample.target_path("semantic").write_bytes(b"damaged")
    item = _first(samples, masks=False)
    assert item.problems == () and item.annotated is None and (item.target == 255).all()
    scored = SegmentationDataset(samples, size_hw=(8, 16), masks=False)[0]
    assert (scored.problems, scored.targets) == ((), (None,))  # type: ignore[union-attr]
    assert SegmentationDataset(samples, size_hw=(8, 16))[0].problems
