"""What a picture is labelled with already: it is kept, and networks label the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConfigError, DataError, LabelError
from ..labels import IGNORE_ID, PER_CLASS, LabelSpace
from ..prepared import Sample
from .labeller import Labeller, Labels

__all__ = ["Own", "Targets"]


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What a picture gets, as `SampleData` takes it."""

    semantic: np.ndarray | None
    """(H, W) uint8 class ids."""
    instances: np.ndarray | None
    """(H, W) uint16, class * 1000 + index."""
    depth_m: np.ndarray | None
    """(H, W) float32 metres."""
    confidence: np.ndarray | None
    """(H, W) uint8, how far its own depth is to be trusted."""
    annotated: tuple[str, ...] | None
    """Names of the classes that its labels tell; None where those are all."""
    pseudo: tuple[str, ...]
    """What of it networks made, in whole or in part."""
    by_people: tuple[str, ...] = ()
    """Names of the classes of its mask that people annotated, where networks told the others."""

    @classmethod
    def of(cls, labels: Labels, labeller: Labeller) -> Targets:
        """Those of a picture that has none of its own."""
        made = {"semantic": labels.semantic, "instances": labels.instances, "depth": labels.depth_m}
        return cls(
            semantic=labels.semantic,
            instances=labels.instances,
            depth_m=labels.depth_m,
            confidence=None,
            annotated=labeller.annotated,
            pseudo=tuple(name for name, pixels in made.items() if pixels is not None),
        )


