"""ONNX Runtime: `.onnx` files on the CPU, or on an NVIDIA GPU where its packages are installed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import MissingDependencyError, ModelFileError
from ...manifest import Manifest, manifest_from_metadata
from ..interruption import RunInterrupted
from ..precision import in_words
from ..signature import Tensor, input_shape, require_fit

__all__ = ["SUFFIXES", "Graph", "OnnxRuntimeBackend", "open", "read_graph"]

SUFFIXES = (".onnx",)

_PRODUCTS = (
    "Conv",
    "MatMul",
    "Gemm",
)  # every kernel with one of these in its name multiplies weights
_INTEGER = ("QLinear", "Integer", "QGemm", "Quantize", "QAttention")
_CPU = "CPUExecutionProvider"
_PROVIDERS = {
    "cpu": (),
    "cuda": ("CUDAExecutionProvider",),
    # It takes minutes at every start, so nobody gets it without asking.
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_DEVICES = {
    "CUDAExecutionProvider": "CUDA",
    "TensorrtExecutionProvider": "TensorRT",
    _CPU: "CPU",
}
_PRECISIONS = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def open(path: Path, *, threads: int) -> OnnxRuntimeBackend:
    """Load an ONNX file.

    Args:
        path: The file, with a Manifest in its metadata or beside it.
        threads: Threads for the network.

    Raises:
        ModelFileError: It is damaged, has no Manifest, or the Manifest does not fit the graph.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    return OnnxRuntimeBackend(path, threads=threads)


class OnnxRuntimeBackend:
    """An ONNX file in an ONNX Runtime session; see `open`."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._path = path
        self._session: Any = _session(path, _options(threads))
        self.manifest = manifest_from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        self._providers = _providers(self.manifest, path)
        if self._providers != [_CPU]:
            self._session = _session(path, _options(threads), self._providers)
        require_fit(
            self.manifest,
            path,
            inputs=[_tensor(item) for item in self._session.get_inputs()],
            outputs=[_tensor(item) for item in self._session.get_outputs()],
        )
        self._outputs = [output.name for output in self.manifest.outputs]
        self._running: set[Any] = set()  # the options of the runs that are going on

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs that the Manifest names, by name.

        Raises:
            RunInterrupted: `interrupt` was called meanwhile.
        """
        options = _library().RunOptions()
        self._running.add(options)
        try:
            made = self._session.run(self._outputs, dict(inputs), options)
        except Exception as error:
            if options.terminate:
                raise RunInterrupted from error
            raise
        finally:
            self._running.discard(options)
        return dict(zip(self._outputs, made, strict=True))

    def interrupt(self) -> None:
        """End the runs that are going on, from any thread; they raise `RunInterrupted`."""
        for options in tuple(self._running):
            options.terminate = True

    @cached_property
    def precision(self) -> str:
        """What the convolutions and matrix products run in, counted in a profile of one run; and on
        what, where that is no processor or was to be none."""
        events = _profile(self._path, self.manifest, self._providers)
        kinds = [(_precision_of(event), event["args"].get("provider", _CPU)) for event in events]
        asked = self.manifest.deployment.get("provider")
        if self._providers == [_CPU] and asked in (None, "cpu"):
            return in_words((kind for kind, _ in kinds), otherwise=self.manifest.precision)
        first = self._session.get_providers()[0]
        return in_words(
            (f"{kind} on {_DEVICES.get(provider, provider)}" for kind, provider in kinds),
            otherwise=f"{self.manifest.precision} on {_DEVICES.get(first, first)}",
        )

    @property
    def device(self) -> str:
        """`cpu`, or `cuda` where a provider for it was asked for and found."""
        return "cpu" if self._providers == [_CPU] else "cuda"

    def close(self) -> None:
        """Give the session's memory back."""
        self._session = None


