"""Cityscapes: its forms say the same, against masks drawn by Pillow; what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders import box, photo, tree_bytes
from builders_raw import STREET, add_cityscapes_frame, clutter, draw_ids, make_cityscapes_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curbside.cli import main
from curbside.convert import Conversion, convert
from curbside.convert.inward.cityscapes import Cityscapes
from curbside.errors import ConfigError, DataError, LabelError
from curbside.labels import cityscapes_labels, load_space
from curbside.prepared import PreparedFolder, Sample

# The official list, in the order of its ids 0..33, and the ids of the nineteen that are scored.
NAMES = """unlabeled; ego vehicle; rectification border; out of roi; static; dynamic; ground; road;
sidewalk; parking; rail track; building; wall; fence; guard rail; bridge; tunnel; pole; polegroup;
traffic light; traffic sign; vegetation; terrain; sky; person; rider; car; truck; bus; caravan;
trailer; train; motorcycle; bicycle"""
KINDS = ["labelIds", "labelTrainIds", "instanceIds", "polygons"]
SCORED = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


def run(root: Path, out: Path, **options: object) -> Conversion:
    return convert(Cityscapes(root=root, **options), out, workers=1)  # type: ignore[arg-type]


def only(out: Path, split: str = "train") -> Sample:
    (sample,) = PreparedFolder(out).samples(split)
    return sample


def result_bytes(out: Path) -> dict[str, bytes]:
    """All but the file that says which form was read."""
    return {name: data for name, data in tree_bytes(out).items() if name != "dataset.json"}


def test_the_table_is_the_official_list():
    names = [" ".join(name.split()) for name in NAMES.split(";")]
    labels = cityscapes_labels()
    assert list(labels) == [*names, "license plate"]
    assert [labels[name].ids["id"] for name in names] == list(range(34))
    assert load_space("cityscapes-id").names == tuple(names)
    trained = {label.ids["trainId"]: label.ids["id"] for label in labels.values()}
    assert [trained[i] for i in range(19)] == SCORED
    assert sum(label.ids["trainId"] == 255 for label in labels.values()) == 15
    assert labels["license plate"].ids == {"id": -1, "trainId": -1}
    assert [label.ids["id"] for label in labels.values() if label.has_instances] == list(
        range(24, 34)
    )
    for label in list(labels.values())[:-1]:
        if label.ids["trainId"] != 255:
            cls = load_space("cityscapes19").classes[label.ids["trainId"]]
            assert (cls.name, cls.color, cls.has_instances) == (
                label.name,
                label.color,
                label.has_instances,
            )


def test_every_form_gives_the_same_bytes(tmp_path):
    root = make_cityscapes_tree(tmp_path / "c")
    forms = ("labelids", "trainids", "polygons")
    for form in forms:
        result = run(root, tmp_path / form, form=form)
        assert result.problems == () and result.unknown_labels == {}
        assert result.counts["train"] == {"samples": 4, "semantic": 4, "instances": 4}
    first, *others = (result_bytes(tmp_path / form) for form in forms)
    assert len(first) == 6 * 3 + 1 and all(other == first for other in others)


@pytest.mark.parametrize("form", ["labelids", "polygons"])
@pytest.mark.parametrize(("labels", "column"), [("id", 0), ("trainid", 1)])
def test_the_masks_are_those_pillow_draws(tmp_path, form, labels, column):
    add_cityscapes_frame(tmp_path / "c")
    run(tmp_path / "c", tmp_path / "out", form=form, labels=labels)
    sample = only(tmp_path / "out")
    np.testing.assert_array_equal(sample.read_semantic(), np.asarray(draw_ids(STREET, column)))
    counted = np.asarray(draw_ids(STREET, column, counted=True))
    np.testing.assert_array_equal(sample.read_instances(), counted)
    car = (26, 13)[column]
    assert {car, car * 1000, car * 1000 + 1} <= set(np.unique(counted))  # a group and two cars
    assert (255 in counted) == (column == 1)
    assert sample.record.tags == {"city": "ulm"} and sample.id == "ulm_000000_000019"


@pytest.mark.parametrize(("labels", "car", "trailer"), [("id", 26, 30), ("trainid", 13, None)])
def test_the_last_object_of_a_class_is_still_of_it(tmp_path, labels, car, trailer):
    name = add_cityscapes_frame(tmp_path / "c", kinds=["labelIds", "instanceIds"])
    truths = tmp_path / "c/gtFine/train/ulm"
    pairs = ((26000, 26999), (30999, 255))
    ids = np.repeat(np.array([[26, 26], [30, 255]]), 24, axis=0).repeat(32, axis=1)
    values = np.repeat(np.array(pairs), 24, axis=0).repeat(32, axis=1)
    Image.fromarray(ids.astype(np.uint8)).save(truths / f"{name}_gtFine_labelIds.png")
    Image.fromarray(values.astype(np.uint16)).save(truths / f"{name}_gtFine_instanceIds.png")
    assert run(tmp_path / "c", tmp_path / "out", labels=labels).problems == ()
    found = only(tmp_path / "out").read_instances()
    assert found[::24, ::32].tolist() == [
        [car * 1000, car * 1000 + 999],
        [255 if trailer is None else trailer * 1000 + 999, 255],
    ]


def test_values_of_more_than_16_bits_do_not_wrap_round(tmp_path):
    name = add_cityscapes_frame(tmp_path / "c", kinds=["labelIds", "instanceIds"])
    file = tmp_path / f"c/gtFine/train/ulm/{name}_gtFine_instanceIds.png"
    values = np.asarray(Image.open(file)).astype(np.int32) + 65_536
    Image.fromarray(values).save(file, format="TIFF")
    source = Cityscapes(root=tmp_path / "c")
    with pytest.raises((DataError, LabelError), match="instanceIds"):
        source.plan()[0].load()


def test_label_ids_come_before_polygons_and_polygons_before_train_ids(tmp_path):
    for kinds, form in ((KINDS, "labelids"), (KINDS[1:], "polygons"), (KINDS[1:3], "trainids")):
        add_cityscapes_frame(tmp_path / form, kinds=kinds)
        assert Cityscapes(root=tmp_path / form).options()["form"] == form


def test_polygons_of_two_corners_are_lines_as_the_official_tools_draw_them(tmp_path):
    name = add_cityscapes_frame(tmp_path / "c", kinds=["polygons"])
    file = tmp_path / f"c/gtFine/train/ulm/{name}_gtFine_polygons.json"
    objects = [
        {"label": "road", "polygon": box(0, 0, 63, 47)},
        {"label": "person", "polygon": [[5, 3], [5, 9]]},
        {"label": "car", "polygon": [[20, 20]]},
    ]
    file.write_text(json.dumps({"imgHeight": 48, "imgWidth": 64, "objects": objects}))
    run(tmp_path / "c", tmp_path / "out", labels="id")
    want = np.full((48, 64), 7)
    want[3:10, 5] = 24000
    sample = only(tmp_path / "out")
    np.testing.assert_array_equal(sample.read_instances(), want)
    np.testing.assert_array_equal(sample.read_semantic(), np.where(want == 24000, 24, want))


def test_deleted_and_unknown_objects_are_not_painted(tmp_path):
    name = add_cityscapes_frame(tmp_path / "c", kinds=["polygons"])
    file = tmp_path / f"c/gtFine/train/ulm/{name}_gtFine_polygons.json"
    objects = [
        {"label": "car", "polygon": box(0, 0, 20, 20), "deleted": 1},
        {"label": "hovercraft", "polygon": box(0, 0, 9, 9)},
        {"label": "hovercraftgroup", "polygon": box(0, 0, 9, 9)},
        {"label": "car", "polygon": box(2, 2, 10, 10)},
    ]
    file.write_text(json.dumps({"imgHeight": 48, "imgWidth": 64, "objects": objects}))
    result = run(tmp_path / "c", tmp_path / "out", labels="id")
    assert result.unknown_labels == {"hovercraft": 1, "hovercraftgroup": 1}
    want = np.zeros((48, 64), int)
    want[2:11, 2:11] = 26000
    np.testing.assert_array_equal(only(tmp_path / "out").read_instances(), want)


def test_the_form_is_decided_once_and_not_by_the_values(tmp_path):
    # Label ids 7 and 11 alone would pass for train ids: they are label ids, as their name says.
    objects = [("road", box(0, 0, 63, 47)), ("building", box(0, 0, 9, 9))]
    root = tmp_path / "c"
    add_cityscapes_frame(root, objects=objects, kinds=["labelIds"])
    name = add_cityscapes_frame(root, number=1, kinds=["labelTrainIds", "polygons"])
    result = run(root, tmp_path / "out")
    (problem,) = result.problems
    assert problem.id == name and f"{name}_gtFine_labelIds.png" in problem.message
    mask = only(tmp_path / "out").read_semantic()
    assert mask[5, 5] == 2 and mask[40, 40] == 0
    info = json.loads((tmp_path / "out/dataset.json").read_text())
    assert info["options"] == {"labels": "trainId", "truth": "gtFine", "form": "labelids"}
    assert only(tmp_path / "out").record.targets == ("semantic",)


@pytest.mark.parametrize("labels", ["id", "trainid"])
def test_a_split_without_truth_and_the_dummy_truth_of_test_give_no_targets(tmp_path, labels):
    root = tmp_path / "c"
    add_cityscapes_frame(root, split="train", kinds=["labelIds", "instanceIds"])
    add_cityscapes_frame(root, split="val", kinds=[])
    dummy = [("out of roi", box(0, 0, 63, 47)), ("ego vehicle", box(0, 40, 63, 47))]
    kinds = ["labelIds", "instanceIds"]
    add_cityscapes_frame(root, split="test", objects=dummy, kinds=kinds)
    own = [*dummy, ("road", box(0, 20, 63, 39))]
    add_cityscapes_frame(root, split="test", number=2, objects=own, kinds=kinds)
    result = run(root, tmp_path / "out", labels=labels)
    assert result.problems == () and result.counts["val"] == {"samples": 1}
    assert result.counts["test"] == {"samples": 2, "semantic": 1, "instances": 1}


def test_coarse_annotations_bring_the_extra_pictures(tmp_path):
    root = tmp_path / "c"
    for split, city in (("train", "ulm"), ("train_extra", "bamberg"), ("val", "munster")):
        add_cityscapes_frame(root, split=split, city=city, truth="gtCoarse")
    result = run(root, tmp_path / "out", truth="gtCoarse")
    assert [s.record.tags["city"] for s in PreparedFolder(tmp_path / "out").samples("train")] == [
        "bamberg",
        "ulm",
    ]
    assert result.counts["train"]["instances"] == 2 and result.problems == ()
    plan = Cityscapes(root=root, truth="gtCoarse").plan()
    assert [item.split for item in plan] == ["train", "train", "val"]


def test_pictures_without_fine_annotations_are_no_part_of_the_fine_ones(tmp_path):
    for split, city in (("train", "ulm"), ("train_extra", "bamberg")):
        add_cityscapes_frame(tmp_path / "c", split=split, city=city)
    assert [item.id[:3] for item in Cityscapes(root=tmp_path / "c").plan()] == ["ulm"]


def test_cities_are_held_out_whole(tmp_path):
    root = tmp_path / "c"
    for city in ("ulm", "jena", "bochum"):
        for number in range(2):
            add_cityscapes_frame(root, city=city, number=number, kinds=["labelIds"])
    run(root, tmp_path / "out", hold_out=0.3)
    folder = PreparedFolder(tmp_path / "out")
    train, val = (
        [s.record.tags["city"] for s in folder.samples(name)] for name in ("train", "val")
    )
    assert len(train) == 4 and len(val) == 2 and not set(train) & set(val)
    assert [item.group for item in Cityscapes(root=root).plan()] == sorted([*train, *val])


def test_clutter_and_the_case_of_suffixes_do_not_matter(tmp_path):
    root = tmp_path / "c"
    name = add_cityscapes_frame(root, kinds=["labelIds"])
    for top in ("leftImg8bit", "gtFine"):
        clutter(root / top / "train")
        clutter(root / top / "train/ulm")
    mask = root / f"gtFine/train/ulm/{name}_gtFine_labelIds.png"
    mask.rename(mask.with_suffix(".PNG"))
    result = run(root, tmp_path / "out")
    assert result.problems == () and len(PreparedFolder(tmp_path / "out")) == 1


def damage(name: str, root: Path) -> Path:
    """Make the frame `bad` bad; the file that the message must name."""
    images, truths = root / "leftImg8bit/train/ulm", root / "gtFine/train/ulm"
    frame = "ulm_000001_000019"
    picture = images / f"{frame}_leftImg8bit.png"
    classes = truths / f"{frame}_gtFine_labelIds.png"
    counted = truths / f"{frame}_gtFine_instanceIds.png"
    if name == "no picture":
        picture.unlink()
        return classes
    if name in ("no mask", "no instances"):
        missing = classes if name == "no mask" else counted
        missing.unlink()
        return missing
    if name == "size":
        photo(picture, size_hw=(40, 64))
        return picture
    if name == "colours":
        Image.new("RGB", (64, 48)).save(classes)
    elif name == "unknown id":
        Image.new("L", (64, 48), 34).save(classes)
    elif name == "16 bits":
        Image.fromarray(np.full((48, 64), 26001, np.uint16)).save(classes)
    elif name == "truncated":
        classes.write_bytes(classes.read_bytes()[:-40])
    else:
        value = {"counted stuff": 7001, "unknown label": 34, "beyond": 40000}[name]
        Image.fromarray(np.full((48, 64), value, np.uint16)).save(counted)
        return counted
    return classes


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no picture", "has no picture"),
        ("no mask", "has no annotation; add"),
        ("no instances", "has no annotation; add"),
        ("size", "the picture is 64 x 40 pixels"),
        ("colours", "holds RGB pixels"),
        ("unknown id", "3072 pixels hold the id 34, which cityscapes-id does not have"),
        ("16 bits", "3072 pixels hold the id 26001"),
        ("truncated", "truncated or damaged"),
        ("counted stuff", "3072 pixels hold the id 7001"),
        ("unknown label", "3072 pixels hold the id 34"),
        ("beyond", "3072 pixels hold the id 40000"),
    ],
)
def test_a_bad_frame_is_named_and_the_rest_converted(tmp_path, name, words):
    root = tmp_path / "c"
    for number in range(2):
        add_cityscapes_frame(root, number=number, kinds=["labelIds", "instanceIds"])
    named = damage(name, root)
    (problem,) = run(root, tmp_path / "out").problems
    assert str(named) in problem.message and words in problem.message
    assert "\n" not in problem.message
    assert only(tmp_path / "out").id == "ulm_000000_000019"


def test_two_pictures_or_two_masks_of_a_frame_are_refused(tmp_path):
    root = tmp_path / "c"
    one, two, _ = (add_cityscapes_frame(root, number=n, kinds=["labelIds"]) for n in range(3))
    picture = photo(root / f"leftImg8bit/train/ulm/{one}_leftImg8bit.jpg")
    mask = root / f"gtFine/train/ulm/{two}_gtFine_labelIds.png"
    mask.with_suffix(".PNG").write_bytes(mask.read_bytes())
    first, second = run(root, tmp_path / "out").problems
    assert f"{picture} and {one}_leftImg8bit.png are the same frame" in first.message
    assert f"{two}_gtFine_labelIds.png are the same frame" in second.message


@pytest.mark.parametrize("labels", ["id", "trainid"])
def test_255_is_ignored_in_masks_of_either_kind(tmp_path, labels):
    name = add_cityscapes_frame(tmp_path / "c", kinds=["labelIds", "instanceIds"])
    for kind, dtype in (("labelIds", np.uint8), ("instanceIds", np.uint16)):
        file = tmp_path / f"c/gtFine/train/ulm/{name}_gtFine_{kind}.png"
        Image.fromarray(np.full((48, 64), 255, dtype)).save(file)
    run(tmp_path / "c", tmp_path / "out", labels=labels)
    sample = only(tmp_path / "out")
    assert (sample.read_semantic() == 255).all() and (sample.read_instances() == 255).all()


@given(place=st.integers(0, 5000), value=st.integers(0, 255), kind=st.sampled_from(KINDS))
@settings(max_examples=80, deadline=None)
def test_a_damaged_truth_is_one_line_or_still_a_truth(tmp_path_factory, place, value, kind):
    root = tmp_path_factory.mktemp("c")
    name = add_cityscapes_frame(root)
    form = {"labelTrainIds": "trainids", "polygons": "polygons"}.get(kind, "labelids")
    file = next((root / "gtFine/train/ulm").glob(f"{name}_gtFine_{kind}.*"))
    data = bytearray(file.read_bytes())
    data[place % len(data)] = value
    file.write_bytes(data)
    (item,) = Cityscapes(root=root, form=form).plan()  # type: ignore[arg-type]
    try:
        sample = item.load()
        assert sample.semantic.dtype == np.uint8 and sample.instances.dtype == np.uint16
    except (DataError, LabelError) as error:
        assert str(file) in str(error) and "\n" not in str(error)


def test_polygons_for_another_size_are_refused_before_they_are_drawn(tmp_path):
    name = add_cityscapes_frame(tmp_path / "c", kinds=["polygons"])
    add_cityscapes_frame(tmp_path / "c", number=1, kinds=["polygons"])
    file = tmp_path / f"c/gtFine/train/ulm/{name}_gtFine_polygons.json"
    file.write_text(json.dumps({"imgHeight": 9000, "imgWidth": 9000, "objects": []}))
    (problem,) = run(tmp_path / "c", tmp_path / "out").problems
    assert f"{file} is for 9000 x 9000 pixels" in problem.message


def test_what_cannot_be_read_at_all_is_one_line(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        run(tmp_path / "gone", tmp_path / "out")
    make_cityscapes_tree(tmp_path / "up/c", kinds=["labelTrainIds"])
    with pytest.raises(DataError, match=r"has no leftImg8bit folder: did you mean .*/up/c"):
        run(tmp_path / "up", tmp_path / "out")
    with pytest.raises(ConfigError, match="label ids cannot be had from masks of train ids"):
        run(tmp_path / "up/c", tmp_path / "out", labels="id", form="trainids")
    with pytest.raises(DataError, match=r"no file that ends in .*labelIds\.png, .*polygons\.json;"):
        run(tmp_path / "up/c", tmp_path / "out", labels="id")
    assert not (tmp_path / "out").exists()


def test_the_command_line(tmp_path, capsys):
    root = make_cityscapes_tree(tmp_path / "c")
    arguments = ["convert", "cityscapes", str(root), str(tmp_path / "out"), "--workers", "1"]
    more = ["--labels", "id", "--form", "polygons", "--json"]
    assert main([*arguments, *more]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["val"] == {"samples": 2, "semantic": 2, "instances": 2}
    assert PreparedFolder(tmp_path / "out").space.name == "cityscapes-id"
    assert main(arguments) == 2 and "other options" in capsys.readouterr().err
