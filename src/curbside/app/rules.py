"""What a scene is told beside its networks: thresholds, fusion, and how often each network looks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..manifest import Answer
from ..runtime import FusionConfig, InstanceConfig, TrackerConfig
from ..runtime.scene import Rate

__all__ = ["Rules"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a scene is told beside its networks."""

    instances: InstanceConfig = field(default_factory=InstanceConfig)
    """Which objects are shown."""
    fusion: FusionConfig = field(default_factory=FusionConfig)
    """How a class map and objects become one picture."""
    following: bool = True
    """Whether objects are followed from frame to frame."""
    rates: tuple[tuple[Answer, Rate], ...] = ()
    """How often the network of a task looks, where not at every frame; one that tells both classes and
    depth looks at the rate of classes."""

    def with_confidence(self, share: float) -> Rules:
        """Objects more probable than this, fused or not."""
        return replace(
            self,
            instances=replace(self.instances, confidence=share),
            fusion=replace(self.fusion, score=share),
        )

    def for_scene(self) -> dict[str, object]:
        """The settings of a `SceneConfig`."""
        return {
            "instances": self.instances,
            "fusion": self.fusion,
            "tracking": TrackerConfig() if self.following else None,
            "rates": dict(self.rates),
        }
