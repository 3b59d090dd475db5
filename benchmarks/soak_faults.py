"""Faults that are made on purpose, each with a number of its own, and what was reported of them."""

from __future__ import annotations

import random
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from curbside.errors import ModelFileError, SourceError
from curbside.runtime import Fault
from curbside.runtime.backends import Backend
from curbside.runtime.scene import network as networks
from curbside.runtime.sources import Frame, Synthetic, SyntheticFaults

__all__ = ["Faults", "FaultySource", "faulty_networks"]

_SIZES_HW = ((120, 208), (144, 256), (180, 320))
_AT_MOST = 500
"""Faults that are remembered, so as to tell a new one from one that was seen: more than a session
keeps; its memory is measured, and these are in it."""
_NUMBER = "soak_number"
_ENDED = "the source ended"
_NOT_LOADED = "is not loaded any more"


class Faults:
    """Counts the faults that are made and those that are reported, one by one.

    Args:
        seed: Of the chances.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.leaving = False
        """A source was asked for that has not given a frame yet, or all is being closed."""
        self._lock = threading.Lock()
        self._numbers = count()
        self.forget()

    def forget(self) -> None:
        """Begin to count."""
        with self._lock:
            self._made: dict[int, tuple[str, bool]] = {}  # stage, and whether it was being left
            self._reported: Counter[int] = Counter()
            self._seen: OrderedDict[int, Fault] = OrderedDict()
            self._by_stage: Counter[str] = Counter()
            self._nobodys: Counter[str] = Counter()
            self.ends = self.ends_reported = self.openings = 0

    def make(self, stage: str, error: Exception, *, leaving: bool = False) -> None:
        """Count an error that is about to be raised, or was, and put its number on it."""
        with self._lock:
            number = next(self._numbers)
            self._made[number] = (stage, leaving or self.leaving)
        setattr(error, _NUMBER, number)

    def see(self, faults: Iterable[Fault]) -> None:
        """Count those of the latest reported faults that were not seen before."""
        with self._lock:
            for fault in faults:
                if id(fault) not in self._seen:
                    self._seen[id(fault)] = fault
                    self._count(fault)
            while len(self._seen) > _AT_MOST:
                self._seen.popitem(last=False)

    def _count(self, fault: Fault) -> None:
        self._by_stage[fault.stage] += 1
        error: BaseException | None = fault.error
        while error is not None:
            number = getattr(error, _NUMBER, None)
            if number is not None:
                self._reported[number] += number in self._made
                return
            error = error.__cause__ or error.__context__
        if fault.stage == "capture" and fault.message == _ENDED:
            self.ends_reported += 1
        elif not (self.openings and fault.message.endswith(_NOT_LOADED)):
            self._nobodys[f"{fault.stage}: {fault.message}"] += 1

    def told(self) -> dict[str, Any]:
        """The counts, by the stage in which a fault was made."""
        with self._lock:
            made, left = Counter[str](), Counter[str]()
            reported, left_reported = Counter[str](), Counter[str]()
            twice = 0
            for number, (stage, leaving) in self._made.items():
                times = self._reported[number]
                twice += times > 1
                (left if leaving else made)[stage] += 1
                (left_reported if leaving else reported)[stage] += times > 0
            made["end of a camera"], reported["end of a camera"] = self.ends, self.ends_reported
            return {
                "faults_made": dict(made),
                "faults_made_that_were_reported": dict(reported),
                "faults_made_while_leaving": dict(left),
                "faults_made_while_leaving_that_were_reported": dict(left_reported),
                "faults_reported_twice": twice,
                "faults_that_nobody_made": dict(self._nobodys),
                "faults_seen": dict(self._by_stage),
                "openings_that_failed": self.openings,
            }


class FaultySource(Synthetic):
    """A drawn source that counts its own faults."""

    def __init__(self, faults: Faults) -> None:
        dice = faults.dice
        super().__init__(
            size_hw=dice.choice(_SIZES_HW),
            fps=1000.0,
            live=dice.random() < 0.5,
            count=dice.randint(50, 1500),
            faults=SyntheticFaults(
                seed=dice.randrange(2**32), broken=0.005, break_off=0.001, resize=0.005
            ),
        )
        self._counts = faults
        self._left = False
        self._told: Callable[[SourceError], None] | None = None

    @property
    def report(self) -> Callable[[SourceError], None] | None:  # type: ignore[override]
        return None if self._told is None else self._counted

    @report.setter
    def report(self, told: Callable[[SourceError], None] | None) -> None:
        self._told = told

    def _counted(self, error: SourceError) -> None:
        self._counts.make("capture", error, leaving=self._left)
        assert self._told is not None
        self._told(error)

    def interrupt(self) -> None:
        self._left = True
        super().interrupt()

    def frames(self, start_s: float = 0.0) -> Iterator[Frame]:
        try:
            for frame in super().frames(start_s):
                if not self._left:
                    self._counts.leaving = False
                yield frame
        except SourceError as error:
            self._counts.make("capture", error, leaving=self._left)
            raise
        # That a camera ends is a fault, but not where it was told to.
        self._counts.ends += self.live and not self._left


class _Network:
    """A network that throws now and then, once or several times in a row."""

    def __init__(self, inner: Backend, faults: Faults) -> None:
        self._inner, self._faults = inner, faults
        self._row = 0

    @property
    def manifest(self) -> Any:
        return self._inner.manifest

    @property
    def precision(self) -> str:
        return self._inner.manifest.precision  # not measured: that would open more sessions

    @property
    def device(self) -> str:
        return self._inner.device

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if threading.current_thread().name.startswith("curbside-infer"):  # not while it is loaded
            if self._row == 0 and self._faults.dice.random() < 0.002:
                self._row = self._faults.dice.choice((1, 1, 1, 4, 8))
            if self._row:
                self._row -= 1
                error = RuntimeError("the backend threw")
                self._faults.make("network", error)
                raise error
        return self._inner.run(inputs)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def faulty_networks(faults: Faults) -> Iterator[None]:
    """Networks that can be loaded again throw; opening one fails at times."""
    real = networks.open_backend

    def open_backend(path: Path, *, threads: int | None = None) -> Any:
        if faults.dice.random() < 0.02:
            faults.openings += 1
            raise ModelFileError(f"{path} cannot be opened now", fix="try again")
        return _Network(real(path, threads=threads), faults)

    networks.open_backend = open_backend
    try:
        yield
    finally:
        networks.open_backend = real
