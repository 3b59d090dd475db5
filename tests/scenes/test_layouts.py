"""Scenes in every raw layout: converted from there they are the truth that was drawn."""

from __future__ import annotations

import configparser
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import tree_bytes
from PIL import Image, ImageDraw

from curbside.convert import Conversion, convert, sources
from curbside.convert.stereo import check_disparity_scale
from curbside.errors import ConfigError
from curbside.labels import camvid_labels, load_space, mapping
from curbside.prepared import PreparedFolder, Sample
from curbside.scenes import Scene, ScenesConfig, World, draw_scene, layout_names, write_layout
from curbside.scenes.layouts.camvid_colour import LABELS

SEED, SIZE_HW = 3, (64, 96)
FIRST = {"train": 0, "val": 1_000_000, "test": 2_000_000}
VOID = 255

# Written out by hand from the datasets' own definitions: an error in a table of the package shows.
NO_TRAIN_ID = (
    "curb, parking, drivable fallback, rail track, animal, autorickshaw, caravan, trailer, "
    "vehicle fallback, guard rail, billboard, polegroup, bridge, tunnel, obs-str-bar-fallback, "
    "fallback background"
)
CITYSCAPES = dict.fromkeys(NO_TRAIN_ID.split(", "), VOID) | {
    "road": 0,
    "sidewalk": 1,
    "building": 2,
    "wall": 3,
    "fence": 4,
    "pole": 5,
    "traffic light": 6,
    "traffic sign": 7,
    "vegetation": 8,
    "non-drivable fallback": 9,
    "sky": 10,
    "person": 11,
    "rider": 12,
    "car": 13,
    "truck": 14,
    "bus": 15,
    "train": 16,
    "motorcycle": 17,
    "bicycle": 18,
}
CITYSCAPES_THINGS = range(11, 19)
CAMVID = dict.fromkeys(CITYSCAPES, VOID) | {
    "sky": 0,
    "building": 1,
    "bridge": 1,
    "wall": 1,
    "pole": 2,
    "polegroup": 2,
    "road": 3,
    "sidewalk": 4,
    "vegetation": 5,
    "traffic sign": 6,
    "traffic light": 6,
    "billboard": 6,
    "fence": 7,
    "car": 8,
    "truck": 8,
    "bus": 8,
    "train": 8,
    "vehicle fallback": 8,
    "autorickshaw": 8,
    "caravan": 8,
    "trailer": 8,
    "person": 9,
    "animal": 9,
    "rider": 10,
    "bicycle": 10,
    "motorcycle": 10,
}
LITE = (
    dict.fromkeys(["road", "parking", "drivable fallback"], 0)
    | dict.fromkeys(["sidewalk", "rail track", "non-drivable fallback"], 1)
    | dict.fromkeys(["person", "animal", "rider"], 2)
    | dict.fromkeys(["motorcycle", "bicycle", "autorickshaw", "car", "truck", "bus"], 3)
    | dict.fromkeys(["caravan", "trailer", "train", "vehicle fallback"], 3)
    | dict.fromkeys(["curb", "wall", "fence", "guard rail", "billboard", "traffic sign"], 4)
    | dict.fromkeys(["traffic light", "pole", "polegroup", "obs-str-bar-fallback"], 4)
    | dict.fromkeys(["building", "bridge", "tunnel", "vegetation"], 5)
    | dict.fromkeys(["sky", "fallback background"], 6)
)
_IN_ORDER = (
    "road, parking, drivable fallback, sidewalk, rail track, non-drivable fallback, person, animal, "
    "rider, motorcycle, bicycle, autorickshaw, car, truck, bus, caravan, trailer, train, "
    "vehicle fallback, curb, wall, fence, guard rail, billboard, traffic sign, traffic light, pole, "
    "polegroup, obs-str-bar-fallback, building, bridge, tunnel, vegetation, sky, "
    "fallback background"
)
IDD_IDS = {name: number for number, name in enumerate(_IN_ORDER.split(", "))}
SURFACES = {"road": 2, "sidewalk": 0}
OBSTACLES = {
    "person": 6,
    "rider": 6,
    "car": 7,
    "bus": 8,
    "truck": 9,
    "bicycle": 10,
    "motorcycle": 11,
    "pole": 16,
    "traffic sign": VOID,
    "traffic light": VOID,
    "animal": VOID,
    "billboard": VOID,
}


