"""A tiny prepared folder and a predictor that reads the truth from its pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from curbside.imaging import Normalization, write_png
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.results import SemanticResult

SPACE = LabelSpace(
    name="tiny",
    classes=(
        LabelClass(id=0, name="road", color=(128, 64, 128)),
        LabelClass(id=1, name="sky", color=(70, 130, 180)),
        LabelClass(id=2, name="car", color=(0, 0, 142)),
    ),
)


@dataclass
class Fake:
    """Predicts what `answer(truth)` says; it knows the truth from the picture's red channel."""

    manifest: Manifest
    answer: Callable[[np.ndarray], np.ndarray]
    precision: str = "fp32"
    sure: float = 0.8

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        ids = self.answer(np.rint(frame_bgr[..., 2] / 100).astype(np.uint8))
        rest = (1 - self.sure) / (len(SPACE.classes) - 1)
        classes = np.arange(len(SPACE.classes))[:, None, None]
        spread = np.where(classes == ids, self.sure, rest).astype(np.float32)
        confident = self.manifest.output("confidence") is not None
        return SemanticResult(
            ids=ids,
            space=self.manifest.space,
            confidence=np.full(ids.shape, self.sure, np.float32) if confident else None,
            probabilities=spread if probabilities else None,
        )


def manifest(*meanings: str, space: LabelSpace) -> Manifest:
    return Manifest(
        input=InputSpec(size_hw=(8, 16)),
        outputs=tuple(OutputSpec(name=meaning, meaning=meaning) for meaning in meanings),
        space=space,
        normalization=Normalization(),
        model="a fake <b>net</b>",
        source={"recipe": "by hand"},
    )


def masks() -> dict[str, np.ndarray]:
    """Four truths of 8 x 16: halves of road and sky, one with a car, one with ignored pixels."""
    plain = np.repeat(np.array([1, 0], np.uint8), 4)[:, None] * np.ones((1, 16), np.uint8)
    with_car, with_ignored = plain.copy(), plain.copy()
    with_car[4:, 12:] = 2
    with_ignored[:, :8] = 255
    return {"a": plain, "b": with_car, "c": with_ignored, "d": plain}


@pytest.fixture
def space() -> LabelSpace:
    """The label space of the folder."""
    return SPACE


@pytest.fixture
def fake() -> Callable[..., Fake]:
    """A predictor with the outputs named; perfect unless told how to answer a truth."""

    def make(*meanings: str, answer=np.copy, space: LabelSpace = SPACE) -> Fake:
        return Fake(manifest(*meanings, space=space), answer)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A prepared folder of the four, tagged with a weather."""
    root = tmp_path / "tiny-data"
    writer = PreparedWriter(root, space=SPACE, source="by hand")
    for name, mask in masks().items():
        shown = np.where(mask == 255, 0, mask)
        image = np.repeat((shown * 100)[..., None], 3, axis=2)
        file = tmp_path / f"{name}.png"  # lossless, so that the fake can read the truth
        write_png(file, image)
        tags = {"weather": "fog" if name in "ab" else "clear"}
        data = SampleData(id=name, split="val", image=file, semantic=mask, tags=tags)
        writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return root


@pytest.fixture
def samples(folder: Path) -> list:
    """Its samples."""
    return PreparedFolder(folder).samples("val", target="semantic")
