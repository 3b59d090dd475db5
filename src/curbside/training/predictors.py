"""Run folders as predictors: the runtime's own, over torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path

import numpy as np
import torch

from ..manifest import InputSpec, Manifest, OutputSpec
from ..models import inference_form, normalize
from ..runtime import InstancePredictor, SemanticPredictor
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
) -> SemanticPredictor | InstancePredictor:
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
        ModelFileError: The run cannot be opened, or its network has another task.
    """
    set_threads(threads)
    run = load_run(folder, calibrated=calibrated)
    return SemanticPredictor(
        TorchBackend(run, device or ("cuda" if torch.cuda.is_available() else "cpu"))
    )


@singledispatch
def open_predictor(
    config: RunConfig, folder: Path, *, device: str, calibrated: bool
) -> SemanticPredictor | InstancePredictor:
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
) -> SemanticPredictor:
    return load_semantic_run_predictor(folder, device=device, calibrated=calibrated)


class TorchBackend:
    """A run's network behind the runtime's backend protocol: RGB frame in, logits out."""

    def __init__(self, run: Run, device: str) -> None:
        self.manifest = Manifest(
            input=InputSpec(size_hw=run.image_size_hw, channels="rgb"),
            outputs=(OutputSpec(name="logits", meaning="logits"),),
            space=run.space,
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
        """(1, H, W, 3) uint8 to {"logits": (1, C, h, w) float32}."""
        frame = torch.from_numpy(inputs[self.manifest.input.name]).to(self.device)
        image = normalize(frame.permute(0, 3, 1, 2), self.manifest.normalization)
        with torch.inference_mode():
            logits = self._model(image.contiguous(memory_format=torch.channels_last)).logits
        return {"logits": (logits.float() / self.manifest.temperature).cpu().numpy()}

    def close(self) -> None:
        """Nothing to give back."""
