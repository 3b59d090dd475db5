"""Training: a config in, a run folder out. `fit(config)` trains or goes on; `load_run(folder)` opens one."""

from .config import DataConfig, DepthConfig, DistillationConfig, PhaseConfig, TrainConfig
from .fit import FitResult, fit, run_kinds
from .instance_config import InstanceTrainConfig, ObjectDataConfig
from .instance_run import InstanceRun, fit_instances, load_instance_run
from .predictors import load_run_predictor, load_semantic_run_predictor
from .quantization_aware import FineTuned, QuantizationAwareConfig, fine_tune_for_int8
from .record import read_metrics
from .run_config import (
    FoldersConfig,
    LoopConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
)
from .run_folder import Run, load_config, load_run
from .semantic import fit_semantic
from .serialize import config_from_json, config_to_json
from .variants import distilled, with_loss, with_teachers
from .weighting import TaskWeightingConfig
from .yolo_config import YoloConfig, YoloDataConfig
from .yolo_run import AGPL_NOTICE, YoloExport, export_yolo, fit_yolo, load_yolo_predictor

__all__ = [
    "AGPL_NOTICE",
    "DataConfig",
    "DepthConfig",
    "DistillationConfig",
    "FineTuned",
    "FitResult",
    "FoldersConfig",
    "InstanceRun",
    "InstanceTrainConfig",
    "LoopConfig",
    "ObjectDataConfig",
    "OptimizerConfig",
    "PhaseConfig",
    "QuantizationAwareConfig",
    "Run",
    "RunConfig",
    "ScheduleConfig",
    "TaskWeightingConfig",
    "TrainConfig",
    "YoloConfig",
    "YoloDataConfig",
    "YoloExport",
    "config_from_json",
    "config_to_json",
    "distilled",
    "export_yolo",
    "fine_tune_for_int8",
    "fit",
    "fit_instances",
    "fit_semantic",
    "fit_yolo",
    "load_config",
    "load_instance_run",
    "load_run",
    "load_run_predictor",
    "load_semantic_run_predictor",
    "load_yolo_predictor",
    "read_metrics",
    "run_kinds",
    "with_loss",
    "with_teachers",
]
