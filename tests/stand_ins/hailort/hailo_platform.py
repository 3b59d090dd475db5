"""A stand-in for HailoRT's Python module: the order of its calls and its refusals, on ONNX Runtime.

It runs the HEFs of `hailo_formats` on a chip that exists only in `CHIPS`.
"""

from __future__ import annotations

import enum
import queue
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
from stand_ins.hailo_formats import ARCHS, Refused, read_mapping

CHIPS = ["hailo8"]
"""What is plugged in; a test changes it."""
_OPEN: list[VDevice] = []
_QUEUE = 4


class HailoRTException(Exception):
    """Anything that HailoRT refuses."""


class HailoRTTimeout(HailoRTException):
    """It took too long."""


class FormatType(enum.Enum):
    """Type of a value at a stream's end."""

    AUTO = 0
    UINT8 = 1
    UINT16 = 2
    FLOAT32 = 3


class HailoSchedulingAlgorithm(enum.Enum):
    """How several networks share a chip."""

    NONE = 0
    ROUND_ROBIN = 1


_ALGORITHM = HailoSchedulingAlgorithm  # a test takes the public name away


class DeviceArchitecture(enum.Enum):
    """Kinds of chip."""

    HAILO8 = 1
    HAILO8L = 3
    HAILO10H = 5


_NUMPY = {FormatType.UINT8: np.uint8, FormatType.FLOAT32: np.float32}


class HEF:
    """A file."""

    def __init__(self, source: str) -> None:
        if not isinstance(source, str):
            raise ValueError("HEF can only be created from a file path (str) or a buffer (bytes)")
        try:
            with open(source, "rb") as file:
                self._about, self.graph, self.arch = read_mapping(file.read())
        except Refused as error:
            raise HailoRTException(f"HAILO_INVALID_HEF(26): {error}") from None

    def get_input_vstream_infos(self) -> list[Any]:
        return [SimpleNamespace(name="net/input_layer1", shape=(*self._about["size_hw"], 3))]

    def get_output_vstream_infos(self) -> list[Any]:
        outputs = sorted(self._about["outputs"], key=lambda output: output["name"])
        return [SimpleNamespace(name=o["name"], shape=tuple(o["shape"])) for o in outputs]

    def get_original_names_from_vstream_name(self, name: str) -> list[str]:
        return [output["node"] for output in self._about["outputs"] if output["name"] == name]

    def names(self) -> list[str]:
        """Of the outputs in the order of the graph."""
        return [output["name"] for output in self._about["outputs"]]


class VDevice:
    """The chip, as one program has it."""

    def __init__(self, params: Any = None) -> None:
        self._params = params or self.create_params()
        self.released = False
        if not CHIPS:
            raise HailoRTException("HAILO_OUT_OF_PHYSICAL_DEVICES(74)")
        shared = self._params.group_id
        if any(shared == "UNIQUE" or shared != other._params.group_id for other in _OPEN):
            raise HailoRTException("HAILO_DEVICE_IN_USE(73)")
        _OPEN.append(self)
        self.active: list[Any] = []
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def create_params() -> Any:
        return SimpleNamespace(scheduling_algorithm=_ALGORITHM.NONE, group_id="UNIQUE")

    @property
    def scheduled(self) -> bool:
        return self._params.scheduling_algorithm is _ALGORITHM.ROUND_ROBIN

    def get_physical_devices(self) -> list[Any]:
        self.check()
        facts = SimpleNamespace(device_architecture=DeviceArchitecture[CHIPS[0].upper()])
        return [SimpleNamespace(control=SimpleNamespace(identify=lambda: facts))]

    def configure(self, hef: HEF) -> list[ConfiguredNetwork]:
        self.accept(hef)
        return [ConfiguredNetwork(self, hef)]

    def create_infer_model(self, path: str) -> InferModel:
        self.check()
        return InferModel(self, HEF(path))

    def release(self) -> None:
        self.check()
        self.released = True
        self._work.put(None)
        self._thread.join(10)
        _OPEN.remove(self)

    def check(self) -> None:
        if self.released:
            raise HailoRTException("HAILO_INVALID_OPERATION(6): the device is released")

    def accept(self, hef: HEF) -> None:
        self.check()
        if hef.arch != ARCHS[CHIPS[0]]:
            raise HailoRTException("HAILO_HEF_NOT_COMPATIBLE_WITH_DEVICE(93)")

    def submit(self, work: Callable[[], None]) -> None:
        self.check()
        self._work.put(work)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()


