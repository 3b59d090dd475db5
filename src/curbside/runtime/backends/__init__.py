"""Inference libraries, one file each; a new file in this folder is a new backend.

A backend's module declares `SUFFIXES`, the names of files it opens, and `open(path, *, threads)`.
It imports its vendor's library where it is used, and nowhere else.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from ...errors import ModelFileError
from ...hardware import thread_count
from ...manifest import Manifest

__all__ = ["Backend", "backend_modules", "open_backend"]


class Backend(Protocol):
    """A network that is loaded and ready. Synchronous; threads belong to the pipeline.

    Where a library can break off a run, its backend also has `interrupt()`, from any thread: runs
    that are going on raise `RunInterrupted` soon, later ones are as ever.
    """

    @property
    def manifest(self) -> Manifest:
        """What the network expects and gives."""

    @property
    def precision(self) -> str:
        """What the arithmetic really runs in, which need not be what the file asks for."""

    @property
    def device(self) -> str:
        """What it computes on: `cpu`, `cuda` or `hailo`. Networks on different ones can run at once."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name from inputs by name; several threads may call it at once.

        Args:
            inputs: The input that the Manifest names, in its shape and type, contiguous.
        """

    def close(self) -> None:
        """Give the network's memory back; it cannot run afterwards."""


def backend_modules() -> dict[str, ModuleType]:
    """Every backend's module by its name, found by listing this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}") for name in names}


def open_backend(path: Path, *, threads: int | None = None) -> Backend:
    """Load a model file with the library that its suffix asks for.

    Args:
        path: A model file with a Manifest.
        threads: Threads for the network; all cores where None.

    Raises:
        ConfigError: The number of threads is below 1.
        ModelFileError: The file is missing, empty, damaged, of an unknown kind, without a Manifest,
            or its Manifest does not fit it.
        MissingDependencyError: The library for this kind of file is not installed.
    """
    path = Path(path)
    if path.is_dir():
        raise ModelFileError(
            f"{path} is a folder, not a model file",
            fix="make one with: curbside export RUN --out M.onnx",
        )
    modules = backend_modules().values()
    module = next((item for item in modules if path.suffix.lower() in item.SUFFIXES), None)
    if module is None:
        known = ", ".join(suffix for item in modules for suffix in item.SUFFIXES)
        raise ModelFileError(
            f"no backend opens {path.name}", fix=f"give a model file ending in {known}"
        )
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ModelFileError(f"{path} does not exist", fix="check the path") from None
    except OSError as error:
        raise ModelFileError(
            f"cannot read {path}: {error.strerror}", fix="check the path"
        ) from error
    if size == 0:
        raise ModelFileError(f"{path} is empty", fix="export or fetch the file again")
    return module.open(path, threads=thread_count(threads))
