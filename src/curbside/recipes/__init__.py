"""Complete experiments: a recipe is a function that returns a whole config.

`recipes()` finds them by listing this folder: every public function of every file, by its name with
dashes. A new recipe is a new function, and its config may be that of any kind of run.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import TypeVar, overload

from ..errors import ConfigError
from ..training import RunConfig

__all__ = ["load_recipe", "recipes"]

Kind = TypeVar("Kind", bound=RunConfig)


def recipes() -> dict[str, Callable[[], RunConfig]]:
    """Every recipe by its name."""
    found: dict[str, Callable[[], RunConfig]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        found |= {name.replace("_", "-"): getattr(module, name) for name in module.__all__}
    return found


@overload
def load_recipe(name: str) -> RunConfig: ...


@overload
def load_recipe(name: str, kind: type[Kind]) -> Kind: ...


def load_recipe(name: str, kind: type[RunConfig] = RunConfig) -> RunConfig:
    """The config of a recipe.

    Args:
        name: Its name.
        kind: The kind of run that it must be.

    Raises:
        ConfigError: There is no such recipe, or it is of another kind.
    """
    known = recipes()
    key = name.replace("_", "-")
    if key not in known:
        close = get_close_matches(key, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else "see: curbside train --help"
        raise ConfigError(f"there is no recipe {name!r}", fix=hint)
    config = known[key]()
    if not isinstance(config, kind):
        raise ConfigError(
            f"the recipe {name} trains for the task {config.task}, and this needs {kind.task}",
            fix="choose another: curbside train --help",
        )
    return config