def painted(scene: Scene, values: list[int]) -> np.ndarray:
    """The scene's polygons by Pillow alone, each with a value; 255 where there is none."""
    height, width = scene.depth_m.shape
    canvas = Image.new("I", (width, height), VOID)
    for polygon, value in zip(scene.polygons, values, strict=True):
        ImageDraw.Draw(canvas).polygon(polygon.points, fill=value)
    return np.asarray(canvas)


def painted_classes(scene: Scene, table: Mapping[str, int]) -> np.ndarray:
    return painted(scene, [table[polygon.label] for polygon in scene.polygons])


def painted_instances(scene: Scene, table: Mapping[str, int], things: range) -> np.ndarray:
    counted: Counter[int] = Counter()
    values = []
    for polygon in scene.polygons:
        value = class_id = table[polygon.label]
        if class_id in things:
            value = class_id * 1000 + counted[class_id]
            counted[class_id] += 1
        values.append(value)
    return painted(scene, values)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a layout is converted with, and what must come out."""

    source: str
    table: Mapping[str, int]
    number: Callable[[str], int]
    """Of a sample's id: the street's number in its split."""
    options: dict[str, Any] = field(default_factory=dict)
    labelled: tuple[str, ...] = ("train", "val", "test")
    per_street: int = 1
    weather: str | None = None
    """The tag that says the condition."""


def last_digits(sample_id: str) -> int:
    return int(sample_id[-6:])


CASES = {
    "idd": Case(
        source="idd",
        table=LITE,
        options={"labels": "level1"},
        number=last_digits,
        weather="weather",
    ),
    "idd-lite": Case(
        source="idd-lite",
        table=LITE,
        labelled=("train", "val"),
        number=last_digits,
        weather="drive",
    ),
    "cityscapes": Case(
        source="cityscapes",
        table=CITYSCAPES,
        labelled=("train", "val"),
        number=lambda name: int(name.split("_")[1]),
        weather="city",
    ),
    "acdc": Case(
        source="acdc",
        table=CITYSCAPES,
        labelled=("train", "val"),
        number=lambda name: last_digits(name.removesuffix("_ref")),
        per_street=2,
        weather="condition",
    ),
    "bdd100k": Case(
        source="bdd100k",
        table=CITYSCAPES,
        labelled=("train", "val"),
        number=lambda name: int(name[:8], 16) % 1_000_000,
    ),
    "cvat": Case(source="cvat", table=IDD_IDS, options={"labels": "idd-id"}, number=last_digits),
    "camvid": Case(source="camvid", table=CAMVID, number=last_digits, weather="sequence"),
    "camvid-colour": Case(source="camvid", table=CAMVID, number=last_digits, weather="sequence"),
}


def drawn(split: str, number: int) -> Scene:
    return draw_scene(SEED, FIRST[split] + number, size_hw=SIZE_HW)


@pytest.fixture(scope="module")
def trees(tmp_path_factory) -> Callable[[str], tuple[Path, ScenesConfig]]:
    """A set in a layout, drawn once."""
    base, made = tmp_path_factory.mktemp("layouts"), {}

    def tree(layout: str) -> tuple[Path, ScenesConfig]:
        if layout not in made:
            config = ScenesConfig(seed=SEED, size_hw=SIZE_HW, train=4, val=2, test=1, workers=1)
            write_layout(base / layout, config, layout)
            made[layout] = base / layout, config
        return made[layout]

    return tree


def converted(root: Path, out: Path, case: Case, **options: Any) -> tuple[Conversion, list[Sample]]:
    source = sources()[case.source](root=root, **case.options, **options)
    result = convert(source, out, workers=1)
    folder = PreparedFolder(out)
    return result, [sample for split in result.counts for sample in folder.samples(split)]


def test_every_layout_is_looked_at_here():
    assert {*CASES, "sidewalk"} == set(layout_names())


@pytest.mark.parametrize("layout", CASES)
def test_converted_it_is_the_truth_that_was_drawn(trees, tmp_path, layout):
    case, (root, config) = CASES[layout], trees(layout)
    result, samples = converted(root, tmp_path / "out", case)
    assert result.problems == () and dict(result.unknown_labels) == {}
    counts = {split: dict(count) for split, count in result.counts.items()}
    assert {split: count["samples"] for split, count in counts.items()} == {
        "train": 4 * case.per_street,
        "val": 2 * case.per_street,
        "test": 1 * case.per_street,
    }
    known = [c for c in config.conditions if layout != "acdc" or c != "clear"]
    compared = 0
    for sample in samples:
        split, number = sample.record.split, case.number(sample.id)
        if case.weather:
            assert sample.record.tags[case.weather] == known[number % len(known)]
        assert sample.record.size_hw == SIZE_HW
        if "semantic" not in sample.record.targets:
            assert split not in case.labelled or sample.id.endswith("_ref")
            continue
        scene = drawn(split, number)
        assert np.array_equal(sample.read_semantic(), painted_classes(scene, case.table)), sample.id
        compared += 1
    assert compared == sum((4, 2, 1)[: len(case.labelled)])


@pytest.mark.parametrize("form", ["labelids", "trainids", "polygons"])
def test_the_three_forms_of_cityscapes_agree(trees, tmp_path, form):
    root, _ = trees("cityscapes")
    result, samples = converted(root, tmp_path / "out", CASES["cityscapes"], form=form)
    assert result.problems == () and dict(result.unknown_labels) == {}
    for sample in samples:
        if sample.record.split == "test":
            continue
        scene = drawn(sample.record.split, int(sample.id.split("_")[1]))
        assert np.array_equal(sample.read_semantic(), painted_classes(scene, CITYSCAPES))
        want = painted_instances(scene, CITYSCAPES, CITYSCAPES_THINGS)
        assert np.array_equal(sample.read_instances(), want)


def test_cityscapes_polygons_have_its_names_and_its_colours_their_masks(trees):
    root, _ = trees("cityscapes")
    names = set(load_space("cityscapes-id").names)
    files = sorted(root.glob("gtFine/*/*/*_polygons.json"))
    assert len(files) == 7
    for path in files:
        data = json.loads(path.read_text())
        assert {item["label"] for item in data["objects"]} <= names
        assert (data["objects"] == []) == (path.parts[-3] == "test")
        ids = np.asarray(Image.open(str(path).replace("polygons.json", "labelIds.png")))
        instances = np.asarray(Image.open(str(path).replace("polygons.json", "instanceIds.png")))
        assert np.array_equal(np.where(instances > 999, instances // 1000, instances), ids)
        colors = Image.open(str(path).replace("polygons.json", "color.png"))
        assert colors.mode == "RGBA"
        assert np.array_equal(np.asarray(colors)[..., :3], load_space("cityscapes-id").palette[ids])


def test_acdc_has_each_street_in_clear_weather_too(trees, tmp_path):
    root, _ = trees("acdc")
    adverse = root / "rgb_anon/fog/train/GOPR0000/GOPR0000_frame_000000_rgb_anon.png"
    clear = root / "rgb_anon/fog/train_ref/GOPR0000/GOPR0000_frame_000000_rgb_ref_anon.png"
    assert np.array_equal(
        np.asarray(Image.open(adverse)), draw_scene(SEED, 0, "fog", size_hw=SIZE_HW).rgb
    )
    assert np.array_equal(
        np.asarray(Image.open(clear)), draw_scene(SEED, 0, "clear", size_hw=SIZE_HW).rgb
    )
    with pytest.raises(ConfigError, match="no pictures in the conditions clear"):
        sunny = ScenesConfig(train=1, val=0, conditions=("clear",))
        write_layout(tmp_path / "sunny", sunny, "acdc")


def test_the_attributes_of_bdd100k_say_the_weather(trees, tmp_path):
    root, _ = trees("bdd100k")
    attributes = tuple(sorted(root.glob("labels/*.json")))
    _, samples = converted(root, tmp_path / "out", CASES["bdd100k"], attributes=attributes)
    tags = {s.id: s.record.tags for s in samples if s.record.split == "train"}
    assert [tag["weather"] for _, tag in sorted(tags.items())] == [
        "clear",
        "foggy",
        "clear",
        "rainy",
    ]
    assert [tag["timeofday"] for _, tag in sorted(tags.items())][2] == "night"


def test_camvids_colours_fold_to_what_the_taxonomy_says():
    table = mapping(load_space("idd-id"), load_space("camvid11")).table
    for item in load_space("idd-id").classes:
        label = camvid_labels()[LABELS.get(item.name, "Void")]
        assert label.class_id == table[item.id], item.name


def test_camvids_masks_say_void_as_segnets_do(trees):
    root, _ = trees("camvid")
    seen = {int(i) for path in root.glob("*annot/*.png") for i in np.unique(Image.open(path))}
    assert 11 in seen and seen <= set(range(12))


def test_camvids_lists_carry_the_paths_of_another_machine(trees):
    root, _ = trees("camvid")
    lines = (root / "val.txt").read_text().splitlines()
    first = "/SegNet/CamVid/val/clear_000000.png /SegNet/CamVid/valannot/clear_000000.png"
    assert len(lines) == 2 and lines[0] == first


@pytest.fixture(scope="module")
def sidewalk(trees, tmp_path_factory) -> tuple[Path, PreparedFolder]:
    root, _ = trees("sidewalk")
    out = tmp_path_factory.mktemp("sidewalk") / "out"
    result = convert(sources()["sidewalk"](root=root), out, workers=1)
    assert result.problems == () and dict(result.unknown_labels) == {}
    return root, PreparedFolder(out)


def test_the_sidewalk_data_are_folders_of_one_kind_each(sidewalk):
    root, folder = sidewalk
    kinds = Counter(s.record.tags["kind"] for s in folder.samples("train"))
    # of 4, 2 and 1 streets the first and fourth are surfaces, the second obstacles, the third depth
    assert kinds == {"surface": 2 * (2 + 1 + 1), "polygon": 2 * (1 + 1), "depth": 1}
    names = sorted(path.name for path in (root / "Surface_001").iterdir())
    assert names == ["Surface_001.xml", "Surface_001_000001.jpg", "Surface_001_000002.jpg"]


@pytest.mark.parametrize(
    ("kind", "number", "table"), [("Surface", 0, SURFACES), ("Polygon", 1, OBSTACLES)]
)
def test_surfaces_and_obstacles_are_those_that_were_drawn(sidewalk, kind, number, table):
    samples = {sample.id: sample for sample in sidewalk[1].samples("train")}
    for frame in (1, 2):
        sample = samples[f"{kind}_{number + 1:03d}_{frame:06d}"]
        scene = World(SEED, number).scene(size_hw=SIZE_HW, time_s=frame - 1.0)
        found = sample.read_semantic()
        owner = painted(scene, list(range(len(scene.polygons))))
        compared = 0
        for index, polygon in enumerate(scene.polygons):
            seen = owner == index
            alone = Image.new("1", SIZE_HW[::-1])
            ImageDraw.Draw(alone).polygon(polygon.points, fill=1)
            whole = seen.sum() >= 0.3 * np.asarray(alone).sum()
            if polygon.label in table and whole:
                # Wherever it is what one sees, no other label of its kind lies over it.
                assert (found[seen] == table[polygon.label]).all()
                compared += seen.sum()
        assert compared > 0.05 * owner.size
        names = sample.record.annotated
        assert names is not None and len(names) == {"Surface": 6, "Polygon": 18}[kind]


def test_the_stereo_pair_its_disparity_and_calibration_say_the_depth(sidewalk):
    root, folder = sidewalk
    (sample,) = (s for s in folder.samples("train") if s.record.tags["kind"] == "depth")
    world, size_hw = World(SEED, 2, "night"), (376, 672)
    scene = world.scene(size_hw=size_hw)
    found = sample.read_depth_m()
    known = found > 0
    rows = np.flatnonzero(known.any(axis=1))
    assert 80 <= rows[0] < 100 and 280 < rows[-1] < 295  # black bars above and below
    assert 0.3 < known.mean() < 0.56
    # a hundredth of a pixel of disparity, and a 256th of a metre
    focal_px = world.street.camera(size_hw).focal_px
    step = scene.depth_m**2 / (focal_px * 0.12) * 0.005 + 1 / 512
    assert (np.abs(found - scene.depth_m)[known] <= 1.02 * step[known]).all()
    conf = configparser.ConfigParser()
    conf.read(root / "Depth_003/Depth_003.conf")
    assert len(conf.sections()) == 9 and float(conf["STEREO"]["BaseLine"]) == 120
    assert float(conf["LEFT_CAM_VGA"]["fx"]) == pytest.approx(focal_px)
    assert sample.record.focal_xy_px == pytest.approx((focal_px, focal_px))
    assert float(conf["LEFT_CAM_FHD"]["fx"]) == pytest.approx(4 * focal_px)
    confidence = sample.read_confidence()
    assert 0.01 < (confidence[known] == 0).mean() < 0.4
    assert set(np.unique(confidence)) == {0, 255}
    raw = np.asarray(Image.open(root / "Depth_003/Depth_003_000001_confidence.png"))
    assert (raw[:80] == 255).all() and (confidence[:80] == 0).all()  # the bars say nothing


def test_matching_the_pair_finds_the_scale_of_the_disparity(tmp_path):
    config = ScenesConfig(train=3, val=0, size_hw=SIZE_HW, conditions=("clear",), workers=1)
    write_layout(tmp_path, config, "sidewalk")
    (check,) = check_disparity_scale(tmp_path)
    assert check.share > 0.15
    assert check.scale == pytest.approx(100, rel=0.03)


def test_the_right_lens_sees_what_the_left_one_does_where_the_depth_says():
    world, size_hw = World(0, 4), (188, 336)
    left, right = world.scene(size_hw=size_hw), world.scene(size_hw=size_hw, x_m=0.12)
    focal_px = world.street.camera(size_hw).focal_px
    rows, columns = np.nonzero(left.depth_m > 0)
    depth = left.depth_m[rows, columns]
    there = np.rint(columns - focal_px * 0.12 / depth).astype(int)
    inside = (there >= 0) & (depth > 3)
    names = [np.array([p.label for p in scene.polygons])[scene.owner] for scene in (left, right)]
    same = names[0][rows, columns][inside] == names[1][rows[inside], there[inside]]
    assert same.mean() > 0.97  # the rest is at edges, and hidden from one of them
    farther = right.depth_m[rows[inside], there[inside]] / depth[inside]
    assert (np.abs(farther - 1) < 0.03).mean() > 0.95
    still = (
        np.array([p.label for p in left.polygons])[left.owner]
        == np.array([p.label for p in right.polygons])[right.owner]
    )
    assert still.mean() < same.mean() - 0.02  # without moving, they agree less


@pytest.mark.parametrize("layout", layout_names())
def test_a_second_run_makes_what_is_missing_and_ends_with_the_same_bytes(trees, tmp_path, layout):
    root, config = trees(layout)
    before = tree_bytes(root)
    names = sorted(name for name in before if "/" in name)
    gone = root / names[len(names) // 2]
    gone.rename(gone.with_name(".partial-abc.png"))  # as if killed in the middle
    (root / names[-1]).unlink()
    write_layout(root, config, layout)
    assert tree_bytes(root) == before


def test_more_of_the_same_is_welcome_and_the_lists_follow(tmp_path):
    few, more = (
        ScenesConfig(train=n, val=0, size_hw=SIZE_HW, conditions=("fog",), workers=1)
        for n in (1, 2)
    )
    write_layout(tmp_path / "a", few, "camvid-colour")
    write_layout(tmp_path / "a", more, "camvid-colour")
    write_layout(tmp_path / "b", more, "camvid-colour")
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")


def test_another_layout_in_the_folder_and_one_that_is_none_are_refused(tmp_path):
    config = ScenesConfig(train=1, val=0, size_hw=SIZE_HW, workers=1)
    write_layout(tmp_path / "a", config, "camvid")
    with pytest.raises(ConfigError, match="another layout"):
        write_layout(tmp_path / "a", config, "idd")
    with pytest.raises(ConfigError, match="no layout 'kitti'; choose one of acdc"):
        write_layout(tmp_path / "b", config, "kitti")
    assert not (tmp_path / "b").exists()
