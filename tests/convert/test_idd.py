"""IDD: every trap of its annotation files, against masks drawn here by Pillow or by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from builders import add_idd_frame, box, idd_object, make_idd_tree, photo
from PIL import Image, ImageDraw

from curbside.convert import Conversion, Idd, convert
from curbside.errors import DataError, LabelError
from curbside.labels import IDD_ENCODINGS, idd_labels
from curbside.prepared import PreparedFolder, Sample

CAR_LEVEL3, CAR_LEVEL2, PERSON_LEVEL2, ROAD = 9, 7, 4, 0


def run(root: Path, out: Path, **options: str) -> tuple[Conversion, list[Sample]]:
    result = convert(Idd(root=root, **options), out, workers=1)  # type: ignore[arg-type]
    return result, PreparedFolder(out).samples("train")


def one(tmp_path: Path, objects: list, *, more: dict | None = None, **options: str) -> Sample:
    """The only sample of a tree with these objects."""
    add_idd_frame(tmp_path / "idd", objects=objects, **(more or {}))
    return run(tmp_path / "idd", tmp_path / "out", **options)[1][0]


def problem(tmp_path: Path, objects: object, **more: object) -> str:
    """The one line about a frame that cannot be converted; a good frame beside it can."""
    _, truth = add_idd_frame(tmp_path / "idd", frame="bad", **{"objects": objects, **more})  # type: ignore[arg-type]
    add_idd_frame(tmp_path / "idd", frame="good")
    return only_problem(tmp_path, truth)


def only_problem(tmp_path: Path, names: Path) -> str:
    result, samples = run(tmp_path / "idd", tmp_path / "out")
    assert [sample.id for sample in samples] == ["0_good"]
    (found,) = result.problems
    assert found.id == "0_bad" and found.split == "train"
    assert str(names) in found.message and "\n" not in found.message and "; " in found.message
    return found.message


def test_a_square_from_2_to_10_covers_9_by_9_pixels(tmp_path):
    mask = one(tmp_path, [idd_object("road", box(2, 2, 10, 10))]).read_semantic()
    want = np.full((48, 64), 255, np.uint8)
    want[2:11, 2:11] = ROAD
    np.testing.assert_array_equal(mask, want)


def test_masks_equal_a_direct_pillow_drawing(tmp_path):
    rng = np.random.default_rng(7)
    labels = {"road": 0, "car": 9, "sky": 25, "person": 4, "polegroup": 20, "billboard": 17}
    canvas = Image.new("L", (64, 48), 255)
    objects = []
    for _ in range(40):
        name = str(rng.choice(list(labels)))
        polygon = rng.uniform(-30, 90, (rng.integers(3, 9), 2)).tolist()  # outside, self-crossing
        objects.append(idd_object(name, polygon))
        ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in polygon], fill=labels[name])
    mask = one(tmp_path, objects, labels="level3").read_semantic()
    np.testing.assert_array_equal(mask, np.asarray(canvas))


def test_more_than_255_objects_are_drawn_alike(tmp_path):
    # Past 255 objects the number map needs more than a byte.
    canvas = Image.new("L", (64, 48), 255)
    objects = []
    for number in range(400):
        polygon = [(number % 60, 3), (number % 60 + 9, 20), (number % 37, 44)]
        objects.append(idd_object(("road", "car")[number % 2], [list(c) for c in polygon]))
        ImageDraw.Draw(canvas).polygon(polygon, fill=(0, CAR_LEVEL3)[number % 2])
    sample = one(tmp_path, objects, labels="level3")
    np.testing.assert_array_equal(sample.read_semantic(), np.asarray(canvas))
    top = sample.read_instances()[sample.read_semantic() == CAR_LEVEL3]
    assert top.min() >= 9000 and top.max() == 9199


def test_later_objects_lie_over_earlier_ones(tmp_path):
    objects = [idd_object("car", box(0, 0, 20, 20)), idd_object("road", box(0, 0, 10, 10))]
    mask = one(tmp_path, objects).read_semantic()
    assert mask[5, 5] == ROAD and mask[15, 15] == CAR_LEVEL2


@pytest.mark.parametrize("deleted", [1, True, "0", "yes"])
def test_deleted_is_taken_by_its_truth(tmp_path, deleted):
    objects = [
        idd_object("car", box(0, 0, 9, 9), deleted=deleted),
        idd_object("road", box(0, 0, 3, 3)),
    ]
    mask = one(tmp_path, objects).read_semantic()
    assert np.count_nonzero(mask == ROAD) == 16
    assert np.count_nonzero(mask == CAR_LEVEL2) == 0


@pytest.mark.parametrize("deleted", [0, False, "", None])
def test_what_is_not_deleted_is_painted(tmp_path, deleted):
    objects = [idd_object("car", box(0, 0, 9, 9), deleted=deleted)]
    assert np.count_nonzero(one(tmp_path, objects).read_semantic() == CAR_LEVEL2) == 100


def test_fewer_than_three_corners_paint_nothing(tmp_path):
    objects = [
        idd_object("car", [[1, 1], [30, 30]]),
        idd_object("car", []),
        idd_object("car", [[3, 3]]),
    ]
    assert (one(tmp_path, objects).read_semantic() == 255).all()


def test_a_polygon_of_two_points_enters_neither_mask_of_a_prepared_folder(tmp_path):
    # The official tools draw it into instance maps alone: see test_official.py.
    objects = [
        idd_object("car", box(0, 0, 9, 9)),
        idd_object("car", [[1, 1], [30, 30]]),
        idd_object("car", box(40, 0, 49, 9)),
    ]
    sample = one(tmp_path, objects, labels="level3")
    instances, mask = sample.read_instances(), sample.read_semantic()
    assert (mask[20, 20], instances[20, 20], instances[5, 5], instances[5, 45]) == (
        *(255, 255),
        *(9000, 9001),
    )
    np.testing.assert_array_equal(mask == CAR_LEVEL3, instances >= 9000)


def test_a_frame_of_too_many_pixels_is_refused(tmp_path):
    said = problem(tmp_path, [], imgHeight=15_000, imgWidth=15_000)
    assert "is for 15000 x 15000 pixels, more than 150,000,000" in said


def test_more_objects_than_can_be_painted_in_time_are_refused(tmp_path):
    objects = [idd_object("road", box(0, 0, 9, 9))] * 401
    said = problem(tmp_path, objects, imgHeight=12_000, imgWidth=12_000)
    assert "401 objects on 12000 x 12000 pixels, too many to paint" in said
    zigzag = [[number, 11_999 * (number % 2)] for number in range(7_000)]
    objects = [idd_object("road", zigzag)] * 3
    said = problem(tmp_path / "zigzag", objects, imgHeight=12_000, imgWidth=12_000)
    assert "21,000 corners on 12000 x 12000 pixels, too many to paint" in said


def test_the_table_is_the_official_one(shared):
    with open(shared / "data/idd_labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = idd_labels()
    assert [row["name"] for row in rows] == list(labels)
    encodings = [name for name in IDD_ENCODINGS if name != "sourceLevel1Id"]
    assert len(encodings) == 8
    for row in rows:
        label = labels[row["name"]]
        want = {name: 255 if row[name] == "355" else int(row[name]) for name in encodings}
        assert {name: label.ids[name] for name in encodings} == want
        assert label.has_instances == (row["hasInstances"] == "True")
        assert label.color == (int(row["r"]), int(row["g"]), int(row["b"]))


def test_drives_are_held_out_whole(tmp_path):
    make_idd_tree(tmp_path / "idd", train=6, val=0)
    convert(Idd(root=tmp_path / "idd", hold_out=0.4), tmp_path / "out", workers=1)
    drives = {
        split: {s.record.tags["drive"] for s in PreparedFolder(tmp_path / "out").samples(split)}
        for split in ("train", "val")
    }
    assert sorted(map(sorted, drives.values())) == [["0"], ["1"]]


def test_a_group_is_painted_with_the_plain_class_id_and_not_counted(tmp_path):
    objects = [
        idd_object("cargroup", box(0, 0, 9, 9)),
        idd_object("car", box(20, 0, 29, 9)),
        idd_object("car", box(40, 0, 49, 9)),
    ]
    sample = one(tmp_path, objects, labels="level3")
    assert set(np.unique(sample.read_semantic())) == {CAR_LEVEL3, 255}
    instances = sample.read_instances()
    assert (instances[0, 0], instances[0, 20], instances[0, 40]) == (9, 9000, 9001)


@pytest.mark.parametrize("count", [255, 256, 257])
def test_every_object_is_drawn_around_256_of_them(tmp_path, count):
    spots = [(n % 60, n // 60) for n in range(count)]
    objects = [idd_object("car", box(x, y, x, y)) for x, y in spots]
    instances = one(tmp_path, objects, labels="level3").read_instances()
    assert instances[:5, :60].ravel()[:count].tolist() == [9000 + n for n in range(count)]
    assert (instances == 255).sum() == 48 * 64 - count


def test_polegroup_is_a_label_of_its_own(tmp_path):
    objects = [idd_object("polegroup", box(0, 0, 9, 9)), idd_object("pole", box(20, 0, 29, 9))]
    mask = one(tmp_path, objects, labels="id").read_semantic()
    assert (mask[0, 0], mask[0, 20]) == (27, 26)


def test_unknown_labels_are_skipped_and_counted(tmp_path):
    unknown = ["Car", "car ", "car ", "group", "Cargroup"]
    objects = [idd_object(label, box(0, 0, 9, 9)) for label in unknown]
    objects += [idd_object("car ", box(0, 0, 9, 9), deleted=1), idd_object("car ", [[0, 0]])]
    add_idd_frame(tmp_path / "idd", objects=objects)
    add_idd_frame(tmp_path / "idd", frame="1", objects=[idd_object("Car", box(0, 0, 9, 9))])
    result, samples = run(tmp_path / "idd", tmp_path / "out")
    assert (samples[0].read_semantic() == 255).all()
    assert dict(result.unknown_labels) == {"Car": 2, "car ": 2, "Cargroup": 1, "group": 1}
    assert dict(samples[0].record.unknown_labels) == {
        "Car": 1,
        "car ": 2,
        "Cargroup": 1,
        "group": 1,
    }
    again, _ = run(tmp_path / "idd", tmp_path / "out")
    assert again.converted == 0 and again.unknown_labels == result.unknown_labels


def test_instances_count_per_encoded_class(tmp_path):
    # level2 puts autorickshaw and car into one class: its counter goes on over both.
    names = ("car", "autorickshaw", "person", "car", "road", "vehicle fallback")
    objects = [idd_object(name, box(10 * n, 0, 10 * n + 8, 9)) for n, name in enumerate(names)]
    sample = one(tmp_path, objects, labels="level2")
    row = sample.read_instances()[0, 4:64:10]
    assert row.tolist() == [7000, 7001, 4000, 7002, 0, 8000]
    assert sample.read_instances()[47, 0] == 255  # nothing there


def test_ignored_objects_stay_255_in_the_instance_map(tmp_path):
    # csId of a vehicle fallback is 355, which fits no byte; the label has instances all the same.
    objects = [
        idd_object("vehicle fallback", box(0, 0, 9, 9)),
        idd_object("license plate", box(20, 0, 29, 9)),
        idd_object("car", box(40, 0, 49, 9)),
    ]
    sample = one(tmp_path, objects, labels="csid")
    assert sample.read_instances()[0, [0, 20, 40]].tolist() == [255, 255, 26000]
    assert sample.read_semantic()[0, [0, 20, 40]].tolist() == [255, 255, 26]


def test_what_the_encoding_does_not_count_is_not_counted(tmp_path):
    # The source document's level 1 puts animals, countable elsewhere, into its background class.
    objects = [idd_object("animal", box(0, 0, 9, 9)), idd_object("rider", box(20, 0, 29, 9))]
    sample = one(tmp_path, objects, labels="source-level1")
    assert sample.read_instances()[0, [0, 20]].tolist() == [6, 5000]


def test_after_a_thousand_objects_of_a_class_the_plain_id_is_kept(tmp_path):
    objects = [idd_object("car", box(n % 64, n // 64, n % 64, n // 64)) for n in range(1003)]
    flat = one(tmp_path, objects, labels="level3").read_instances().ravel()
    assert flat[:1000].tolist() == list(range(9000, 10000))
    assert flat[1000:1003].tolist() == [9, 9, 9]


@pytest.mark.parametrize(
    ("labels", "space", "value"),
    [
        ("level1", "idd-level1", 3),
        ("level2", "idd-level2", 7),
        ("level3", "idd-level3", 9),
        ("level4", "idd-level4", 11),
        ("id", "idd-id", 12),
        ("csid", "idd-csid", 26),
        ("cstrainid", "idd-cstrainid", 13),
        ("unified", "idd-unified", 13),
        ("source-level1", "idd-source-level1", 4),
        ("level3Id", "idd-level3", 9),
    ],
)
def test_a_car_in_every_encoding(tmp_path, labels, space, value):
    sample = one(tmp_path, [idd_object("car", box(0, 0, 9, 9))], labels=labels)
    assert sample.space.name == space
    assert sample.read_semantic()[0, 0] == value
    assert sample.read_instances()[0, 0] == value * 1000


def test_an_unknown_encoding_lists_those_that_are(tmp_path):
    add_idd_frame(tmp_path / "idd")
    with pytest.raises(LabelError, match=r"'level5'; choose one of .*level3Id"):
        run(tmp_path / "idd", tmp_path / "out", labels="level5")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("labels", "value"), [("csid", 0), ("id", 35), ("level3", 255)])
def test_the_official_background(tmp_path, labels, value):
    objects = [idd_object("road", box(0, 0, 9, 9))]
    sample = one(tmp_path, objects, labels=labels, background="unlabeled")
    assert sample.read_semantic()[40, 40] == value
    assert sample.read_instances()[40, 40] == value
    options = PreparedFolder(tmp_path / "out").info["options"]
    assert options["background"] == "unlabeled" and options["background_id"] == value


def test_the_default_background_is_ignore_in_every_encoding(tmp_path):
    sample = one(tmp_path, [], labels="csid")
    assert (sample.read_semantic() == 255).all() and (sample.read_instances() == 255).all()


def test_the_image_size_may_be_a_string(tmp_path):
    sample = one(tmp_path, [], more={"imgHeight": "48", "imgWidth": "64"})
    assert sample.record.size_hw == (48, 64)


def test_float_corners_are_truncated(tmp_path):
    objects = [idd_object("road", box(2.9, 2.9, 10.9, 10.9))]
    assert np.argwhere(one(tmp_path, objects).read_semantic() == ROAD).tolist() == [
        [y, x] for y in range(2, 11) for x in range(2, 11)
    ]


def test_drives_become_tags_and_ids(tmp_path):
    add_idd_frame(tmp_path / "idd", drive="fog", frame="7")
    add_idd_frame(tmp_path / "idd", drive="12", frame="7", suffix=".jpg")
    _, samples = run(tmp_path / "idd", tmp_path / "out")
    assert [sample.id for sample in samples] == ["12_7", "fog_7"]
    assert dict(samples[0].record.tags) == {"drive": "12"}
    assert dict(samples[1].record.tags) == {"drive": "fog", "weather": "fog"}
    assert samples[0].image_path.name == "12_7.jpg"


def test_ids_that_would_fall_together_are_kept_apart(tmp_path):
    add_idd_frame(tmp_path / "idd", drive="a", frame="b_c")
    add_idd_frame(tmp_path / "idd", drive="a_b", frame="c")
    _, samples = run(tmp_path / "idd", tmp_path / "out")
    assert [(s.id, s.record.tags["drive"]) for s in samples] == [("a_b_c", "a"), ("a_b_c-2", "a_b")]


def test_pictures_are_taken_as_they_are(tmp_path):
    image, _ = add_idd_frame(tmp_path / "idd", suffix=".jpg")
    _, samples = run(tmp_path / "idd", tmp_path / "out")
    assert samples[0].image_path.read_bytes() == image.read_bytes()


def test_a_test_split_without_annotations_stays_unlabelled(tmp_path):
    add_idd_frame(tmp_path / "idd")
    photo(tmp_path / "idd/leftImg8bit/test/3/9_leftImg8bit.png")
    result, _ = run(tmp_path / "idd", tmp_path / "out")
    assert result.problems == () and dict(result.counts["test"]) == {"samples": 1}
    (sample,) = PreparedFolder(tmp_path / "out").samples("test")
    assert sample.id == "3_9" and sample.record.targets == ()


def test_a_train_split_without_any_annotation_is_an_error(tmp_path):
    photo(tmp_path / "idd/leftImg8bit/train/3/9_leftImg8bit.png")
    with pytest.raises(DataError, match="idd has no gtFine folder"):
        run(tmp_path / "idd", tmp_path / "out")
    (tmp_path / "idd/gtFine/val").mkdir(parents=True)
    with pytest.raises(DataError, match="gtFine/train does not exist"):
        run(tmp_path / "idd", tmp_path / "out")


HOSTILE = [
    ({"imgHeight": 100_000, "imgWidth": 100_000}, "imgHeight is 100000, not 1..20000"),
    ({"imgHeight": -5}, "imgHeight is -5"),
    ({"imgWidth": "wide"}, "imgWidth is 'wide'"),
    ({"imgWidth": None}, "imgWidth is None"),
    ({"imgWidth": True}, "imgWidth is True"),
    ({"imgHeight": 50}, "is for 64 x 50 pixels, its picture bad_leftImg8bit.png is 64 x 48"),
    ({"objects": {"a": 1}}, "holds no list of objects"),
    ({"objects": [7]}, "object 0 is 7"),
    ({"objects": [{"polygon": box(0, 0, 5, 5)}]}, "object 0 has no label"),
    ({"objects": [{"label": ["car"], "polygon": box(0, 0, 5, 5)}]}, "has the label ['car']"),
    ({"objects": [{"label": "car", "polygon": None}]}, "object 0 has the polygon None"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], 5])]}, "has the corner 5"),
    ({"objects": [idd_object("car", [[0, 0]] * 10_001)]}, "object 0 has 10,001 corners"),
    ({"objects": [idd_object("car", [[0, 0]] * 9_000)] * 23}, "has 207,000 corners"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], [1, 2, 3]])]}, "has the corner [1, 2, 3]"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], ["1", 2]])]}, "has the corner ['1', 2]"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], [True, 2]])]}, "has the corner [True, 2]"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], [float("nan"), 2]])]}, "corner [nan, 2]"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], [float("inf"), 2]])]}, "corner [inf, 2]"),
    ({"objects": [idd_object("car", [[0, 0], [1, 1], [10**4000, 2]])]}, "has the corner [1000"),
]


@pytest.mark.parametrize(("more", "says"), HOSTILE, ids=[says for _, says in HOSTILE])
def test_hostile_annotations_get_one_line(tmp_path, more, says):
    assert says in problem(tmp_path, **{"objects": [], **more})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe\xfa", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b'{"imgHeight": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[1, 2]", "no polygon annotation"),
        (b"null", "no polygon annotation"),
    ],
)
def test_broken_json_gets_one_line(tmp_path, content, says):
    _, truth = add_idd_frame(tmp_path / "idd", frame="bad")
    add_idd_frame(tmp_path / "idd", frame="good")
    truth.write_bytes(content)
    assert says in only_problem(tmp_path, truth)


def test_an_oversized_annotation_is_not_read(tmp_path):
    _, truth = add_idd_frame(tmp_path / "idd", frame="bad")
    add_idd_frame(tmp_path / "idd", frame="good")
    with open(truth, "wb") as file:
        file.truncate(65 * 2**20)  # sparse: takes no room
    assert "68,157,440 bytes, more than" in only_problem(tmp_path, truth)


def test_a_label_that_is_no_text_for_a_file_is_reported_all_the_same(tmp_path):
    _, truth = add_idd_frame(tmp_path / "idd")
    label = '"\\ud800' + "x" * 500 + '"'
    objects = f'[{{"label": {label}, "polygon": [[0, 0], [5, 0], [5, 5]]}}]'
    truth.write_text(f'{{"imgHeight": 48, "imgWidth": 64, "objects": {objects}}}')
    result, _ = run(tmp_path / "idd", tmp_path / "out")
    assert dict(result.unknown_labels) == {"\\ud800" + "x" * 74: 1}


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_picture_does_not_enter(tmp_path, suffix):
    image, _ = add_idd_frame(tmp_path / "idd", frame="bad", suffix=suffix)
    add_idd_frame(tmp_path / "idd", frame="good", suffix=suffix)
    image.write_bytes(image.read_bytes()[:-1500])
    assert "truncated or damaged" in only_problem(tmp_path, image)
    assert not list((tmp_path / "out").rglob("0_bad*"))


def test_missing_partners_are_named(tmp_path):
    add_idd_frame(tmp_path / "idd", frame="good")
    add_idd_frame(tmp_path / "idd", frame="lone-truth")[0].unlink()
    add_idd_frame(tmp_path / "idd", frame="lone-image")[1].unlink()
    image, _ = add_idd_frame(tmp_path / "idd", frame="twice")
    photo(image.with_suffix(".jpg"))
    result, samples = run(tmp_path / "idd", tmp_path / "out")
    assert [sample.id for sample in samples] == ["0_good"]
    images = tmp_path / "idd/leftImg8bit/train/0"
    truths = tmp_path / "idd/gtFine/train/0"
    assert [p.message.split("; ")[0] for p in result.problems] == [
        f"{images}/lone-image_leftImg8bit.png has no annotation",
        f"{truths}/lone-truth_gtFine_polygons.json has no picture",
        f"{images}/twice_leftImg8bit.jpg and twice_leftImg8bit.png are the same frame",
    ]


def test_the_counts_are_those_of_the_tree(tmp_path):
    result, _ = run(make_idd_tree(tmp_path / "idd", train=5, val=3), tmp_path / "out")
    assert {split: dict(count) for split, count in result.counts.items()} == {
        "train": {"instances": 5, "samples": 5, "semantic": 5},
        "val": {"instances": 3, "samples": 3, "semantic": 3},
    }
    info = json.loads((tmp_path / "out/dataset.json").read_text())
    assert info["counts"] == {split: dict(count) for split, count in result.counts.items()}
    assert info["options"] == {"labels": "level2Id", "background": "ignore", "background_id": 255}


def test_a_corner_far_out_is_refused_and_one_at_the_bound_is_not(tmp_path):
    far = [[0, 0], [5, 0], [1_000_001, 5]]
    assert "has the corner [1000001, 5]" in problem(tmp_path, [idd_object("car", far)])
    at_the_bound = [[0, 0], [5, 0], [1_000_000, 5]]
    one(tmp_path / "b", [idd_object("car", at_the_bound)])


def test_a_test_split_with_annotations_is_labelled(tmp_path):
    add_idd_frame(tmp_path / "idd")
    add_idd_frame(tmp_path / "idd", split="test", objects=[idd_object("road", box(0, 0, 9, 9))])
    run(tmp_path / "idd", tmp_path / "out")
    (sample,) = PreparedFolder(tmp_path / "out").samples("test", target="semantic")
    assert np.count_nonzero(sample.read_semantic() == ROAD) == 100
