"""From the results of networks to masks, instance maps and depth, in the label space that is wanted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ConfigError, LabelError, ModelFileError
from ..labels import IGNORE_ID, NO_CLASSES, PER_CLASS, LabelSpace, covered, mapping
from ..prepared import MAX_INDEX
from ..results import DepthResult, InstanceResult, SemanticResult
from ..runtime import (
    DepthPredictor,
    FusionConfig,
    InstanceConfig,
    InstancePredictor,
    NetworkPredictor,
    SemanticPredictor,
)
from ..runtime.fusion import Fusion
from ..runtime.predictor import placement
from .config import PseudoLabelConfig

__all__ = ["Labeller", "Labels"]

_MOST = np.iinfo(np.uint16).max


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the networks are sure of on a picture, and how much of what they said that is."""

    semantic: np.ndarray | None
    """(H, W) uint8 class ids, 255 where they are not sure; None without a semantic network."""
    instances: np.ndarray | None
    """(H, W) uint16, class * 1000 + index; the plain class id for pixels of things that are not told
    apart or are in doubt, and of stuff; 255 where nothing is known. None without objects."""
    said: np.ndarray | None = None
    """(H, W) uint8 class ids that the semantic network said, sure or not; None without one."""
    depth_m: np.ndarray | None = None
    """(H, W) float32 metres, 0 where nothing is known; None without a network that tells depth."""
    pixels: Counter[str] = field(default_factory=Counter)
    """Pixels by the class that the semantic network said, in the label space of the labels."""
    sure_pixels: Counter[str] = field(default_factory=Counter)
    """Those of them that became labels."""
    objects: Counter[str] = field(default_factory=Counter)
    """Objects by class that were found above the doubt."""
    sure_objects: Counter[str] = field(default_factory=Counter)
    """Those of them that became labels."""
    lost_objects: Counter[str] = field(default_factory=Counter)
    """Objects above the doubt that are of no one countable class of the label space, by what the network
    calls them."""
    depth_pixels: Counter[str] = field(default_factory=Counter)
    """Pixels whose depth the network `said`, and those that it is `kept` for."""


