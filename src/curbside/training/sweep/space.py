"""What a sweep tries: the parameters, as the command line spells them.

::

    optimizer.lr=1e-4..1e-2:log     a range, drawn evenly over its logarithm
    epochs=5..20                    a range; of whole numbers where the setting is one
    epochs=5..20:step=5             5, 10, 15 or 20
    data.batch-size=8,16,32         choices
    data.crop-hw=160x224,224x320    choices of a setting that has several numbers
    network=enet,pidnet-s           what `curbside train --network` takes; loss and distill likewise
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...errors import ConfigError
from ..run_config import LoopConfig, RunConfig
from .settings import as_flags, number_type, read_value, setting_type, with_value

__all__ = [
    "WHOLE",
    "Choices",
    "Parameter",
    "Range",
    "Space",
    "Values",
    "base_key",
    "read_space",
    "split_items",
]

WHOLE = ("network", "loss", "distill")
"""Parts of a run that are chosen as a whole, by the flags of `curbside train` of the same name."""
Values: TypeAlias = Mapping[str, str | int | float]
"""A point of a space: a value for the name of every parameter; of choices, its text."""

_FIX = "give NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=ONE,OTHER"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})((?::[^:]*)*)")
_MOST_POINTS = 10_000
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Range:
    """A parameter with a range of numbers."""

    name: str
    """Its dotted name as flags spell it, such as optimizer.lr."""
    low: float
    """The least."""
    high: float
    """The most."""
    log: bool = False
    """Drawn evenly over its logarithm."""
    step: float | None = None
    """Distance of the values from one another; None for any."""
    integer: bool = False
    """Whole numbers alone."""

    def values(self) -> tuple[int | float, ...] | None:
        """All its values, None where there are too many."""
        step = self.step or (1 if self.integer else None)
        if step is None:
            return None
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        if count > _MOST_POINTS:
            return None
        return tuple(self.tidy(self.low + i * step) for i in range(count))

    def tidy(self, value: float) -> int | float:
        """A value with no more digits than it needs, so that a command with it can be read."""
        if self.integer:
            return round(value)
        if self.step is not None:
            return float(f"{value:.10g}")
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def typed(self, value: Any) -> Any:
        """A value of it as the setting's."""
        return int(value) if self.integer else float(value)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A parameter with some values to choose from."""

    name: str
    """Its dotted name as flags spell it, or one of `WHOLE`."""
    texts: tuple[str, ...]
    """The values as they were given."""
    read: tuple[Any, ...] | None = None
    """The values; None where it chooses a part as a whole."""

    def values(self) -> tuple[str, ...]:
        """All its values."""
        return self.texts

    def tidy(self, value: str) -> str:
        """The value itself."""
        return value

    def typed(self, value: Any) -> Any:
        """A value of it as the setting's."""
        assert self.read is not None
        return self.read[self.texts.index(value)]


