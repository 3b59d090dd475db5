"""CVAT 1.1 "for images" XML with the class names of a label space: corrected by people, or all theirs.

::

    <root>/<split>.xml                      any number of files, anywhere under the root
    <root>/images/<split>/<id>.jpg          their pictures, anywhere too

That is how `curbside annotations cvat` writes pseudo-labels to be corrected; what CVAT gives back may
replace its XML files or lie in a folder with them. An image belongs to the subset that CVAT says,
else to the split that its file or the folder of the file is called after (`val.xml`,
`val/annotations.xml`), else to train. Pictures are found by their names alone, the nearest folder
first.

Shapes lie over each other by their z-order. Polygons with one `group_id` are one object; those with
the attribute "crowd" are several, which are not told apart. The label "ignore", a label that the
label space does not have, and whatever no shape covers, become 255. The labels that a file offers
are what was annotated on its pictures.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from ...errors import ConfigError, DataError
from ...labels import LabelSpace, load_space, space_names
from ...prepared import SPLITS, PreparedFolder
from ..cvat_items import CvatItem, cvat_items
from ..cvat_xml import CvatFile, CvatPlace
from ..roots import require_root
from ..source import Item, Source
from ..tree import FileTree

__all__ = ["Cvat", "CvatImageItem"]

_LAYOUT = "give the folder that holds CVAT 1.1 XML files and their pictures, unpacked"
_SUBSETS = {name: name for name in SPLITS} | {"validation": "val"}


@dataclass(frozen=True, kw_only=True)
class Cvat(Source):
    """CVAT XML with a label space's class names: corrected pseudo-labels, or annotations of one's own."""

    labels: str = ""
    """What the labels are: the name of a label space, or a prepared folder that has it."""

    @cached_property
    def _space(self) -> LabelSpace:
        if not self.labels:
            raise ConfigError(
                "CVAT's files do not say what their labels are",
                fix="add --labels with a label space (`curbside labels` lists them) or with the "
                "prepared folder that the annotations were written from",
            )
        if self.labels not in space_names() and Path(self.labels).is_dir():
            return PreparedFolder(Path(self.labels)).space
        return load_space(self.labels)

    @property
    def space(self) -> LabelSpace:
        """That of `labels`.

        Raises:
            ConfigError: None was given.
            LabelError: There is no such label space.
            DataError: The folder is no prepared one.
        """
        return self._space

    def plan(self) -> list[Item]:
        """One item per annotated image.

        Annotation files are walked for the names of their images; one that cannot be is one item,
        which will fail with the reason. XML that is not CVAT's is left alone.

        Raises:
            ConfigError: No label space was given.
            DataError: The root is missing or holds no annotations.
        """
        require_root(self.root, layout=_LAYOUT)
        tree = FileTree(self.root)
        items = list(
            cvat_items(
                tree,
                partial(CvatImageItem, labels=self.space),
                taken=defaultdict(set),
                annotated=self._annotated_classes,
                split=self._split_of,
            )
        )
        if not items:
            raise DataError(
                f"{self.root} holds no CVAT annotations{tree.not_entered()}", fix=_LAYOUT
            )
        return sorted(items, key=lambda item: SPLITS.index(item.split))

    def _split_of(self, path: Path, place: CvatPlace) -> str:
        folder = path.parent.name if path.parent != self.root else ""
        words = (place.subset, path.stem, folder)
        return next((_SUBSETS[word.lower()] for word in words if word.lower() in _SUBSETS), "train")

    def _annotated_classes(self, path: Path, file: CvatFile) -> tuple[str, ...] | None:
        """What the annotators could choose; all where the file does not say."""
        names = self.space.names
        chosen = {*file.labels, *file.used}
        annotated = tuple(name for name in names if name in chosen)
        if chosen and not annotated:
            raise DataError(
                f"{path} knows no label of {self.space.name}",
                fix="give the right --labels, or keep CVAT files of other data out of the folder",
            )
        return None if not file.labels or annotated == names else annotated


@dataclass(frozen=True, kw_only=True)
class CvatImageItem(CvatItem):
    """One image, annotated with the classes of a label space."""

    labels: LabelSpace
    """The label space."""

    @property
    def space(self) -> LabelSpace:
        """The label space."""
        return self.labels
