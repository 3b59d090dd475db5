"""COCO instances and panoptic, read back by hand and by COCO's own tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_outward import SPACE, drawn, make_prepared
from PIL import Image

from curbside.convert.outward import CocoInstances, CocoPanoptic, write_annotations
from curbside.errors import LabelError
from curbside.labels import LabelSpace


def box_of(mask: np.ndarray) -> list[int]:
    """The smallest box around a mask, by hand."""
    y, x = np.nonzero(mask)
    return [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]


def written(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@pytest.fixture
def data(tmp_path):
    samples = {
        "train/b": {"instances": drawn()},
        "train/a": {"instances": drawn("...\n...")},
        "val/c": {"instances": drawn("AA.\n.pB")},
    }
    return make_prepared(tmp_path / "d", samples)


def test_instances_by_hand(tmp_path, data):
    result = write_annotations(CocoInstances(), data, tmp_path / "out", workers=1)
    found = written(tmp_path / "out/annotations/instances_val.json")
    assert found["images"] == [{"id": 1, "file_name": "c.jpg", "width": 3, "height": 2}]
    assert [(c["id"], c["name"], c["supercategory"]) for c in found["categories"]] == [
        (3, "person", "thing"),
        (4, 'car "<&>', "thing"),
    ]
    group, first, second = found["annotations"]
    assert [a["id"] for a in found["annotations"]] == [1, 2, 3]
    assert group["iscrowd"] == 1 and group["category_id"] == 3
    assert first["iscrowd"] == 0 and first["category_id"] == 4 == second["category_id"]
    assert first["area"] == 2 and first["bbox"] == [0, 0, 2, 1]
    # Down the columns: on, off, on, off off off; so 0 off, 1 on, 1 off, 1 on, 3 off.
    assert first["segmentation"] == {"size": [2, 3], "counts": "01102"}
    # The first differs by what the fourth and later counts subtract: 1 - 1 and 3 - 1.
    assert (tmp_path / "out/val/c.jpg").samefile(tmp_path / "d/val/images/c.jpg")
    assert result.counts["train"] == {"images": 2, "without objects": 1, "objects": 7}


def test_pictures_without_objects_stay(tmp_path, data):
    write_annotations(CocoInstances(), data, tmp_path / "out", workers=1)
    found = written(tmp_path / "out/annotations/instances_train.json")
    assert [(i["id"], i["file_name"]) for i in found["images"]] == [(1, "a.jpg"), (2, "b.jpg")]
    assert {a["image_id"] for a in found["annotations"]} == {2}


@pytest.mark.parametrize("segmentation", ["rle", "polygon"])
def test_cocos_tools_read_the_same_pixels(tmp_path, data, segmentation):
    coco = pytest.importorskip("faster_coco_eval").COCO
    write_annotations(CocoInstances(segmentation=segmentation), data, tmp_path / "out", workers=1)
    path = tmp_path / "out/annotations/instances_train.json"
    found = coco(str(path))
    instances = drawn()
    values = iter([2, 3, 2000, 2001, 3000, 3001, 3002])
    annotations = written(path)["annotations"]
    for annotation in annotations:
        mask = instances == next(values)
        np.testing.assert_array_equal(found.annToMask(annotation), mask)
        assert annotation["area"] == mask.sum() and annotation["bbox"] == box_of(mask)
        assert isinstance(annotation["segmentation"], dict) == (
            annotation["iscrowd"] == 1 or segmentation == "rle"
        )
    assert [a["iscrowd"] for a in annotations] == [1, 1, 0, 0, 0, 0, 0]
    assert next(values, None) is None


def test_instances_need_things_and_their_annotation(tmp_path):
    with pytest.raises(LabelError, match="no class with instances"):
        CocoInstances().resolved(LabelSpace(name="stuff", classes=SPACE.classes[:2]))
    samples = {
        "train/a": {"instances": drawn(), "annotated": ("road", "sky")},
        "train/b": {"instances": drawn()},
        "train/c": {"semantic": np.zeros((3, 3), np.uint8)},
    }
    data = make_prepared(tmp_path / "d", samples)
    result = write_annotations(CocoInstances(), data, tmp_path / "out", workers=1)
    assert result.counts["train"]["images"] == 1
    assert sum(result.skipped.values()) == 2


def segment_map(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        red, green, blue = np.moveaxis(np.asarray(image).astype(np.int64), 2, 0)
    return red + 256 * green + 65536 * blue


def test_panoptic(tmp_path, data):
    write_annotations(CocoPanoptic(), data, tmp_path / "out", workers=1)
    found = written(tmp_path / "out/annotations/panoptic_train.json")
    assert [(c["id"], c["isthing"]) for c in found["categories"]] == [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
    ]
    assert [a["file_name"] for a in found["annotations"]] == ["a.png", "b.png"]
    (entry,) = (a for a in found["annotations"] if a["image_id"] == 2)
    segments, instances = segment_map(tmp_path / "out/panoptic_train/b.png"), drawn()
    expected = {0: 1, 1: 2, 2: 3, 3: 4, 2000: 3001, 2001: 3002, 3000: 4001, 3001: 4002, 3002: 4003}
    for value, segment in expected.items():
        np.testing.assert_array_equal(segments == segment, instances == value)
    assert (segments[instances == 255] == 0).all()
    assert {s["id"] for s in entry["segments_info"]} == set(expected.values())
    for segment in entry["segments_info"]:
        mask = segments == segment["id"]
        number = segment["id"]
        assert segment["category_id"] == (number // 1000 if number > 1000 else number)
        assert segment["area"] == mask.sum() and segment["bbox"] == box_of(mask)
        assert segment["iscrowd"] == (number in (3, 4))


def test_panoptic_of_masks_alone(tmp_path):
    mask = np.where(drawn() >= 1000, drawn() // 1000, drawn()).astype(np.uint8)
    samples = {"train/a": {"semantic": mask}, "train/bare": {}}
    data = make_prepared(tmp_path / "d", samples)
    result = write_annotations(CocoPanoptic(), data, tmp_path / "out", workers=1)
    (entry,) = written(tmp_path / "out/annotations/panoptic_train.json")["annotations"]
    assert [(s["id"], s["iscrowd"]) for s in entry["segments_info"]] == [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
    ]
    expected = np.where(mask == 255, 0, mask + 1)
    np.testing.assert_array_equal(segment_map(tmp_path / "out/panoptic_train/a.png"), expected)
    assert result.skipped == {"without masks": 1}


def test_both_share_a_folder_and_their_categories(tmp_path, data):
    for form in (CocoInstances(), CocoPanoptic(), CocoInstances()):
        write_annotations(form, data, tmp_path / "out", workers=1)
    instances, panoptic = (
        written(tmp_path / f"out/annotations/{kind}_train.json")
        for kind in ("instances", "panoptic")
    )
    assert instances["images"] == panoptic["images"]
    assert all(category in panoptic["categories"] for category in instances["categories"])
