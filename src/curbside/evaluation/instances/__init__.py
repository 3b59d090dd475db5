"""Networks that find single objects, over a prepared folder: scores, worst pictures, the report.

`evaluate_instances` measures, `write_instance_report` writes what it found; `shared_things` says at
which classes a network and data can be compared.
"""

from .classes import SharedThings, shared_things
from .report import write_instance_report
from .result import InstanceEvaluation, InstanceGroup, WorstObjects
from .scoring import InstancePredictor, evaluate_instances

__all__ = [
    "InstanceEvaluation",
    "InstanceGroup",
    "InstancePredictor",
    "SharedThings",
    "WorstObjects",
    "evaluate_instances",
    "shared_things",
    "write_instance_report",
]
