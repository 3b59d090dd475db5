"""Decoding against numpy, one pixel at a time where that is clearest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tiny_models import SPACE, make_manifest

from curbside.imaging import softmax, top_class
from curbside.manifest import OutputSpec
from curbside.runtime.decoding import decode_semantic


@settings(deadline=None, max_examples=60)
@given(
    arrays(
        np.float32,
        array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.sampled_from([-2.0, 0.0, 0.5, 1.0, float("-inf"), 3e38]),
    )
)
def test_argmax_is_numpys_ties_included(scores):
    np.testing.assert_array_equal(top_class(scores)[0], scores.argmax(0))


def test_argmax_of_as_many_channels_as_ids_can_name():
    scores = np.random.default_rng(0).normal(size=(255, 9, 7)).astype(np.float32)
    np.testing.assert_array_equal(top_class(scores)[0], scores.argmax(0))


def test_softmax_of_large_scores():
    scores = np.array([1000.0, 1001.0, 999.0], np.float32).reshape(3, 1, 1)
    expected = np.exp([-1.0, 0.0, -2.0]) / np.exp([-1.0, 0.0, -2.0]).sum()
    np.testing.assert_allclose(softmax(scores).ravel(), expected, rtol=1e-6)


def _nearest(values: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Nearest pixel centre, by its definition; for sizes without a tie between two centres."""
    rows, columns = (
        np.floor((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size_hw, values.shape, strict=True)
    )
    return values[rows][:, columns]


def _bilinear(values: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Half-pixel centres, edges repeated, by its definition: (h, w) to `size_hw`."""
    for axis, new in enumerate(size_hw):
        old = values.shape[axis]
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape(-1, *[1] * (1 - axis))
        high = np.minimum(low + 1, old - 1)
        values = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
    return values


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("size_hw", [(12, 16), (40, 64), (8, 48)])
def test_ids_go_to_the_nearest_pixel_of_the_frame(kind, size_hw):
    ids = np.random.default_rng(1).integers(0, 4, (1, 12, 16)).astype(kind)
    result = decode_semantic({"ids": ids}, make_manifest(), size_hw)
    np.testing.assert_array_equal(result.ids, _nearest(ids[0], size_hw))
    assert result.space == SPACE
    assert result.confidence is None
    assert result.probabilities is None


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_confidence_as_bytes_or_floats(kind):
    ids = np.zeros((1, 12, 16), np.uint8)
    share = np.random.default_rng(2).integers(0, 256, (1, 12, 16))
    given_share = share.astype(np.uint8) if kind == np.uint8 else (share / 255).astype(np.float32)
    manifest = make_manifest(outputs="confidence")
    result = decode_semantic({"ids": ids, "confidence": given_share}, manifest, (24, 48))
    assert result.confidence is not None
    assert result.confidence.dtype == np.float32
    np.testing.assert_allclose(result.confidence, _nearest(share[0] / 255, (24, 48)), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_logits_become_classes_at_the_input_size(stride, kind):
    logits = np.random.default_rng(3).normal(size=(1, 4, 12 // stride, 16 // stride)).astype(kind)
    upsampled = np.stack([_bilinear(plane.astype(np.float64), (12, 16)) for plane in logits[0]])
    expected = np.exp(upsampled) / np.exp(upsampled).sum(0)
    manifest = make_manifest(outputs="logits")
    result = decode_semantic({"logits": logits}, manifest, (40, 96), probabilities=True)
    assert result.probabilities is not None
    assert result.confidence is not None
    assert result.probabilities.shape == (4, 40, 96)
    for channel in range(4):
        nearest = _nearest(expected[channel], (40, 96))
        np.testing.assert_allclose(result.probabilities[channel], nearest, atol=1e-4)
    np.testing.assert_array_equal(result.ids, result.probabilities.argmax(0))
    np.testing.assert_array_equal(result.confidence, result.probabilities.max(0))
    plain = decode_semantic({"logits": logits}, manifest, (40, 96))
    np.testing.assert_array_equal(plain.ids, result.ids)
    assert plain.probabilities is None


def test_ids_are_taken_as_they_are_where_the_file_gives_both():
    outputs = (OutputSpec(name="a", meaning="ids"), OutputSpec(name="b", meaning="logits"))
    manifest = make_manifest(outputs="ids").__class__.from_dict(
        {**make_manifest().to_dict(), "outputs": [vars(output) for output in outputs]},
        where="a test",
    )
    logits = np.zeros((1, 4, 12, 16), np.float32)
    logits[:, 2] = 1
    given_outputs = {"a": np.full((1, 12, 16), 3, np.uint8), "b": logits}
    assert (decode_semantic(given_outputs, manifest, (12, 16)).ids == 3).all()
    both = decode_semantic(given_outputs, manifest, (12, 16), probabilities=True)
    assert (both.ids == 2).all()
