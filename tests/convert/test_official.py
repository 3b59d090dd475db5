"""The official tools' files: every encoding and output against a Pillow drawing made here."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders import KILLED_AT, add_idd_frame, box, idd_object, make_idd_tree, tree_bytes
from PIL import Image, ImageDraw

from curbside.convert import Idd, convert, run_pipeline
from curbside.errors import ConfigError, DataError, LabelError
from curbside.prepared import PreparedFolder

ENCODINGS = [
    "id",
    "csId",
    "csTrainId",
    "level4Id",
    "level3Id",
    "level2Id",
    "level1Id",
    "unifiedId",
    "sourceLevel1Id",
]
# Some rows of the official table, with the nine encodings in this order; 355 fits no byte.
TABLE = """\
road,0,7,0,0,0,0,0,0,0,0,128,64,128
sidewalk,3,8,1,3,2,2,1,1,6,0,244,35,232
non-drivable fallback,5,255,9,4,3,3,1,33,6,0,152,251,152
person,6,24,11,5,4,4,2,11,5,1,220,20,60
animal,7,255,255,6,4,4,2,21,6,1,246,198,145
rider,8,25,12,7,5,5,2,12,5,1,255,0,0
motorcycle,9,32,17,8,6,6,3,17,4,1,0,0,230
autorickshaw,11,255,255,10,8,7,3,22,4,1,255,204,54
car,12,26,13,11,9,7,3,13,4,1,0,0,142
caravan,15,29,255,14,12,8,3,23,4,1,0,0,90
trailer,16,30,255,15,12,8,3,24,4,1,0,0,110
vehicle fallback,18,355,255,15,12,8,3,30,4,1,136,143,153
traffic light,25,19,6,22,19,11,4,6,6,0,250,170,30
pole,26,17,5,23,20,12,4,5,6,0,153,153,153
polegroup,27,18,255,23,20,12,4,35,6,0,153,153,153
tunnel,31,16,255,26,23,13,5,29,3,0,150,120,90
sky,33,23,10,28,25,15,6,10,1,0,70,130,180
fallback background,34,255,255,29,25,15,6,34,6,0,169,187,214
ego vehicle,36,1,255,255,255,255,255,255,255,0,0,0,0
license plate,39,255,255,255,255,255,255,255,255,0,0,0,142
"""
UNLABELED = dict(zip(ENCODINGS, (35, 0, *[255] * 7), strict=True))
LABELS = {
    name: (dict(zip(ENCODINGS, map(int, ids[:9]), strict=True)), ids[9] == "1", ids[10:])
    for name, *ids in csv.reader(TABLE.splitlines())
}
SIZE_HW = (24, 32)


def draw_tree(root: Path, count: int) -> None:
    """Files with every trap: groups, deleted and unknown objects, lines, floats, corners outside."""
    rng = random.Random(3)
    names = [*LABELS, "cargroup", "persongroup", "roadgroup", "car", "car", "Car ", "polegroup"]
    for number in range(count):
        objects = []
        for _ in range(rng.randint(0, 12)):
            corners = rng.choice([0, 1, 2, 3, 3, 4, 4, 5, 8])
            if number % 5 and corners == 2:
                corners = 3  # most files hold no line
            polygon = [[rng.uniform(-9, 40), rng.uniform(-9, 33)] for _ in range(corners)]
            if rng.random() < 0.5:
                polygon = [[int(x), int(y)] for x, y in polygon]
            deleted = rng.random() < 0.1
            objects.append(idd_object(rng.choice(names), polygon, deleted=int(deleted)))
        add_idd_frame(
            root,
            split=("train", "train", "val")[number % 3],
            drive=f"d{number % 4}",
            frame=f"{number:04}",
            objects=objects,
            size_hw=SIZE_HW,
        )


class Drawn:
    """What the official tools would draw of a file, by Pillow."""

    def __init__(self, path: Path, encoding: str, background: int) -> None:
        self.classes = Image.new("L", SIZE_HW[::-1], background)
        self.instances = Image.new("I", SIZE_HW[::-1], background)
        self.colors = Image.new("RGBA", SIZE_HW[::-1], (0, 0, 0, 255))
        counters: Counter[int] = Counter()
        for item in json.loads(path.read_text())["objects"]:
            name, corners = item["label"], [tuple(corner) for corner in item["polygon"]]
            group = name not in LABELS and name.endswith("group")
            name = name[: -len("group")] if group else name
            if item["deleted"] or name not in LABELS or len(corners) < 2:
                continue
            ids, counts, color = LABELS[name]
            value = instance = min(ids[encoding], 255)
            if encoding == "sourceLevel1Id":
                counts = value in (4, 5)  # vehicles and people
            if counts and not group and value != 255:
                instance = value * 1000 + counters[value]
                counters[value] += 1
            ImageDraw.Draw(self.instances).polygon(corners, fill=instance)
            if len(corners) > 2:
                ImageDraw.Draw(self.classes).polygon(corners, fill=value)
                ImageDraw.Draw(self.colors).polygon(corners, fill=tuple(map(int, color)))


def pixels(path: Path, mode: str) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == mode, path
        return np.asarray(image)


def segment_map(path: Path) -> np.ndarray:
    """Segment ids of a panoptic PNG."""
    return pixels(path, "RGB").astype(int) @ [1, 256, 65536]


def of_instance(value: np.ndarray) -> np.ndarray:
    """The segment id of instance values; none of the classes counted has id 0."""
    one = (value // 1000 + 1) * 1000 + value % 1000 + 1
    return np.where(value >= 1000, one, np.where(value == 255, 0, value + 1))


def check_tree(out: Path, root: Path, background: str = "ignore") -> int:
    """Compare every file of a tree with all encodings; the number of frames."""
    files = sorted(root.glob("gtFine/*/*/*_polygons.json"))
    things = {
        encoding: {ids[encoding] for ids, counts, _ in LABELS.values() if counts}
        for encoding in ENCODINGS
    }
    things["sourceLevel1Id"] = {4, 5}
    annotations, categories = {}, {}
    for split in ("train", "val"):
        for encoding in ENCODINGS:
            ending = "" if encoding == "level3Id" else f"_{encoding}"
            data = json.loads((out / f"gtFine/{split}_panoptic{ending}.json").read_text())
            assert [image["id"] for image in data["images"]] == sorted(
                image["file_name"] for image in data["images"]
            )
            for image, annotation in zip(data["images"], data["annotations"], strict=True):
                assert (image["height"], image["width"]) == SIZE_HW
                assert image["id"] == annotation["image_id"] == annotation["file_name"]
                annotations[split, annotation["file_name"]] = annotation["segments_info"]
            categories[encoding] = {item["id"]: item for item in data["categories"]}
    for path in files:
        split, drive = path.parts[-3:-1]
        frame = path.name.removesuffix("_gtFine_polygons.json")
        stem = out / "gtFine" / split / drive / f"{frame}_gtFine"
        for encoding in ENCODINGS:
            value = UNLABELED[encoding] if background == "unlabeled" else 255
            want = Drawn(path, encoding, value)
            np.testing.assert_array_equal(
                pixels(Path(f"{stem}_label{encoding}s.png"), "L"), want.classes
            )
            instances = np.asarray(want.instances)
            got = pixels(Path(f"{stem}_instance{encoding}s.png"), "I;16")
            np.testing.assert_array_equal(got, instances)
            name = f"{drive}_{frame}_gtFine_panoptic{encoding}s.png"
            ids = segment_map(out / "gtFine" / f"{split}_panoptic" / name)
            np.testing.assert_array_equal(ids, of_instance(instances))
            found = annotations[split, name]
            assert [item["id"] for item in found] == sorted(set(ids.ravel().tolist()) - {0})
            for item in found:
                rows, columns = np.nonzero(ids == item["id"])
                left, top, width, height = item["bbox"]
                assert item["area"] == len(rows)
                assert (left, left + width - 1) == (columns.min(), columns.max())
                assert (top, top + height - 1) == (rows.min(), rows.max())
                instance = int(instances[rows[0], columns[0]])
                class_id = instance // 1000 if instance >= 1000 else instance
                thing = class_id in things[encoding]
                assert item["category_id"] == class_id
                assert item["iscrowd"] == int(thing and instance < 1000)
                assert categories[encoding][class_id]["isthing"] == int(thing)
        colors = pixels(Path(f"{stem}_labelColors.png"), "RGBA")
        np.testing.assert_array_equal(colors, want.colors)
    made = [path for path in out.rglob("*") if path.is_file()]
    assert len(made) == len(files) * (3 * len(ENCODINGS) + 1) + 2 * len(ENCODINGS) + 1
    return len(files)


def test_sixty_files_in_every_encoding_and_output(tmp_path):
    draw_tree(tmp_path / "idd", 60)
    result = run_pipeline(tmp_path / "idd", tmp_path / "out", "all", workers=2)
    assert dict(result.frames) == {"train": 40, "val": 20} and result.drawn == 60
    assert set(result.unknown_labels) == {"Car "} and result.problems == ()
    assert check_tree(tmp_path / "out", tmp_path / "idd") == 60


def test_the_official_background(tmp_path):
    draw_tree(tmp_path / "idd", 9)
    run_pipeline(tmp_path / "idd", tmp_path / "out", "all", workers=1, background="unlabeled")
    assert check_tree(tmp_path / "out", tmp_path / "idd", "unlabeled") == 9


def test_beside_a_prepared_folder_the_files_are_the_same(tmp_path):
    draw_tree(tmp_path / "idd", 12)
    source = Idd(
        root=tmp_path / "idd", labels="id", official_names=tmp_path / "a", encodings=("all",)
    )
    convert(source, tmp_path / "prepared", workers=1)
    run_pipeline(tmp_path / "idd", tmp_path / "b", "all", workers=1)
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")
    convert(Idd(root=tmp_path / "idd", labels="id"), tmp_path / "alone", workers=1)
    assert tree_bytes(tmp_path / "prepared") == tree_bytes(tmp_path / "alone")


def test_annotations_alone_are_enough_and_bad_ones_are_named(tmp_path):
    for frame in ("a", "b"):
        image, truth = add_idd_frame(tmp_path / "idd", frame=frame, objects=[])
        image.unlink()
    truth.write_text("{")
    result = run_pipeline(str(tmp_path / "idd"), str(tmp_path / "out"), "LEVEL2", workers=1)
    assert dict(result.frames) == {"train": 1}
    (problem,) = result.problems
    assert (problem.id, problem.split) == ("0_b", "train") and str(truth) in problem.message
    names = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert names == {
        "curbside-official.json",
        "a_gtFine_labellevel2Ids.png",
        "a_gtFine_instancelevel2Ids.png",
        "a_gtFine_labelColors.png",
        "0_a_gtFine_panopticlevel2Ids.png",
        "train_panoptic_level2Id.json",
    }
    assert json.dumps(result.to_dict())


@pytest.mark.parametrize(
    ("wanted", "endings"),
    [
        ((True, False, False, False), {"labellevel3Ids.png"}),
        ((False, True, False, False), {"instancelevel3Ids.png"}),
        ((False, False, True, False), {"labelColors.png"}),
        ((False, False, False, True), {"panopticlevel3Ids.png", "panoptic.json"}),
    ],
)
def test_only_what_is_asked_is_made(tmp_path, wanted, endings):
    make_idd_tree(tmp_path / "idd", train=1, val=0)
    run_pipeline(tmp_path / "idd", tmp_path / "out", "level3Id", *wanted, workers=1)
    names = {path.name.rpartition("_")[2] for path in (tmp_path / "out/gtFine").rglob("*.*")}
    assert names == endings


def test_more_can_be_asked_of_a_finished_folder(tmp_path):
    make_idd_tree(tmp_path / "idd", train=2, val=1)
    whole = Idd(
        root=tmp_path / "idd",
        official_names=tmp_path / "whole",
        encodings=("level3", "csid"),
    )
    convert(whole, tmp_path / "prepared-whole", workers=1)
    convert(Idd(root=tmp_path / "idd"), tmp_path / "prepared", workers=1)
    before = tree_bytes(tmp_path / "prepared")
    for encodings in (("level3",), ("level3",), ("csid",)):
        later = Idd(root=tmp_path / "idd", official_names=tmp_path / "later", encodings=encodings)
        result = convert(later, tmp_path / "prepared", workers=1)
        completed = 0 if (tmp_path / "seen").exists() and encodings == ("level3",) else 3
        assert (result.converted, result.completed) == (0, completed)
        (tmp_path / "seen").touch()
    assert tree_bytes(tmp_path / "later") == tree_bytes(tmp_path / "whole")
    assert tree_bytes(tmp_path / "prepared") == before


def test_a_finished_tree_is_left_untouched_and_a_lost_file_made_again(tmp_path):
    make_idd_tree(tmp_path / "idd", train=2, val=1)
    out = tmp_path / "out"
    run_pipeline(tmp_path / "idd", out, "level3", workers=1)
    whole = tree_bytes(out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert run_pipeline(tmp_path / "idd", out, "level3", workers=1).drawn == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    next(out.rglob("*labelColors.png")).unlink()
    next(out.rglob("*panopticlevel3Ids.png")).write_bytes(b"")  # emptied by a power cut
    (out / "gtFine/train_panoptic.json").unlink()
    run_pipeline(tmp_path / "idd", out, "level3", workers=1)
    assert tree_bytes(out) == whole


SCRIPTS = {
    "run_pipeline": """
