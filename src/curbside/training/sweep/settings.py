"""The settings of a config by their dotted names: what there is, reading a value, changing one."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ...errors import ConfigError
from ..run_config import RunConfig

__all__ = ["as_flags", "number_type", "read_value", "setting_type", "value_of", "with_value"]

Config = TypeVar("Config", bound=RunConfig)

_OF_THE_SWEEP = ("name", "out")
_BOOLEANS = {"true": True, "false": False}


def setting_type(config: RunConfig, name: str) -> Any:
    """The type of a setting.

    Args:
        config: A run.
        name: The dotted name as flags spell it, such as `data.batch-size`.

    Raises:
        ConfigError: There is no such setting, it has settings of its own, or every trial has its own.
    """
    if name in _OF_THE_SWEEP:
        raise ConfigError(
            f"{name} is what every trial has of its own", fix="choose another setting"
        )
    known = dict(_settings(config))
    if name in known:
        return known[name]
    inside = [other for other in known if other.startswith(f"{name}.")]
    if inside:
        raise ConfigError(
            f"{name} is no single setting", fix=f"name one of it, such as {inside[0]}"
        )
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else "curbside train RECIPE --help shows them"
    raise ConfigError(f"{config.name} has no setting {name}", fix=hint)


def _settings(config: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting with its type; those of a part under the part's name."""
    types_ = get_type_hints(type(config))
    for field in fields(config):
        name = before + field.name.replace("_", "-")
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from _settings(value, f"{name}.")
        elif isinstance(value, tuple) and value and all(map(is_dataclass, value)):
            for index, part in enumerate(value):
                yield from _settings(part, f"{name}.{index}.")
        else:
            yield name, types_[field.name]


def number_type(expected: Any) -> type[int] | type[float] | None:
    """What a range of numbers is of where a setting has this type: float, int, or None for neither."""
    options = _options(expected)
    return float if float in options else int if int in options else None


def _options(expected: Any) -> tuple[Any, ...]:
    return get_args(expected) if get_origin(expected) in (Union, types.UnionType) else (expected,)


def read_value(expected: Any, text: str) -> Any:
    """A value as the command line spells it; `none` for no value, numbers of a tuple with an x between.

    Raises:
        ValueError: It is nothing of this type; the message says what would be.
    """
    options = _options(expected)
    if type(None) in options and text.lower() == "none":
        return None
    problem = ValueError("it cannot be chosen from a command line")
    for option in options:
        if option is type(None):
            continue
        try:
            return _read_one(option, text)
        except ValueError as error:
            problem = error
    raise problem


def _read_one(expected: Any, text: str) -> Any:
    if expected is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError("give true or false")
        return _BOOLEANS[text.lower()]
    if expected in (int, float):
        return _number(expected, text)
    if expected in (str, Path):
        return expected(text)
    if get_origin(expected) is Literal:
        found = {str(value): value for value in get_args(expected)}
        if text not in found:
            raise ValueError(f"give {' or '.join(found)}")
        return found[text]
    if get_origin(expected) is tuple:
        return _read_tuple(get_args(expected), text)
    raise ValueError("it cannot be chosen from a command line")


def _number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("give a number") from None
    if not math.isfinite(value):
        raise ValueError("give a finite number")
    if kind is float:
        return value
    if not value.is_integer():
        raise ValueError("give a whole number")
    try:
        return int(text)
    except ValueError:  # 1e3
        return int(value)


def _read_tuple(inner: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    numbers = inner[0] in (int, float)
    parts = text.split("x") if numbers else [text]
    kinds = [inner[0]] * len(parts) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(parts):
        raise ValueError(f"give {len(kinds)} numbers with an x between")
    return tuple(_read_one(kind, part) for kind, part in zip(kinds, parts, strict=True))


def with_value(config: Config, name: str, value: Any) -> Config:
    """A run with another value of a setting.

    Raises:
        ConfigError: The config refuses it.
    """
    return _changed(config, name.replace("-", "_").split("."), value)


def _changed(part: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    if isinstance(part, tuple):
        index = int(path[0])
        return (*part[:index], _changed(part[index], path[1:], value), *part[index + 1 :])
    return replace(part, **{path[0]: _changed(getattr(part, path[0]), path[1:], value)})


def value_of(config: RunConfig, name: str) -> Any:
    """The value of a setting."""
    part: Any = config
    for key in name.replace("-", "_").split("."):
        part = part[int(key)] if isinstance(part, tuple) else getattr(part, key)
    return part


def as_flags(name: str, value: Any) -> list[str]:
    """A setting as words of `curbside train`."""
    if isinstance(value, bool):
        path, dot, last = name.rpartition(".")
        return [f"--{name}" if value else f"--{path}{dot}no-{last}"]
    if isinstance(value, tuple):
        return [f"--{name}", *map(_word, value)]
    word = _word(value)
    return [f"--{name}={word}"] if word.startswith("-") else [f"--{name}", word]


def _word(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
