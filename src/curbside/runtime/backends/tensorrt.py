"""TensorRT: `.engine` files on NVIDIA's GPUs, Jetson among them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...manifest import Manifest, read_sidecar
from ..cuda import Cuda, StagedArray, without_extra
from ..precision import in_words
from ..signature import Tensor, require_fit

__all__ = ["SUFFIXES", "TensorRtBackend", "load_tensorrt", "message_log", "open"]

SUFFIXES = (".engine",)

_TYPES = {"FLOAT": "float32", "HALF": "float16"}
_PRODUCTS = ("conv", "gemm", "matrixmultiply", "matmul")
_FORMATS = (("int8", "int8"), ("bf16", "bf16"), ("half", "fp16"), ("fp16", "fp16"))
_AGAIN = "compile it again on this device: curbside compile M.onnx --target tensorrt"


def open(path: Path, *, threads: int) -> TensorRtBackend:
    """Load a TensorRT engine. An engine is code: open only what you or people you trust have made.

    Args:
        path: The file, with its Manifest beside it.
        threads: Has no effect on a GPU.

    Raises:
        ModelFileError: It is damaged, was compiled for another device or by another TensorRT, has no
            Manifest, or the Manifest does not fit it; or there is no GPU.
        MissingDependencyError: TensorRT or cuda-python is not installed.
    """
    return TensorRtBackend(path)


class TensorRtBackend:
    """A TensorRT engine on a GPU; see `open`."""

    device = "cuda"

    def __init__(self, path: Path) -> None:
        self.manifest = read_sidecar(path)
        tensorrt = load_tensorrt()
        self._cuda = Cuda()
        _require_home(path, self.manifest, tensorrt.__version__, self._cuda)
        log = message_log(tensorrt)
        self._runtime: Any = tensorrt.Runtime(log)  # an engine must not outlive it
        self._engine: Any = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise ModelFileError(
                f"{path} cannot be loaded as a TensorRT engine ({log.last})", fix=_AGAIN
            )
        tensors = {
            mode: list(_tensors(tensorrt, self._engine, mode)) for mode in ("INPUT", "OUTPUT")
        }
        require_fit(self.manifest, path, inputs=tensors["INPUT"], outputs=tensors["OUTPUT"])
        self._tensors = [*tensors["INPUT"], *tensors["OUTPUT"]]
        for tensor in self._tensors:
            if None in tensor.shape:
                raise ModelFileError(
                    f"the size of {tensor.name} of {path} is not fixed",
                    fix="export the network at one fixed size, and compile it again",
                )
        self._lanes: deque[_Lane] = deque()  # the idle ones; its ends are safe between threads

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs that the Manifest names, by name."""
        try:
            lane = self._lanes.pop()
        except IndexError:  # as many as there are threads inside at once
            lane = _Lane(self._cuda, self._engine.create_execution_context(), self._tensors)
        spec = self.manifest.input
        made = lane.run(spec.name, inputs[spec.name], [item.name for item in self.manifest.outputs])
        self._lanes.append(lane)
        return made

    @cached_property
    def precision(self) -> str:
        """What the convolutions and matrix products run in, as the engine tells of its layers."""
        tensorrt = load_tensorrt()
        inspector = self._engine.create_engine_inspector()
        text = inspector.get_engine_information(tensorrt.LayerInformationFormat.JSON)
        asked = f"{self.manifest.precision} as asked (the engine does not tell of its layers)"
        return in_words(_products(text), otherwise=asked)

    def close(self) -> None:
        """Give the memory on the GPU back."""
        while self._lanes:
            self._lanes.pop().free()
        self._engine = self._runtime = None