from curbside.convert import run_pipeline
run_pipeline(sys.argv[2], sys.argv[3] + "/official", "level2", workers=1)
""",
    "convert": """
from curbside.convert import Idd, convert
convert(
    Idd(root=Path(sys.argv[2]), official_names=Path(sys.argv[3]) / "official"),
    Path(sys.argv[3]) / "prepared", workers=1,
)
""",
}


@pytest.fixture(scope="module")
def three_frames(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A raw tree, and the files that the pipeline makes of it."""
    base = tmp_path_factory.mktemp("three")
    make_idd_tree(base / "idd", train=2, val=1)
    run_pipeline(base / "idd", base / "whole", "level2", workers=1)
    return base / "idd", tree_bytes(base / "whole")


# The note, four files of each of 3 frames, two JSON files; a conversion also makes its journal,
# three files per frame and two more at its end.
@pytest.mark.parametrize(
    ("script", "moment"),
    [("run_pipeline", n) for n in (1, 2, -3, 4, 5, -9, 13, -14, 14, 15)]
    + [("convert", n) for n in (1, 2, -4, 6, 7, 9, -13, 16, 23, 24, -25, 25, 26)],
)
def test_killed_at_any_moment_the_next_run_ends_with_the_same_bytes(
    three_frames, tmp_path, script, moment
):
    idd, whole = three_frames
    code, out = KILLED_AT + SCRIPTS[script], tmp_path / "out"
    command = [sys.executable, "-c", code, str(moment), str(idd), str(out)]
    killed = subprocess.run(command, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if script == "convert":
        source = Idd(root=idd, official_names=out / "official")
        convert(source, out / "prepared", workers=1)
        assert len(PreparedFolder(out / "prepared")) == 3
    else:
        run_pipeline(idd, out / "official", "level2", workers=1)
    assert tree_bytes(out / "official") == whole


def test_frames_that_would_share_a_panoptic_name_are_kept_apart(tmp_path):
    add_idd_frame(
        tmp_path / "idd", drive="a", frame="b_c", objects=[idd_object("car", box(0, 0, 9, 9))]
    )
    add_idd_frame(tmp_path / "idd", drive="a_b", frame="c")
    run_pipeline(tmp_path / "idd", tmp_path / "out", "level3", workers=1)
    data = json.loads((tmp_path / "out/gtFine/train_panoptic.json").read_text())
    assert {item["image_id"]: len(item["segments_info"]) for item in data["annotations"]} == {
        "a_b_c_gtFine_panopticlevel3Ids.png": 1,
        "a_b_c-2_gtFine_panopticlevel3Ids.png": 0,
    }


def test_a_repaired_frame_joins_the_panoptic_file_in_its_place(tmp_path):
    for drive in ("1", "10", "2"):
        _, truth = add_idd_frame(tmp_path / "idd", drive=drive, frame="a")
    run_pipeline(tmp_path / "idd", tmp_path / "whole", "level3", workers=1)
    content = truth.read_bytes()
    truth.write_text("{")
    first = run_pipeline(tmp_path / "idd", tmp_path / "out", "level3", workers=1)
    assert len(first.problems) == 1
    truth.write_bytes(content)
    second = run_pipeline(tmp_path / "idd", tmp_path / "out", "level3", workers=1)
    assert second.drawn == 1 and second.problems == ()
    assert tree_bytes(tmp_path / "out") == tree_bytes(tmp_path / "whole")
    data = json.loads((tmp_path / "out/gtFine/train_panoptic.json").read_text())
    names = [image["id"].partition("_")[0] for image in data["images"]]
    assert names == ["10", "1", "2"]  # by the names of the files, where "_" comes after digits


def test_another_background_on_the_same_tree_is_refused(tmp_path):
    make_idd_tree(tmp_path / "idd", train=1, val=0)
    run_pipeline(tmp_path / "idd", tmp_path / "out", "id", workers=1)
    before = tree_bytes(tmp_path / "out")
    with pytest.raises(ConfigError, match="another background; choose another folder"):
        run_pipeline(tmp_path / "idd", tmp_path / "out", "id", workers=1, background="unlabeled")
    source = Idd(root=tmp_path / "idd", background="unlabeled", official_names=tmp_path / "out")
    with pytest.raises(ConfigError, match="another background"):
        convert(source, tmp_path / "prepared", workers=1)
    assert tree_bytes(tmp_path / "out") == before and not (tmp_path / "prepared").exists()


def test_files_of_other_making_are_not_taken_for_ours(tmp_path):
    _, truth = add_idd_frame(tmp_path / "idd")
    official = truth.with_name(truth.name.replace("_polygons.json", "_labelids.png"))
    official.write_bytes(b"made by the official tools")
    with pytest.raises(ConfigError, match=r"_labelids\.png is there, but was not made here"):
        run_pipeline(tmp_path / "idd", tmp_path / "idd", "id", workers=1)
    run_pipeline(tmp_path / "idd", tmp_path / "idd", "level3", workers=1)  # beside the polygons
    assert official.read_bytes() == b"made by the official tools"
    assert truth.with_name(truth.name.replace("_polygons.json", "_labellevel3Ids.png")).exists()


def test_a_damaged_panoptic_png_is_one_line(tmp_path):
    make_idd_tree(tmp_path / "idd", train=1, val=0)
    run_pipeline(tmp_path / "idd", tmp_path / "out", "id", workers=1)
    (png,) = tmp_path.rglob("*_panopticids.png")
    for content in (b"x", b"x" * 100, png.read_bytes()[:60]):
        png.write_bytes(content)
        with pytest.raises(DataError, match="is no panoptic PNG made here") as caught:
            run_pipeline(tmp_path / "idd", tmp_path / "out", "id", workers=1)
        assert str(png) in str(caught.value)


def test_what_cannot_be_is_one_line_and_makes_nothing(tmp_path):
    make_idd_tree(tmp_path / "idd", train=1, val=0)
    out = tmp_path / "out"
    with pytest.raises(LabelError, match="no encoding 'level9'"):
        run_pipeline(tmp_path / "idd", out, "level9")
    with pytest.raises(ConfigError, match="no output was asked"):
        run_pipeline(tmp_path / "idd", out, "id", False, False, False, False)
    with pytest.raises(ConfigError, match="background is 'black'"):
        run_pipeline(tmp_path / "idd", out, "id", background="black")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="gone/gtFine holds no polygon files"):
        run_pipeline(tmp_path / "gone", out, "id")
    with pytest.raises(
        ConfigError, match="encodings and outputs are for files under official names"
    ):
        Idd(root=tmp_path / "idd", encodings=("id",))
    with pytest.raises(ConfigError, match="files under official names"):
        Idd(root=tmp_path / "idd", outputs=("color",))
    with pytest.raises(ConfigError, match="no outputs were given"):
        Idd(root=tmp_path / "idd", official_names=out, outputs=())
    next((tmp_path / "idd").rglob("*.json")).write_text("{")
    with pytest.raises(DataError, match=r"not one of the 1 frames .* not valid JSON"):
        run_pipeline(tmp_path / "idd", out, "id", workers=1)
    assert not out.exists()
