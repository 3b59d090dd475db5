"""From a model file to a device: calibrate, quantise, compile, and prove what was lost. No torch.

A `Target` makes the file of a device from a float model file; `check_operators` says which
operators its compiler would refuse; `quantize` writes an INT8 twin from a `CalibrationSet`, and
`compare_files` says what that cost and what it gained.
"""

from .calibration import CalibrationSet
from .comparison import Comparison, FileScore, add_scores, compare_files
from .onnx_manifest import replace_manifest, write_manifest
from .operators import Finding, OperatorCheck, check_operators
from .quantization import QuantizeConfig, quantize
from .targets import target_named, targets

__all__ = [
    "CalibrationSet",
    "Comparison",
    "FileScore",
    "Finding",
    "OperatorCheck",
    "QuantizeConfig",
    "add_scores",
    "check_operators",
    "compare_files",
    "quantize",
    "replace_manifest",
    "target_named",
    "targets",
    "write_manifest",
]