class _Runs:
    """A network in ONNX Runtime."""

    def __init__(self, hef: HEF) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            hef.graph, options, providers=["CPUExecutionProvider"]
        )
        self._names = hef.names()

    def __call__(self, frame: np.ndarray) -> dict[str, np.ndarray]:
        made = self._session.run(None, {"hef_in": frame[None]})
        return {name: array[0] for name, array in zip(self._names, made, strict=True)}


class _InferStream:
    def __init__(self, info: Any) -> None:
        self.name, self.shape, self.type = info.name, list(info.shape), FormatType.AUTO

    def set_format_type(self, kind: FormatType) -> None:
        assert isinstance(kind, FormatType)
        self.type = kind


class InferModel:
    """A network before it is on the chip."""

    def __init__(self, device: VDevice, hef: HEF) -> None:
        self.device, self.hef = device, hef
        self.inputs = [_InferStream(info) for info in hef.get_input_vstream_infos()]
        self.outputs = [_InferStream(info) for info in hef.get_output_vstream_infos()]

    def set_batch_size(self, size: int) -> None:
        assert size > 0

    def input(self, name: str = "") -> _InferStream:
        return self._one(self.inputs, name)

    def output(self, name: str = "") -> _InferStream:
        return self._one(self.outputs, name)

    def configure(self) -> ConfiguredInferModel:
        self.device.accept(self.hef)
        return ConfiguredInferModel(self)

    @staticmethod
    def _one(streams: list[_InferStream], name: str) -> _InferStream:
        found = [stream for stream in streams if name in ("", stream.name)]
        if len(found) != 1:
            raise HailoRTException(f"HAILO_NOT_FOUND(61): {name!r}")
        return found[0]


class _Binding:
    def __init__(self, stream: _InferStream) -> None:
        self._stream, self._buffer = stream, None

    def set_buffer(self, buffer: np.ndarray) -> None:
        kind = _NUMPY.get(self._stream.type, np.uint8)
        size = int(np.prod(self._stream.shape)) * np.dtype(kind).itemsize
        if buffer.nbytes != size or buffer.dtype != kind or not buffer.flags.c_contiguous:
            raise HailoRTException(
                f"HAILO_INVALID_OPERATION(6): {self._stream.name} wants {size} bytes of {kind}"
            )
        self._buffer = buffer

    def get_buffer(self) -> np.ndarray:
        if self._buffer is None:
            raise HailoRTException(f"HAILO_INVALID_OPERATION(6): {self._stream.name} has no buffer")
        return self._buffer


class _Bindings:
    def __init__(self, model: InferModel) -> None:
        self._model = model
        self._inputs = {stream.name: _Binding(stream) for stream in model.inputs}
        self._outputs = {stream.name: _Binding(stream) for stream in model.outputs}

    def input(self, name: str = "") -> _Binding:
        return self._inputs[self._model.input(name).name]

    def output(self, name: str = "") -> _Binding:
        return self._outputs[self._model.output(name).name]


class _Job:
    def __init__(self) -> None:
        self.done = threading.Event()

    def wait(self, timeout_ms: int) -> None:
        if not self.done.wait(timeout_ms / 1000):
            raise HailoRTTimeout("HAILO_TIMEOUT(4)")


