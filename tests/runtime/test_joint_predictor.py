"""One network, classes and depth: against numbers computed by hand, whole and either alone."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_depth import make_depth_onnx, metres_of
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_joint import classes_of, joint_manifest, make_joint_onnx
from tiny_models import SPACE, WEIGHTS, make_onnx

from curbside import load
from curbside.errors import ConfigError, ModelFileError
from curbside.manifest import METADATA_KEY, DepthSpec
from curbside.results import SceneResult
from curbside.runtime import (
    DepthPredictor,
    FusionConfig,
    InstanceConfig,
    JointPredictor,
    SemanticPredictor,
    load_class_predictor,
    load_depth_predictor,
    load_fused_predictor,
    load_predictor,
    load_semantic_predictor,
)

FRAME = np.random.default_rng(4).integers(0, 256, (12, 16, 3), np.uint8)
FRAME[:, :8] //= 4


@pytest.mark.parametrize("outputs", ["ids", "logits", "confidence"])
def test_both_answers_come_from_one_look(tmp_path, outputs):
    path = make_joint_onnx(tmp_path / "m.onnx", outputs=outputs)
    with load(path, threads=1) as predictor:
        result = predictor(FRAME)
        assert isinstance(predictor, JointPredictor) and isinstance(result, SceneResult)
        assert predictor.space == SPACE
    np.testing.assert_array_equal(result.semantic.ids, classes_of(FRAME))
    expected = np.minimum(metres_of(FRAME), 80)
    assert (expected == 0).any() and (expected > 0).any()
    np.testing.assert_allclose(result.depth.depth_m, expected, atol=2e-3)
    assert result.depth.max_m == 80.0
    assert result.instances is result.panoptic is None and result.ages == {}


def test_scores_and_depth_may_have_strides_of_their_own(tmp_path):
    path = make_joint_onnx(tmp_path / "m.onnx", outputs="logits", stride=2, depth_stride=4)
    cells = (np.arange(3)[:, None] * 4 + np.arange(4)[None]).astype(np.uint8) * 20
    frame = np.repeat(np.repeat(cells, 4, 0), 4, 1)[..., None].repeat(3, 2)
    frame[..., 0] = 255 - frame[..., 0]
    with load_predictor(path, threads=1) as predictor:
        result = predictor(frame)
    assert len(np.unique(classes_of(frame))) > 1
    middle = np.s_[1::4, 1::4]  # where every neighbour of a score has the same one
    np.testing.assert_array_equal(result.semantic.ids[middle], classes_of(frame)[middle])
    whole = metres_of(frame, stride=4)  # (3, 4)
    corners = np.s_[::11, ::15]  # beyond the outermost centres a value goes on
    np.testing.assert_allclose(result.depth.depth_m[corners], whole[::2, ::3], atol=2e-3)


def test_probabilities_and_confidence_where_they_are_asked_for(tmp_path):
    path = make_joint_onnx(tmp_path / "m.onnx", outputs="logits")
    scores = FRAME.astype(np.float64) @ WEIGHTS.T.astype(np.float64)  # (H, W, 4)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    with load_predictor(path, threads=1) as predictor:
        outputs = predictor.infer(predictor.prepare(FRAME))
        plain = predictor.decode(outputs, (12, 16))
        full = predictor.decode(outputs, (12, 16), probabilities=True, confidence=True)
    assert plain.semantic.confidence is plain.semantic.probabilities is None
    np.testing.assert_allclose(full.semantic.confidence, shares.max(-1), atol=1e-5)
    np.testing.assert_allclose(full.semantic.probabilities, shares.transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_array_equal(full.depth.depth_m, plain.depth.depth_m)


def test_either_answer_can_be_had_alone(tmp_path):
    path = make_joint_onnx(tmp_path / "m.onnx")
    for load_classes in (load_class_predictor, load_semantic_predictor):
        with load_classes(path, threads=1) as classes:
            assert isinstance(classes, SemanticPredictor)
            np.testing.assert_array_equal(classes(FRAME).ids, classes_of(FRAME))
    with load_depth_predictor(path, threads=1) as depth:
        assert isinstance(depth, DepthPredictor)
        np.testing.assert_allclose(
            depth(FRAME).depth_m, np.minimum(metres_of(FRAME), 80), atol=2e-3
        )
    with load_depth_predictor(make_depth_onnx(tmp_path / "d.onnx"), threads=1) as alone:
        np.testing.assert_allclose(alone(FRAME).depth_m, metres_of(FRAME), atol=2e-3)
    with pytest.raises(ModelFileError, match="for the task semantic, and this needs a depth"):
        load_depth_predictor(make_onnx(tmp_path / "s.onnx"))
    with pytest.raises(ConfigError, match="no objects to choose from"):
        load_predictor(path, instances=InstanceConfig())


def test_its_classes_are_fused_with_objects(tmp_path):
    raw = random_raw(1)
    arrays, outputs = raw.whole()
    objects = make_constant_onnx(
        tmp_path / "i.onnx",
        arrays,
        size_hw=raw.size_hw,
        metadata={METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()},
    )
    rules = FusionConfig(outside="keep", min_agreement=0)
    frame = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    found = []
    for path in (make_joint_onnx(tmp_path / "j.onnx"), make_onnx(tmp_path / "s.onnx")):
        with load_fused_predictor(path, objects, config=rules, threads=1) as fused:
            found.append(fused(frame))
    assert len(found[0].objects) > 1
    np.testing.assert_array_equal(found[0].ids, found[1].ids)
    with pytest.raises(ModelFileError, match="does not give single objects"):
        load_fused_predictor(path, tmp_path / "j.onnx", threads=1)


def test_a_file_that_promises_other_depth_than_it_gives_is_refused(tmp_path):
    said = joint_manifest(depth=DepthSpec(max_m=9.0))
    with load_predictor(make_joint_onnx(tmp_path / "m.onnx", manifest=said), threads=1) as capped:
        assert capped(FRAME).depth.depth_m.max() == 9.0
    path = make_onnx(tmp_path / "s.onnx", manifest=said)
    with pytest.raises(ModelFileError, match="the graph has no output depth"):
        load_predictor(path)
