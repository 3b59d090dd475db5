"""The validation scores of several runs over their steps, in one plot.

    python benchmarks/training_curves.py val/miou curves.svg classes=runs/semantic both=runs/joint

A score as `metrics.csv` names it, the picture to write, and the runs, each under the name that the
plot gives it.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from curbside.evaluation import plots
from curbside.files import write_text
from curbside.training.record import read_metrics


def main(score: str, out: Path, runs: dict[str, Path]) -> None:
    """Draw `score` of every run to `out`."""
    curves = {}
    for name, run in runs.items():
        rows = read_metrics(run / "metrics.csv")
        curves[name] = {row["step"]: row[score] for row in rows if score in row}
        if not curves[name]:
            sys.exit(f"{run} has no {score}")
    steps = sorted({step for curve in curves.values() for step in curve})
    series = {name: [curve.get(step, math.nan) for step in steps] for name, curve in curves.items()}
    write_text(out, plots.curves(steps, series, x_label="step", y_label=score))


if __name__ == "__main__":
    if len(sys.argv) < 4 or not all("=" in run for run in sys.argv[3:]):
        sys.exit(__doc__)
    named = (run.split("=", 1) for run in sys.argv[3:])
    main(sys.argv[1], Path(sys.argv[2]), {name: Path(run) for name, run in named})
