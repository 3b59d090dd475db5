"""Sets of scenes and drives on disk."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from curbside.cli import main
from curbside.errors import ConfigError, LabelError
from curbside.labels import idd_labels
from curbside.prepared import CHECKS, PreparedFolder, examine
from curbside.scenes import (
    CONDITIONS,
    ScenesConfig,
    World,
    draw_scene,
    drive_through,
    write_layout,
    write_prepared,
    write_video,
)

SIZE_HW = (64, 96)
ERRORS = {code for code, check in CHECKS.items() if check.severity == "error"} | {"not_annotated"}


def small(**changes: object) -> ScenesConfig:
    settings = {"seed": 3, "size_hw": SIZE_HW, "train": 4, "val": 2, "workers": 1}
    return ScenesConfig(**{**settings, **changes})  # type: ignore[arg-type]


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_raw_layout_and_its_schema(tmp_path: Path):
    config = small(conditions=("clear", "snow"))
    assert write_layout(tmp_path, config) == {"train": 4, "val": 2, "test": 0}
    names = sorted(files_of(tmp_path))
    assert names[0] == "curbside-scenes.json" and len(names) == 1 + 2 * 6
    assert "leftImg8bit/train/snow/000001_leftImg8bit.jpg" in names
    assert "gtFine/val/clear/000000_gtFine_polygons.json" in names
    data = json.loads((tmp_path / "gtFine/train/snow/000003_gtFine_polygons.json").read_text())
    assert (data["imgHeight"], data["imgWidth"]) == SIZE_HW
    keys = {"label", "polygon", "deleted", "draw", "id", "date", "user", "verified"}
    for item in data["objects"]:
        assert set(item) == keys and item["label"] in idd_labels() and item["deleted"] == 0
        assert len(item["polygon"]) >= 3
        assert all(isinstance(value, int) for corner in item["polygon"] for value in corner)
    picture = Image.open(tmp_path / "leftImg8bit/train/snow/000003_leftImg8bit.jpg")
    assert picture.size == SIZE_HW[::-1]
    drawn = draw_scene(3, 3, "snow", size_hw=SIZE_HW).rgb
    assert np.abs(np.asarray(picture).astype(int) - drawn).mean() < 12  # all that JPEG may change


def test_train_and_val_show_other_streets(tmp_path: Path):
    write_layout(tmp_path, small(conditions=("clear",)))
    annotations = [path.read_bytes() for path in tmp_path.rglob("*_polygons.json")]
    assert len(set(annotations)) == len(annotations) == 6


def test_a_second_run_makes_only_what_is_missing_and_ends_with_the_same_bytes(tmp_path: Path):
    write_layout(tmp_path, small())
    before = files_of(tmp_path)
    gone = tmp_path / "leftImg8bit/train/fog/000001_leftImg8bit.jpg"
    kept = tmp_path / "leftImg8bit/train/clear/000000_leftImg8bit.jpg"
    leftover = gone.with_name(".partial-abc.jpg")
    gone.rename(leftover)  # as if killed in the middle
    made = kept.stat().st_mtime_ns
    write_layout(tmp_path, small())
    assert files_of(tmp_path) == before
    assert kept.stat().st_mtime_ns == made


def test_several_processes_give_the_same_bytes(tmp_path: Path):
    write_layout(tmp_path / "one", small(train=10))
    write_layout(tmp_path / "two", small(train=10, workers=2))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_folder_of_other_scenes_is_refused(tmp_path: Path):
    write_layout(tmp_path / "scenes", small(train=1, val=0))
    with pytest.raises(ConfigError, match="another layout, seed"):
        write_layout(tmp_path / "scenes", small(seed=4))
    write_layout(tmp_path / "scenes", small(train=2, val=0))  # more of the same is welcome
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        write_layout(tmp_path / "other", small())


def test_a_prepared_folder_holds_the_scene(tmp_path: Path):
    counts = write_prepared(tmp_path, small(), labels="level3")
    assert counts["train"] == {"depth": 4, "instances": 4, "samples": 4, "semantic": 4}
    folder = PreparedFolder(tmp_path)
    assert folder.space.name == "idd-level3"
    sample = {s.id: s for s in folder.samples("train")}["night_000002"]
    assert sample.record.tags == {"weather": "night"}
    street = World(3, 2, "night").street
    assert sample.record.focal_xy_px == (street.camera(SIZE_HW).focal_px,) * 2
    scene = draw_scene(3, 2, "night", size_hw=SIZE_HW)
    assert np.array_equal(sample.read_semantic(), scene.ids("level3"))
    assert np.array_equal(sample.read_instances(), scene.instances("level3"))
    known = np.where(scene.depth_m < 255.998, scene.depth_m, 0)  # 16 bits end at 256 m
    assert np.allclose(sample.read_depth_m(), known, atol=1 / 500)
    before = files_of(tmp_path)
    (tmp_path / "val/masks/clear_000000.png").unlink()
    write_prepared(tmp_path, small(), labels="level3")
    assert files_of(tmp_path) == before
    with pytest.raises(LabelError):
        write_prepared(tmp_path / "x", small(), labels="level7")


def test_annotations_in_turn_leave_no_train_scene_with_two(tmp_path: Path):
    kinds = ("stuff", "things", "depth")
    config = small(train=4, val=1, conditions=("clear", "fog"), train_annotations=kinds)
    write_prepared(tmp_path / "parts", config, labels="level3")
    write_prepared(
        tmp_path / "all", small(train=4, val=1, conditions=("clear", "fog")), labels="level3"
    )
    parts, whole = (PreparedFolder(tmp_path / name) for name in ("parts", "all"))
    seen = []
    for one, full in zip(parts.samples("train"), whole.samples("train"), strict=True):
        kind = one.record.tags["kind"]
        seen.append((one.id, kind))
        assert np.array_equal(one.read_rgb(), full.read_rgb())
        if kind == "depth":
            assert (one.record.targets, one.annotated_ids) == (("depth",), ())
            assert np.array_equal(one.read_depth_m(), full.read_depth_m())
            continue
        mask, ids = one.read_semantic(), full.read_semantic()
        classes = [c for c in whole.space.classes if c.has_instances == (kind == "things")]
        assert one.record.annotated == tuple(c.name for c in classes)
        kept = np.isin(ids, [c.id for c in classes])
        assert np.array_equal(mask, np.where(kept, ids, 255))
        assert one.record.targets == ("semantic", "instances")[: 1 + (kind == "things")]
        if kind == "things":
            want = np.where(kept, full.read_instances(), 255)
            assert np.array_equal(one.read_instances(), want)
    # A round of conditions begins with the next kind, so that a condition sees all of them.
    assert seen == [
        ("clear_000000", "stuff"),
        ("clear_000002", "things"),
        ("fog_000001", "things"),
        ("fog_000003", "depth"),
    ]
    (val,) = parts.samples("val")
    assert val.record == whole.samples("val")[0].record  # val has everything
    assert not [found for found in examine(tmp_path / "parts").findings if found.code in ERRORS]


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"seed": -1}, "seed -1"),
        ({"train": -1}, "train = -1"),
        ({"train": 0, "val": 0}, "no scene"),
        ({"size_hw": (64, 100_000)}, "100000"),
        ({"conditions": ()}, "empty"),
        ({"conditions": ("fog", "fog")}, "twice"),
        ({"conditions": ("storm",)}, "storm"),
        ({"workers": 0}, "0 workers"),
        ({"train_annotations": ("depth", "flow")}, "no annotation 'flow'"),
    ],
)
def test_impossible_settings_are_refused(changes: dict, hint: str):
    with pytest.raises(ConfigError, match=hint):
        small(**changes)


def test_a_drive_moves_through_one_street():
    frames = list(drive_through(1, 3, size_hw=SIZE_HW))
    assert all(frame.shape == (*SIZE_HW, 3) and frame.dtype == np.uint8 for frame in frames)
    again = next(iter(drive_through(1, 1, size_hw=SIZE_HW)))
    assert np.array_equal(frames[0], again)
    world = World(1)
    ids = [world.scene(size_hw=SIZE_HW, time_s=t).ids() for t in (0.0, 0.04, 0.08, 6.0)]
    same = [(ids[0] == other).mean() for other in ids[1:]]
    assert same[0] > 0.9 and same[1] > 0.86  # the next frames are nearly the same
    assert same[2] < min(same[:2]) - 0.03  # six seconds on, other things are there


def test_things_come_nearer_as_the_camera_drives():
    """A house stands still, so it comes nearer at the camera's own speed."""
    world = World(2, 4)
    speed = world.street.ego_speed
    depths = []
    for time_s in (0.0, 0.5):
        things = [t for t in world.population.things(speed * time_s, time_s) if t.speed == 0]
        depths.append({id(t): t.s - speed * time_s for t in things if not t.far})
    both = depths[0].keys() & depths[1].keys()
    assert len(both) > 20  # the very same things, not ones made anew
    assert all(depths[0][k] - depths[1][k] == pytest.approx(0.5 * speed) for k in both)


