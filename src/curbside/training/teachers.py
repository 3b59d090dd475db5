"""The teachers of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets import TeacherCache, is_cache
from ..errors import ConfigError
from ..evaluation import require_same_space
from ..files import sha256_file
from ..labels import LabelSpace
from ..losses import LogitLossConfig
from ..manifest import Answer
from ..models import SegmentationModel, inference_form
from ..prepared import Sample
from .cameras import Camera
from .config import TrainConfig
from .run_folder import Run, load_run

__all__ = ["Teachers", "open_cache", "open_teachers", "require_learnt"]

_SAID: dict[Answer, str] = {"semantic": "classes", "depth": "depth"}


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """The teachers of a run, opened, in the order of its config."""

    networks: tuple[SegmentationModel | None, ...] = ()
    """The network of each in its deployed form, None for one that is a cache."""
    caches: tuple[TeacherCache, ...] = ()
    """Those that are caches."""
    depth_factors: tuple[float, ...] = ()
    """What the metres of each are multiplied by to be those of the student's camera."""
    notes: tuple[str, ...] = ()
    """What the person who trains should know of them."""


def open_teachers(
    config: TrainConfig,
    space: LabelSpace,
    samples: Sequence[Sample],
    camera: Camera | None = None,
) -> Teachers:
    """Open run folders, weights that they kept, and caches.

    A teacher tells depth for its own camera: a thing that is as large on the picture stands, for a camera
    of another focal length, at another distance, in the ratio of the two (see `datasets.PictureDepth`).
    Where one of them is unknown, its metres are taken as they are.

    Args:
        config: The run that is taught.
        space: The label space that the student learns.
        samples: What it learns from, without labels or with.
        camera: The one that its depth is told for, where it learns depth.

    Raises:
        ConfigError: One is neither, or has not learnt what it is asked for; or the weights that a cache
            was made of have changed since; or classes are compared and the run does not learn them.
        DataError: A cache lacks some of the samples, is unfinished or damaged.
        LabelError: One was trained on other classes.
    """
    asked = config.distillation
    if asked is None:
        return Teachers()
    classes = any(isinstance(loss, LogitLossConfig) for loss in asked.losses)
    if classes and "semantic" not in config.targets:
        raise ConfigError(
            "the run learns depth alone, and its losses with a teacher compare classes",
            fix="compare depth alone, with --distill depth, or say --tasks semantic+depth",
        )
    networks: list[SegmentationModel | None] = []
    caches, factors, notes = [], [], []
    for path in asked.teacher:
        if is_cache(path):
            caches.append(open_cache(path, space, samples))
            networks.append(None)
            factors.append(1.0)
            continue
        run = load_run(path)
        if asked.losses:
            require_same_space(run.space, space)
        if classes:
            require_learnt(path, run.config, "semantic", since="its classes are compared")
        factor = None
        if asked.depth:
            require_learnt(path, run.config, "depth", since="its depth is compared")
            factor = _depth_factor(run, camera)
            if factor is None:
                notes.append(
                    f"the focal length of {path} or of the run's own camera is unknown: the teacher's"
                    " metres are taken as they are"
                )
        networks.append(inference_form(run.model))
        factors.append(1.0 if factor is None else factor)
    return Teachers(
        networks=tuple(networks),
        caches=tuple(caches),
        depth_factors=tuple(factors),
        notes=tuple(notes),
    )


def require_learnt(name: object, config: TrainConfig, target: Answer, *, since: str) -> None:
    """Refuse a run that does not learn what it is asked for, whether it has a head for it or not.

    Args:
        name: What it is called.
        config: The run.
        target: What it is asked for.
        since: What for, in words.

    Raises:
        ConfigError: It learns the other alone.
    """
    if target not in config.targets:
        other = _SAID["depth" if target == "semantic" else "semantic"]
        raise ConfigError(
            f"{name} learns {other} alone, and {since}",
            fix=f"name a run that learns {_SAID[target]}, alone or with --tasks semantic+depth",
        )


def _depth_factor(run: Run, camera: Camera | None) -> float | None:
    """The student's focal length over the teacher's, None where one is unknown. Both are in pixels of the
    network's input, and both networks see the same one."""
    if camera is None or camera.focal_px is None:
        return None
    if run.depth is None or run.depth.focal_xy_px is None:
        return None
    return camera.focal_px / math.sqrt(math.prod(run.depth.focal_xy_px))


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
