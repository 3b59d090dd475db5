"""Writing annotations: folders, splits, bad samples, the same bytes again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import photo, tree_bytes
from builders_outward import SPACE, drawn, make_prepared

from curbside.convert import sources
from curbside.convert.outward import (
    CocoInstances,
    CocoPanoptic,
    Cvat,
    Format,
    Yolo,
    formats,
    write_annotations,
)
from curbside.errors import ConfigError, DataError
from curbside.imaging import write_png
from curbside.labels import LabelClass, LabelSpace
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample

FORMS = [Yolo(min_area=1), CocoInstances(), CocoPanoptic(), Cvat()]


@pytest.fixture
def data(tmp_path):
    samples = {f"train/{n}": {"instances": np.roll(drawn(), n, axis=1)} for n in range(12)}
    samples |= {f"val/{n}": {"instances": np.flipud(drawn())} for n in range(2)}
    return make_prepared(tmp_path / "d", samples)


def test_formats_are_found_and_are_no_sources():
    assert formats() == {
        "coco-instances": CocoInstances,
        "coco-panoptic": CocoPanoptic,
        "cvat": Cvat,
        "yolo": Yolo,
    }
    assert all(kind().name == name for name, kind in formats().items())
    assert "outward" not in sources() and not any(issubclass(s, Format) for s in sources().values())


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_again_and_in_processes_it_gives_the_same_bytes(tmp_path, data, form):
    first = write_annotations(form, data, tmp_path / "out", workers=1)
    once = tree_bytes(tmp_path / "out")
    (tmp_path / "out/.partial-x.json").write_text("half")
    second = write_annotations(form, data, tmp_path / "out", workers=2)
    assert tree_bytes(tmp_path / "out") == once
    assert first.counts == second.counts and first.objects == second.objects
    assert {split: counts["images"] for split, counts in first.counts.items()} == {
        "train": 12,
        "val": 2,
    }


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_bad_sample_is_named_and_the_rest_written(tmp_path, data, form):
    pixels = drawn()
    pixels[0, 0] = 7001
    write_png(tmp_path / "d/train/instances/1.png", pixels)
    (tmp_path / "d/train/instances/2.png").write_bytes(b"\x89PNG")
    (tmp_path / "d/train/images/3.jpg").unlink()
    write_png(tmp_path / "d/train/instances/4.png", drawn("AA\n.."))
    pixels[0, 0] = 1000  # sky has no objects
    write_png(tmp_path / "d/train/instances/5.png", pixels)
    result = write_annotations(form, data, tmp_path / "out", workers=1)
    assert [problem.id for problem in result.problems] == ["1", "2", "3", "4", "5"]
    for problem, words in zip(
        result.problems,
        ("value 7001", "2.png", "3.jpg does not exist", "4.png is 2 x 2 pixels", "value 1000"),
        strict=True,
    ):
        assert words in problem.message and "\n" not in problem.message
    assert result.counts["train"]["images"] == 7


def test_nothing_good_is_an_error(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn()}})
    (tmp_path / "d/train/images/a.jpg").unlink()
    with pytest.raises(DataError, match=r"not one of the 1 samples .*a\.jpg does not exist"):
        write_annotations(Yolo(), data, tmp_path / "out", workers=1)


def test_samples_without_the_target_are_an_error_where_all_are(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"semantic": drawn().clip(0, 3).astype("u1")}})
    with pytest.raises(DataError, match="can be written as yolo: 1 without instances"):
        write_annotations(Yolo(), data, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_splits_can_be_chosen_one_after_the_other(tmp_path, data):
    form = Yolo(min_area=1)
    write_annotations(form, data, tmp_path / "out", splits=["val"], workers=1)
    assert "train:" not in (tmp_path / "out/data.yaml").read_text()
    write_annotations(form, data, tmp_path / "out", splits=["train"], workers=1)
    yaml = (tmp_path / "out/data.yaml").read_text()
    assert "train: images/train\nval: images/val\n" in yaml
    with pytest.raises(DataError, match=r"split 'test' .* has no sample"):
        write_annotations(form, data, tmp_path / "out", splits=["test"], workers=1)


def test_other_peoples_folders_are_left_alone(tmp_path, data):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    for out, words in ((tmp_path / "mine", "holds no annotations"), (tmp_path / "d", "holds no")):
        before = tree_bytes(out)
        with pytest.raises(ConfigError, match=words):
            write_annotations(Yolo(), data, out, workers=1)
        assert tree_bytes(out) == before


def test_a_folder_keeps_to_one_source_one_layout_and_its_options(tmp_path, data):
    out = tmp_path / "out"
    write_annotations(Yolo(min_area=1), data, out, workers=1)
    before = tree_bytes(out)
    other = make_prepared(tmp_path / "d2", {"train/z": {"instances": drawn()}})
    for form, folder, words in (
        (Yolo(min_area=2), data, "with other options"),
        (Cvat(), data, "of other data or in another format"),
        (Yolo(min_area=1), other, "of other data or in another format"),
    ):
        with pytest.raises(ConfigError, match=words):
            write_annotations(form, folder, out, workers=1)
    (out / "curbside-annotations.json").write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match="of other data"):
        write_annotations(Yolo(min_area=1), data, out, workers=1)
    del before["curbside-annotations.json"]
    assert before.items() <= tree_bytes(out).items()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_png_stays_a_png(tmp_path, form):
    writer = PreparedWriter(tmp_path / "d", space=SPACE, source="by hand")
    picture = photo(tmp_path / "p.png", size_hw=drawn().shape)
    sample = SampleData(id="a", split="val", image=picture, instances=drawn())
    writer.add(write_sample(writer.root, sample, SPACE))
    writer.finish()
    write_annotations(form, PreparedFolder(writer.root), tmp_path / "out", workers=1)
    (linked,) = [p for p in (tmp_path / "out").rglob("a.png") if "panoptic" not in p.parent.name]
    assert linked.read_bytes() == picture.read_bytes()
    told = [p.read_text() for p in (tmp_path / "out").rglob("*") if p.suffix in (".json", ".xml")]
    assert form.name == "yolo" or any('"a.png"' in text for text in told)


def test_the_first_object_of_class_1_is_an_object_in_every_format(tmp_path):
    space = LabelSpace(
        name="two",
        classes=(
            LabelClass(id=0, name="road", color=(1, 2, 3)),
            LabelClass(id=1, name="car", color=(4, 5, 6), has_instances=True),
        ),
    )
    instances = np.zeros((9, 12), np.uint16)
    instances[:4, :5], instances[5:8, 6:], instances[8] = 1000, 1001, 1  # the last is a group
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": instances}}, space=space)
    found = {
        form.name: write_annotations(form, data, tmp_path / form.name, workers=1) for form in FORMS
    }
    assert found["yolo"].objects == {"car": 2} and found["yolo"].left_out == {"groups": 1}
    assert found["coco-instances"].objects == {"car": 3}
    assert found["coco-panoptic"].objects == {"road": 1, "car": 3}
    assert found["cvat"].objects == {"road": 1, "car": 3}
    path = tmp_path / "coco-instances/annotations/instances_train.json"
    crowds = [(a["area"], a["iscrowd"]) for a in json.loads(path.read_text())["annotations"]]
    assert crowds == [(12, 1), (20, 0), (18, 0)]
    path = tmp_path / "coco-panoptic/annotations/panoptic_train.json"
    (entry,) = json.loads(path.read_text())["annotations"]
    segments = [(s["id"], s["area"], s["iscrowd"]) for s in entry["segments_info"]]
    assert segments == [(1, 58, 0), (2, 12, 1), (2001, 20, 0), (2002, 18, 0)]


def test_workers_must_be_some(tmp_path, data):
    with pytest.raises(ConfigError, match="0 workers"):
        write_annotations(Yolo(), data, tmp_path / "out", workers=0)


def test_a_bare_tree_of_masks_becomes_polygons(tmp_path, data):
    for name in ("images", "masks"):
        (tmp_path / "bare/train" / name).mkdir(parents=True)
    source = tmp_path / "d/train/images/0.jpg"
    (tmp_path / "bare/train/images/0.jpg").write_bytes(source.read_bytes())
    write_png(tmp_path / "bare/train/masks/0.png", np.full((12, 20), 2, np.uint8))
    bare = PreparedFolder(tmp_path / "bare", space=data.space)
    result = write_annotations(Cvat(), bare, tmp_path / "out", workers=1)
    assert result.objects == {"person": 1}
