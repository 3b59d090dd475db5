"""Networks that stay loaded while others take their turn."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import ConfigError
from ...manifest import Manifest
from ..backends import Backend, open_backend
from ..predictor import predictor_of
from .config import SceneConfig
from .predictor import ScenePredictor

__all__ = ["NetworkShelf"]


class NetworkShelf:
    """Opens scenes whose networks it keeps, so that one chosen before is back at once.

    Args:
        keep: How many networks that no scene uses stay loaded.

    Raises:
        ConfigError: Fewer than none are to stay.
    """

    def __init__(self, *, keep: int = 3) -> None:
        if keep < 0:
            raise ConfigError(f"{keep} networks cannot stay loaded", fix="give 0 or more")
        self._keep = keep
        self._networks: OrderedDict[tuple[Path, int], _Network] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, config: SceneConfig, *, threads: int) -> ScenePredictor:
        """The scene of a config; its `close` puts its networks back.

        Args:
            config: Files, rates and rules.
            threads: Threads for every network.

        Raises:
            ModelFileError: A file is missing, damaged, or carries no Manifest that fits it.
            ConfigError: Two files have the same task.
            LabelError: No object of the one could ever be shown with the other.
            MissingDependencyError: The library for a kind of file is not installed.
        """
        taken: list[_Network] = []

        def put_back() -> None:
            while taken:
                self._put_back(taken.pop())

        try:
            for path in config.models:
                taken.append(self._take(Path(path), threads))
            return ScenePredictor(
                [predictor_of(network) for network in taken], config, on_close=put_back
            )
        except BaseException:
            put_back()
            raise

    def close(self) -> None:
        """Give the memory of all that no scene uses back; the others follow when they are put back."""
        with self._lock:
            self._keep = 0
            self._tidy()

    def _take(self, path: Path, threads: int) -> _Network:
        with self._lock:  # also while one is loaded: two at once would only be slower
            network = self._networks.get((path, threads))
            if network is None or network.is_outdated():
                network = _Network(path, threads)
                old = self._networks.pop((path, threads), None)
                if old is not None and not old.users:
                    old.close()
                self._networks[path, threads] = network
            self._networks.move_to_end((path, threads))
            network.users += 1
            self._tidy()
            return network

    def _put_back(self, network: _Network) -> None:
        with self._lock:
            network.users -= 1
            if network not in self._networks.values() and not network.users:
                network.close()  # its file was changed while it was in use
            self._tidy()

    def _tidy(self) -> None:
        idle = [key for key, network in self._networks.items() if not network.users]
        for key in idle[: max(0, len(idle) - self._keep)]:
            self._networks.pop(key).close()


class _Network:
    """A backend that can be loaded again; see `Backend`."""

    def __init__(self, path: Path, threads: int) -> None:
        self._path, self._threads = path, threads
        self._written = _written(path)
        self._backend: Backend = open_backend(path, threads=threads)
        self.users = 0
        self._warm_up()

    @property
    def manifest(self) -> Manifest:
        """What the network expects and gives."""
        return self._backend.manifest

    @property
    def precision(self) -> str:
        """What the arithmetic really runs in."""
        return self._backend.precision

    @property
    def device(self) -> str:
        """What it computes on."""
        return self._backend.device

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name from inputs by name."""
        return self._backend.run(inputs)

    def is_outdated(self) -> bool:
        """Whether the file was written again since."""
        return _written(self._path) != self._written

    def restart(self) -> None:
        """Load the file again, after the device was let go of."""
        self._backend.close()
        self._backend = open_backend(self._path, threads=self._threads)

    def close(self) -> None:
        """Give the network's memory back."""
        self._backend.close()

    def _warm_up(self) -> None:
        """Run once: the first run of a session costs several others."""
        spec = self.manifest.input
        shape = (*spec.size_hw, 3) if spec.layout == "NHWC" else (3, *spec.size_hw)
        try:
            self._backend.run({spec.name: np.zeros((1, *shape), spec.dtype)})
        except BaseException:
            self._backend.close()
            raise


def _written(path: Path) -> tuple[int, int] | None:
    """When a file was written and how long it is."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
