"""AI-Hub's sidewalk data: found in both layouts, drawn by z-order, depth in metres."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
from builders import photo, tree_bytes
from builders_sidewalk import (
    OBSTACLES,
    SURFACES,
    VGA_HW,
    add_depth,
    cvat_box,
    cvat_image,
    cvat_polygon,
    make_full_tree,
    make_sample_tree,
    write_cvat,
    zed_conf,
)
from PIL import Image

from curbside.cli import main
from curbside.convert import convert
from curbside.convert.inward.sidewalk import Sidewalk
from curbside.convert.source import held_out
from curbside.convert.stereo import check_disparity_scale
from curbside.convert.tree import FileTree
from curbside.errors import ConfigError, DataError
from curbside.labels import load_space
from curbside.labels.safetrip import DROPPED_LABELS, SURFACE_CLASSES
from curbside.prepared import PreparedFolder

SOURCE_CLASSES = """sidewalk braille_guide_blocks roadway alley bike_lane caution_zone person car bus truck
bicycle motorcycle stroller scooter tree_trunk potted_plant pole bench bollard barricade
fire_hydrant kiosk power_controller traffic_light_controller"""
"""The class list of the source project."""
CLASSES = SOURCE_CLASSES.split()


def square(first: float, last: float) -> list[tuple[float, float]]:
    return [(first, first), (last, first), (last, last), (first, last)]


def one_image(root, shapes, *, labels=OBSTACLES):
    """The only sample of a tree with one annotated image."""
    photo(root / "a/x.jpg")
    write_cvat(root / "a/a.xml", labels, [cvat_image("x.jpg", shapes)])
    (item,) = Sidewalk(root=root).plan()
    return item.load()


def problems(root, out):
    return [problem.message for problem in convert(Sidewalk(root=root), out, workers=1).problems]


def test_the_classes_are_those_of_the_source_project():
    space = load_space("safetrip24")
    assert space.names == tuple(CLASSES) and space.num_classes == 24
    assert tuple(CLASSES[:6]) == SURFACE_CLASSES
    assert [item.has_instances for item in space.classes] == [False] * 6 + [True] * 18
    assert len({item.color for item in space.classes}) == 24
    assert set(SURFACES) | (set(OBSTACLES) - set(DROPPED_LABELS)) == set(CLASSES)
    assert set(DROPPED_LABELS) < set(OBSTACLES) and len(DROPPED_LABELS) == 11


def test_the_layout_of_the_public_sample(tmp_path):
    root = make_sample_tree(tmp_path / "s")
    result = convert(Sidewalk(root=root), tmp_path / "out", workers=1)
    assert result.problems == () and result.unknown_labels == {}
    assert result.counts["train"] == {
        "samples": 5,
        "semantic": 4,
        "instances": 2,
        "depth": 1,
        "confidence": 1,
    }
    samples = {sample.id: sample for sample in PreparedFolder(tmp_path / "out").samples("train")}
    surface = samples["Sidewalk_19009_surface_raw_000001_2"]
    expected = np.full((48, 64), 255)
    expected[8:41, 8:41] = 3
    np.testing.assert_array_equal(surface.read_semantic(), expected)
    assert set(surface.record.annotated) == set(SURFACES)
    assert surface.record.tags == {
        "kind": "surface",
        "sequence": "Sidewalk_19009_surface_output_000001_2",
    }
    polygon = samples["Sidewalk_19009_polygon_raw_000002_2"]
    expected[8:41, 8:41] = 16
    np.testing.assert_array_equal(polygon.read_semantic(), expected)
    np.testing.assert_array_equal(
        polygon.read_instances(), np.where(expected == 16, 16000, expected)
    )
    assert set(polygon.record.annotated) == set(CLASSES[6:])
    depth = samples["Sidewalk_19009_depth_left_000001_0"]
    # 350.25 px * 0.12 m over 10 px
    np.testing.assert_allclose(depth.read_depth_m(), 4.203, atol=1 / 512)
    assert (depth.read_confidence() == 255).all()
    assert depth.record.focal_xy_px == (350.25, 349.75) and surface.record.focal_xy_px is None
    assert depth.record.annotated == () and depth.record.tags["kind"] == "depth"
    options = json.loads((tmp_path / "out/dataset.json").read_text())["options"]
    assert options["disparity_scale"] == 100.0
    assert options["dropped"]["table"] == "ambiguous" and len(options["dropped"]) == 11


def test_the_layout_of_the_full_dataset(tmp_path):
    root = make_full_tree(tmp_path / "s")
    result = convert(Sidewalk(root=root), tmp_path / "out", workers=1)
    assert result.problems == ()
    assert result.counts["train"] == {"samples": 5, "semantic": 3, "instances": 1, "depth": 2}
    samples = {sample.id: sample for sample in PreparedFolder(tmp_path / "out").samples("train")}
    # Each annotation file goes with the picture beside it, though they are called the same.
    for folder, label in (("Surface_001", 0), ("Surface_002", 2)):
        sample = samples[f"{folder}_MP_SEL_SUR_000001"]
        assert sample.read_semantic()[20, 20] == label
        source = root / f"Surface/{folder}/MP_SEL_SUR_000001.jpg"
        assert sample.image_path.read_bytes() == source.read_bytes()
    # Each depth folder goes with its own calibration.
    for name, metres in (("ZED1_KSC_001031_left", 4.203), ("ZED1_KSC_001032_left", 2.1015)):
        np.testing.assert_allclose(samples[name].read_depth_m(), metres, atol=1 / 512)


def test_shapes_lie_by_z_order_and_then_by_the_order_of_the_file(tmp_path):
    data = one_image(
        tmp_path,
        [
            cvat_polygon("car", square(10, 20), z=5),
            cvat_polygon("bus", square(5, 15), z=1),
            cvat_box("pole", 18, 18, 25, 25, z=5),
            cvat_polygon("car", square(22, 30), z=-2),
        ],
    )
    expected = np.full((48, 64), 255)
    expected[22:31, 22:31] = 7001
    expected[5:16, 5:16] = 8000
    expected[10:21, 10:21] = 7000  # above the others, but the first car of the file
    expected[18:26, 18:26] = 16000
    np.testing.assert_array_equal(data.instances, expected)
    np.testing.assert_array_equal(data.semantic, np.where(expected == 255, 255, expected // 1000))


def test_dropped_and_unknown_labels_cover_what_is_under_them(tmp_path):
    data = one_image(
        tmp_path,
        [
            cvat_polygon("car", square(0, 30)),
            cvat_polygon("chair", square(2, 5), z=1),
            cvat_polygon("chair", square(7, 8), z=1),
            cvat_polygon("stop", square(10, 12), z=1),
            cvat_polygon("Car", square(20, 22), z=1),
            '<polyline label="pole" occluded="0" points="1,1;40,40" z_order="9"></polyline>',
        ],
    )
    expected = np.full((48, 64), 255)
    expected[0:31, 0:31] = 7
    for first, last in ((2, 5), (7, 8), (10, 12), (20, 22)):
        expected[first : last + 1, first : last + 1] = 255
    np.testing.assert_array_equal(data.semantic, expected)
    assert data.unknown_labels == {"Car": 1, "pole (polyline)": 1}
    assert data.dropped_labels == {"chair": 2, "stop": 1} and data.known_objects == 1


def test_what_could_be_chosen_is_what_was_annotated(tmp_path):
    early = [name for name in OBSTACLES if not name.endswith("controller")]
    data = one_image(tmp_path / "early", [cvat_polygon("car", square(1, 5))], labels=early)
    assert data.annotated == tuple(CLASSES[6:22]) and data.tags["kind"] == "polygon"
    data = one_image(tmp_path / "none", [cvat_polygon("alley", square(1, 5))], labels=[])
    assert data.annotated == tuple(CLASSES[:6]) and data.tags["kind"] == "surface"
    assert data.instances is None
    data = one_image(tmp_path / "own", [], labels=["car", "road", "alley"])
    assert data.annotated == ("alley", "car") and data.tags["kind"] == "both"


def test_after_a_thousand_objects_of_a_class_there_is_no_next_number(tmp_path):
    boxes = [cvat_box("car", n % 60, n // 60, n % 60, n // 60) for n in range(1002)]
    data = one_image(tmp_path, [*boxes, cvat_polygon("bus", square(40, 47))])
    numbers, counts = np.unique(data.instances, return_counts=True)
    assert numbers.tolist() == [7, 255, *range(7000, 8000), 8000] and counts[0] == 2


def test_shapes_of_one_group_are_one_object(tmp_path):
    one, two = ' group_id="1"', ' group_id="2"'
    data = one_image(
        tmp_path,
        [
            cvat_polygon("car", square(0, 5), more=one),
            cvat_polygon("car", square(10, 15), more=two),
            cvat_polygon("car", square(20, 25), more=one),
            cvat_polygon("bus", square(30, 35), more=one),
            cvat_polygon("car", square(40, 45)),
        ],
    )
    assert [data.instances[n, n] for n in (2, 12, 22, 32, 42)] == [7000, 7001, 7000, 8000, 7002]


def test_names_do_not_lead_out_of_the_folder(tmp_path):
    photo(tmp_path / "secret.jpg")
    photo(tmp_path / "s/a/x.jpg")
    names = ["../../secret.jpg", "/etc/passwd", "sub/dir/x.jpg", "C:\\data\\x.jpg", "..", ""]
    write_cvat(tmp_path / "s/a/a.xml", SURFACES, [cvat_image(name, []) for name in names])
    (tmp_path / "s/outside").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "s/a/circle").symlink_to(tmp_path / "s", target_is_directory=True)
    result = convert(Sidewalk(root=tmp_path / "s"), tmp_path / "out", workers=1)
    assert result.counts["train"]["samples"] == 2  # x.jpg by its base name, twice
    assert len(result.problems) == 4
    for problem in result.problems:
        assert "is nowhere in the dataset" in problem.message and "a.xml" in problem.message


def test_a_name_found_twice_equally_near_is_refused(tmp_path):
    for folder in ("b", "c"):
        photo(tmp_path / f"s/{folder}/x.jpg")
    write_cvat(tmp_path / "s/a/a.xml", SURFACES, [cvat_image("x.jpg", [])])
    photo(tmp_path / "s/a/good.jpg")
    write_cvat(tmp_path / "s/a/good.xml", SURFACES, [cvat_image("good.jpg", [])])
    (said,) = problems(tmp_path / "s", tmp_path / "out")
    assert str(tmp_path / "s/b/x.jpg") in said and str(tmp_path / "s/c/x.jpg") in said


def test_a_folder_in_the_name_chooses_between_equals(tmp_path):
    for seed, folder in enumerate(("b/p", "b/q", "c/p")):
        photo(tmp_path / f"s/{folder}/x.jpg", seed=seed)
    names = ["b\\q\\x.jpg", "c/p/x.jpg"]
    write_cvat(tmp_path / "s/a/a.xml", SURFACES, [cvat_image(name, []) for name in names])
    found = [item.pictures for item in Sidewalk(root=tmp_path / "s").plan()]
    assert found == [(tmp_path / "s/b/q/x.jpg",), (tmp_path / "s/c/p/x.jpg",)]


def test_fewer_steps_up_are_nearer_whatever_lies_below(tmp_path):
    for seed, folder in enumerate(("a/c/d", ".", "a/b/e/f")):
        photo(tmp_path / folder / "x.jpg", seed=seed)
    tree = FileTree(tmp_path)
    near = tree.nearest(tmp_path / "a/b", "x.jpg")
    assert near == [tmp_path / "a/b/e/f/x.jpg"]  # no step up, two down
    assert tree.nearest(tmp_path / "a/g", "x.jpg") == [tmp_path / "a/c/d/x.jpg"]  # 1 up, 2 down
    (tmp_path / "a/N.XML").touch()
    (tmp_path / "a/.n.xml").touch()
    assert FileTree(tmp_path).with_suffix(".xml") == [tmp_path / "a/N.XML"]


def test_a_broken_file_stops_nothing_else(tmp_path):
    root = make_full_tree(tmp_path / "s")
    (root / "Surface/Surface_001/Surface_001_1.xml").write_text("<annotations><image")
    (root / "Polygon/.hidden.xml").write_text("<")
    (root / "Polygon/voc.xml").write_text("<annotation/>")
    box = cvat_image("MP_SEL_000007.jpg", [cvat_box("car", 1, 2, 3, 4)])
    write_cvat(root / "Polygon/Polygon_0001/boxes.xml", OBSTACLES, [box])
    write_cvat(root / "Polygon/Polygon_0001/other.xml", ["hat"], [cvat_image("a.jpg", [])])
    small = cvat_image("MP_SEL_000007.jpg", [], size_hw=(24, 32))
    write_cvat(root / "Polygon/Polygon_0001/small.xml", OBSTACLES, [small])
    said = problems(root, tmp_path / "out")
    for line, words in zip(
        said,
        (
            "boxes.xml holds bounding boxes alone",
            "other.xml knows no label of safetrip24",
            "is annotated at 32 x 24 pixels, its picture",
            "Surface_001_1.xml is not valid XML",
        ),
        strict=True,
    ):
        assert words in line and "\n" not in line
    assert len(PreparedFolder(tmp_path / "out").samples("train")) == 4


def test_a_repaired_file_is_taken_up_and_the_bytes_are_those_of_a_good_one(tmp_path):
    root = make_full_tree(tmp_path / "s")
    convert(Sidewalk(root=root), tmp_path / "whole", workers=1)
    path = root / "Surface/Surface_001/Surface_001_1.xml"
    good = path.read_bytes()
    path.write_bytes(good[:-30])
    assert len(problems(root, tmp_path / "out")) == 1
    path.write_bytes(good)
    assert problems(root, tmp_path / "out") == []
    assert tree_bytes(tmp_path / "out") == tree_bytes(tmp_path / "whole")


def test_every_bad_depth_is_named(tmp_path):
    root, pattern = tmp_path / "s", "a_{}.png"
    for number in range(8):
        folder = root / f"Depth_{number}"
        disparity = add_depth(folder, pattern, confidence=np.zeros(VGA_HW, np.uint8))
        (folder / "camera.conf").write_text(zed_conf())
        if number == 1:
            (folder / "a_left.png").unlink()
            photo(folder / "a_L.png", size_hw=VGA_HW)  # as the camera saw it: does not fit
        elif number == 2:
            (folder / "camera.conf").unlink()
        elif number == 3:
            (folder / "second.conf").write_text(zed_conf())
        elif number == 4:
            Image.new("L", VGA_HW[::-1]).save(disparity)
        elif number == 5:
            photo(disparity, size_hw=VGA_HW)
        elif number == 6:
            Image.new("L", (10, 10)).save(folder / "a_confidence.png")
        elif number == 7:
            photo(folder / "a_left.png", size_hw=(20, 30))
    said = problems(root, tmp_path / "out")
    for line, number, words in zip(
        said,
        range(1, 8),
        (
            "no rectified left picture a_left.png",
            "needs one .conf file, found none",
            "camera.conf and ",
            "has 8 bits per pixel",
            "holds RGB pixels",
            "a_confidence.png is 10 x 10 pixels",
            "the picture is 30 x 20 pixels",
        ),
        strict=True,
    ):
        assert words in line and f"Depth_{number}" in line and "\n" not in line
    assert [s.id for s in PreparedFolder(tmp_path / "out").samples("train")] == ["Depth_0_a_left"]


def test_confidence_of_16_bits_is_refused(tmp_path):
    disparity = add_depth(tmp_path, "a_{}.png")
    (tmp_path / "a.conf").write_text(zed_conf())
    Image.fromarray(np.full(VGA_HW, 65_535, np.uint16)).save(
        disparity.with_name("a_confidence.png")
    )
    (item,) = Sidewalk(root=tmp_path).plan()
    with pytest.raises(DataError, match=r"a_confidence\.png is 672 x 376 pixels of 16 bits"):
        item.load()


def test_a_calibration_may_lie_above_or_be_called_like_the_folder(tmp_path):
    for folder in ("x/Depth_1/frames", "x/Depth_2"):
        add_depth(tmp_path / folder, "a_{}.png")
    (tmp_path / "x/Depth_1/any.conf").write_text(zed_conf(baseline_mm=120))
    (tmp_path / "x/Depth_2/Depth_2.conf").write_text(zed_conf(baseline_mm=60))
    (tmp_path / "x/Depth_2/old.conf").write_text(zed_conf(baseline_mm=30))
    found = [item.load().depth_m[0, 0] for item in Sidewalk(root=tmp_path).plan()]
    np.testing.assert_allclose(found, [4.203, 2.1015], rtol=1e-6)


def test_confidence_is_kept_where_depth_is_known(tmp_path):
    raw = np.full(VGA_HW, 1000, np.uint16)
    raw[:10] = 0
    confidence = np.zeros(VGA_HW, np.uint8)
    confidence[:20, :5] = 255
    add_depth(tmp_path, "a_{}.png", raw=raw, confidence=confidence)
    (tmp_path / "a.conf").write_text(zed_conf())
    expected = np.zeros(VGA_HW)
    expected[10:20, :5] = 255
    (white,) = Sidewalk(root=tmp_path).plan()
    np.testing.assert_array_equal(white.load().confidence, expected)
    (black,) = Sidewalk(root=tmp_path, trusted="black").plan()
    expected[10:] = 255 - expected[10:]
    np.testing.assert_array_equal(black.load().confidence, expected)


def test_the_scale_is_a_choice_and_recorded(tmp_path):
    root = make_sample_tree(tmp_path / "s")
    source = Sidewalk(root=root, disparity_scale=256.0)
    assert source.options()["disparity_scale"] == 256.0
    np.testing.assert_allclose(source.plan()[-1].load().depth_m, 10.75968, rtol=1e-5)
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="disparity scale"):
            Sidewalk(root=root, disparity_scale=scale).plan()


def test_annotation_files_and_recordings_are_never_divided(tmp_path):
    for number in range(4):
        folder = tmp_path / f"s/Surface_{number}"
        for name in "abc":
            photo(folder / f"{number}{name}.jpg")
        images = [cvat_image(f"{number}{name}.jpg", []) for name in "abc"]
        write_cvat(folder / "s.xml", SURFACES, images)
    result = convert(Sidewalk(root=tmp_path / "s", hold_out=0.25), tmp_path / "out", workers=1)
    assert {split: count["samples"] for split, count in result.counts.items()} == {
        "train": 9,
        "val": 3,
    }
    held = {sample.id[0] for sample in PreparedFolder(tmp_path / "out").samples("val")}
    assert len(held) == 1
    (tmp_path / "s").rename(tmp_path / "elsewhere")
    source = Sidewalk(root=tmp_path / "elsewhere")
    again = held_out(source.plan(), 0.25)
    assert {item.id[0] for item in again if item.split == "val"} == held
    groups = {item.group for item in Sidewalk(root=make_full_tree(tmp_path / "full")).plan()}
    assert "Depth/Depth_002/Depth_002.conf" in groups and len(groups) == 5


def test_items_travel_light_and_two_runs_give_the_same_bytes(tmp_path):
    root = make_full_tree(tmp_path / "s")
    items = Sidewalk(root=root).plan()
    for item in items:
        assert pickle.loads(pickle.dumps(item)) == item and len(pickle.dumps(item)) < 2000
    assert items == Sidewalk(root=root).plan()
    for name in ("one", "two"):
        convert(Sidewalk(root=root), tmp_path / name, workers=1)
    assert tree_bytes(tmp_path / "one") == tree_bytes(tmp_path / "two")


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for root, words in (
        (tmp_path / "gone", "does not exist"),
        (tmp_path / "empty", "no CVAT annotations"),
    ):
        with pytest.raises(DataError, match=words):
            Sidewalk(root=root).plan()


def test_linked_folders_are_named_where_nothing_else_is_found(tmp_path):
    make_sample_tree(tmp_path / "elsewhere")
    (tmp_path / "s").mkdir()
    (tmp_path / "s/data").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(DataError, match=r"linked folders are not entered: .*/s/data"):
        Sidewalk(root=tmp_path / "s").plan()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_named(tmp_path):
    make_full_tree(tmp_path / "s")
    closed = tmp_path / "s/Depth"
    closed.chmod(0)
    try:
        with pytest.raises(DataError, match="cannot be listed"):
            Sidewalk(root=tmp_path / "s").plan()
    finally:
        closed.chmod(0o755)


def test_the_command_line(tmp_path, capsys):
    root = make_sample_tree(tmp_path / "s")
    arguments = ["convert", "sidewalk", str(root), str(tmp_path / "out"), "--json"]
    assert main([*arguments, "--disparity-scale", "50", "--workers", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["train"]["samples"] == 5
    sample = PreparedFolder(tmp_path / "out").samples("train")[0]
    assert sample.record.tags["kind"] == "depth"
    np.testing.assert_allclose(sample.read_depth_m(), 2.1015, atol=1 / 512)


def textured_pair(root):
    """A tree with one stereo frame of a plane at 12 px, stored times 100."""
    noise = np.random.default_rng(3).integers(0, 256, (94, 171), dtype=np.uint8)
    texture = Image.fromarray(noise).resize((684, 376), Image.Resampling.BICUBIC).convert("RGB")
    add_depth(root, "a_{}.png", raw=np.full(VGA_HW, 1200, np.uint16))
    texture.crop((0, 0, 672, 376)).save(root / "a_left.png")
    texture.crop((12, 0, 684, 376)).save(root / "a_right.png")
    (root / "a.conf").write_text(zed_conf())


def test_the_scale_can_be_checked_against_the_pictures(tmp_path, capsys):
    textured_pair(tmp_path / "s")
    (check,) = check_disparity_scale(tmp_path / "s")
    assert check.scale == pytest.approx(100, rel=0.02) and check.share > 0.8
    assert main(["disparity-check", str(tmp_path / "s")]) == 0
    assert "a_disp16.png" in capsys.readouterr().out
    wrong = ["disparity-check", str(tmp_path / "s"), "--disparity-scale", "256", "--json"]
    assert main(wrong) == 2
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["agrees"] is False and report["measured"] == pytest.approx(100, rel=0.02)
    assert "not 256" in told.err


def test_the_check_keeps_to_its_pairs_and_its_tolerance(tmp_path, capsys):
    for number in range(4):
        textured_pair(tmp_path / f"s/{number}")
    check = ["disparity-check", str(tmp_path / "s"), "--json"]
    assert main([*check, "--pairs", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)["pairs"]
    assert [row["disparity"].split("/")[-2] for row in rows] == ["0", "2"]  # spread evenly
    near = [*check, "--pairs", "1", "--disparity-scale", "115"]  # 13 % off
    assert main(near) == 2
    assert main([*near, "--tolerance", "0.2"]) == 0
    capsys.readouterr()
    for impossible in (["--pairs", "0"], ["--tolerance", "0"], ["--tolerance", "nan"]):
        assert main([*check, *impossible]) == 2
        assert "decide nothing" in capsys.readouterr().err


def test_a_pair_of_two_sizes_is_named(tmp_path):
    textured_pair(tmp_path / "s")
    photo(tmp_path / "s/a_right.png", size_hw=(720, 1280))
    with pytest.raises(DataError, match=r"a_disp16\.png and its pictures differ in size"):
        list(check_disparity_scale(tmp_path / "s"))


def test_only_the_whole_word_disp16_makes_a_disparity(tmp_path):
    photo(tmp_path / "a_disp160_1.png")
    photo(tmp_path / "mydisp16.png")
    add_depth(tmp_path, "b-{}-1.png")
    (tmp_path / "any.conf").write_text(zed_conf())
    (item,) = Sidewalk(root=tmp_path).plan()
    assert item.id == "b-left-1"


def test_pictures_that_cannot_be_matched_do_not_confirm_the_scale(tmp_path, capsys):
    textured_pair(tmp_path / "s")
    for eye in ("left", "right"):
        Image.new("RGB", VGA_HW[::-1], (90, 90, 90)).save(tmp_path / f"s/a_{eye}.png")
    assert main(["disparity-check", str(tmp_path / "s")]) == 2
    assert "none" in capsys.readouterr().out


def test_without_a_pair_the_scale_cannot_be_checked(tmp_path, capsys):
    make_full_tree(tmp_path / "s")
    for path in (tmp_path / "s").rglob("*_right.png"):
        path.unlink()
    assert main(["disparity-check", str(tmp_path / "s")]) == 2
    assert "no disparity with its rectified pair" in capsys.readouterr().err


def test_the_real_sample(shared, tmp_path):
    root = shared / "data/sidewalk"
    result = convert(Sidewalk(root=root), tmp_path / "out", workers=1)
    assert result.problems == () and result.unknown_labels == {}
    assert result.counts["train"] == {
        "samples": 5,
        "semantic": 4,
        "instances": 2,
        "depth": 1,
        "confidence": 1,
    }
    samples = {sample.id: sample for sample in PreparedFolder(tmp_path / "out").samples("train")}
    assert result.dropped_labels == {"movable_signage": 1}
    record = samples["Sidewalk_19009_polygon_raw_000002_2"].record
    assert record.dropped_labels == {"movable_signage": 1} and "dropped" not in record.tags
    depth = samples["Sidewalk_19009_depth_left_000001_0"].read_depth_m()
    known = np.flatnonzero((depth > 0).any(axis=1))
    assert (known[0], known[-1]) == (244, 835)
    # The striped pole spans 235 columns in row 600: at 2.3 m and 1394.83 px that is 0.38 m.
    assert np.median(depth[590:610, 360:480]) == pytest.approx(2.26, abs=0.05)
    assert np.median(depth[590:610, 1140:1160]) == pytest.approx(12.9, abs=0.3)  # the one behind


@pytest.mark.parametrize("number", [1, 2])
def test_the_real_surfaces_agree_with_the_masks_that_come_with_them(shared, number):
    root = shared / "data/sidewalk"
    items = {item.id: item for item in Sidewalk(root=root).plan()}
    semantic = items[f"Sidewalk_19009_surface_raw_{number:06}_2"].load().semantic
    with Image.open(root / f"rawdata/Sidewalk_19009_surface_mask_{number:06}_2.png") as image:
        colors = np.asarray(image)
    drawn = load_space("safetrip24").palette[semantic]
    assert (drawn == colors).all(axis=2).mean() > 0.9995  # but for single pixels along edges
