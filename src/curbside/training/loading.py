"""The batches of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, compress, repeat
from typing import Any

import lightning.pytorch as lightning
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from ..datasets import (
    Augmentation,
    DepthTargets,
    ResumableBatches,
    SegmentationDataset,
    SharedDraws,
    TeacherCache,
    collate_train,
    collate_val,
)
from ..errors import ConfigError
from ..labels import LabelSpace
from ..prepared import Sample, picture_samples
from .cameras import Camera
from .config import TrainConfig
from .run_config import LoopConfig

__all__ = ["feed", "loaders", "taught_samples", "unlabelled_samples"]


def unlabelled_samples(config: TrainConfig, space: LabelSpace) -> list[list[Sample]]:
    """The pictures without labels of a run, of each folder; raises what `picture_samples` raises."""
    data = config.data
    return [picture_samples(root, data.train_split, space) for root in data.unlabelled]


def taught_samples(
    config: TrainConfig, train: Sequence[Sequence[Sample]], unlabelled: Sequence[Sequence[Sample]]
) -> list[Sample]:
    """The samples that a run asks its teachers about, out of those of each folder: all but those whose
    share of the draws is zero."""
    return [*chain(*compress(train, config.data.shares or repeat(1)), *unlabelled)]


def loaders(
    config: TrainConfig,
    train: Sequence[Sequence[Sample]],
    val: Sequence[Sequence[Sample]],
    caches: Sequence[TeacherCache],
    trainer: lightning.Trainer,
    *,
    pause: Callable[[int], int],
    camera: Camera | None = None,
) -> tuple[DataLoader, DataLoader]:
    """The batches to learn from and those to score.

    Args:
        config: The run.
        train: The samples of each of its folders, those without labels last.
        val: The samples to score, of each of its folders.
        caches: What its teachers said beforehand.
        trainer: Who asks for the batches; its step decides with which they start.
        pause: See `ResumableBatches`.
        camera: The one that depth is told for, where depth is learnt.

    Raises:
        ConfigError: The devices cannot share a batch, or a kind of samples has no share or no sample.
    """
    draws: SharedDraws | None
    if config.data.mix:
        train, mixed = _kinds(config, list(chain(*train)))
        draws = SharedDraws([len(kind) for kind in train], mixed, config.seed, spread=True)
    else:
        lengths = [len(samples) for samples in train]
        shares = _shares(config, lengths)
        draws = SharedDraws(lengths, shares, config.seed) if shares else None
    depth = None
    if camera is not None:
        depth = DepthTargets(
            confidence=config.depth.confidence,
            size_hw=config.data.eval_hw,
            reference_px=camera.focal_px,
        )
    samples, masks = list(chain(*train)), "semantic" in config.targets
    train_set = SegmentationDataset(
        samples,
        size_hw=config.data.crop_hw,
        augmentation=Augmentation(config.data.augment, config.data.crop_hw),
        seed=config.seed,
        border_weights=config.data.border_weights.build() if config.uses_border_weight else None,
        caches=caches,
        depth=depth,
        masks=masks,
        weights=_weights(config, samples),
    )
    scored = SegmentationDataset(
        list(chain(*val)), size_hw=config.data.eval_hw, depth=depth, masks=masks
    )
    return feed(
        config,
        (train_set, collate_train),
        (scored, collate_val),
        trainer,
        pause=pause,
        drawn=draws,
    )


def _weights(config: TrainConfig, samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """What the classes and what the depth of each sample count; nothing where all count alike. Of a mask
    that people began and networks filled in it is what the labels of people count."""
    data = config.data
    if not data.weights and (
        data.pseudo_weight == 1 or not any(sample.record.pseudo for sample in samples)
    ):
        return []
    folders = dict(zip((root.resolve() for root in data.root), data.weights, strict=False))
    found = []
    for sample in samples:
        own = folders.get(sample.root.resolve(), 1.0)
        filled = {"semantic"} if sample.record.by_people else set()
        whole = set(sample.record.pseudo) - filled  # what networks made from the start
        classes, depth = (
            own * (data.pseudo_weight if target in whole else 1.0)
            for target in ("semantic", "depth")
        )
        found.append((classes, depth))
    return found


def _kinds(
    config: TrainConfig, samples: Sequence[Sample]
) -> tuple[list[list[Sample]], list[float]]:
    """The samples by their kind, with the share of each.

    Raises:
        ConfigError: A kind has a share and no sample, or samples and no share.
    """
    data, found = config.data, dict[str, list[Sample]]()
    for sample in samples:
        kind = sample.record.tags.get(data.mix_by, "(none)")
        if data.mix_by == "targets":
            kind = "+".join(name for name in config.targets if name in sample.record.targets)
        found.setdefault(kind, []).append(sample)
    shares = dict(data.mix)
    strange = sorted(found.keys() ^ shares.keys())
    if strange:
        has = ", ".join(f"{kind} {len(found[kind])}" for kind in sorted(found))
        raise ConfigError(
            f"the kind {strange[0]} has {'no share' if strange[0] in found else 'no sample'}",
            fix=f"name all kinds, with 0 for none of it: by {data.mix_by} there are {has}",
        )
    return [found[kind] for kind in shares], list(shares.values())


def feed(
    config: LoopConfig,
    train: tuple[Dataset, Callable[[Any], Any]],
    val: tuple[Dataset, Callable[[Any], Any]],
    trainer: lightning.Trainer,
    *,
    pause: Callable[[int], int],
    drawn: SharedDraws | None = None,
) -> tuple[DataLoader, DataLoader]:
    """The batches of a run: those to learn from, from the step that its trainer is at, and those to
    score.

    Args:
        config: The run.
        train: The samples to learn from, and what makes a batch of some.
        val: The same for those to score.
        trainer: Who asks for the batches.
        pause: See `ResumableBatches`.
        drawn: See `ResumableBatches`.

    Raises:
        ConfigError: The devices cannot share a batch.
    """
    rank, world = trainer.global_rank, trainer.world_size
    if config.data.batch_size % world:
        raise ConfigError(
            f"a batch of {config.data.batch_size} cannot be shared by {world} devices",
            fix=f"choose a multiple of {world}",
        )
    (train_set, train_collate), (val_set, val_collate) = train, val
    batches = ResumableBatches(
        length=len(train_set),  # type: ignore[arg-type]
        batch_size=config.data.batch_size,
        accumulate=config.data.accumulate,
        seed=config.seed,
        step=lambda: trainer.global_step,
        pause=pause,
        rank=rank,
        world=world,
        drawn=drawn,
        in_order=drawn is not None and drawn.spread,
    )
    workers: dict[str, Any] = {
        "num_workers": config.data.workers,
        "pin_memory": torch.cuda.is_available(),
    }
    if config.data.workers:
        workers |= {"persistent_workers": True, "worker_init_fn": _one_thread}
    sampler: Any = DistributedSampler(val_set, world, rank, shuffle=False) if world > 1 else None
    return (
        DataLoader(train_set, batch_sampler=batches, collate_fn=train_collate, **workers),
        DataLoader(
            val_set,
            batch_size=min(8, config.data.batch_size),
            sampler=sampler,
            collate_fn=val_collate,
            **workers,
        ),
    )


def _shares(config: TrainConfig, lengths: list[int]) -> list[float]:
    """The share of the draws of every set of samples, those without labels last; empty where all
    pictures come equally often."""
    labelled = lengths[: len(config.data.root)]
    if not config.data.unlabelled:
        return list(config.data.shares)
    shares = config.data.shares or labelled
    rest, part = lengths[len(labelled) :], config.data.unlabelled_share
    return [
        *((1 - part) * share / sum(shares) for share in shares),
        *(part * length / sum(rest) for length in rest),
    ]


def _one_thread(worker: int) -> None:
    """A reader keeps to one core; the network needs the rest."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
