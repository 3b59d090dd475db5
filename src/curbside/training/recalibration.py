"""Recalibrating a finished run, and saying what each kind of statistics scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets import SegmentationDataset, collate_val
from ..errors import ConfigError, DataError
from ..files import link_or_copy
from ..imaging import Normalization, Placement
from ..metrics import ConfusionMatrix
from ..models import SegmentationModel, normalize
from ..prepared import Sample, evenly_spaced
from ..progress import track
from .batch_statistics import has_batch_statistics, recalibrate, using_batch_statistics
from .run_folder import Run, load_weights_into, write_weights
from .validation import predicted

__all__ = [
    "StatisticsScores",
    "compare_statistics",
    "keep_and_write",
    "recalibrate_weights",
    "score_network",
]


@dataclass(frozen=True, kw_only=True)
class StatisticsScores:
    """What a network scores with the statistics that its normalisation may use; mIoU, 0..1, of a binary
    label space the IoU of what is looked for."""

    running: float
    """The average that training kept."""
    recalibrated: float
    """Those of the training pictures, for the weights as they are."""
    batch_of_one: float | None
    """Every picture's own; None where a layer sees a single value of it."""
    batch: float | None
    """Those of a batch; None where there is one picture alone, and a layer sees a single value of it."""
    batch_size: int
    """Pictures of that batch, and of those that were recalibrated on."""
    pictures: int
    """Training pictures that were recalibrated on."""
    scored: int
    """Pictures scored."""
    split: str
    """Their split."""

    def to_dict(self) -> dict[str, Any]:
        """The scores as JSON values."""
        return asdict(self)


