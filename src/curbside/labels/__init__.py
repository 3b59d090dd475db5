"""What a pixel value means.

A `LabelSpace` is a validated list of classes; `load_space(name)` reads one of the tables that ship
(`space_names()`). `idd_labels()` is the table behind every IDD encoding, `cityscapes_labels()` that
behind Cityscapes' two, `camvid_labels()` says what CamVid's colours are. 255 means "ignore"
everywhere in curbside and is written here alone. `mapping` says what the classes of one space are in
another, `common` at which classes two can be compared, `counterparts` which of them may mean one
object, `covered` of which one tells all; see `taxonomy.py`.
"""

from .camvid import CamvidLabel, camvid_labels
from .cityscapes import CITYSCAPES_ENCODINGS, cityscapes_encoding, cityscapes_labels
from .common_space import CommonSpace, common
from .encoded import EncodedLabel
from .idd import IDD_ENCODINGS, idd_labels, space_of_encoding
from .object_classes import (
    IDD5,
    ObjectClass,
    default_object_classes,
    object_classes,
    object_space,
)
from .space import IGNORE_ID, NO_CLASSES, PER_CLASS, LabelClass, LabelSpace
from .tables import load_space, space_names
from .taxonomy import ClassMap, LabelMap, counterparts, covered, mapping

__all__ = [
    "CITYSCAPES_ENCODINGS",
    "IDD5",
    "IDD_ENCODINGS",
    "IGNORE_ID",
    "NO_CLASSES",
    "PER_CLASS",
    "CamvidLabel",
    "ClassMap",
    "CommonSpace",
    "EncodedLabel",
    "LabelClass",
    "LabelMap",
    "LabelSpace",
    "ObjectClass",
    "camvid_labels",
    "cityscapes_encoding",
    "cityscapes_labels",
    "common",
    "counterparts",
    "covered",
    "default_object_classes",
    "idd_labels",
    "load_space",
    "mapping",
    "object_classes",
    "object_space",
    "space_names",
    "space_of_encoding",
]
