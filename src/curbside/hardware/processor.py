"""The processor: its name, its cores and how busy they are; and the board it sits on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from .files import text_in

__all__ = [
    "CoreTimes",
    "board_name",
    "computes_bf16",
    "core_count",
    "cpu_model",
    "read_core_times",
    "thread_count",
]

_ROOT = Path("/")


def core_count() -> int:
    """The number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """The threads asked for, or one for every core this process may use.

    Raises:
        ConfigError: Fewer than one is asked for.
    """
    if threads is None:
        return core_count()
    if threads < 1:
        raise ConfigError(f"{threads} threads cannot run a network", fix="give --threads 1 or more")
    return threads


def cpu_model() -> str:
    """The processor's name."""
    facts = _cpu_facts()
    named = facts.get("model name") or facts.get("Model")
    return named or platform.processor() or platform.machine()


def computes_bf16() -> bool:
    """Whether the processor says that it computes in bfloat16, rather than imitates it."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_cpu_facts().get("flags", "").split())


def board_name(root: Path = _ROOT) -> str | None:
    """The board or machine by name, such as `Raspberry Pi 5 Model B Rev 1.0`; None where untold.

    Args:
        root: Where the file system begins.
    """
    named = text_in(root / "proc/device-tree/model")
    if named is None:
        maker, product = (
            text_in(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")
        )
        named = " ".join(part for part in (maker, product) if part)
    return named or None


@dataclass(frozen=True, kw_only=True)
class CoreTimes:
    """What all cores did since the device started, whoever asked them to."""

    busy: int
    """Ticks at work, summed over the cores."""
    total: int
    """Ticks in all."""

    def busy_share_since(self, earlier: CoreTimes | None) -> float | None:
        """Share of all cores that were at work since `earlier`, 0..1; None where nobody can tell."""
        if earlier is None or self.total <= earlier.total:
            return None
        return max(0.0, self.busy - earlier.busy) / (self.total - earlier.total)


def read_core_times(root: Path = _ROOT) -> CoreTimes | None:
    """What the cores did so far; None where the device does not tell.

    Args:
        root: Where the file system begins.
    """
    for line in (text_in(root / "proc/stat") or "").splitlines():
        name, *fields = line.split() or [""]
        if name == "cpu" and len(fields) >= 5 and all(field.isdigit() for field in fields):
            ticks = [int(field) for field in fields[:8]]  # guests' time is in the user's already
            return CoreTimes(busy=sum(ticks) - ticks[3] - ticks[4], total=sum(ticks))
    return None


def _cpu_facts() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
