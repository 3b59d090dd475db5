"""From a trained network to files that run on devices.

`export_onnx` writes an ONNX file with its Manifest inside, and lets it pass only if the runtime
answers with it as the checkpoint does; `quantize` writes its INT8 twin from a `CalibrationSet`, and
`compare_files` says what that cost and what it gained.
"""

from .calibration import CalibrationSet
from .comparison import Comparison, FileScore, add_scores, compare_files
from .graph import DeployableGraph
from .onnx_file import ExportConfig, export_onnx
from .quantization import QuantizeConfig, quantize
from .verification import Verification, generated_pictures, verify

__all__ = [
    "CalibrationSet",
    "Comparison",
    "DeployableGraph",
    "ExportConfig",
    "FileScore",
    "QuantizeConfig",
    "Verification",
    "add_scores",
    "compare_files",
    "export_onnx",
    "generated_pictures",
    "quantize",
    "verify",
]
