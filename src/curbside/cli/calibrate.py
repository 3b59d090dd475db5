"""Fit the temperature that makes a run's confidence believable, and the threshold of yes or no."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..manifest import DecisionThreshold, TemperatureScaling

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside calibrate`."""
    tyro.cli(_calibrate, args=argv, prog="curbside calibrate", description=__doc__)


def _calibrate(
    run: tyro.conf.Positional[Path],
    data: tyro.conf.Positional[Path],
    /,
    *,
    split: Literal["train", "val", "test"] = "val",
    space: str | None = None,
    limit: int | None = None,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Fit the temperature that makes a run's confidence believable, and the threshold of yes or no, on
    held-out pictures.

    Both are stored in the run folder, and `evaluate`, `export` and `run` apply them from then on. The
    temperature changes no pixel's class; the threshold, of a run with a binary label space alone, is
    the probability from which on a pixel is what is looked for: the one with the highest F1 and IoU.

    Args:
        run: A run folder.
        data: A prepared folder with pictures that the run has not learned from; where its classes
            are not those of a binary run, they are brought to them.
        split: Which of its splits.
        space: Label space of a bare images/ + masks/ tree.
        limit: Look at only so many pictures, spread evenly over the split.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of lines.
    """
    from ..labels import load_space, mapping
    from ..metrics.temperature import TEMPERATURES
    from ..prepared import PreparedFolder, evenly_spaced
    from ..training import load_run
    from ..training.calibration import calibrate
    from ..training.run_folder import write_fitted
    from ..training.threshold import choose_threshold

    if limit is not None and limit < 2:
        raise ConfigError(f"--limit {limit} leaves too few pictures", fix="give 2 or more")
    if run.is_file():
        raise ConfigError(
            f"{run} is a file, and a temperature belongs to a run folder",
            fix="calibrate the run folder, then export it again",
        )
    folder = PreparedFolder(data, space=load_space(space) if space else None)
    samples = folder.samples(split, target="semantic")
    if limit is not None:
        samples = evenly_spaced(samples, limit)
    opened = load_run(run, calibrated=False)
    if "semantic" not in opened.config.targets:
        raise ConfigError(
            f"{run} tells depth alone, and a temperature is for the probabilities of classes",
            fix="calibrate a run that learned classes",
        )
    if opened.space.binary and not folder.space.binary:
        to_binary = mapping(folder.space, opened.space)
        samples = [sample.mapped(to_binary) for sample in samples]
    learned = opened.config.data
    if split == learned.train_split:
        _warn(
            f"the run learned from a split {split}: if it is this one, the temperature does not hold"
            " for other pictures"
        )
    elif split == learned.val_split:
        _warn(
            f"the run chose its weights on a split {split}: if it is this one, the ECE is a little"
            " too good"
        )
    found, unreadable = calibrate(run, samples, threads=threads)
    for message in unreadable:
        _warn(f"left out: {message}")
    coldest, hottest = TEMPERATURES
    if not 1.001 * coldest < found.temperature < 0.999 * hottest:
        _warn(
            f"a temperature of {found.temperature:g} is an end of the range that is looked at: the run"
            " knows nothing of these pictures, or they are too few"
        )
    path = write_fitted(run, found)
    chosen = None
    if opened.space.binary:
        chosen, _ = choose_threshold(run, samples, threads=threads)
        write_fitted(run, chosen)
    if as_json:
        said = {**found.to_dict(), "file": str(path)}
        if chosen is not None:
            said["threshold"] = chosen.to_dict()
        print(json.dumps(said, indent=2))
        return
    _show(found, path)
    if chosen is not None:
        _show_threshold(chosen, opened.space.names[1], run / "threshold.json")


def _warn(message: str) -> None:
    print(f"curbside calibrate: {message}", file=sys.stderr)


def _show(found: TemperatureScaling, path: Path) -> None:
    print(f"temperature  {found.temperature:.4f}, fitted on {found.pixels:,} pixels of", end=" ")
    print(f"{found.images} pictures of {found.dataset}, split {found.split}")
    print(f"NLL          {found.nll_before:.4f} before, {found.nll_after:.4f} after")
    print(f"ECE, 15 bins {found.ece_before:.4f} before, {found.ece_after:.4f} after,", end=" ")
    print(f"{found.ece_cross_fitted:.4f} cross-fitted: each half measured with the")
    print(f"             temperature of the other (halves: {found.halves})")
    print(f"wrote        {path}")


def _show_threshold(found: DecisionThreshold, name: str, path: Path) -> None:
    print(f"threshold    {name} from a probability of {found.threshold:.4f} on: IoU", end=" ")
    print(f"{found.iou:.4f}, F1 {found.f1:.4f}, precision {found.precision:.4f},", end=" ")
    print(f"recall {found.recall:.4f}")
    print(f"             at 0.5 IoU {found.iou_at_half:.4f}; {found.iou_cross_fitted:.4f}", end=" ")
    print("cross-fitted, each half measured with the threshold of the other")
    print(f"wrote        {path}")
