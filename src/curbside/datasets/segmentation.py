"""The one torch dataset over the samples of prepared folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError, LabelError
from ..imaging import resize_frame
from ..labels import IGNORE_ID
from ..prepared import Sample
from .augment import Augmentation, cut
from .border_weights import BorderWeights
from .depth import DepthTargets
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
    picture without a mask, or with one of some classes alone where no label says none of those, all that
    are not padding; in a batch (B, H, W)."""
    border_weight: Tensor | None
    """(H, W) float32, see `BorderWeights`; in a batch (B, H, W). None where no loss asks for it."""
    taught: tuple[Tensor, ...]
    """What each cached teacher said of it, (C, h, w) float16 logits; in a batch (B, C, h, w)."""
    problems: tuple[str, ...]
    """What was found unreadable on the way; another sample stands in its place."""
    annotated: Tensor | None = None
    """(C,) bool, the classes that were annotated on it; in a batch (B, C). None where that is all."""
    depth: Tensor | None = None
    """(H, W) float32 metres, 0 = unknown; in a batch (B, H, W). None where no depth is learnt."""
    depth_weight: Tensor | None = None
    """(H, W) float32, what the depth of each pixel counts, 0 = nothing; in a batch (B, H, W)."""
    weight: Tensor | None = None
    """(2,) float32, what its classes and its depth count; in a batch (B, 2). None where all count alike."""
    covered: Tensor | None = None
    """(H, W) bool: the pixels that show the picture and are not padding; in a batch (B, H, W). None where
    no depth is learnt."""
    filled: Tensor | None = None
    """(H, W) bool, where networks labelled what people had left open; in a batch (B, H, W). None where a
    mask is all of the one or all of the other, or where all count alike."""
    whole: Tensor | None = None
    """(B, H, W) uint8, all labels of a batch, where `target` has those of one weight alone: borders lie
    between them. None where those are all."""

    def rows(self, chosen: Tensor) -> TrainItem:
        """Some of a batch.

        Args:
            chosen: (B,) bool.
        """
        picked: dict[str, Any] = {
            name: value[chosen]
            for name, value in self._asdict().items()
            if isinstance(value, Tensor)
        }
        picked["taught"] = tuple(logits[chosen] for logits in self.taught)
        return self._replace(**picked)


class ValItem(NamedTuple):
    """A sample at the network's size with its targets at its own, or a batch of them."""

    image: Tensor
    """(3, H, W) uint8 RGB; in a batch (B, 3, H, W)."""
    targets: tuple[np.ndarray | None, ...]
    """Masks at their own size, (H, W) uint8 each; None where a sample has none."""
    indices: tuple[int, ...]
    """Which sample of the dataset each is."""
    problems: tuple[str, ...]
    """What was unreadable and is left out."""
    depths: tuple[np.ndarray | None, ...] = ()
    """Depth at its own size, (H, W) float32 metres each, 0 = unknown, as the camera that depth is told for
    would see it; None where a sample has none."""
    depth_weights: tuple[np.ndarray | None, ...] = ()
    """What the depth of each pixel counts, (H, W) float32 each, as in training."""


