"""Compute the statistics of a run's batch normalisation anew, and say what each kind of them scores."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..training.recalibration import StatisticsScores

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside recalibrate`."""
    tyro.cli(_recalibrate, args=argv, prog="curbside recalibrate", description=__doc__)


def _recalibrate(
    run: tyro.conf.Positional[Path],
    /,
    *,
    data: tuple[Path, ...] = (),
    batch_size: int = 16,
    pictures: int | None = None,
    dry_run: bool = False,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Compute the statistics of a run's batch normalisation anew, and say what each kind of them scores.

    Training keeps a running average of what its batches were normalised by, and where that is bad, a good
    network scores badly. The statistics are computed anew over whole training pictures, as deployment
    sees them, and written into the weights that the run ships; those of before are kept. A recipe asks
    for the same step with --recalibrate.

    Args:
        run: The run folder of a network for classes, for depth, or for both.
        data: The prepared folders to learn the statistics from and to score on; the run's own where not
            given.
        batch_size: Whole pictures that are normalised together.
        pictures: Of how many training pictures, spread evenly; all where not given.
        dry_run: Only measure; nothing is written.
        threads: Threads for the network; all cores where not given.
        as_json: Print JSON instead of lines.
    """
    from itertools import chain

    from ..datasets import open_mixture
    from ..evaluation import require_same_space
    from ..training import load_run
    from ..training.batch_statistics import check_statistics
    from ..training.recalibration import compare_statistics, keep_and_write
    from ..training.run_folder import set_threads, weights_facts
    from ..training.threshold import renew_threshold

    check_statistics(batch_size if pictures is None else min(batch_size, pictures))
    if run.is_file():
        raise ConfigError(
            f"{run} is a file, and statistics belong to the weights of a run folder",
            fix="recalibrate the run folder, then export it again",
        )
    set_threads(threads)
    opened = load_run(run, calibrated=False)
    held = opened.config.data
    mixture = open_mixture(data or held.root, held.space)
    if data and mixture.space.names != opened.space.names:
        mixture = open_mixture(data, opened.space.name)
    require_same_space(opened.space, mixture.space)
    train, val = (
        list(chain(*mixture.samples(split, opened.config.targets)))
        for split in (held.train_split, held.val_split)
    )
    facts = weights_facts(run / "model.safetensors")
    if "recalibrated" in facts and not dry_run:
        raise ConfigError(
            f"{run} is recalibrated already; the statistics of its training are in kept/",
            fix="give --dry-run to measure it again",
        )
    scores = compare_statistics(opened, train, val, batch_size=batch_size, pictures=pictures)
    kept = None
    if not dry_run:
        kept = keep_and_write(
            run,
            opened.model.cpu(),
            facts,
            scores.pictures,
            batch_size,
            scores.all_scores["recalibrated"] or {},
        )
        if opened.space.binary and "semantic" in opened.config.targets:
            said = renew_threshold(run, val, threads=threads)
            print(f"curbside recalibrate: {said}", file=sys.stderr)
        if (run / "calibration.json").exists():
            print(
                "curbside recalibrate: the temperature was fitted for the weights before: curbside"
                f" calibrate {run} DATA fits it again",
                file=sys.stderr,
            )
    if as_json:
        print(json.dumps({**scores.to_dict(), "kept": kept and str(kept)}, indent=2))
    else:
        _show(scores, run, kept)


_NAMES = {"iou": "IoU", "miou": "mIoU", "delta1": "delta < 1.25"}
"""The scores that are shown side by side, best at 1."""


def _show(scores: StatisticsScores, run: Path, kept: Path | None) -> None:
    texts = {
        "running": "running, as training kept them",
        "recalibrated": f"recalibrated on {scores.pictures} pictures",
        "batch_of_one": "of every picture itself",
        "batch": f"of batches of {scores.batch_size}",
    }
    names = [name for name in _NAMES if name in (scores.all_scores["running"] or ())]
    judged = " and ".join(_NAMES[name] for name in names)
    print(f"{judged} on {scores.scored} pictures of {scores.split}, by the statistics used")
    for key, text in texts.items():
        found = scores.all_scores[key]
        said = "impossible: a layer sees one value"
        if found is not None:
            said = "  ".join(f"{100 * found[name]:.2f} %" for name in names)
        print(f"  {text:<32} {said}")
    if kept is not None:
        print(f"wrote     {run / 'model.safetensors'}, recalibrated; before: {kept}")
