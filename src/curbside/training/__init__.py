"""Training: a config in, a run folder out. `fit(config)` trains or goes on; `load_run(folder)` opens one."""

from .config import DataConfig, DistillationConfig, OptimizerConfig, ScheduleConfig, TrainConfig
from .fit import FitResult, fit
from .quantization_aware import FineTuned, QuantizationAwareConfig, fine_tune_for_int8
from .record import read_metrics
from .run_folder import Run, load_run, load_run_predictor
from .serialize import config_from_json, config_to_json
from .variants import distilled, with_loss, with_teachers

__all__ = [
    "DataConfig",
    "DistillationConfig",
    "FineTuned",
    "FitResult",
    "OptimizerConfig",
    "QuantizationAwareConfig",
    "Run",
    "ScheduleConfig",
    "TrainConfig",
    "config_from_json",
    "config_to_json",
    "distilled",
    "fine_tune_for_int8",
    "fit",
    "load_run",
    "load_run_predictor",
    "read_metrics",
    "with_loss",
    "with_teachers",
]
