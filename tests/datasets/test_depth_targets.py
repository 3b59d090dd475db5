"""The depth that training sees: what counts, and what a piece makes of metres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from curbside.datasets import (
    DepthTargets,
    ResumableBatches,
    SegmentationDataset,
    SharedDraws,
    collate_val,
    focal_at,
)
from curbside.datasets.augment import cut
from curbside.imaging import Piece
from curbside.labels import load_space
from curbside.metrics import DepthScores
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.training.validation import depth_maps

SPACE = load_space("idd-lite7")


def _sample(root, **targets):
    data = SampleData(
        id="a", split="train", image=np.zeros((8, 12, 3), np.uint8), annotated=(), **targets
    )
    writer = PreparedWriter(root, space=SPACE, source="test", options={})
    writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return PreparedFolder(root).samples("train")[0]


def _piece(top, left, height, width, inside, *, flipped=False, size=None):
    return Piece(top, left, height, width, (8, 12), inside, size or inside, flipped)


def test_a_piece_is_cut_by_the_nearest_pixel_and_mirrored():
    values = np.arange(96, dtype=np.float32).reshape(8, 12)
    found = cut(values, _piece(2, 4, 2, 3, (4, 6), flipped=True, size=(5, 8)), beyond=-1)
    expected = np.full((5, 8), -1, np.float32)
    expected[:4, :6] = values[2:4, 4:7].repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(found.numpy(), expected[:, ::-1])


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [("none", [1, 1, 1, 0]), ("mask", [1, 1, 0, 0]), ("weigh", [1, 0.8, 0.2, 0])],
)
def test_confidence_masks_or_weighs(tmp_path, confidence, expected):
    depth = np.full((8, 12), 5, np.float32)
    depth[:, 9:] = 0  # unknown, however much it is trusted
    trust = np.repeat(np.array([255, 204, 51, 255], np.uint8), 3)[None].repeat(8, 0)
    sample = _sample(tmp_path, depth_m=depth, confidence=trust)
    read = DepthTargets(confidence=confidence, size_hw=(8, 12)).read(sample)
    metres, weight = read.cut(_piece(0, 0, 8, 12, (8, 12)))
    np.testing.assert_allclose(weight.numpy()[0], np.repeat(expected, 3), atol=1e-6)
    np.testing.assert_array_equal(metres.numpy(), depth)


def test_pictures_are_scored_by_what_training_trusts(tmp_path):
    depth = np.full((8, 12), 5, np.float32)
    trust = np.repeat(np.array([255, 204, 51, 0], np.uint8), 3)[None].repeat(8, 0)
    sample = _sample(tmp_path, depth_m=depth, confidence=trust)
    for confidence, expected in (("weigh", [1, 0.8, 0.2, 0]), ("mask", [1, 1, 0, 0])):
        targets = DepthTargets(confidence=confidence, size_hw=(8, 12))
        item = SegmentationDataset([sample], size_hw=(8, 12), depth=targets)[0]
        batch = collate_val([item])
        said = torch.tensor([10.0, 5.0, 5.0, 5.0]).repeat_interleave(3).expand(1, 1, 8, 12)
        scores = DepthScores()
        for found in depth_maps(said, batch):
            scores.update(*found)
        # Where it is trusted most, it is wrong by its whole distance.
        assert scores.summary().abs_rel == pytest.approx(1 / sum(expected), rel=1e-6)


def test_a_sample_without_depth_counts_nowhere(tmp_path):
    sample = _sample(tmp_path, semantic=np.zeros((8, 12), np.uint8))
    _, weight = (
        DepthTargets(confidence="mask", size_hw=(8, 12))
        .read(sample)
        .cut(_piece(0, 0, 4, 6, (8, 12)))
    )
    assert weight.shape == (8, 12) and not weight.any()


def test_what_is_magnified_is_told_nearer(tmp_path):
    """A thing of S metres at Z is f * S / Z pixels large: the camera that depth is told for sees it as
    large at f_reference / f times the distance."""
    sample = _sample(tmp_path, depth_m=np.full((8, 12), 20, np.float32), focal_xy_px=(24.0, 24.0))
    assert focal_at(sample, (16, 24)) == pytest.approx(48)  # the network's input is twice as large
    targets = DepthTargets(confidence="none", size_hw=(16, 24), reference_px=48.0)
    whole, _ = targets.read(sample).cut(_piece(0, 0, 8, 12, (16, 24)))
    assert torch.all(whole == 20)
    half, _ = targets.read(sample).cut(_piece(0, 0, 4, 6, (16, 24)))
    assert torch.all(half == 10)
    stretched, _ = targets.read(sample).cut(_piece(0, 0, 8, 6, (16, 24)))
    np.testing.assert_allclose(stretched, 20 / np.sqrt(2), rtol=1e-6)
    other = DepthTargets(confidence="none", size_hw=(16, 24), reference_px=96.0)
    longer, _ = other.read(sample).cut(_piece(0, 0, 8, 12, (16, 24)))
    assert torch.all(longer == 40) and np.all(other.read(sample).whole() == 40)
    unknown = replace(sample, record=replace(sample.record, focal_xy_px=None))
    same, _ = other.read(unknown).cut(_piece(0, 0, 8, 12, (16, 24)))
    assert torch.all(same == 20)  # taken to be of the camera that depth is told for


def test_every_batch_has_its_share_of_each_kind():
    draws = SharedDraws([30, 10, 60], [2, 1, 1], seed=3, spread=True)
    batches = ResumableBatches(
        length=100,
        batch_size=8,
        seed=3,
        step=lambda: 0,
        pause=lambda step: 40,
        drawn=draws,
        in_order=True,
    )
    ends = np.array([30, 40])
    seen = np.zeros(100, int)
    for batch in batches:
        kinds = np.bincount(np.searchsorted(ends, [i for i, _ in batch], side="right"), minlength=3)
        assert abs(kinds[0] - 4) <= 1 and abs(kinds[1] - 2) <= 1 and abs(kinds[2] - 2) <= 1
        np.add.at(seen, [i for i, _ in batch], 1)
    for first, last in ((0, 30), (30, 40), (40, 100)):  # of a kind, all equally often
        assert seen[first:last].max() - seen[first:last].min() <= 1


def test_devices_share_the_kinds_of_a_batch():
    """Taking turns must not give one device all masks and the other all depth."""
    draws = SharedDraws([40, 40], [1, 1], seed=1, spread=True)
    kinds = [
        [
            sum(index >= 40 for index, _ in batch)
            for batch in ResumableBatches(
                length=80,
                batch_size=8,
                seed=1,
                step=lambda: 0,
                pause=lambda step: 10,
                rank=rank,
                world=2,
                drawn=draws,
                in_order=True,
            )
        ]
        for rank in (0, 1)
    ]
    assert all(one + other == 4 for one, other in zip(*kinds, strict=True))
    assert all(0 < sum(of_device) < 40 for of_device in kinds)
