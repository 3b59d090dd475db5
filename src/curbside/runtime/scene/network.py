"""A loaded network that can be loaded again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import ModelFileError
from ...manifest import Manifest
from ..backends import Backend, open_backend

__all__ = ["ReloadableNetwork"]

_INSIDE_S = 2.0
"""So long a network that is to be loaded again is waited for; one that hangs is left."""


class ReloadableNetwork:
    """A backend that can be loaded again, see `Backend`; it has run once when it is made, since the
    first run costs several others.

    Args:
        path: A model file with a Manifest.
        threads: Threads for the network; all cores where None.

    Raises:
        ModelFileError: As `open_backend`.
        MissingDependencyError: The library for this kind of file is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._path, self._threads = Path(path), threads
        self._written = _written(self._path)
        backend = open_backend(self._path, threads=threads)
        self._backend: Backend | None = backend
        self.manifest: Manifest = backend.manifest
        self.device: str = backend.device
        self._changed = threading.Condition()
        self._inside = 0
        self._reloading = False
        try:
            self._warm_up()
        except BaseException:
            backend.close()
            raise

    @property
    def precision(self) -> str:
        """What the arithmetic really runs in."""
        return self._loaded().precision

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name from inputs by name; waits while the network is loaded again."""
        with self._changed:
            self._changed.wait_for(lambda: not self._reloading)
            self._inside += 1
        try:
            return self._loaded().run(inputs)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def interrupt(self) -> None:
        """End the runs that are going on, where the library can; they raise `RunInterrupted`."""
        interrupt = getattr(self._backend, "interrupt", None)
        if interrupt is not None:
            interrupt()

    def restart(self) -> None:
        """Load the file again, after the device was let go of; who runs the network waits meanwhile.

        Raises:
            ModelFileError: It cannot be loaded now.
        """
        with self._changed:
            if self._reloading:  # somebody else is at it
                return
            self._reloading = True
            self._changed.wait_for(lambda: not self._inside, _INSIDE_S)
        try:
            self.close()
            self._backend = open_backend(self._path, threads=self._threads)
        finally:
            with self._changed:
                self._reloading = False
                self._changed.notify_all()

    def is_outdated(self) -> bool:
        """Whether the file was written again since."""
        return _written(self._path) != self._written

    def close(self) -> None:
        """Give the network's memory back."""
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def _loaded(self) -> Backend:
        backend = self._backend
        if backend is None:
            raise ModelFileError(
                f"{self._path} is not loaded any more", fix="check that the file is still good"
            )
        return backend

    def _warm_up(self) -> None:
        spec = self.manifest.input
        shape = (*spec.size_hw, 3) if spec.layout == "NHWC" else (3, *spec.size_hw)
        self._loaded().run({spec.name: np.zeros((1, *shape), spec.dtype)})


def _written(path: Path) -> tuple[int, int] | None:
    """When a file was written and how long it is."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
