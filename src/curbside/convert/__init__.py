"""Annotated data, as downloaded, into the prepared folder: `convert(Idd(root=...), out)`.

One file per source (`idd.py`, `camvid.py`, ...), found by listing this folder; `engine.py` runs any
of them in parallel and resumes it; `polygons.py` reads and draws the polygon files that several
sources share.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from .camvid import Camvid
from .engine import Conversion, Problem, convert
from .idd import Idd
from .source import Item, Source

__all__ = ["Camvid", "Conversion", "Idd", "Item", "Problem", "Source", "convert", "sources"]


def sources() -> dict[str, type[Source]]:
    """Every source by its name on the command line, which is the name of its file."""
    found: dict[str, type[Source]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        own = [item for item in vars(module).values() if _is_source(item, module.__name__)]
        found |= {info.name.replace("_", "-"): item for item in own}
    return found


def _is_source(item: object, module: str) -> bool:
    is_source = isinstance(item, type) and issubclass(item, Source) and item is not Source
    return is_source and item.__module__ == module
