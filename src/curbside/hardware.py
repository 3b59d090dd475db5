"""What this device is: its cores and its processor."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from .errors import ConfigError

__all__ = ["computes_bf16", "core_count", "cpu_model", "thread_count"]


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


def _cpu_facts() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
