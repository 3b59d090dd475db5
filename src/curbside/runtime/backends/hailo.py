"""HailoRT: `.hef` files on a Hailo chip."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import ConfigError, MissingDependencyError, ModelFileError
from ...manifest import Manifest, read_sidecar
from ..signature import Tensor, input_shape, require_fit

__all__ = ["SUFFIXES", "HailoBackend", "MissingHailoRTError", "hef_shapes", "open"]

SUFFIXES = (".hef",)

_READY_MS, _DONE_MS = 5_000, 10_000
"""So long a chip may keep a frame waiting, and so long it may work on it."""
_ADOPT = "compile it for this chip, and adopt it with: curbside compile --adopt X.hef"
_LOOK = (
    "see whether it answers: hailortcli scan; its driver and HailoRT must be of one version, and no"
    " other program may hold it"
)


class MissingHailoRTError(MissingDependencyError):
    """HailoRT's Python module is not installed; no package registry has it."""

    def __init__(self) -> None:
        super().__init__("hailo_platform", extra="all")
        self.fix = (
            "install HailoRT and its Python module for the device (Raspberry Pi OS: apt install"
            " hailo-all; else from Hailo's Developer Zone), in a venv with --system-site-packages"
        )

    def __reduce__(self):
        return type(self), ()


def open(path: Path, *, threads: int) -> HailoBackend:
    """Load a HEF onto the chip of this machine.

    Args:
        path: The file, with its Manifest beside it.
        threads: Not used: the network runs on the chip.

    Raises:
        ModelFileError: It is damaged, has no Manifest, or is for another chip, or the Manifest does
            not fit it.
        ConfigError: No chip answers.
        MissingDependencyError: HailoRT is not installed.
    """
    return HailoBackend(path)


class _Stream(NamedTuple):
    """An input or output of a HEF."""

    name: str
    """HailoRT's name of it, such as `net/conv44`."""
    shape: tuple[int, ...]
    """(H, W, C)."""


