"""`trials.csv`, `sweep.md` and `sweep.html` of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...evaluation.tables import Table, markdown
from ...files import write_text
from .page import sweep_page
from .plan import Sweep
from .tables import best_of, command_line, failure_lines, trial_table, trials_csv
from .trials import Trial, Trials

__all__ = ["write_sweep_report", "write_tables"]


def write_sweep_report(sweep: Sweep, trials: Trials) -> Path:
    """Write `trials.csv`, `sweep.md` and `sweep.html` into the folder of a sweep.

    Args:
        sweep: The sweep.
        trials: Its trials.

    Returns:
        The path of `sweep.html`.

    Raises:
        MissingDependencyError: plotly is not installed.
        StorageError: The place cannot be written.
    """
    known = trials.all()
    write_tables(sweep, known)
    path = sweep.folder / "sweep.html"
    sweep_page(sweep, known, trials.importances()).write(path)
    return path


def write_tables(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Write `trials.csv` and `sweep.md` alone, as they are after every trial."""
    write_text(sweep.folder / "trials.csv", trials_csv(sweep, trials))
    best = best_of(trials)
    again = [] if best is None else [f"Trial {best.number} again: `{command_line(sweep, best)}`"]
    parts: list[str | Table] = [trial_table(sweep, trials), *again, *failure_lines(trials)]
    write_text(sweep.folder / "sweep.md", f"# Sweep {sweep.name}\n\n{markdown(parts)}")
