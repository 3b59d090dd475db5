"""What a pixel value means.

A `LabelSpace` is a validated list of classes; `load_space(name)` reads one of the tables that ship
(`space_names()`), `idd_labels()` is the table behind every IDD encoding. 255 means "ignore"
everywhere in curbside and is written here alone.
"""

from .idd import IDD_ENCODINGS, IddLabel, idd_labels, space_of_encoding
from .space import IGNORE_ID, LabelClass, LabelSpace
from .tables import load_space, space_names

__all__ = [
    "IDD_ENCODINGS",
    "IGNORE_ID",
    "IddLabel",
    "LabelClass",
    "LabelSpace",
    "idd_labels",
    "load_space",
    "space_names",
    "space_of_encoding",
]
