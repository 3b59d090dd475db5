"""From a model file to a device: calibrate, quantise, compile, and prove what was lost. No torch.

A `Target` makes the file of a device from a float model file and a `CalibrationSet`;
`compile_through_gate` lets it pass only if it has lost little enough, and reports what it lost;
`check_operators` says which operators a compiler would refuse; `line_up` shows files side by side.
"""

from .calibration import CalibrationSet
from .gate.agreement import relative_difference
from .gate.fastest import FastestReport, compile_fastest
from .gate.gate import compile_through_gate
from .gate.lineup import line_up
from .gate.lineup_result import FileScore, Lineup
from .gate.lineup_tables import write_lineup
from .gate.outcome import GateConfig, GateReport
from .gate.report import write_gate_report
from .graphs.onnx_manifest import read_manifest, replace_manifest, with_logits, write_manifest
from .graphs.operators import Finding, OperatorCheck, check_operators
from .quantization import QuantizeConfig, quantize
from .target import Built, Target, Work
from .targets import target_kind, target_named, targets

__all__ = [
    "Built",
    "CalibrationSet",
    "FastestReport",
    "FileScore",
    "Finding",
    "GateConfig",
    "GateReport",
    "Lineup",
    "OperatorCheck",
    "QuantizeConfig",
    "Target",
    "Work",
    "check_operators",
    "compile_fastest",
    "compile_through_gate",
    "line_up",
    "quantize",
    "read_manifest",
    "relative_difference",
    "replace_manifest",
    "target_kind",
    "target_named",
    "targets",
    "with_logits",
    "write_gate_report",
    "write_lineup",
    "write_manifest",
]
