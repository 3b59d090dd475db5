"""The labels, instances and depth of a drawn scene against independent computations."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw

from curbside.errors import ConfigError, LabelError
from curbside.labels import idd_labels
from curbside.scenes import CONDITIONS, LabelledPolygon, Scene, World, draw_scene

SIZE_HW = (96, 160)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(0, i, CONDITIONS[i % 5], size_hw=SIZE_HW) for i in range(15)]


def test_same_seeds_give_the_same_scene_and_others_do_not():
    first, again = (draw_scene(4, 2, "rain", size_hw=SIZE_HW) for _ in range(2))
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.depth_m, again.depth_m)
    assert first.polygons == again.polygons
    for seed, index in ((5, 2), (4, 3)):
        assert draw_scene(seed, index, "rain", size_hw=SIZE_HW).polygons != first.polygons


def test_shapes_and_types(scenes: list[Scene]):
    for scene in scenes:
        assert scene.rgb.shape == (*SIZE_HW, 3) and scene.rgb.dtype == np.uint8
        assert scene.depth_m.shape == SIZE_HW and scene.depth_m.dtype == np.float32
        assert scene.ids().shape == SIZE_HW and scene.ids().dtype == np.uint8
        assert scene.instances().dtype == np.uint16


def test_masks_and_instances_equal_a_redraw_with_pillow(scenes: list[Scene]):
    for scene in scenes[:6]:
        height, width = SIZE_HW
        ids = Image.new("L", (width, height), 255)
        instances = Image.new("I", (width, height), 255)
        counted: Counter[int] = Counter()
        annotation = scene.idd_json()
        assert (annotation["imgHeight"], annotation["imgWidth"]) == SIZE_HW
        for item in annotation["objects"]:
            label = idd_labels()[item["label"]]
            class_id = value = label.ids["level3Id"]
            if label.has_instances:
                value = class_id * 1000 + counted[class_id]
                counted[class_id] += 1
            corners = [tuple(corner) for corner in item["polygon"]]
            ImageDraw.Draw(ids).polygon(corners, fill=class_id)
            ImageDraw.Draw(instances).polygon(corners, fill=value)
        assert np.array_equal(np.asarray(ids), scene.ids("level3"))
        assert np.array_equal(np.asarray(instances), scene.instances("level3"))


def test_instances_of_two_squares_worked_out_by_hand():
    square = ((0, 0), (1, 0), (1, 1), (0, 1))  # covers 2 x 2 pixels
    names = ("road", "car", "ego vehicle", "autorickshaw")
    polygons = [
        LabelledPolygon(label=name, points=tuple((x + 2 * k, y) for x, y in square))
        for k, name in enumerate(names)
    ]
    blank = np.zeros((2, 9), np.float32)
    scene = Scene(
        rgb=np.zeros((2, 9, 3), np.uint8),
        polygons=tuple(polygons),
        depth_m=blank,
        condition="clear",
    )
    # level 2: a car and an autorickshaw are both small vehicles, 7; level 3: 9 and 8
    assert scene.ids()[0].tolist() == [0, 0, 7, 7, 255, 255, 7, 7, 255]
    row = [0, 0, 7000, 7000, 255, 255, 7001, 7001, 255]
    assert scene.instances()[1].tolist() == row
    row = [0, 0, 9000, 9000, 255, 255, 8000, 8000, 255]
    assert scene.instances("level3")[1].tolist() == row


def test_instances_agree_with_the_classes(scenes: list[Scene]):
    counted = {label.ids["level2Id"] for label in idd_labels().values() if label.has_instances}
    for scene in scenes:
        ids, instances = scene.ids(), scene.instances().astype(int)
        things = np.isin(ids, list(counted))
        assert np.array_equal(instances[things] // 1000, ids[things])
        assert np.array_equal(instances[~things], ids[~things])


def test_every_pixel_is_labelled_and_every_polygon_is_seen(scenes: list[Scene]):
    for scene in scenes:
        assert not (scene.ids() == 255).any()
        assert np.unique(scene.owner).size == len(scene.polygons)


def test_an_unknown_encoding_is_refused(scenes: list[Scene]):
    with pytest.raises(LabelError, match="level9"):
        scenes[0].ids("level9")


def test_the_sky_has_no_depth_and_all_else_has(scenes: list[Scene]):
    for scene in scenes:
        sky = scene.ids("level3") == 25
        assert np.array_equal(scene.depth_m == 0, sky)
        assert scene.depth_m[~sky].min() > 0.5


def test_ground_that_shows_at_the_horizon_is_not_sky():
    scene = draw_scene(11, 501, size_hw=(360, 480))  # its woods are lower than the lens
    labels = np.array([p.label for p in scene.polygons])[scene.owner]
    assert np.array_equal(scene.depth_m == 0, labels == "sky")


def test_the_road_has_the_depth_of_level_ground():
    world = World(3, 1)
    scene, camera = world.scene(size_hw=SIZE_HW), world.street.camera(SIZE_HW)
    numbers = [k for k, p in enumerate(scene.polygons) if p.label == "road"]
    rows, columns = np.nonzero(np.isin(scene.owner, numbers))
    below = rows > camera.horizon_px + 2
    expected = camera.focal_px * camera.height_m / (rows - camera.horizon_px)
    found = scene.depth_m[rows, columns]
    assert below.sum() > 500
    assert np.allclose(found[below], expected[below], rtol=1e-3)


def test_nearer_things_lie_in_front_of_the_ground_they_stand_on(scenes: list[Scene]):
    """An upright thing's depth at its foot is about that of the ground just below it."""
    checked = 0
    for scene in scenes:
        for number, polygon in enumerate(scene.polygons):
            if polygon.label != "person":
                continue
            rows, columns = np.nonzero(scene.owner == number)
            if len(rows) < 30 or rows.max() >= SIZE_HW[0] - 3:
                continue
            foot = rows.argmax()
            below = rows[foot] + 1, columns[foot]
            if scene.polygons[scene.owner[below]].label in ("road", "parking", "drivable fallback"):
                ground = scene.depth_m[below]
                # one row of pixels is up to this much of depth there
                step = abs(ground - scene.depth_m[below[0] + 1, below[1]])
                assert abs(scene.depth_m[rows[foot], columns[foot]] - ground) < 3 * step + 0.3
                checked += 1
    assert checked