@dataclass(frozen=True, kw_only=True)
class Own:
    """The targets that a sample has."""

    semantic: np.ndarray | None
    """(H, W) uint8 class ids."""
    instances: np.ndarray | None
    """(H, W) uint16, class * 1000 + index."""
    depth_m: np.ndarray | None
    """(H, W) float32 metres."""
    confidence: np.ndarray | None
    """(H, W) uint8."""
    annotated: tuple[str, ...] | None
    """Names of the classes that were annotated on it; None where those are all."""
    pseudo: tuple[str, ...] = ()
    """What of it networks made already."""
    by_people: tuple[str, ...] = ()
    """As of `Targets`."""

    @classmethod
    def of(cls, sample: Sample, space: LabelSpace) -> Own:
        """Read the targets of a sample.

        Args:
            sample: Of a prepared folder.
            space: The label space of the labels.

        Raises:
            ConfigError: Its masks are of another label space.
            DataError: A file is missing, damaged, or holds what it must not.
        """
        has = sample.record.targets
        if {"semantic", "instances"} & set(has) and sample.space != space:
            raise ConfigError(
                f"{sample.root} has masks in {sample.space.name}, and the labels are in {space.name}",
                fix=f"bring the labels to the masks with --space {sample.space.name}, or keep no targets",
            )
        try:
            semantic = sample.read_semantic() if "semantic" in has else None
        except LabelError as error:
            raise DataError(error.what, fix=error.fix) from error
        annotated = sample.record.annotated
        if annotated is None and semantic is None:
            # Objects alone: what is around them is none of the countable classes.
            annotated = tuple(item.name for item in space.classes if item.has_instances)
        return cls(
            semantic=semantic,
            instances=sample.read_instances() if "instances" in has else None,
            depth_m=sample.read_depth_m() if "depth" in has else None,
            confidence=sample.read_confidence() if "confidence" in has else None,
            annotated=annotated,
            pseudo=sample.record.pseudo,
            by_people=sample.record.by_people,
        )

    @property
    def ids(self) -> np.ndarray | None:
        """(H, W) uint8, the class of each of its pixels, 255 where it has no label; None without labels."""
        if self.semantic is not None:
            return self.semantic
        return None if self.instances is None else _classes(self.instances)

    def lacks_classes(self, labeller: Labeller) -> bool:
        """Whether networks have a mask or objects to add."""
        whole = self.semantic is not None and self.annotated is None
        return not whole or (labeller.finds_objects and self.instances is None)

    def with_rest(self, labels: Labels, labeller: Labeller) -> tuple[Targets, Labels]:
        """These targets, and what networks are sure of where they say nothing.

        A pixel with a label keeps it, but for `PseudoLabelConfig.hidden`. One without is none of the
        classes that were annotated, so that it becomes one of the others or nothing.

        Returns:
            The targets of the picture, and the labels with the counts of the rest alone.
        """
        if self.ids is None:
            found = Targets.of(labels, labeller)
        elif labels.semantic is None and labels.instances is None:
            found = Targets.of(labels, labeller)
            found = replace(
                found,
                semantic=self.semantic,
                instances=self.instances,
                annotated=self.annotated,
                pseudo=(*(name for name in self.pseudo if name != "depth"), *found.pseudo),
                by_people=self.by_people,
            )
        else:
            found, labels = self._filled(self.ids, labels, labeller)
        if self.depth_m is None:
            return found, labels
        pseudo = tuple(name for name in found.pseudo if name != "depth")
        pseudo += ("depth",) if "depth" in self.pseudo else ()
        kept = replace(found, depth_m=self.depth_m, confidence=self.confidence, pseudo=pseudo)
        return kept, replace(labels, depth_pixels=Counter())

    def _filled(
        self, own: np.ndarray, labels: Labels, labeller: Labeller
    ) -> tuple[Targets, Labels]:
        """The classes of the picture, where there are labels of its own and of networks."""
        space, objects = labeller.space, labels.instances
        mine = space.names if self.annotated is None else self.annotated
        new = _table(item.id for item in space.classes if item.name not in mine)
        things = _table(item.id for item in space.classes if item.has_instances)
        said = labels.semantic
        if said is None:
            assert objects is not None
            said = np.where(objects >= PER_CLASS, _classes(objects), np.uint8(IGNORE_ID))
        unlabelled = own == IGNORE_ID
        filled = unlabelled & new[said]
        ids = np.where(filled, said, own)
        if labeller.config.hidden == "things":
            hidden = ~unlabelled & ~things[own] & new[said] & things[said]
            ids[hidden] = IGNORE_ID
        told = labeller.space.names if labeller.annotated is None else labeller.annotated
        annotated = tuple(name for name in space.names if name in mine or name in told)
        semantic = None if self.semantic is None and labels.semantic is None else ids
        instances, taken = self._objects(own, ids, filled, said, objects, new & things)
        mixed = self.annotated is not None
        made = {
            "semantic": semantic is not None and (mixed or "semantic" in self.pseudo),
            "instances": instances is not None
            and (mixed or self.instances is None or "instances" in self.pseudo),
            "depth": labels.depth_m is not None,
        }
        by_people = tuple(name for name in space.names if name in mine)
        if ("instances" if self.semantic is None else "semantic") in self.pseudo:
            by_people = self.by_people  # the labels that it has are of networks themselves
        targets = Targets(
            semantic=semantic,
            instances=instances,
            depth_m=labels.depth_m,
            confidence=None,
            annotated=None if len(annotated) == len(space.names) else annotated,
            pseudo=tuple(name for name, by_network in made.items() if by_network),
            by_people=by_people if made["semantic"] else (),
        )
        asked = {name for name in space.names if self.instances is None or name not in mine}
        none: Counter[str] = Counter()
        counts = replace(
            labels,
            pixels=none if labels.said is None else labeller.counted(labels.said[unlabelled]),
            sure_pixels=none if labels.said is None else labeller.counted(ids[filled]),
            objects=Counter({n: count for n, count in labels.objects.items() if n in asked}),
            sure_objects=labeller.counted(_classes(taken)),
        )
        return targets, counts

    def _objects(
        self,
        own: np.ndarray,
        ids: np.ndarray,
        filled: np.ndarray,
        said: np.ndarray,
        objects: np.ndarray | None,
        new_things: np.ndarray,
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """The instance map that goes with a mask; and the numbers of the objects that networks found in
        it, (N,) uint16."""
        none = np.empty(0, np.uint16)
        if objects is None and self.instances is None:
            return None, none
        base = ids.astype(np.uint16)
        if self.instances is not None:
            base = np.where((own == IGNORE_ID) | (ids == IGNORE_ID), base, self.instances)
        if objects is None:
            return base, none
        classes = _classes(objects)
        found = filled & (classes == ids) & (objects >= PER_CLASS)
        if self.instances is None:
            found |= (own != IGNORE_ID) & (classes == ids) & (objects >= PER_CLASS)
        in_doubt = (own == IGNORE_ID) & (said == IGNORE_ID) & new_things[classes]
        instances = np.where(found | in_doubt, objects, base)
        return instances, np.unique(instances[found])


def _classes(instances: np.ndarray) -> np.ndarray:
    """The class of every pixel of an instance map, uint8."""
    return np.where(instances >= PER_CLASS, instances // PER_CLASS, instances).astype(np.uint8)


def _table(ids: Iterable[int]) -> np.ndarray:
    """Which values are among some ids, (256,) bool."""
    table = np.zeros(256, bool)
    table[list(ids)] = True
    return table
