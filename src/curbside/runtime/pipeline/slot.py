"""The predictor of a running pipeline, which can be exchanged between two frames."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

__all__ = ["Predictor", "PredictorSlot"]

Found = TypeVar("Found", covariant=True)


class Predictor(Protocol[Found]):
    """What the pipeline needs of a predictor: the three parts of a call.

    Six more are used where they are there: `reset()` before the first frame of a clip, `again()`
    before the same frame once more, `restart()` after faults, which loads the network again,
    `take_errors()` for what went wrong on threads of its own, `make_way(other)` where another has
    taken its place, while it may still look at a frame, and of that other `infer_after(one, outputs,
    frame_bgr)`: the outputs for that frame from what the one before gave, or None where that cannot
    be made use of.
    """

    def prepare(self, frame_bgr: np.ndarray) -> Any:
        """The network's input from a frame."""

    def infer(self, tensor: Any) -> Any:
        """The network's outputs."""

    def decode(self, outputs: Any, size_hw: tuple[int, int]) -> Found:
        """The result at the frame's size."""


class PredictorSlot:
    """Holds the predictor in use, and counts the frames that are in it and in those before it.

    Args:
        predictor: The first one.
        on_retired: Called once with every predictor that was exchanged, when no frame needs it any
            more; from whichever thread that happens in.
    """

    def __init__(
        self, predictor: Predictor[Any], on_retired: Callable[[Any], None] | None = None
    ) -> None:
        self._current = predictor
        self._on_retired = on_retired or (lambda predictor: None)
        self._held: dict[int, int] = {}  # frames by predictor
        self._leaving: dict[int, Predictor[Any]] = {}
        self._lock = threading.Lock()

    @property
    def current(self) -> Predictor[Any]:
        """The predictor in use."""
        return self._current

    def take(self) -> Predictor[Any]:
        """The predictor for one more frame; bring it back with `give_back`."""
        with self._lock:
            self._held[id(self._current)] = self._held.get(id(self._current), 0) + 1
            return self._current

    def give_back(self, predictor: Predictor[Any]) -> None:
        """One frame fewer needs it."""
        with self._lock:
            key = id(predictor)
            self._held[key] -= 1
            if self._held[key]:
                return
            del self._held[key]
            done = self._leaving.pop(key, None)
        if done is not None:
            self._on_retired(done)

    def exchange(self, predictor: Predictor[Any]) -> None:
        """Frames get this one from now on."""
        with self._lock:
            old, self._current = self._current, predictor
            self._leaving.pop(id(predictor), None)  # it is back
            if old is predictor:
                return
            if id(old) in self._held:
                self._leaving[id(old)] = old
                return
        self._on_retired(old)

    def end(self) -> None:
        """No frame is on its way any more."""
        with self._lock:
            done, self._leaving = list(self._leaving.values()), {}
            self._held = {}
        for predictor in done:
            self._on_retired(predictor)
