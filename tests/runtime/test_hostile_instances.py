"""Networks whose outputs are not what they should be: one line, or an empty frame, never a crash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_instances import SPACE, make_constant_onnx, manifest_of, random_raw
from tiny_models import write_clip

from curbside.cli import main
from curbside.errors import ModelFileError
from curbside.imaging import Placement
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import METADATA_KEY
from curbside.runtime import InstanceConfig, load_predictor
from curbside.runtime.instances import decode_instances

RAW = random_raw(1)
FEWER = replace(SPACE, classes=SPACE.classes[:2])
MORE = LabelSpace(
    name="more", classes=(*SPACE.classes, LabelClass(id=9, name="cow", color=(9, 9, 9)))
)


@pytest.mark.parametrize("space", [FEWER, MORE])
@pytest.mark.parametrize(("form", "name"), [("heads", "cls0"), ("whole", "found")])
def test_classes_that_the_label_space_lacks_are_named(space, form, name):
    arrays, outputs = getattr(RAW, form)()
    manifest = manifest_of(outputs, RAW.size_hw, space=space)
    place = Placement.letterbox((50, 90), RAW.size_hw)
    with pytest.raises(
        ModelFileError, match=rf"output {name} \(.*has shape \[.*expected"
    ) as caught:
        decode_instances(arrays, manifest, place, InstanceConfig())
    assert "\n" not in str(caught.value)


def test_ids_with_gaps_are_those_of_the_label_space():
    arrays, outputs = RAW.whole()
    gaps = replace(SPACE, classes=tuple(replace(c, id=10 * c.id + 7) for c in SPACE.classes))
    place = Placement.letterbox((50, 90), RAW.size_hw)
    plain, moved = (
        decode_instances(
            arrays, manifest_of(outputs, RAW.size_hw, space=space), place, InstanceConfig()
        )
        for space in (SPACE, gaps)
    )
    np.testing.assert_array_equal(moved.class_ids, 10 * plain.class_ids + 7)
    assert moved.names == plain.names


def _write(path, form, change, *, space=SPACE):
    arrays, outputs = getattr(RAW, form)()
    arrays = change(arrays)
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw, space=space).to_json()}
    return make_constant_onnx(
        path, arrays, size_hw=RAW.size_hw, metadata=metadata, open_shapes=True
    )


def _without_a_row(arrays):
    return {**arrays, "found": arrays["found"][:, 1:]}


def _without_a_column(arrays):
    return {**arrays, "box1": arrays["box1"][:, :, :, 1:]}


def _another_rank(arrays):
    return {**arrays, "protos": arrays["protos"][0]}


@pytest.mark.parametrize(
    ("form", "change", "space", "words"),
    [
        ("whole", _without_a_row, SPACE, "output found (detections) has shape"),
        ("whole", dict, FEWER, "output found (detections) has shape"),
        ("heads", _without_a_column, SPACE, "box1"),
        ("heads", _another_rank, SPACE, "protos"),
        ("heads", dict, MORE, "cls0"),
    ],
)
def test_a_live_run_ends_in_one_line(form, change, space, words, tmp_path, capsys):
    model = _write(tmp_path / "m.onnx", form, change, space=space)
    clip, out = write_clip(tmp_path / "clip.mp4", frames=5), tmp_path / "out.mp4"
    assert main(["run", str(model), "--source", str(clip), "--save", str(out)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "curbside run:" in line]
    assert len(lines) == 1 and words in lines[0]
    assert not out.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("form", ["heads", "whole"])
@pytest.mark.filterwarnings("error")
def test_a_live_run_goes_on_over_what_is_no_number(form, value, tmp_path):
    def change(arrays):
        return {name: np.full_like(array, value) for name, array in arrays.items()}

    model = _write(tmp_path / "m.onnx", form, change)
    clip, out = write_clip(tmp_path / "clip.mp4", frames=3), tmp_path / "out.mp4"
    assert main(["run", str(model), "--source", str(clip), "--save", str(out)]) == 0
    assert out.stat().st_size > 0
    with load_predictor(model, threads=1) as predictor:
        result = predictor(np.zeros((70, 90, 3), np.uint8))
    boxes = result.boxes_xyxy  # type: ignore[union-attr]
    assert (boxes >= 0).all() and (boxes <= [90, 70, 90, 70]).all()


@pytest.mark.parametrize("far", [-1e9, 1e9])
def test_boxes_that_never_reach_the_frame_are_none(far):
    arrays, outputs = RAW.whole()
    arrays["found"][:, :2] += np.float32(far)
    place = Placement.letterbox((50, 90), RAW.size_hw)
    manifest = manifest_of(outputs, RAW.size_hw)
    assert len(decode_instances(arrays, manifest, place, InstanceConfig())) == 0


def test_boxes_larger_than_the_frame_end_with_it():
    arrays, outputs = RAW.whole()
    arrays["found"][:, 2:4] = 1e7
    place = Placement.letterbox((50, 90), RAW.size_hw)
    result = decode_instances(arrays, manifest_of(outputs, RAW.size_hw), place, InstanceConfig())
    assert len(result) == len({*result.names}) > 1  # one of each class: they all overlap
    np.testing.assert_array_equal(result.boxes_xyxy, [[0, 0, 90, 50]] * len(result))


def test_ten_thousand_cells_that_all_propose_are_cut_to_what_was_asked_for():
    raw = random_raw(3, size_hw=(640, 640), bins=1, coefficients=2, prototype_stride=32)
    for scores, boxes in zip(raw.scores, raw.boxes, strict=True):
        scores[:] = np.random.default_rng(0).uniform(1, 5, scores.shape)
        boxes[:] = 0.4
    arrays, outputs = raw.heads()
    manifest = manifest_of(outputs, raw.size_hw)
    place = Placement.letterbox((720, 1280), raw.size_hw)
    result = decode_instances(arrays, manifest, place, InstanceConfig(confidence=0.01))
    assert len(result) == 300
    best = np.sort(np.concatenate([s.max(1).ravel() for s in raw.scores]))[::-1]
    np.testing.assert_array_less(1 / (1 + np.exp(-best[2999])), result.scores)
    assert (np.diff(result.scores) <= 0).all()
