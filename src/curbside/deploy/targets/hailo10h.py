"""Hailo-10H, with memory of its own: another line of the compiler and of HailoRT (5.x).

Users report that HailoRT's synchronous API is not implemented for it (community.hailo.ai/t/18979); our
backend uses the asynchronous one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..hailo import HailoTarget

__all__ = ["Hailo10H"]


@dataclass(frozen=True, kw_only=True)
class Hailo10H(HailoTarget):
    """Hailo-10H by the Dataflow Compiler, version 5."""

    title: ClassVar[str] = "Hailo-10H (Dataflow Compiler)"
    arch: ClassVar[str] = "hailo10h"
    chip: ClassVar[str] = "Hailo-10H"
    compiler_major: ClassVar[int] = 5
