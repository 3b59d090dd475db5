"""OpenVINO: `.xml` files with their `.bin`, on the CPU."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingDependencyError, ModelFileError
from ...manifest import Manifest, read_sidecar
from ..precision import in_words
from ..signature import Tensor, input_shape, require_fit

__all__ = ["SUFFIXES", "OpenVinoBackend", "open"]

SUFFIXES = (".xml",)

_IR_VERSIONS = (10, 11)
_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
_TYPES = {"f32": "float32", "f16": "float16", "u8": "uint8", "i32": "int32", "i64": "int64"}
_PRODUCTS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}
_HUGE = re.compile(r"(?<![.\d])\d{8,}")
_LARGE = (
    "offset",
    "size",
    "min",
    "max",
)  # places in the .bin, which it checks, and bounds of values
_MAKE_AGAIN = "copy both files again, or make them again: curbside compile M.onnx --target openvino"


def open(path: Path, *, threads: int) -> OpenVinoBackend:
    """Load an OpenVINO model.

    Args:
        path: The `.xml` file, with its `.bin` and its Manifest beside it.
        threads: Threads for the network.

    Raises:
        ModelFileError: A file is missing or damaged, is of a later OpenVINO, has no Manifest, or the
            Manifest does not fit the graph.
        MissingDependencyError: OpenVINO is not installed.
    """
    return OpenVinoBackend(path, threads=threads)


class OpenVinoBackend:
    """An OpenVINO model, compiled for the CPU; see `open`."""

    device = "cpu"

    def __init__(self, path: Path, *, threads: int) -> None:
        self.manifest = read_sidecar(path)
        self._compiled: Any = _compiled(path, self.manifest, threads)
        ports = {_name(port, self.manifest): port for port in self._compiled.outputs}
        self._outputs = [(output.name, ports[output.name]) for output in self.manifest.outputs]
        self._requests: deque[Any] = deque()  # the idle ones; its ends are safe between threads

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs that the Manifest names, by name."""
        openvino = _library()
        try:
            request = self._requests.pop()
        except IndexError:  # as many as there are threads inside at once
            request = self._compiled.create_infer_request()
        made = {}
        for name, port in self._outputs:
            # New memory for every run, which OpenVINO writes to: nothing is copied or overwritten.
            made[name] = np.empty(tuple(port.shape), port.element_type.to_dtype())
            request.set_tensor(port, openvino.Tensor(made[name], shared_memory=True))
        request.infer(dict(inputs), share_inputs=True)
        self._requests.append(request)
        return made

    @cached_property
    def precision(self) -> str:
        """What the convolutions and matrix products run in, as the compiled graph tells."""
        facts = map(_facts, self._compiled.get_runtime_model().get_ops())
        kinds = [item["runtimePrecision"] for item in facts if item.get("layerType") in _PRODUCTS]
        return in_words(map(_precision_of, kinds), otherwise=self.manifest.precision)

    def close(self) -> None:
        """Give the network's memory back."""
        self._requests.clear()
        self._compiled = None


def _library() -> Any:
    try:
        import openvino
    except ModuleNotFoundError:
        raise MissingDependencyError("openvino", extra="openvino") from None
    return openvino


def _compiled(path: Path, manifest: Manifest, threads: int) -> Any:
    """The model for the CPU, after everything that could be wrong with it was looked at."""
    openvino = _library()
    asked = manifest.deployment.get("inference_precision", "fp32")
    if asked not in _HINTS:
        raise ModelFileError(
            f"the Manifest of {path} asks for the precision {asked!r}",
            fix=f"it must be {', '.join(_HINTS)}: make the file again",
        )
    _require_ir(path)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # Threads that are bound to cores wait there for whatever else runs: with neighbours on two
        # cores LR-ASPP took 12.6 ms bound and 10.8 ms unbound, without any the same.
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": _HINTS[asked],  # unasked, it takes bfloat16 where it can
    }
    try:
        core = openvino.Core()
        model = core.read_model(path, path.with_suffix(".bin"))
        require_fit(
            manifest,
            path,
            inputs=[_tensor(port, manifest) for port in model.inputs],
            outputs=[_tensor(port, manifest) for port in model.outputs],
        )
        if model.is_dynamic():
            model.reshape(list(input_shape(manifest)))
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:  # the only kind that OpenVINO raises
        raise _unreadable(path, manifest, str(error)) from error
    for port in compiled.outputs:
        if port.partial_shape.is_dynamic:
            raise ModelFileError(
                f"the size of the output {_name(port, manifest)} of {path} is not fixed",
                fix="export the network at one fixed size",
            )
    return compiled


def _require_ir(path: Path) -> None:
    """Stop at what is no OpenVINO XML; OpenVINO itself would try it as six other formats."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, iterparse

    if not path.with_suffix(".bin").is_file():
        raise ModelFileError(
            f"{path.with_suffix('.bin')} is missing, and {path.name} is nothing without it",
            fix="copy it too",
        )
    version = None
    try:
        for place, (_, item) in enumerate(iterparse(str(path), ("start",), forbid_dtd=True)):
            if place == 0:
                if item.tag != "net":
                    break
                version = int(item.get("version", ""))
            elif item.tag == "data":
                _require_modest(item.attrib)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ModelFileError(
            f"{path} cannot be loaded as an OpenVINO file ({reason})", fix=_MAKE_AGAIN
        ) from error
    if version is None:
        raise ModelFileError(
            f"{path} is XML, but no network of OpenVINO", fix="check the path, or make it again"
        )
    if version not in _IR_VERSIONS:
        raise ModelFileError(
            f"{path} is of version {version} of OpenVINO's format,"
            f" which reads {' and '.join(map(str, _IR_VERSIONS))}",
            fix="update OpenVINO, or make the file again with the version that runs it",
        )


def _require_modest(attributes: Mapping[str, str]) -> None:
    """Stop at whole numbers that no network has: OpenVINO writes by some of them unchecked."""
    for name, text in attributes.items():
        if name not in _LARGE and _HUGE.search(text):
            raise ValueError(f"{name} is {text[:40]}")


def _unreadable(path: Path, manifest: Manifest, text: str) -> ModelFileError:
    lines = [line for line in text.splitlines() if line and not line.startswith("Exception from")]
    reason = " ".join(" ".join(lines).split())[:160].strip(" .")
    made, here = manifest.deployment.get("version"), _library().__version__.split("-")[0]
    fix = _MAKE_AGAIN
    if made is not None and made != here:
        fix = f"it was made with OpenVINO {made}, here is {here}: use that one, or make it again"
    return ModelFileError(f"{path} cannot be loaded as an OpenVINO file ({reason})", fix=fix)


def _tensor(port: Any, manifest: Manifest) -> Tensor:
    kind = port.element_type.get_type_name()
    shape = tuple(None if size.is_dynamic else size.get_length() for size in port.partial_shape)
    return Tensor(_name(port, manifest), _TYPES.get(kind, kind), shape)


def _name(port: Any, manifest: Manifest) -> str:
    """A port's name: it may have several, of which one that the Manifest knows goes first."""
    known = [manifest.input.name, *(output.name for output in manifest.outputs)]
    names: Sequence[str] = sorted(port.names, key=lambda name: (name not in known, name))
    return names[0] if names else "without a name"


def _facts(operator: Any) -> dict[str, str]:
    """What OpenVINO noted of an operator when it compiled it."""
    info = operator.get_rt_info()
    return {key: info[key].astype(str) for key in ("layerType", "runtimePrecision") if key in info}


def _precision_of(kind: str) -> str:
    return _PRECISIONS.get(kind, kind)
