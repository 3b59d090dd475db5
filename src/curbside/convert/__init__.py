"""Annotated data, as downloaded, into the prepared folder: `convert(Idd(root=...), out)`.

`inward/` holds one file per source (`idd.py`, `camvid.py`, ...), `outward/` one per format of other
tools; both are found by listing the folder. `engine.py` runs any source in parallel and resumes it.
What several sources share stands here: polygon files (`polygons.py`, `polygon_frame.py`), mask files
(`pairs.py`, `id_masks.py`), CVAT files (`cvat_xml.py`, `cvat_items.py`), stereo depth (`stereo.py`).
`official.py` writes IDD under the official tools' names, `pipeline.py` nothing but that.
"""

from __future__ import annotations

from ..discovery import classes_in
from .engine import Conversion, Problem, convert
from .inward import Acdc, Bdd100k, Camvid, Cityscapes, Cvat, Idd, IddLite, Sidewalk
from .pipeline import PipelineResult, run_pipeline
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
    return dict(classes_in(f"{__name__}.inward", Source))  # type: ignore[type-abstract]
