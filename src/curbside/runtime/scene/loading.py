"""From model files to a scene."""

from __future__ import annotations

from typing import Any

from ..predictor import NetworkPredictor, predictor_of
from .config import SceneConfig
from .network import ReloadableNetwork
from .predictor import ScenePredictor

__all__ = ["load_scene"]


def load_scene(config: SceneConfig, *, threads: int | None = None) -> ScenePredictor:
    """Open the model files of a scene.

    Args:
        config: Files, rates and rules.
        threads: Threads for every network; all cores where None.

    Raises:
        ModelFileError: A file is missing, damaged, or carries no Manifest that fits it.
        ConfigError: Two networks tell the same.
        LabelError: No object of the one could ever be shown with the other.
        MissingDependencyError: The library for a kind of file is not installed.
    """
    networks: list[NetworkPredictor[Any]] = []
    try:
        for path in config.models:
            networks.append(predictor_of(ReloadableNetwork(path, threads=threads)))
        return ScenePredictor(networks, config)
    except BaseException:
        for network in networks:
            network.close()
        raise
