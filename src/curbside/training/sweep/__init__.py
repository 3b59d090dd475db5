"""Sweeps: many runs of a recipe with other settings, proposed, watched and broken off by Optuna.

`read_space` says what is tried, `Sweep` what decides it, `Trials` keeps them for all processes that work
on it, `run_sweep` does them, and `write_sweep_report` shows what came of it.
"""

from .page import require_plotly
from .plan import Job, Sweep
from .report import write_sweep_report, write_tables
from .run import LocalCrew, RayCrew, run_sweep
from .settings import setting_type, with_value
from .space import WHOLE, Choices, Parameter, Range, Space, base_key, read_space, split_items
from .tables import best_of, command_line, failure_lines, trial_table, trials_json
from .trials import Trial, Trials

__all__ = [
    "WHOLE",
    "Choices",
    "Job",
    "LocalCrew",
    "Parameter",
    "Range",
    "RayCrew",
    "Space",
    "Sweep",
    "Trial",
    "Trials",
    "base_key",
    "best_of",
    "command_line",
    "failure_lines",
    "read_space",
    "require_plotly",
    "run_sweep",
    "setting_type",
    "split_items",
    "trial_table",
    "trials_json",
    "with_value",
    "write_sweep_report",
    "write_tables",
]