def test_conditions_change_the_picture_and_not_the_street():
    drawn = [draw_scene(1, 0, condition, size_hw=SIZE_HW) for condition in CONDITIONS]
    for one in range(len(drawn)):
        for other in range(one):
            assert drawn[one].polygons == drawn[other].polygons
            gap = np.abs(drawn[one].rgb.astype(int) - drawn[other].rgb).mean()
            assert gap > 4, (drawn[one].condition, drawn[other].condition)
    brightness = {scene.condition: scene.rgb.mean() for scene in drawn}
    assert brightness["night"] == min(brightness.values())


def test_fog_takes_contrast_from_far_things_and_less_from_near_ones():
    clear, fog = (draw_scene(2, 5, condition, size_hw=SIZE_HW) for condition in ("clear", "fog"))
    grey = [scene.rgb.astype(float).mean(axis=2) for scene in (clear, fog)]
    far, near = clear.depth_m > 60, (clear.depth_m > 0) & (clear.depth_m < 12)
    kept = [grey[1][where].std() / grey[0][where].std() for where in (far, near)]
    assert kept[0] < 0.6 * kept[1]


def test_every_level2_class_appears_and_common_ones_often():
    share, present = np.zeros(16), np.zeros(16)
    count = 30
    for index in range(count):
        ids = draw_scene(0, index, size_hw=(72, 128)).ids()
        pixels = np.bincount(ids.ravel(), minlength=16)
        share += pixels / ids.size / count
        present += pixels > 0
    assert (present > 0).all()
    for class_id in (0, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15):
        assert present[class_id] > count / 2
    assert share.max() < 0.5


def test_colour_alone_does_not_tell_the_class(scenes: list[Scene]):
    from sklearn.tree import DecisionTreeClassifier

    colors = [scene.rgb[::2, ::2].reshape(-1, 3) for scene in scenes]
    ids = [scene.ids()[::2, ::2].ravel() for scene in scenes]
    tree = DecisionTreeClassifier(max_leaf_nodes=200, random_state=0)
    tree.fit(np.concatenate(colors[:10]), np.concatenate(ids[:10]))
    guessed, truth = tree.predict(np.concatenate(colors[10:])), np.concatenate(ids[10:])
    assert (guessed == truth).mean() < 0.55


@pytest.mark.parametrize(
    ("arguments", "options", "hint"),
    [
        ((-1, 0), {}, "negative"),
        ((0, -3), {}, "negative"),
        ((0, 0, "hail"), {}, "hail"),
        ((0, 0), {"size_hw": (8, 512)}, r"\(8, 512\)"),
    ],
)
def test_impossible_scenes_are_refused(arguments: tuple, options: dict, hint: str):
    with pytest.raises(ConfigError, match=hint):
        draw_scene(*arguments, **options)


def test_ignored_things_are_not_counted():
    polygon = LabelledPolygon(label="vehicle fallback", points=((0, 0), (1, 0), (1, 1), (0, 1)))
    rgb, blank = np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3), np.float32)
    scene = Scene(rgb=rgb, polygons=(polygon,), depth_m=blank, condition="clear")
    # it has instances, but the encoding ignores it: 255 * 1000 would not fit 16 bits
    assert scene.instances("csid")[0].tolist() == [255, 255, 255]
    assert scene.instances("level2")[0].tolist() == [8000, 8000, 255]