def compare_statistics(
    run: Run,
    train: Sequence[Sample],
    val: Sequence[Sample],
    *,
    batch_size: int,
    pictures: int | None = None,
    device: str | None = None,
) -> StatisticsScores:
    """Recalibrate a run's network, in memory, and score it with every kind of statistics.

    Args:
        run: The run; its network ends recalibrated, nothing is written.
        train: What to recalibrate on.
        val: What to score on, of one split, with masks of the run's classes.
        batch_size: Whole pictures that are normalised together.
        pictures: Of how many of `train`, spread evenly; all where not given.
        device: A torch device; a GPU where there is one.

    Raises:
        ConfigError: The network has no batch normalisation.
        DataError: No picture can be read.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = run.model.to(place).eval()
    if not has_batch_statistics(model):
        raise ConfigError(
            f"{run.title} has no batch normalisation, whose statistics could be computed anew",
            fix="there is nothing to do: evaluate or export the run",
        )
    size = run.image_size_hw

    def own(together: int) -> float | None:
        try:
            with using_batch_statistics(model):
                return score_network(model, val, size, together, saying=f"batches of {together}")
        except ValueError:  # torch's, for a single value per channel
            return None

    running = score_network(model, val, size, saying="running")
    one, batch = own(1), own(batch_size)
    seen = _recalibrate(model, evenly_spaced(train, pictures or len(train)), size, batch_size)
    recalibrated = score_network(model, val, size, saying="recalibrated")
    return StatisticsScores(
        running=running,
        recalibrated=recalibrated,
        batch_of_one=one,
        batch=batch,
        batch_size=batch_size,
        pictures=seen,
        scored=len(val),
        split=val[0].record.split,
    )


def recalibrate_weights(
    folder: Path,
    model: Any,
    train: Sequence[Sample],
    size_hw: tuple[int, int],
    batch_size: int,
    *,
    letterbox: bool = False,
    val: Sequence[Sample] = (),
) -> int:
    """Recalibrate the weights that a run ships, in its folder; those of before stay in
    `kept/running.safetensors`. What is recalibrated already is left as it is.

    Args:
        folder: The run folder.
        model: A network of its config.
        train: What to recalibrate on.
        size_hw: Size of the network's input.
        batch_size: Whole pictures that are normalised together.
        letterbox: Whether pictures keep their aspect on it.
        val: What to score a semantic network on anew.

    Returns:
        How many pictures it saw; 0 where there was nothing to do.

    Raises:
        ConfigError: The network has no batch normalisation.
        DataError: No picture can be read.
    """
    weights = folder / "model.safetensors"
    facts = load_weights_into(model, weights)
    if "recalibrated" in facts:
        return 0
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    pictures = _recalibrate(model, train, size_hw, batch_size, letterbox=letterbox)
    score = score_network(model, val, size_hw, saying="recalibrated") if val else None
    keep_and_write(folder, model, facts, pictures, batch_size, score)
    return pictures


def keep_and_write(
    folder: Path,
    model: nn.Module,
    facts: dict[str, Any],
    pictures: int,
    batch_size: int,
    score: float | None,
) -> Path:
    """Put recalibrated weights in the place of those that a run ships, and say where those are kept.

    Args:
        folder: The run folder.
        model: The network.
        facts: What the run noted of the weights before.
        pictures: How many pictures it was recalibrated on.
        batch_size: How many of them were normalised together.
        score: What it scores now on the run's validation split; None where nobody knows.
    """
    weights, kept = folder / "model.safetensors", folder / "kept" / "running.safetensors"
    kept.parent.mkdir(exist_ok=True)
    link_or_copy(weights, kept)
    before = {key: value for key, value in facts.items() if key.startswith("val_")}
    classes = before.keys() & {"val_miou", "val_iou"}  # the others are not scored anew
    now = {} if score is None else dict.fromkeys(classes, score)
    rest = {key: value for key, value in facts.items() if key not in before}
    noted = {"pictures": pictures, "batch_size": batch_size, "before": before}
    write_weights(model, weights, {**rest, **now, "recalibrated": noted})
    return kept


def _recalibrate(
    model: Any,
    samples: Sequence[Sample],
    size_hw: tuple[int, int],
    batch_size: int,
    *,
    letterbox: bool = False,
) -> int:
    device = next(model.parameters()).device
    whole = _pictures(samples, model.normalization, size_hw, batch_size, letterbox)
    count = -(-len(samples) // batch_size)
    moved = (batch.to(device) for batch in whole)
    return recalibrate(
        model, track(moved, total=count, description="recalibrating", unit="batches")
    )


def _pictures(
    samples: Sequence[Sample],
    normalization: Normalization,
    size_hw: tuple[int, int],
    batch_size: int,
    letterbox: bool,
) -> Iterator[Tensor]:
    """Whole pictures as deployment sees them, (B, 3, H, W) float; those of one drive in no one batch but
    by chance. Pictures that cannot be read are left out."""
    frames: list[np.ndarray] = []
    problems = []
    for sample in _shuffled(samples):
        try:
            rgb = sample.read_rgb()
        except DataError as error:
            problems.append(error)
            continue
        place = (Placement.letterbox if letterbox else Placement.stretch)(rgb.shape[:2], size_hw)
        frames.append(place.draw(rgb))
        if len(frames) == batch_size:
            yield _tensor(frames, normalization)
            frames = []
    if len(problems) == len(samples):
        raise problems[0]
    if len(frames) > 1:  # of a single one a layer may see a single value
        yield _tensor(frames, normalization)


def _tensor(frames: Sequence[np.ndarray], normalization: Normalization) -> Tensor:
    pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    return normalize(pixels, normalization).contiguous(memory_format=torch.channels_last)


def _shuffled(samples: Sequence[Sample]) -> list[Sample]:
    return [samples[i] for i in np.random.default_rng(0).permutation(len(samples))]


@torch.inference_mode()
def score_network(
    model: SegmentationModel,
    samples: Sequence[Sample],
    size_hw: tuple[int, int],
    batch_size: int = 1,
    *,
    saying: str,
) -> float:
    """What a network scores, as training takes it: mIoU, of a binary label space the IoU of id 1.

    Args:
        model: The network, in evaluation mode.
        samples: What to score on, with masks of its classes.
        size_hw: Size of its input.
        batch_size: Pictures that go in together; a last one alone goes with those before it.
        saying: What is being done, for the progress bar.
    """
    space = samples[0].space
    dataset = SegmentationDataset(_shuffled(samples), size_hw=size_hw)
    counted = ConfusionMatrix(space.num_classes)
    device = next(model.parameters()).device
    ends = [*range(batch_size, len(samples), batch_size), len(samples)]
    if len(ends) > 1 and batch_size > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    parts = list(zip([0, *ends], ends, strict=False))
    for start, end in track(parts, total=len(parts), description=saying, unit="batches"):
        batch = collate_val([dataset[place] for place in range(start, end)])  # type: ignore[misc]
        if batch.targets:
            image = normalize(batch.image, model.normalization).to(device)
            image = image.contiguous(memory_format=torch.channels_last)
            for ids, target, _ in predicted(model, image, batch):
                counted.update(ids, target)
    return float(counted.iou()[1] if space.binary else counted.miou())
