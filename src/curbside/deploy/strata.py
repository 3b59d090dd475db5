"""Choosing few pictures that stand for many: every class, and every tag in proportion."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..prepared import Sample, evenly_spaced
from ..progress import track

__all__ = ["Chosen", "choose_stratified"]

_POOL = 4
"""Candidates looked at per picture wanted."""
_LEAST_SHARE = 1e-3
"""Share of a picture that a class must cover to count as being in it."""
_MOST_VALUES = 32
"""A tag with more values names pictures, not conditions."""
_CLASS_QUOTA = 0.5
"""Share of the set that may go to making up for rare classes."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Samples, and what they hold."""

    samples: Sequence[Sample]
    """In the order of the split."""
    strata: Mapping[str, Mapping[str, int]]
    """Number of pictures by class and by tag."""


def choose_stratified(samples: Sequence[Sample], count: int) -> Chosen:
    """Samples in which every class occurs and every tag has the share that it has in all.

    Rare classes are filled up first, from the pictures that show most of them; the rest is spread
    evenly over each combination of tags, as many of each as its share.

    Args:
        samples: All of one split.
        count: How many are wanted; all of them where there are fewer.

    Returns:
        The same ones every time.
    """
    pool = evenly_spaced(samples, _POOL * count)
    shares = _class_shares(pool) if len(pool) > count else {}
    tags = _telling_tags(samples)
    groups: dict[tuple[str, ...], list[Sample]] = defaultdict(list)
    for sample in pool:
        groups[tuple(sample.record.tags.get(tag, "") for tag in tags)].append(sample)
    taken = {sample.id: sample for sample in _rare_first(pool, shares, count)}
    for sample in _in_proportion(list(groups.values()), count):
        if len(taken) >= min(count, len(pool)):
            break
        taken.setdefault(sample.id, sample)
    chosen = [sample for sample in pool if sample.id in taken]
    held = shares or _class_shares(chosen)
    return Chosen(samples=chosen, strata=_strata(chosen, held, tags))


def _class_shares(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Share of each sample's pixels that every class covers, (C,), by the sample's id; without those
    that have no mask that can be read."""
    labelled = [sample for sample in samples if "semantic" in sample.record.targets]
    found = {}
    for sample in track(labelled, total=len(labelled), description="choosing pictures"):
        try:
            ids = sample.read_semantic()
        except DataError:
            continue
        counts = np.bincount(ids.ravel(), minlength=256)[list(sample.space.ids)]
        found[sample.id] = counts / ids.size
    return found


def _telling_tags(samples: Sequence[Sample]) -> list[str]:
    """The tags that name conditions."""
    values: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        for tag, value in sample.record.tags.items():
            values[tag].add(value)
    return sorted(tag for tag, seen in values.items() if 1 < len(seen) <= _MOST_VALUES)


def _rare_first(
    pool: Sequence[Sample], shares: Mapping[str, np.ndarray], count: int
) -> Iterator[Sample]:
    """Samples that give every class its pictures, rare classes first, at most half of the set."""
    if not shares:
        return
    table = np.stack([shares[sample.id] for sample in pool if sample.id in shares])  # (N, C)
    labelled = [sample for sample in pool if sample.id in shares]
    present = table >= _LEAST_SHARE
    each = max(1, int(_CLASS_QUOTA * count) // table.shape[1])
    taken: set[int] = set()
    for class_place in np.argsort(present.sum(axis=0), kind="stable"):
        have = sum(bool(present[place, class_place]) for place in taken)
        order = np.argsort(-table[:, class_place], kind="stable")
        for place in order[: int(present[:, class_place].sum())]:
            if have >= each or len(taken) >= _CLASS_QUOTA * count:
                break
            if int(place) not in taken:
                taken.add(int(place))
                have += 1
                yield labelled[int(place)]


def _in_proportion(groups: Sequence[Sequence[Sample]], count: int) -> Iterator[Sample]:
    """Samples of all groups, the groups mixed by their sizes: every beginning of the sequence is
    spread evenly over each of them."""
    total = sum(map(len, groups))
    wanted = [max(1, round(count * len(group) / total)) for group in groups]
    first = [evenly_spaced(group, want) for group, want in zip(groups, wanted, strict=True)]
    seen = {sample.id for group in first for sample in group}
    rest = [[sample for sample in group if sample.id not in seen] for group in groups]
    for part in (first, rest):
        # A picture's place within its group, as a share, orders the groups into each other.
        placed = [
            ((place + 0.5) / len(group), number, sample)
            for number, group in enumerate(part)
            for place, sample in enumerate(_scattered(group))
        ]
        yield from (sample for *_, sample in sorted(placed, key=lambda item: item[:2]))


def _scattered(group: Sequence[Sample]) -> list[Sample]:
    """The samples in an order in which every beginning is spread over the group: by the digits of
    their places, the last one first (van der Corput)."""
    bits = max(1, (len(group) - 1).bit_length())
    places = sorted(range(len(group)), key=lambda place: f"{place:0{bits}b}"[::-1])
    return [group[place] for place in places]


def _strata(
    samples: Sequence[Sample], shares: Mapping[str, np.ndarray], tags: Sequence[str]
) -> dict[str, dict[str, int]]:
    strata: dict[str, dict[str, int]] = {}
    names = samples[0].space.names if samples else ()
    present = [shares[sample.id] >= _LEAST_SHARE for sample in samples if sample.id in shares]
    if present:
        strata["class"] = dict(zip(names, map(int, np.sum(present, axis=0)), strict=True))
    for tag in tags:
        strata[tag] = dict(Counter(sample.record.tags.get(tag, "(none)") for sample in samples))
    return strata
