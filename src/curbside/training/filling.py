"""Asking a teacher about pictures, while other threads read them and write what it says."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..datasets import CacheSettings, CacheWriter
from ..errors import ConfigError, DataError
from ..hardware import core_count
from ..imaging import Piece, resize_frame
from ..models import inference_form, normalize, two_sided
from ..prepared import Sample
from .run_folder import Run

__all__ = ["AskedTeacher", "Filling"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class AskedTeacher:
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
        return F.log_softmax(two_sided(logits), dim=1)


class Filling:
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

    def __init__(self, teacher: AskedTeacher, writer: CacheWriter, batch_size: int) -> None:
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
