"""Training a network for classes, for depth, or for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from ..datasets import Mixture, open_mixture
from ..errors import ConfigError
from ..losses import LogitLossConfig
from ..models import SegmentationModel
from ..prepared import Sample
from .balance import balanced
from .cameras import camera_of
from .config import TrainConfig
from .finishing import finish
from .fit import FitResult, fit
from .loading import loaders, taught_samples, unlabelled_samples
from .loop import Loop
from .task import SegmentationTask
from .teachers import open_teachers

__all__ = ["fit_semantic"]


@fit.register
def fit_semantic(config: TrainConfig) -> FitResult:
    """Train a network for classes, for depth, or for both; see `fit`."""
    data = open_mixture(config.data.root, config.data.space)
    train = data.samples(config.data.train_split, config.targets)
    _check_shares(config, train)
    result = _train(balanced(config, train), data)
    if not result.rank:
        finish(config, data)
    return result


def _train(config: TrainConfig, data: Mixture) -> FitResult:
    """Train a run, after its phases, without what comes when it is over."""
    train = data.samples(config.data.train_split, config.targets)
    val = data.samples(config.data.val_split, config.targets)
    loop = Loop(config, sum(map(len, train)))
    alone = unlabelled_samples(config, data.space)
    camera = camera_of(train, config.data.eval_hw) if "depth" in config.targets else None
    asked = taught_samples(config, train, alone)
    teachers = open_teachers(config, data.space, asked, camera)
    weights = config.weights
    if loop.start == 0 and config.phases:
        loop.write_config(data.space, _counts(data, train, val))
        weights = _through_phases(config, data)
    model = loop.network(data.space.num_channels, weights)
    _check_heads(config, model)
    told = (*data.warnings(config.data.train_split, config.targets), *_lacking(config, train))
    for line in (*told, *([camera.note] if camera and camera.note else []), *teachers.notes):
        rank_zero_warn(line, category=UserWarning)
    names = [part.name for part in data.parts]
    parts = dict(zip(names, map(len, val), strict=True))
    task = SegmentationTask(
        config,
        model,
        data.space,
        loop.plan.total,
        teachers.networks,
        parts,
        teachers.depth_factors,
    )
    return loop.train(
        task,
        lambda trainer: loaders(
            config,
            [*train, *alone],
            val,
            teachers.caches,
            trainer,
            pause=loop.plan.next_pause,
            camera=camera,
        ),
        data.space,
        _counts(data, train, val) | ({} if camera is None else {"camera": camera.to_dict()}),
    )


def _check_heads(config: TrainConfig, model: SegmentationModel) -> None:
    """Refuse a network without a head that the run asks for; let those rest that it does not.

    Raises:
        ConfigError: It has no head for depth.
    """
    if "depth" in config.targets and not model.depth_only:
        raise ConfigError(
            f"{config.model.title} gives no depth",
            fix="choose a network that does, with --network hydranet-mobilenetv2",
        )
    idle = () if "depth" in config.targets else model.depth_only
    idle += () if "semantic" in config.targets else model.semantic_only
    for name in idle:
        model.get_submodule(name).requires_grad_(False)
        rank_zero_warn(f"{name}: stays as it is, there is no loss for it", category=UserWarning)


def _lacking(config: TrainConfig, train: list[list[Sample]]) -> list[str]:
    """Targets that are to be learnt and neither a sample has nor a teacher tells."""
    has = {target for part in train for sample in part for target in sample.record.targets}
    if config.distillation:
        on_logits = any(isinstance(one, LogitLossConfig) for one in config.distillation.losses)
        has |= {"semantic"} if on_logits else set()
        has |= {"depth"} if config.distillation.depth else set()
    return [
        f"no {config.data.train_split} sample has a {target} target, so that it is not learnt"
        for target in config.targets
        if target not in has
    ]


def _through_phases(config: TrainConfig, data: Mixture) -> Path | None:
    """Train the phases before a run, or go on with them, and say where the last one's weights are."""
    weights = config.weights
    for number in range(1, len(config.phases) + 1):
        done = _train(config.of_phase(number, weights), data)
        weights = done.folder / "model.safetensors"
        if done.resumed_at < done.steps:
            best = f"{done.score_name} {100 * done.best_score:.2f} % at step {done.best_step}"
            rank_zero_warn(f"phase {number} of {config.name}: {best}", category=UserWarning)
    return weights


def _check_shares(config: TrainConfig, train: list[list[Sample]]) -> None:
    for root, share, samples in zip(config.data.root, config.data.shares, train, strict=False):
        if share and not samples:
            raise ConfigError(
                f"{root} gets the share {share} and has no sample in {config.data.train_split}",
                fix="give it the share 0",
            )


def _counts(data: Mixture, train: list[list[Sample]], val: list[list[Sample]]) -> dict[str, Any]:
    """What `config.json` says of the data."""
    folders = [
        {**about, "train": len(one), "val": len(other)}
        for about, one, other in zip(data.describe(), train, val, strict=True)
    ]
    return {
        "source": ", ".join(str(folder["source"]) for folder in folders),
        "root": ", ".join(str(folder["root"]) for folder in folders),
        "train": sum(map(len, train)),
        "val": sum(map(len, val)),
        "unfed": list(data.unfed),
        "folders": folders,
    }