def test_a_video_has_its_frames(tmp_path: Path):
    path = tmp_path / "drive.mp4"
    write_video(path, seed=2, frames=7, size_hw=SIZE_HW, condition="fog", workers=1)
    clip = cv2.VideoCapture(str(path))
    assert clip.get(cv2.CAP_PROP_FPS) == 25
    read = []
    while True:
        ok, frame = clip.read()
        if not ok:
            break
        read.append(frame)
    clip.release()
    assert len(read) == 7 and read[0].shape == (*SIZE_HW, 3)
    drawn = next(iter(drive_through(2, 1, size_hw=SIZE_HW, condition="fog")))
    assert np.abs(read[0].astype(int) - drawn).mean() < 12
    assert [p.name for p in tmp_path.iterdir()] == ["drive.mp4"]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"frames": 0}, "0 frames"),
        ({"size_hw": (63, 96)}, "even"),
        ({"condition": "hail"}, "hail"),
        ({"seed": -2}, "seed -2"),
    ],
)
def test_impossible_videos_are_refused(tmp_path: Path, options: dict, hint: str):
    with pytest.raises(ConfigError, match=hint):
        write_video(tmp_path / "drive.mp4", **options)
    with pytest.raises(ConfigError, match=r"\.mp4"):
        write_video(tmp_path / "drive.avi", frames=1)
    assert not list(tmp_path.iterdir())


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["scenes", str(tmp_path / "out"), "--train", "2", "--val", "1", "--workers", "1"]
    command += ["--size-hw", "64", "96", "--json"]
    assert main(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["layout"] == "idd" and said["scenes"] == {"train": 2, "val": 1, "test": 0}
    assert len(list((tmp_path / "out").rglob("*_leftImg8bit.jpg"))) == 3
    bad = ["scenes", str(tmp_path / "late"), "--video", str(tmp_path / "v.mp4"), "--frames", "0"]
    assert main(bad) == 2 and not (tmp_path / "late").exists()
    assert "0 frames" in capsys.readouterr().err
    assert main(["scenes"]) == 2
    assert "name a folder" in capsys.readouterr().err
    assert CONDITIONS == ("clear", "fog", "night", "rain", "snow")


def test_the_verb_in_another_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sizes = ["--val", "0", "--size-hw", "64", "96", "--workers", "1", "--json"]
    assert main(["scenes", str(tmp_path / "a"), "--layout", "acdc", "--train", "1", *sizes]) == 0
    assert json.loads(capsys.readouterr().out)["layout"] == "acdc"
    assert len(list((tmp_path / "a/rgb_anon/fog").rglob("*.png"))) == 2
    command = ["scenes", str(tmp_path / "b"), "--train", "1", *sizes]
    assert main([*command, "--layout", "prepared", "--labels", "level1"]) == 0
    assert PreparedFolder(tmp_path / "b").space.name == "idd-level1"


def test_labels_for_a_raw_layout_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["scenes", str(tmp_path / "a"), "--layout", "camvid", "--labels", "level3"]) == 2
    assert "camvid has labels of its own, not level3" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_the_verb_with_annotations_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["scenes", str(tmp_path / "a"), "--train", "2", "--val", "1", "--size-hw", "64", "96"]
    command += ["--workers", "1", "--train-annotations", "semantic", "depth"]
    assert main(command) == 2
    assert "idd has annotations of its own, not semantic, depth" in capsys.readouterr().err
    assert main([*command, "--layout", "prepared"]) == 0
    targets = [s.record.targets for s in PreparedFolder(tmp_path / "a").samples("train")]
    assert targets == [("semantic", "instances"), ("depth",)]
    masked = PreparedFolder(tmp_path / "a").samples("train")[0]
    assert masked.record.annotated is None and masked.record.tags["kind"] == "semantic"
    (val,) = PreparedFolder(tmp_path / "a").samples("val")
    assert val.record.targets == ("semantic", "instances", "depth")
    with pytest.raises(ConfigError, match="make a prepared folder"):
        write_layout(tmp_path / "b", small(train_annotations=("depth",)))


def test_a_video_alone_needs_no_scenes(tmp_path: Path):
    command = ["scenes", "--train", "0", "--val", "0", "--video", str(tmp_path / "v.mp4")]
    command += ["--frames", "1", "--video-size-hw", "64", "96", "--workers", "1"]
    assert main(command) == 0 and (tmp_path / "v.mp4").stat().st_size > 0
    assert main([*command[:5], str(tmp_path / "out")]) == 2
