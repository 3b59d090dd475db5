"""YOLO segmentation labels, read back as Ultralytics draws them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from builders_outward import SPACE, drawn, make_prepared

from curbside.convert.outward import Yolo, write_annotations
from curbside.errors import ConfigError, LabelError
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.prepared import PreparedFolder, find_objects
from curbside.scenes import ScenesConfig, write_prepared

BOX = """
..........
..AAAA....
..AAAA....
..........
"""


def lines_of(path: Path) -> list[tuple[int, np.ndarray]]:
    """The classes and polygons (shares of the picture) in a label file."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return [(int(row[0]), np.array(row[1:], float).reshape(-1, 2)) for row in rows]


def as_ultralytics(polygon: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The pixels of a polygon: scaled, truncated to whole pixels, filled with its edge."""
    canvas = np.zeros(size_hw, np.uint8)
    cv2.fillPoly(canvas, [(polygon * size_hw[::-1]).astype(np.int32)], 1)
    return canvas.astype(bool)


def test_a_box_by_hand(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn(BOX)}})
    result = write_annotations(Yolo(min_area=1), data, tmp_path / "out", workers=1)
    ((index, polygon),) = lines_of(tmp_path / "out/labels/train/a.txt")
    assert index == 1  # person, car
    corners = {(0.25, 0.375), (0.55, 0.375), (0.55, 0.625), (0.25, 0.625)}
    assert set(map(tuple, polygon.tolist())) == corners
    assert result.counts == {"train": {"images": 1, "without objects": 0, "objects": 1}}
    assert result.objects == {'car "<&>': 1}
    assert (tmp_path / "out/images/train/a.jpg").samefile(tmp_path / "d/train/images/a.jpg")


def test_objects_come_back_and_groups_and_specks_are_counted(tmp_path):
    instances = drawn()
    data = make_prepared(tmp_path / "d", {"val/a": {"instances": instances}})
    result = write_annotations(Yolo(min_area=2), data, tmp_path / "out", workers=1)
    assert result.left_out == {"groups": 2, "objects of fewer than 2 pixels": 1}
    lines = lines_of(tmp_path / "out/labels/val/a.txt")
    assert [index for index, _ in lines] == [0, 1, 1, 1]
    for (_, polygon), value in zip(lines, (2000, 3000, 3001, 3002), strict=True):
        pixels, true = as_ultralytics(polygon, instances.shape), instances == value
        if value == 2000:  # two parts, twelve pixels of bridge between columns 2 and 16 or so
            assert (pixels & true).sum() == true.sum() and 1 <= (pixels & ~true).sum() <= 16
        else:
            np.testing.assert_array_equal(pixels, true)


def test_one_pixel_is_a_polygon_of_three_corners(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn("...\n.A.\n...")}})
    write_annotations(Yolo(min_area=1), data, tmp_path / "out", workers=1)
    assert (tmp_path / "out/labels/train/a.txt").read_text() == "1" + 6 * " 0.500000" + "\n"


def test_backgrounds_stay_unless_told_otherwise(tmp_path):
    samples = {
        "train/empty": {"instances": drawn("...\n...")},
        "train/full": {"instances": drawn(BOX)},
        "train/unknown": {"semantic": np.zeros((4, 4), np.uint8)},
        "train/partly": {"instances": drawn(BOX), "annotated": ("road", "person")},
        "train/all": {"instances": drawn(BOX), "annotated": ("person", 'car "<&>')},
    }
    data = make_prepared(tmp_path / "d", samples)
    skipped = {"without instances": 1, "not annotated with all of the classes": 1}
    result = write_annotations(Yolo(min_area=1), data, tmp_path / "out", workers=1)
    assert (tmp_path / "out/labels/train/empty.txt").read_bytes() == b""
    assert {p.stem for p in (tmp_path / "out/images/train").iterdir()} == {"empty", "full", "all"}
    assert result.counts["train"] == {"images": 3, "without objects": 1, "objects": 2}
    assert result.skipped == skipped
    form = Yolo(min_area=1, backgrounds=False)
    result = write_annotations(form, data, tmp_path / "less", workers=1)
    assert {p.stem for p in (tmp_path / "less/images/train").iterdir()} == {"full", "all"}
    assert {p.stem for p in (tmp_path / "less/labels/train").iterdir()} == {"full", "all"}
    assert result.counts["train"] == {"images": 2, "without objects": 0, "objects": 2}
    assert result.skipped == skipped | {"without objects": 1}
    people = write_annotations(Yolo(classes=("p=person",)), data, tmp_path / "people", workers=1)
    assert people.skipped == {"without instances": 1}  # persons were annotated everywhere


def test_data_yaml_says_where_and_what(tmp_path):
    yaml = pytest.importorskip("yaml")
    names = ("plain", "yes", "a: b # c", 'quote " \\ back', "größe 車 😀")
    classes = [
        LabelClass(id=i, name=name, color=(0, 0, i), has_instances=True)
        for i, name in enumerate(names, start=1)
    ]
    space = LabelSpace(name="odd", classes=tuple(classes))
    map_ = {"instances": np.full((4, 5), 1000, np.uint16)}
    data = make_prepared(tmp_path / "d", {"train/a": map_, "val/b": map_}, space=space)
    out = tmp_path / 'out: "x" #1'
    write_annotations(Yolo(), data, out, workers=1)
    found = yaml.safe_load((out / "data.yaml").read_text(encoding="utf-8"))
    assert found == {
        "path": str(out.resolve()),
        "train": "images/train",
        "val": "images/val",
        "names": dict(enumerate(names)),
    }


@pytest.mark.parametrize(
    ("space", "members"),
    [
        ("idd-level2", ["person", "rider", "2-wheeler", "small-vehicle", "large-vehicle"]),
        ("idd-level3", "person;rider;motorcycle,bicycle;autorickshaw,car;truck,bus,large-vehicle"),
        (
            "idd-level4",
            "person,animal;rider;motorcycle,bicycle;autorickshaw,car;truck,bus,caravan,vehicle fallback",
        ),
        (
            "idd-id",
            "person,animal;rider;motorcycle,bicycle;autorickshaw,car;"
            "truck,bus,caravan,trailer,train,vehicle fallback",
        ),
        (
            "idd-unified",
            "person,animal;rider;motorcycle,bicycle;autorickshaw,car;"
            "truck,bus,caravan,trailer,train,vehicle fallback",
        ),
    ],
)
def test_the_five_classes_of_every_encoding_that_has_them(tmp_path, space, members):
    members = members.split(";") if isinstance(members, str) else members
    space = load_space(space)
    ids = {item.name: item.id for item in space.classes}
    expected = []
    instances = np.zeros((8, 60), np.uint16)
    for number, names in enumerate(members):
        for name in names.split(","):
            left = 3 * len(expected)
            instances[2:6, left : left + 2] = ids[name] * 1000
            expected.append(number)
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": instances}}, space=space)
    form = Yolo(min_area=1)
    write_annotations(form, data, tmp_path / "out", workers=1)
    found = lines_of(tmp_path / "out/labels/train/a.txt")
    assert sorted(index for index, _ in found) == expected
    by_place = sorted((polygon[:, 0].min(), index) for index, polygon in found)
    assert [index for _, index in by_place] == expected
    yaml = (tmp_path / "out/data.yaml").read_text()
    assert '  0: "person_animal"\n  1: "rider"\n  2: "motorcycle_bicycle"\n' in yaml
    assert yaml.endswith('  3: "autorickshaw_car"\n  4: "large_vehicle"\n')


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("idd-level1", "too coarse for person_animal: its class 'living-thing' is also rider"),
        ("idd-source-level1", "too coarse for person_animal: its class 'person' is also rider"),
        ("idd-csid", "idd-csid ignores animal of person_animal"),
        ("idd-cstrainid", "idd-cstrainid ignores animal of person_animal"),
        ("cityscapes19", "cityscapes19 is no encoding of it"),
    ],
)
def test_a_space_without_the_five_classes_is_refused(space, words):
    with pytest.raises(LabelError, match=words) as caught:
        Yolo(classes=("idd5",)).resolved(load_space(space))
    assert "--classes space" in caught.value.fix


def test_other_spaces_give_their_things_in_order():
    assert Yolo().resolved(load_space("cityscapes19")).classes == ("space",)
    assert Yolo().resolved(load_space("idd-level3")).classes == ("idd5",)


@pytest.mark.parametrize(
    ("classes", "kind", "words"),
    [
        (("nonsense",), ConfigError, "'nonsense', which is no class"),
        (("a=",), ConfigError, "'a=', which is no class"),
        (("idd5", "a=person"), ConfigError, "'idd5', which is no class"),
        (("a=persn",), LabelError, "no class 'persn' with instances; did you mean person"),
        (("a=road",), LabelError, "no class 'road' with instances"),
        (("a=person", "b=person"), ConfigError, "the class 'person' twice"),
        (("a=person", 'a=car "<&>'), ConfigError, "the name 'a' twice"),
    ],
)
def test_classes_that_cannot_be_are_refused(classes, kind, words):
    with pytest.raises(kind, match=words):
        Yolo(classes=classes).resolved(SPACE)


def test_a_space_of_stuff_alone_is_refused():
    with pytest.raises(LabelError, match="camvid-like has no class with instances"):
        Yolo().resolved(LabelSpace(name="camvid-like", classes=SPACE.classes[:2]))


def test_drawn_scenes_come_back(tmp_path):
    config = ScenesConfig(train=2, val=0, size_hw=(288, 512), conditions=("clear",), workers=1)
    write_prepared(tmp_path / "d", config, labels="level3")
    data = PreparedFolder(tmp_path / "d")
    write_annotations(Yolo(), data, tmp_path / "out", workers=1)
    shares = []
    for sample in data.samples("train"):
        instances = sample.read_instances()
        objects = [o for o in find_objects(sample, instances) if not o.group and o.area >= 10]
        lines = lines_of(tmp_path / "out/labels/train" / f"{sample.id}.txt")
        for item, (_, polygon) in zip(objects, lines, strict=True):
            true, pixels = instances == item.value, as_ultralytics(polygon, instances.shape)
            assert not (true & ~pixels).any()
            parts, _ = cv2.connectedComponents(true.astype(np.uint8), connectivity=8)
            if parts == 2:  # the background and one part
                np.testing.assert_array_equal(pixels, true)
            if item.area >= 400:
                shares.append(true.sum() / pixels.sum())
    assert len(shares) > 5 and np.mean(shares) > 0.97
