"""What a model file says about itself: the `Manifest`, inside an ONNX file or beside any other.

An ONNX file carries it in its metadata under the key `curbside`; any model file may have it beside
it as `<file>.json`. A model file without one is refused: nothing about its pixels could be trusted.
"""

from .manifest import Manifest
from .sidecar import METADATA_KEY, manifest_from_metadata, read_sidecar, write_sidecar
from .temperature import TemperatureScaling
from .tensors import ANSWERS, Answer, DepthSpec, InputSpec, Meaning, OutputSpec, Task
from .threshold import DecisionThreshold

__all__ = [
    "ANSWERS",
    "METADATA_KEY",
    "Answer",
    "DecisionThreshold",
    "DepthSpec",
    "InputSpec",
    "Manifest",
    "Meaning",
    "OutputSpec",
    "Task",
    "TemperatureScaling",
    "manifest_from_metadata",
    "read_sidecar",
    "write_sidecar",
]
