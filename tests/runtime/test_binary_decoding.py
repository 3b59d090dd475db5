"""Yes or no on the host: one score per pixel against a threshold, by numpy; and which graphs fit it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from fitted import scaled, yes_from
from tiny_models import make_manifest

from curbside.errors import ModelFileError
from curbside.imaging import sigmoid
from curbside.labels import load_space
from curbside.manifest import Manifest, OutputSpec, TemperatureScaling
from curbside.runtime.decoding import decode_semantic
from curbside.runtime.signature import Tensor, require_fit

SIZE_HW = (12, 16)
WARM = scaled(2.5)


def manifest(
    threshold: float | None = None,
    *,
    temperature: TemperatureScaling | None = None,
    layout: Literal["NCHW", "NHWC"] = "NCHW",
) -> Manifest:
    return replace(
        make_manifest(size_hw=SIZE_HW),
        space=load_space("road2"),
        outputs=(OutputSpec(name="logits", meaning="logits", layout=layout),),
        temperature_scaling=temperature,
        threshold=None if threshold is None else yes_from(threshold),
    )


def probability(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-scores.astype(np.float64)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("threshold", "at"), [(None, 0.5), (0.2, 0.2), (0.9, 0.9)])
def test_a_pixel_is_yes_from_the_threshold_on(
    layout: Literal["NCHW", "NHWC"], threshold: float | None, at: float
) -> None:
    scores = 3 * np.random.default_rng(1).normal(size=SIZE_HW).astype(np.float32)
    given = scores[None, None] if layout == "NCHW" else scores[None, ..., None]
    about = manifest(threshold, layout=layout)
    result = decode_semantic({"logits": given}, about, SIZE_HW, probabilities=True)
    p = probability(scores)
    assert result.ids.dtype == np.uint8 and 10 < (p >= at).sum() < p.size - 10
    np.testing.assert_array_equal(result.ids, p >= at)
    assert result.probabilities is not None and result.confidence is not None
    np.testing.assert_allclose(result.probabilities, [1 - p, p], atol=1e-6)
    # Of the class shown, though below one half where the threshold moved it.
    np.testing.assert_allclose(result.confidence, np.where(p >= at, p, 1 - p), atol=1e-6)
    plain = decode_semantic({"logits": given}, about, SIZE_HW)
    np.testing.assert_array_equal(plain.ids, result.ids)
    assert plain.confidence is None and plain.probabilities is None


def test_a_temperature_folded_in_moves_no_pixel() -> None:
    scores = 3 * np.random.default_rng(2).normal(size=(1, 1, *SIZE_HW)).astype(np.float32)
    before = decode_semantic({"logits": scores}, manifest(0.8), SIZE_HW)
    after = decode_semantic(
        {"logits": scores / np.float32(2.5)}, manifest(0.8, temperature=WARM), SIZE_HW
    )
    np.testing.assert_array_equal(after.ids, before.ids)
    np.testing.assert_array_equal(before.ids, probability(scores[0, 0]) >= 0.8)


def test_scores_are_enlarged_before_they_are_asked() -> None:
    scores = np.array([[-4.0, 4.0]], np.float32)[None, None]  # (1, 1, 1, 2)
    result = decode_semantic({"logits": scores}, manifest(), SIZE_HW)
    # Centres of the two at 3.5 and 11.5 of 16 columns: the score rises by 1 a column and is 0 between
    # 7 and 8.
    assert [row.tolist() for row in result.ids] == 12 * [8 * [0] + 8 * [1]]
    later = decode_semantic(
        {"logits": scores}, manifest(float(probability(np.array(2.0)))), SIZE_HW
    )
    assert [row.tolist() for row in later.ids] == 12 * [10 * [0] + 6 * [1]]


def test_two_scores_for_yes_or_no_are_still_compared() -> None:
    scores = np.random.default_rng(3).normal(size=(1, 2, *SIZE_HW)).astype(np.float32)
    result = decode_semantic({"logits": scores}, manifest(), SIZE_HW, probabilities=True)
    np.testing.assert_array_equal(result.ids, scores[0].argmax(0))
    assert result.probabilities is not None and result.probabilities.shape[0] == 2


def test_sigmoid_has_no_overflow() -> None:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = sigmoid(np.array([-1e4, -80, 0, 2, 80, 1e4], np.float32))
    np.testing.assert_allclose(found[1:5], probability(np.array([-80, 0, 2, 80])), rtol=1e-5)
    assert (found[0], found[-1]) == (0, 1)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("channels", "fits"), [(1, True), (2, True), (3, False), (11, False)])
def test_a_graph_for_yes_or_no_ends_with_one_score_or_two(
    layout: Literal["NCHW", "NHWC"], channels: int, fits: bool
) -> None:
    shape = (1, channels, 3, 4) if layout == "NCHW" else (1, 3, 4, channels)
    taken = Tensor("frame", "uint8", (1, *SIZE_HW, 3))
    about = manifest(layout=layout)

    def check(space: str) -> None:
        made = [Tensor("logits", "float32", shape)]
        fitting = replace(about, space=load_space(space))
        require_fit(fitting, Path("m"), inputs=[taken], outputs=made)

    if fits:
        check("road2")
    else:
        with pytest.raises(ModelFileError, match=r"output logits has shape \[.*\], expected \[.*2"):
            check("road2")
    if channels != 11:
        with pytest.raises(ModelFileError, match=r"expected \[.*11"):
            check("camvid11")


def test_a_manifest_tells_of_the_threshold_and_refuses_what_is_none() -> None:
    about = manifest(0.75, temperature=WARM)
    assert about.least_score == pytest.approx(np.log(3) / 2.5)
    assert (manifest().least_score, manifest().threshold) == (0, None)
    assert about.host == ("bilinear", "threshold", "nearest to the frame")
    written = json.loads(about.to_json())
    assert Manifest.from_dict(written, where="m") == about
    assert "threshold" not in manifest().to_dict()
    data = {key: value for key, value in written.items() if key != "sha256"}
    for wrong in (0, 1, -0.1, float("nan"), "half"):
        broken = {**data, "threshold": {**data["threshold"], "threshold": wrong}}
        with pytest.raises(ModelFileError, match="the Manifest of m is not readable"):
            Manifest.from_dict(broken, where="m")
    with pytest.raises(ModelFileError, match=r"not readable .*iou"):
        rest = {key: value for key, value in data["threshold"].items() if key != "iou"}
        Manifest.from_dict({**data, "threshold": rest}, where="m")
