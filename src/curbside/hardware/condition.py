"""How the device is doing: how hot it is, and whether it slows itself down.

Sources: Raspberry Pi documentation, `vcgencmd get_throttled`; Linux, Documentation/driver-api/thermal
and Documentation/admin-guide/pm/cpufreq.rst.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .files import children, number_in, text_in

__all__ = ["Condition", "Temperature", "Throttling", "read_condition"]

_ROOT = Path("/")
_PLAUSIBLE_C = (-40.0, 150.0)
_MADE_UP = ("PMIC-Die",)  # on a Jetson it always reads 100 degrees
_SLOWING = ("cpu", "gpu", "processor", "devfreq", "throttle", "clamp")
"""In the names of what cools by slowing down; fans cool without it, and others stay as they were set."""
_BITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
_EARLIER = 16  # the same bits, of what has been
_ANSWERS_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """The hottest place."""

    celsius: float
    """How hot it is."""
    sensor: str
    """What the device calls the place."""


@dataclass(frozen=True, kw_only=True)
class Throttling:
    """How the device slows itself down, in words; nothing in either where it does not."""

    now: tuple[str, ...] = ()
    """What slows it now."""
    earlier: tuple[str, ...] = ()
    """What slowed it since it started, or since the system was last asked; a Raspberry Pi tells."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How the device is doing at a moment."""

    temperature: Temperature | None
    """The hottest place; None where the device does not tell."""
    throttling: Throttling | None
    """Whether it slows itself down; None where it does not tell."""
    clock_mhz: float | None
    """Clock of the cores now, mean over them; None where it does not tell."""
    top_clock_mhz: float | None
    """The clock that they are made for."""
    load: float | None
    """Processes that want a core, mean over the last minute."""


def read_condition(root: Path = _ROOT) -> Condition:
    """How the device is doing, as far as it tells.

    Args:
        root: Where the file system begins.
    """
    policies = list(children(root / "sys/devices/system/cpu/cpufreq", "policy*"))
    clocks = [number_in(policy / "scaling_cur_freq") for policy in policies]
    tops = [number_in(policy / "cpuinfo_max_freq") for policy in policies]
    return Condition(
        temperature=_temperature(root),
        throttling=_throttling(root, policies),
        clock_mhz=_mean_mhz(clocks),
        top_clock_mhz=_mean_mhz(tops),
        load=_load(root),
    )


def _temperature(root: Path) -> Temperature | None:
    """The hottest of the thermal zones; without any, of the sensors that monitor hardware."""
    found = list(_zones(root)) or list(_monitors(root))
    return max(found, key=lambda place: place.celsius, default=None)


def _zones(root: Path) -> Iterator[Temperature]:
    for zone in children(root / "sys/class/thermal", "thermal_zone*"):
        name = text_in(zone / "type") or zone.name
        if name not in _MADE_UP:
            yield from _plausible(zone / "temp", name)


def _monitors(root: Path) -> Iterator[Temperature]:
    for path in children(root / "sys/class/hwmon", "hwmon*/temp*_input"):
        label = text_in(path.with_name(path.name.replace("_input", "_label")))
        chip = text_in(path.with_name("name")) or path.parent.name
        yield from _plausible(path, f"{chip} {label}" if label else chip)


def _plausible(path: Path, name: str) -> Iterator[Temperature]:
    """What a file of thousandths of a degree tells; a sensor that is off gives nothing, or nonsense."""
    thousandths = number_in(path)
    if thousandths is not None and _PLAUSIBLE_C[0] < thousandths / 1e3 < _PLAUSIBLE_C[1]:
        yield Temperature(celsius=thousandths / 1e3, sensor=name)


def _throttling(root: Path, policies: list[Path]) -> Throttling | None:
    bits = _raspberry_bits(root)
    coolers = [
        (text_in(path / "type") or path.name, number_in(path / "cur_state"))
        for path in children(root / "sys/class/thermal", "cooling_device*")
    ]
    slowing = [
        (name, state)
        for name, state in coolers
        if state is not None and any(word in name.lower() for word in _SLOWING)
    ]
    limits = [
        (limit, top)
        for policy in policies
        if (limit := number_in(policy / "scaling_max_freq")) is not None
        and (top := number_in(policy / "cpuinfo_max_freq")) is not None
    ]
    if bits is None and not slowing and not limits:
        return None
    now = [] if bits is None else [word for bit, word in enumerate(_BITS) if bits >> bit & 1]
    now += [f"{name} cools" for name, state in slowing if state > 0]
    now += [
        f"clock held at {limit / 1e3:.0f} of {top / 1e3:.0f} MHz"
        for limit, top in limits
        if limit < top
    ]
    earlier = (word for bit, word in enumerate(_BITS) if (bits or 0) >> (_EARLIER + bit) & 1)
    return Throttling(now=tuple(dict.fromkeys(now)), earlier=tuple(earlier))


def _raspberry_bits(root: Path) -> int | None:
    """What the firmware of a Raspberry Pi says, through its command or the system's file."""
    for place in ("usr/bin", "opt/vc/bin"):
        command = root / place / "vcgencmd"
        if command.is_file():
            with suppress(OSError, ValueError, subprocess.SubprocessError):
                done = subprocess.run(
                    [command, "get_throttled"], capture_output=True, text=True, timeout=_ANSWERS_S
                )
                return int(done.stdout.strip().removeprefix("throttled="), 16)
    for pattern in ("soc*/*firmware*/get_throttled", "*firmware*/get_throttled"):
        for path in children(root / "sys/devices/platform", pattern):
            with suppress(ValueError):
                return int(text_in(path) or "", 16)
    return None


def _mean_mhz(clocks_khz: list[int | None]) -> float | None:
    told = [clock for clock in clocks_khz if clock is not None]
    return sum(told) / len(told) / 1e3 if told else None


def _load(root: Path) -> float | None:
    text = text_in(root / "proc/loadavg")
    with suppress(ValueError, IndexError):
        return float((text or "").split()[0])
    with suppress(OSError, AttributeError):
        return os.getloadavg()[0]
    return None
