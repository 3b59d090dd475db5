"""Frame in, metres at frame size out: against bilinear weights computed pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_depth import depth_manifest, make_depth_onnx, metres_of
from tiny_models import make_onnx

from curbside.errors import ConfigError, ModelFileError
from curbside.imaging import Placement, resize_depth
from curbside.manifest import DepthSpec
from curbside.results import DepthResult
from curbside.runtime import (
    DepthPredictor,
    InstanceConfig,
    load_class_predictor,
    load_fused_predictor,
    load_predictor,
    load_semantic_predictor,
)
from curbside.runtime.decoding import decode_depth


def brute_resize(depth: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The mean of the known ones of the four values around each pixel's centre, one at a time."""
    (height, width), out = depth.shape, np.zeros(size_hw)
    for row, column in np.ndindex(*size_hw):
        y = (row + 0.5) * height / size_hw[0] - 0.5
        x = (column + 0.5) * width / size_hw[1] - 0.5
        total = weights = 0.0
        for r in (int(np.floor(y)), int(np.floor(y)) + 1):
            for c in (int(np.floor(x)), int(np.floor(x)) + 1):
                weight = max(0.0, 1 - abs(y - r)) * max(0.0, 1 - abs(x - c))
                value = depth[min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
                total += weight * value
                weights += weight * (value > 0)
        nearest = depth[
            min(int((row + 0.5) * height / size_hw[0]), height - 1),
            min(int((column + 0.5) * width / size_hw[1]), width - 1),
        ]
        out[row, column] = total / weights if nearest > 0 else 0.0
    return out


DEPTHS = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    elements=st.sampled_from([0.0, 0.5, 3.0, 10.0, 79.5]),
)


@settings(deadline=None)
@given(depth=DEPTHS, scale=st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4])))
def test_resizing_is_bilinear_between_known_values_alone(depth, scale):
    size = (depth.shape[0] * scale[0], depth.shape[1] * scale[1])
    np.testing.assert_allclose(resize_depth(depth, size), brute_resize(depth, size), atol=2e-4)


@settings(deadline=None)
@given(depth=DEPTHS, size=st.tuples(st.integers(1, 17), st.integers(1, 17)))
def test_no_distance_is_made_up(depth, size):
    found = resize_depth(depth, size)
    known = depth[depth > 0]
    assert found.shape == size and found.dtype == np.float32
    assert ((found == 0) | (found >= known.min(initial=0) - 1e-3)).all()
    assert found.max() <= known.max(initial=0) + 1e-3
    assert known.size != depth.size or (found > 0).all()


@pytest.mark.parametrize("form", ["channels", "plain", "channels last"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_metres_come_to_the_frame(tmp_path, form, stride):
    path = make_depth_onnx(tmp_path / "m.onnx", form=form, stride=stride)
    frame = np.random.default_rng(stride).integers(0, 256, (12, 16, 3), np.uint8)
    frame[:, :8] //= 4
    with load_predictor(path, threads=1) as predictor:
        result = predictor(frame)
    assert isinstance(predictor, DepthPredictor) and isinstance(result, DepthResult)
    expected = brute_resize(metres_of(frame, stride=stride), (12, 16))
    assert (expected == 0).any() and (expected > 0).any()
    np.testing.assert_allclose(result.depth_m, expected, atol=2e-3)
    assert result.max_m is None


def test_a_frame_of_another_size_is_stretched_to_the_input_and_back(tmp_path):
    path = make_depth_onnx(tmp_path / "m.onnx")
    small = np.random.default_rng(5).integers(100, 256, (12, 16, 3), np.uint8)
    frame = small.repeat(2, 0).repeat(2, 1)  # whose halves are the mean of equal pixels
    with load_predictor(path, threads=1) as predictor:
        result = predictor(frame)
    np.testing.assert_allclose(result.depth_m, brute_resize(metres_of(small), (24, 32)), atol=2e-3)


def test_a_letterbox_is_undone(tmp_path):
    path = make_depth_onnx(tmp_path / "m.onnx", size_hw=(16, 16), fit="letterbox")
    frame = np.random.default_rng(6).integers(0, 256, (8, 16, 3), np.uint8)
    with load_predictor(path, threads=1) as predictor:
        result = predictor(frame)
    np.testing.assert_allclose(result.depth_m, metres_of(frame), atol=2e-3)  # nothing of the grey


def test_what_is_no_distance_is_unknown_and_what_is_too_far_is_the_farthest():
    manifest = depth_manifest(size_hw=(2, 4), depth=DepthSpec(max_m=80.0))
    given = np.float32([[1, -1, np.nan, np.inf], [0, 80, 81, 1e-3]])[None, None]
    place = Placement.stretch((2, 4), (2, 4))
    result = decode_depth({"depth": given}, manifest, place)
    assert result.max_m == 80.0
    assert result.depth_m.tolist() == [[1, 0, 0, 0], [0, 80, 80, np.float32(1e-3)]]
    huge = np.full((1, 1, 2, 2), np.finfo(np.float32).max)
    uncapped = decode_depth({"depth": huge}, depth_manifest(size_hw=(2, 4)), place)
    assert (uncapped.depth_m == 1e6).all()


@pytest.mark.parametrize("shape", [(1, 1, 0, 4), (1, 4), (1, 1, 1, 2, 4)])
def test_what_is_no_map_is_refused(shape):
    given = {"depth": np.ones(shape, np.float32)}
    with pytest.raises(ModelFileError, match="is no map"):
        decode_depth(given, depth_manifest(size_hw=(2, 4)), Placement.stretch((2, 4), (2, 4)))


def test_depth_has_no_classes(tmp_path):
    path = make_depth_onnx(tmp_path / "m.onnx")
    with load_predictor(path, threads=1) as predictor:
        assert predictor.space.classes == ()
    with pytest.raises(ModelFileError, match="for the task depth, and this needs classes"):
        load_class_predictor(path)
    with pytest.raises(ModelFileError, match="for the task depth"):
        load_semantic_predictor(path)
    with pytest.raises(ConfigError, match=r"for the task depth.*no objects"):
        load_predictor(path, instances=InstanceConfig())
    semantic = make_onnx(tmp_path / "s.onnx")
    for pair, lacks in (((path, semantic), "a class"), ((semantic, path), "single objects")):
        with pytest.raises(ModelFileError, match=f"does not give {lacks}"):
            load_fused_predictor(*pair, threads=1)
