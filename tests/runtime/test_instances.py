"""Decoding instance networks against one cell, one object, one pixel at a time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_instances import Raw, manifest_of, naive_objects, random_raw

from curbside.errors import ConfigError, ModelFileError
from curbside.imaging import Placement
from curbside.results import InstanceResult
from curbside.runtime import InstanceConfig
from curbside.runtime.instances import decode_instances
from curbside.runtime.instances.suppression import suppress

FRAME = (50, 90)


def _decode(arrays, outputs, size_hw, frame_hw=FRAME, *, fit="letterbox", **settings):
    manifest = manifest_of(outputs, size_hw, fit=fit)
    place = getattr(Placement, fit)(frame_hw, size_hw)
    return decode_instances(arrays, manifest, place, InstanceConfig(**settings))


def _check(result: InstanceResult, expected: list[dict]) -> None:
    assert len(result) == len(expected)
    assert len(expected) > 3
    for index, item in enumerate(expected):
        assert result.class_ids[index] == item["class"]
        assert result.scores[index] == pytest.approx(item["score"], abs=1e-5)
        np.testing.assert_allclose(result.boxes_xyxy[index], item["box"], atol=1e-3)
        clear = np.abs(item["values"]) > 1e-4  # nearer to 0, two roundings may differ
        mask = result.full_mask(index)
        np.testing.assert_array_equal(mask[clear], (item["inside"] & (item["values"] > 0))[clear])
    assert any(mask.area for mask in result.masks)


@pytest.mark.parametrize("frame_hw", [(64, 96), FRAME, (37, 30), (100, 60), (20, 101)])
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_every_object_is_the_one_found_by_hand(frame_hw, fit):
    raw = random_raw(1)
    expected = naive_objects(raw, frame_hw, fit=fit)
    _check(_decode(*raw.heads(), raw.size_hw, frame_hw, fit=fit), expected)
    _check(_decode(*raw.whole(), raw.size_hw, frame_hw, fit=fit), expected)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("activated", [False, True])
@pytest.mark.parametrize("bins", [2, 7, 16])
def test_heads_in_any_dress(layout, activated, bins):
    raw = random_raw(2, bins=bins, size_hw=(64, 64), prototype_stride=8, coefficients=3)
    arrays, outputs = raw.heads(layout=layout, activated=activated)
    _check(_decode(arrays, outputs, raw.size_hw), naive_objects(raw, FRAME))


@pytest.mark.parametrize(("confidence", "iou"), [(0.2, 0.1), (0.7, 0.5), (0.3, 0.9)])
def test_confidence_and_overlap_are_what_was_asked_for(confidence, iou):
    raw = random_raw(3, strides=(8, 16))
    expected = naive_objects(raw, FRAME, confidence=confidence, iou=iou)
    for arrays, outputs in (raw.heads(), raw.whole()):
        got = _decode(arrays, outputs, raw.size_hw, confidence=confidence, iou=iou)
        _check(got, expected)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([(32, 32), (64, 96), (96, 32)]))
def test_heads_and_whole_agree(seed, size):
    raw = random_raw(seed, size_hw=size)
    one = _decode(*raw.heads(layout="NHWC"), size)
    two = _decode(*raw.whole(), size)
    assert len(one) == len(two)
    np.testing.assert_array_equal(one.class_ids, two.class_ids)
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)
    np.testing.assert_allclose(one.boxes_xyxy, two.boxes_xyxy, atol=1e-3)


def test_half_precision_is_read_as_it_is():
    raw = random_raw(4)
    arrays, outputs = raw.heads()
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    exact = {name: array.astype(np.float32) for name, array in half.items()}
    one, two = (_decode(given, outputs, raw.size_hw) for given in (half, exact))
    np.testing.assert_allclose(one.boxes_xyxy, two.boxes_xyxy, atol=1e-5)
    np.testing.assert_array_equal(one.class_map(), two.class_map())


def _one_object(*, box_cells, size_hw=(64, 64), inside=(slice(4, 10), slice(2, 12))) -> Raw:
    """One object in cell (3, 3) of stride 8, and a rectangle of prototype cells (stride 4)."""
    maps = (size_hw[0] // 8, size_hw[1] // 8)
    boxes = np.full((1, 4, 8, *maps), -50.0)
    for side, cells in enumerate(box_cells):
        low, share = int(cells), cells % 1
        boxes[0, side, low, 3, 3] = np.log(1 - share) if share < 1 else -50
        if share:
            boxes[0, side, low + 1, 3, 3] = np.log(share)
    scores = np.full((1, 3, *maps), -9.0)
    scores[0, 1, 3, 3] = 3.0
    prototypes = np.full((1, 1, size_hw[0] // 4, size_hw[1] // 4), -1.0)
    prototypes[0, 0][inside] = 1.0
    boxes = boxes.reshape(1, 32, *maps)
    return Raw(size_hw, (8,), [boxes], [scores], [np.ones((1, 1, *maps))], prototypes)


@pytest.mark.parametrize("zoom", [1, 2, 5])
def test_a_rectangle_comes_back_to_the_pixel(zoom):
    # The box is 8 * (3.5 - 3, 3.5 - 2, 3.5 + 3, 3.5 + 1): x 4..52, y 12..36; the mask's rectangle
    # is x 8..48, y 16..40: a step between two cells is 0 exactly half-way, on their common edge.
    raw = _one_object(box_cells=(3, 2, 3, 1))
    result = _decode(*raw.heads(), raw.size_hw, (64 * zoom, 64 * zoom))
    assert result.names == ("person",)
    np.testing.assert_allclose(result.boxes_xyxy, [[4 * zoom, 12 * zoom, 52 * zoom, 36 * zoom]])
    expected = np.zeros((64 * zoom, 64 * zoom), bool)
    expected[16 * zoom : 36 * zoom, 8 * zoom : 48 * zoom] = True
    sharp = _away_from_corners(expected, 2 * zoom)
    np.testing.assert_array_equal(result.full_mask(0)[sharp], expected[sharp])
    assert result.masks[0].inside.shape == (24 * zoom, 48 * zoom)


def _away_from_corners(rectangle: np.ndarray, near: int) -> np.ndarray:
    """Pixels off the corners of a rectangle, which interpolation between four cells rounds."""
    rows, columns = (np.flatnonzero(rectangle.any(axis)) for axis in (1, 0))
    edges = [
        [np.abs(np.arange(size) + 0.5 - edge) < near for edge in (found[0], found[-1] + 1)]
        for size, found in zip(rectangle.shape, (rows, columns), strict=True)
    ]
    return ~np.outer(np.logical_or(*edges[0]), np.logical_or(*edges[1]))


def test_a_letterbox_is_undone():
    # A frame of 64 x 32 stands at the full height in the middle of 64 columns: 16 of grey before it.
    raw = _one_object(box_cells=(1, 2, 3, 1))
    result = _decode(*raw.heads(), raw.size_hw, (128, 64))
    np.testing.assert_allclose(result.boxes_xyxy, [[(20 - 16) * 2, 24, (52 - 16) * 2 - 8, 72]])
    expected = np.zeros((128, 64), bool)
    expected[32:72, 8:64] = True
    sharp = _away_from_corners(expected, 4)
    np.testing.assert_array_equal(result.full_mask(0)[sharp], expected[sharp])


def test_distances_without_a_distribution_are_taken_as_they_are():
    raw = _one_object(box_cells=(3, 2, 3, 1))
    arrays, outputs = raw.heads()
    plain = np.zeros((1, 4, 8, 8), np.float32)
    plain[0, :, 3, 3] = 1.25, 2, 0.5, 1
    result = _decode({**arrays, "box0": plain}, outputs, raw.size_hw, (64, 64))
    np.testing.assert_allclose(result.boxes_xyxy, [[18, 12, 32, 36]])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 9)] * 2, st.integers(0, 1)),
        max_size=25,
    ),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(1, 30),
)
def test_suppression_is_the_greedy_one(rows, iou, most):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], float).reshape(-1, 4)
    kinds = np.array([row[4] for row in rows], int)
    expected: list[int] = []
    for i, (x, y, w, h, kind) in enumerate(rows):
        for j in expected:
            a, b, c, d, other = rows[j]
            wide, tall = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
            shared = max(0, wide) * max(0, tall)
            if kind == other and shared / (w * h + c * d - shared) > iou:
                break
        else:
            expected.append(i)
    assert suppress(boxes, kinds, iou=iou, most=most).tolist() == expected[:most]


# What no network should give


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", ["heads", "activated", "whole"])
@pytest.mark.filterwarnings("error")
def test_scores_that_are_no_numbers_are_no_detections(value, form):
    raw = random_raw(5)
    arrays, outputs = raw.whole() if form == "whole" else raw.heads(activated=form == "activated")
    clean = _decode(arrays, outputs, raw.size_hw)
    name, scores = ("found", np.s_[:, 4:7]) if form == "whole" else ("cls0", np.s_[:])
    broken = {key: array.copy() for key, array in arrays.items()}
    broken[name][scores] = value
    others = _decode(broken, outputs, raw.size_hw)
    assert len(others) < len(clean)
    assert np.isfinite(others.scores).all()
    # One class that is no number leaves the others of its place.
    one = {key: array.copy() for key, array in arrays.items()}
    worst = one[name][scores].argmin(1, keepdims=True)
    np.put_along_axis(one[name][scores], worst, value, 1)
    np.testing.assert_array_equal(_decode(one, outputs, raw.size_hw).boxes_xyxy, clean.boxes_xyxy)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
@pytest.mark.parametrize("name", ["box0", "mix0", "protos"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.filterwarnings("error")
def test_other_values_that_are_none_do_no_harm(value, name, layout):
    raw = random_raw(6)
    arrays, outputs = raw.heads(layout=layout)
    arrays[name] = np.full_like(arrays[name], value)
    result = _decode(arrays, outputs, raw.size_hw)
    assert np.isfinite(result.boxes_xyxy).all()
    assert result.class_map().shape == FRAME


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 0, -5])
@pytest.mark.filterwarnings("error")
def test_boxes_that_are_none_are_dropped_or_clipped(value):
    raw = random_raw(7)
    arrays, outputs = raw.whole()
    arrays["found"][:, 2:4, ::2] = value
    result = _decode(arrays, outputs, raw.size_hw)
    boxes = result.boxes_xyxy
    assert (boxes >= 0).all()
    assert (boxes <= [FRAME[1], FRAME[0]] * 2).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_nothing_found_is_an_empty_result():
    raw = random_raw(8)
    for arrays, outputs in (raw.heads(), raw.whole()):
        result = _decode(arrays, outputs, raw.size_hw, confidence=1.0)
        assert len(result) == 0
        assert result.boxes_xyxy.shape == (0, 4)
        assert result.counts() == {}
        frame = np.zeros((*FRAME, 3), np.uint8)
        np.testing.assert_array_equal(result.draw(frame), frame)


def test_what_lies_in_the_grey_border_is_no_object():
    raw = _one_object(box_cells=(1, 1, 1, 1))  # x and y 20..36 of 64
    inside = _decode(*raw.heads(), raw.size_hw, (64, 64))
    narrow = _decode(*raw.heads(), raw.size_hw, (640, 40))  # stands in columns 30..34
    outside = _decode(*raw.heads(), raw.size_hw, (40, 640))  # stands in rows 30..34
    assert (len(inside), len(narrow), len(outside)) == (1, 1, 1)
    raw.scores[0][0, 1] = -9.0
    raw.scores[0][0, 1, 1, 1] = 3.0
    raw.boxes[0][0, :, 1, 1] = raw.boxes[0][0, :, 3, 3]  # y 4..20: above the rows 30..34
    assert len(_decode(*raw.heads(), raw.size_hw, (64, 64))) == 1
    assert len(_decode(*raw.heads(), raw.size_hw, (40, 640))) == 0


@pytest.mark.parametrize("same_place", [True, False])
def test_ten_thousand_proposals_take_bounded_time(same_place):
    random = np.random.default_rng(9)
    count = 10_000
    found = np.zeros((1, 4 + 3 + 2, count), np.float32)
    found[0, :2] = 320 if same_place else random.uniform(0, 640, (2, count))
    found[0, 2:4] = random.uniform(200, 300, (2, count)) if same_place else 3
    found[0, 4:7] = random.uniform(0.6, 1, (3, count))
    found[0, 7:] = random.normal(size=(2, count))
    arrays = {"found": found, "protos": random.normal(size=(1, 2, 160, 160)).astype(np.float32)}
    outputs = random_raw(0).whole()[1]
    start_s = time.perf_counter()
    result = _decode(arrays, outputs, (640, 640), (720, 1280))
    assert time.perf_counter() - start_s < 2
    assert len(result) == 300 if not same_place else 3 <= len(result) < 300
    assert (np.diff(result.scores) <= 0).all()
    few = _decode(arrays, outputs, (640, 640), (720, 1280), max_detections=2, max_candidates=5)
    np.testing.assert_array_equal(few.boxes_xyxy[0], result.boxes_xyxy[0])
    assert len(few) <= 2


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("protos", lambda a: a[0], r"protos \(prototypes\) has shape"),
        ("protos", lambda a: a[:, :4], r"mix0 \(mask_coefficients\) has shape"),
        ("protos", lambda a: a[:, :, :0], r"protos \(prototypes\) has shape"),
        ("box0", lambda a: a[:, :15], r"box0 \(box_distribution\).*4 \* bins"),
        ("box1", lambda a: a[:, :, :3], r"box1 \(box_distribution\).*divides the input of 64 x 96"),
        ("box0", lambda a: a[:, :, :4], r"box0 \(box_distribution\)|cls0"),
        ("cls1", lambda a: a[:, :2], r"cls1 \(class_scores\).*3 channels of 4 x 6"),
        ("mix2", lambda a: a[:, :, :1], r"mix2 \(mask_coefficients\).*2 x 3 cells"),
        ("cls0", lambda a: a.astype(np.uint8), r"cls0 \(class_scores\) holds uint8"),
        ("cls2", lambda a: None, "no output cls2"),
        ("cls2", lambda a: np.concatenate([a, a]), r"cls2 \(class_scores\) has shape \[2, 3"),
    ],
)
def test_outputs_of_another_shape_are_named_in_one_line(name, change, words):
    raw = random_raw(10)
    arrays, outputs = raw.heads()
    arrays[name] = change(arrays[name])
    with pytest.raises(ModelFileError, match=words) as caught:
        _decode(arrays, outputs, raw.size_hw)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [lambda a: a[0], lambda a: a[:, :-1], lambda a: a[..., None]])
def test_detections_of_another_shape_are_named(change):
    raw = random_raw(11)
    arrays, outputs = raw.whole()
    arrays["found"] = change(arrays["found"])
    with pytest.raises(ModelFileError, match=r"found \(detections\).*expected \[1, 12, any\]"):
        _decode(arrays, outputs, raw.size_hw)


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1.5},
        {"confidence": float("nan")},
        {"iou": -0.1},
        {"max_detections": 0},
        {"max_candidates": -1},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        InstanceConfig(**wrong)
