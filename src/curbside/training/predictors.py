"""Run folders as predictors: the runtime's own, over torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path

import numpy as np
import torch

from ..labels import NO_CLASSES
from ..manifest import InputSpec, Manifest, Meaning, OutputSpec
from ..models import inference_form, normalize
from ..runtime import SemanticPredictor, TaskPredictor
from ..runtime.predictor import predictor_of, semantic_of
from .config import TrainConfig
from .run_config import RunConfig
from .run_folder import Run, load_config, load_run, run_files, set_threads

__all__ = ["load_run_predictor", "load_semantic_run_predictor", "open_predictor"]


def load_run_predictor(
    folder: Path,
    *,
    device: str | None = None,
    threads: int | None = None,
    calibrated: bool = True,
) -> TaskPredictor:
    """Open a run folder of any kind as a predictor: the runtime's own, over torch.

    Args:
        folder: The run folder, or weights that it kept.
        device: A torch device; a GPU where there is one.
        threads: Threads on the CPU.
        calibrated: Divide the scores by the run's temperature, where it was fitted.

    Raises:
        ConfigError: The number of threads is below 1.
        ModelFileError: The run cannot be opened.
    """
    set_threads(threads)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    config = load_config(run_files(folder)[0])
    return open_predictor(config, Path(folder), device=place, calibrated=calibrated)


def load_semantic_run_predictor(
    folder: Path,
    *,
    device: str | None = None,
    threads: int | None = None,
    calibrated: bool = True,
) -> SemanticPredictor:
    """Open the run folder of a semantic network; see `load_run_predictor`.

    Raises:
        ConfigError: The number of threads is below 1.
        ModelFileError: The run cannot be opened, or its network tells no classes of pixels.
    """
    set_threads(threads)
    run = load_run(folder, calibrated=calibrated)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return semantic_of(predictor_of(TorchBackend(run, place)), Path(folder))


@singledispatch
def open_predictor(
    config: RunConfig, folder: Path, *, device: str, calibrated: bool
) -> TaskPredictor:
    """The predictor of a run folder; every kind of run registers its own.

    Args:
        config: The run's config.
        folder: The run folder, or weights that it kept.
        device: A torch device.
        calibrated: Divide the scores by the run's temperature, where it was fitted.

    Raises:
        ModelFileError: The run cannot be opened.
    """
    raise NotImplementedError(f"nothing opens a run of {type(config).__name__}")


@open_predictor.register
def _open_semantic(
    config: TrainConfig, folder: Path, *, device: str, calibrated: bool
) -> TaskPredictor:
    return predictor_of(TorchBackend(load_run(folder, calibrated=calibrated), device))


class TorchBackend:
    """A run's network behind the runtime's backend protocol: RGB frame in, logits and depth out."""

    def __init__(self, run: Run, device: str) -> None:
        meanings: dict[str, Meaning] = {"semantic": "logits", "depth": "depth"}
        given = [meanings[target] for target in run.config.targets]
        self.manifest = Manifest(
            task=run.config.tasks,
            input=InputSpec(size_hw=run.image_size_hw, channels="rgb"),
            outputs=tuple(OutputSpec(name=meaning, meaning=meaning) for meaning in given),
            space=run.space if "logits" in given else NO_CLASSES,
            depth=run.depth,
            normalization=run.model.normalization,
            model=run.title,
            source=run.source,
            temperature_scaling=run.temperature_scaling,
            threshold=run.threshold,
            scores=run.scores,
        )
        self.precision = "fp32"
        self._model = inference_form(run.model).to(device)
        self.device = device

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """(1, H, W, 3) uint8 to `logits`, (1, C, h, w), and `depth`, (1, 1, h, w) metres, float32: those
        that the run has learnt."""
        frame = torch.from_numpy(inputs[self.manifest.input.name]).to(self.device)
        image = normalize(frame.permute(0, 3, 1, 2), self.manifest.normalization)
        with torch.inference_mode():
            found = self._model(image.contiguous(memory_format=torch.channels_last))
        said = {"logits": found.logits.float() / self.manifest.temperature, "depth": found.depth}
        return {
            spec.name: said[spec.meaning].float().cpu().numpy() for spec in self.manifest.outputs
        }

    def close(self) -> None:
        """Nothing to give back."""
