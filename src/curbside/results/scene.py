"""Everything that the networks make of a frame, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .depth import DepthResult
from .instances import InstanceResult
from .panoptic import PanopticResult
from .semantic import SemanticResult

__all__ = ["SceneResult", "View"]

View = Literal[
    "frame",
    "semantic",
    "instances",
    "panoptic",
    "depth",
    "semantic+depth",
    "confidence",
    "disagreement",
]
"""What can be shown of a frame: the frame alone, every pixel's class, the objects as their network
found them, both fused, depth, classes and depth side by side, how sure the network is of the class
shown, and where two networks disagree."""


@dataclass(frozen=True, kw_only=True)
class SceneResult:
    """Everything that the networks make of a frame.

    Raises:
        ValueError: A part is of another size.
    """

    size_hw: tuple[int, int]
    """Height and width of the frame in pixels."""
    semantic: SemanticResult | None = None
    """A class for every pixel."""
    instances: InstanceResult | None = None
    """The objects as their network found them."""
    panoptic: PanopticResult | None = None
    """Both fused, where both are there."""
    depth: DepthResult | None = None
    """How far away every pixel is."""
    ages: Mapping[str, int] = field(default_factory=dict)
    """By what is told, how many frames ago its network looked; 0 where it looked at this frame."""

    def __post_init__(self) -> None:
        for name in ("semantic", "instances", "panoptic", "depth"):
            part = getattr(self, name)
            if part is not None and part.size_hw != self.size_hw:
                raise ValueError(f"{name} is {part.size_hw}, the frame is {self.size_hw}")

    @classmethod
    def of(
        cls, result: SceneResult | SemanticResult | InstanceResult | PanopticResult | DepthResult
    ) -> SceneResult:
        """What a single network, or two fused, make of a frame, as a scene; a scene is itself."""
        match result:
            case SceneResult():
                return result
            case SemanticResult():
                return cls(size_hw=result.size_hw, semantic=result)
            case InstanceResult():
                return cls(size_hw=result.size_hw, instances=result)
            case PanopticResult():
                return cls(size_hw=result.size_hw, panoptic=result)
            case DepthResult():
                return cls(size_hw=result.size_hw, depth=result)

    @property
    def views(self) -> tuple[View, ...]:
        """What can be shown of it, the frame alone first."""
        sure = self.semantic is not None and self.semantic.confidence is not None
        there: dict[View, bool] = {
            "frame": True,
            "semantic": self.semantic is not None,
            "instances": self.instances is not None,
            "panoptic": self.panoptic is not None,
            "depth": self.depth is not None,
            "semantic+depth": self.semantic is not None and self.depth is not None,
            "confidence": sure,
            "disagreement": self.panoptic is not None,
        }
        return tuple(view for view, shown in there.items() if shown)

    @property
    def richest(self) -> View:
        """The view of the frame's size that tells most: panoptic, else semantic, instances, depth, the
        frame alone."""
        views = self.views
        order: tuple[View, ...] = ("panoptic", "semantic", "instances", "depth")
        return next((view for view in order if view in views), "frame")

    def shares(self) -> dict[str, float]:
        """Share of the frame that each class covers, by name, largest first, of the richest part that
        tells it; empty where none does."""
        part = self.panoptic or self.semantic or self.instances
        return {} if part is None else part.shares()

    def counts(self) -> dict[str, int]:
        """Number of objects by class name, most first, of the richest part that tells it; empty where
        none does."""
        part = self.panoptic or self.instances
        return {} if part is None else part.counts()
