"""Curbside: from annotated driving data to a small, measured network that runs live.

::

    annotated data --convert--> prepared folder --train--> run folder --export--> model file --run--> results
         (convert, scenes)        (prepared)      (training)            (export)              (runtime)

Everything up to the prepared folder, and everything after the model file, works without torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runtime import TaskPredictor

__all__ = ["__version__", "load"]

__version__ = "0.1.0"


def load(path: str | Path, *, threads: int | None = None) -> TaskPredictor:
    """Open a model file: frame in, result at frame size out.

    Args:
        path: A model file with a Manifest, such as `m.onnx`.
        threads: Threads for the network; all cores where not given.

    Returns:
        A predictor: `predictor(frame_bgr)` gives a `SemanticResult`, an `InstanceResult` where the
        network finds single objects, a `DepthResult` where it tells distances, or a `SceneResult` where
        it tells both classes and distances.

    Raises:
        ModelFileError: The file is missing, damaged, or carries no Manifest.
    """
    from .runtime import load_predictor

    return load_predictor(Path(path), threads=threads)
