"""The audited table, the maps and the common classes that follow from it."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from functools import cache
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.errors import LabelError
from curbside.labels import (
    IDD_ENCODINGS,
    IGNORE_ID,
    LabelClass,
    LabelMap,
    LabelSpace,
    camvid_labels,
    cityscapes_labels,
    common,
    counterparts,
    covered,
    idd_labels,
    load_space,
    mapping,
    space_names,
)
from curbside.labels.common_space import joined

OBJECTS = ("coco80", "idd5")
SPACES = [name for name in space_names() if name not in OBJECTS]
"""Those whose masks cover a whole picture."""
ANIMALS = ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"]
PAIRS = list(itertools.product(SPACES, repeat=2))


def rows() -> dict[str, dict[str, str]]:
    """The table, read by hand: cells by thing and space."""
    path = resources.files("curbside.labels").joinpath("tables", "taxonomy.csv")
    table = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert len({row["thing"] for row in table}) == len(table)
    return {row["thing"]: row for row in table}


def bare(cell: str) -> str:
    return cell.removeprefix("(").removesuffix(")")


@cache
def between(source: str, target: str) -> LabelMap:
    return mapping(load_space(source), load_space(target))


def decided(source: str, target: str) -> dict[str, str | None]:
    return {row.source: row.target for row in between(source, target).classes}


def together(first: str, second: str) -> dict[str, tuple[set[str], set[str]]]:
    """The common classes: by name, the classes of either side in it."""
    both = common(load_space(first), load_space(second))
    return {
        name: tuple(
            {row.source for row in way.classes if row.target == name}
            for way in (both.first, both.second)
        )
        for name in both.space.names
    }


# The table


def test_every_shipped_space_has_a_column_and_every_class_a_thing() -> None:
    table = rows()
    columns = set(next(iter(table.values()))) - {"thing", "note"}
    assert columns == {*SPACES, *OBJECTS}
    for space in columns:
        held = {name for row in table.values() for name in bare(row[space]).split("|")} - {""}
        names = set(load_space(space).names)
        assert held < names if space == "coco80" else held == names
        for row in table.values():
            assert "|" not in row[space] or space == "coco80"
            assert row[space].startswith("(") == row[space].endswith(")")


@pytest.mark.parametrize(("encoding", "space"), IDD_ENCODINGS.items())
def test_idd_columns_agree_with_idds_own_table_label_by_label(encoding: str, space: str) -> None:
    table = rows()
    for name, label in idd_labels().items():
        thing = {"rider": "rider of a bicycle", "vegetation": "tree"}.get(name, name)
        value = label.ids[encoding]
        expected = "" if value == IGNORE_ID else load_space(space).name_of(value)
        assert bare(table[thing][space]) == expected, (thing, space)


@pytest.mark.parametrize(("encoding", "space"), IDD_ENCODINGS.items())
def test_every_thing_follows_its_idd_label(encoding: str, space: str) -> None:
    for thing, row in rows().items():
        if (thing, encoding) == ("terrain", "unifiedId"):
            assert (
                row[space] == "terrain"
            )  # Cityscapes' own class there, which no IDD label becomes
        elif row["idd-id"]:
            value = idd_labels()[bare(row["idd-id"])].ids[encoding]
            expected = "" if value == IGNORE_ID else load_space(space).name_of(value)
            assert bare(row[space]) == expected, (thing, space)


def test_idd_lite_is_level_1() -> None:
    assert all(row["idd-lite7"] == row["idd-level1"] for row in rows().values())


def test_cityscapes_columns_agree_with_the_official_train_ids() -> None:
    table, trained = rows(), load_space("cityscapes19")
    for name, label in cityscapes_labels().items():
        if name == "license plate":  # not drawn: the car beneath stays
            continue
        thing = {"rider": "rider of a motorcycle", "vegetation": "tree"}.get(name, name)
        assert table[thing]["cityscapes-id"] == name
        value = label.ids["trainId"]
        assert table[thing]["cityscapes19"] == (trained.name_of(value) if value < 255 else "")
    whole = between("cityscapes-id", "cityscapes19").table
    official = {label.ids["id"]: label.ids["trainId"] for label in cityscapes_labels().values()}
    assert {i: whole[i] for i in official if i >= 0} == {
        k: v for k, v in official.items() if k >= 0
    }


def test_camvid_column_agrees_with_the_fold_of_its_32_labels() -> None:
    things = {
        "Animal": "animal", "Bridge": "bridge", "Building": "building", "Car": "car",
        "CartLuggagePram": "pram or cart", "Column_Pole": "pole", "Fence": "fence",
        "Misc_Text": "billboard", "MotorcycleScooter": "motorcycle", "OtherMoving": "vehicle fallback",
        "Pedestrian": "person", "Bicyclist": "rider of a bicycle", "Road": "road", "Sidewalk": "sidewalk",
        "SignSymbol": "traffic sign", "Sky": "sky", "TrafficLight": "traffic light", "Train": "train",
        "Tree": "tree", "Truck_Bus": "bus", "Tunnel": "tunnel", "VegetationMisc": "terrain", "Wall": "wall",
    }  # fmt: skip
    table, names = rows(), load_space("camvid11").names
    for label, thing in things.items():
        assert bare(table[thing]["camvid11"]) == names[camvid_labels()[label].class_id], label


# The maps


@pytest.mark.parametrize("name", SPACES)
def test_a_space_to_itself_changes_nothing(name: str) -> None:
    space, labels = load_space(name), between(name, name)
    assert [row.kind for row in labels.classes] == ["one to one"] * len(space.classes)
    assert labels.lost == () and labels.unfed == () and not labels.by_name
    assert {i: labels.table[i] for i in range(256)} == {
        i: i if i in space.ids else IGNORE_ID for i in range(256)
    }


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_map_is_its_table_and_its_kinds_are_what_they_say(source: str, target: str) -> None:
    labels = between(source, target)
    goes = decided(source, target)
    fed = [name for name in goes.values() if name is not None]
    names = dict(zip(labels.target.ids, labels.target.names, strict=True))
    for item, row in zip(labels.source.classes, labels.classes, strict=True):
        assert row.source == item.name
        assert names.get(int(labels.table[item.id])) == row.target
        expected = {
            "one to one": fed.count(row.target) == 1 and len(row.targets) == 1,
            "many to one": fed.count(row.target) > 1 and len(row.targets) == 1,
            "one to several": row.target is None and len(row.targets) > 0,
            "lost": row.target is None and row.targets == (),
        }
        assert expected[row.kind] and sum(expected.values()) == 1
    others = np.setdiff1d(np.arange(256), labels.source.ids)
    assert (labels.table[others] == IGNORE_ID).all()
    assert set(labels.unfed) == set(labels.target.names) - set(fed)


@pytest.mark.parametrize(("encoding", "space"), IDD_ENCODINGS.items())
def test_idds_ids_become_every_encoding_as_its_table_says(encoding: str, space: str) -> None:
    table = between("idd-id", space).table
    for label in idd_labels().values():
        assert table[label.ids["id"]] == label.ids[encoding], label.name


@pytest.mark.parametrize(
    ("fine", "coarse"), itertools.combinations(("level4Id", "level3Id", "level2Id", "level1Id"), 2)
)
def test_a_finer_level_becomes_a_coarser_one_as_every_label_does(fine: str, coarse: str) -> None:
    # But for animals and rail tracks, which a finer level may have put among others already.
    table = between(IDD_ENCODINGS[fine], IDD_ENCODINGS[coarse]).table
    for name, label in idd_labels().items():
        if label.ids[fine] != IGNORE_ID and name not in ("animal", "rail track"):
            assert table[label.ids[fine]] == label.ids[coarse], name


def deciding(space: str) -> dict[str, set[str]]:
    """By class, the things that decide it: those without parentheses, all where there are none."""
    held: dict[str, dict[bool, set[str]]] = {}
    for thing, row in rows().items():
        if row[space]:
            group = held.setdefault(bare(row[space]), {True: set(), False: set()})
            group[not row[space].startswith("(")].add(thing)
    return {name: group[True] or group[False] for name, group in held.items()}


def test_a_composed_map_is_the_two_tables_and_never_contradicts_the_direct_one() -> None:
    things, compared = {name: deciding(name) for name in SPACES}, 0
    for a, b, c in itertools.product(SPACES, repeat=3):
        whole, direct = between(a, b).compose(between(b, c)), decided(a, c)
        assert np.array_equal(whole.table, between(b, c).table[between(a, b).table])
        for row, first in zip(whole.classes, between(a, b).classes, strict=True):
            if row.target is None or not things[a][row.source] <= things[b][str(first.target)]:
                continue  # ignored, or only taken in by the class in the middle
            assert direct[row.source] == row.target, (a, b, c, row)
            compared += 1
    assert compared > 10_000


def test_composing_what_does_not_fit_is_refused() -> None:
    with pytest.raises(
        LabelError, match=r"map to camvid11 .* from idd-lite7; give a map from camvid11"
    ):
        between("idd-level1", "camvid11").compose(between("idd-lite7", "idd-level1"))


def test_composing_asks_for_the_same_classes_not_for_the_same_name() -> None:
    camvid, level1 = load_space("camvid11"), load_space("idd-level1")
    middle = replace(level1, name="mine")
    whole = mapping(camvid, middle).compose(between("idd-level1", "idd-lite7"))
    again = between("camvid11", "idd-level1").compose(between("idd-level1", "idd-lite7"))
    assert whole.classes == again.classes and whole.target.name == "idd-lite7"
    fewer = replace(level1, classes=level1.classes[:3])
    with pytest.raises(LabelError, match="cannot be followed"):
        between("camvid11", "idd-level1").compose(mapping(fewer, camvid))


def test_a_composed_map_says_if_any_part_of_it_went_by_names_alone() -> None:
    camvid, mine = load_space("camvid11"), made("road", "sky")
    known, named = between("cityscapes19", "camvid11"), mapping(camvid, mine)
    assert not known.by_name and named.by_name
    assert (
        known.compose(named).by_name
        and mapping(mine, camvid).compose(between("camvid11", "idd-level1")).by_name
    )
    assert not known.compose(between("camvid11", "idd-level1")).by_name


@given(ids=st.lists(st.integers(0, 255), min_size=1, max_size=40), pair=st.sampled_from(PAIRS))
def test_masks_are_mapped_pixel_by_pixel(ids: list[int], pair: tuple[str, str]) -> None:
    mask = np.array([ids], np.uint8)
    labels = between(*pair)
    out = labels.apply(mask)
    assert out.dtype == np.uint8 and out.shape == mask.shape
    assert out[0].tolist() == [int(labels.table[i]) for i in ids]


BY_HAND: dict[tuple[str, str], dict[str, str]] = {
    ("idd-level3", "cityscapes19"): {
        "road": "road", "sidewalk": "sidewalk", "rail track": "terrain", "person": "person",
        "rider": "rider", "motorcycle": "motorcycle", "bicycle": "bicycle", "car": "car",
        "truck": "truck", "bus": "bus", "wall": "wall", "fence": "fence", "traffic sign": "traffic sign",
        "traffic light": "traffic light", "pole": "pole", "building": "building",
        "vegetation": "vegetation", "sky": "sky",
    },
    ("idd-level2", "cityscapes19"): {
        "road": "road", "sidewalk": "sidewalk", "non-drivable-other": "terrain", "person": "person",
        "rider": "rider", "construction": "building", "vegetation": "vegetation", "sky": "sky",
    },
    ("idd-level1", "cityscapes19"): {"sky": "sky"},
    ("idd-source-level1", "cityscapes19"): {
        "sky": "sky", "vegetation": "vegetation", "building": "building",
    },
    ("cityscapes19", "idd-level1"): {
        "road": "drivable", "sidewalk": "non-drivable", "terrain": "non-drivable",
        "person": "living-thing", "rider": "living-thing", "car": "vehicle", "truck": "vehicle",
        "bus": "vehicle", "train": "vehicle", "motorcycle": "vehicle", "bicycle": "vehicle",
        "wall": "roadside-object", "fence": "roadside-object", "pole": "roadside-object",
        "traffic light": "roadside-object", "traffic sign": "roadside-object",
        "building": "far-object", "vegetation": "far-object", "sky": "sky",
    },
    ("camvid11", "cityscapes19"): {
        "sky": "sky", "building": "building", "pole": "pole", "road": "road", "pavement": "sidewalk",
        "tree": "vegetation", "fence": "fence", "pedestrian": "person",
    },
    ("cityscapes19", "camvid11"): {
        "road": "road", "sidewalk": "pavement", "building": "building", "wall": "building",
        "fence": "fence", "pole": "pole", "traffic light": "sign symbol", "traffic sign": "sign symbol",
        "vegetation": "tree", "terrain": "tree", "sky": "sky", "person": "pedestrian",
        "rider": "bicyclist", "motorcycle": "bicyclist", "bicycle": "bicyclist", "car": "car",
        "truck": "car", "bus": "car", "train": "car",
    },
    ("camvid11", "idd-level1"): {
        "sky": "sky", "building": "far-object", "tree": "far-object", "road": "drivable",
        "pavement": "non-drivable", "pole": "roadside-object", "sign symbol": "roadside-object",
        "fence": "roadside-object", "car": "vehicle", "pedestrian": "living-thing",
    },
    ("idd-lite7", "camvid11"): {"sky": "sky"},
    ("safetrip24", "cityscapes19"): {
        "sidewalk": "sidewalk", "braille_guide_blocks": "sidewalk", "bike_lane": "sidewalk",
        "roadway": "road", "person": "person", "car": "car", "bus": "bus", "truck": "truck",
        "bicycle": "bicycle", "motorcycle": "motorcycle", "scooter": "motorcycle",
        "tree_trunk": "vegetation", "potted_plant": "vegetation", "pole": "pole", "bollard": "pole",
    },
    ("cityscapes19", "safetrip24"): {
        "road": "roadway", "sidewalk": "sidewalk", "pole": "pole", "person": "person",
        "rider": "person", "car": "car", "truck": "truck", "bus": "bus", "motorcycle": "motorcycle",
        "bicycle": "bicycle",
    },
}  # fmt: skip


@pytest.mark.parametrize(("source", "target"), BY_HAND)
def test_maps_by_hand(source: str, target: str) -> None:
    goes = {name: other for name, other in decided(source, target).items() if other is not None}
    assert goes == BY_HAND[source, target]


def test_cityscapes_train_ids_open_the_unified_ids_both_ways() -> None:
    there, back = between("cityscapes19", "idd-unified"), between("idd-unified", "cityscapes19")
    assert there.table[:19].tolist() == back.table[:19].tolist() == list(range(19))
    assert (
        back.table[33] == 9 and back.table[25] == IGNORE_ID
    )  # terrain takes IDD's own in; no kerb


@pytest.mark.parametrize(
    ("source", "target", "name", "kind", "targets", "remark"),
    [
        ("camvid11", "cityscapes19", "car", "one to several", ("car", "truck", "bus"), ""),
        ("camvid11", "cityscapes19", "building", "one to one", ("building",), "wall is wall there"),
        ("idd-level2", "cityscapes19", "small-vehicle", "one to several", ("car",), "autorickshaw would be ignored"),
        ("idd-level3", "cityscapes19", "person", "one to one", ("person",), "animal is ignored there"),
        ("idd-level3", "cityscapes19", "curb", "lost", (), "there is no such class"),
        ("idd-level3", "cityscapes19", "rail track", "one to one", ("terrain",), "terrain is mostly other things"),
        ("cityscapes19", "camvid11", "bus", "many to one", ("car",), ""),
    ],
)  # fmt: skip
def test_what_a_map_says_of_a_class(source, target, name, kind, targets, remark) -> None:
    (row,) = (row for row in between(source, target).classes if row.source == name)
    assert (row.kind, row.targets) == (kind, targets)
    assert remark in row.remark and bool(remark) == bool(row.remark)


# Common classes


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_common_classes_are_the_same_from_both_sides_and_follow_the_maps(first, second) -> None:
    ahead, back = together(first, second), together(second, first)
    assert {(frozenset(a), frozenset(b)) for a, b in ahead.values()} == {
        (frozenset(b), frozenset(a)) for a, b in back.values()
    }
    assert all(left and right for left, right in ahead.values())
    of_first = {name: key for key, (left, _) in ahead.items() for name in left}
    of_second = {name: key for key, (_, right) in ahead.items() for name in right}
    for name, target in decided(first, second).items():
        if target is not None:
            assert of_first[name] == of_second[target]
    both = common(load_space(first), load_space(second))
    assert both.space.contiguous
    for way in (both.first, both.second):
        for row in way.classes:
            assert (row.kind == "lost") == (row.target is None)


@pytest.mark.parametrize("name", SPACES)
def test_a_space_has_all_its_classes_in_common_with_itself(name: str) -> None:
    assert together(name, name) == {item: ({item}, {item}) for item in load_space(name).names}


def test_idd_lite_and_camvid_by_hand() -> None:
    assert together("idd-lite7", "camvid11") == {
        "drivable": ({"drivable"}, {"road"}),
        "non-drivable": ({"non-drivable"}, {"pavement"}),
        # CamVid's bicyclist is a person on a vehicle: nothing finer holds in both.
        "living-thing+vehicle": ({"living-thing", "vehicle"}, {"car", "pedestrian", "bicyclist"}),
        "roadside-object": ({"roadside-object"}, {"pole", "sign symbol", "fence"}),
        "far-object": ({"far-object"}, {"building", "tree"}),
        "sky": ({"sky"}, {"sky"}),
    }


def test_idd_level_2_and_cityscapes_by_hand() -> None:
    found = together("idd-level2", "cityscapes19")
    assert found == {
        **{name: ({name}, {name}) for name in ("road", "sidewalk", "person", "rider", "vegetation", "sky")},
        "non-drivable-other": ({"non-drivable-other"}, {"terrain"}),
        "2-wheeler": ({"2-wheeler"}, {"motorcycle", "bicycle"}),
        "small-vehicle": ({"small-vehicle"}, {"car"}),
        "large-vehicle": ({"large-vehicle"}, {"truck", "bus", "train"}),
        "barrier-solid": ({"barrier-solid"}, {"wall"}),
        "barrier-open": ({"barrier-open"}, {"fence"}),
        "structures-sign": ({"structures-sign"}, {"traffic light", "traffic sign"}),
        "structures-pole": ({"structures-pole"}, {"pole"}),
        "construction": ({"construction"}, {"building"}),
    }  # fmt: skip
    both = common(load_space("idd-level2"), load_space("cityscapes19"))
    assert [row.source for row in both.first.lost] == ["drivable-other"] and both.second.lost == ()


def test_camvid_and_cityscapes_meet_in_camvids_eleven() -> None:
    found = together("camvid11", "cityscapes19")
    assert {name: right for name, (_, right) in found.items()} == {
        "sky": {"sky"}, "building": {"building", "wall"}, "pole": {"pole"}, "road": {"road"},
        "pavement": {"sidewalk"}, "tree": {"vegetation", "terrain"}, "fence": {"fence"},
        "sign symbol": {"traffic light", "traffic sign"}, "car": {"car", "truck", "bus", "train"},
        "pedestrian": {"person"}, "bicyclist": {"rider", "motorcycle", "bicycle"},
    }  # fmt: skip
    assert all(left == {name} for name, (left, _) in found.items())


# Spaces that do not ship


def made(*names: str, name: str = "mine") -> LabelSpace:
    classes = (LabelClass(id=i, name=n, color=(i, i, i)) for i, n in enumerate(names))
    return LabelSpace(name=name, classes=tuple(classes))


def test_a_shipped_space_under_another_name_and_other_colours_is_known() -> None:
    shipped = load_space("camvid11")
    mine = replace(
        shipped, name="x", classes=tuple(replace(c, color=(1, 2, 3)) for c in shipped.classes)
    )
    labels = mapping(mine, load_space("cityscapes19"))
    assert not labels.by_name and labels.classes == between("camvid11", "cityscapes19").classes


def test_an_unknown_space_is_compared_by_names_alone() -> None:
    mine = made("Traffic_Light", "kerb", "car", "Car")
    labels = mapping(mine, load_space("cityscapes19"))
    assert labels.by_name
    # `car` and `Car` are two classes: only the one that is spelt so is Cityscapes'.
    assert [row.target for row in labels.classes] == ["traffic light", None, "car", None]
    both = common(mine, load_space("cityscapes19"))
    assert both.first.by_name and both.space.names == ("Traffic_Light", "car")


def test_nothing_in_common_is_said() -> None:
    with pytest.raises(LabelError, match="mine and camvid11 have no class in common"):
        common(made("a", "b"), load_space("camvid11"))


def test_a_common_class_has_the_colour_of_the_class_it_is_called_after() -> None:
    camvid, cityscapes = load_space("camvid11"), load_space("cityscapes19")
    for first, second in ((camvid, cityscapes), (cityscapes, camvid)):
        colors = {item.name: item.color for item in common(first, second).space.classes}
        assert colors["bicyclist"] == (0, 128, 192)  # CamVid's, not Cityscapes' rider
    lite = common(load_space("idd-lite7"), camvid).space.classes
    first = load_space("idd-lite7").classes[2]  # living-thing: no class is called by both names
    assert [c.color for c in lite if c.name == "living-thing+vehicle"] == [first.color]


def test_a_common_class_has_objects_where_every_part_of_it_has() -> None:
    things = replace(
        made("car", "sky"),
        classes=tuple(replace(c, has_instances=True) for c in made("car", "sky").classes),
    )
    found = common(things, load_space("cityscapes19")).space
    assert {item.name: item.has_instances for item in found.classes} == {"car": True, "sky": False}


def test_cocos_road_users_are_known_and_its_kitchen_is_not() -> None:
    found = decided("coco80", "cityscapes19")
    vehicles = ("bicycle", "car", "motorcycle", "bus", "train", "truck", "traffic light")
    assert {name: found[name] for name in vehicles} == {name: name for name in vehicles}
    assert found["stop sign"] == "traffic sign"
    assert between("coco80", "cityscapes19").classes[0].targets == ("person", "rider")
    assert all(found[name] is None for name in ("person", "dog", "chair", "backpack", "boat"))
    assert not between("coco80", "cityscapes19").by_name


def test_cocos_ten_animals_are_one_thing() -> None:
    assert {decided("coco80", "idd-id")[name] for name in ANIMALS} == {"animal"}
    (back,) = (row for row in between("idd-id", "coco80").classes if row.source == "animal")
    assert back.kind == "one to several" and set(back.targets) == set(ANIMALS)
    assert together("coco80", "idd-id")["animal"] == (set(ANIMALS), {"animal"})
    assert decided("coco80", "camvid11")["dog"] == "pedestrian"
    assert decided("coco80", "idd-lite7")["dog"] == "living-thing"


def test_the_five_classes_of_the_idd_edge_project() -> None:
    assert together("idd5", "coco80") == {
        "person_animal+rider": ({"person_animal", "rider"}, {"person", *ANIMALS}),
        "motorcycle_bicycle": ({"motorcycle_bicycle"}, {"bicycle", "motorcycle"}),
        "autorickshaw_car": ({"autorickshaw_car"}, {"car"}),
        "large_vehicle": ({"large_vehicle"}, {"bus", "train", "truck"}),
    }
    assert decided("idd5", "idd-level2") == {
        "person_animal": "person",
        "rider": "rider",
        "motorcycle_bicycle": "2-wheeler",
        "autorickshaw_car": "small-vehicle",
        "large_vehicle": "large-vehicle",
    }


@pytest.mark.parametrize(
    ("source", "name", "target", "expected"),
    [
        ("coco80", "person", "camvid11", {"pedestrian", "bicyclist"}),
        ("coco80", "bicycle", "camvid11", {"bicyclist"}),
        ("coco80", "person", "cityscapes19", {"person", "rider"}),
        ("coco80", "car", "idd-level3", {"car", "autorickshaw"}),
        ("coco80", "stop sign", "idd-level2", {"structures-sign"}),
        ("coco80", "chair", "idd-level2", set()),
        ("idd5", "large_vehicle", "cityscapes19", {"truck", "bus", "train"}),
    ],
)
def test_what_an_object_may_be_in_a_map_of_classes(
    source: str, name: str, target: str, expected: set[str]
) -> None:
    assert set(counterparts(load_space(source), load_space(target))[name]) == expected


def test_classes_that_no_table_knows_have_the_counterpart_of_their_name() -> None:
    found = counterparts(made("Car", "chair"), made("car", "sky"))
    assert found == {"Car": ("car",), "chair": ()}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("idd-level3", {"motorcycle", "bicycle", "car", "truck", "bus", "traffic light"}),
        ("idd-level2", {"2-wheeler", "small-vehicle", "large-vehicle"}),
        (
            "cityscapes19",
            {"motorcycle", "bicycle", "car", "truck", "bus", "train", "traffic light"},
        ),
        ("idd5", {"motorcycle_bicycle", "autorickshaw_car", "large_vehicle"}),
    ],
)
def test_the_classes_of_which_coco_tells_all(target: str, expected: set[str]) -> None:
    assert set(covered(load_space("coco80"), load_space(target))) == expected


@pytest.mark.parametrize("space", SPACES)
def test_every_space_tells_all_of_its_own_classes(space: str) -> None:
    ours = load_space(space)
    own = between(space, space)
    assert set(covered(ours, ours)) == {row.target for row in own.classes if row.target}


def test_road_or_not_is_told_by_every_dataset() -> None:
    road = {
        "cityscapes19": {"road"},
        "camvid11": {"road"},
        "camvid12": {"road"},
        "idd-level3": {"road", "parking"},
        "idd-level2": {"road", "drivable-other"},
        "idd-level1": {"drivable"},
        "idd-lite7": {"drivable"},
        "safetrip24": {"roadway", "alley"},
    }
    for space, names in road.items():
        became = between(space, "road2")
        assert {row.source for row in became.classes if row.target == "road"} == names, space
        lost = {row.source for row in became.lost}
        assert lost == {"camvid12": {"void"}, "safetrip24": {"caution_zone"}}.get(space, set())
        assert {row.target for row in became.classes} >= {"road", "not road"}
        assert together("road2", space).keys() == {"road", "not road"}


def test_yes_or_no_is_one_score_and_everything_else_one_per_class() -> None:
    binary = [name for name in space_names() if load_space(name).binary]
    assert binary == ["road2"] and load_space("road2").num_channels == 1
    assert load_space("camvid12").num_channels == 12
    assert [item.name for item in load_space("road2").painted] == ["road"]
    assert load_space("camvid12").painted == load_space("camvid12").classes


def test_void_is_lost_on_the_way_to_eleven_classes() -> None:
    assert [row.source for row in between("camvid12", "camvid11").lost] == ["void"]
    assert between("camvid11", "camvid12").unfed == ("void",)


def test_what_yes_or_no_looks_for_stays_id_1_among_others() -> None:
    road, lite = load_space("road2"), load_space("idd-lite7")
    beside = ("cityscapes19", "camvid12", "idd-level3", "safetrip24")
    for others in ([], [road], *([load_space(name)] for name in beside)):
        found = joined([common(space, lite) for space in (*others, road)])
        for item in found:
            assert item.space.binary and item.space.names == road.names
            went = {row.source: row.target for row in item.second.classes}
            assert [name for name, end in went.items() if end == "road"] == ["drivable"]
        assert all(row.source == row.target for row in found[-1].first.classes)
