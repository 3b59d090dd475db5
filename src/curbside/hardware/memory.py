"""How much memory this process holds."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .files import text_in

__all__ = ["Memory", "give_back_memory", "keep_one_heap", "read_memory", "reset_peak_memory"]

_ROOT = Path("/")
_M_ARENA_MAX = -8


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of this process."""

    resident_mb: float
    """What it holds of the device's memory, in 10^6 bytes."""
    peak_mb: float
    """The most that it held since it started, or since `reset_peak_memory`."""


def read_memory(root: Path = _ROOT) -> Memory | None:
    """The memory of this process; None where the system does not tell.

    Args:
        root: Where the file system begins.
    """
    lines = (text_in(root / "proc/self/status") or "").splitlines()
    sizes = dict(line.split(":", 1) for line in lines if ":" in line)
    try:
        resident_kb, peak_kb = (int(sizes[name].split()[0]) for name in ("VmRSS", "VmHWM"))
    except (KeyError, IndexError, ValueError):
        return None
    return Memory(resident_mb=resident_kb * 1024 / 1e6, peak_mb=peak_kb * 1024 / 1e6)


def reset_peak_memory(root: Path = _ROOT) -> bool:
    """Forget the peak so far; False where the system does not let this process.

    Args:
        root: Where the file system begins.

    Source: Linux, Documentation/filesystems/proc.rst (`/proc/PID/clear_refs`).
    """
    path = root / "proc/self/clear_refs"
    try:
        if not path.exists():
            return False
        path.write_text("5\n")
    except OSError:
        return False
    return True


def keep_one_heap() -> bool:
    """Let all threads of this process share one heap, for a process that runs for days and starts
    threads now and then; False where its C library is not glibc.

    glibc gives threads heaps of their own, which it keeps when they end: with every video that is
    opened, memory grew by some megabytes, up to 8 heaps for each core. Call it early: heaps that are
    there already stay.

    Source: glibc, mallopt(3), `M_ARENA_MAX`.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, 1))


def give_back_memory() -> bool:
    """Let the system have the memory that was freed and kept for later, after much of it was; returns
    whether there was any. Takes some milliseconds.

    Source: glibc, malloc_trim(3).
    """
    malloc_trim = _of_glibc("malloc_trim")
    return malloc_trim is not None and bool(malloc_trim(ctypes.c_size_t(0)))


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library that glibc alone has; None where it is another one."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
    return found
