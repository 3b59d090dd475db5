"""What the gate allows, and what it found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError, ModelFileError
from .lineup_result import Lineup
from .sensitivity import LayerError

__all__ = ["Attempt", "GateConfig", "GateReport"]

_NOTHING = 1e-6
"""In the place of a limit of 0, which nothing can be a share of."""


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What may be lost.

    Raises:
        ConfigError: A limit is none.
    """

    max_loss: float = 1.0
    """Most that a file may lose: points of mIoU, of an instance network points of its masks' average
    precision (AP); where there is no truth to score on, percent of the pixels that change their class,
    or of the objects that do not agree with the float file's."""
    max_depth_loss: float = 2.0
    """Most that the depth of a file may lose: percent by which its mean relative error (AbsRel) grows; where
    there is no true depth, percent that it differs from the float file's on the average."""
    most_float: float = 0.5
    """Most of the layers that may stay in float, as a share; with more there is little left to gain."""

    def __post_init__(self) -> None:
        if math.isnan(self.max_loss) or self.max_loss < 0:
            raise ConfigError(
                f"--max-loss {self.max_loss} is no limit", fix="give 0 or more points, such as 1.0"
            )
        if math.isnan(self.max_depth_loss) or self.max_depth_loss < 0:
            raise ConfigError(
                f"--max-depth-loss {self.max_depth_loss} is no limit",
                fix="give 0 or more percent, such as 2.0",
            )
        if not 0 <= self.most_float <= 1:
            raise ConfigError(
                f"--most-float {self.most_float} is no share", fix="give a number from 0 to 1"
            )

    def allows(self, loss: float | None, depth_loss: float | None) -> bool:
        """Whether so much may be lost, of whatever the network tells."""
        return all(lost <= most for lost, most in self._told(loss, depth_loss))

    def share(self, loss: float | None, depth_loss: float | None) -> float:
        """What was lost as a share of what may be, the worse of both: over 1 it is too much."""
        return max(lost / max(most, _NOTHING) for lost, most in self._told(loss, depth_loss))

    def depth_weight(self) -> float:
        """What a squared relative error of depth counts beside one of classes: the tighter a limit, the
        more."""
        return (max(self.max_loss, _NOTHING) / max(self.max_depth_loss, _NOTHING)) ** 2

    def _told(self, loss: float | None, depth_loss: float | None) -> list[tuple[float, float]]:
        both = ((loss, self.max_loss), (depth_loss, self.max_depth_loss))
        return [(lost, most) for lost, most in both if lost is not None]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One file that was tried."""

    float_layers: tuple[str, ...]
    """The layers that stayed in float."""
    loss: float | None
    """What its classes or objects lost: see `GateConfig.max_loss`; None where it tells depth alone."""
    depth_loss: float | None = None
    """What its depth lost: see `GateConfig.max_depth_loss`; None where it tells none."""
    passed: bool
    """Whether that is little enough."""


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """What a target made of a model file, and what that cost."""

    target: str
    """Device and compiler in words."""
    model: Path
    """The float file."""
    path: Path | None
    """What was written; None where nothing passed."""
    predicted: bool
    """Whether the scores are those of a stand-in, since the device is not here."""
    config: GateConfig
    """What might be lost."""
    unit: str
    """What a loss of classes or objects counts; empty where the network tells depth alone."""
    depth_unit: str
    """What a loss of depth counts; empty where the network tells none."""
    attempts: tuple[Attempt, ...]
    """Every file that was tried, in order."""
    layers: tuple[LayerError, ...]
    """What each layer alone costs, worst first; empty where it was not needed to know."""
    lineup: Lineup
    """The float file beside the last that was tried, or the one that passed."""
    calibration: dict[str, Any]
    """What the quantiser saw."""
    notes: tuple[str, ...]
    """What else the person should know."""

    @property
    def passed(self) -> bool:
        """Whether something was written."""
        return self.path is not None

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        last = self.best
        kept = len(last.float_layers)
        kept_said = f", {kept} layers kept in float" if kept else ""
        how = "is predicted to lose" if self.predicted else "loses"
        said = f"{self.target} {how} {self.lost(last)}{kept_said}"
        limits = [
            (name, "within" if lost <= most else "over", f"{most:g}")
            for name, lost, most in (
                ("classes", last.loss, self.config.max_loss),
                ("depth", last.depth_loss, self.config.max_depth_loss),
            )
            if lost is not None
        ]
        if len({side for _, side, _ in limits}) == 1:
            return f"{said}: {limits[0][1]} the {' and '.join(most for *_, most in limits)} allowed"
        sides = (f"{name} {side} the {most} allowed" for name, side, most in limits)
        return f"{said}: {', '.join(sides)}"

    def lost(self, attempt: Attempt) -> str:
        """What an attempt lost, in words."""
        pairs = ((attempt.loss, self.unit), (attempt.depth_loss, self.depth_unit))
        return " and ".join(f"{lost:.2f} {unit}" for lost, unit in pairs if lost is not None)

    @property
    def best(self) -> Attempt:
        """The attempt that passed with the fewest layers in float, else the one that lost least."""
        passed = [item for item in self.attempts if item.passed]
        if passed:
            return min(passed, key=lambda item: len(item.float_layers))
        return min(self.attempts, key=lambda item: self.config.share(item.loss, item.depth_loss))

    def require_passed(self) -> None:
        """Stop where nothing passed.

        Raises:
            ModelFileError: Nothing did.
        """
        if not self.passed:
            both = (("--max-loss", self.unit), ("--max-depth-loss", self.depth_unit))
            flags = [flag for flag, unit in both if unit]
            raise ModelFileError(
                f"{self.verdict}; nothing was written",
                fix="calibrate on more or other pictures, fine-tune (longer) with --finetune RUN, or"
                f" allow more with {' and '.join(flags)}",
            )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "target": self.target,
            "model": str(self.model),
            "path": None if self.path is None else str(self.path),
            "passed": self.passed,
            "predicted": self.predicted,
            "verdict": self.verdict,
            **asdict(self.config),
            "unit": self.unit,
            "depth_unit": self.depth_unit,
            "attempts": [asdict(item) for item in self.attempts],
            "layers": [asdict(item) for item in self.layers],
            "calibration": self.calibration,
            "notes": list(self.notes),
            "lineup": self.lineup.to_dict(),
        }
