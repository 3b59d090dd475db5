"""Opening what a verb is given as MODEL: a run folder or a model file."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError
from ..runtime import InstancePredictor, SemanticPredictor, load_class_predictor

__all__ = ["open_model", "open_semantic_model"]


def open_model(path: Path, *, threads: int | None = None) -> SemanticPredictor | InstancePredictor:
    """The predictor of a run folder (needs torch) or of a model file (does not).

    Args:
        path: A run folder or a model file with a Manifest.
        threads: Threads for the network; all cores where not given.

    Raises:
        ModelFileError: There is nothing at the path, it is no model, or it tells no classes.
    """
    if path.is_dir():
        from ..training import load_run_predictor

        return load_run_predictor(path, threads=threads)
    if not path.exists():
        raise ModelFileError(
            f"there is no model at {path}", fix="name a run folder or a model file such as m.onnx"
        )
    return load_class_predictor(path, threads=threads)


def open_semantic_model(path: Path, *, threads: int | None = None) -> SemanticPredictor:
    """The predictor of a semantic network; raises what `open_model` raises, also for another task."""
    predictor = open_model(path, threads=threads)
    if isinstance(predictor, SemanticPredictor):
        return predictor
    predictor.close()
    raise ModelFileError(
        f"{path} is a network for the task instances, and this needs a class for every pixel",
        fix="give a semantic network",
    )
