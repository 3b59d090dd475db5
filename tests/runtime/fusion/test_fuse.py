"""The rules of fusion, by hand and against a computation pixel by pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curbside.errors import ConfigError, LabelError
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.results import (
    Disagreement,
    InstanceResult,
    MaskCrop,
    PanopticResult,
    SemanticResult,
)
from curbside.runtime.fusion import Fusion, FusionConfig, Tracker

CITY, COCO = load_space("cityscapes19"), load_space("coco80")
ID = {item.name: item.id for item in CITY.classes}
KIND = {item.name: item.id for item in COCO.classes}
PLAIN = FusionConfig(min_area=0)


def classes(rows: list[str]) -> SemanticResult:
    """A class map from letters."""
    letters = {"r": "road", "s": "sky", "c": "car", "p": "person", "i": "rider", "t": "truck"}
    ids = [[255 if x == "." else ID[letters[x]] for x in row] for row in rows]
    return SemanticResult(ids=np.array(ids, np.uint8), space=CITY)


def objects(*found: tuple[str, float, list[str]]) -> InstanceResult:
    """Objects from a COCO class, a score, and their pixels as x."""
    masks, boxes = [], []
    for _, _, rows in found:
        full = np.array([[x == "x" for x in row] for row in rows])
        ys, xs = np.nonzero(full)
        top, left, bottom, right = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1
        masks.append(MaskCrop(top=int(top), left=int(left), inside=full[top:bottom, left:right]))
        boxes.append([left, top, right, bottom])
    return InstanceResult(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([score for _, score, _ in found], np.float32),
        class_ids=np.array([KIND[name] for name, _, _ in found], np.uint8),
        masks=tuple(masks),
        space=COCO,
        size_hw=(len(found[0][2]), len(found[0][2][0])) if found else (2, 4),
    )


def fuse(
    semantic: SemanticResult, found: InstanceResult, config: FusionConfig = PLAIN
) -> PanopticResult:
    return Fusion(CITY, COCO, config)(semantic, found)


def test_objects_lie_on_the_class_map():
    result = fuse(classes(["rrcc", "rrcc"]), objects(("car", 0.9, [".xx.", "..xx"])))
    car, road = ID["car"], ID["road"]
    assert result.ids.tolist() == [[road, car, car, car], [road, road, car, car]]
    assert result.segment_map().tolist() == [
        [road, car * 1000 + 1, car * 1000 + 1, car],
        [road, road, car * 1000 + 1, car * 1000 + 1],
    ]
    agree, differ, missing = Disagreement.NONE, Disagreement.CLASS, Disagreement.NO_OBJECT
    assert result.disagreement.tolist() == [[agree, differ, agree, missing], [agree] * 4]
    assert result.counts() == {"car": 1}
    assert result.found_as == ("car",)
    assert result.track_ids.tolist() == [0]
    assert result.disagreement_shares() == {"class": 1 / 8, "no object": 1 / 8, "refused": 0.0}
    assert result.shares() == {"car": 5 / 8, "road": 3 / 8}


def test_objects_of_a_class_are_numbered():
    found = objects(
        ("car", 0.9, ["x...", "...."]),
        ("truck", 0.8, [".x..", "...."]),
        ("car", 0.7, ["....", "..xx"]),
    )
    result = fuse(classes(["ctrr", "rrcc"]), found)
    car, truck, road = ID["car"], ID["truck"], ID["road"]
    assert result.segment_map().tolist() == [
        [car * 1000 + 1, truck * 1000 + 1, road, road],
        [road, road, car * 1000 + 2, car * 1000 + 2],
    ]


def test_the_better_score_has_the_pixel_that_two_want():
    found = objects(("car", 0.9, ["xx..", "xx.."]), ("truck", 0.79, [".xxx", "...."]))
    result = fuse(classes(["cccc", "cccc"]), found)
    assert result.found_as == ("car",)  # 1 of the truck's 3 pixels is gone, the rest says car
    result = fuse(classes(["cctt", "cccc"]), found)
    assert result.found_as == ("car", "truck")
    assert result.objects.masks[1].area == 2
    assert result.objects.boxes_xyxy[1].tolist() == [1, 0, 4, 1]


def test_by_agreement_the_one_that_the_map_believes_in_comes_first():
    found = objects(("truck", 0.9, ["xxx.", "...."]), ("car", 0.8, ["xxx.", "...."]))
    semantic = classes(["cctr", "rrrr"])
    loose = replace(PLAIN, min_agreement=0)
    assert fuse(semantic, found, loose).found_as == ("truck",)
    assert fuse(semantic, found, replace(loose, conflicts="agreement")).found_as == ("car",)


def test_an_object_that_is_mostly_hidden_is_refused():
    found = objects(("car", 0.9, ["xx..", "...."]), ("car", 0.8, ["xxx.", "...."]))
    result = fuse(classes(["cccc", "rrrr"]), found)
    assert len(result.objects) == 1
    assert result.disagreement[0].tolist() == [0, 0, Disagreement.REFUSED, Disagreement.NO_OBJECT]
    assert len(fuse(classes(["cccc", "rrrr"]), found, replace(PLAIN, min_visible=0.3)).objects) == 2


@pytest.mark.parametrize(
    ("score", "rows", "shown"),
    [
        (0.7, ["rrrr", "rrrr"], False),  # the map says road everywhere
        (0.7, ["crrr", "rrrr"], True),  # on a quarter it agrees
        (0.7, ["c...", "rrrr"], True),  # where it says nothing, it is not asked
        (0.7, ["....", "rrrr"], True),
        (0.81, ["rrrr", "rrrr"], True),  # a sure score
        (0.5, ["cccc", "rrrr"], False),  # not above the threshold
    ],
)
def test_the_map_can_speak_against_an_object(score: float, rows: list[str], shown: bool):
    result = fuse(classes(rows), objects(("car", score, ["xxxx", "...."])))
    assert len(result.objects) == shown


def test_agreed_pixels_alone():
    result = fuse(
        classes(["rc.c", "rrrr"]),
        objects(("car", 0.9, ["xxxx", "...."])),
        replace(PLAIN, pixels="agreed"),
    )
    car, road = ID["car"], ID["road"]
    assert result.ids[0].tolist() == [road, car, car, car]
    assert result.objects.masks[0].inside.tolist() == [[False, True, True, True]]


def test_small_objects_and_small_stuff_are_left_out():
    found = objects(("car", 0.9, ["x...", "...."]))
    assert len(fuse(classes(["crrr", "rrrr"]), found, replace(PLAIN, min_area=0.2)).objects) == 0
    result = fuse(classes(["csrr", "rrrr"]), found, replace(PLAIN, min_stuff_area=0.2))
    car, road = ID["car"], ID["road"]
    assert result.ids.tolist() == [[car, 255, road, road], [road] * 4]


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("person", "ppii", "person"),  # equal votes: the first in the map's order
        ("person", "piii", "rider"),
        ("person", "rrrp", "person"),
        ("person", "rrrr", "person"),
        ("truck", "tttc", "truck"),
    ],
)
def test_the_map_says_what_an_object_is_where_it_can_be_several_things(name, row, expected):
    found = objects((name, 0.95, ["xxxx", "...."]))
    result = fuse(classes([row, "rrrr"]), found)
    assert result.objects.names == (expected,)
    assert result.found_as == (name,)


def test_objects_that_the_map_has_no_class_for():
    found = objects(
        ("dog", 0.9, ["xx..", "...."]),
        ("chair", 0.85, ["..xx", "...."]),
        ("traffic light", 0.85, ["....", "xx.."]),
    )
    semantic = classes(["rrrr", "rrrr"])
    users = fuse(semantic, found)
    assert users.objects.names == ("dog",)
    assert users.ids[0, 0] not in CITY.ids
    assert users.space.name_of(int(users.ids[0, 0])) == "dog"
    assert fuse(semantic, found, replace(PLAIN, outside="drop")).objects.names == ()
    assert fuse(semantic, found, replace(PLAIN, outside="drop")).space == CITY
    every = fuse(semantic, found, replace(PLAIN, outside="keep"))
    assert every.objects.names == ("dog", "chair", "traffic light (object)")
    assert len(set(every.space.ids)) == len(every.space.ids)


def test_a_map_without_countable_classes_keeps_road_users_as_they_are():
    road = LabelSpace(
        name="road",
        classes=(
            LabelClass(id=0, name="other", color=(0, 0, 0)),
            LabelClass(id=1, name="road", color=(9, 9, 9)),
        ),
    )
    fusion = Fusion(road, COCO, PLAIN)
    result = fusion(
        SemanticResult(ids=np.ones((2, 4), np.uint8), space=road),
        objects(("car", 0.9, ["xx..", "...."]), ("chair", 0.9, ["..xx", "...."])),
    )
    assert result.objects.names == ("car",)
    with pytest.raises(LabelError, match=r"coco80 and road have no object in common.*outside keep"):
        Fusion(road, COCO, replace(PLAIN, outside="drop"))


def test_classes_that_objects_bring_along_have_no_id_0():
    one = LabelSpace(name="one", classes=(LabelClass(id=1, name="road", color=(9, 9, 9)),))
    result = Fusion(one, COCO, PLAIN)(
        SemanticResult(ids=np.ones((2, 4), np.uint8), space=one),
        objects(("bicycle", 0.9, ["x...", "...."])),
    )
    assert set(np.unique(result.segment_map())) == {1, int(result.objects.class_ids[0]) * 1000 + 1}
    assert 0 not in result.space.ids


def test_no_objects_leave_the_class_map():
    result = fuse(classes(["rrcc", "rrss"]), objects())
    np.testing.assert_array_equal(result.ids, classes(["rrcc", "rrss"]).ids)
    assert (result.disagreement == Disagreement.NO_OBJECT).sum() == 2
    assert result.draw(np.zeros((2, 4, 3), np.uint8)).shape == (2, 4, 3)


def test_results_of_other_networks_or_frames_are_refused():
    fusion = Fusion(CITY, COCO)
    with pytest.raises(ConfigError, match=r"2 x 4, the objects are of 3 x 4"):
        fusion(classes(["rrrr", "rrrr"]), objects(("car", 0.9, ["x...", "....", "...."])))
    other = SemanticResult(ids=np.zeros((2, 4), np.uint8), space=load_space("camvid11"))
    with pytest.raises(ConfigError, match="of camvid11 came to rules made for cityscapes19"):
        fusion(other, objects(("car", 0.9, ["x...", "...."])))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": 1.5}, "score is 1.5"),
        ({"min_agreement": -0.1}, "min_agreement is -0.1"),
        ({"min_area": float("nan")}, "min_area is nan"),
    ],
)
def test_impossible_rules_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        FusionConfig(**change)


def _naive(semantic: np.ndarray, found: InstanceResult, config: FusionConfig):
    """Owner of every pixel and class of every object, pixel by pixel, for classes that are alike."""
    height, width = semantic.shape
    may = {"car": {"car"}, "truck": {"truck"}, "person": {"person", "rider"}}
    names = {item.id: item.name for item in CITY.classes}
    full = [found.full_mask(i) for i in range(len(found))]
    places = [[(y, x) for y in range(height) for x in range(width) if m[y, x]] for m in full]
    agreed = []
    for i, cells in enumerate(places):
        told = [names[int(semantic[c])] for c in cells if semantic[c] != 255]
        agreed.append(sum(n in may[found.names[i]] for n in told) / len(told) if told else 1.0)
    worth = [
        float(found.scores[i]) * (agreed[i] if config.conflicts == "agreement" else 1)
        for i in range(len(found))
    ]
    owner = {}
    kept = []
    for i in sorted(range(len(found)), key=lambda i: (-np.float64(worth[i]), i)):
        if found.scores[i] <= config.score:
            continue
        mine = [c for c in places[i] if c not in owner]
        if config.pixels == "agreed":
            mine = [
                c for c in mine
                if semantic[c] == 255 or names[int(semantic[c])] in may[found.names[i]]
            ]  # fmt: skip
        if not mine or len(mine) < config.min_visible * len(places[i]):
            continue
        if len(mine) < config.min_area * semantic.size:
            continue
        if agreed[i] < config.min_agreement and found.scores[i] < config.sure_score:
            continue
        owner |= dict.fromkeys(mine, i)
        kept.append(i)
    return owner, kept


@pytest.mark.parametrize("seed", range(12))
def test_against_a_computation_pixel_by_pixel(seed: int):
    random = np.random.default_rng(seed)
    size = 24, 32
    config = FusionConfig(
        score=0.4,
        followed_score=0.4,
        conflicts=("score", "agreement")[seed % 2],
        pixels=("object", "agreed")[seed // 2 % 2],
        min_visible=random.choice([0.2, 0.5, 0.8]),
        min_agreement=random.choice([0.0, 0.3, 0.6]),
        min_area=0.01,
    )
    ids = random.choice(
        [ID[n] for n in ("road", "car", "truck", "person", "rider")] + [255], (6, 8)
    )
    semantic = np.kron(ids, np.ones((4, 4), int)).astype(np.uint8)
    masks, names = [], random.choice(["car", "truck", "person"], 14)
    for _ in names:
        height, width = random.integers(1, 16, 2)
        top, left = (
            random.integers(0, size[0] - height + 1),
            random.integers(0, size[1] - width + 1),
        )
        inside = random.random((height, width)) < 0.8
        masks.append(MaskCrop(top=int(top), left=int(left), inside=inside))
    scores = random.permutation(np.linspace(0.3, 0.95, len(names))).astype(np.float32)
    found = InstanceResult(
        boxes_xyxy=np.zeros((len(names), 4), np.float32),
        scores=scores,
        class_ids=np.array([KIND[name] for name in names], np.uint8),
        masks=tuple(masks),
        space=COCO,
        size_hw=size,
    )
    result = fuse(SemanticResult(ids=semantic, space=CITY), found, config)
    owner, kept = _naive(semantic, found, config)
    assert [float(s) for s in result.objects.scores] == [float(scores[i]) for i in kept]
    expected = np.full(size, -1)
    for cell, i in owner.items():
        expected[cell] = kept.index(i)
    ours = np.full(size, -1)
    for place, mask in enumerate(result.objects.masks):
        assert (ours[mask.window][mask.inside] == -1).all()
        ours[mask.window][mask.inside] = place
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(result.ids[ours < 0], semantic[ours < 0])


def _two_frames(config: FusionConfig, *second) -> PanopticResult:
    """A sure car, then these objects, followed."""
    fusion, tracker = Fusion(CITY, COCO, config), Tracker(score=config.score)
    semantic = classes(["cccc", "tttt"])
    first = fusion(semantic, objects(("car", 0.9, ["xxxx", "...."])), follower=tracker)
    assert first.track_ids.tolist() == [1]
    return fusion(semantic, objects(*second), follower=tracker)


def test_an_unsure_object_that_nobody_knows_takes_nothing_from_one_that_is_followed():
    config = replace(PLAIN, min_agreement=0)
    unsure = ("car", 0.4, ["xxxx", "...."])
    assert _two_frames(config, unsure).track_ids.tolist() == [1]
    # A new truck with a better score that covers most of it is no object of before.
    hidden = ("truck", 0.45, [".xxx", "xxxx"])
    assert _two_frames(config, unsure, hidden).found_as == ("car",)


def test_a_sure_object_comes_before_an_unsure_one_that_the_map_likes_better():
    config = replace(PLAIN, min_agreement=0, conflicts="agreement")
    result = _two_frames(config, ("car", 0.6, ["....", "xxxx"]), ("truck", 0.45, ["....", "xxxx"]))
    assert result.found_as == ("car",)