class Graph(NamedTuple):
    """What an ONNX file tells of itself without a Manifest."""

    inputs: list[Tensor]
    """What it takes."""
    outputs: list[Tensor]
    """What it gives."""
    metadata: dict[str, str]
    """Its metadata properties."""


def read_graph(path: Path) -> Graph:
    """What an ONNX file takes and gives, whether it has a Manifest or not.

    Shapes of outputs that the graph leaves open are found by running it once on zeros, where those
    of its inputs are fixed.

    Raises:
        ModelFileError: It is damaged.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    session = _session(path, _options(1))
    inputs, outputs = (
        [_tensor(item) for item in items] for items in (session.get_inputs(), session.get_outputs())
    )
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    given = {item.name: [size for size in item.shape if size is not None] for item in inputs}
    fixed = all(len(given[item.name]) == len(item.shape) for item in inputs)
    if fixed and any(None in item.shape for item in outputs):
        made = session.run(
            None, {item.name: np.zeros(given[item.name], item.dtype) for item in inputs}
        )
        outputs = [
            item._replace(shape=array.shape) for item, array in zip(outputs, made, strict=True)
        ]
    return Graph(inputs, outputs, metadata)


def _options(threads: int) -> Any:
    onnxruntime = _library()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # what is wrong comes as an exception
    # Threads that spin while they wait take the cores from capture and drawing: LR-ASPP with two
    # threads on two cores took 8.0 ms alone and 12.2 ms a frame in the pipeline with spinning, 8.5
    # and 11.1 ms without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _library() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingDependencyError("onnxruntime", extra="all") from None
    return onnxruntime


def _providers(manifest: Manifest, path: Path) -> list[str]:
    """What is to run the network, in the order of preference: what is not there is left out."""
    asked = manifest.deployment.get("provider", "cuda")
    if asked not in _PROVIDERS:
        raise ModelFileError(
            f"the Manifest of {path} asks for the provider {asked!r}",
            fix=f"it must be {', '.join(_PROVIDERS)}: make the file again",
        )
    there = _library().get_available_providers()
    return [*(name for name in _PROVIDERS[asked] if name in there), _CPU]


def _session(path: Path, options: Any, providers: Sequence[str] = (_CPU,)) -> Any:
    # For fp32 the GPU would take TF32, which has 10 bits of mantissa.
    settings = [{"use_tf32": "0"} if name.startswith("CUDA") else {} for name in providers]
    pairs = list(zip(providers, settings, strict=True))
    try:
        # Its own way to fall back on the CPU tells of it on the standard output.
        return _library().InferenceSession(str(path), options, providers=pairs, enable_fallback=0)
    except MissingDependencyError:
        raise
    except Exception as error:  # its exceptions share no class of their own
        reason = str(error).split(":")[-1].strip(" .")
        raise ModelFileError(
            f"{path} cannot be loaded as an ONNX file ({reason})",
            fix="it may be cut off or need a newer ONNX Runtime: export or fetch it again",
        ) from error


def _tensor(node: Any) -> Tensor:
    """What ONNX Runtime says of an input or output; a size that it leaves open is a name or None."""
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(node.name, {"float": "float32"}.get(kind, kind), shape)


def _profile(path: Path, manifest: Manifest, providers: Sequence[str]) -> list[dict[str, Any]]:
    """ONNX Runtime's record of every kernel that multiplies, from one run on a blank picture."""
    spec = manifest.input
    with tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        options = _options(1)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = _session(path, options, providers)
        session.run(None, {spec.name: np.zeros(input_shape(manifest), spec.dtype)})
        events = json.loads(Path(session.end_profiling()).read_text())
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    return [
        event for event in kernels if any(kind in event["args"]["op_name"] for kind in _PRODUCTS)
    ]


def _precision_of(event: Mapping[str, Any]) -> str:
    if any(mark in event["args"]["op_name"] for mark in _INTEGER):
        return "int8"
    first = next(iter(event["args"]["input_type_shape"][0]))
    return _PRECISIONS.get(first, first)
