"""The precision that really ran, in words; all backends use the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["in_words"]


def in_words(kinds: Iterable[str], *, otherwise: str) -> str:
    """What a network's convolutions and matrix products run in.

    Args:
        kinds: The precision of each.
        otherwise: What to say of a network that has none, or does not tell.

    Returns:
        Such as `fp32`, or `int8 (57 of 60 convolutions and matrix products; the rest bf16)`.
    """
    counts = Counter(kinds)
    if len(counts) < 2:
        return next(iter(counts), otherwise)
    (first, count), *rest = sorted(
        counts.items(), key=lambda item: (not item[0].startswith("int8"), -item[1])
    )
    return (
        f"{first} ({count} of {counts.total()} convolutions and matrix products;"
        f" the rest {' and '.join(name for name, _ in rest)})"
    )
