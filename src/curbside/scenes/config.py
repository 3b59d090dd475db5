"""What to draw: how many scenes, how large, in which conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import ConfigError
from ..processes import Engine

__all__ = [
    "CONDITIONS",
    "Annotation",
    "ScenesConfig",
    "check_condition",
    "check_seed",
    "check_size",
]

CONDITIONS = ("clear", "fog", "night", "rain", "snow")
"""The conditions that a scene can be drawn in."""

Annotation = Literal["semantic", "stuff", "things", "depth"]
"""What may be annotated on a scene: every class, those that are not counted, those that are, or the
depth."""

_SMALLEST, _LARGEST = 32, 4096


@dataclass(frozen=True, kw_only=True)
class ScenesConfig:
    """A set of drawn scenes.

    Raises:
        ConfigError: A count, size or condition that cannot be.
    """

    seed: int = 0
    """Another seed gives other streets; the same seed gives the same bytes."""
    size_hw: tuple[int, int] = (288, 512)
    """Height and width of the pictures, 32..4096 each."""
    train: int = 200
    """Scenes in the train split."""
    val: int = 40
    """Scenes in the val split; other streets than those of train."""
    test: int = 0
    """Scenes in the test split."""
    conditions: tuple[str, ...] = CONDITIONS
    """The conditions, taken in turn: of clear, fog, night, rain, snow."""
    train_annotations: tuple[Annotation, ...] = ()
    """What is annotated on the scenes of the train split of a prepared folder, in turn, so that no scene
    has two of them: of semantic (every class), stuff (the classes that are not counted, all else 255),
    things (those that are) and depth. Everything on every scene where none is given, and in val and test."""
    workers: int | None = None
    """Processes that draw; as many as the machine has cores where not given."""
    engine: Engine = "processes"
    """Whose processes: this machine's, or those of a Ray cluster whose machines see the folder."""
    address: str | None = None
    """Of the Ray cluster; one on this machine is started where not given."""

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_size(self.size_hw)
        counts = {"train": self.train, "val": self.val, "test": self.test}
        for split, count in counts.items():
            if not 0 <= count <= 1_000_000:
                raise ConfigError(
                    f"{split} = {count} scenes cannot be drawn", fix="choose 0..1000000 per split"
                )
        if not sum(counts.values()):
            raise ConfigError(
                "no scene is asked for", fix="give train, val or test a count above 0"
            )
        if not self.conditions or len(set(self.conditions)) != len(self.conditions):
            raise ConfigError(
                f"conditions {self.conditions} are empty or name one twice",
                fix=f"choose some of {', '.join(CONDITIONS)}",
            )
        for condition in self.conditions:
            check_condition(condition)
        for annotation in self.train_annotations:
            if annotation not in get_args(Annotation):
                raise ConfigError(
                    f"there is no annotation {annotation!r}",
                    fix=f"choose some of {', '.join(get_args(Annotation))}",
                )
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"{self.workers} workers cannot draw", fix="give 1 or more, or none")


def check_seed(seed: int) -> None:
    """Refuse a seed that numpy would not take.

    Raises:
        ConfigError: It is negative.
    """
    if seed < 0:
        raise ConfigError(f"seed {seed} is negative", fix="choose 0 or more")


def check_condition(condition: str) -> None:
    """Refuse a condition that cannot be drawn.

    Raises:
        ConfigError: It is none of `CONDITIONS`.
    """
    if condition not in CONDITIONS:
        raise ConfigError(
            f"there is no condition {condition!r}", fix=f"choose one of {', '.join(CONDITIONS)}"
        )


def check_size(size_hw: tuple[int, int]) -> None:
    """Refuse a picture size that cannot be drawn.

    Raises:
        ConfigError: A side is outside 32..4096.
    """
    if len(size_hw) != 2 or not all(_SMALLEST <= side <= _LARGEST for side in size_hw):
        raise ConfigError(
            f"a picture of height and width {tuple(size_hw)} cannot be drawn",
            fix=f"choose {_SMALLEST}..{_LARGEST} for each",
        )
