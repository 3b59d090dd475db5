"""The one torch dataset over the samples of prepared folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError, LabelError
from ..imaging import resize_frame
from ..labels import IGNORE_ID
from ..prepared import Sample
from .augment import Augmentation
from .border_weights import BorderWeights
from .teacher_cache import TeacherCache

__all__ = ["SegmentationDataset", "TrainItem", "ValItem", "collate_train", "collate_val"]


class TrainItem(NamedTuple):
    """An augmented sample, or a batch of them."""

    image: Tensor
    """(3, H, W) uint8 RGB; in a batch (B, 3, H, W)."""
    target: Tensor
    """(H, W) uint8 ids; in a batch (B, H, W). A picture without a mask has 255 everywhere."""
    counts: Tensor
    """(H, W) bool: the pixels to compare with a teacher, which are those with a label, and in a
    picture without a mask all that are not padding; in a batch (B, H, W)."""
    border_weight: Tensor | None
    """(H, W) float32, see `BorderWeights`; in a batch (B, H, W). None where no loss asks for it."""
    taught: tuple[Tensor, ...]
    """What each cached teacher said of it, (C, h, w) float16 logits; in a batch (B, C, h, w)."""
    problems: tuple[str, ...]
    """What was found unreadable on the way; another sample stands in its place."""


class ValItem(NamedTuple):
    """A sample at the network's size with its mask at its own, or a batch of them."""

    image: Tensor
    """(3, H, W) uint8 RGB; in a batch (B, 3, H, W)."""
    targets: tuple[np.ndarray, ...]
    """Masks at their own size, (H, W) uint8 each."""
    indices: tuple[int, ...]
    """Which sample of the dataset each is."""
    problems: tuple[str, ...]
    """What was unreadable and is left out."""


class SegmentationDataset(Dataset):
    """Samples as tensors.

    Args:
        samples: The samples.
        size_hw: Height and width of the pictures that come out.
        augmentation: What to do to them; without it, pictures are only resized, as the runtime does.
        seed: Added to a draw to seed its augmentation.
        border_weights: Weighs the pixels of training samples by their distance to a border.
        caches: What teachers said of the samples beforehand.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        size_hw: tuple[int, int],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        border_weights: BorderWeights | None = None,
        caches: Sequence[TeacherCache] = (),
    ) -> None:
        self._samples = samples
        self._size_hw = size_hw
        self._augmentation = augmentation
        self._seed = seed
        self._border_weights = border_weights
        self._caches = caches

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: int | tuple[int, int]) -> TrainItem | ValItem:
        if isinstance(key, tuple):
            return self._train_item(*key)
        return self._val_item(key)

    def _train_item(self, index: int, draw: int) -> TrainItem:
        assert self._augmentation is not None
        problems = []
        for step in range(len(self)):
            sample = self._samples[(index + step) % len(self)]
            labelled = "semantic" in sample.record.targets
            try:
                rgb = sample.read_rgb()
                ids = sample.read_semantic() if labelled else _no_ids(rgb)
                kept = [cache.read(sample) for cache in self._caches]
            except (DataError, LabelError) as error:
                problems.append(str(error))
                continue
            seed = int(
                np.random.SeedSequence([self._seed, draw]).generate_state(1, np.uint64)[0]
                >> np.uint64(1)
            )
            image, target, piece = self._augmentation(rgb, ids, seed=seed)
            return TrainItem(
                image=image,
                target=target,
                counts=target != IGNORE_ID if labelled else torch.from_numpy(piece.cover().copy()),
                border_weight=None
                if self._border_weights is None
                else torch.from_numpy(self._border_weights(target.numpy())),
                taught=tuple(torch.from_numpy(logits.cut(piece)) for logits in kept),
                problems=tuple(problems),
            )
        raise DataError(
            f"none of the {len(self)} training samples can be read; the first: {problems[0]}",
            fix="restore the data",
        )

    def _val_item(self, index: int) -> ValItem:
        try:
            rgb, ids = self._samples[index].read_rgb(), self._samples[index].read_semantic()
        except (DataError, LabelError) as error:
            return ValItem(torch.empty(0), (), (), (str(error),))
        image = torch.from_numpy(np.array(resize_frame(rgb, self._size_hw))).permute(2, 0, 1)
        return ValItem(image, (ids,), (index,), ())


def _no_ids(rgb: np.ndarray) -> np.ndarray:
    return np.full(rgb.shape[:2], IGNORE_ID, np.uint8)


def collate_train(items: Sequence[TrainItem]) -> TrainItem:
    """A batch of training samples."""
    weights = [item.border_weight for item in items if item.border_weight is not None]
    return TrainItem(
        image=torch.stack([item.image for item in items]),
        target=torch.stack([item.target for item in items]),
        counts=torch.stack([item.counts for item in items]),
        border_weight=torch.stack(weights) if weights else None,
        taught=tuple(map(torch.stack, zip(*(item.taught for item in items), strict=True))),
        problems=tuple(problem for item in items for problem in item.problems),
    )


def collate_val(items: Sequence[ValItem]) -> ValItem:
    """A batch of validation samples; unreadable ones are left out."""
    good = [item for item in items if item.targets]
    image = torch.stack([item.image for item in good]) if good else torch.empty(0)
    return ValItem(
        image,
        tuple(item.targets[0] for item in good),
        tuple(item.indices[0] for item in good),
        tuple(p for item in items for p in item.problems),
    )
