"""Reading facts that were written as JSON values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

__all__ = ["read_facts"]

Facts = TypeVar("Facts")


def read_facts(kind: type[Facts], data: Any) -> Facts:
    """A dataclass of numbers and texts from what `dataclasses.asdict` made of it; other facts are passed
    over.

    Raises:
        KeyError, TypeError, ValueError: A fact is missing or none.
    """
    read: dict[str, Callable[[Any], Any]] = {"float": _number, "int": int, "str": str}
    return kind(**{f.name: read[str(f.type)](data[f.name]) for f in fields(kind)})  # type: ignore[arg-type]


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
