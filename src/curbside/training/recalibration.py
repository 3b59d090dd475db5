"""Recalibrating a finished run, and saying what each kind of statistics scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets import DepthTargets, SegmentationDataset, collate_val
from ..errors import ConfigError, DataError
from ..files import link_or_copy
from ..imaging import Normalization, Placement
from ..metrics import ConfusionMatrix, DepthScores
from ..models import SegmentationModel, normalize
from ..prepared import Sample, evenly_spaced
from ..progress import track
from .batch_statistics import has_batch_statistics, recalibrate, using_batch_statistics
from .run_folder import Run, load_weights_into, write_weights
from .validation import class_maps, depth_maps

__all__ = [
    "StatisticsScores",
    "compare_statistics",
    "keep_and_write",
    "recalibrate_weights",
    "score_network",
    "score_run",
]


_JUDGED_BY = ("joint", "iou", "miou", "delta1")


@dataclass(frozen=True, kw_only=True)
class StatisticsScores:
    """What a network scores with the statistics that its normalisation may use, 0..1."""

    score: str
    """What it is judged by: `miou`; of a binary label space `iou`, that of what is looked for; of depth
    alone `delta1`, the share of pixels within a factor of 1.25; of a network that has learnt both
    `joint`, their mean. Where the pictures have one of both alone, that one."""
    all_scores: Mapping[str, Mapping[str, float] | None]
    """Every score, see `score_network`, with each of the statistics: `running`, the average that training
    kept; `recalibrated`, those of the training pictures, for the weights as they are; `batch_of_one`,
    every picture's own; `batch`, those of a batch. None where a layer sees a single value."""
    batch_size: int
    """Pictures of that batch, and of those that were recalibrated on."""
    pictures: int
    """Training pictures that were recalibrated on."""
    scored: int
    """Pictures scored."""
    split: str
    """Their split."""

    def to_dict(self) -> dict[str, Any]:
        """The scores as JSON values; what it is judged by also alone, by the names of the statistics."""
        judged = {name: one and one[self.score] for name, one in self.all_scores.items()}
        return {**judged, **asdict(self)}


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
        val: What to score on, of one split, with targets that the run has learnt.
        batch_size: Whole pictures that are normalised together.
        pictures: Of how many of `train`, spread evenly; all where not given.
        device: A torch device; a GPU where there is one.

    Raises:
        ConfigError: The network has no batch normalisation.
        DataError: No picture can be read, or none has anything that the run has learnt.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = run.model.to(place).eval()
    if not has_batch_statistics(model):
        raise ConfigError(
            f"{run.title} has no batch normalisation, whose statistics could be computed anew",
            fix="there is nothing to do: evaluate or export the run",
        )

    def own(together: int) -> dict[str, float] | None:
        try:
            with using_batch_statistics(model):
                return score_run(run, val, together, saying=f"batches of {together}")
        except ValueError:  # torch's, for a single value per channel
            return None

    found: dict[str, dict[str, float] | None] = {"running": score_run(run, val, saying="running")}
    found |= {"batch_of_one": own(1), "batch": own(batch_size)}
    chosen = evenly_spaced(train, pictures or len(train))
    seen = _recalibrate(model, chosen, run.image_size_hw, batch_size)
    now = found["recalibrated"] = score_run(run, val, saying="recalibrated")
    score = next(name for name in _JUDGED_BY if name in now)
    return StatisticsScores(
        score=score,
        all_scores=found,
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
    score: Callable[[], Mapping[str, float]] | None = None,
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
        score: Scores that network anew; see `score_network`.

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
    scores = {} if score is None else score()
    keep_and_write(folder, model, facts, pictures, batch_size, scores)
    return pictures


def keep_and_write(
    folder: Path,
    model: nn.Module,
    facts: dict[str, Any],
    pictures: int,
    batch_size: int,
    scores: Mapping[str, float],
) -> Path:
    """Put recalibrated weights in the place of those that a run ships, and say where those are kept.

    Args:
        folder: The run folder.
        model: The network.
        facts: What the run noted of the weights before.
        pictures: How many pictures it was recalibrated on.
        batch_size: How many of them were normalised together.
        scores: What it scores now on the run's validation split, see `score_network`; empty where nobody
            knows. In their place the run has noted others, and those that are not scored anew it forgets.
    """
    weights, kept = folder / "model.safetensors", folder / "kept" / "running.safetensors"
    kept.parent.mkdir(exist_ok=True)
    link_or_copy(weights, kept)
    before = {key: value for key, value in facts.items() if key.startswith("val_")}
    named = {f"val_{name}": value for name, value in scores.items()}
    now = {key: value for key, value in named.items() if key in before}
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


def score_run(
    run: Run, samples: Sequence[Sample], batch_size: int = 1, *, saying: str
) -> dict[str, float]:
    """What a run's network scores in what the run has learnt; see `score_network`."""
    depth = None
    if run.depth is not None:
        focal = run.depth.focal_xy_px
        depth = DepthTargets(
            confidence=run.config.depth.confidence,
            size_hw=run.image_size_hw,
            reference_px=None if focal is None else math.sqrt(math.prod(focal)),
        )
    return score_network(
        run.model,
        samples,
        run.image_size_hw,
        batch_size,
        classes="semantic" in run.config.targets,
        depth=depth,
        saying=saying,
    )


@torch.inference_mode()
def score_network(
    model: SegmentationModel,
    samples: Sequence[Sample],
    size_hw: tuple[int, int],
    batch_size: int = 1,
    *,
    classes: bool = True,
    depth: DepthTargets | None = None,
    saying: str,
) -> dict[str, float]:
    """What a network scores, as training takes it.

    Args:
        model: The network, in evaluation mode.
        samples: What to score on, with masks of its classes or with depth.
        size_hw: Size of its input.
        batch_size: Pictures that go in together; a last one alone goes with those before it.
        classes: Whether it has learnt classes.
        depth: Reads the depth of samples, where it has learnt that.
        saying: What is being done, for the progress bar.

    Returns:
        `miou`, of a binary label space `iou`, that of id 1; `delta1`, `abs_rel` and `rmse`; `joint`, the
        mean of classes and `delta1`. What no picture tells of is left out.

    Raises:
        DataError: No picture tells of anything.
    """
    space = samples[0].space
    dataset = SegmentationDataset(_shuffled(samples), size_hw=size_hw, depth=depth, masks=classes)
    counted, errors = ConfusionMatrix(space.num_classes), DepthScores()
    masks = 0
    problems: list[str] = []
    device = next(model.parameters()).device
    ends = [*range(batch_size, len(samples), batch_size), len(samples)]
    if len(ends) > 1 and batch_size > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    parts = list(zip([0, *ends], ends, strict=False))
    for start, end in track(parts, total=len(parts), description=saying, unit="batches"):
        batch = collate_val([dataset[place] for place in range(start, end)])  # type: ignore[misc]
        problems += batch.problems
        if not batch.targets:
            continue
        image = normalize(batch.image, model.normalization).to(device)
        output = model(image.contiguous(memory_format=torch.channels_last))
        if classes:
            for ids, target, _ in class_maps(output.logits, size_hw, batch):
                counted.update(ids, target)
                masks += 1
        if depth is not None and output.depth is not None:
            for metres, true, weight in depth_maps(output.depth, batch):
                errors.update(metres, true, weight)
    known = errors.summary().coverage is not None
    scores = _named(counted if masks else None, errors if known else None, binary=space.binary)
    if not scores:
        first = problems[0] if problems else "none has anything that the network has learnt"
        raise DataError(
            f"none of {len(samples)} pictures of {samples[0].root} can be scored: {first}",
            fix="restore the data, or score on others",
        )
    return scores


def _named(
    counted: ConfusionMatrix | None, errors: DepthScores | None, *, binary: bool
) -> dict[str, float]:
    """The scores of classes and of depth by their names, of what was scored."""
    scores: dict[str, float] = {}
    if counted is not None:
        classes = counted.iou()[1] if binary else counted.miou()
        scores["iou" if binary else "miou"] = float(np.nan_to_num(classes))
    if errors is not None:
        found = errors.summary()
        known = {"delta1": found.delta1 or 0.0, "abs_rel": found.abs_rel, "rmse": found.rmse}
        both = [*scores.values(), found.delta1 or 0.0]
        scores |= {name: value for name, value in known.items() if value is not None}
        scores |= {"joint": sum(both) / 2} if len(both) == 2 else {}
    return scores
