"""The dataset: augmentation keeps picture and mask together, and damage is skipped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_data import blocks_folder

from curbside.datasets import (
    Augmentation,
    AugmentConfig,
    SegmentationDataset,
    collate_train,
    collate_val,
)
from curbside.errors import ConfigError, DataError
from curbside.prepared import PreparedFolder


@pytest.fixture
def folder(tmp_path: Path) -> PreparedFolder:
    return PreparedFolder(blocks_folder(tmp_path / "data", train=4, val=2))


def test_crop_and_flip_move_picture_and_mask_alike() -> None:
    # The picture says of every pixel which id it has: after any crop and flip it still must.
    rng = np.random.default_rng(0)
    ids = np.kron(rng.integers(0, 8, (6, 9)), np.ones((16, 16), int)).astype(np.uint8)
    rgb = np.stack([ids * 30] * 3, axis=-1)
    augment = Augmentation(AugmentConfig(brightness=0, contrast=0, saturation=0), (64, 64))
    flipped = 0
    for seed in range(12):
        image, mask, _ = augment(rgb, ids, seed=seed)
        assert image.shape == (3, 64, 64) and mask.shape == (64, 64)
        assert image.dtype == mask.dtype == torch.uint8
        inner = (torch.round(image[0].float() / 30) == mask).float().mean()
        assert inner > 0.85  # all but the blended borders of the blocks
        plain, *_ = Augmentation(
            AugmentConfig(flip=0, brightness=0, contrast=0, saturation=0), (64, 64)
        )(rgb, ids, seed=seed)
        flipped += not torch.equal(plain, image)
    assert 0 < flipped < 12


def test_the_same_seed_gives_the_same_sample_and_leaves_torchs_alone() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    ids = rgb[..., 0] % 7
    augment = Augmentation(AugmentConfig(), (32, 32))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (augment(rgb, ids, seed=seed) for seed in (9, 9, 10))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_no_new_ids_appear(folder: PreparedFolder) -> None:
    samples = folder.samples("train")
    dataset = SegmentationDataset(
        samples, size_hw=(48, 48), augmentation=Augmentation(AugmentConfig(), (48, 48))
    )
    for draw in range(6):
        item = dataset[(draw % 4, draw)]
        assert set(item.target.unique().tolist()) <= set(
            np.unique(samples[draw % 4].read_semantic()).tolist()
        )


def test_a_damaged_training_sample_is_replaced_and_told(folder: PreparedFolder) -> None:
    samples = folder.samples("train")
    samples[1].image_path.write_bytes(samples[1].image_path.read_bytes()[:200])
    dataset = SegmentationDataset(
        samples, size_hw=(48, 48), augmentation=Augmentation(AugmentConfig(), (48, 48))
    )
    batch = collate_train([dataset[(0, 0)], dataset[(1, 1)]])
    assert batch.image.shape == (2, 3, 48, 48)
    assert len(batch.problems) == 1 and "001.jpg" in batch.problems[0]


def test_all_samples_damaged_is_an_error(folder: PreparedFolder) -> None:
    samples = folder.samples("train")
    for sample in samples:
        sample.image_path.write_bytes(b"")
    dataset = SegmentationDataset(
        samples, size_hw=(48, 48), augmentation=Augmentation(AugmentConfig(), (48, 48))
    )
    with pytest.raises(DataError, match="none of the 4 training samples can be read"):
        dataset[(0, 0)]


def test_a_damaged_validation_sample_is_left_out(folder: PreparedFolder) -> None:
    samples = folder.samples("val")
    samples[0].target_path("semantic").write_bytes(b"junk")
    dataset = SegmentationDataset(samples, size_hw=(32, 32))
    batch = collate_val([dataset[0], dataset[1]])
    assert batch.image.shape == (1, 3, 32, 32)
    assert len(batch.targets) == 1 and batch.targets[0].shape == (64, 96)
    assert len(batch.problems) == 1


def test_impossible_crops_are_refused() -> None:
    with pytest.raises(ConfigError):
        AugmentConfig(scale=(0.9, 0.1))


@pytest.mark.parametrize(
    ("setting", "bad"),
    [
        ("flip", 7.0),
        ("flip", -0.1),
        ("brightness", -1.0),
        ("contrast", math.nan),
        ("saturation", math.inf),
        ("hue", 1.0),
        ("hue", -0.1),
    ],
)
def test_impossible_changes_are_refused(setting: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=f"{bad} is impossible"):
        AugmentConfig(**{setting: bad})
    AugmentConfig(flip=1, brightness=2, contrast=0, saturation=1, hue=0.5)


STILL = AugmentConfig(flip=0, brightness=0, contrast=0, saturation=0)


def test_a_crop_of_the_whole_area_and_of_the_own_shape_is_the_picture() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    config = replace(STILL, scale=(1.0, 1.0), ratio=(1.0, 1.0))
    image, mask, _ = Augmentation(config, (32, 64))(rgb, rgb[..., 0], seed=1)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), rgb)
    assert np.array_equal(mask.numpy(), rgb[..., 0])


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_colour_setting_changes_the_picture_and_not_the_mask(name: str) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    image, mask, _ = Augmentation(replace(STILL, **{name: 0.4}), (32, 32))(rgb, rgb[..., 0], seed=3)
    plain, same, _ = Augmentation(STILL, (32, 32))(rgb, rgb[..., 0], seed=3)
    assert not torch.equal(image, plain) and torch.equal(mask, same)


def test_augmentation_follows_the_draw_and_the_seed(folder: PreparedFolder) -> None:
    def image(seed: int, draw: int) -> torch.Tensor:
        augmentation = Augmentation(AugmentConfig(), (48, 48))
        samples = folder.samples("train")
        dataset = SegmentationDataset(
            samples, size_hw=(48, 48), augmentation=augmentation, seed=seed
        )
        return dataset[(0, draw)].image

    assert torch.equal(image(1, 0), image(1, 0))
    assert not torch.equal(image(1, 0), image(1, 4))  # the same sample in the next pass
    assert not torch.equal(image(1, 0), image(2, 0))


def test_the_next_sample_stands_in_for_a_damaged_one(folder: PreparedFolder) -> None:
    samples = folder.samples("train")
    samples[1].image_path.write_bytes(b"")
    dataset = SegmentationDataset(
        samples, size_hw=(48, 48), augmentation=Augmentation(STILL, (48, 48))
    )
    assert torch.equal(dataset[(1, 5)].image, dataset[(2, 5)].image)
