"""Pictures with their objects, as a network that finds objects learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError
from ..imaging import Piece, Placement, Regions
from ..labels import IGNORE_ID
from ..prepared import Sample, find_objects
from .augment import Augmentation
from .object_folders import channels_of

__all__ = [
    "ObjectDataset",
    "ObjectItem",
    "ObjectPicture",
    "collate_object_pictures",
    "collate_objects",
]

_UNKNOWN = -1


class ObjectItem(NamedTuple):
    """An augmented picture with its objects, or a batch of them."""

    image: Tensor
    """(3, H, W) uint8 RGB; in a batch (B, 3, H, W)."""
    boxes_xyxy: tuple[Tensor, ...]
    """Per picture (N, 4) float32: left, top, right, bottom in pixels; right and bottom are where the
    object ends."""
    classes: tuple[Tensor, ...]
    """Per picture (N,) int64, channels."""
    objects: Tensor
    """(H, W) int16: 0 for none, then number of the object + 1, -1 where nobody knows; in a batch
    (B, H, W)."""
    problems: tuple[str, ...]
    """What was found unreadable on the way; another sample stands in its place."""


class ObjectPicture(NamedTuple):
    """A picture as the runtime gives it to a network, or a batch of them."""

    image: Tensor
    """(3, H, W) uint8 RGB, letterboxed; in a batch (B, 3, H, W)."""
    indices: tuple[int, ...]
    """Which sample of the dataset each is."""
    problems: tuple[str, ...]
    """What was unreadable and is left out."""


class ObjectDataset(Dataset):
    """Samples as tensors.

    A group, whose members nobody told apart, what is ignored (255) on a sample whose stuff was
    annotated, too, and what is left of an object that a crop cuts off nearly whole are no objects, and
    nothing either: there nobody knows.

    Args:
        samples: The samples, with instances.
        classes: What is looked for; see `object_classes`.
        size_hw: Height and width of the pictures that come out.
        augmentation: What to do to them; without it, pictures are only letterboxed.
        seed: Added to a draw to seed its augmentation.
        min_area: Pixels that are left of an object at least, at the size that comes out.
        min_share: Share of it that is left at least.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        classes: tuple[str, ...],
        size_hw: tuple[int, int],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        min_area: int = 10,
        min_share: float = 0.1,
    ) -> None:
        self._samples = samples
        self._classes = classes
        self._size_hw = size_hw
        self._augmentation = augmentation
        self._seed = seed
        self._min_area, self._min_share = min_area, min_share

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: int | tuple[int, int]) -> ObjectItem | ObjectPicture:
        return self._train_item(*key) if isinstance(key, tuple) else self._picture(key)

    def _train_item(self, index: int, draw: int) -> ObjectItem:
        assert self._augmentation is not None
        problems = []
        for step in range(len(self)):
            sample = self._samples[(index + step) % len(self)]
            try:
                rgb = sample.read_rgb()
                numbers, channels, areas = self._objects(sample)
            except DataError as error:
                problems.append(str(error))
                continue
            entropy = np.random.SeedSequence([self._seed, draw]).generate_state(1, np.uint64)[0]
            seed = int(entropy >> np.uint64(1))
            image, cut, piece = self._augmentation(rgb, numbers, seed=seed, beyond=0)
            boxes, kept, objects = self._left(cut.numpy(), areas * _magnification(piece))
            return ObjectItem(
                image=image,
                boxes_xyxy=(torch.from_numpy(boxes),),
                classes=(torch.from_numpy(channels[kept]),),
                objects=torch.from_numpy(objects),
                problems=tuple(problems),
            )
        raise DataError(
            f"none of the {len(self)} training samples can be read; the first: {problems[0]}",
            fix="restore the data",
        )

    def _objects(self, sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of the objects, (H, W) int32 from 1 on, the last where nobody knows; the channel and
        the area of each."""
        instances = sample.read_instances()
        channels = channels_of(self._classes, sample.space)
        found = [item for item in find_objects(sample, instances) if item.label.name in channels]
        single = [item for item in found if not item.group]
        table = np.zeros(np.iinfo(np.uint16).max + 1, np.int32)
        table[[item.value for item in single]] = np.arange(1, len(single) + 1)
        unknown = [item.value for item in found if item.group]
        if not _objects_alone(sample):
            unknown.append(IGNORE_ID)
        table[unknown] = len(single) + 1
        return (
            table[instances],
            np.array([channels[item.label.name] for item in single], np.int64),
            np.array([item.area for item in single], np.float64),
        )

    def _left(
        self, numbers: np.ndarray, expected: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes of the objects that a cut left enough of, which they are, and the map of them."""
        regions, count = Regions(numbers), len(expected)
        areas, boxes = np.zeros(count), np.zeros((count, 4), np.int64)
        there = regions.areas[1 : count + 1]
        areas[: len(there)] = there
        boxes[: len(there)] = regions.boxes_xywh[1 : count + 1]
        kept = np.flatnonzero((areas >= self._min_area) & (areas >= self._min_share * expected))
        table = np.full(count + 2, _UNKNOWN, np.int16)
        table[0] = 0
        table[kept + 1] = np.arange(1, len(kept) + 1)
        boxes[:, 2:] += boxes[:, :2]
        return boxes[kept].astype(np.float32), kept, table[numbers]

    def _picture(self, index: int) -> ObjectPicture:
        try:
            rgb = self._samples[index].read_rgb()
        except DataError as error:
            return ObjectPicture(torch.empty(0), (), (str(error),))
        place = Placement.letterbox((rgb.shape[0], rgb.shape[1]), self._size_hw)
        image = torch.from_numpy(np.array(place.draw(rgb))).permute(2, 0, 1)
        return ObjectPicture(image, (index,), ())


def _objects_alone(sample: Sample) -> bool:
    """Whether only countable classes were annotated: what is none of them is then 255, and no object."""
    countable = {item.name for item in sample.space.classes if item.has_instances}
    annotated = sample.record.annotated
    return annotated is not None and set(annotated) <= countable


def _magnification(piece: Piece) -> float:
    """Pixels that come out per pixel of the picture."""
    return piece.inside_hw[0] * piece.inside_hw[1] / (piece.height * piece.width)


def collate_objects(items: Sequence[ObjectItem]) -> ObjectItem:
    """A batch of training samples."""
    return ObjectItem(
        image=torch.stack([item.image for item in items]),
        boxes_xyxy=tuple(boxes for item in items for boxes in item.boxes_xyxy),
        classes=tuple(classes for item in items for classes in item.classes),
        objects=torch.stack([item.objects for item in items]),
        problems=tuple(problem for item in items for problem in item.problems),
    )


def collate_object_pictures(items: Sequence[ObjectPicture]) -> ObjectPicture:
    """A batch of pictures to score on; unreadable ones are left out."""
    good = [item for item in items if item.indices]
    return ObjectPicture(
        torch.stack([item.image for item in good]) if good else torch.empty(0),
        tuple(item.indices[0] for item in good),
        tuple(problem for item in items for problem in item.problems),
    )
