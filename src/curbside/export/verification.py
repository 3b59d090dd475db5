"""Does a model file answer as the checkpoint does? Asked of the runtime itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..deploy import with_logits
from ..errors import ModelFileError
from ..imaging import resize_frame
from ..models import SegmentationModel, best_class, normalize, two_sided, upsample
from ..progress import track
from ..runtime import load_semantic_predictor

__all__ = ["LEAST_AGREEMENT", "Verification", "generated_pictures", "verify"]

LEAST_AGREEMENT = 0.999
"""Share of pixels that must have the checkpoint's class; float rounding moves a few at borders."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How a model file compares with the checkpoint it came from."""

    pictures: int
    """How many were compared."""
    agreement: float
    """Share of pixels with the same class, 0..1."""
    logit_difference: float
    """Largest difference of a score."""
    logit_range: float
    """Largest score of the checkpoint, in size, to compare that with."""
    confidence_difference: float | None
    """Largest difference of the confidence, where the file gives it."""

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

    The classes come from the file as it is. The scores, which most files keep to themselves, come
    from a copy whose only difference is that they are an output too.

    Args:
        path: The file, written by `export_onnx`.
        model: The network on the CPU, in evaluation mode; its scores are divided by the
            temperature that the file says is folded into it.
        pictures: (H, W, 3) uint8 BGR each, of any size, at least one.

    Raises:
        ModelFileError: The file cannot be run, or the network's scores are not finite numbers.
    """
    same = pixels = 0
    logit_difference = logit_range = confidence_difference = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="curbside-") as folder,
        load_semantic_predictor(path) as predictor,
    ):
        has_logits = predictor.manifest.output("logits") is not None
        copy = path if has_logits else with_logits(path, Path(folder) / "logits.onnx")
        assert copy is not None
        with load_semantic_predictor(copy) as witness:
            for picture in track(pictures, total=len(pictures), description="verifying"):
                frame = resize_frame(picture, predictor.manifest.input.size_hw)
                expected = _expected(model, frame) / predictor.manifest.temperature
                given = predictor(frame)
                scores = upsample(expected, given.size_hw)
                ids = best_class(scores, least=predictor.manifest.least_score)
                same += int((given.ids == ids[0].numpy()).sum())
                pixels += given.ids.size
                logits = witness.infer(witness.prepare(frame))["logits"]
                logit_difference = max(
                    logit_difference, float(np.abs(logits - expected.numpy()).max())
                )
                logit_range = max(logit_range, float(expected.abs().max()))
                if given.confidence is not None:
                    every = two_sided(scores).softmax(dim=1)
                    shown = every.gather(1, ids[:, None].long())[0, 0].numpy()
                    confidence_difference = max(
                        confidence_difference, float(np.abs(given.confidence - shown).max())
                    )
        has_confidence = predictor.manifest.output("confidence") is not None
    return Verification(
        pictures=len(pictures),
        agreement=same / pixels,
        logit_difference=logit_difference,
        logit_range=logit_range,
        confidence_difference=confidence_difference if has_confidence else None,
    )


def _expected(model: SegmentationModel, frame_bgr: np.ndarray) -> Tensor:
    """The network's own scores of a frame at its input size: (1, C, h, w)."""
    frame_rgb = torch.from_numpy(np.ascontiguousarray(frame_bgr[..., ::-1]))
    image = normalize(frame_rgb.permute(2, 0, 1)[None], model.normalization)  # (1, 3, H, W)
    with torch.no_grad():
        logits = model(image).logits
    if not bool(logits.isfinite().all()):
        raise ModelFileError(
            "the network's scores are not finite numbers: its training diverged",
            fix="train again with a lower learning rate, or choose an earlier checkpoint",
        )
    return logits
