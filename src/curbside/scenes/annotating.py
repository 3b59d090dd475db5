"""Scenes on which a part alone is annotated, as in data that several crews made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..labels import IGNORE_ID, LabelSpace
from ..prepared import SampleData
from .config import Annotation

__all__ = ["annotated_part"]


def annotated_part(data: SampleData, annotation: Annotation, space: LabelSpace) -> SampleData:
    """A sample with a part of its annotation; what is not annotated stands in the picture all the same.

    Args:
        data: The sample with everything.
        annotation: `semantic` keeps mask and instances, `stuff` and `things` a mask of the classes of
            the kind (with the instances of things), all else 255, and `depth` the depth.
        space: What the ids of its mask mean.
    """
    data = replace(data, tags={**data.tags, "kind": annotation})
    if annotation == "depth":
        return replace(data, semantic=None, instances=None, annotated=())
    data = replace(data, depth_m=None)
    if annotation == "semantic" or data.semantic is None:
        return data
    classes = [item for item in space.classes if item.has_instances == (annotation == "things")]
    left_out = ~np.isin(data.semantic, [item.id for item in classes])
    instances = data.instances
    if instances is not None:
        instances = np.where(left_out, np.uint16(IGNORE_ID), instances)
    return replace(
        data,
        semantic=np.where(left_out, np.uint8(IGNORE_ID), data.semantic),
        instances=instances if annotation == "things" else None,
        annotated=tuple(item.name for item in classes),
    )
