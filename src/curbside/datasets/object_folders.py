"""Prepared folders whose objects become those of one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError, LabelError
from ..labels import LabelSpace, default_object_classes, object_classes, object_space
from ..metrics import TrueObjects
from ..prepared import PreparedFolder, Sample, find_objects, lacks_objects

__all__ = ["ObjectFolders", "channels_of", "open_object_folders", "true_objects"]


def channels_of(classes: tuple[str, ...], space: LabelSpace) -> dict[str, int]:
    """The channel of every class of a label space that is looked for, by its name.

    Raises:
        ConfigError, LabelError: As `object_classes`.
    """
    groups = object_classes(classes, space)
    return {name: number for number, group in enumerate(groups) for name in group.members}


@dataclass(frozen=True, kw_only=True)
class ObjectFolders:
    """Prepared folders and the classes that are looked for in them."""

    space: LabelSpace
    """What is found: a class per channel."""
    classes: tuple[str, ...]
    """How `object_classes` is asked for them."""
    folders: tuple[PreparedFolder, ...]
    """The folders."""

    def samples(self, split: str) -> list[Sample]:
        """The samples of a split whose objects of all these classes are known, folder after folder.

        Raises:
            DataError: There is none.
        """
        found = [sample for folder in self.folders for sample in self._of(folder, split)]
        if not found:
            where = ", ".join(str(folder.root) for folder in self.folders)
            raise DataError(
                f"split {split!r} of {where} has no sample whose objects are known",
                fix="convert data with instances, such as IDD, Cityscapes or drawn scenes",
            )
        return found

    def _of(self, folder: PreparedFolder, split: str) -> list[Sample]:
        names = channels_of(self.classes, folder.space)
        try:
            known = folder.samples(split, target="instances")
        except DataError:
            return []
        return [sample for sample in known if lacks_objects(sample, names) is None]

    def describe(self, train_split: str, val_split: str) -> dict[str, Any]:
        """What `config.json` says of the data, as JSON values."""
        about = [
            {
                "root": str(folder.root),
                "source": folder.info.get("source"),
                "label_space": folder.space.name,
                "quarantined": folder.quarantined,
                "train": len(self._of(folder, train_split)),
                "val": len(self._of(folder, val_split)),
            }
            for folder in self.folders
        ]
        return {
            "source": ", ".join(str(folder["source"]) for folder in about),
            "root": ", ".join(str(folder["root"]) for folder in about),
            "train": sum(int(folder["train"] or 0) for folder in about),
            "val": sum(int(folder["val"] or 0) for folder in about),
            "classes": list(self.classes),
            "folders": about,
        }


def open_object_folders(roots: Sequence[Path], classes: tuple[str, ...] = ()) -> ObjectFolders:
    """Open prepared folders for a network that finds objects.

    Args:
        roots: The folders, at least one.
        classes: See `object_classes`; where not given, idd5 if all are of IDD, else space.

    Raises:
        ConfigError: A folder is named twice, or the classes are not written as they must be.
        DataError: A folder is missing or not readable.
        LabelError: A folder does not have the classes, or means others by them.
    """
    if len({Path(root).resolve() for root in roots}) < len(roots):
        raise ConfigError(
            f"a folder stands twice in {', '.join(map(str, roots))}", fix="name each once"
        )
    folders = tuple(PreparedFolder(root) for root in roots)
    if not classes:
        own = {default_object_classes(folder.space) for folder in folders}
        classes = own.pop() if len(own) == 1 else ("space",)
    spaces = [object_space(classes, folder.space) for folder in folders]
    for folder, space in zip(folders, spaces, strict=True):
        if (space.names, space.ids) != (spaces[0].names, spaces[0].ids):
            raise LabelError(
                f"{folder.root} ({folder.space.name}) and {folders[0].root}"
                f" ({folders[0].space.name}) have other objects",
                fix="name the classes that both have: --data.classes NAME=CLASS,CLASS ...",
            )
    return ObjectFolders(space=spaces[0], classes=classes, folders=folders)


def true_objects(sample: Sample, classes: tuple[str, ...], space: LabelSpace) -> TrueObjects:
    """The objects of a sample as scores take them.

    Args:
        sample: The sample, with instances.
        classes: What is looked for; see `object_classes`.
        space: The label space of what is found, a class per channel.

    Raises:
        DataError: The file of its instances is missing or damaged.
    """
    instances = sample.read_instances()
    channels = channels_of(classes, sample.space)
    found = [item for item in find_objects(sample, instances) if item.label.name in channels]
    return TrueObjects(
        instances=instances,
        values=np.array([item.value for item in found], np.int64),
        class_ids=np.array([space.ids[channels[item.label.name]] for item in found], np.int64),
        crowd=np.array([item.group for item in found], bool),
        boxes_xywh=np.array([item.box_xywh for item in found], np.int64).reshape(-1, 4),
        areas=np.array([item.area for item in found], np.int64),
    )
