"""Networks that stay loaded while others take their turn."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ..predictor import predictor_of
from .config import SceneConfig
from .network import ReloadableNetwork
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
        self._networks: OrderedDict[tuple[Path, int], _Shared] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # two at once would only be slower

    def open(self, config: SceneConfig, *, threads: int) -> ScenePredictor:
        """The scene of a config; its `close` puts its networks back.

        Args:
            config: Files, rates and rules.
            threads: Threads for every network.

        Raises:
            ModelFileError: A file is missing, damaged, or carries no Manifest that fits it.
            ConfigError: Two networks tell the same.
            LabelError: No object of the one could ever be shown with the other.
            MissingDependencyError: The library for a kind of file is not installed.
        """
        taken: list[_Shared] = []

        def put_back() -> None:
            while taken:
                self._put_back(taken.pop())

        try:
            for path in config.models:
                taken.append(self._take(Path(path), threads))
            networks = [predictor_of(shared.network) for shared in taken]
            return ScenePredictor(networks, config, on_close=put_back)
        except BaseException:
            put_back()
            raise

    def close(self) -> None:
        """Give the memory of all that no scene uses back; the others follow when they are put back."""
        with self._lock:
            self._keep = 0
        self._tidy()

    def _take(self, path: Path, threads: int) -> _Shared:
        key = (path, threads)
        with self._loading:
            with self._lock:
                shared = self._networks.get(key)
                if shared is not None and not shared.network.is_outdated():
                    shared.users += 1
                    self._networks.move_to_end(key)
                    return shared
            shared = _Shared(ReloadableNetwork(path, threads=threads), users=1)
            with self._lock:
                old = self._networks.pop(key, None)
                self._networks[key] = shared
        if old is not None and not old.users:
            old.network.close()
        self._tidy()
        return shared

    def _put_back(self, shared: _Shared) -> None:
        with self._lock:
            shared.users -= 1
            gone = not shared.users and shared not in self._networks.values()
        if gone:
            shared.network.close()  # its file was changed while it was in use
        self._tidy()

    def _tidy(self) -> None:
        with self._lock:
            idle = [key for key, shared in self._networks.items() if not shared.users]
            leaving = [self._networks.pop(key) for key in idle[: max(0, len(idle) - self._keep)]]
        for shared in leaving:
            shared.network.close()


@dataclass(eq=False)
class _Shared:
    """A network and how many scenes use it."""

    network: ReloadableNetwork
    users: int
