"""COCO panoptic, against a count of every pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curbside.convert.panoptic import (
    categories,
    panoptic_png,
    segment_ids,
    segment_ids_of_values,
    segments,
)
from curbside.errors import LabelError
from curbside.imaging import Regions
from curbside.labels import LabelClass, LabelSpace, load_space

LEVEL2 = load_space("idd-level2")


def panoptic(instances: np.ndarray, space: LabelSpace) -> tuple[bytes, list[dict[str, Any]]]:
    """The PNG and the segments of a prepared instance map."""
    regions = Regions(instances)
    ids = segment_ids_of_values(np.arange(len(regions.areas)))
    return panoptic_png(regions, ids), segments(regions, ids, space)


def ids_of(png: bytes) -> np.ndarray:
    """Segment ids of a panoptic PNG: (H, W)."""
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "RGB"
        red, green, blue = np.moveaxis(np.asarray(image).astype(np.int64), 2, 0)
    return red + 256 * green + 256 * 256 * blue


def counted(ids: np.ndarray) -> dict[int, tuple[int, list[int]]]:
    """Area and box of every id but 0, pixel by pixel."""
    found = {}
    for value in set(ids.ravel().tolist()) - {0}:
        rows, columns = np.nonzero(ids == value)
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        found[value] = (len(rows), [int(number) for number in box])
    return found


def test_a_picture_worked_out_by_hand():
    instances = np.full((4, 6), 255, np.uint16)
    instances[0, :3] = 7000
    instances[3, 5] = 7000  # the same car, behind a pole
    instances[1, 1:3] = 7001
    instances[2] = 7  # a group of cars
    instances[3, :2] = 0  # road
    png, found = panoptic(instances, LEVEL2)
    want = np.zeros((4, 6), int)
    want[0, :3] = want[3, 5] = 8001
    want[1, 1:3] = 8002
    want[2] = 8
    want[3, :2] = 1
    np.testing.assert_array_equal(ids_of(png), want)
    assert found == [
        {"id": 1, "category_id": 0, "area": 2, "bbox": [0, 3, 2, 1], "iscrowd": 0},
        {"id": 8, "category_id": 7, "area": 6, "bbox": [0, 2, 6, 1], "iscrowd": 1},
        {"id": 8001, "category_id": 7, "area": 4, "bbox": [0, 0, 6, 4], "iscrowd": 0},
        {"id": 8002, "category_id": 7, "area": 2, "bbox": [1, 1, 2, 1], "iscrowd": 0},
    ]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_areas_and_boxes_are_those_of_the_pixels(data):
    values = [0, 7, 7000, 7001, 7999, 8000, 15, 255]
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    picked = data.draw(
        st.lists(
            st.sampled_from(values), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
        )
    )
    instances = np.array(picked, np.uint16).reshape(shape)
    png, found = panoptic(instances, LEVEL2)
    ids = ids_of(png)
    assert {item["id"]: (item["area"], item["bbox"]) for item in found} == counted(ids)
    assert ((ids == 0) == (instances == 255)).all()
    assert len(found) == len(set(picked) - {255})


def test_objects_of_class_0_are_told_from_plain_ids_where_numbers_are_known():
    # Their instance values, 0 and 1, would be those of the plain classes 0 and 1.
    space = LabelSpace(
        name="two",
        classes=(
            LabelClass(id=0, name="car", color=(1, 2, 3), has_instances=True),
            LabelClass(id=1, name="road", color=(4, 5, 6)),
        ),
    )
    regions = Regions(np.array([[0, 1, 2, 3, 4]], np.uint8))
    ids = segment_ids(np.array([255, 0, 0, 0, 1]), np.array([-1, 0, 1, -1, -1]))
    assert ids_of(panoptic_png(regions, ids)).tolist() == [[0, 1001, 1002, 1, 2]]
    assert [(s["category_id"], s["iscrowd"]) for s in segments(regions, ids, space)] == [
        (0, 1),
        (1, 0),
        (0, 0),
        (0, 0),
    ]


def test_no_two_objects_share_an_id():
    classes, indices = np.meshgrid(np.arange(255), np.arange(-1, 1000))
    ids = segment_ids(classes.ravel(), indices.ravel())
    assert len(np.unique(ids)) == 255 * 1001 and ids.min() == 1 and ids.max() < 2**24
    assert segment_ids_of_values(np.array([7, 7000, 7999, 8000, 255])).tolist() == [
        *(8, 8001, 9000, 9001),
        0,
    ]


def test_numbers_that_are_covered_are_no_segments():
    regions = Regions(np.array([[0, 2, 2]], np.uint8))
    ids = segment_ids(np.array([255, 7, 7, 7]), np.array([-1, 0, 1, 2]))
    (found,) = segments(regions, ids, LEVEL2)
    assert (found["id"], found["bbox"]) == (8002, [1, 0, 2, 1])


def test_a_class_outside_the_space_is_refused():
    with pytest.raises(LabelError, match="2 pixels belong to the class 99, which idd-level2"):
        panoptic(np.array([[0, 99, 99]], np.uint16), LEVEL2)


def test_categories_say_what_a_thing_is():
    found: dict[int, Any] = {item["id"]: item for item in categories(LEVEL2)}
    assert len(found) == 16
    assert found[7] == {
        "id": 7,
        "name": "small-vehicle",
        "supercategory": "thing",
        "isthing": 1,
        "color": [255, 204, 54],
    }
    assert (found[0]["isthing"], found[0]["supercategory"]) == (0, "stuff")