Parameter: TypeAlias = Range | Choices


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a sweep tries."""

    parameters: tuple[Parameter, ...]
    """The parameters in their order."""

    def points(self) -> list[dict[str, Any]] | None:
        """Every point of it; None where there are too many."""
        listed = [one.values() for one in self.parameters]
        if None in listed or math.prod(len(one or ()) for one in listed) > _MOST_POINTS:
            return None
        names = [one.name for one in self.parameters]
        return [
            dict(zip(names, point, strict=True))
            for point in itertools.product(*map(tuple, listed))  # type: ignore[arg-type]
        ]

    def apply(self, bases: Mapping[str, RunConfig], values: Values) -> RunConfig:
        """The run at a point.

        Args:
            bases: The run for every choice of whole parts, by `base_key`.
            values: The point.

        Raises:
            ConfigError: The values do not go together.
        """
        config = bases[base_key(values)]
        for one in self.parameters:
            if one.name not in WHOLE:
                config = with_value(config, one.name, one.typed(values[one.name]))
        return config

    def flags(self, values: Values) -> list[str]:
        """A point as words of `curbside train`."""
        words = []
        for one in self.parameters:
            value = values[one.name]
            words += as_flags(one.name, value if one.name in WHOLE else one.typed(value))
        return words

    def to_dict(self) -> dict[str, str]:
        """The parameters as the command line spells them."""
        return {one.name: _spelled(one) for one in self.parameters}


def base_key(values: Values) -> str:
    """Which base a point changes: its choices of whole parts."""
    return " ".join(f"{name}={values[name]}" for name in WHOLE if name in values)


def _spelled(one: Parameter) -> str:
    if isinstance(one, Choices):
        return ",".join(one.texts)
    ends = f"{one.typed(one.low)!r}..{one.typed(one.high)!r}"
    step = "" if one.step is None else f":step={one.typed(one.step)!r}"
    return f"{ends}{':log' if one.log else ''}{step}"


def split_items(items: Sequence[str]) -> dict[str, str]:
    """What stands behind the = of every NAME=VALUES.

    Raises:
        ConfigError: There is none, one is none, or a name stands twice.
    """
    if not items:
        raise ConfigError("there is nothing to try", fix=f"name it with --space: {_FIX}")
    found: dict[str, str] = {}
    for item in items:
        name, equals, values = item.partition("=")
        name = name.replace("_", "-")
        if not equals or not name or not values:
            raise ConfigError(f"{item!r} is no parameter", fix=_FIX)
        if name in found:
            raise ConfigError(f"{name} stands twice in the space", fix="name it once")
        found[name] = values
    return found


def read_space(items: Mapping[str, str], bases: Mapping[str, RunConfig]) -> Space:
    """The space behind its spelling, checked against the runs that it changes.

    Args:
        items: Values by names, see `split_items`.
        bases: The run for every choice of whole parts, by `base_key`.

    Raises:
        ConfigError: A name, or a value, is none of such a run.
    """
    read: list[Parameter] = []
    for name, text in items.items():
        if name in WHOLE:
            read.append(Choices(name=name, texts=_texts(name, text)))
            continue
        found = [_parameter(name, text, setting_type(base, name)) for base in bases.values()]
        read.append(found[0])
        for base, one in zip(bases.values(), found, strict=True):
            _try(base, one, text)
    return Space(parameters=tuple(read))


def _parameter(name: str, text: str, expected: Any) -> Parameter:
    match = _RANGE.fullmatch(text)
    number = number_type(expected)
    if match is None and ".." in text and number is not None:
        raise ConfigError(f"{name}={text} is no range", fix=_FIX)
    if match is None:
        texts = _texts(name, text)
        try:
            values = tuple(read_value(expected, one) for one in texts)
        except ValueError as error:
            raise ConfigError(f"{name}={text} cannot be", fix=str(error)) from error
        if len(set(values)) < len(values):
            raise ConfigError(f"{name}={text} has a choice twice", fix="give each once")
        return Choices(name=name, texts=texts, read=values)
    if number is None:
        raise ConfigError(
            f"{name} is no single number, so that the range {text} means nothing",
            fix=f"give choices: {name}=ONE,OTHER",
        )
    return _range(name, text, number, *match.groups())


def _texts(name: str, text: str) -> tuple[str, ...]:
    texts = tuple(part.strip() for part in text.split(","))
    if "" in texts or len(texts) < 2:
        raise ConfigError(
            f"{name}={text} leaves no choice",
            fix="give two values or more with a comma between, or a range LOW..HIGH",
        )
    if len(set(texts)) < len(texts):
        raise ConfigError(f"{name}={text} has a choice twice", fix="give each once")
    return texts


def _range(
    name: str, text: str, number: type[int] | type[float], low: str, high: str, options: str
) -> Range:
    what = f"{name}={text}"
    log, step = False, None
    try:
        first, last = (read_value(number, end) for end in (low, high))
        for option in options.split(":")[1:]:
            key, _, value = option.partition("=")
            if option == "log":
                log = True
            elif key == "step":
                step = read_value(number, value)
            else:
                raise ConfigError(
                    f"{what} has an option {option!r}", fix="there are log and step=S"
                )
    except ValueError as error:
        raise ConfigError(f"{what} cannot be", fix=f"{name}: {error}") from error
    if not first < last:
        raise ConfigError(f"the range {what} is empty", fix="give the lower end first")
    if log and step is not None:
        raise ConfigError(f"{what} has a step and is logarithmic", fix="leave out one of them")
    if log and first <= 0:
        raise ConfigError(
            f"{what} has no logarithm at its lower end", fix="begin over 0, or leave out :log"
        )
    if step is not None:
        if not 0 < step <= last - first:
            raise ConfigError(
                f"{what} has one value at most", fix="choose a step over 0 that fits into the range"
            )
        last = first + math.floor((last - first) / step + 1e-9) * step
    return Range(name=name, low=first, high=last, log=log, step=step, integer=number is int)


def _try(base: RunConfig, one: Parameter, text: str) -> None:
    """See that the run takes the ends of a range, or every choice."""
    if isinstance(base, LoopConfig) and base.steps is not None and one.name == "epochs":
        raise ConfigError(
            f"epochs change nothing in {base.name}: it is {base.steps} steps long",
            fix="try steps=..., or give --steps None",
        )
    values = (one.low, one.high) if isinstance(one, Range) else one.texts
    for value in values:
        try:
            with_value(base, one.name, one.typed(value))
        except ConfigError as error:
            raise ConfigError(f"{one.name}={text}: {error.what}", fix=error.fix) from error
