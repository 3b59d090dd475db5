"""From the results of networks to masks and instance maps, in the label space that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import ConfigError, LabelError, ModelFileError
from ..labels import IGNORE_ID, PER_CLASS, LabelSpace, covered, mapping
from ..prepared import MAX_INDEX
from ..results import InstanceResult, SemanticResult
from ..runtime import FusionConfig, InstanceConfig, InstancePredictor, SemanticPredictor
from ..runtime.fusion import Fusion
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


class Labeller:
    """Networks that label pictures.

    With both kinds of network, objects are fused with the class map by the rules of
    `curbside.runtime.fusion`; pixels that the map is not sure of do not speak against an object.

    Args:
        semantic: Gives classes with their probabilities.
        instances: Gives objects.
        config: What they must be sure of.
        space: The label space of the labels, reached by the taxonomy; the semantic network's, or the
            other one's, where None.

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
        config: PseudoLabelConfig | None = None,
        space: LabelSpace | None = None,
    ) -> None:
        if semantic is None and instances is None:
            raise ConfigError("no network labels nothing", fix="name a run or a model file")
        self.config = config or PseudoLabelConfig()
        self._semantic = semantic
        self._instances = instances and InstancePredictor(
            instances.backend, InstanceConfig(confidence=self.config.doubt)
        )
        first = semantic or instances
        assert first is not None
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
        self._map = mapping(first.space, space or first.space)
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
        if len(self._map.unfed) == self.space.num_classes:
            raise LabelError(
                f"{self.space.name} has no class of {first.space.name}",
                fix="see what becomes of which class with: curbside labels",
            )

    @property
    def title(self) -> str:
        """The networks in words."""
        return " + ".join(p.title for p in (self._semantic, self._instances) if p is not None)

    @property
    def temperature(self) -> float | None:
        """What the semantic network's scores are divided by; None where it was never fitted."""
        scaling = self._semantic and self._semantic.manifest.temperature_scaling
        return scaling.temperature if scaling else None

    @property
    def sources(self) -> dict[str, Mapping[str, object]]:
        """Where the networks come from, by what they give, for the record."""
        both = {"semantic": self._semantic, "instances": self._instances}
        return {name: dict(p.manifest.source) for name, p in both.items() if p is not None}

    @property
    def annotated(self) -> tuple[str, ...] | None:
        """The classes that can be found; None where those are all of the label space. Without a class
        map those are the countable ones of which the network tells all: what is around the objects is
        then none of them."""
        names = self.space.names
        if self._semantic is None:
            told = covered(self._map.source, self.space)
            countable = {self._names[number] for number in self._countable}
            return tuple(name for name in names if name in told and name in countable)
        unfed = self._map.unfed
        return tuple(name for name in names if name not in unfed) if unfed else None

    def __call__(self, frame_bgr: np.ndarray) -> Labels:
        """What the networks are sure of on a picture.

        Args:
            frame_bgr: (H, W, 3) uint8.
        """
        said = sure = found = None
        if self._semantic is not None:
            said = self._semantic(frame_bgr, confidence=True)
            sure = self._sure(said)
        if self._instances is not None:
            found = self._instances(frame_bgr)
        if self._fusion is not None and sure is not None and found is not None:
            found = self._fusion(sure, found).objects
        return self._labels(said, sure, found)

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
            ids = self._map.apply(sure.ids)
            labels = Labels(
                semantic=ids,
                instances=None,
                pixels=self._counted(self._map.apply(said.ids)),
                sure_pixels=self._counted(ids),
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

    def _counted(self, ids: np.ndarray) -> Counter[str]:
        counts = np.bincount(ids.ravel(), minlength=256)
        return Counter({name: int(counts[i]) for i, name in self._names.items() if counts[i]})


def _require_confidence(semantic: SemanticPredictor) -> None:
    outputs = semantic.manifest
    if outputs.output("confidence") is None and outputs.output("logits") is None:
        raise ModelFileError(
            f"{semantic.title} gives a class for every pixel and not how sure it is of it",
            fix="export it with --outputs confidence, or name the run folder",
        )
