"""Label spaces: the tables that ship, and what makes a table one."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.errors import LabelError
from curbside.labels import (
    IDD_ENCODINGS,
    IGNORE_ID,
    LabelClass,
    LabelSpace,
    idd_labels,
    load_space,
    space_names,
    space_of_encoding,
)

# The three lists of the IDD edge project, in its own order.
SOURCE_LEVEL1 = "road; sky; vegetation; building; vehicle; person; background"
SOURCE_LEVEL2 = """road; drivable-other; sidewalk; non-drivable-other; person; rider; 2-wheeler;
small-vehicle; large-vehicle; barrier-solid; barrier-open; structures-sign; structures-pole;
construction; vegetation; sky"""
SOURCE_LEVEL3 = """road; parking; sidewalk; rail track; person; rider; motorcycle; bicycle;
autorickshaw; car; truck; bus; large-vehicle; curb; wall; fence; guard rail; billboard;
traffic sign; traffic light; pole; obs-str-bar-fallback; building; bridge/tunnel; vegetation; sky"""
CITYSCAPES = """road; sidewalk; building; wall; fence; pole; traffic light; traffic sign;
vegetation; terrain; sky; person; rider; car; truck; bus; train; motorcycle; bicycle"""


def split(names: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in names.split(";"))


@pytest.mark.parametrize(
    ("space", "names"),
    [
        ("idd-source-level1", split(SOURCE_LEVEL1)),
        ("idd-level2", split(SOURCE_LEVEL2)),
        ("idd-level3", split(SOURCE_LEVEL3)),
        ("cityscapes19", split(CITYSCAPES)),
        ("idd-cstrainid", split(CITYSCAPES)),
        (
            "idd-level1",
            split(
                "drivable; non-drivable; living-thing; vehicle; roadside-object; far-object; sky"
            ),
        ),
        (
            "camvid11",
            split(
                "sky; building; pole; road; pavement; tree; sign symbol; fence; car; pedestrian; "
                "bicyclist"
            ),
        ),
    ],
)
def test_the_names_are_those_of_the_published_lists(space, names):
    assert load_space(space).names == names
    assert load_space(space).ids == tuple(range(len(names)))


@pytest.mark.parametrize("name", space_names())
def test_every_table_is_a_label_space(name):
    space = load_space(name)
    assert space.name == name and len(space.classes) == space.known.sum() - 1
    if name == "idd-csid":
        with pytest.raises(LabelError, match="ids with gaps and cannot be trained on"):
            _ = space.num_classes
    else:
        assert space.num_classes == len(space.classes)
    for item in space.classes:
        assert tuple(space.palette[item.id]) == item.color
        assert space.name_of(item.id) == item.name
    assert space.name_of(IGNORE_ID) == "ignore" and not space.palette[IGNORE_ID].any()
    assert LabelSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space


def test_the_sizes_are_the_published_ones():
    sizes = {"idd-level1": 7, "idd-level4": 30, "idd-unified": 36, "idd-id": 40, "idd-lite7": 7}
    assert {name: load_space(name).num_classes for name in sizes} == sizes


def test_cityscapes_train_ids_open_the_unified_ids():
    assert load_space("idd-unified").names[:19] == load_space("cityscapes19").names


@pytest.mark.parametrize(("encoding", "space"), IDD_ENCODINGS.items())
def test_every_value_of_an_encoding_is_in_its_space_and_nearly_every_class_is_used(encoding, space):
    used = {label.ids[encoding] for label in idd_labels().values()} - {IGNORE_ID}
    terrain = {9} if encoding == "unifiedId" else set()  # Cityscapes has it, IDD has not
    assert used | terrain == set(load_space(space).ids) and not used & terrain


@pytest.mark.parametrize(("encoding", "space"), IDD_ENCODINGS.items())
def test_a_countable_class_holds_countable_labels_alone(encoding, space):
    countable = {item.id for item in load_space(space).classes if item.has_instances}
    held = {label.ids[encoding] for label in idd_labels().values() if label.has_instances}
    assert countable and countable <= held
    for label in idd_labels().values():
        assert label.has_instances or label.ids[encoding] not in countable, label.name


@pytest.mark.parametrize(
    ("label", "encoding", "value"),
    [
        ("vehicle fallback", "csId", 255),  # 355 in the public table: fits no byte
        ("non-drivable fallback", "csTrainId", 9),  # Cityscapes' terrain
        ("fallback background", "level4Id", 29),
        ("fallback background", "level3Id", 25),  # shared with sky
        ("fallback background", "level2Id", 15),
        ("fallback background", "level1Id", 6),
        ("sky", "level3Id", 25),
        ("drivable fallback", "level3Id", 1),  # shared with parking
        ("parking", "level3Id", 1),
        ("polegroup", "id", 27),
        ("polegroup", "level3Id", 20),
        ("autorickshaw", "level2Id", 7),
        ("car", "level2Id", 7),
        ("train", "level4Id", 15),
        ("animal", "level2Id", 4),
        ("unlabeled", "csId", 0),
        ("unlabeled", "id", 35),
        ("unlabeled", "level3Id", 255),
        ("license plate", "level1Id", 255),
        ("car", "sourceLevel1Id", 4),
        ("rider", "sourceLevel1Id", 5),
        ("sidewalk", "sourceLevel1Id", 6),
    ],
)
def test_idd_encodings_by_hand(label, encoding, value):
    assert idd_labels()[label].ids[encoding] == value


def test_idd_agrees_with_the_public_table(shared):
    with open(shared / "data/idd_labels.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(idd_labels())
    for row in rows:
        label = idd_labels()[row["name"]]
        for encoding in set(IDD_ENCODINGS) - {"sourceLevel1Id"}:
            assert label.ids[encoding] == min(int(row[encoding]), 255), (row["name"], encoding)
        assert label.has_instances == (row["hasInstances"] == "True")
        assert label.color == tuple(int(row[channel]) for channel in "rgb")


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("level2", "level2Id"),
        ("LEVEL2ID", "level2Id"),
        ("idd-level2", "level2Id"),
        ("id", "id"),
        ("csid", "csId"),
        ("cstrainid", "csTrainId"),
        ("unified", "unifiedId"),
        ("source-level1", "sourceLevel1Id"),
        ("idd-source-level1", "sourceLevel1Id"),
    ],
)
def test_encodings_by_any_of_their_names(name, encoding):
    found, space = space_of_encoding(name)
    assert found == encoding and space.name == IDD_ENCODINGS[encoding]


@pytest.mark.parametrize("name", ["", "level5", "idd", "level", "level22", "trainid"])
def test_an_unknown_encoding_lists_the_known(name):
    with pytest.raises(LabelError, match=r"choose one of .*level2Id"):
        space_of_encoding(name)


def test_an_unknown_space_gets_a_suggestion():
    with pytest.raises(LabelError, match="did you mean idd-level2"):
        load_space("idd-levle2")
    with pytest.raises(LabelError, match="curbside labels"):
        load_space("../../etc/passwd")


def make(*classes: tuple[object, object, object]) -> LabelSpace:
    return LabelSpace(
        name="x",
        classes=tuple(LabelClass(id=i, name=n, color=c) for i, n, c in classes),  # type: ignore[arg-type]
    )


BLACK = (0, 0, 0)


@pytest.mark.parametrize(
    "classes",
    [
        [],
        [(0, "a", BLACK), (0, "b", BLACK)],
        [(0, "a", BLACK), (1, "a", BLACK)],
        [(255, "a", BLACK)],
        [(-1, "a", BLACK)],
        [(0, "  ", BLACK)],
        [(0, "a\nb", BLACK)],
        [(0, "\x1b[31m", BLACK)],
        [(0, "\ud800", BLACK)],
        [(0, "a", (0, 0, 256))],
        [(0, "a", (0, 0))],
        [(0, "a", (0.5, 0, 0))],
    ],
)
def test_what_is_no_label_space_is_refused(classes):
    with pytest.raises(LabelError):
        make(*classes)


@given(ids=st.lists(st.integers(0, 254), min_size=1, max_size=20, unique=True))
def test_only_0_1_2_counts_as_contiguous(ids):
    space = make(*((i, f"class {i}", BLACK) for i in ids))
    assert space.contiguous == (ids == list(range(len(ids))))
    assert np.flatnonzero(space.known).tolist() == sorted([*ids, 255])


@pytest.mark.parametrize(
    "data",
    [
        *(None, [], {}, {"name": "x", "classes": [1]}, {"name": "x", "classes": None}),
        {"name": "\ud800", "classes": [{"id": 0, "name": "a", "color": BLACK}]},
    ],
)
def test_json_that_is_no_label_space_is_one_error(data):
    with pytest.raises(LabelError):
        LabelSpace.from_dict(data)


def test_how_many_scores_a_graph_may_give() -> None:
    assert load_space("road2").score_counts == (1, 2)
    assert load_space("camvid11").score_counts == (11,)
    gaps = load_space("idd-csid")
    assert gaps.score_counts == (len(gaps.classes),)
