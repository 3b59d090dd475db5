"""Running a teacher once over all pictures, so that students can learn from what it said at little cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..datasets import CachedFolder, CacheSettings, CacheWriter, TeacherCache
from ..errors import ConfigError, DataError
from ..hardware import computes_bf16
from ..imaging import resize_scores
from ..labels import LabelSpace
from ..prepared import Sample, evenly_spaced, picture_samples
from ..progress import track
from .filling import AskedTeacher, Filling
from .run_folder import Run
from .teachers import require_learnt

__all__ = ["CacheResult", "Faithfulness", "Precision", "cache_teacher"]

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_COMPARED = 16


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """How near a cache is to its teacher in float32, at the size of the teacher's own logits: means over
    the pixels of some pictures."""

    kl_1: float
    """KL(teacher || cache) in nats, at temperature 1."""
    kl_4: float
    """The same at temperature 4, without the factor of 16."""
    agreement: float
    """Share of the pixels with the same most likely class."""
    pictures: int
    """Number of pictures compared."""


@dataclass(frozen=True, kw_only=True)
class CacheResult:
    """What caching came to."""

    root: Path
    """The cache."""
    folders: tuple[CachedFolder, ...]
    """What it holds of the folders that were asked for."""
    new: int
    """Entries that this call wrote."""
    faithfulness: Faithfulness
    """How near it is to the teacher."""
    unreadable: tuple[str, ...]
    """What is wrong with the pictures that were left out."""


def cache_teacher(
    run: Run,
    data: Sequence[Path],
    out: Path,
    *,
    split: str = "train",
    stride: int = 4,
    top_k: int | None = None,
    size_hw: tuple[int, int] | None = None,
    flip: bool = False,
    limit: int | None = None,
    batch_size: int = 8,
    precision: Precision = "auto",
    device: str | None = None,
) -> CacheResult:
    """Keep on disk what a teacher says of pictures; go on where an earlier call stopped.

    Args:
        run: The teacher.
        data: Prepared folders, bare trees of images and masks, or folders with pictures at any depth.
        out: The folder of the cache.
        split: The split to take; of a plain folder, all pictures, which training then finds in it.
        stride: See `CacheSettings`.
        top_k: See `CacheSettings`.
        size_hw: Height and width that pictures are resized to; the run's own where not given.
        flip: Take the mean of the probabilities of a picture and of its mirror image.
        limit: Only so many pictures of each folder, spread evenly over it.
        batch_size: Pictures per forward pass.
        precision: Arithmetic of the teacher; auto takes fp16 on a GPU, and bf16 where the CPU computes it.
        device: A torch device; a GPU where there is one.

    Raises:
        ConfigError: The settings cannot be, or the folder holds something else, or the teacher has not
            learnt classes.
        DataError: A folder has no such pictures, or none can be read.
    """
    if batch_size < 1:
        raise ConfigError(f"a batch of {batch_size} pictures is impossible", fix="give 1 or more")
    if limit is not None and limit < 1:
        raise ConfigError(f"a limit of {limit} pictures is impossible", fix="give 1 or more")
    require_learnt(run.folder, run.config, "semantic", since="a cache keeps classes")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    chosen = _half(device) if precision == "auto" else precision
    settings = CacheSettings(
        space=run.space,
        teacher={
            "recipe": run.source["recipe"],
            "model": run.title,
            "step": run.source["step"],
            "weights_sha256": run.source["weights_sha256"],
        },
        input_hw=size_hw or run.image_size_hw,
        stride=stride,
        top_k=top_k,
        flip=flip,
    )
    if min(settings.input_hw) < 32:
        raise ConfigError(f"the size {settings.input_hw} is too small", fix="give at least 32 x 32")
    wanted = _samples(data, split, run.space)
    if limit is not None:
        wanted = {folder: evenly_spaced(found, limit) for folder, found in wanted.items()}
    writer = CacheWriter(out, settings, list(wanted), split)
    filling = Filling(AskedTeacher(run, settings, device, _DTYPES[chosen]), writer, batch_size)
    held: dict[Path, list[Sample]] = {folder: [] for folder in wanted}
    walk = ((folder, sample) for folder, found in wanted.items() for sample in filling(found))
    count = sum(map(len, wanted.values()))
    for folder, sample in track(walk, total=count, description="caching"):
        if sample is not None:
            held[folder].append(sample)
    readable = [sample for found in held.values() for sample in found]
    if not readable:
        raise DataError(
            f"none of the {count} pictures can be read; the first: {filling.unreadable[0]}",
            fix="restore the data",
        )
    folders = writer.finish(held, chosen)
    exact = AskedTeacher(run, settings, device, torch.float32)
    return CacheResult(
        root=Path(out),
        folders=tuple(folders),
        new=filling.new,
        faithfulness=_compare(exact, TeacherCache(out), evenly_spaced(readable, _COMPARED)),
        unreadable=tuple(filling.unreadable),
    )


def _half(device: str) -> Literal["fp32", "bf16", "fp16"]:
    if device.startswith("cuda"):
        return "fp16"  # finer than bf16
    return "bf16" if computes_bf16() else "fp32"


def _samples(folders: Sequence[Path], split: str, space: LabelSpace) -> dict[Path, list[Sample]]:
    """The pictures of every folder, labelled or not."""
    if not folders or len({folder.resolve() for folder in folders}) < len(folders):
        named = ", ".join(map(str, folders)) or "none"
        raise ConfigError(f"the folders are {named}", fix="name at least one, and each once")
    found = {folder: picture_samples(folder, split, space) for folder in folders}
    for folder, samples in found.items():
        name, times = Counter(sample.id for sample in samples).most_common(1)[0]
        if times > 1:
            raise DataError(
                f"{folder} has {times} pictures called {name}", fix="keep one, or rename the others"
            )
    return found


def _compare(teacher: AskedTeacher, cache: TeacherCache, samples: Sequence[Sample]) -> Faithfulness:
    found = []
    for sample in samples:
        true = teacher([teacher.frame(sample)])[0].cpu()
        size_hw = (true.shape[1], true.shape[2])
        kept = torch.from_numpy(resize_scores(cache.read(sample).whole(), size_hw))
        agree = true.argmax(dim=0) == kept.argmax(dim=0)
        found.append([_kl(true, kept, 1), _kl(true, kept, 4), float(agree.float().mean())])
    kl_1, kl_4, agreement = np.mean(found, axis=0).tolist()
    return Faithfulness(kl_1=kl_1, kl_4=kl_4, agreement=agreement, pictures=len(samples))


def _kl(true: Tensor, kept: Tensor, temperature: float) -> float:
    first, second = (F.log_softmax(part / temperature, dim=0) for part in (true, kept))
    return float((first.exp() * (first - second)).sum(dim=0).mean())
