"""Complete experiments: a recipe is a function that returns a whole `TrainConfig`.

`recipes()` finds them by listing this folder: every public function of every file, by its name with
dashes. A new recipe is a new function.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module

from ..errors import ConfigError
from ..training import TrainConfig

__all__ = ["load_recipe", "recipes"]


def recipes() -> dict[str, Callable[[], TrainConfig]]:
    """Every recipe by its name."""
    found: dict[str, Callable[[], TrainConfig]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        found |= {name.replace("_", "-"): getattr(module, name) for name in module.__all__}
    return found


def load_recipe(name: str) -> TrainConfig:
    """The config of a recipe.

    Raises:
        ConfigError: There is no such recipe.
    """
    known = recipes()
    key = name.replace("_", "-")
    if key not in known:
        close = get_close_matches(key, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else "see: curbside train --help"
        raise ConfigError(f"there is no recipe {name!r}", fix=hint)
    return known[key]()