class _Lane:
    """One run at a time: a context, its queue and its memory."""

    def __init__(self, cuda: Cuda, context: Any, tensors: list[Tensor]) -> None:
        if context is None:
            raise ModelFileError(
                "TensorRT could not make room for a run on the GPU",
                fix="close other programs that use the GPU, or use a smaller network",
            )
        self._cuda, self._context = cuda, context
        self._stream = cuda.stream()
        self._arrays: dict[str, StagedArray] = {}
        try:
            for name, kind, shape in tensors:
                fixed = tuple(size for size in shape if size is not None)
                self._arrays[name] = StagedArray(cuda, fixed, np.dtype(kind))
                context.set_tensor_address(name, self._arrays[name].address)
        except ModelFileError:
            self.free()
            raise

    def run(self, given: str, tensor: np.ndarray, wanted: list[str]) -> dict[str, np.ndarray]:
        staged = self._arrays[given]
        if tensor.shape != staged.array.shape or tensor.dtype != staged.array.dtype:
            raise ValueError(
                f"{given} must be {staged.array.shape} {staged.array.dtype},"
                f" not {tensor.shape} {tensor.dtype}"
            )
        staged.array[...] = tensor
        self._cuda.queue_upload(staged, self._stream)
        done = self._context.execute_async_v3(int(self._stream))
        for name in wanted:
            self._cuda.queue_download(self._arrays[name], self._stream)
        self._cuda.wait(self._stream)
        if not done:
            raise RuntimeError("TensorRT did not run the network")
        return {name: self._arrays[name].array.copy() for name in wanted}

    def free(self) -> None:
        self._context = None
        self._cuda.destroy(self._stream)
        for array in self._arrays.values():
            array.free()


def load_tensorrt() -> Any:
    """TensorRT's module.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import tensorrt
    except ModuleNotFoundError:
        raise without_extra(
            "tensorrt",
            "on a Jetson JetPack brings it (apt install python3-libnvinfer); elsewhere: pip install"
            " tensorrt-cu12",
        ) from None
    return tensorrt


def message_log(tensorrt: Any) -> Any:
    """A log for TensorRT that keeps what it says, as `lines` and the `last` complaint."""

    class Log(tensorrt.ILogger):
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.lines: list[str] = []
            self.last = "it gives no reason"

        def log(self, severity: Any, text: str) -> None:
            level = tensorrt.ILogger.Severity
            if severity == level.VERBOSE:
                return
            self.lines.append(f"{severity.name}: {text}")
            if severity in (level.ERROR, level.INTERNAL_ERROR):
                self.last = " ".join(text.split())[:200].strip(" .")

    return Log()


def _require_home(path: Path, manifest: Manifest, version: str, cuda: Cuda) -> None:
    """Stop at an engine of another TensorRT or another kind of GPU, which would not load, or worse."""
    about, here = manifest.deployment, cuda.device()
    for what, made, found in (
        ("TensorRT", about.get("version"), version),
        ("compute capability", about.get("compute_capability"), here.compute_capability),
    ):
        if made is not None and made != found:
            device = about.get("device", "another device")
            raise ModelFileError(
                f"{path} was compiled on {device} for {what} {made}; here, on {here.name}, it is"
                f" {found}",
                fix=_AGAIN,
            )


def _tensors(tensorrt: Any, engine: Any, mode: str) -> Iterator[Tensor]:
    wanted = getattr(tensorrt.TensorIOMode, mode)
    for place in range(engine.num_io_tensors):
        name = engine.get_tensor_name(place)
        if engine.get_tensor_mode(name) == wanted:
            kind = engine.get_tensor_dtype(name).name
            shape = tuple(None if size < 0 else size for size in engine.get_tensor_shape(name))
            yield Tensor(name, _TYPES.get(kind, kind.lower()), shape)


def _products(text: str) -> Iterator[str]:
    """What each convolution and matrix product reads, of an engine's description of its layers.

    Only engines that were built with detailed descriptions tell more than their layers' names.
    """
    try:
        layers = json.loads(text).get("Layers", [])
    except (ValueError, AttributeError):
        return
    for layer in layers:
        if not isinstance(layer, dict) or not layer.get("Inputs"):
            continue
        kind = str(layer.get("ParameterType") or layer.get("LayerType", "")).lower()
        if any(product in kind for product in _PRODUCTS):
            form = str(layer["Inputs"][0].get("Format/Datatype", "")).lower()
            yield next((name for mark, name in _FORMATS if mark in form), "fp32")
