"""The teachers of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..datasets import TeacherCache, is_cache
from ..errors import ConfigError
from ..evaluation import require_same_space
from ..files import sha256_file
from ..labels import LabelSpace
from ..models import SegmentationModel, inference_form
from ..prepared import Sample
from .run_folder import load_run

__all__ = ["open_cache", "open_teachers"]


def open_teachers(
    paths: Sequence[Path], space: LabelSpace, samples: Sequence[Sample]
) -> tuple[list[SegmentationModel | None], list[TeacherCache]]:
    """Open run folders, weights that they kept, and caches.

    Args:
        paths: Where the teachers are.
        space: The label space that the student learns.
        samples: What it learns from, without labels or with.

    Returns:
        The network of each teacher in its deployed form, None for one that is a cache; and the caches.

    Raises:
        ConfigError: One is neither, or the weights that a cache was made of have changed since.
        DataError: A cache lacks some of the samples, is unfinished or damaged.
        LabelError: One was trained on other classes.
    """
    networks: list[SegmentationModel | None] = []
    caches = []
    for path in paths:
        if is_cache(path):
            caches.append(open_cache(path, space, samples))
            networks.append(None)
        else:
            run = load_run(path)
            require_same_space(run.space, space)
            if "semantic" not in run.config.targets:
                raise ConfigError(
                    f"{path} has learnt depth alone, and its classes say nothing",
                    fix="name the run of a network that has learnt classes",
                )
            networks.append(inference_form(run.model))
    return networks, caches


def open_cache(path: Path, space: LabelSpace, samples: Sequence[Sample]) -> TeacherCache:
    """Open a cache that must hold some samples; raises what `open_teachers` raises."""
    cache = TeacherCache(path)
    require_same_space(cache.space, space)
    # It lies in the run folder, or beside the weights, unless somebody wanted it elsewhere.
    for weights in (path.parent / "model.safetensors", path.with_suffix(".safetensors")):
        made_of = cache.settings.teacher.get("weights_sha256")
        if weights.is_file() and sha256_file(weights) != made_of:
            raise ConfigError(
                f"{weights} has changed since the cache {path} was made of it",
                fix="remove that cache and make it again, or move it elsewhere to use it as it is",
            )
    cache.require(samples)
    return cache
