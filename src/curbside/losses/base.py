"""What every loss returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

__all__ = ["LossOutput"]


class LossOutput(NamedTuple):
    """A loss and what it is made of."""

    total: Tensor
    """The scalar to minimise."""
    parts: Mapping[str, Tensor]
    """Its parts by name, each a scalar without gradient, for the log."""
