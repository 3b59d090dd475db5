"""What a folder of this package holds: there is no registry, a new file is found by being there."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import TypeVar

__all__ = ["classes_in"]

Kind = TypeVar("Kind")


def classes_in(package: str, kind: type[Kind]) -> Iterator[tuple[str, type[Kind]]]:
    """The subclasses of a class that the modules of a package define.

    Args:
        package: Its full name.
        kind: The class they derive from.

    Yields:
        The name of the module as the command line spells it, and the class.
    """
    for info in pkgutil.iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{info.name}")
        for item in vars(module).values():
            is_kind = isinstance(item, type) and issubclass(item, kind) and item is not kind
            if is_kind and item.__module__ == module.__name__:
                yield info.name.replace("_", "-"), item
