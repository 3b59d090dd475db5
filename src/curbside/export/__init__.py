"""From a trained network to a model file: the one room between torch and ONNX.

`export_onnx` writes an ONNX file with its Manifest inside, and lets it pass only if the runtime
answers with it as the checkpoint does; `export_instances` does so for a network that finds objects.
`check_export` says which operators a target's compiler would refuse. What happens to the file then is
`curbside.deploy`'s.
"""

from .graph import DeployableGraph, Outputs
from .instance_file import InstanceVerification, export_instances, verify_instances
from .instance_graph import InstanceGraph
from .onnx_file import ExportConfig, check_export, export_onnx
from .verification import Verification, generated_pictures, verify

__all__ = [
    "DeployableGraph",
    "ExportConfig",
    "InstanceGraph",
    "InstanceVerification",
    "Outputs",
    "Verification",
    "check_export",
    "export_instances",
    "export_onnx",
    "generated_pictures",
    "verify",
    "verify_instances",
]
