"""A model file's run, fine-tuned for 8 bits and exported as that file was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ._gate import GateOptions

__all__ = ["check_origin", "fine_tune"]


def check_origin(model: Path, folder: Path) -> None:
    """Stop where a model file does not come from a run.

    Raises:
        ConfigError: Its weights are others.
        ModelFileError: The run or the file cannot be opened.
    """
    from ..runtime import load_predictor
    from ..training import load_run

    run = load_run(folder)
    with load_predictor(model) as predictor:
        weights = predictor.manifest.source.get("weights_sha256")
    if weights != run.source.get("weights_sha256"):
        raise ConfigError(
            f"{model} does not come from the run {folder}: their weights differ",
            fix="name its own run, or export that run and quantise the new file",
        )


def fine_tune(model: Path, folder: Path, options: GateOptions) -> Path:
    """Fine-tune the run behind a model file for 8 bits, and write what comes of it as `M.tuned.onnx`.

    Args:
        model: The file that lost too much.
        folder: Its run.
        options: How long, how fast, and with how many threads.

    Returns:
        The new file, beside the old one.
    """
    from ..datasets import open_mixture
    from ..export import ExportConfig, Outputs
    from ..runtime import load_predictor
    from ..training import QuantizationAwareConfig, fine_tune_for_int8, load_run
    from ..training.run_folder import set_threads
    from .export import export_run

    set_threads(options.threads)
    run = load_run(folder)
    data = open_mixture(run.config.data.root, run.config.data.space)
    samples = [sample for part in data.samples(run.config.data.train_split) for sample in part]
    how = QuantizationAwareConfig(epochs=options.finetune_epochs, lr=options.finetune_lr)
    tuned = fine_tune_for_int8(run, samples, how)
    with load_predictor(model) as predictor:
        manifest = predictor.manifest
    outputs: Outputs = "ids"
    if manifest.output("logits"):
        outputs = "logits"
    elif manifest.output("confidence"):
        outputs = "confidence"
    config = ExportConfig(
        size_hw=manifest.input.size_hw, channels=manifest.input.channels, outputs=outputs
    )
    out = model.with_name(f"{model.stem}.tuned.onnx")
    source = {**run.source, "fine_tuned_for_int8": tuned.about}
    export_run(replace(run, model=tuned.model, source=source), out, config)
    return out
