"""The prepared folder: what is written is read back, and what is wrong is said in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import photo, tree_bytes
from PIL import Image

from curbside.errors import ConfigError, CurbsideError, DataError, LabelError
from curbside.labels import ClassMap, LabelClass, LabelMap, LabelSpace, load_space
from curbside.prepared import (
    PreparedFolder,
    PreparedWriter,
    SampleData,
    SampleRecord,
    write_sample,
)


@pytest.fixture
def space() -> LabelSpace:
    return load_space("idd-level2")


def sample_data(tmp_path: Path, **changes: Any) -> SampleData:
    rng = np.random.default_rng(3)
    return replace(
        SampleData(
            id="a",
            split="train",
            image=photo(tmp_path / "source" / "p.png", size_hw=(6, 8)),
            semantic=rng.choice([0, 7, 15, 255], (6, 8)).astype(np.uint8),
            instances=rng.choice([0, 7000, 7001, 255], (6, 8)).astype(np.uint16),
            depth_m=np.linspace(0.0, 300.0, 48, dtype=np.float32).reshape(6, 8),
            tags={"weather": "fog"},
        ),
        **changes,
    )


def prepare(root: Path, space: LabelSpace, *samples: SampleData) -> Path:
    writer = PreparedWriter(root, space=space, source="test", options={"pair": (1, 2)})
    for data in samples:
        writer.add(write_sample(root, data, space))
    writer.finish()
    return root


def test_what_is_written_is_read_back(tmp_path, space):
    data = sample_data(tmp_path)
    folder = PreparedFolder(prepare(tmp_path / "out", space, data))
    assert folder.space == space and folder.counts == {"train": 1, "val": 0, "test": 0}
    assert folder.info["counts"] == {
        "train": {"depth": 1, "instances": 1, "samples": 1, "semantic": 1}
    }
    (sample,) = folder.samples("train")
    assert sample.record.tags == {"weather": "fog"} and sample.record.size_hw == (6, 8)
    with Image.open(tmp_path / "source/p.png") as image:
        np.testing.assert_array_equal(sample.read_rgb(), np.asarray(image))
    np.testing.assert_array_equal(sample.read_semantic(), data.semantic)
    np.testing.assert_array_equal(sample.read_instances(), data.instances)
    # KITTI's convention: 16 bits, metres * 256, so whatever lies beyond 255.996 m is unknown.
    want = np.where(np.asarray(data.depth_m) < 256, data.depth_m, 0)
    np.testing.assert_allclose(sample.read_depth_m(), want, atol=0.5 / 256 + 1e-6)


def test_the_files_on_disk_have_the_promised_depth(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    modes = {"masks": ("L",), "instances": ("I;16", "I"), "depth": ("I;16", "I")}
    for folder, allowed in modes.items():
        with Image.open(root / "train" / folder / "a.png") as image:
            assert image.mode in allowed


def test_pixels_are_written_as_a_jpeg(tmp_path, space):
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[..., 0] = 200  # red stays red
    data = SampleData(id="drawn", split="val", image=rgb)
    (sample,) = PreparedFolder(prepare(tmp_path / "out", space, data)).samples("val")
    assert sample.image_path.name == "drawn.jpg" and sample.record.targets == ()
    assert np.abs(sample.read_rgb().astype(int) - rgb).max() <= 3


def test_unknown_depth_is_zero(tmp_path, space):
    depth = np.full((6, 8), np.nan, np.float32)
    depth[0, :3] = (np.inf, -np.inf, -4.0)
    data = sample_data(tmp_path, depth_m=depth)
    (sample,) = PreparedFolder(prepare(tmp_path / "out", space, data)).samples("train")
    assert (sample.read_depth_m() == 0).all()


@pytest.mark.parametrize("target", ["semantic", "instances", "depth_m"])
def test_a_target_of_another_size_is_refused_before_anything_is_written(tmp_path, space, target):
    pixels = np.zeros(
        (6, 9), {"semantic": np.uint8, "instances": np.uint16}.get(target, np.float32)
    )
    with pytest.raises(DataError, match=r"picture is 8 x 6 pixels, its .* target is 9 x 6"):
        write_sample(tmp_path / "out", sample_data(tmp_path, **{target: pixels}), space)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 16), (np.uint8, 254), (np.uint16, 300)])
def test_ids_outside_the_space_are_refused_with_their_count(tmp_path, space, dtype, value):
    mask = np.zeros((6, 8), dtype)
    mask[0, :5] = value
    with pytest.raises(
        LabelError, match=f"5 pixels hold the id {value}, which idd-level2 does not"
    ):
        write_sample(tmp_path / "out", sample_data(tmp_path, semantic=mask), space)
    assert not (tmp_path / "out").exists()


def test_an_id_outside_the_space_is_noticed_when_reading_too(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    Image.new("L", (8, 6), 99).save(root / "train/masks/a.png")
    with pytest.raises(LabelError, match="48 pixels hold the id 99"):
        PreparedFolder(root).samples("train")[0].read_semantic()


def test_a_mask_of_another_size_is_noticed_when_reading_too(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    Image.new("L", (9, 6)).save(root / "train/masks/a.png")
    with pytest.raises(DataError, match="is 9 x 6 pixels, its sample is 8 x 6"):
        PreparedFolder(root).samples("train")[0].read_semantic()


def test_two_samples_with_one_id_are_refused(tmp_path, space):
    writer = PreparedWriter(tmp_path / "out", space=space, source="test")
    record = write_sample(tmp_path / "out", sample_data(tmp_path), space)
    writer.add(record)
    with pytest.raises(DataError, match="two samples of train share the id 'a'"):
        writer.add(record)
    writer.add(write_sample(tmp_path / "out", sample_data(tmp_path, split="val"), space))
    assert set(writer.finish()) == {"train", "val"}


def test_samples_come_in_order_of_split_and_id_whatever_the_order_of_writing(tmp_path, space):
    ids = [("val", "b"), ("train", "z"), ("test", "c"), ("train", "k"), ("val", "a")]
    samples = [sample_data(tmp_path, split=split, id=name) for split, name in ids]
    prepare(tmp_path / "one", space, *samples)
    prepare(tmp_path / "two", space, *reversed(samples))
    assert tree_bytes(tmp_path / "one") == tree_bytes(tmp_path / "two")
    lines = [json.loads(line) for line in (tmp_path / "one/samples.jsonl").read_text().splitlines()]
    order = [(line["split"], line["id"]) for line in lines]
    assert order == [("train", "k"), ("train", "z"), ("val", "a"), ("val", "b"), ("test", "c")]


def test_a_journal_line_cut_off_by_a_kill_is_done_again(tmp_path, space):
    first, second = sample_data(tmp_path), sample_data(tmp_path, id="b")
    whole = tree_bytes(prepare(tmp_path / "whole", space, first, second))
    root = tmp_path / "out"
    writer = PreparedWriter(root, space=space, source="test", options={"pair": (1, 2)})
    for data in (first, second):
        writer.add(write_sample(root, data, space))
    journal = root / ".journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    (root / ".partial-abc.jsonl").touch()
    (root / "train/masks/.partial-def.png").touch()
    again = PreparedWriter(root, space=space, source="test", options={"pair": (1, 2)})
    assert again.done("train", "a") and not again.done("train", "b")
    again.add(write_sample(root, second, space))
    again.finish()
    assert tree_bytes(root) == whole


def test_a_start_that_was_killed_at_once_can_be_taken_up(tmp_path, space):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.partial-abc.jsonl").write_bytes(b"{")
    prepare(tmp_path / "out", space, sample_data(tmp_path))
    assert len(PreparedFolder(tmp_path / "out")) == 1


@pytest.mark.parametrize("damage", [b"{\n", b"[1]\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_a_damaged_journal_is_one_line(tmp_path, space, damage):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.journal.jsonl").write_bytes(damage)
    with pytest.raises(ConfigError) as caught:
        PreparedWriter(tmp_path / "out", space=space, source="test")
    assert "\n" not in str(caught.value)


def test_no_sample_at_all_is_an_error_and_can_be_taken_back(tmp_path, space):
    writer = PreparedWriter(tmp_path / "out", space=space, source="test")
    with pytest.raises(DataError, match="no sample was found"):
        writer.finish()
    writer.abandon()
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_takes_more_and_stays_readable_meanwhile(tmp_path, space):
    first, second = sample_data(tmp_path), sample_data(tmp_path, id="b")
    whole = tree_bytes(prepare(tmp_path / "whole", space, first, second))
    root = prepare(tmp_path / "out", space, first)
    writer = PreparedWriter(root, space=space, source="test", options={"pair": (1, 2)})
    writer.add(write_sample(root, second, space))
    assert len(PreparedFolder(root)) == 1
    writer.finish()
    assert tree_bytes(root) == whole


def test_a_name_that_is_not_utf8_survives(tmp_path, space):
    data = sample_data(tmp_path, id="caf\udce9", image=np.zeros((6, 8, 3), np.uint8))
    folder = PreparedFolder(prepare(tmp_path / "out", space, data))
    assert folder.samples("train")[0].read_semantic().shape == (6, 8)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "../../etc/passwd"},
        {"image": "/etc/passwd"},
        {"image": "train/images/../../../x"},
        {"image": "a\0b"},
        {"image": "x" * 5000},
    ],
    ids=["up", "absolute", "up later", "null byte", "too long"],
)
def test_a_path_out_of_the_root_is_refused(tmp_path, space, change):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    line = json.loads((root / "samples.jsonl").read_text())
    (root / "samples.jsonl").write_text(json.dumps({**line, **change}) + "\n")
    with pytest.raises(DataError) as caught:
        PreparedFolder(root).samples("train")[0].read_rgb()
    assert "\n" not in str(caught.value)


def test_a_link_out_of_the_root_is_refused(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    (root / "train/masks/a.png").unlink()
    (root / "train/masks/a.png").symlink_to(tmp_path / "source/p.png")
    with pytest.raises(DataError, match="leads out of"):
        PreparedFolder(root).samples("train")[0].read_semantic()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../x"},
        {"id": ""},
        {"id": "a\0"},
        {"id": "\ud800"},
        {"image": "a\0"},
        {"image": "\ud800.jpg"},
        {"id": "a" * 256},
        {"image": "a" * 5000},
        {"targets": ["semantic"] * 2},
        {"size_hw": [0, 8]},
        {"size_hw": [6, -8]},
        {"split": "extra"},
        {"targets": ["flow"]},
        {"size_hw": [6]},
        {"size_hw": ["a", 8]},
        {"size_hw": [1e999, 8]},
        {"tags": 3},
        {"targets": None},
        {"focal_xy_px": [700.0, 0.0]},
        {"focal_xy_px": [1e999, 700.0]},
        {"focal_xy_px": [float("nan"), 700.0]},
        {"focal_xy_px": [700.0]},
        {"focal_xy_px": [700.0, 700.0, 700.0]},
        {"focal_xy_px": "700"},
        {"pseudo": ["confidence"]},
        {"pseudo": ["depth", "depth"]},
    ],
)
def test_a_hostile_line_is_one_error(tmp_path, space, change):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    line = json.loads((root / "samples.jsonl").read_text())
    (root / "samples.jsonl").write_text(json.dumps({**line, **change}) + "\n")
    with pytest.raises(DataError) as caught:
        PreparedFolder(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"5\n", b"\xff\xff\n", b"[" * 100_000, b"[]\n"])
def test_a_damaged_samples_file_is_one_error(tmp_path, space, content):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    (root / "samples.jsonl").write_bytes(content)
    with pytest.raises(DataError):
        PreparedFolder(root)


def test_the_same_sample_twice_in_the_file_is_refused(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    (root / "samples.jsonl").write_bytes((root / "samples.jsonl").read_bytes() * 2)
    with pytest.raises(DataError, match="the sample 'a' twice"):
        PreparedFolder(root)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{}", "does not describe a prepared folder"),
        ("[]", "does not describe a prepared folder"),
        ('{"format": "curbside-prepared", "version": 99, "label_space": {}}', "version 99"),
        ('{"format": "curbside-prepared", "version": 2, "label_space": {}}', "version 2; update"),
        ('{"format": "curbside-prepared", "version": "1", "label_space": {}}', "version '1'"),
        ('{"format": "curbside-prepared", "version": 1, "label_space": {}}', "label space"),
        ("{", "not valid JSON"),
    ],
)
def test_a_dataset_file_of_something_else_is_one_error(tmp_path, content, says):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(CurbsideError, match=says):
        PreparedFolder(tmp_path)


def test_missing_and_unfinished_folders_say_what_to_do(tmp_path, space):
    with pytest.raises(DataError, match="does not exist; make it with: curbside convert"):
        PreparedFolder(tmp_path / "gone")
    with pytest.raises(DataError, match=r"has no dataset\.json"):
        PreparedFolder(tmp_path)
    PreparedWriter(tmp_path / "half", space=space, source="test")
    with pytest.raises(DataError, match="only half prepared; run the same convert command again"):
        PreparedFolder(tmp_path / "half")


def test_splits_and_targets_that_are_not_there_are_told(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path, depth_m=None))
    folder = PreparedFolder(root)
    for call in (
        lambda: folder.samples("val"),
        lambda: folder.samples("dev"),
        lambda: folder.samples("train", target="depth"),
        lambda: folder.samples("train")[0].read_depth_m(),
    ):
        with pytest.raises(DataError):
            call()


def test_samples_come_in_order_of_their_ids_however_they_are_listed(tmp_path, space):
    samples = [sample_data(tmp_path, id=name) for name in ("b", "a", "c")]
    root = prepare(tmp_path / "out", space, *samples)
    lines = (root / "samples.jsonl").read_text().splitlines()
    (root / "samples.jsonl").write_text("\n".join([lines[2], "", lines[0], lines[1]]))
    assert [sample.id for sample in PreparedFolder(root).samples("train")] == ["a", "b", "c"]


def test_a_bare_tree_may_spell_its_suffixes_in_capitals(tmp_path, space):
    (tmp_path / "train/images").mkdir(parents=True)
    (tmp_path / "train/masks").mkdir()
    photo(tmp_path / "p.jpg").rename(tmp_path / "train/images/p.JPG")
    Image.new("L", (64, 48)).save(tmp_path / "train/masks/p.png")
    assert PreparedFolder(tmp_path, space=space).counts["train"] == 1


def test_a_bare_tree_gives_the_same_as_the_prepared_one(tmp_path, space):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    (want,) = PreparedFolder(root).samples("train")
    (root / "dataset.json").unlink()
    (root / "samples.jsonl").unlink()
    with pytest.raises(DataError, match="--space"):
        PreparedFolder(root)
    (sample,) = PreparedFolder(root, space=space).samples("train")
    assert (sample.id, sample.record.size_hw) == (want.id, want.record.size_hw)
    np.testing.assert_array_equal(sample.read_semantic(), want.read_semantic())
    (root / "train/masks/a.png").rename(root / "train/masks/b.png")
    with pytest.raises(DataError, match="image a has no mask"):
        PreparedFolder(root, space=space)


def test_a_record_survives_its_own_json():
    record = SampleRecord(
        id="x",
        split="val",
        image="val/images/x.png",
        size_hw=(3, 4),
        targets=("semantic", "depth"),
        tags={"a": "b"},
        unknown_labels={"Car": 2},
        dropped_labels={"chair": 3},
        known_objects=4,
        focal_xy_px=(700.5, 701.25),
        pseudo=("depth",),
        by_people=("road",),
    )
    assert SampleRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert record.files() == ["val/images/x.png", "val/masks/x.png", "val/depth/x.png"]


@pytest.mark.parametrize(
    ("folder", "read"), [("instances", "read_instances"), ("depth", "read_depth_m")]
)
def test_any_target_of_another_size_is_noticed_when_reading(tmp_path, space, folder, read):
    root = prepare(tmp_path / "out", space, sample_data(tmp_path))
    Image.fromarray(np.zeros((6, 9), np.uint16)).save(root / "train" / folder / "a.png")
    with pytest.raises(DataError, match="is 9 x 6 pixels, its sample is 8 x 6"):
        getattr(PreparedFolder(root).samples("train")[0], read)()


def test_only_samples_with_the_target_are_given(tmp_path, space):
    full, plain = sample_data(tmp_path), sample_data(tmp_path, id="b", depth_m=None)
    folder = PreparedFolder(prepare(tmp_path / "out", space, full, plain))
    assert [s.id for s in folder.samples("train")] == ["a", "b"]
    assert [s.id for s in folder.samples("train", target="depth")] == ["a"]


def test_the_focal_length_is_noted_where_it_is_known_and_nowhere_else(tmp_path, space):
    known, unknown = (
        sample_data(tmp_path, focal_xy_px=(700.5, 701.25)),
        sample_data(tmp_path, id="b"),
    )
    root = prepare(tmp_path / "out", space, known, unknown)
    first, second = (root / "samples.jsonl").read_text().splitlines()
    assert '"focal_xy_px": [700.5, 701.25]' in first
    assert second == (
        '{"id": "b", "image": "train/images/b.png", "size_hw": [6, 8], "split": "train", "tags": '
        '{"weather": "fog"}, "targets": ["semantic", "instances", "depth"]}'
    )
    read = [sample.record.focal_xy_px for sample in PreparedFolder(root).samples("train")]
    assert read == [(700.5, 701.25), None]


@pytest.mark.parametrize("focal", [(0.0, 1.0), (-700.0, 700.0), (float("inf"), 1.0), (1.0,)])
def test_a_focal_length_that_no_camera_has_is_refused(tmp_path, space, focal):
    with pytest.raises(DataError, match=r"the focal lengths are .*; give two numbers above 0"):
        write_sample(tmp_path / "out", sample_data(tmp_path, focal_xy_px=focal), space)
    assert not (tmp_path / "out").exists()


def _letters(name: str, letters: str) -> LabelSpace:
    classes = (LabelClass(id=i, name=c, color=(i, 0, 0)) for i, c in enumerate(letters))
    return LabelSpace(name=name, classes=tuple(classes))


@pytest.mark.parametrize(
    ("annotated", "plain", "mapped"),
    [
        (None, None, None),
        ("abcde", None, None),
        ("", (), ()),
        ("a", (0,), ()),  # X is b, too
        ("ab", (0, 1), (0,)),
        ("abc", (0, 1, 2), (0,)),  # what was d is ignored, and may be Y
        ("cd", (2, 3), ()),
        ("ce", (2, 4), (3,)),
    ],
)
def test_which_classes_were_annotated_follows_the_label_map(tmp_path, annotated, plain, mapped):
    """X is a and b together, Y is c and some of d, Z is nothing but some of d, W is e."""
    source, target = _letters("letters", "abcde"), _letters("capitals", "XYZW")
    becomes = {"a": "X", "b": "X", "c": "Y", "d": "YZ", "e": "W"}
    kinds = {"X": "many to one", "YZ": "one to several"}
    rows = [
        ClassMap(source=name, kind=kinds.get(to, "one to one"), targets=tuple(to))
        for name, to in becomes.items()
    ]
    names = None if annotated is None else tuple(annotated)
    data = sample_data(tmp_path, semantic=None, instances=None, annotated=names)
    (sample,) = PreparedFolder(prepare(tmp_path / "out", source, data)).samples("train")
    assert sample.annotated_ids == plain
    labels = LabelMap(source=source, target=target, classes=tuple(rows))
    assert sample.mapped(labels).annotated_ids == mapped


def test_what_is_annotated_and_lost_counts_for_nothing(tmp_path):
    source, target = _letters("letters", "ab"), _letters("capitals", "A")
    rows = (
        ClassMap(source="a", kind="one to one", targets=("A",)),
        ClassMap(source="b", kind="lost"),
    )
    labels = LabelMap(source=source, target=target, classes=rows)
    for annotated, want in ((("b",), ()), (("a",), None)):  # A alone is all of the target
        data = sample_data(tmp_path, semantic=None, instances=None, annotated=annotated)
        root = prepare(tmp_path / annotated[0], source, data)
        (sample,) = PreparedFolder(root).samples("train")
        assert sample.mapped(labels).annotated_ids == want
