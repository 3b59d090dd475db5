"""Which samples make up the batch of a step: a pure function of the seed and the step.

Nothing is remembered between steps, so training that is killed and resumed at any step sees the very
batches that it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

__all__ = ["ResumableBatches", "SharedDraws"]


class ResumableBatches:
    """A batch sampler that starts at the step that training is at and ends at the next pause.

    The samples are an endless stream of shuffled passes over the data; step k takes the k-th
    `accumulate` batches of it. Each sample comes as (index, draw), where `draw`, its place in the stream,
    seeds its augmentation.

    Args:
        length: Number of samples, which is also the number of draws in a pass.
        batch_size: Samples per batch, over all processes together.
        accumulate: Batches per step.
        seed: Shuffles the passes.
        step: Gives the step that training is at.
        pause: Gives the step at which to end, for a step to start from.
        rank: This process.
        world: Number of processes; each takes an equal share of every batch.
        drawn: Gives the samples of a pass, (length,) indices, where it is not each sample once.
        in_order: Whether they come in the order that it gives; shuffled where not.
    """

    def __init__(
        self,
        *,
        length: int,
        batch_size: int,
        seed: int,
        step: Callable[[], int],
        pause: Callable[[int], int],
        accumulate: int = 1,
        rank: int = 0,
        world: int = 1,
        drawn: Callable[[int], np.ndarray] | None = None,
        in_order: bool = False,
    ) -> None:
        self._length = length
        self._batch_size = batch_size
        self._accumulate = accumulate
        self._step = step
        self._pause = pause
        self._rank, self._world = rank, world
        self._seed, self._in_order = seed, in_order

        @lru_cache(maxsize=2)
        def order(epoch: int) -> np.ndarray:
            if drawn is not None and in_order:
                return drawn(epoch)
            shuffled = np.random.default_rng([seed, epoch]).permutation(length)
            return shuffled if drawn is None else drawn(epoch)[shuffled]

        self._order = order

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        start = self._step()
        per_step = self._accumulate
        for number in range(start * per_step, self._pause(start) * per_step):
            yield self.batch(number)

    def batch(self, number: int) -> list[tuple[int, int]]:
        """The (index, draw) pairs of a batch, this process's share."""
        draws = np.arange(number * self._batch_size, (number + 1) * self._batch_size)
        if self._in_order:  # or every device would get a kind of its own
            np.random.default_rng([self._seed, number]).shuffle(draws)
        return [
            (int(self._order(draw // self._length)[draw % self._length]), int(draw))
            for draw in draws[self._rank :: self._world]
        ]


class SharedDraws:
    """What a pass takes from several sets of samples that get shares of the draws.

    Each set is an endless stream of its own shuffled passes, of which every pass over all takes the
    next piece; so all its samples come equally often, whatever its share.

    Args:
        lengths: Number of samples of each set; indices count through all sets.
        shares: Share of the draws of each set, in any unit; a set without samples has none.
        seed: Shuffles the passes.
        spread: Let the sets take turns, so that every batch has its share of each, to one sample more
            or less; else a pass is given set by set.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        shares: Sequence[float],
        seed: int,
        *,
        spread: bool = False,
    ) -> None:
        self._lengths = tuple(lengths)
        self._seed = seed
        self.spread = spread
        places = np.cumsum(shares) / np.sum(shares) * sum(lengths)
        self._draws = np.diff(np.rint(places).astype(int), prepend=0)

    def __call__(self, epoch: int) -> np.ndarray:
        """The samples of a pass, (sum(lengths),) indices."""
        found, start = [], 0
        for number, (length, draws) in enumerate(zip(self._lengths, self._draws, strict=True)):
            if draws:
                first = epoch * draws
                begun, ended = first // length, -(-(first + draws) // length)
                stream = np.concatenate(
                    [
                        np.random.default_rng([self._seed, number, turn]).permutation(length)
                        for turn in range(begun, ended)
                    ]
                )
                found.append(start + stream[first - begun * length :][:draws])
            start += length
        if not self.spread:
            return np.concatenate(found)
        # The k-th of n draws of a set has the place (k + 1/2) / n of the pass.
        places = [(np.arange(len(one)) + 0.5) / len(one) for one in found]
        return np.concatenate(found)[np.argsort(np.concatenate(places), kind="stable")]
