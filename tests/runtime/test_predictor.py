"""Frame in, result out: against numpy, and a class map in the graph against one on the host."""

import numpy as np
import pytest
from tiny_models import WEIGHTS, make_manifest, make_onnx

import curbside
from curbside.manifest import InputSpec
from curbside.runtime import SemanticPredictor, load_predictor


def _frame(size_hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)


def _scores(picture: np.ndarray) -> np.ndarray:
    return np.einsum("hwc,kc->khw", picture.astype(np.float64), WEIGHTS)  # (K, H, W)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels", ["bgr", "rgb"])
def test_ids_are_the_best_score_of_every_pixel(tmp_path, layout, dtype, channels):
    spec = InputSpec(size_hw=(12, 16), layout=layout, dtype=dtype, channels=channels)
    manifest = make_manifest(input=spec)
    path = make_onnx(tmp_path / "m.onnx", layout=layout, dtype=dtype, manifest=manifest)
    frame = _frame((12, 16))
    with load_predictor(path, threads=1) as predictor:
        result = predictor(frame)
    picture = frame[..., ::-1] if channels == "rgb" else frame
    np.testing.assert_array_equal(result.ids, _scores(picture).argmax(0))


@pytest.mark.parametrize("stride", [1, 4])
def test_the_class_map_in_the_graph_is_the_one_on_the_host(tmp_path, stride):
    size_hw = (64, 96)
    inside = make_onnx(tmp_path / "ids.onnx", size_hw=size_hw, stride=stride)
    outside = make_onnx(tmp_path / "l.onnx", size_hw=size_hw, stride=stride, outputs="logits")
    frame = _frame((150, 250))
    with load_predictor(inside, threads=1) as a, load_predictor(outside, threads=1) as b:
        ids = a(frame).ids
        result = b(frame, probabilities=True)
    assert ids.shape == (150, 250)
    assert result.probabilities is not None
    first, second = np.sort(result.probabilities, 0)[[-1, -2]]
    clear = first - second > 1e-3  # nearer than that, two roundings may differ
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(ids[clear], result.ids[clear])
    assert len(np.unique(ids)) >= 3


def test_confidence_of_the_class_shown(tmp_path):
    path = make_onnx(tmp_path / "m.onnx", outputs="confidence")
    frame = _frame((12, 16)) // 64  # small scores, so that not every share is 1
    result = load_predictor(path, threads=1)(frame)
    scores = np.exp(_scores(frame))
    np.testing.assert_allclose(result.confidence, (scores / scores.sum(0)).max(0), atol=0.5 / 255)


def test_parts_of_a_call_make_the_call(tmp_path):
    predictor = curbside.load(make_onnx(tmp_path / "m.onnx"), threads=1)
    frame = _frame((50, 40))
    tensor = predictor.prepare(frame)
    assert tensor.shape == (1, 12, 16, 3)
    assert tensor.flags.c_contiguous
    result = predictor.decode(predictor.infer(tensor), (50, 40))
    np.testing.assert_array_equal(result.ids, predictor(frame).ids)


def test_any_backend_will_do():
    class Backend:
        manifest = make_manifest(size_hw=(2, 3))
        precision = "by hand"
        closed = False

        def run(self, inputs):
            return {"ids": inputs["frame"][..., 0] % 4}

        def close(self):
            self.closed = True

    backend = Backend()
    frame = _frame((2, 3))
    with SemanticPredictor(backend) as predictor:
        assert predictor.precision == "by hand"
        np.testing.assert_array_equal(predictor(frame).ids, frame[..., 0] % 4)
    assert backend.closed


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        None,
        "frame.png",
    ],
)
def test_what_is_no_frame_is_refused(tmp_path, frame):
    predictor = load_predictor(make_onnx(tmp_path / "m.onnx"), threads=1)
    with pytest.raises(ValueError, match=r"a frame must be \(H, W, 3\) uint8"):
        predictor(frame)


def test_a_view_of_a_larger_frame_is_a_frame(tmp_path):
    predictor = load_predictor(make_onnx(tmp_path / "m.onnx"), threads=1)
    whole = _frame((40, 60))
    part = whole[5:35:2, 50:3:-1]
    np.testing.assert_array_equal(predictor(part).ids, predictor(part.copy()).ids)


def test_result_draws_itself(tmp_path):
    predictor = load_predictor(make_onnx(tmp_path / "m.onnx"), threads=1)
    frame = _frame((12, 16))
    kept = frame.copy()
    result = predictor(frame)
    colors = np.array([item.color[::-1] for item in result.space.classes])
    expected = 0.25 * frame + 0.75 * colors[result.ids]
    assert np.abs(result.draw(frame, alpha=0.75) - expected).max() <= 1
    np.testing.assert_array_equal(frame, kept)
