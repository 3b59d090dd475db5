"""What a file scored, written into its own Manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...manifest import Manifest, write_sidecar
from ...runtime import load_predictor
from ..graphs.onnx_manifest import replace_manifest
from .lineup import parts_of
from .lineup_result import Lineup, scored_on

__all__ = ["add_scores", "store_manifest"]


def add_scores(path: Path, lineup: Lineup) -> None:
    """Write into a file's Manifest what it and the float file that it came from scored.

    Args:
        path: The file; the last of the lineup, or one that it stands for.
        lineup: Its float file, and it.

    Raises:
        StorageError: The file cannot be written.
    """
    with load_predictor(path) as predictor:
        manifest = predictor.manifest
    for name, place in (("fp32", 0), (manifest.precision, len(lineup.files) - 1)):
        found = lineup.files[place]
        evaluation = found.evaluation
        told = {} if found.agreement is None else {"agreement": found.agreement}
        scores: dict[str, Any] = {
            **told,
            "p50_ms": found.latency.p50_ms,
            "whole_p50_ms": found.whole.p50_ms,
            "threads": lineup.threads,
            "hardware": lineup.hardware,
            "precision": found.precision,
        }
        if evaluation is not None:
            scores |= {
                "miou": evaluation.overall.miou,
                "pixel_accuracy": evaluation.overall.pixel_accuracy,
                "ece": evaluation.overall.ece,
                "mean_boundary_iou": evaluation.overall.mean_boundary_iou,
                "iou": list(evaluation.overall.iou),
            }
        if found.objects is not None:
            overall = found.objects.overall
            scores |= {
                f"{kind}_{name}": getattr(scored.average, name)
                for kind, scored in (("mask", overall.mask), ("box", overall.box))
                for name in ("ap", "ap50")
            }
        if found.depth_difference is not None:
            scores["depth_difference"] = found.depth_difference
        if found.depth is not None:
            deep = found.depth.overall
            scores |= {
                f"depth_{name}": getattr(deep, name) for name in ("abs_rel", "rmse", "delta1")
            }
            scores["depth_images"] = found.depth.images
        measured = found.scored or found.depth
        if measured is not None:
            about = scored_on(measured)
            scores |= {name: about[name] for name in ("dataset", "split", "images")}
        manifest = manifest.with_scores(name, scores)
    store_manifest(path, manifest)


def store_manifest(path: Path, manifest: Manifest) -> None:
    """Put a Manifest where a model file has its own: inside, or beside it.

    Raises:
        StorageError: The file cannot be written.
    """
    if path.suffix == ".onnx":
        replace_manifest(path, manifest)
    else:
        write_sidecar(path, manifest, parts=parts_of(path))
