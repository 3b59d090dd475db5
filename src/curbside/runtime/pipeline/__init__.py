"""The live pipeline: threads between a source and a sink, that go on after faults."""

from .faults import Fault, Supervision
from .pipeline import Pipeline
from .slot import Predictor
from .stats import PipelineStats, Shown

__all__ = ["Fault", "Pipeline", "PipelineStats", "Predictor", "Shown", "Supervision"]
