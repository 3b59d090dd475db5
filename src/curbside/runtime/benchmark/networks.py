"""One model file, or several that look at a frame together, opened for measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...errors import ConfigError
from ..predictor import NetworkPredictor, load_predictor
from ..scene import ScenePredictor

__all__ = ["Networks", "fixed_input", "open_networks", "require_different"]


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The networks that look at a frame together."""

    by_file: Mapping[Path, NetworkPredictor[Any]]
    """Every network, in the order in which they run."""
    predictor: Any
    """What makes one result of their answers; closes them."""

    def bare(self) -> dict[Path, Callable[[], Any]]:
        """By its file, what runs a network alone, on a picture that does not change."""
        return {
            path: partial(network.infer, fixed_input(network))
            for path, network in self.by_file.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.predictor.close()


def open_networks(paths: Sequence[Path], *, threads: int) -> Networks:
    """Open one model file as it is, or several as a scene.

    Args:
        paths: The files, at most one for each task where there are several; they run in this order.
        threads: Threads for each network.

    Raises:
        ModelFileError: A file cannot be used.
        ConfigError: Two have the same task, or are the same file.
        LabelError: No object of the one could ever be shown with the classes of the other.
    """
    require_different(paths)
    with ExitStack() as stack:
        by_file = {
            path: stack.enter_context(load_predictor(path, threads=threads)) for path in paths
        }
        networks = list(by_file.values())
        predictor = networks[0] if len(paths) == 1 else ScenePredictor(networks)
        stack.pop_all()  # it closes them
    return Networks(by_file=by_file, predictor=predictor)


def require_different(paths: Sequence[Path]) -> None:
    """Refuse a file that is to look at a frame beside itself.

    Args:
        paths: Model files that look at a frame together.

    Raises:
        ConfigError: Two are the same file.
    """
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise ConfigError(
                f"{path} cannot look at a frame beside itself", fix="name a network of another task"
            )


def fixed_input(predictor: NetworkPredictor[Any]) -> np.ndarray:
    """A picture of noise as the tensor that the network takes, the same every time."""
    height, width = predictor.manifest.input.size_hw
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return predictor.prepare(noise)
