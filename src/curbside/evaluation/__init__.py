"""A predictor over a prepared folder: scores, groups, worst pictures, and the report of it.

`evaluate` measures, `write_report` writes what it found; `at_common_classes` brings a model and data
of different label spaces together first. `Page` and the module `plots` build any
report: self-contained HTML with inline plots and pictures.
"""

from .at_common import CommonPredictor, at_common_classes
from .page import Page
from .report import write_report
from .result import ClassScore, Evaluation, GroupScore, WorstImage
from .scoring import Predictor, evaluate, require_same_space

__all__ = [
    "ClassScore",
    "CommonPredictor",
    "Evaluation",
    "GroupScore",
    "Page",
    "Predictor",
    "WorstImage",
    "at_common_classes",
    "evaluate",
    "require_same_space",
    "write_report",
]
