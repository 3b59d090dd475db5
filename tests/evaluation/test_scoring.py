"""evaluate() over a tiny prepared folder with predictors whose scores are known by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from curbside.errors import ConfigError, DataError, LabelError
from curbside.evaluation import evaluate
from curbside.labels import LabelClass, LabelSpace


def test_perfect_predictor_scores_one(fake, samples):
    found = evaluate(fake("logits"), samples)
    scores = found.overall
    assert (scores.miou, scores.pixel_accuracy, scores.mean_accuracy) == (1, 1, 1)
    assert scores.iou == (1, 1, 1)
    assert scores.mean_auprc == pytest.approx(1)
    assert scores.ece == pytest.approx(0.2, abs=1e-6)  # always right, 0.8 sure
    assert found.images == 4 and scores.pixels == 4 * 128 - 64
    assert found.missing == {} and found.unreadable == ()
    assert (found.dataset, found.split, found.precision) == ("tiny-data", "val", "fp32")
    assert "cores" in found.hardware and found.seconds > 0


def test_predictor_that_sees_road_everywhere_scores_what_the_hand_counts(fake, samples):
    fake = fake("ids", answer=np.zeros_like)
    found = evaluate(fake, samples, by="weather", worst=2)
    # road 64 + 48 + 32 + 64 = 208, sky 64 + 64 + 32 + 64 = 224, car 16; all 448 taken for road
    assert found.confusion.tolist() == [[208, 0, 0], [224, 0, 0], [16, 0, 0]]
    assert found.overall.iou == (208 / 448, 0, 0)
    assert found.overall.miou == pytest.approx(208 / 448 / 3)
    fog, clear = found.groups[1], found.groups[0]
    assert (clear.value, clear.images, fog.value, fog.images) == ("clear", 2, "fog", 2)
    assert fog.summary.iou == (112 / 256, 0, 0)
    assert clear.summary.iou == (96 / 192, 0, None)
    # picture b: road 48 of 128, three classes in its truth; the others 1/2 over two classes
    assert [(w.id, w.miou) for w in found.worst] == [("b", 48 / 128 / 3), ("a", 0.25)]


def test_ids_only_say_what_is_missing_and_how_to_get_it(fake, samples):
    found = evaluate(fake("ids"), samples)
    assert found.overall.ece is None and found.overall.mean_auprc is None
    assert found.reliability is None
    assert set(found.missing) == {"ECE", "AUPRC"}
    assert "--outputs logits" in found.missing["AUPRC"]


def test_confidence_gives_calibration_without_curves(fake, samples):
    found = evaluate(fake("ids", "confidence"), samples)
    assert found.overall.ece == pytest.approx(0.2, abs=1e-6)
    assert set(found.missing) == {"AUPRC"}


def test_corrupt_picture_is_named_and_left_out(fake, samples):
    broken = samples[1].image_path
    broken.write_bytes(broken.read_bytes()[:60])
    found = evaluate(fake("ids"), samples)
    assert found.images == 3 and found.overall.miou == 1
    assert len(found.unreadable) == 1 and str(broken) in found.unreadable[0]


def test_no_readable_picture_is_an_error_that_says_why(fake, samples):
    for sample in samples:
        sample.image_path.unlink()
    with pytest.raises(DataError, match=r"none of the 4 pictures could be read.*does not exist"):
        evaluate(fake("ids"), samples)


def test_other_label_space_is_refused_with_the_first_difference(fake, samples, space):
    other = LabelSpace(
        name="swapped",
        classes=(space.classes[0], LabelClass(id=1, name="car", color=(0, 0, 142))),
    )
    with pytest.raises(LabelError, match=r"swapped.*tiny.*id 1 is car.*sky in the data.*convert"):
        evaluate(fake("ids", space=other), samples)


def test_other_colours_are_no_other_label_space(fake, samples, space):
    recoloured = LabelSpace(
        name="tiny",
        classes=tuple(LabelClass(id=c.id, name=c.name, color=(1, 2, 3)) for c in space.classes),
    )
    assert evaluate(fake("ids", space=recoloured), samples).overall.miou == 1


def test_unknown_tag_is_refused_with_the_known_ones(fake, samples):
    with pytest.raises(ConfigError, match="no sample has the tag 'wether'; its tags are weather"):
        evaluate(fake("ids"), samples, by="wether")


def test_to_dict_is_strict_json_with_nothing_lost(fake, samples):
    found = evaluate(fake("logits", answer=np.zeros_like), samples[2:])
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["scores"]["iou"] == [96 / 192, 0, None]
    assert [c["name"] for c in data["classes"]] == ["road", "sky", "car"]
    assert data["confusion"] == [[96, 0, 0], [96, 0, 0], [0, 0, 0]]
    assert len(data["reliability"]["accuracy"]) == 15 and None in data["reliability"]["accuracy"]
    assert data["source"] == {"recipe": "by hand"} and data["input_size_hw"] == [8, 16]


def test_a_class_that_only_the_network_sees_does_not_count_in_the_worst_pictures(fake, samples):
    def top_row_is_car(truth):
        ids = truth.copy()
        ids[0] = 2
        return ids

    found = evaluate(fake("ids", answer=top_row_is_car), samples)
    # picture a: sky 48 of 64, road whole; the car, in no truth of it, is left out
    assert {w.id: w.miou for w in found.worst}["a"] == pytest.approx((48 / 64 + 1) / 2)


def test_a_sample_without_the_tag_is_a_group_of_its_own(fake, samples):
    samples[0] = replace(samples[0], record=replace(samples[0].record, tags={}))
    found = evaluate(fake("ids"), samples, by="weather")
    assert [(g.value, g.images) for g in found.groups] == [("(none)", 1), ("clear", 2), ("fog", 1)]


def test_a_tag_that_names_pictures_is_refused(fake, samples):
    many = [
        replace(samples[0], record=replace(samples[0].record, tags={"frame": str(number)}))
        for number in range(33)
    ]
    with pytest.raises(ConfigError, match="'frame' has 33 values"):
        evaluate(fake("ids"), many, by="frame")
    assert len(evaluate(fake("ids"), many[:32], by="frame").groups) == 32


def test_masks_that_are_all_ignored_are_refused(fake, samples, monkeypatch):
    masks = {sample.id: np.full_like(sample.read_semantic(), 255) for sample in samples}
    monkeypatch.setattr(type(samples[0]), "read_semantic", lambda self: masks[self.id])
    with pytest.raises(DataError, match="every pixel of the 4 masks is ignored; choose"):
        evaluate(fake("ids"), samples)
