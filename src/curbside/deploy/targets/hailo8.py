"""Hailo-8, 26 TOPS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..hailo import HailoTarget

__all__ = ["Hailo8"]


@dataclass(frozen=True, kw_only=True)
class Hailo8(HailoTarget):
    """Hailo-8 by the Dataflow Compiler, version 3."""

    title: ClassVar[str] = "Hailo-8 (Dataflow Compiler)"
    arch: ClassVar[str] = "hailo8"
    chip: ClassVar[str] = "Hailo-8"
    compiler_major: ClassVar[int] = 3