class Labeller:
    """Networks that label pictures.

    With both kinds of network, objects are fused with the class map by the rules of
    `curbside.runtime.fusion`; pixels that the map is not sure of do not speak against an object.

    Depth is that of the picture's own camera, where its focal length is known and the network's is: a
    network says how far away things would be before the camera it was trained for.

    Args:
        semantic: Gives classes with their probabilities.
        instances: Gives objects.
        depth: Gives depth; of one network that gives classes, too, it is asked but once.
        config: What they must be sure of.
        space: The label space of the labels, reached by the taxonomy; the semantic network's, or that of
            the one that finds objects, where None.

    Raises:
        ConfigError: There is no network.
        ModelFileError: The semantic network does not tell how sure it is.
        LabelError: The label space has no class of the network, or objects do not fit its ids.
    """

    def __init__(
        self,
        *,
        semantic: SemanticPredictor | None = None,
        instances: InstancePredictor | None = None,
        depth: DepthPredictor | None = None,
        config: PseudoLabelConfig | None = None,
        space: LabelSpace | None = None,
    ) -> None:
        if semantic is None and instances is None and depth is None:
            raise ConfigError("no network labels nothing", fix="name a run or a model file")
        self.config = config or PseudoLabelConfig()
        self._semantic = semantic
        self._depth = depth
        self._instances = instances and InstancePredictor(
            instances.backend, InstanceConfig(confidence=self.config.doubt)
        )
        self._fusion: Fusion | None = None
        if semantic is not None:
            _require_confidence(semantic)
        if semantic is not None and instances is not None:
            rules = FusionConfig(
                score=self.config.doubt,
                sure_score=max(self.config.confidence, FusionConfig().sure_score),
                outside="drop",
            )
            self._fusion = Fusion(semantic.space, instances.space, rules)
        first = semantic or instances
        told = first.space if first else NO_CLASSES
        self._map = mapping(told, space or told)
        self.space = self._map.target
        """The label space of the labels."""
        self._names = dict(zip(self.space.ids, self.space.names, strict=True))
        self._countable = {item.id for item in self.space.classes if item.has_instances}
        if instances is not None and 0 in self._countable:
            raise LabelError(
                f"{self.space.name} has objects of the id 0 ({self._names[0]}), which instance maps"
                " cannot tell from plain classes",
                fix="choose another label space for the labels, such as --space idd-level2",
            )
        if first and len(self._map.unfed) == self.space.num_classes:
            raise LabelError(
                f"{self.space.name} has no class of {told.name}",
                fix="see what becomes of which class with: curbside labels",
            )

    @property
    def title(self) -> str:
        """The networks in words."""
        networks = (self._semantic, self._instances, self._depth)
        return " + ".join(dict.fromkeys(p.title for p in networks if p is not None))

    @property
    def finds_objects(self) -> bool:
        """Whether there is a network that finds objects."""
        return self._instances is not None

    @property
    def temperature(self) -> float | None:
        """What the semantic network's scores are divided by; None where it was never fitted."""
        scaling = self._semantic and self._semantic.manifest.temperature_scaling
        return scaling.temperature if scaling else None

    @property
    def sources(self) -> dict[str, Mapping[str, object]]:
        """Where the networks come from, by what they give, for the record."""
        networks: dict[str, NetworkPredictor[Any] | None] = {
            "semantic": self._semantic,
            "instances": self._instances,
            "depth": self._depth,
        }
        return {name: dict(p.manifest.source) for name, p in networks.items() if p is not None}

    @property
    def annotated(self) -> tuple[str, ...] | None:
        """The classes that can be found; None where those are all of the label space. Without a class
        map those are the countable ones of which the network tells all: what is around the objects is
        then none of them."""
        names = self.space.names
        if self._semantic is None and self._instances is None:
            return ()
        if self._semantic is None:
            told = covered(self._map.source, self.space)
            countable = {self._names[number] for number in self._countable}
            return tuple(name for name in names if name in told and name in countable)
        unfed = self._map.unfed
        return tuple(name for name in names if name not in unfed) if unfed else None

    def __call__(
        self,
        frame_bgr: np.ndarray,
        *,
        focal_xy_px: tuple[float, float] | None = None,
        classes: bool = True,
        depth: bool = True,
    ) -> Labels:
        """What the networks are sure of on a picture.

        Args:
            frame_bgr: (H, W, 3) uint8.
            focal_xy_px: Focal length of its camera along x and y, in pixels of the picture, where known.
            classes: Whether masks and objects are wanted.
            depth: Whether depth is.
        """
        said = sure = found = metres = None
        outputs: Mapping[str, np.ndarray] | None = None
        if self._semantic is not None and classes:
            outputs = self._semantic.infer(self._semantic.prepare(frame_bgr))
            said = self._semantic.decode(outputs, frame_bgr.shape[:2], confidence=True)
            sure = self._sure(said)
        if self._depth is not None and depth:
            if (
                outputs is None
                or self._semantic is None
                or self._depth.backend is not self._semantic.backend
            ):
                outputs = self._depth.infer(self._depth.prepare(frame_bgr))
            metres = self._depth.decode(outputs, frame_bgr.shape[:2])
        if self._instances is not None and classes:
            found = self._instances(frame_bgr)
        if self._fusion is not None and sure is not None and found is not None:
            found = self._fusion(sure, found).objects
        labels = self._labels(said, sure, found)
        return labels if metres is None else self._with_depth(labels, metres, focal_xy_px)

    def _with_depth(
        self, labels: Labels, said: DepthResult, focal_xy_px: tuple[float, float] | None
    ) -> Labels:
        """The labels with the depth of the picture's camera. What is as far as the network can say may be
        farther, and is unknown."""
        assert self._depth is not None
        manifest = self._depth.manifest
        depth_m = said.depth_m
        if said.max_m is not None:
            depth_m = np.where(depth_m < said.max_m, depth_m, np.float32(0))
        reference = manifest.depth.focal_xy_px if manifest.depth is not None else None
        if reference is not None and focal_xy_px is not None:
            scale_xy = placement(manifest.input, said.size_hw).scale_xy
            axes = zip(focal_xy_px, scale_xy, reference, strict=True)
            ratio = math.sqrt(math.prod(own * scale / other for own, scale, other in axes))
            depth_m = depth_m * np.float32(ratio)
        if self.config.max_depth_m is not None:
            depth_m = np.where(depth_m <= self.config.max_depth_m, depth_m, np.float32(0))
        counts = Counter(said=int(said.known.sum()), kept=int(np.count_nonzero(depth_m)))
        return replace(labels, depth_m=depth_m, depth_pixels=counts)

    def _sure(self, said: SemanticResult) -> SemanticResult:
        """The class map, 255 where it is below the confidence."""
        assert said.confidence is not None
        ids = np.where(said.confidence >= self.config.confidence, said.ids, np.uint8(IGNORE_ID))
        return replace(said, ids=ids)

    def _labels(
        self,
        said: SemanticResult | None,
        sure: SemanticResult | None,
        found: InstanceResult | None,
    ) -> Labels:
        if sure is None or said is None:
            labels = Labels(semantic=None, instances=None)
        else:
            ids, all_ids = self._map.apply(sure.ids), self._map.apply(said.ids)
            labels = Labels(
                semantic=ids,
                instances=None,
                said=all_ids,
                pixels=self.counted(all_ids),
                sure_pixels=self.counted(ids),
            )
        if found is None:
            return labels
        size = found.size_hw
        semantic = None if labels.semantic is None else labels.semantic.copy()
        base = np.full(size, IGNORE_ID, np.uint8) if semantic is None else semantic
        instances = base.astype(np.uint16)
        numbers: Counter[int] = Counter()
        taken = np.zeros(size, bool)
        for class_id, score, mask, called in zip(
            self._map.table[found.class_ids].tolist(),
            found.scores,
            found.masks,
            found.names,
            strict=True,
        ):
            if mask.area < self.config.min_area:
                continue
            if class_id not in self._countable:
                labels.lost_objects[called] += 1
                continue
            name = self._names[class_id]
            labels.objects[name] += 1
            value = class_id
            if score >= self.config.confidence and numbers[class_id] < MAX_INDEX:
                labels.sure_objects[name] += 1
                numbers[class_id] += 1
                value = class_id * PER_CLASS + numbers[class_id]
                if value > _MOST:
                    raise LabelError(
                        f"{self.space.name}: objects of {name} (id {class_id}) do not fit 16 bits",
                        fix="choose a label space with fewer classes: --space",
                    )
            free = mask.inside & ~taken[mask.window]  # the better one has it
            taken[mask.window] |= free
            instances[mask.window][free] = value
            if semantic is not None:
                semantic[mask.window][free] = class_id if value != class_id else IGNORE_ID
        return replace(labels, semantic=semantic, instances=instances)

    def counted(self, ids: np.ndarray) -> Counter[str]:
        """Pixels by class, of any ids of the label space."""
        counts = np.bincount(ids.ravel(), minlength=256)
        return Counter({name: int(counts[i]) for i, name in self._names.items() if counts[i]})


def _require_confidence(semantic: SemanticPredictor) -> None:
    outputs = semantic.manifest
    if outputs.output("confidence") is None and outputs.output("logits") is None:
        raise ModelFileError(
            f"{semantic.title} gives a class for every pixel and not how sure it is of it",
            fix="export it with --outputs confidence, or name the run folder",
        )
