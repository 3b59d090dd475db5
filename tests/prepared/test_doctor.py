"""The doctor: every planted defect is found under its name, and healthy folders have none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builders import photo, tree_bytes
from builders_data import blocks_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curbside.convert import convert, sources
from curbside.errors import ConfigError, CurbsideError, DataError
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.prepared import (
    CHECKS,
    Diagnosis,
    PreparedFolder,
    PreparedWriter,
    SampleData,
    examine,
    write_quarantine,
    write_sample,
)
from curbside.scenes import ScenesConfig, write_prepared

CAMVID = load_space("camvid11")
LEVEL2 = load_space("idd-level2")


def look(root: Path, **options: Any) -> Diagnosis:
    return examine(root, workers=1, **options)


def codes(diagnosis: Diagnosis) -> list[str]:
    return [found.code for found in diagnosis.findings]


@pytest.fixture(scope="module")
def blocks(tmp_path_factory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data")


@pytest.fixture
def root(blocks, tmp_path) -> Path:
    """A healthy folder of 12 and 4 samples, to be spoilt."""
    return Path(shutil.copytree(blocks, tmp_path / "data"))


def with_targets(root: Path, **changes: Any) -> Path:
    """A folder of one sample with a mask, instances, depth and confidence."""
    ids = np.full((48, 64), 0, np.uint8)
    ids[:20], ids[30:, :30] = 15, 7
    instances = ids.astype(np.uint16)
    instances[30:, :10], instances[30:, 10:30] = 7000, 7001
    data = SampleData(
        id="a",
        split="train",
        image=photo(root.parent / "a.png"),
        semantic=ids,
        instances=instances,
        depth_m=np.tile(np.linspace(0.0, 63.0, 64, dtype=np.float32), (48, 1)),
        confidence=np.full((48, 64), 200, np.uint8),
    )
    writer = PreparedWriter(root, space=LEVEL2, source="test")
    writer.add(write_sample(root, replace(data, **changes), LEVEL2))
    writer.finish()
    return root


def test_a_healthy_folder_has_no_findings(root):
    before = tree_bytes(root)
    found = look(root)
    assert found.findings == () and found.leaks == () and found.open_errors == ()
    assert found.samples == {"train": 12, "val": 4} and found.quarantine == {}
    assert found.splits["train"].samples == 12 and found.splits["val"].samples == 4
    assert found.tags == {
        "weather": {"fog": {"train": 6, "val": 2}, "rain": {"train": 6, "val": 2}}
    }
    assert tree_bytes(root) == before


def test_drawn_scenes_with_every_target_are_healthy(tmp_path):
    config = ScenesConfig(train=4, val=2, size_hw=(144, 256), workers=1)
    write_prepared(tmp_path / "scenes", config, labels="level3")
    found = look(tmp_path / "scenes")
    assert {f.code for f in found.findings} <= {"absent", "untrained"}  # six scenes lack classes
    depth = found.splits["train"].depth
    assert depth is not None and depth.samples == 4 and 0 < depth.low_m < depth.median_m < 256
    assert sum(c.instances or 0 for c in found.splits["train"].classes) > 10


def test_camvid_is_healthy(tmp_path, shared):
    convert(sources()["camvid"](root=shared / "data/camvid"), tmp_path / "out", workers=1)
    found = look(tmp_path / "out")
    assert found.findings == ()
    assert found.splits["train"].samples == 367 and found.splits["val"].samples == 101


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], **options: Any) -> None:
    Image.fromarray(change(np.asarray(Image.open(path)))).save(path, **options)


def cut(path: Path, *, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def paint(value: int, *, rows: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.copy()
        pixels[:rows] = value
        return pixels

    return change


def as_palette(path: Path) -> None:
    picture = Image.open(path)
    picture.putpalette(CAMVID.palette.tobytes())
    picture.save(path)


def by_way_of(size: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    def change(ids: np.ndarray) -> np.ndarray:
        small = cv2.resize(ids, size, interpolation=cv2.INTER_LINEAR)
        return cv2.resize(small, ids.shape[::-1], interpolation=cv2.INTER_LINEAR)

    return change


IMAGE, MASK = "train/images/003.jpg", "train/masks/003.png"
DEFECTS: dict[str, tuple[str, str, Callable[[Path], object], str]] = {
    "picture gone": ("missing", IMAGE, Path.unlink, "does not exist"),
    "mask gone": ("missing", MASK, Path.unlink, "does not exist"),
    "picture cut": ("damaged", IMAGE, lambda p: cut(p, keep=0.7), "truncated"),
    "picture cut at its end": ("damaged", IMAGE, lambda p: cut(p, keep=0.999), "truncated"),
    "picture empty": ("damaged", IMAGE, lambda p: p.write_bytes(b""), "not an image"),
    "mask cut": ("damaged", MASK, lambda p: cut(p, keep=0.9), "truncated"),
    "mask that is a text": ("damaged", MASK, lambda p: p.write_text("no"), "not an image"),
    "mask too small": (
        "size",
        MASK,
        lambda p: rewrite(p, lambda a: a[:, :90]),
        "is 90 x 64 pixels, its sample is 96 x 64",
    ),
    "picture turned": (
        "size",
        IMAGE,
        lambda p: rewrite(p, lambda a: a.transpose(1, 0, 2)),
        "is 64 x 96 pixels",
    ),
    "colours for ids": (
        "kind",
        MASK,
        lambda p: rewrite(p, lambda a: CAMVID.palette[a]),
        "holds RGB pixels",
    ),
    "mask as JPEG": (
        "kind",
        MASK,
        lambda p: rewrite(p, lambda a: a, format="JPEG"),
        "is a JPEG",
    ),
    "palette": ("format", MASK, as_palette, "has a palette"),
    "16-bit mask": (
        "format",
        MASK,
        lambda p: rewrite(p, lambda a: a.astype(np.uint16)),
        "has 16 bits per pixel, not 8",
    ),
    "unknown id": (
        "unknown_id",
        MASK,
        lambda p: rewrite(p, paint(77, rows=2)),
        "192 pixels hold ids that camvid11 lacks: 77",
    ),
    "unknown id of 16 bits": (
        "unknown_id",
        MASK,
        lambda p: rewrite(p, lambda a: paint(300, rows=1)(a.astype(np.uint16))),
        "96 pixels hold ids that camvid11 lacks: 300",
    ),
    "interpolated": ("interpolated", MASK, lambda p: rewrite(p, by_way_of((70, 50))), "borders"),
    "all ignored": ("ignored", MASK, lambda p: rewrite(p, paint(255, rows=64)), "ignored"),
    "one class": ("one_class", MASK, lambda p: rewrite(p, paint(3, rows=64)), "is road"),
    "one colour": ("blank", IMAGE, lambda p: rewrite(p, lambda a: a * 0 + 40), "luminance 40"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found_and_nothing_else(root, defect):
    code, file, spoil, said = DEFECTS[defect]
    spoil(root / file)
    diagnosis = look(root)
    relevant = [f for f in diagnosis.findings if f.code != "format" or code == "format"]
    (found,) = relevant
    assert (found.code, found.file, found.key) == (code, file, ("train", "003"))
    assert said in found.message and "\n" not in str(found)
    unusable = CHECKS[code].severity == "error"
    assert bool(diagnosis.open_errors) == unusable
    assert diagnosis.splits["train"].samples == 12 - unusable


@pytest.mark.parametrize("defect", DEFECTS)
def test_what_is_only_a_warning_can_be_read_and_what_readers_refuse_is_an_error(root, defect):
    code, file, spoil, _ = DEFECTS[defect]
    spoil(root / file)
    sample = PreparedFolder(root).samples("train")[3]
    try:
        sample.read_rgb(), sample.read_semantic()
        refused = False
    except CurbsideError:
        refused = True
    if CHECKS[code].severity == "warning" or code in ("missing", "size", "unknown_id"):
        assert refused == (CHECKS[code].severity == "error")


def test_what_makes_a_sample_unusable():
    unusable = {code for code, check in CHECKS.items() if check.severity == "error"}
    assert unusable == {
        "missing", "unpaired", "damaged", "size", "kind", "unknown_id", "interpolated",
        "instance_class",
    }  # fmt: skip


def test_several_defects_of_one_sample_are_all_told(root):
    (root / IMAGE).unlink()
    rewrite(root / MASK, paint(77, rows=2))
    (root / "val/masks/000.png").write_bytes(b"")
    found = look(root)
    assert codes(found) == ["missing", "damaged", "unknown_id"]
    assert [f.key for f in found.findings] == [("train", "003"), ("val", "000"), ("train", "003")]


def test_orphans_are_told_and_hidden_files_are_not(root):
    (root / "train/masks/lost.png").write_bytes(b"")
    (root / "val/depth").mkdir()
    (root / "val/depth/000.png").write_bytes(b"")
    (root / "val/masks/.partial-x.png").write_bytes(b"")
    found = look(root)
    assert [(f.code, f.file, f.key) for f in found.findings] == [
        ("orphan", "train/masks/lost.png", None),
        ("orphan", "val/depth/000.png", None),
    ]
    assert found.open_errors == ()


def test_a_file_outside_the_root_is_not_opened(root, tmp_path):
    (root / IMAGE).unlink()
    (root / IMAGE).symlink_to(photo(tmp_path / "outside.png", size_hw=(64, 96)))
    text = (root / "samples.jsonl").read_text()
    (root / "samples.jsonl").write_text(text.replace("train/images/004.jpg", "../outside.png"))
    found = look(root)
    damaged = [f for f in found.findings if f.code == "damaged"]
    assert [f.key for f in damaged] == [("train", "003"), ("train", "004")]
    assert all("leads out of" in f.message for f in damaged)


def test_a_class_that_train_lacks_and_one_that_nobody_has(root):
    for split in ("train", "val"):
        for path in (root / split / "masks").iterdir():
            rewrite(path, lambda a: np.where(a == 7, 8, a).astype(np.uint8))
    for path in (root / "train/masks").iterdir():
        rewrite(path, lambda a: np.where(a == 5, 6, a).astype(np.uint8))
    for path in (root / "val/masks").iterdir():
        rewrite(path, lambda a: np.where(a == 9, 5, a).astype(np.uint8))
    found = [(f.code, f.split, f.message) for f in look(root).findings]
    pixels = sum(
        int((np.asarray(Image.open(p)) == 5).sum()) for p in (root / "val/masks").iterdir()
    )
    assert found == [
        ("absent", "val", "has no pixel of pedestrian"),
        ("absent", None, "no split has a pixel of fence"),
        ("untrained", "val", f"has {pixels:,} pixels of tree, train has none"),
    ]


def test_leaks_and_files_that_stand_twice(root):
    shutil.copy(root / "train/images/002.jpg", root / "val/images/001.jpg")
    shutil.copy(root / "train/images/005.jpg", root / "train/images/006.jpg")
    found = look(root)
    assert codes(found) == ["repeated", "leak"]
    assert str(found.findings[0]) == "train/images/006.jpg: is the same file as that of 005"
    assert str(found.findings[1]) == "val/001: is the same file as train/002"
    assert found.leaks[0].same_file and found.open_errors == ()


def test_what_the_targets_hold_is_counted(tmp_path):
    found = look(with_targets(tmp_path / "out"))
    assert set(codes(found)) == {"absent"}
    classes = {item.name: item for item in found.splits["train"].classes}
    names = dict(zip(LEVEL2.ids, LEVEL2.names, strict=True))
    assert classes[names[7]].instances == 2 and classes[names[7]].pixels == 18 * 30
    assert classes[names[0]].instances is None
    depth = found.splits["train"].depth
    assert depth is not None
    assert (depth.low_m, depth.high_m, depth.known) == (1, 63, 63 / 64)
    assert depth.median_m == 32  # of 1 to 63 m, a column each


def target_error(tmp_path: Path, file: str, change: Callable[[np.ndarray], np.ndarray]) -> list:
    root = with_targets(tmp_path / "out")
    rewrite(root / file, change)
    return [(f.code, f.message) for f in look(root).findings if f.code != "absent"]


def test_instances_of_another_class_than_the_mask(tmp_path):
    def change(numbers: np.ndarray) -> np.ndarray:
        numbers = numbers.astype(np.uint16)
        numbers[40:, :10] = 8000
        return numbers

    ((code, message),) = target_error(tmp_path, "train/instances/a.png", change)
    one, other = LEVEL2.name_of(8), LEVEL2.name_of(7)
    assert code == "instance_class"
    assert message == (
        f"80 pixels are of another class than in the mask, such as {one} instead of {other}"
    )


def test_instances_of_what_has_none(tmp_path):
    ((code, message),) = target_error(
        tmp_path, "train/instances/a.png", lambda a: np.where(a == 15, 15003, a).astype(np.uint16)
    )
    assert code == "instance_stuff" and LEVEL2.name_of(15) in message


@pytest.mark.parametrize(
    ("file", "change", "code", "said"),
    [
        ("depth", lambda a: (a >> 8).astype(np.uint8), "kind", "8 bits"),
        ("depth", lambda a: (a * 0).astype(np.uint16), "no_depth", "every pixel"),
        ("instances", lambda a: np.stack([a.astype(np.uint8)] * 3, -1), "kind", "RGB"),
        ("confidence", lambda a: a.astype(np.uint16), "format", "16 bits per pixel, not 8"),
        ("depth", lambda a: a[:-1].astype(np.uint16), "size", "64 x 47"),
        ("instances", lambda a: a[:-1].astype(np.uint16), "size", "64 x 47"),
    ],
)
def test_targets_of_the_wrong_kind(tmp_path, file, change, code, said):
    ((found, message),) = target_error(tmp_path, f"train/{file}/a.png", change)
    assert found == code and said in message


def test_a_class_that_was_not_annotated(tmp_path):
    names = (LEVEL2.name_of(0), LEVEL2.name_of(15))
    root = with_targets(tmp_path / "out", annotated=names)
    found = look(root)
    (surplus,) = [f for f in found.findings if f.code == "not_annotated"]
    assert LEVEL2.name_of(7) in surplus.message and surplus.file == "train/masks/a.png"
    classes = {item.name: item for item in found.splits["train"].classes}
    assert classes[names[0]].annotated == 1 and classes[LEVEL2.name_of(3)].annotated == 0
    assert classes[LEVEL2.name_of(3)].share is None and classes[names[0]].share is not None


def bare(root: Path) -> Path:
    for name in ("dataset.json", "samples.jsonl"):
        (root / name).unlink()
    return root


def test_a_bare_tree_is_examined_whole(root):
    bare(root)
    (root / "train/masks/002.png").unlink()
    (root / "val/images/001.jpg").unlink()
    (root / "train/images/004.jpg").write_bytes(b"")
    rewrite(root / "train/masks/005.png", lambda a: a[:30])
    found = look(root, space=CAMVID)
    assert [(f.code, str(f)) for f in found.findings] == [
        ("unpaired", "train/images/002.jpg: the picture has no mask"),
        ("unpaired", "val/masks/001.png: the mask has no picture"),
        ("damaged", "train/images/004.jpg: is not an image that can be read"),
        ("size", "train/masks/005.png: is 96 x 30 pixels, its sample is 96 x 64"),
    ]
    with pytest.raises(DataError, match="has no mask"):
        PreparedFolder(root, space=CAMVID)
    write_quarantine(root, look(root, space=CAMVID, quarantine=True).quarantine)
    folder = PreparedFolder(root, space=CAMVID)
    assert folder.counts == {"train": 9, "val": 3, "test": 0} and folder.quarantined == 4
    again = look(root, space=CAMVID)
    assert again.open_errors == () and again.findings == found.findings


def test_quarantine_is_what_was_asked_and_the_answer_settles(root):
    (root / IMAGE).unlink()
    shutil.copy(root / "train/images/002.jpg", root / "val/images/001.jpg")
    assert look(root).quarantine == {}
    assert set(look(root, quarantine=True).quarantine) == {("train", "003")}
    assert set(look(root, quarantine_leaks=True).quarantine) == {("val", "001")}
    first = look(root, quarantine=True, quarantine_leaks=True)
    assert first.added == 2 and first.open_errors == ()
    assert first.quarantine["train", "003"] == (f"missing: {IMAGE}: does not exist",)
    write_quarantine(root, first.quarantine)
    second = look(root, quarantine=True, quarantine_leaks=True)
    assert second.added == 0 and second.to_dict() == first.to_dict()
    assert look(root).to_dict() == first.to_dict()  # what is aside stays aside
    assert look(root, release=True).quarantine == {} and look(root, release=True).open_errors
    assert (second.released, look(root, release=True).released) == (0, 2)
    again = look(root, release=True, quarantine=True)  # puts the leak back alone
    assert (again.released, again.added) == (1, 0)
    assert second.splits["train"].samples == 11 and second.splits["val"].samples == 3


def test_a_sample_that_was_repaired_is_told(root):
    data = (root / IMAGE).read_bytes()
    (root / IMAGE).unlink()
    write_quarantine(root, look(root, quarantine=True).quarantine)
    assert look(root).recovered == ()
    (root / IMAGE).write_bytes(data)
    assert look(root).recovered == (("train", "003"),)


def test_the_twin_of_a_leak_that_is_set_aside_counts_no_more(root):
    shutil.copy(root / "train/images/002.jpg", root / "val/images/001.jpg")
    (root / "train/masks/002.png").unlink()
    assert len(look(root).leaks) == 1
    found = look(root, quarantine=True, quarantine_leaks=True)
    assert found.leaks == () and set(found.quarantine) == {("train", "002")}


def test_processes_change_nothing(root):
    (root / IMAGE).unlink()
    (root / "val/masks/001.png").write_bytes(b"")
    alone, together = look(root), examine(root, workers=2)
    assert json.dumps(alone.to_dict()) == json.dumps(together.to_dict())
    assert alone.findings == together.findings


@pytest.mark.parametrize(
    ("file", "content"),
    [("samples.jsonl", b"{"), ("samples.jsonl", b'{"id": 3}'), ("dataset.json", b"[]")],
)
def test_a_folder_that_cannot_be_listed_is_an_error(root, file, content):
    (root / file).write_bytes(content)
    with pytest.raises(DataError, match=file):
        look(root)


def test_an_impossible_number_of_workers(root):
    with pytest.raises(ConfigError, match="0 workers"):
        examine(root, workers=0)


def test_orphaned_pictures_are_told_too(root):
    photo(root / "train/images/lost.png")
    assert [(f.code, f.file) for f in look(root).findings] == [("orphan", "train/images/lost.png")]


def one_sample(root: Path, space: LabelSpace, **targets: Any) -> Diagnosis:
    """A folder of a textured picture of 8 x 12 pixels with these targets, looked at."""
    image = photo(root.parent / "one.png", size_hw=(8, 12))
    data = SampleData(id="a", split="train", image=image, **targets)
    writer = PreparedWriter(root, space=space, source="test")
    writer.add(write_sample(root, data, space))
    writer.finish()
    return look(root)


THINGS = LabelSpace(
    name="things",
    classes=tuple(
        LabelClass(id=i, name=name, color=(i, i, i), has_instances=True)
        for i, name in enumerate(("car", "bus"))
    ),
)


def test_objects_of_the_classes_0_and_1_are_no_error_and_are_counted(tmp_path):
    # Those of class 0 have the values 0, 1, ..., the first of class 1 has exactly 1000.
    ids = np.zeros((8, 12), np.uint8)
    ids[4:] = 1
    instances = np.zeros((8, 12), np.uint16)
    instances[:4, 6:], instances[4:], instances[4:, 6:] = 1, 1000, 1001
    found = one_sample(tmp_path / "out", THINGS, semantic=ids, instances=instances)
    assert found.findings == ()
    assert [item.instances for item in found.splits["train"].classes] == [0, 2]


def test_instances_are_compared_pixel_by_pixel_also_where_only_the_mask_changes(tmp_path):
    ids = np.full((8, 12), 1, np.uint8)
    ids[:, 5:] = 3
    instances = np.full((8, 12), 1, np.uint16)
    (found,) = [
        f
        for f in one_sample(tmp_path / "out", CAMVID, semantic=ids, instances=instances).findings
        if f.code != "absent"
    ]
    assert found.code == "instance_class" and found.message == (
        "56 pixels are of another class than in the mask, such as building instead of road"
    )


def test_ignored_pixels_are_no_class_that_was_not_annotated(tmp_path):
    ids = np.full((8, 12), 255, np.uint8)
    ids[:3], ids[3:6] = 0, 3
    found = one_sample(tmp_path / "out", CAMVID, semantic=ids, annotated=("sky", "road"))
    assert {f.code for f in found.findings} == {"absent"}


def test_an_object_of_class_1_where_the_mask_says_0_is_an_error_all_the_same(tmp_path):
    ids = np.zeros((8, 12), np.uint8)
    ids[6:] = 1
    instances = ids.astype(np.uint16) * 1000
    instances[0, :3] = 1000
    (found,) = one_sample(tmp_path / "out", THINGS, semantic=ids, instances=instances).findings
    assert found.code == "instance_class" and found.message.startswith("3 pixels")


def test_one_class_among_ignored_pixels_is_told(tmp_path):
    ids = np.full((8, 12), 255, np.uint8)
    ids[:4] = 3
    found = one_sample(tmp_path / "out", CAMVID, semantic=ids)
    (told,) = [f for f in found.findings if f.code != "absent"]
    assert told.code == "one_class" and "is road" in told.message


def test_pictures_without_targets_are_whole_samples(tmp_path):
    found = one_sample(tmp_path / "out", CAMVID)
    assert found.findings == () and found.weights is None
    assert found.splits["train"].samples == 1 and found.splits["train"].masks == 0


def test_instances_of_8_bits_are_unusual_but_read(tmp_path):
    found = target_error(
        tmp_path, "train/instances/a.png", lambda a: np.where(a < 1000, a, 7).astype(np.uint8)
    )
    assert found == [("format", "has 8 bits per pixel, not 16")]


@pytest.mark.parametrize(("value", "wrong"), [(-1, True), (65_535, False), (65_536, True)])
def test_numbers_of_32_bits_must_fit_16(tmp_path, value, wrong):
    def change(raw: np.ndarray) -> np.ndarray:
        raw = raw.astype(np.int32)
        raw[0, 0] = value
        return raw

    root = with_targets(tmp_path / "out")
    rewrite(root / "train/depth/a.png", change, format="TIFF")
    (found,) = [f for f in look(root).findings if f.code != "absent"]
    assert (found.code, found.file) == ("kind" if wrong else "format", "train/depth/a.png")
    assert ("outside 0..65535" in found.message) == wrong


def test_a_leak_from_val_into_test_is_found_and_both_pictures_are_at_hand(root):
    lines = [json.loads(line) for line in (root / "samples.jsonl").read_text().splitlines()]
    (root / "test/images").mkdir(parents=True)
    shutil.copy(root / "val/images/002.jpg", root / "test/images/x.jpg")
    new = lines[0] | {"id": "x", "split": "test", "image": "test/images/x.jpg", "targets": []}
    with open(root / "samples.jsonl", "a") as file:
        file.write(json.dumps(new) + "\n")
    found = look(root)
    (leak,) = found.leaks
    assert (leak.key, leak.twin_split, leak.twin_id) == (("test", "x"), "val", "002")
    assert found.pictures["test", "x"] == "test/images/x.jpg"
    assert found.pictures["val", "002"] == "val/images/002.jpg"


def test_examples_are_usable_samples_spread_evenly(root):
    (root / IMAGE).unlink()  # leaves 11 of 12
    found = look(root)
    # The middles of six parts of 11: 0.9, 2.75, 4.6, 6.4, 8.25 and 10.1, of which the third is gone.
    assert found.examples == {
        "train": ("000", "002", "005", "007", "009", "011"),
        "val": ("000", "001", "002", "003"),
    }
    for split, names in found.examples.items():
        for name in names:
            assert found.pictures[split, name] == f"{split}/images/{name}.jpg"


def test_weights_are_those_of_the_usable_samples_of_train(root):
    want = look(root).weights
    for path in (root / "val/masks").iterdir():  # val says nothing about them
        rewrite(path, lambda a: a[::-1] * 0 + 4)
    assert look(root).weights == want
    (root / "train/images/003.jpg").unlink()  # nor does what cannot be used
    broken = look(root).weights
    assert broken != want
    rewrite(root / MASK, lambda a: a * 0 + 4)
    assert look(root).weights == broken


def test_reasons_are_all_given_and_those_that_stand_there_stay(root):
    (root / IMAGE).unlink()
    rewrite(root / MASK, paint(77, rows=2))
    (root / "train/images/004.jpg").unlink()
    write_quarantine(root, {("train", "004"): ("blurred, says Ada",)})
    found = look(root, quarantine=True)
    assert [reason.split(":")[0] for reason in found.quarantine["train", "003"]] == [
        "missing",
        "unknown_id",
    ]
    assert found.quarantine["train", "004"] == ("blurred, says Ada",) and found.added == 1


@pytest.mark.parametrize(("values", "listed"), [(32, True), (33, False)])
def test_tags_of_many_values_are_only_counted(tmp_path, values, listed):
    writer = PreparedWriter(tmp_path / "out", space=CAMVID, source="test")
    for number in range(values):
        data = SampleData(
            id=f"{number}",
            split="train",
            image=photo(tmp_path / f"{number}.png", size_hw=(8, 12), seed=number),
            tags={"drive": f"{number:02}"},
        )
        writer.add(write_sample(writer.root, data, CAMVID))
    writer.finish()
    found = look(tmp_path / "out")
    assert found.many_valued == ({} if listed else {"drive": values})
    assert len(found.tags.get("drive", {})) == (values if listed else 0)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_bytes_stop_the_doctor(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("fuzz") / "out"
    with_targets(root)
    files = ["images/a.png", "masks/a.png", "instances/a.png", "depth/a.png", "confidence/a.png"]
    path = root / "train" / data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    changed = bytes(content) != path.read_bytes()
    path.unlink()
    path.write_bytes(bytes(content))
    wrong = [f for f in look(root).findings if f.check.severity == "error"]
    assert all(f.file for f in wrong)
    assert bool(wrong) == changed  # PNG's checksums cover every byte
