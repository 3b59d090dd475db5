"""Instance networks from their files: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_instances import make_constant_onnx, manifest_of, naive_objects, random_raw
from tiny_models import make_onnx, write_clip

from curbside.errors import ConfigError, ModelFileError
from curbside.manifest import METADATA_KEY, InputSpec
from curbside.runtime import (
    InstanceConfig,
    InstancePredictor,
    SemanticPredictor,
    load_predictor,
    load_semantic_predictor,
)
from curbside.runtime.benchmark import benchmark

RAW = random_raw(1)


@pytest.fixture(params=["heads", "whole"])
def model(request, tmp_path):
    arrays, outputs = getattr(RAW, request.param)()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    path = tmp_path / "m.onnx"
    return make_constant_onnx(path, arrays, size_hw=RAW.size_hw, metadata=metadata)


def test_a_file_opens_as_the_predictor_of_its_task(model, tmp_path):
    frame = np.zeros((50, 90, 3), np.uint8)
    with load_predictor(model, threads=1) as predictor:
        assert isinstance(predictor, InstancePredictor)
        result = predictor(frame)
    expected = naive_objects(RAW, (50, 90))
    assert len(result) == len(expected)
    np.testing.assert_allclose(result.boxes_xyxy, [item["box"] for item in expected], atol=1e-3)
    semantic = make_onnx(tmp_path / "s.onnx")
    assert isinstance(load_predictor(semantic, threads=1), SemanticPredictor)
    assert isinstance(load_semantic_predictor(semantic, threads=1), SemanticPredictor)


def test_what_needs_classes_of_pixels_refuses_objects_in_one_line(model):
    with pytest.raises(ModelFileError, match="a network for the task instances") as caught:
        load_semantic_predictor(model, threads=1)
    assert "\n" not in str(caught.value)


def test_settings_reach_the_decoder_and_are_never_passed_over(model, tmp_path):
    frame = np.zeros((50, 90, 3), np.uint8)
    few = InstanceConfig(max_detections=2)
    assert len(load_predictor(model, threads=1, instances=few)(frame)) == 2  # type: ignore[arg-type]
    semantic = make_onnx(tmp_path / "s.onnx")
    with pytest.raises(ConfigError, match="there are no objects"):
        load_predictor(semantic, threads=1, instances=few)


def test_parts_of_a_call_make_the_call(model):
    frame = np.random.default_rng(0).integers(0, 256, (70, 60, 3), np.uint8)
    with load_predictor(model, threads=1) as predictor:
        result = predictor.decode(predictor.infer(predictor.prepare(frame)), (70, 60))
        np.testing.assert_array_equal(result.class_map(), predictor(frame).class_map())


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels", ["bgr", "rgb"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_the_tensor_is_the_frame_as_the_manifest_says(layout, dtype, channels, fit):
    class Backend:
        manifest = manifest_of(
            RAW.whole()[1],
            (20, 10),
            input=InputSpec(
                size_hw=(20, 10),
                layout=layout,
                dtype=dtype,
                channels=channels,
                fit=fit,
                scale=1 / 255 if dtype == "float32" else 1,
            ),
        )

    frame = np.random.default_rng(0).integers(0, 256, (10, 10, 3), np.uint8)
    tensor = InstancePredictor(Backend()).prepare(frame)  # type: ignore[arg-type]
    assert tensor.dtype == dtype
    assert tensor.flags.c_contiguous
    picture = tensor[0] if layout == "NHWC" else tensor[0].transpose(1, 2, 0)
    assert picture.shape == (20, 10, 3)
    picture = picture[..., ::-1] if channels == "rgb" else picture
    picture = picture * (255 if dtype == "float32" else 1.0)
    if fit == "letterbox":
        np.testing.assert_allclose(picture[5:15], frame, atol=1e-4)
        np.testing.assert_allclose(picture[:5], 114, atol=1e-4)
        np.testing.assert_allclose(picture[15:], 114, atol=1e-4)
    else:
        np.testing.assert_allclose(picture[0], frame[0], atol=1e-4)
        assert np.abs(picture[1:19] - np.repeat(frame, 2, 0)[1:19]).max() > 10


def test_the_benchmark_takes_it(model, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    report = benchmark([model], clip, frames=4, threads=1, rounds=1)
    assert report.models[0].networks[0].input_size_hw == RAW.size_hw
    assert report.models[0].stages["draw"].count > 0
