"""NVIDIA's GPU from Python: memory, copies and streams, with every answer looked at."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import MissingDependencyError, ModelFileError

__all__ = ["Cuda", "Device", "StagedArray", "without_extra"]

_FIXES = {
    "cudaErrorMemoryAllocation": "close other programs that use the GPU, or use a smaller network",
    "cudaErrorNoDevice": "run it on a device with an NVIDIA GPU",
    "cudaErrorInsufficientDriver": "update NVIDIA's driver",
}


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU."""

    name: str
    """Its name."""
    compute_capability: str
    """Version of what it can do, such as 8.7; code made for one does not run on another."""


class Cuda:
    """CUDA's runtime, by the package cuda-python.

    Raises:
        MissingDependencyError: It is not installed.
        ModelFileError: A call failed.
    """

    def __init__(self) -> None:
        self._api = _library()

    def device(self) -> Device:
        """The GPU that is in use."""
        found = self._ask("cudaGetDeviceProperties", 0)
        name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
        return Device(name=name.rstrip("\0"), compute_capability=f"{found.major}.{found.minor}")

    def allocate(self, size: int) -> int:
        """The address of new memory on the GPU.

        Args:
            size: In bytes.
        """
        return int(self._ask("cudaMalloc", size))

    def allocate_host(self, size: int) -> int:
        """The address of new memory beside the GPU that is never swapped out, so that it copies fast.

        Args:
            size: In bytes.
        """
        return int(self._ask("cudaMallocHost", size))

    def free(self, address: int) -> None:
        """Give memory on the GPU back."""
        self._ask("cudaFree", address)

    def free_host(self, address: int) -> None:
        """Give memory beside the GPU back."""
        self._ask("cudaFreeHost", address)

    def stream(self) -> Any:
        """A new queue of work."""
        return self._ask("cudaStreamCreate")

    def destroy(self, stream: Any) -> None:
        """Give a queue back."""
        self._ask("cudaStreamDestroy", stream)

    def wait(self, stream: Any) -> None:
        """Until all work of a queue is done."""
        self._ask("cudaStreamSynchronize", stream)

    def upload(self, address: int, array: np.ndarray) -> None:
        """Copy an array to the GPU, and wait for it."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._ask("cudaMemcpy", address, array.ctypes.data, array.nbytes, kind)

    def queue_upload(self, staged: StagedArray, stream: Any) -> None:
        """Queue the copy of an array to the GPU."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyHostToDevice
        size = staged.array.nbytes
        self._ask("cudaMemcpyAsync", staged.address, staged.host, size, kind, stream)

    def queue_download(self, staged: StagedArray, stream: Any) -> None:
        """Queue the copy of an array from the GPU."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        size = staged.array.nbytes
        self._ask("cudaMemcpyAsync", staged.host, staged.address, size, kind, stream)

    def _ask(self, name: str, *arguments: Any) -> Any:
        """Call a function; its answers come as a tuple whose first value says whether it failed."""
        error, *values = getattr(self._api, name)(*arguments)
        if int(error) != 0:
            kind = getattr(error, "name", str(error))
            raise ModelFileError(
                f"the GPU refused {name} ({kind})",
                fix=_FIXES.get(kind, "restart the program, and look at nvidia-smi or tegrastats"),
            )
        return values[0] if values else None


class StagedArray:
    """An array on the GPU and its twin beside it.

    Args:
        cuda: The GPU.
        shape: Its shape.
        dtype: Type of its values.
    """

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._cuda = cuda
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.address = cuda.allocate(size)
        try:
            self.host = cuda.allocate_host(size)
        except ModelFileError:
            cuda.free(self.address)
            raise
        memory = (ctypes.c_uint8 * size).from_address(self.host)
        self.array: np.ndarray = np.frombuffer(memoryview(memory), dtype).reshape(shape)
        """The twin beside the GPU."""

    def free(self) -> None:
        """Give the memory of both back; `array` must not be touched afterwards."""
        self._cuda.free(self.address)
        self._cuda.free_host(self.host)


def _library() -> Any:
    for name in ("cuda.bindings.runtime", "cuda.cudart"):  # the second before version 12.6
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise without_extra(
        "cuda-python",
        "install the one of your CUDA: pip install 'cuda-python>=12,<13' for CUDA 12,"
        " 'cuda-python<12' for CUDA 11 (JetPack 5)",
    )


def without_extra(package: str, fix: str) -> MissingDependencyError:
    """The error of a missing package that no extra brings, as it must fit what is on the device."""
    error = MissingDependencyError(package, extra="")
    error.fix = fix
    return error
