"""A run of a network of ours that finds objects: trained by our loop, opened as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets import (
    Augmentation,
    ObjectDataset,
    collate_object_pictures,
    collate_objects,
    open_object_folders,
)
from ..labels import LabelSpace
from ..manifest import Manifest
from ..metrics import require_coco_eval
from ..models import InstanceModel, inference_form, normalize
from ..prepared import evenly_spaced
from ..runtime import InstancePredictor
from .fit import FitResult, fit
from .instance_config import InstanceTrainConfig
from .instance_task import InstanceTask, instance_manifest
from .loading import feed
from .loop import Loop
from .predictors import open_predictor
from .recalibration import recalibrate_weights
from .run_folder import load_weights_into, read_description, run_files, source_of
from .serialize import config_from_json

__all__ = ["InstanceRun", "fit_instances", "load_instance_run"]


@fit.register
def fit_instances(config: InstanceTrainConfig) -> FitResult:
    """Train a network that finds objects; see `fit`.

    Raises:
        LabelError: The folders do not have the classes.
        MissingDependencyError: faster-coco-eval, which scores it, is not installed.
    """
    require_coco_eval()
    data = open_object_folders(config.data.root, config.data.classes)
    train = data.samples(config.data.train_split)
    val = evenly_spaced(data.samples(config.data.val_split), config.data.val_pictures)
    loop = Loop(config, len(train))
    model = loop.network(len(data.space.classes), config.weights)
    task = InstanceTask(config, model, data.space, loop.plan.total, val, data.classes)
    seen = ObjectDataset(
        train,
        classes=data.classes,
        size_hw=config.data.crop_hw,
        augmentation=Augmentation(config.data.augment, config.data.crop_hw),
        seed=config.seed,
        min_area=config.data.min_area,
        min_share=config.data.min_share,
    )
    scored = ObjectDataset(val, classes=data.classes, size_hw=config.data.eval_hw)
    result = loop.train(
        task,
        lambda trainer: feed(
            config,
            (seen, collate_objects),
            (scored, collate_object_pictures),
            trainer,
            pause=loop.plan.next_pause,
        ),
        data.space,
        data.describe(config.data.train_split, config.data.val_split),
    )
    if config.recalibrate is not None and not result.rank:
        model = config.model.from_random().build(len(data.space.classes))
        size_hw = config.data.eval_hw
        recalibrate_weights(
            config.run_folder, model, train, size_hw, config.recalibrate, letterbox=True
        )
    return result


@dataclass(frozen=True, kw_only=True)
class InstanceRun:
    """A run folder of such a network, opened."""

    folder: Path
    """Where it is."""
    config: InstanceTrainConfig
    """How it was made."""
    space: LabelSpace
    """What it finds, a class per channel."""
    model: InstanceModel
    """The network with the weights to ship, on the CPU, in evaluation mode."""
    source: Mapping[str, Any]
    """What a Manifest says of it: recipe, commit, step, SHA-256 of the weights, versions."""
    scores: Mapping[str, Any]
    """Its best validation score."""

    @property
    def title(self) -> str:
        """Architecture and encoder in words."""
        return self.config.title

    @property
    def image_size_hw(self) -> tuple[int, int]:
        """The size that pictures are letterboxed to for scoring and export."""
        return self.config.data.eval_hw


def load_instance_run(folder: Path) -> InstanceRun:
    """Open the run folder of a network that finds objects.

    Args:
        folder: The folder; or, in the place of its best weights, others that it kept.

    Raises:
        ModelFileError: It is missing, unfinished, of another kind, or its parts do not fit.
    """
    folder, weights = run_files(folder)
    about = read_description(folder)
    where = str(folder / "config.json")
    config = config_from_json(about["config"], where=where, kind=InstanceTrainConfig)
    space = LabelSpace.from_dict(about["label_space"])
    model = config.model.from_random().build(len(space.classes))
    facts = load_weights_into(model, weights)
    step = int(facts.get("step", 0))
    score = float(facts.get("val_mask_ap", "nan"))
    return InstanceRun(
        folder=folder,
        config=config,
        space=space,
        model=model.eval(),
        source=source_of(about, weights, step),
        scores={"validation": {"mask_ap": score, "split": config.data.val_split, "step": step}},
    )


@open_predictor.register
def _open_instances(
    config: InstanceTrainConfig, folder: Path, *, device: str, calibrated: bool
) -> InstancePredictor:
    return InstancePredictor(TorchInstanceBackend(load_instance_run(folder), device))


class TorchInstanceBackend:
    """A run's network behind the runtime's backend protocol: letterboxed RGB frame in, maps out."""

    def __init__(self, run: InstanceRun, device: str) -> None:
        manifest = instance_manifest(run.model, run.space, run.image_size_hw, run.title)
        self.manifest: Manifest = replace(manifest, source=run.source, scores=run.scores)
        self.precision = "fp32"
        self._model = inference_form(run.model).to(device)
        self.device = device

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """(1, H, W, 3) uint8 to the maps by their names."""
        frame = torch.from_numpy(inputs[self.manifest.input.name]).to(self.device)
        image = normalize(frame.permute(0, 3, 1, 2), self.manifest.normalization)
        with torch.inference_mode():
            found = self._model(image.contiguous(memory_format=torch.channels_last))
        names = (spec.name for spec in self.manifest.outputs)
        return {
            name: tensor.float().cpu().numpy()
            for name, tensor in zip(names, found.tensors, strict=True)
        }

    def close(self) -> None:
        """Nothing to give back."""
