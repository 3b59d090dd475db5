"""Does a model file answer as the checkpoint does? Asked of the runtime itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ..deploy import relative_difference, with_logits
from ..errors import ModelFileError
from ..imaging import resize_frame
from ..manifest import Answer
from ..models import ModelOutput, SegmentationModel, best_class, normalize, two_sided, upsample
from ..progress import track
from ..runtime import (
    DepthPredictor,
    JointPredictor,
    SemanticPredictor,
    load_predictor,
    load_semantic_predictor,
)

__all__ = [
    "LEAST_AGREEMENT",
    "MOST_DEPTH_DIFFERENCE",
    "Verification",
    "generated_pictures",
    "verify",
]

LEAST_AGREEMENT = 0.999
"""Share of pixels that must have the checkpoint's class; float rounding moves a few at borders."""
MOST_DEPTH_DIFFERENCE = 1e-3
"""Mean relative difference from the checkpoint's depth; float rounding comes to a thousandth of it."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How a model file compares with the checkpoint it came from; None for what it does not give."""

    pictures: int
    """How many were compared."""
    agreement: float | None
    """Share of pixels with the same class, 0..1."""
    logit_difference: float | None
    """Largest difference of a score."""
    logit_range: float | None
    """Largest score of the checkpoint, in size, to compare that with."""
    confidence_difference: float | None
    """Largest difference of the confidence."""
    depth_difference_m: float | None = None
    """Largest difference of a depth, in metres."""
    depth_relative_difference: float | None = None
    """Mean difference of a depth, as a share of the checkpoint's."""

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return asdict(self)


