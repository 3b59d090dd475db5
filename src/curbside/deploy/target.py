"""What a target is: a device, by what its compiler takes and by the file that it makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .calibration import CalibrationSet
from .graphs.operators import Operator, Refusal, Rule

__all__ = ["Built", "Target", "Work"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One file to make."""

    model: Path
    """A float ONNX file with a Manifest."""
    out: Path
    """The file to write, or the folder where there is no compiler to make it."""
    calibration: CalibrationSet | None = None
    """The pictures that tell the range of every tensor; None where nothing is quantised."""
    keep_float: frozenset[str] = frozenset()
    """Names of nodes of `model` that stay in float."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of a `Work`."""

    path: Path
    """The file, or the folder."""
    witness: Path
    """A model file that runs here and answers as `path` does: itself, or what stands in for a device
    that is not here."""
    notes: tuple[str, ...] = ()
    """What the person should know, a sentence each."""


class Target(ABC):
    """A device; one subclass per file of `targets`, found there by name.

    Subclasses are frozen dataclasses: their fields are the settings, and flags of the command line.
    """

    title: ClassVar[str]
    """Device and compiler in words."""
    suffix: ClassVar[str]
    """Ending of the file that it makes, such as `.hef`."""
    pictures: ClassVar[int] = 128
    """Number of calibration pictures that it wants."""
    rules: ClassVar[Mapping[str, Rule] | None] = None
    """By the operator's kind, of which one that is not here is refused; None where all are taken."""
    quantizes_everything: ClassVar[bool] = True
    """Whether it turns every layer into integers that it can, or only those that gain by it."""
    causes: ClassVar[tuple[str, ...]] = ()
    """Kinds that bring other refused ones with them: the first to tell of."""

    def judge(self, operator: Operator) -> Refusal | None:
        """Why an operator would be refused; None where it would be taken."""
        if self.rules is None:
            return None
        rule = self.rules.get(operator.kind)
        if rule is None:
            return Refusal("it is not known to be taken", "build the network without it")
        return rule(operator)

    @property
    @abstractmethod
    def quantizes(self) -> bool:
        """Whether, as it is set, it needs calibration pictures and may lose accuracy."""

    @abstractmethod
    def build(self, work: Work) -> Built:
        """Make the file.

        Raises:
            ConfigError: The settings are impossible.
            ModelFileError: The model cannot be compiled, or the compiler failed.
            MissingDependencyError: The compiler's library is not installed.
            StorageError: The place cannot be written.
        """

    def attempt(self, work: Work) -> Built:
        """Make what the gate judges: the file, or what stands in for it where making it takes hours.

        Raises:
            CurbsideError: As `build`.
        """
        return self.build(work)

    def complete(self, built: Built) -> Built:
        """Make the file from what `attempt` made, which has passed and stands where it shall stay.

        Raises:
            CurbsideError: As `build`.
        """
        return built
