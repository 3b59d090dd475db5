"""Which samples make up the batch of a step: a pure function of the seed and the step.

Nothing is remembered between steps, so training that is killed and resumed at any step sees the very
batches that it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

__all__ = ["ResumableBatches"]


class ResumableBatches:
    """A batch sampler that starts at the step that training is at and ends at the next pause.

    The samples are an endless stream of shuffled passes over the data; step k takes the k-th
    `batch_size` of it. Each sample comes as (index, draw), where `draw`, its place in the stream,
    seeds its augmentation.

    Args:
        length: Number of samples.
        batch_size: Samples per step, over all processes together.
        seed: Shuffles the passes.
        step: Gives the step that training is at.
        pause: Gives the step at which to end, for a step to start from.
        rank: This process.
        world: Number of processes; each takes an equal share of every batch.
    """

    def __init__(
        self,
        *,
        length: int,
        batch_size: int,
        seed: int,
        step: Callable[[], int],
        pause: Callable[[int], int],
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._length = length
        self._batch_size = batch_size
        self._step = step
        self._pause = pause
        self._rank, self._world = rank, world
        self._order = lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng([seed, epoch]).permutation(length)
        )

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        start = self._step()
        for step in range(start, self._pause(start)):
            yield self.batch(step)

    def batch(self, step: int) -> list[tuple[int, int]]:
        """The (index, draw) pairs of a step, this process's share."""
        draws = range(step * self._batch_size, (step + 1) * self._batch_size)
        return [
            (int(self._order(draw // self._length)[draw % self._length]), draw)
            for draw in draws[self._rank :: self._world]
        ]
