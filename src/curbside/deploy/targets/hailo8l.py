"""Hailo-8L, 13 TOPS: half the chip, the same compiler; a HEF for the one does not run on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..hailo import HailoTarget

__all__ = ["Hailo8L"]


@dataclass(frozen=True, kw_only=True)
class Hailo8L(HailoTarget):
    """Hailo-8L by the Dataflow Compiler, version 3."""

    title: ClassVar[str] = "Hailo-8L (Dataflow Compiler)"
    arch: ClassVar[str] = "hailo8l"
    chip: ClassVar[str] = "Hailo-8L"
    compiler_major: ClassVar[int] = 3
