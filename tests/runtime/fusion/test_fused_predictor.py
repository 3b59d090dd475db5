"""Two model files as one predictor, by itself, in the pipeline and on the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import SPACE, make_manifest, make_onnx, write_clip

from curbside.cli import main
from curbside.errors import ModelFileError
from curbside.manifest import METADATA_KEY
from curbside.runtime import (
    FusionConfig,
    InstanceConfig,
    Pipeline,
    TrackerConfig,
    load_fused_predictor,
    load_predictor,
    open_source,
)
from curbside.runtime.fusion import Fusion

RAW = random_raw(1)
THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)


@pytest.fixture
def semantic(tmp_path):
    return make_onnx(tmp_path / "s.onnx", manifest=make_manifest(space=THINGS))


@pytest.fixture
def instances(tmp_path):
    arrays, outputs = RAW.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    return make_constant_onnx(tmp_path / "i.onnx", arrays, size_hw=RAW.size_hw, metadata=metadata)


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)


def test_it_is_the_fusion_of_the_two_predictors(semantic, instances, frame):
    config = FusionConfig(score=0.4, followed_score=0.3, outside="keep")
    with load_fused_predictor(semantic, instances, config=config, threads=1) as fused:
        result = fused(frame)
        assert fused.title == "a convolution + numbers by chance"
        assert fused.precision == "fp32"
    classes = load_predictor(semantic, threads=1)(frame)
    objects = load_predictor(instances, threads=1, instances=InstanceConfig(confidence=0.4))(frame)
    expected = Fusion(classes.space, objects.space, config)(classes, objects)
    np.testing.assert_array_equal(result.segment_map(), expected.segment_map())
    np.testing.assert_array_equal(result.disagreement, expected.disagreement)
    assert len(result.objects) > 3
    assert result.track_ids.tolist() == [0] * len(result.objects)


def test_objects_keep_their_numbers_until_a_reset(semantic, instances, frame):
    with load_fused_predictor(semantic, instances, tracking=TrackerConfig(), threads=1) as fused:
        first, second = fused(frame), fused(frame)
        np.testing.assert_array_equal(first.track_ids, second.track_ids)
        assert (first.track_ids > 0).all()
        assert len(set(first.track_ids.tolist())) == len(first.track_ids) > 1
        fused.reset()
        assert min(fused(frame).track_ids) > max(first.track_ids)  # no number is given twice


def test_what_was_shown_is_shown_on_below_the_threshold(semantic, instances, frame):
    """The scores of the constant network fall from frame to frame: the threshold rises instead."""
    config = FusionConfig(score=0.5, followed_score=0.3, min_agreement=0)
    with load_fused_predictor(
        semantic, instances, config=config, tracking=TrackerConfig(), threads=1
    ) as fused:
        plain = fused(frame)
        assert plain.objects.scores.min() > 0.5
        # The same objects with 0.6 of their scores: some fall below 0.5, none of the shown below 0.3.
        dimmed = fused.instances.decode

        def weaker(outputs, size_hw):
            found = dimmed(outputs, size_hw)
            return replace(found, scores=found.scores * np.float32(0.62))

        fused.instances.decode = weaker
        again = fused(frame)
        assert (again.objects.scores < 0.5).any()
        assert set(again.track_ids.tolist()) == set(plain.track_ids.tolist())
        fused.reset()
        assert (fused(frame).objects.scores > 0.5).all()


def test_in_the_pipeline_frames_are_followed_in_order(semantic, instances, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=6)
    with load_fused_predictor(semantic, instances, tracking=TrackerConfig(), threads=1) as fused:
        pipeline = Pipeline(
            open_source(clip), fused, draw=lambda frame, result: result.draw(frame), workers=3
        )
        numbers = [shown.result.track_ids.tolist() for shown in pipeline]
    assert len(numbers) == 6
    assert numbers == [numbers[0]] * 6


@pytest.mark.parametrize("view", ["panoptic", "disagreement"])
def test_on_the_command_line(semantic, instances, tmp_path, capsys, view):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    argv = ["run", str(semantic), "--instances", str(instances), "--source", str(clip), "--json"]
    out = tmp_path / "out"
    assert not main([*argv, "--save", str(out), "--view", view, "--shares", "--legend"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["frames"] == 4
    assert told["objects_followed"] >= 1
    assert sum(told["objects"].values()) >= 1
    assert set(told["disagreement"]) == {"class", "no object", "refused"}
    assert len(list(out.glob("*.jpg"))) == 4


def test_confidence_is_the_score_of_the_fusion(semantic, instances, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", frames=1)
    argv = ["run", str(semantic), "--instances", str(instances), "--source", str(clip), "--json"]
    counts = []
    for confidence in ("0.2", "0.9"):
        assert not main([*argv, "--confidence", confidence])
        counts.append(sum(json.loads(capsys.readouterr().out.splitlines()[-1])["objects"].values()))
    assert counts[0] > counts[1]


def test_files_of_other_tasks_are_refused(semantic, instances):
    with pytest.raises(ModelFileError, match=r"a convolution does not give single objects"):
        load_fused_predictor(semantic, semantic, threads=1)
    with pytest.raises(
        ModelFileError, match=r"numbers by chance does not give a class for every pixel"
    ):
        load_fused_predictor(instances, semantic, threads=1)


def test_rules_without_a_second_network_are_refused(semantic, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", frames=1)
    argv = ["run", str(semantic), "--source", str(clip)]
    for more, told in (
        (["--view", "disagreement"], "cannot show disagreement, which takes two networks"),
        (["--fusion.min-area", "0.1"], "one network is fused with nothing"),
        (["--no-following"], "one network is fused with nothing"),
        (["--confidence", "0.4"], "there are no objects to choose from"),
        (["--instances-every", "3"], "no network for instances is there to look at every 3"),
        (["--hide", "unicorn"], "there is no class unicorn to hide"),
        (["--serve", "here"], "here is no HOST:PORT"),
    ):
        assert main([*argv, *more]) == 2
        assert told in capsys.readouterr().err
