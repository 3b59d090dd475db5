"""The fair experiment: a student alone and its variants, at the same compute, over several seeds.

`make_plan` decides what each run costs and how long it may be, `run_jobs` trains and scores what is
not done yet, `judge` says what came of it, and `write_study_report` shows it.
"""

from .cost import Budget, Cost
from .plan import Plan, Teacher, Variant, read_plan
from .planning import make_plan
from .report import check_section, write_section, write_study_report
from .run import Crew, LocalCrew, RayCrew, run_jobs
from .verdict import Finding, Verdict, judge

__all__ = [
    "Budget",
    "Cost",
    "Crew",
    "Finding",
    "LocalCrew",
    "Plan",
    "RayCrew",
    "Teacher",
    "Variant",
    "Verdict",
    "check_section",
    "judge",
    "make_plan",
    "read_plan",
    "run_jobs",
    "write_section",
    "write_study_report",
]