def generated_pictures(
    size_hw: tuple[int, int], *, count: int = 4, seed: int = 0
) -> list[np.ndarray]:
    """Random pictures of coarse and fine structure, (H, W, 3) uint8 BGR; the same for one seed."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        picture = np.zeros((*size_hw, 3), np.float32)
        for cells, strength in ((3, 90.0), (12, 50.0), (48, 25.0)):
            noise = rng.uniform(-strength, strength, (cells, cells, 3)).astype(np.float32)
            picture += cv2.resize(noise, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
        pictures.append(np.clip(picture + 127.5, 0, 255).astype(np.uint8))
    return pictures


def verify(path: Path, model: SegmentationModel, pictures: Sequence[np.ndarray]) -> Verification:
    """Compare a model file, run by the runtime, with the network that it was made from.

    Classes and depth come from the file as it is. The scores, which most files keep to themselves,
    come from a copy whose only difference is that they are an output too.

    Args:
        path: The file, written by `export_onnx`.
        model: The network on the CPU, in evaluation mode; its scores are divided by the
            temperature that the file says is folded into it.
        pictures: (H, W, 3) uint8 BGR each, of any size, at least one.

    Raises:
        ModelFileError: The file cannot be run, or the network's scores or depth are not finite
            numbers.
    """
    with (
        tempfile.TemporaryDirectory(prefix="curbside-") as folder,
        ExitStack() as stack,
        load_predictor(path) as predictor,
    ):
        manifest, parts = predictor.manifest, list[_Classes | _Depth]()
        if "semantic" in manifest.answers:
            semantic = predictor.semantic if isinstance(predictor, JointPredictor) else predictor
            assert isinstance(semantic, SemanticPredictor)
            has_logits = manifest.output("logits") is not None
            copy = path if has_logits else with_logits(path, Path(folder) / "logits.onnx")
            assert copy is not None
            parts.append(_Classes(semantic, stack.enter_context(load_semantic_predictor(copy))))
        if "depth" in manifest.answers:
            depth = predictor.depth if isinstance(predictor, JointPredictor) else predictor
            assert isinstance(depth, DepthPredictor)
            parts.append(_Depth(depth))
        for picture in track(pictures, total=len(pictures), description="verifying"):
            frame = resize_frame(picture, manifest.input.size_hw)
            expected = _expected(model, frame, manifest.answers)
            given = predictor.infer(predictor.prepare(frame))
            for part in parts:
                part.compare(frame, expected, given)
        facts: dict[str, Any] = {}
        for part in parts:
            facts |= part.facts()
    none = ("agreement", "logit_difference", "logit_range", "confidence_difference")
    return Verification(pictures=len(pictures), **{**dict.fromkeys(none), **facts})


class _Classes:
    """The classes of a file against those of the network, picture by picture."""

    def __init__(self, predictor: SemanticPredictor, witness: SemanticPredictor) -> None:
        self._predictor, self._witness = predictor, witness
        self._same = self._pixels = 0
        self._logits = self._range = self._confidence = 0.0

    def compare(
        self, frame: np.ndarray, expected: ModelOutput, given: Mapping[str, np.ndarray]
    ) -> None:
        manifest = self._predictor.manifest
        wanted = expected.logits / manifest.temperature
        found = self._predictor.decode(given, (frame.shape[0], frame.shape[1]))
        scores = upsample(wanted, found.size_hw)
        ids = best_class(scores, least=manifest.least_score)
        self._same += int((found.ids == ids[0].numpy()).sum())
        self._pixels += found.ids.size
        logits = self._witness.infer(self._witness.prepare(frame))["logits"]
        self._logits = max(self._logits, float(np.abs(logits - wanted.numpy()).max()))
        self._range = max(self._range, float(wanted.abs().max()))
        if found.confidence is not None:
            every = two_sided(scores).softmax(dim=1)
            shown = every.gather(1, ids[:, None].long())[0, 0].numpy()
            apart = float(np.abs(found.confidence - shown).max())
            self._confidence = max(self._confidence, apart)

    def facts(self) -> dict[str, float | None]:
        has_confidence = self._predictor.manifest.output("confidence") is not None
        return {
            "agreement": self._same / self._pixels,
            "logit_difference": self._logits,
            "logit_range": self._range,
            "confidence_difference": self._confidence if has_confidence else None,
        }


class _Depth:
    """The depth of a file against that of the network, picture by picture."""

    def __init__(self, predictor: DepthPredictor) -> None:
        self._predictor = predictor
        self._largest, self._shares = 0.0, list[float]()

    def compare(
        self, frame: np.ndarray, expected: ModelOutput, given: Mapping[str, np.ndarray]
    ) -> None:
        assert expected.depth is not None  # the file could not be made without
        spec = self._predictor.manifest.output("depth")
        assert spec is not None
        size_hw = (frame.shape[0], frame.shape[1])
        wanted = self._predictor.decode({spec.name: expected.depth.numpy()}, size_hw).depth_m
        found = self._predictor.decode(given, size_hw).depth_m
        self._largest = max(self._largest, float(np.abs(found - wanted).max()))
        self._shares.append(relative_difference(wanted, found))

    def facts(self) -> dict[str, float | None]:
        return {
            "depth_difference_m": self._largest,
            "depth_relative_difference": float(np.mean(self._shares)),
        }


def _expected(
    model: SegmentationModel, frame_bgr: np.ndarray, answers: Sequence[Answer]
) -> ModelOutput:
    """What the network itself gives for a frame of its input's size."""
    frame_rgb = torch.from_numpy(np.ascontiguousarray(frame_bgr[..., ::-1]))
    image = normalize(frame_rgb.permute(2, 0, 1)[None], model.normalization)  # (1, 3, H, W)
    with torch.no_grad():
        found = model(image)
    said = {"semantic": ("scores", found.logits), "depth": ("depths", found.depth)}
    for what, tensor in (said[answer] for answer in answers):
        if tensor is not None and not bool(tensor.isfinite().all()):
            raise ModelFileError(
                f"the network's {what} are not finite numbers: its training diverged",
                fix="train again with a lower learning rate, or choose an earlier checkpoint",
            )
    return found