class SegmentationDataset(Dataset):
    """Samples as tensors.

    Args:
        samples: The samples.
        size_hw: Height and width of the pictures that come out.
        augmentation: What to do to them; without it, pictures are only resized, as the runtime does.
        seed: Added to a draw to seed its augmentation.
        border_weights: Weighs the pixels of training samples by their distance to a border.
        caches: What teachers said of the samples beforehand.
        depth: Reads their depth, where that is wanted.
        masks: Whether their masks are wanted; without, no mask is opened.
        weights: What the classes and what the depth of each sample count; alike where not given.
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
        depth: DepthTargets | None = None,
        masks: bool = True,
        weights: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._samples = samples
        self._size_hw = size_hw
        self._augmentation = augmentation
        self._seed = seed
        self._border_weights = border_weights
        self._caches = caches
        self._depth = depth
        self._masks = masks
        self._weights = weights

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
            place = (index + step) % len(self)
            sample = self._samples[place]
            labelled = self._has_mask(sample)
            try:
                rgb = sample.read_rgb()
                ids = sample.read_semantic() if labelled else _no_ids(rgb)
                filled = sample.read_filled() if labelled and self._weights else None
                kept = [cache.read(sample) for cache in self._caches]
                metres = None if self._depth is None else self._depth.read(sample)
            except (DataError, LabelError) as error:
                problems.append(str(error))
                continue
            seed = int(
                np.random.SeedSequence([self._seed, draw]).generate_state(1, np.uint64)[0]
                >> np.uint64(1)
            )
            image, target, piece = self._augmentation(rgb, ids, seed=seed)
            annotated = _annotated(sample) if self._masks else None
            whole = labelled and (annotated is None or _is_silent(sample))
            depth, depth_weight = (None, None) if metres is None else metres.cut(piece)
            covered = torch.from_numpy(piece.cover().copy())
            return TrainItem(
                image=image,
                target=target,
                counts=target != IGNORE_ID if whole else covered,
                border_weight=None
                if self._border_weights is None
                else torch.from_numpy(self._border_weights(target.numpy())),
                taught=tuple(torch.from_numpy(logits.cut(piece)) for logits in kept),
                problems=tuple(problems),
                annotated=annotated,
                depth=depth,
                depth_weight=depth_weight,
                weight=torch.tensor(self._weights[place]) if self._weights else None,
                covered=None if metres is None else covered,
                filled=None if filled is None else cut(filled, piece, beyond=0),
            )
        raise DataError(
            f"none of the {len(self)} training samples can be read; the first: {problems[0]}",
            fix="restore the data",
        )

    def _val_item(self, index: int) -> ValItem:
        sample = self._samples[index]
        depth = depth_weight = None
        try:
            rgb = sample.read_rgb()
            ids = sample.read_semantic() if self._has_mask(sample) else None
            if self._depth is not None and "depth" in sample.record.targets:
                metres = self._depth.read(sample)
                depth, depth_weight = metres.whole(), metres.weight
        except (DataError, LabelError) as error:
            return ValItem(torch.empty(0), (), (), (str(error),))
        image = torch.from_numpy(np.array(resize_frame(rgb, self._size_hw))).permute(2, 0, 1)
        return ValItem(image, (ids,), (index,), (), (depth,), (depth_weight,))

    def _has_mask(self, sample: Sample) -> bool:
        """Whether a sample has a mask that is wanted."""
        return self._masks and "semantic" in sample.record.targets


def _annotated(sample: Sample) -> Tensor | None:
    """(C,) bool, the classes that were annotated on a sample; None where that is all."""
    ids = sample.annotated_ids
    if ids is None:
        return None
    return torch.tensor([number in ids for number in sample.space.ids])


def _is_silent(sample: Sample) -> bool:
    """Whether a pixel of 255 may also be of a class that was annotated: what a network was not sure of,
    an object whose label became none, a class that the label space does not have."""
    record, labels = sample.record, sample.labels
    lost = set() if labels is None else {row.source for row in labels.lost}
    return bool(
        "semantic" in record.pseudo
        or record.unknown_labels
        or record.dropped_labels
        or lost.intersection(record.annotated or ())
    )


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
        annotated=_filled([item.annotated for item in items], fill=True),
        depth=_filled([item.depth for item in items]),
        depth_weight=_filled([item.depth_weight for item in items]),
        weight=_filled([item.weight for item in items]),
        covered=_filled([item.covered for item in items]),
        filled=_filled([item.filled for item in items]),
    )


def _filled(values: Sequence[Tensor | None], *, fill: bool = False) -> Tensor | None:
    """What samples have as one tensor, those that lack it filled; None where all do."""
    like = next((value for value in values if value is not None), None)
    if like is None:
        return None
    return torch.stack(
        [torch.full_like(like, fill) if value is None else value for value in values]
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
        tuple(depth for item in good for depth in item.depths),
        tuple(weight for item in good for weight in item.depth_weights),
    )
