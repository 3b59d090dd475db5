"""Annotated data, as downloaded, into the prepared folder: `convert(Idd(root=...), out)`.

One file per source (`idd.py`, `camvid.py`, ...), found by listing this folder; `engine.py` runs any
of them in parallel and resumes it. What several sources share stands beside them: polygon files
(`polygons.py`, `polygon_frame.py`), mask files (`pairs.py`, `id_masks.py`), CVAT files
(`cvat_xml.py`, `cvat_items.py`).
`official.py` writes IDD under the official tools' names, `outward/` writes other tools' formats.
"""

from __future__ import annotations

from ..discovery import classes_in
from .acdc import Acdc
from .bdd100k import Bdd100k
from .camvid import Camvid
from .cityscapes import Cityscapes
from .cvat import Cvat
from .engine import Conversion, Problem, convert
from .idd import Idd
from .idd_lite import IddLite
from .official import PipelineResult, run_pipeline
from .sidewalk import Sidewalk
from .source import Item, Source

__all__ = [
    "Acdc",
    "Bdd100k",
    "Camvid",
    "Cityscapes",
    "Conversion",
    "Cvat",
    "Idd",
    "IddLite",
    "Item",
    "PipelineResult",
    "Problem",
    "Sidewalk",
    "Source",
    "convert",
    "run_pipeline",
    "sources",
]


def sources() -> dict[str, type[Source]]:
    """Every source by its name on the command line, which is the name of its file."""
    return dict(classes_in(__name__, Source))  # type: ignore[type-abstract]
