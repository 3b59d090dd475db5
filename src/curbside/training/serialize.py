"""Configs as JSON and back, so that a run folder says exactly how it was made.

Every dataclass becomes an object with its class name under `class`. Reading goes by the types of the
fields; only the config of a run, a network or a loss is chosen by `class`, among those that there are.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from ..errors import ModelFileError
from ..files import dotted
from ..losses import (
    DistillationLossConfig,
    SupervisedLossConfig,
    distillation_losses,
    supervised_losses,
)
from ..models import InstanceModelConfig, ModelConfig, instance_model_configs, model_configs
from .fit import run_kinds
from .run_config import RunConfig

__all__ = ["changed_settings", "config_from_json", "config_to_json", "read_as"]

Kind = TypeVar("Kind", bound=RunConfig)


def config_to_json(value: Any) -> Any:
    """A config as JSON values."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: config_to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, (tuple, list)):
        return [config_to_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@overload
def config_from_json(data: Any, *, where: str) -> RunConfig: ...


@overload
def config_from_json(data: Any, *, where: str, kind: type[Kind]) -> Kind: ...


def config_from_json(data: Any, *, where: str, kind: type[RunConfig] = RunConfig) -> RunConfig:
    """The config that `config_to_json` wrote.

    Args:
        data: The JSON value.
        where: The file it came from, for the error.
        kind: The kind of run that it must be.

    Raises:
        ModelFileError: It does not fit the types of this version, or is a run of another kind.
    """
    try:
        found = read_as(RunConfig, _upgraded(data))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{where} does not hold a config that this curbside understands ({type(error).__name__}: {error})",
            fix="use the version that wrote it, or train again",
        ) from error
    if not isinstance(found, kind):
        raise ModelFileError(
            f"{where} describes a run for the task {found.task}, and this needs one for {kind.task}",
            fix=f"give the run of a network for {kind.task}",
        )
    return found


_FREE = ("out", "accelerator", "devices", "num_nodes", "data.workers", "logger")
"""Where a run lies, what it runs on, and who is told of it: they may change in a run that goes on."""


def changed_settings(
    first: RunConfig, second: RunConfig, free: Sequence[str] = ()
) -> Iterator[tuple[str, object, object]]:
    """The settings in which two runs differ.

    Args:
        first: A run.
        second: Another.
        free: Settings that do not matter, beside where a run lies and what it runs on.

    Yields:
        The dotted name, and both values; None where a run has no such setting.
    """
    before, after = (dict(dotted(config_to_json(config))) for config in (first, second))
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key), after.get(key)
        if one != other and key not in (*_FREE, *free):
            yield key, one, other


def _upgraded(data: Any) -> Any:
    """A config as it would be written today: once, distillation had one loss."""
    distillation = data.get("distillation")
    if distillation and "loss" in distillation:
        kept = {key: value for key, value in distillation.items() if key != "loss"}
        return {**data, "distillation": {**kept, "losses": [distillation["loss"]]}}
    return data


def _by_class_name(found: Mapping[str, type]) -> dict[str, type]:
    return {kind.__name__: kind for kind in found.values()}


_FAMILIES: dict[type, Callable[[], Mapping[str, type]]] = {
    RunConfig: run_kinds,
    ModelConfig: model_configs,
    InstanceModelConfig: instance_model_configs,
    SupervisedLossConfig: lambda: _by_class_name(supervised_losses()),
    DistillationLossConfig: lambda: _by_class_name(distillation_losses()),
}


def read_as(expected: Any, data: Any) -> Any:
    """A JSON value as what a type says.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: It is something else.
    """
    origin = get_origin(expected)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(expected) if option is not type(None)]
        if data is None and len(options) < len(get_args(expected)):
            return None
        for option in options[:-1]:
            try:
                return read_as(option, data)
            except (TypeError, ValueError):
                continue
        return read_as(options[-1], data)
    if origin is tuple:
        inner = get_args(expected)
        if inner[-1] is Ellipsis and isinstance(data, str):  # one folder, before there were several
            data = [data]
        kinds = [inner[0]] * len(data) if inner[-1] is Ellipsis else inner
        return tuple(read_as(kind, item) for kind, item in zip(kinds, data, strict=True))
    if origin is Literal:
        if data not in get_args(expected):
            raise ValueError(f"{data!r} is none of {get_args(expected)}")
        return data
    if expected in _FAMILIES:
        expected = _FAMILIES[expected]()[data["class"]]
    if dataclasses.is_dataclass(expected):
        hints = get_type_hints(expected)
        # A field that is gone, and was not used, says nothing.
        said = {k: v for k, v in data.items() if k != "class" and (k in hints or v is not None)}
        return expected(**{name: read_as(hints[name], value) for name, value in said.items()})  # type: ignore[operator]
    if expected is float and isinstance(data, int):
        return float(data)
    if expected is Path:
        return Path(data)
    if not isinstance(data, expected) or (expected is int and isinstance(data, bool)):
        raise TypeError(f"{data!r} is not {expected.__name__}")
    return data
