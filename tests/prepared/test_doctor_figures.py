"""Shares and class weights against values by hand and other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from sklearn.utils.class_weight import compute_class_weight

from curbside.labels import LabelClass, LabelSpace
from curbside.prepared.figures import class_weights, figures
from curbside.prepared.inspection import Case, DepthSeen, Inspection, inspect

SPACE = LabelSpace(
    name="three",
    classes=tuple(
        LabelClass(id=i, name=name, color=(i, i, i), has_instances=name == "car")
        for i, name in enumerate(("road", "sky", "car"))
    ),
)


def mask(pixels: dict[int, int], *, annotated: tuple[str, ...] | None = None) -> Inspection:
    case = Case(split="train", id="a", image="a", targets=(), size_hw=(1, 1), annotated=annotated)
    return Inspection(case=case, pixels=pixels)


def test_weights_by_hand():
    # Labelled pixels: 60 + 20 of road, 40 of sky in the first picture alone, no car.
    items = [mask({0: 60, 1: 40, 255: 900}), mask({0: 20})]
    weights = class_weights([item.pixels for item in items], SPACE)
    assert weights is not None
    # Shares 80 / 120 and 40 / 120, two classes present.
    assert weights.inverse == pytest.approx((1 / (2 * 2 / 3), 1 / (2 / 3), 0))
    # Frequencies 80 / 120 (it is in both pictures) and 40 / 100 (in the first); their median 8 / 15.
    assert weights.median == pytest.approx((0.8, 4 / 3, 0))
    want = tuple(1 / math.log(1.02 + share) for share in (2 / 3, 1 / 3, 0))
    assert weights.enet == pytest.approx(want)
    assert want[2] == pytest.approx(50.5, abs=0.01)  # ENet's paper: between 1 and 50


@given(st.lists(st.integers(0, 2), min_size=1, max_size=200))
def test_inverse_weights_are_scikit_learns_balanced_ones(labels):
    present, counts = np.unique(labels, return_counts=True)
    weights = class_weights([dict(zip(present.tolist(), counts.tolist(), strict=True))], SPACE)
    want = compute_class_weight("balanced", classes=present, y=np.array(labels))
    assert weights is not None
    np.testing.assert_allclose([weights.inverse[i] for i in present], want)


def test_there_are_no_weights_without_labels():
    assert class_weights([], SPACE) is None
    assert class_weights([{255: 10}], SPACE) is None


def test_shares_are_among_the_samples_on_which_the_class_was_annotated():
    surface = mask({0: 50, 1: 50, 255: 100}, annotated=("road", "sky"))
    items = [surface, mask({0: 30, 2: 70})]
    found = figures(items, SPACE)
    road, sky, car = found.classes
    assert (road.share, sky.share, car.share) == pytest.approx((80 / 200, 50 / 200, 70 / 100))
    assert (road.annotated, sky.annotated, car.annotated) == (2, 2, 1)
    assert (road.samples, sky.samples, car.samples) == (2, 1, 1)
    assert found.ignored == pytest.approx(100 / 300)
    assert (found.samples, found.masks) == (2, 2)


def test_samples_without_masks_count_as_samples_only():
    blank = mask({})
    blank.pixels = None
    found = figures([blank], SPACE)
    assert (found.samples, found.masks, found.ignored) == (1, 0, None)
    assert all(item.share is None and item.instances is None for item in found.classes)


def test_objects_are_summed_for_things_alone():
    one, two = mask({2: 5}), mask({2: 5})
    one.instances, two.instances = {2: 3}, {2: 4, 0: 9}
    road, _, car = figures([one, two], SPACE).classes
    assert car.instances == 7 and road.instances is None


def test_a_depth_map_without_depth_counts_as_unknown_pixels_alone():
    one, two = mask({}), mask({})
    one.depth = DepthSeen(known=0, total=300, low=0, high=0, tenths=np.zeros(0, np.int64))
    assert figures([one], SPACE).depth is None
    tenths = np.bincount([20] * 50 + [100] * 50)
    two.depth = DepthSeen(known=100, total=100, low=512, high=2560, tenths=tenths)
    depth = figures([one, two], SPACE).depth
    assert depth is not None and (depth.samples, depth.known) == (2, 0.25)
    assert (depth.low_m, depth.high_m) == (2, 10)
    assert depth.median_m == 2  # of two in the middle the lower one


@given(st.lists(st.lists(st.integers(0, 65535), min_size=1, max_size=50), min_size=1, max_size=3))
@example([[809, 809, 809]])  # 3.16 m
@example([[64]])  # a quarter of a metre is 0.2 m, as texts round it
def test_the_median_depth_is_right_to_the_tenth_of_a_metre(tmp_path_factory, maps):
    root = tmp_path_factory.mktemp("depth")
    items = []
    for number, raw in enumerate(maps):
        Image.fromarray(np.array([raw], np.uint16)).save(root / f"{number}.png")
        targets = (("depth", f"{number}.png"),)
        case = Case(
            split="train",
            id=str(number),
            image=None,
            targets=targets,
            size_hw=(1, len(raw)),
            annotated=None,
        )
        items.append(inspect(case, root=root, space=SPACE))
    depth = figures(items, SPACE).depth
    known = sorted(value / 256 for raw in maps for value in raw if value)
    assert (depth is None) == (not known)
    if depth is not None:
        assert f"{depth.median_m:.1f}" == f"{known[(len(known) - 1) // 2]:.1f}"
        assert (depth.low_m, depth.high_m) == (known[0], known[-1])
        assert depth.known == len(known) / sum(map(len, maps))
