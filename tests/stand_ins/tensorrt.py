"""A stand-in for TensorRT: its order of calls and its rules, with ONNX Runtime to compute.

It refuses what the real one refuses (a network that was not parsed, bytes that are not cast first,
an engine of another version or GPU, a run before all addresses are set) and fails loudly where the
real one would crash. It compiles nothing and quantises nothing: an engine is its ONNX graph.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from .cuda_runtime import Gpu, install_cuda

__all__ = ["install_tensorrt"]

_MAGIC = b"ptrt stand-in"
_UNKNOWN = ("Transmogrify", "Det", "StringNormalizer")


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    INT64 = 8


_FROM_ONNX = {
    TensorProto.FLOAT: DataType.FLOAT,
    TensorProto.FLOAT16: DataType.HALF,
    TensorProto.INT8: DataType.INT8,
    TensorProto.INT32: DataType.INT32,
    TensorProto.INT64: DataType.INT64,
    TensorProto.UINT8: DataType.UINT8,
    TensorProto.BOOL: DataType.BOOL,
}
_NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
    DataType.UINT8: np.uint8,
}
_FORMATS = {"fp32": "Row major linear FP32", "fp16": "Row major linear FP16 format"}
_FORMATS["int8"] = "Thirty-two wide channel vectorized row major Int8 format"


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        self.initialised = True

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class HostMemory(bytearray):
    """What the real one gives where bytes are expected."""


class Config:
    def __init__(self, module: Any) -> None:
        self._module = module
        self.flags = {"TF32"}
        self.pools: dict[str, int] = {}
        self.int8_calibrator: Any = None
        self.profiling_verbosity = module.ProfilingVerbosity.LAYER_NAMES_ONLY
        self._timings: Any = None

    def set_flag(self, flag: IntEnum) -> None:
        self.flags.add(flag.name)

    def clear_flag(self, flag: IntEnum) -> None:
        self.flags.discard(flag.name)

    def set_memory_pool_limit(self, pool: IntEnum, size: int) -> None:
        self.pools[pool.name] = size

    def create_timing_cache(self, content: bytes) -> Any:
        assert content == b"" or content.startswith(b"timings"), "this is no timing cache"
        return SimpleNamespace(serialize=lambda: HostMemory(b"timings" + content[7:] + b"+"))

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self._timings = cache
        return True

    def get_timing_cache(self) -> Any:
        return self._timings


class Layer:
    def __init__(self, node: onnx.NodeProto, kinds: dict[str, int]) -> None:
        self.name, self.kind = node.name, node.op_type
        self._outputs = [
            SimpleNamespace(dtype=_FROM_ONNX[kinds.get(name, TensorProto.FLOAT)])
            for name in node.output
        ]
        self.num_outputs = len(self._outputs)
        self.precision: DataType | None = None

    def get_output(self, place: int) -> Any:
        return self._outputs[place]

    def set_output_type(self, place: int, kind: DataType) -> None:
        assert self._outputs[place].dtype in (DataType.FLOAT, DataType.HALF), self.name
        assert self.kind != "Cast", "the type that a cast gives is given"


class Network:
    def __init__(self) -> None:
        self.proto: onnx.ModelProto | None = None
        self.layers: list[Layer] = []

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    def get_layer(self, place: int) -> Layer:
        return self.layers[place]


class OnnxParser:
    def __init__(self, network: Network, logger: ILogger) -> None:
        self._network, self._logger = network, logger
        self._errors: list[str] = []

    def parse(self, content: bytes) -> bool:
        proto = onnx.load_from_string(content)
        kinds = _kinds(proto)
        for node in proto.graph.node:
            if node.op_type in _UNKNOWN:
                self._errors.append(
                    f"In node 0 with name: {node.name} and operator: {node.op_type}"
                    f" (checkFallbackPluginImporter): UNSUPPORTED_NODE:\nAssertion failed"
                )
        self._errors += _wrong_pairs(proto)
        if self._errors:
            return False
        self._network.proto = proto
        self._network.layers = [Layer(node, kinds) for node in proto.graph.node]
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, place: int) -> Any:
        return SimpleNamespace(desc=lambda: self._errors[place])


class Builder:
    def __init__(self, module: Any, logger: ILogger) -> None:
        assert logger.initialised, "ILogger.__init__ was not called"
        self._module, self._logger = module, logger

    def create_builder_config(self) -> Config:
        return Config(self._module)

    def create_network(self, flags: int = 0) -> Network:
        assert flags == 1 or self._module.major > 8, "version 8 needs EXPLICIT_BATCH"
        return Network()

    def build_serialized_network(self, network: Network, config: Config) -> HostMemory | None:
        proto = network.proto
        assert proto is not None, "a network that nothing was parsed into"
        problem = next(_misused_bytes(proto), None)
        pairs = any(node.op_type == "QuantizeLinear" for node in proto.graph.node)
        integer = "INT8" in config.flags
        if problem is None and integer and not pairs:
            problem = self._calibrate(proto, config)
        if problem is not None:
            self._logger.log(Severity.ERROR, problem)
            return None
        kinds = _kinds(proto)
        about = {
            "version": self._module.__version__,
            "capability": self._module.gpu.capability,
            "detailed": config.profiling_verbosity == self._module.ProfilingVerbosity.DETAILED,
            "layers": {
                layer.name: self._precision(layer, config, proto, kinds)
                for layer in network.layers
                if layer.kind in ("Conv", "MatMul", "Gemm")
            },
            "flags": sorted(config.flags),
            "pools": config.pools,
        }
        head = json.dumps(about).encode()
        return HostMemory(
            _MAGIC + len(head).to_bytes(4, "little") + head + proto.SerializeToString()
        )

    def _precision(
        self, layer: Layer, config: Config, proto: onnx.ModelProto, kinds: dict[str, int]
    ) -> str:
        if layer.precision is not None and "OBEY_PRECISION_CONSTRAINTS" in config.flags:
            return {DataType.FLOAT: "fp32", DataType.HALF: "fp16"}[layer.precision]
        node = next(node for node in proto.graph.node if node.name == layer.name)
        makers = {name: item.op_type for item in proto.graph.node for name in item.output}
        if makers.get(node.input[0]) == "DequantizeLinear" or (
            "INT8" in config.flags and config.int8_calibrator is not None
        ):
            return "int8"
        return "fp16" if "FP16" in config.flags else "fp32"

    def _calibrate(self, proto: onnx.ModelProto, config: Config) -> str | None:
        calibrator = config.int8_calibrator
        if calibrator is None:
            return "Calibration failure occurred with no scaling factors detected."
        assert calibrator.initialised, "IInt8EntropyCalibrator2.__init__ was not called"
        assert calibrator.get_batch_size() == 1
        cache = calibrator.read_calibration_cache()
        if cache is not None:
            return None if bytes(cache).startswith(b"TRT-") else "Invalid calibration cache."
        (given,) = proto.graph.input
        shape = [item.dim_value for item in given.type.tensor_type.shape.dim]
        kind = _NUMPY[_FROM_ONNX[given.type.tensor_type.elem_type]]
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        seen = 0
        while (addresses := calibrator.get_batch([given.name])) is not None:
            self._module.gpu.memory(addresses[0], size)
            seen += 1
        self._module.calibrated.append(seen)
        if not seen:
            return "Calibration failure occurred with no scaling factors detected."
        calibrator.write_calibration_cache(memoryview(b"TRT-8502-EntropyCalibration2\nframe: 3c01"))
        return None


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._busy = False

    def set_tensor_address(self, name: str, address: int) -> bool:
        if name not in self._engine.tensors:
            return False
        self._engine.gpu.memory(address, self._engine.size(name))
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine = self._engine
        stream = engine.gpu.streams.get(stream_handle)
        assert stream is not None, "a stream that was destroyed, or none"
        assert not self._busy, "a context that runs already"
        if set(self._addresses) != set(engine.tensors):
            return False
        self._busy = True

        def work() -> None:
            given = {}
            for name, (mode, kind, shape) in engine.tensors.items():
                if mode == "INPUT":
                    memory = engine.gpu.memory(self._addresses[name], engine.size(name))
                    given[name] = memory.view(_NUMPY[kind]).reshape(shape)
            names = [name for name, (mode, *_) in engine.tensors.items() if mode == "OUTPUT"]
            for name, made in zip(names, engine.session.run(names, given), strict=True):
                memory = engine.gpu.memory(self._addresses[name], engine.size(name))
                memory[:] = np.ascontiguousarray(made).reshape(-1).view(np.uint8)
            self._busy = False

        stream.work.append(work)
        return True


class Engine:
    def __init__(self, module: Any, about: dict[str, Any], content: bytes) -> None:
        self._module, self._about = module, about
        self.gpu = module.gpu
        proto = onnx.load_from_string(content)
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.tensors: dict[str, tuple[str, DataType, tuple[int, ...]]] = {}
        for mode, items in (("INPUT", proto.graph.input), ("OUTPUT", proto.graph.output)):
            for item in items:
                kind = item.type.tensor_type
                shape = tuple(size.dim_value or -1 for size in kind.shape.dim)
                self.tensors[item.name] = (mode, _FROM_ONNX[kind.elem_type], shape)

    def size(self, name: str) -> int:
        _, kind, shape = self.tensors[name]
        return int(np.prod(shape)) * np.dtype(_NUMPY[kind]).itemsize

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, place: int) -> str:
        return list(self.tensors)[place]

    def get_tensor_mode(self, name: str) -> IntEnum:
        return getattr(self._module.TensorIOMode, self.tensors[name][0])

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.tensors[name][1]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name][2]

    def create_execution_context(self) -> Context:
        return Context(self)

    def create_engine_inspector(self) -> Any:
        return SimpleNamespace(get_engine_information=self._describe)

    def _describe(self, form: IntEnum) -> str:
        assert form.name == "JSON"
        layers: list[Any] = [
            {
                "Name": name,
                "LayerType": "CaskConvolution",
                "ParameterType": "Convolution",
                "Inputs": [{"Name": "x", "Format/Datatype": _FORMATS[precision]}],
            }
            for name, precision in self._about["layers"].items()
        ]
        if not self._about["detailed"]:
            layers = [layer["Name"] for layer in layers]
        return json.dumps({"Layers": layers, "Bindings": list(self.tensors)})


class Runtime:
    def __init__(self, module: Any, logger: ILogger) -> None:
        assert logger.initialised, "ILogger.__init__ was not called"
        self._module, self._logger = module, logger

    def deserialize_cuda_engine(self, content: bytes) -> Engine | None:
        if not content.startswith(_MAGIC):
            self._logger.log(
                Severity.ERROR,
                "IRuntime::deserializeCudaEngine: Error Code 1: Serialization\n"
                "(Serialization assertion magicTagRead == kMAGIC_TAG failed.Magic tag does not match)",
            )
            return None
        start = len(_MAGIC) + 4
        length = int.from_bytes(content[start - 4 : start], "little")
        about = json.loads(content[start : start + length])
        for what, here in (
            ("version", self._module.__version__),
            ("capability", list(self._module.gpu.capability)),
        ):
            if about[what] != here:
                self._logger.log(
                    Severity.ERROR, f"Error Code 6: {what} {about[what]} is not {here}"
                )
                return None
        return Engine(self._module, about, content[start + length :])


class EntropyCalibrator:
    def __init__(self) -> None:
        self.initialised = True


def _kinds(proto: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(proto).graph
    places = (graph.input, graph.value_info, graph.output)
    return {item.name: item.type.tensor_type.elem_type for items in places for item in items}


def _misused_bytes(proto: onnx.ModelProto) -> Iterator[str]:
    kinds = _kinds(proto)
    for node in proto.graph.node:
        read, made = ([kinds.get(name) for name in names] for names in (node.input, node.output))
        cast = node.op_type == "Cast"
        if TensorProto.UINT8 in read and not (cast and made == [TensorProto.FLOAT]):
            yield f"{node.name}: UINT8 must be cast to a float before {node.op_type} reads it"
        if TensorProto.UINT8 in made and not (cast and read == [TensorProto.FLOAT]):
            yield f"{node.name}: UINT8 can only be cast from a float"


def _wrong_pairs(proto: onnx.ModelProto) -> list[str]:
    values = {item.name: item for item in proto.graph.initializer}
    found = []
    for node in proto.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = onnx.numpy_helper.to_array(values[node.input[2]])
            if zero.dtype != np.int8 or np.any(zero):
                found.append(f"{node.name}: the zero point must be 0, of INT8")
            if node.op_type == "DequantizeLinear" and node.input[0] in values:
                found.append(f"{node.name}: only activation types allowed as input to this layer.")
    return found


def install_tensorrt(
    monkeypatch: pytest.MonkeyPatch, version: str = "10.3.0", gpu: Gpu | None = None
) -> Any:
    """Let `tensorrt` and cuda-python be importable for one test.

    Args:
        monkeypatch: Undoes it after the test.
        version: 8 wants the flag EXPLICIT_BATCH; 8.4 knows no bytes; 11 has neither calibrators nor
            the flags of precisions.
        gpu: The GPU that is there.

    Returns:
        The module; its `gpu`, and `calibrated`, the number of pictures of every calibration.
    """
    module = ModuleType("tensorrt")
    made: Any = module
    made.__version__ = version
    made.major = int(version.split(".")[0])
    made.gpu = gpu or Gpu()
    made.calibrated = []
    flags = ["FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"] if made.major < 11 else []
    made.BuilderFlag = IntEnum("BuilderFlag", ["TF32", *flags])
    made.NetworkDefinitionCreationFlag = IntEnum(
        "NetworkDefinitionCreationFlag",
        {"EXPLICIT_BATCH": 0} if made.major < 11 else {"STRONGLY_TYPED": 1},
    )
    made.MemoryPoolType = IntEnum("MemoryPoolType", ["WORKSPACE"])
    made.ProfilingVerbosity = IntEnum(
        "ProfilingVerbosity", ["LAYER_NAMES_ONLY", "NONE", "DETAILED"]
    )
    made.TensorIOMode = IntEnum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
    made.LayerInformationFormat = IntEnum("LayerInformationFormat", ["ONELINE", "JSON"])
    known = [
        kind for kind in DataType if kind.name != "UINT8" or version >= "8.5" or made.major > 8
    ]
    made.DataType = SimpleNamespace(**{kind.name: kind for kind in known})
    made.float32, made.float16 = DataType.FLOAT, DataType.HALF
    made.ILogger, made.OnnxParser = ILogger, OnnxParser
    made.Builder = lambda logger: Builder(module, logger)
    made.Runtime = lambda logger: Runtime(module, logger)
    if made.major < 11:
        made.IInt8EntropyCalibrator2 = EntropyCalibrator
    install_cuda(monkeypatch, made.gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return made
