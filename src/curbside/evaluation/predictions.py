"""What a model predicted, kept as a prepared folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..errors import LabelError
from ..labels import PER_CLASS, LabelSpace
from ..prepared import PreparedWriter, Sample, SampleData, write_sample

__all__ = ["Predictions"]


class Predictions:
    """A prepared folder of predictions: their class maps as masks, their objects as instance maps, their
    depth as depth.

    The doctor and `curbside annotations` read it as they read labels, so that a fused result becomes
    COCO panoptic for other tools.

    Args:
        out: The folder to make.
        space: What the ids of the results mean.
        options: What decides them: networks, rules, data.

    Raises:
        ConfigError: The folder holds something else, or predictions of something else.
    """

    def __init__(self, out: Path, *, space: LabelSpace, options: Mapping[str, Any]) -> None:
        self._writer = PreparedWriter(out, space=space, source="predictions", options=options)

    def add(
        self,
        sample: Sample,
        ids: np.ndarray | None = None,
        segments: np.ndarray | None = None,
        depth_m: np.ndarray | None = None,
    ) -> None:
        """Keep what was predicted for a sample; a second time changes nothing.

        Args:
            sample: What was predicted.
            ids: The class map, (H, W) uint8.
            segments: The segments, (H, W) int32, as `PanopticResult.segment_map` gives them.
            depth_m: The depth, (H, W) float32 metres, 0 = unknown.

        Raises:
            LabelError: An object's class does not fit an instance map.
            StorageError: The place cannot be written.
        """
        if self._writer.done(sample.record.split, sample.id):
            return
        data = SampleData(
            id=sample.id,
            split=sample.record.split,
            image=sample.image_path,
            semantic=ids,
            instances=None if segments is None else self._fitting(segments),
            depth_m=depth_m,
            tags=sample.record.tags,
            focal_xy_px=sample.record.focal_xy_px,
        )
        self._writer.add(write_sample(self._writer.root, data, self._writer.space))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.finish()

    def _fitting(self, segments: np.ndarray) -> np.ndarray:
        """The segments in 16 bits."""
        if segments.max() > np.iinfo(np.uint16).max:
            class_id = int(segments.max()) // PER_CLASS
            raise LabelError(
                f"objects of {self._writer.space.name_of(class_id)} (id {class_id}) do not fit an"
                f" instance map, which holds class * {PER_CLASS} + a number in 16 bits",
                fix="predict in a label space with fewer classes, or without --fusion.outside keep",
            )
        return segments.astype(np.uint16)
