"""What a model predicted, kept as a prepared folder."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import LabelError
from ..labels import PER_CLASS, LabelSpace
from ..prepared import PreparedWriter, Sample, SampleData, write_sample
from ..results import InstanceResult, PanopticResult, SemanticResult

__all__ = ["Predictions"]


class Predictions:
    """A prepared folder of predictions: their class maps as masks, their objects as instance maps.

    The doctor and `curbside annotations` read it as they read labels, so that a fused result becomes
    COCO panoptic for other tools.

    Args:
        out: The folder to make.
        space: What the ids of the results mean.
        model: The model in words.
        data: What was predicted, in words.

    Raises:
        ConfigError: The folder holds something else.
    """

    def __init__(self, out: Path, *, space: LabelSpace, model: str, data: str) -> None:
        options = {"model": model, "data": data}
        self._writer = PreparedWriter(out, space=space, source="predictions", options=options)

    def add(self, sample: Sample, result: SemanticResult | InstanceResult | PanopticResult) -> None:
        """Keep what was predicted for a sample; a second time changes nothing.

        Raises:
            LabelError: An object's class does not fit an instance map.
            StorageError: The place cannot be written.
        """
        if self._writer.done(sample.record.split, sample.id):
            return
        semantic = None if isinstance(result, InstanceResult) else result.ids
        objects = None if isinstance(result, SemanticResult) else self._objects(result)
        data = SampleData(
            id=sample.id,
            split=sample.record.split,
            image=sample.image_path,
            semantic=semantic,
            instances=objects,
            tags=sample.record.tags,
        )
        self._writer.add(write_sample(self._writer.root, data, self._writer.space))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.finish()

    def _objects(self, result: InstanceResult | PanopticResult) -> np.ndarray:
        found = result if isinstance(result, InstanceResult) else result.objects
        most = np.iinfo(np.uint16).max // PER_CLASS - 1
        for class_id, name in zip(found.class_ids.tolist(), found.names, strict=True):
            if not 0 < class_id <= most:
                raise LabelError(
                    f"objects of {name} (id {class_id}) do not fit an instance map, which holds"
                    f" class * 1000 + a number in 16 bits, for classes 1 to {most}",
                    fix="predict in another label space",
                )
        return result.segment_map().astype(np.uint16)  # at most 300 objects: the number fits