class HailoBackend:
    """A HEF on a Hailo chip, which it may share with others of this process; see `open`."""

    device = "hailo"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.manifest = read_sidecar(path)
        self._stack = ExitStack()
        # A network that is forgotten, or a program that ends, gives the chip back too.
        self._release = weakref.finalize(self, self._stack.close)
        library = _library()
        try:
            device = self._stack.enter_context(_DEVICE)
            self._require_chip()
            asynchronous = hasattr(device, "create_infer_model")
            make = _Asynchronous if asynchronous else _Synchronous
            self._network: _Asynchronous | _Synchronous = make(library, device, path, self._stack)
            inputs, outputs = self._network.inputs, self._network.outputs
            hef = library.HEF(str(path))
            self._names = _matched(self.manifest, path, hef, outputs)
            self._require_fit(inputs, outputs)
        except library.HailoRTException as error:
            self.close()
            raise _refused(path, error) from error
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs that the Manifest names, by name; several threads may call it at once.

        Raises:
            ConfigError: The chip does not answer.
        """
        frame = inputs[self.manifest.input.name]
        try:
            made = self._network.run(frame[0])
        except _library().HailoRTException as error:
            raise ConfigError(
                f"the chip failed at a frame of {self._path} ({_reason(error)})", fix=_LOOK
            ) from error
        return {name: made[hailo][None] for name, hailo in self._names.items()}

    @property
    def precision(self) -> str:
        """What the chip was compiled to compute in."""
        about = self.manifest.deployment
        wide = len(about.get("wide", ()))
        rest = f"; 16 bits asked for {wide} operators" if wide else ""
        return f"int8 ({about.get('device', 'Hailo')}{rest})"

    def close(self) -> None:
        """Take the network off the chip, and let the chip go with the last one."""
        self._release()

    def _require_chip(self) -> None:
        """Stop where the chip that answers is another than the file is for."""
        wanted = str(self.manifest.deployment.get("target", ""))
        found = _DEVICE.arch
        if wanted and found and wanted != found:
            raise ModelFileError(
                f"{self._path} is compiled for {wanted}, and the chip here is a {found}", fix=_ADOPT
            )

    def _require_fit(self, inputs: Sequence[_Stream], outputs: Sequence[_Stream]) -> None:
        """Refuse a Manifest that does not fit its file."""
        spec = self.manifest.input
        if len(inputs) != 1 or (1, *inputs[0].shape) != input_shape(self.manifest):
            shapes = ", ".join(f"{item.name} {list(item.shape)}" for item in inputs)
            raise ModelFileError(
                f"{self._path} takes {shapes}, its Manifest says {list(input_shape(self.manifest))}",
                fix=_ADOPT,
            )
        shapes_by_name = {item.name: item.shape for item in outputs}
        require_fit(
            self.manifest,
            self._path,
            inputs=[Tensor(spec.name, "uint8", (1, *inputs[0].shape))],
            outputs=[
                Tensor(name, "float32", (1, *shapes_by_name[hailo]))
                for name, hailo in self._names.items()
            ],
        )


class _Asynchronous:
    """A network by HailoRT's asynchronous API: frames of several threads queue up on the chip."""

    def __init__(self, library: Any, device: Any, path: Path, stack: ExitStack) -> None:
        model = device.create_infer_model(str(path))
        model.set_batch_size(1)
        model.input().set_format_type(library.FormatType.UINT8)
        for output in model.outputs:
            output.set_format_type(library.FormatType.FLOAT32)
        self.inputs = [_Stream(item.name, tuple(item.shape)) for item in model.inputs]
        self.outputs = [_Stream(item.name, tuple(item.shape)) for item in model.outputs]
        self._configured = stack.enter_context(model.configure())
        self._submitting = threading.Lock()

    def run(self, frame: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by HailoRT's names, from (H, W, 3) uint8."""
        buffers = {item.name: np.empty(item.shape, np.float32) for item in self.outputs}
        failed: list[Exception] = []

        def done(completion_info: Any) -> None:
            if completion_info.exception is not None:
                failed.append(completion_info.exception)

        bindings = self._configured.create_bindings(output_buffers=buffers)
        bindings.input().set_buffer(np.ascontiguousarray(frame))
        with self._submitting:
            self._configured.wait_for_async_ready(timeout_ms=_READY_MS)
            job = self._configured.run_async([bindings], done)
        job.wait(_DONE_MS)
        if failed:
            raise failed[0]
        return {name: bindings.output(name).get_buffer() for name in buffers}


class _Synchronous:
    """A network by HailoRT's synchronous API, where there is no other: one frame at a time."""

    def __init__(self, library: Any, device: Any, path: Path, stack: ExitStack) -> None:
        hef = library.HEF(str(path))
        self.inputs = [_Stream(i.name, tuple(i.shape)) for i in hef.get_input_vstream_infos()]
        self.outputs = [_Stream(i.name, tuple(i.shape)) for i in hef.get_output_vstream_infos()]
        network = device.configure(hef)[0]
        kinds = library.FormatType
        taking = library.InputVStreamParams.make(network, quantized=False, format_type=kinds.UINT8)
        giving = library.OutputVStreamParams.make(
            network, quantized=False, format_type=kinds.FLOAT32
        )
        if not _DEVICE.scheduled:
            stack.enter_context(network.activate())
        self._streams = stack.enter_context(library.InferVStreams(network, taking, giving))
        self._running = threading.Lock()

    def run(self, frame: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by HailoRT's names, from (H, W, 3) uint8."""
        with self._running:
            made = self._streams.infer({self.inputs[0].name: np.ascontiguousarray(frame[None])})
        return {name: np.array(array[0]) for name, array in made.items()}


class _SharedDevice:
    """The chip of this process: one for all networks, which its scheduler runs in turn."""

    def __init__(self) -> None:
        self.arch: str | None = None
        """HailoRT's name of the chip that answers, such as hailo8; None where it does not tell."""
        self.scheduled = False
        """Whether several networks may run in turn."""
        self._lock = threading.Lock()
        self._users = 0
        self._device: Any = None

    def __enter__(self) -> Any:
        with self._lock:
            if self._users == 0:
                self._open()
            self._users += 1
            return self._device

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                device, self._device = self._device, None
                device.release()

    def _open(self) -> None:
        library = _library()
        algorithms = getattr(library, "HailoSchedulingAlgorithm", None)
        self.scheduled = algorithms is not None
        try:
            if algorithms is None:
                self._device = library.VDevice()
            else:
                params = library.VDevice.create_params()
                params.scheduling_algorithm = algorithms.ROUND_ROBIN
                self._device = library.VDevice(params)
        except library.HailoRTException as error:
            raise ConfigError(f"no Hailo chip can be had ({_reason(error)})", fix=_LOOK) from error
        self.arch = _arch(self._device)


_DEVICE = _SharedDevice()


def hef_shapes(
    path: Path,
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]] | None:
    """Shapes of a HEF's inputs and outputs, (H, W, C) each; None where HailoRT is not installed.

    Raises:
        ModelFileError: HailoRT refuses the file.
    """
    try:
        library = _library()
    except MissingHailoRTError:
        return None
    try:
        hef = library.HEF(str(path))
        infos = (hef.get_input_vstream_infos(), hef.get_output_vstream_infos())
    except library.HailoRTException as error:
        raise _refused(path, error) from error
    inputs, outputs = ([tuple(item.shape) for item in streams] for streams in infos)
    return inputs, outputs


def _library() -> Any:
    try:
        import hailo_platform
    except ModuleNotFoundError:
        raise MissingHailoRTError from None
    return hailo_platform


def _arch(device: Any) -> str | None:
    """The chip behind a device, in the compiler's words."""
    try:
        (physical, *_) = device.get_physical_devices()
        kind = physical.control.identify().device_architecture
    except Exception:  # not all chips and versions tell it, and it is only for a better error
        return None
    return str(getattr(kind, "name", kind)).split(".")[-1].lower()


def _matched(
    manifest: Manifest, path: Path, hef: Any, streams: Sequence[_Stream]
) -> dict[str, str]:
    """HailoRT's name of every output of the Manifest: by the node that it was made from, else by the
    layer that was recorded, else by a shape that no other has."""
    told = {item["name"]: item for item in manifest.deployment.get("outputs", [])}
    origins = {item.name: _origins(hef, item.name) for item in streams}
    names: dict[str, str] = {}
    for output in manifest.outputs:
        about = told.get(output.name, {})
        shape = tuple(about.get("shape", ()))
        fitting = [item for item in streams if not shape or item.shape == shape]
        by_node = [item for item in fitting if about.get("node") in origins[item.name]]
        by_layer = [i for i in fitting if i.name.split("/")[-1] == about.get("layer")]
        found = next((some for some in (by_node, by_layer, fitting) if len(some) == 1), None)
        if found is None or found[0].name in names.values():
            have = ", ".join(f"{item.name} {list(item.shape)}" for item in streams)
            raise ModelFileError(
                f"it is not clear which output of {path} is {output.name}, of {have}", fix=_ADOPT
            )
        names[output.name] = found[0].name
    return names


def _origins(hef: Any, name: str) -> list[str]:
    """The nodes of the ONNX graph that an output was made from, where the HEF tells."""
    try:
        return list(hef.get_original_names_from_vstream_name(name))
    except Exception:  # older versions lack it, and some files tell nothing
        return []


def _refused(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(f"HailoRT refuses {path} ({_reason(error)})", fix=_ADOPT)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