class ConfiguredInferModel:
    """A network on the chip, by the asynchronous API."""

    FAILING = False
    """Whether the chip fails at every frame; a test changes it."""

    def __init__(self, model: InferModel) -> None:
        self._model, self._open = model, False
        self._run = _Runs(model.hef)
        self._free = threading.Semaphore(_QUEUE)

    def __enter__(self) -> ConfiguredInferModel:
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False

    def _check(self) -> None:
        self._model.device.check()
        if not self._open:
            raise HailoRTException("HAILO_INVALID_OPERATION(6): the model is not configured")
        if not self._model.device.scheduled:
            raise HailoRTException("HAILO_NETWORK_GROUP_NOT_ACTIVATED(69)")

    def create_bindings(self, *, output_buffers: dict[str, np.ndarray] | None = None) -> _Bindings:
        self._check()
        bindings = _Bindings(self._model)
        for name, buffer in (output_buffers or {}).items():
            bindings.output(name).set_buffer(buffer)
        return bindings

    def wait_for_async_ready(self, timeout_ms: int = 1000, frames_count: int = 1) -> None:
        self._check()
        if not self._free.acquire(timeout=timeout_ms / 1000):
            raise HailoRTTimeout("HAILO_TIMEOUT(4)")
        self._free.release()

    def run_async(self, bindings: list[_Bindings], callback: Callable[..., None]) -> _Job:
        self._check()
        frame = bindings[0].input().get_buffer()
        for stream in self._model.outputs:
            bindings[0].output(stream.name).get_buffer()
        if not self._free.acquire(blocking=False):
            raise HailoRTException("HAILO_QUEUE_IS_FULL(82)")
        job = _Job()

        def work() -> None:
            error = HailoRTException("HAILO_STREAM_ABORT(63)") if self.FAILING else None
            if error is None:
                for name, array in self._run(frame).items():
                    bindings[0].output(name).get_buffer()[...] = array
            callback(completion_info=SimpleNamespace(exception=error))
            self._free.release()
            job.done.set()

        self._model.device.submit(work)
        return job


class ConfiguredNetwork:
    """A network on the chip, by the synchronous API."""

    def __init__(self, device: VDevice, hef: HEF) -> None:
        self.device, self.hef = device, hef

    def activate(self) -> ConfiguredNetwork:
        if self.device.scheduled:
            raise HailoRTException("HAILO_INVALID_OPERATION(6): the scheduler activates")
        return self

    def __enter__(self) -> ConfiguredNetwork:
        if self.device.active:
            raise HailoRTException("HAILO_INVALID_OPERATION(6): another network is active")
        self.device.active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.device.active.remove(self)


class _VStreamParams:
    @classmethod
    def make(
        cls, network: ConfiguredNetwork, *, quantized: bool, format_type: FormatType
    ) -> tuple[type, FormatType]:
        assert isinstance(network, ConfiguredNetwork)
        assert quantized is False
        return cls, format_type


class InputVStreamParams(_VStreamParams):
    """Of inputs."""


class OutputVStreamParams(_VStreamParams):
    """Of outputs."""


class InferVStreams:
    """The synchronous way to run."""

    def __init__(self, network: ConfiguredNetwork, taking: Any, giving: Any) -> None:
        assert taking[0] is InputVStreamParams
        assert giving[0] is OutputVStreamParams
        self._network, self._taking, self._giving = network, _NUMPY[taking[1]], _NUMPY[giving[1]]
        self._run, self._open, self._busy = _Runs(network.hef), False, threading.Lock()

    def __enter__(self) -> InferVStreams:
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False

    def infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        device = self._network.device
        device.check()
        if not self._open or not (device.scheduled or self._network in device.active):
            raise HailoRTException("HAILO_NETWORK_GROUP_NOT_ACTIVATED(69)")
        ((name, batch),) = inputs.items()
        info = self._network.hef.get_input_vstream_infos()[0]
        if name != info.name or batch.shape[1:] != info.shape or batch.dtype != self._taking:
            raise HailoRTException(f"HAILO_INVALID_ARGUMENT(2): {name} {batch.shape}")
        if not self._busy.acquire(blocking=False):
            raise HailoRTException("HAILO_INVALID_OPERATION(6): two threads at once")
        try:
            made = [self._run(np.ascontiguousarray(frame)) for frame in batch]
        finally:
            self._busy.release()
        return {
            name: np.stack([one[name] for one in made]).astype(self._giving) for name in made[0]
        }
