"""How the device is doing, in a line: cores at work, memory, temperature, what slows it down."""

from __future__ import annotations

from ..hardware import (
    Condition,
    CoreTimes,
    Memory,
    read_condition,
    read_core_times,
    read_memory,
)

__all__ = ["DeviceState", "in_words"]


class DeviceState:
    """Looks at the device again and again; the cores' work is that since the last look."""

    def __init__(self) -> None:
        self._cores: CoreTimes | None = read_core_times()

    def read(self) -> str:
        """How the device is doing now; takes some milliseconds on a Raspberry Pi, which asks its firmware."""
        before, self._cores = self._cores, read_core_times()
        share = None if self._cores is None else self._cores.busy_share_since(before)
        return in_words(share, read_memory(), read_condition())


def in_words(busy: float | None, memory: Memory | None, condition: Condition) -> str:
    """What is known, in a line; empty where nothing is.

    Args:
        busy: Share of all cores at work, 0..1.
        memory: That of this process.
        condition: Temperature and throttling.
    """
    parts = []
    if busy is not None:
        parts.append(f"cores {busy:.0%}")
    if memory is not None:
        parts.append(f"{memory.resident_mb:.0f} MB")
    if condition.temperature is not None:
        parts.append(f"{condition.temperature.celsius:.0f} °C")
    slowed = condition.throttling
    if slowed is not None and slowed.now:
        parts.append(f"SLOWED: {', '.join(slowed.now)}")
    elif slowed is not None and slowed.earlier:
        parts.append(f"was slowed: {', '.join(slowed.earlier)}")
    return ", ".join(parts)
