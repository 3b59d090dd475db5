"""Opening what a verb is given as MODEL: a run folder or a model file."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError
from ..evaluation import Predictor

__all__ = ["open_model"]


def open_model(path: Path, *, threads: int | None = None) -> Predictor:
    """The predictor of a run folder (needs torch) or of a model file (does not).

    Args:
        path: A run folder or a model file with a Manifest.
        threads: Threads for the network; all cores where not given.

    Raises:
        ModelFileError: There is nothing at the path, or it is no model.
    """
    if path.is_dir():
        from ..training import load_semantic_run_predictor

        return load_semantic_run_predictor(path, threads=threads)
    if not path.exists():
        raise ModelFileError(
            f"there is no model at {path}", fix="name a run folder or a model file such as m.onnx"
        )
    from ..runtime import load_semantic_predictor

    return load_semantic_predictor(path, threads=threads)
