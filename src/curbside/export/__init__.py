"""From a trained network to files that run on devices.

`export_onnx` writes an ONNX file with its Manifest inside, and lets it pass only if the runtime
answers with it as the checkpoint does; `check_export` says which operators a target's compiler would
refuse; `quantize` writes its INT8 twin from a `CalibrationSet`, and
`compare_files` says what that cost and what it gained.
"""

from .calibration import CalibrationSet
from .comparison import Comparison, FileScore, add_scores, compare_files
from .graph import DeployableGraph
from .onnx_file import ExportConfig, check_export, export_onnx
from .operators import Finding, OperatorCheck
from .quantization import QuantizeConfig, quantize
from .targets import target_named, targets
from .verification import Verification, generated_pictures, verify

__all__ = [
    "CalibrationSet",
    "Comparison",
    "DeployableGraph",
    "ExportConfig",
    "FileScore",
    "Finding",
    "OperatorCheck",
    "QuantizeConfig",
    "Verification",
    "add_scores",
    "check_export",
    "compare_files",
    "export_onnx",
    "generated_pictures",
    "quantize",
    "target_named",
    "targets",
    "verify",
]
