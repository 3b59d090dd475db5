"""A stand-in for cuda-python's runtime: it refuses what the real one would refuse or crash on.

Memory on the GPU is kept apart from the process, streams do their work when they are waited for and
not before, and what was given back can no longer be used.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
import threading
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

__all__ = ["Gpu", "install_cuda"]


class Error(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorInvalidResourceHandle = 400


class Kind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class Stream:
    """A queue of work; the real handle converts to a number, too."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.work: list[Callable[[], None]] = []

    def __int__(self) -> int:
        return self.number


class Gpu:
    """A GPU of some kind, and everything that is allocated on it.

    Args:
        capability: Its compute capability.
        memory: Bytes that it has.
    """

    def __init__(self, capability: tuple[int, int] = (8, 7), memory: int = 1 << 30) -> None:
        self.capability, self.size = capability, memory
        self.name = b"Orin Nano (stand-in)"
        self.there = True
        self.device: dict[int, np.ndarray] = {}
        self.host: dict[int, np.ndarray] = {}
        self.streams: dict[int, Stream] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    @property
    def leaks(self) -> int:
        """How many allocations and streams were not given back."""
        return len(self.device) + len(self.host) + len(self.streams)

    def memory(self, address: int, size: int) -> np.ndarray:
        """The bytes at an address that was allocated; the real GPU would end the process otherwise."""
        with self._lock:
            found = self.device.get(address)
        assert found is not None, f"illegal memory access at {address:#x}"
        assert found.size >= size, f"{size} bytes at an address that has {found.size}"
        return found[:size]

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, ...]:
        if not self.there or device != 0:
            return Error.cudaErrorNoDevice, None
        major, minor = self.capability
        return Error.cudaSuccess, SimpleNamespace(name=self.name, major=major, minor=minor)

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        with self._lock:
            if size <= 0:
                return Error.cudaErrorInvalidValue, None
            if sum(item.size for item in self.device.values()) + size > self.size:
                return Error.cudaErrorMemoryAllocation, None
            address = 0x7000_0000_0000 + next(self._numbers) * 0x1000_0000
            self.device[address] = np.full(size, 0xCD, np.uint8)
            return Error.cudaSuccess, address

    def cudaMallocHost(self, size: int) -> tuple[Any, ...]:
        array = np.full(size, 0xCD, np.uint8)
        with self._lock:
            self.host[array.ctypes.data] = array
        return Error.cudaSuccess, array.ctypes.data

    def cudaFree(self, address: int) -> tuple[Any, ...]:
        with self._lock:
            found = self.device.pop(address, None)
        return (Error.cudaErrorInvalidValue if found is None else Error.cudaSuccess,)

    def cudaFreeHost(self, address: int) -> tuple[Any, ...]:
        with self._lock:
            found = self.host.pop(address, None)
        return (Error.cudaErrorInvalidValue if found is None else Error.cudaSuccess,)

    def cudaStreamCreate(self) -> tuple[Any, ...]:
        with self._lock:
            stream = Stream(0x5000 + next(self._numbers))
            self.streams[stream.number] = stream
        return Error.cudaSuccess, stream

    def cudaStreamDestroy(self, stream: Stream) -> tuple[Any, ...]:
        with self._lock:
            found = self.streams.pop(int(stream), None)
        return (Error.cudaErrorInvalidResourceHandle if found is None else Error.cudaSuccess,)

    def cudaStreamSynchronize(self, stream: Stream) -> tuple[Any, ...]:
        if int(stream) not in self.streams:
            return (Error.cudaErrorInvalidResourceHandle,)
        work, stream.work = stream.work, []
        for item in work:
            item()
        return (Error.cudaSuccess,)

    def cudaMemcpy(self, to: int, source: int, size: int, kind: Kind) -> tuple[Any, ...]:
        assert kind == Kind.cudaMemcpyHostToDevice
        self.memory(to, size)[:] = np.frombuffer(ctypes.string_at(source, size), np.uint8)
        return (Error.cudaSuccess,)

    def cudaMemcpyAsync(
        self, to: int, source: int, size: int, kind: Kind, stream: Stream
    ) -> tuple[Any, ...]:
        if int(stream) not in self.streams:
            return (Error.cudaErrorInvalidResourceHandle,)
        upload = kind == Kind.cudaMemcpyHostToDevice
        device, host = (to, source) if upload else (source, to)
        if host not in self.host or self.host[host].size < size:
            return (Error.cudaErrorInvalidValue,)  # it would copy at once, and slowly

        def copy() -> None:
            near, far = self.host[host][:size], self.memory(device, size)
            if upload:
                far[:] = near
            else:
                near[:] = far

        stream.work.append(copy)
        return (Error.cudaSuccess,)


def install_cuda(
    monkeypatch: pytest.MonkeyPatch, gpu: Gpu, name: str = "cuda.bindings.runtime"
) -> None:
    """Let `name` be importable for one test: `cuda.bindings.runtime`, or `cuda.cudart` as of old."""
    for other in ("cuda", "cuda.bindings", "cuda.bindings.runtime", "cuda.cudart"):
        monkeypatch.setitem(sys.modules, other, None)
    module = ModuleType(name)
    for item in dir(gpu):
        if item.startswith("cuda"):
            setattr(module, item, getattr(gpu, item))
    module.cudaMemcpyKind = Kind  # type: ignore[attr-defined]
    module.cudaError_t = Error  # type: ignore[attr-defined]
    parts = name.split(".")
    for place in range(1, len(parts)):
        package = ModuleType(".".join(parts[:place]))
        package.__path__ = []  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, name, module)
