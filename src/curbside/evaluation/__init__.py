"""A predictor over a prepared folder: scores, groups, worst pictures, and the report of it.

`evaluate` measures, `write_report` writes what it found; `compare` and `write_comparison` do so for
two models; `at_common_classes` brings a model and data of different label spaces together first.
`Page`, `Table` and the module `plots` build any report: self-contained HTML with inline plots and
pictures.
"""

from .at_common import CommonPredictor, all_at_common_classes, at_common_classes
from .comparison import Contender, compare
from .comparison_report import write_comparison
from .comparison_result import Budget, Comparison
from .page import Page, write_files
from .per_image import read_per_image
from .predictions import Predictions
from .report import write_report
from .result import ClassScore, Evaluation, GroupScore, WorstImage
from .scoring import Predictor, check_tag, evaluate, readable, require_same_space
from .tables import Table

__all__ = [
    "Budget",
    "ClassScore",
    "CommonPredictor",
    "Comparison",
    "Contender",
    "Evaluation",
    "GroupScore",
    "Page",
    "Predictions",
    "Predictor",
    "Table",
    "WorstImage",
    "all_at_common_classes",
    "at_common_classes",
    "check_tag",
    "compare",
    "evaluate",
    "read_per_image",
    "readable",
    "require_same_space",
    "write_comparison",
    "write_files",
    "write_report",
]
