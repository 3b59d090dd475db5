"""Running a teacher once over all pictures, so that students can learn from what it said at little cost."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..datasets.cache_format import CachedFolder, CacheSettings
from ..datasets.cache_writer import CacheWriter
from ..datasets.teacher_cache import TeacherCache
from ..errors import ConfigError, DataError
from ..hardware import core_count, cpu_flags
from ..imaging import Piece, resize_frame, resize_scores
from ..labels import LabelSpace
from ..models import inference_form, normalize
from ..prepared import PreparedFolder, Sample, evenly_spaced, picture_samples
from ..progress import track
from .run_folder import Run

__all__ = ["CacheResult", "Faithfulness", "Precision", "cache_teacher"]

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_COMPARED = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        ConfigError: The settings cannot be, or the folder holds something else.
        DataError: A folder has no such pictures, or none can be read.
    """
    if batch_size < 1 or (limit is not None and limit < 1):
        raise ConfigError(
            f"batches of {batch_size} of at most {limit} pictures are impossible",
            fix="give 1 or more",
        )
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
    filling = _Filling(_Teacher(run, settings, device, _DTYPES[chosen]), writer, batch_size)
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
    exact = _Teacher(run, settings, device, torch.float32)
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
    able = torch.backends.mkldnn.is_available() and {"avx512_bf16", "amx_bf16"} & cpu_flags()
    return "bf16" if able else "fp32"


def _samples(folders: Sequence[Path], split: str, space: LabelSpace) -> dict[Path, list[Sample]]:
    """The pictures of every folder, labelled or not."""
    if not folders or len({folder.resolve() for folder in folders}) < len(folders):
        named = ", ".join(map(str, folders)) or "none"
        raise ConfigError(f"the folders are {named}", fix="name at least one, and each once")
    found = {}
    for folder in folders:
        bare = (folder / split / "images").is_dir() and not (folder / "dataset.json").is_file()
        found[folder] = (
            PreparedFolder(folder, space=space).samples(split)
            if bare
            else picture_samples(folder, split, space)
        )
        name, times = Counter(sample.id for sample in found[folder]).most_common(1)[0]
        if times > 1:
            raise DataError(
                f"{folder} has {times} pictures called {name}", fix="keep one, or rename the others"
            )
    return found


class _Teacher:
    """A network that gives log-probabilities of pictures.

    Args:
        run: Whose network.
        settings: Those of the cache.
        device: Where it runs.
        dtype: What it computes in.
    """

    def __init__(self, run: Run, settings: CacheSettings, device: str, dtype: torch.dtype) -> None:
        self._model = inference_form(run.model).to(device=device, dtype=dtype)
        self._normalization = run.model.normalization
        self._device, self._dtype = device, dtype
        self._flip = settings.flip
        self._input_hw = settings.input_hw

    def frame(self, sample: Sample) -> np.ndarray:
        """A picture at the input's size, (H, W, 3) uint8 RGB; raises what `Sample.read_rgb` raises."""
        return resize_frame(sample.read_rgb(), self._input_hw)

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray]) -> Tensor:
        """Log-probabilities of frames, (B, C, h, w) float32 at the size of the network's logits."""
        images = torch.from_numpy(np.stack(frames)).to(self._device).permute(0, 3, 1, 2)
        said = self._ask(images)
        if self._flip:
            mirrored = self._ask(images.flip(-1)).flip(-1)
            said = torch.logaddexp(said, mirrored) - math.log(2)
        return said

    def _ask(self, images: Tensor) -> Tensor:
        pixels = normalize(images, self._normalization).to(self._dtype)
        logits = self._model(pixels.contiguous(memory_format=torch.channels_last)).logits.float()
        if not torch.isfinite(logits).all():
            raise ConfigError(
                "the teacher's logits are not finite", fix="let it compute with --precision fp32"
            )
        return F.log_softmax(logits, dim=1)


class _Filling:
    """Asks the teacher for what a cache lacks, while other threads read pictures and write entries.

    A batch is always made of the same pictures, and asked as a whole where one of its entries is
    missing: so a cache that was interrupted ends with the same bytes.

    Args:
        teacher: Who is asked.
        writer: Takes what it says.
        batch_size: Pictures per question.

    Attributes:
        new: Number of entries written.
        unreadable: What is wrong with the pictures that were left out.
    """

    def __init__(self, teacher: _Teacher, writer: CacheWriter, batch_size: int) -> None:
        self._teacher, self._writer, self._batch_size = teacher, writer, batch_size
        self.new = 0
        self.unreadable: list[str] = []

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Sample | None]:
        """Fill in some samples; each comes back when it is done with, or None where its picture cannot
        be read. All entries are there when the last one has come."""
        with ThreadPoolExecutor(core_count()) as pool:
            held = list(pool.map(self._writer.holds, samples))
            starts = range(0, len(samples), self._batch_size)
            parts = [slice(start, start + self._batch_size) for start in starts]
            asked = [sample for part in parts if not all(held[part]) for sample in samples[part]]
            frames = _ahead(pool, self._read, asked, 2 * self._batch_size)
            writing: list[Future[None]] = []
            for part in parts:
                if all(held[part]):
                    yield from samples[part]
                    continue
                pairs = [(sample, next(frames)) for sample in samples[part]]
                good = [(sample, frame) for sample, frame in pairs if frame is not None]
                said = self._teacher([frame for _, frame in good]) if good else ()
                _wait(writing)  # so that no more than a batch of them is ever kept
                writing = [
                    pool.submit(self._write, sample, one)
                    for (sample, _), one in zip(good, said, strict=True)
                ]
                self.new += len(good)
                yield from (None if frame is None else sample for sample, frame in pairs)
            _wait(writing)

    def _read(self, sample: Sample) -> np.ndarray | None:
        try:
            return self._teacher.frame(sample)
        except DataError as error:
            self.unreadable.append(str(error))
            return None

    def _write(self, sample: Sample, said: Tensor) -> None:
        map_hw = self._writer.settings.map_hw(said.shape[1:], sample.record.size_hw)
        self._writer.write(sample, _shrunk(said, map_hw).cpu().numpy())


def _ahead(
    pool: Executor, work: Callable[[Item], Result], items: Sequence[Item], depth: int
) -> Iterator[Result]:
    """The results of some work, in order, of which at most `depth` are made before they are asked for."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _wait(work: Sequence[Future[None]]) -> None:
    for item in work:
        item.result()


def _shrunk(log_probs: Tensor, map_hw: tuple[int, int]) -> Tensor:
    """Log-probabilities, (C, h, w), at a smaller size: means of those that lie in a cell."""
    size_hw = (log_probs.shape[1], log_probs.shape[2])
    if size_hw == map_hw:
        return log_probs
    whole = Piece(0, 0, *size_hw, size_hw, inside_hw=map_hw, size_hw=map_hw, flipped=False)
    rows, columns = (
        torch.from_numpy(weights).to(log_probs.device) for weights in whole.sampling(size_hw, 1)
    )
    return F.log_softmax(rows @ log_probs @ columns.T, dim=0)


def _compare(teacher: _Teacher, cache: TeacherCache, samples: Sequence[Sample]) -> Faithfulness:
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
