"""Labels that networks write: what they are sure of becomes a prepared folder, the rest stays open.

`write_pseudolabels` takes pictures through a semantic network, one that finds objects, one that tells
depth, or several, and keeps what is above a confidence. What samples are labelled with already may be
kept, so that a picture with depth gets classes and one with some of the classes the others. The folder
is read as any other: by training, by `curbside doctor`, and by `curbside annotations`, which writes it
as CVAT XML to be corrected, or as COCO.
"""

from .config import PseudoLabelConfig
from .labeller import Labeller, Labels
from .report import Acceptance, write_report
from .writing import Picture, write_pseudolabels

__all__ = [
    "Acceptance",
    "Labeller",
    "Labels",
    "Picture",
    "PseudoLabelConfig",
    "write_pseudolabels",
    "write_report",
]
