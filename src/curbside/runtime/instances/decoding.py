"""From a network's outputs to single objects of the frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...imaging import Placement
from ...manifest import Manifest
from ...results import InstanceResult
from .config import InstanceConfig
from .maps import read_prototypes
from .masks import mix_masks
from .proposals import read_proposals
from .suppression import suppress

__all__ = ["decode_instances"]


def decode_instances(
    outputs: Mapping[str, np.ndarray],
    manifest: Manifest,
    place: Placement,
    config: InstanceConfig,
) -> InstanceResult:
    """The objects of a frame from the outputs that a Manifest describes, either form of YOLOv8-seg's.

    Scores are filtered first, so that boxes are computed for probable places alone; masks are mixed
    for what non-maximum suppression leaves, inside their boxes, at the frame's size. A place is no
    detection where its scores or its box are no finite numbers, or its box does not reach the frame.

    Args:
        outputs: Arrays by name, float; see `OutputSpec.meaning`.
        manifest: What the outputs mean.
        place: Where the frame stands on the network's input.
        config: Which proposals are shown.

    Raises:
        ModelFileError: An output is missing or of another shape than the Manifest promises.

    Source: Bolya et al. 2019, YOLACT (prototypes and coefficients); Ultralytics, YOLOv8.
    """
    prototypes = read_prototypes(outputs, manifest)
    found = read_proposals(
        outputs, manifest, coefficients=len(prototypes), confidence=config.confidence
    )
    boxes = place.to_frame(found.boxes_xyxy.reshape(-1, 2, 2))  # (N, 2 corners, 2)
    boxes = np.clip(boxes, 0, place.frame_hw[::-1]).reshape(-1, 4)
    seen = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(1))[: config.max_candidates]
    kept = suppress(
        found.boxes_xyxy[seen], found.classes[seen], iou=config.iou, most=config.max_detections
    )
    kept = seen[kept]
    ids = np.array(manifest.space.ids, np.uint8)
    return InstanceResult(
        boxes_xyxy=boxes[kept].astype(np.float32),
        scores=found.scores[kept],
        class_ids=ids[found.classes[kept]],
        masks=mix_masks(boxes[kept], found.coefficients[kept], prototypes, place),
        space=manifest.space,
        size_hw=place.frame_hw,
    )
