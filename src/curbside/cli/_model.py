"""Opening what a verb is given as MODEL: a run folder or a model file."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError
from ..runtime import InstancePredictor, SemanticPredictor, TaskPredictor, load_predictor
from ..runtime.predictor import classes_of, semantic_of

__all__ = ["open_class_model", "open_model", "open_semantic_model"]


def open_model(path: Path, *, threads: int | None = None) -> TaskPredictor:
    """The predictor of a run folder (needs torch) or of a model file (does not), whatever it tells.

    Args:
        path: A run folder or a model file with a Manifest.
        threads: Threads for the network; all cores where not given.

    Raises:
        ModelFileError: There is nothing at the path, or it is no model.
    """
    if path.is_dir():
        from ..training import load_run_predictor

        return load_run_predictor(path, threads=threads)
    if not path.exists():
        raise ModelFileError(
            f"there is no model at {path}", fix="name a run folder or a model file such as m.onnx"
        )
    return load_predictor(path, threads=threads)


def open_class_model(
    path: Path, *, threads: int | None = None
) -> SemanticPredictor | InstancePredictor:
    """The predictor of a network that tells classes, of pixels or of objects; of one that tells depth as
    well, its classes. Raises what `open_model` raises, also for depth alone."""
    return classes_of(open_model(path, threads=threads), path)


def open_semantic_model(path: Path, *, threads: int | None = None) -> SemanticPredictor:
    """The predictor of a semantic network, or the classes of one that tells depth as well; raises what
    `open_model` raises, also for another task."""
    return semantic_of(open_model(path, threads=threads), path)
