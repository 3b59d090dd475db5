"""CVAT files with a label space's names: what went out comes back, with what people corrected."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from builders import photo, tree_bytes
from builders_outward import SPACE, drawn, make_prepared
from builders_sidewalk import cvat_box, cvat_image, cvat_mask, cvat_polygon, write_cvat
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curbside.cli import main
from curbside.convert import convert, outward
from curbside.convert.inward.cvat import Cvat
from curbside.errors import ConfigError, DataError, LabelError
from curbside.prepared import PreparedFolder
from curbside.scenes import ScenesConfig, write_prepared

EXACT = outward.Cvat(min_area=1, simplify=0)
NAMES = ["road", "sky", "person", 'car "<&>']
XML_NAMES = ["road", "sky", "person", "car &quot;&lt;&amp;&gt;"]
CAR = XML_NAMES[3]


def square(first: float, last: float) -> list[tuple[float, float]]:
    return [(first, first), (last, first), (last, last), (first, last)]


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> str:
    """A prepared folder with the label space of these tests."""
    folder = tmp_path_factory.mktemp("street") / "prepared"
    make_prepared(folder, {"train/a": {"instances": drawn("..")}})
    return str(folder)


def one_image(root: Path, street: str, shapes, *, labels=XML_NAMES):
    photo(root / "x.jpg")
    write_cvat(root / "a.xml", labels, [cvat_image("x.jpg", shapes)])
    (item,) = Cvat(root=root, labels=street).plan()
    return item.load()


def back(data: PreparedFolder, folder: Path) -> PreparedFolder:
    """The folder after a way through CVAT's format."""
    outward.write_annotations(EXACT, data, folder / "cvat", workers=1)
    source = Cvat(root=folder / "cvat", labels=str(data.root))
    result = convert(source, folder / "back", workers=1)
    assert result.problems == () and result.unknown_labels == {}
    return PreparedFolder(folder / "back")


def without_gaps(instances: np.ndarray) -> np.ndarray:
    """The map with the objects of each class numbered from 0."""
    found = instances.copy()
    counted: dict[int, int] = {}
    for value in np.unique(instances[instances >= 1000]).tolist():
        index = counted.setdefault(value // 1000, 0)
        found[instances == value] = value // 1000 * 1000 + index
        counted[value // 1000] = index + 1
    return found


def classes(instances: np.ndarray) -> np.ndarray:
    return np.where(instances >= 1000, instances // 1000, instances)


def test_masks_and_instances_come_back_pixel_for_pixel(tmp_path):
    samples = {
        "train/a": {"instances": drawn(), "semantic": classes(drawn()).astype(np.uint8)},
        "train/b": {"instances": drawn("AA\n..")},
        "val/a": {"instances": drawn("ss..\nsPP.")},
        "test/c": {"instances": drawn("....\n. ..")},
    }
    data = make_prepared(tmp_path / "d", samples)
    folder = back(data, tmp_path)
    assert folder.space == SPACE and folder.counts == {"train": 2, "val": 1, "test": 1}
    for split in ("train", "val", "test"):
        for sample, was in zip(folder.samples(split), data.samples(split), strict=True):
            assert sample.id == was.id and sample.record.annotated is None
            np.testing.assert_array_equal(sample.read_instances(), was.read_instances())
            np.testing.assert_array_equal(sample.read_semantic(), classes(was.read_instances()))
            assert sample.image_path.samefile(was.image_path)


@settings(deadline=None, max_examples=25)
@given(
    hnp.arrays(
        np.uint16,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.sampled_from([0, 2, 255, 2000, 2001, 2007, 3005]),
    )
)
def test_any_map_comes_back_but_for_gaps_in_the_numbers(instances):
    with TemporaryDirectory() as folder:
        data = make_prepared(Path(folder) / "d", {"val/a": {"instances": instances}})
        (sample,) = back(data, Path(folder)).samples("val")
        np.testing.assert_array_equal(sample.read_semantic(), classes(instances))
        if (instances < 1000).all() and (instances == 2).any():
            assert "instances" not in sample.record.targets  # crowds alone: nobody is told apart
        else:
            np.testing.assert_array_equal(sample.read_instances(), without_gaps(instances))


def test_drawn_scenes_come_back(tmp_path):
    config = ScenesConfig(train=2, val=1, size_hw=(180, 320), workers=1)
    write_prepared(tmp_path / "d", config, labels="level3")
    data = PreparedFolder(tmp_path / "d")
    folder = back(data, tmp_path)
    for split in ("train", "val"):
        for sample, was in zip(folder.samples(split), data.samples(split), strict=True):
            assert sample.id == was.id
            np.testing.assert_array_equal(sample.read_semantic(), was.read_semantic())
            want = without_gaps(was.read_instances())
            np.testing.assert_array_equal(sample.read_instances(), want)


def test_semantic_masks_come_back_without_objects(tmp_path):
    mask = np.array([[0, 0, 3, 3], [1, 255, 2, 0]], np.uint8)
    data = make_prepared(tmp_path / "d", {"train/a": {"semantic": mask}})
    (sample,) = back(data, tmp_path).samples("train")
    np.testing.assert_array_equal(sample.read_semantic(), mask)
    assert sample.record.targets == ("semantic",)


def test_a_correction_arrives(tmp_path, street):
    text = "....\n.AA.\n.AA.\nPP.."
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn(text)}})
    outward.write_annotations(EXACT, data, tmp_path / "cvat", workers=1)
    path = tmp_path / "cvat/train.xml"
    said = path.read_text()
    assert said.count(f'<polygon label="{CAR}"') == 0  # the writer quotes otherwise
    path.write_text(said.replace("<polygon label='car \"&lt;&amp;&gt;'", '<polygon label="person"'))
    convert(Cvat(root=tmp_path / "cvat", labels=street), tmp_path / "back", workers=1)
    (sample,) = PreparedFolder(tmp_path / "back").samples("train")
    # Persons are now counted in the order of the file: the former car is the second.
    want = np.where(drawn(text) == 3000, 2001, drawn(text))
    np.testing.assert_array_equal(sample.read_instances(), want)


def test_what_cvat_packs_is_read_as_it_is_unpacked(tmp_path, street):
    """Its files are called annotations.xml; a project's images have a subset."""
    for name in ("one", "two", "three", "four", "five"):
        photo(tmp_path / f"c/images/{name}.jpg")
    nothing = [cvat_image(f"{name}.jpg", []) for name in ("one", "two", "three", "four", "five")]
    write_cvat(tmp_path / "c/val/annotations.xml", XML_NAMES, nothing[:1])
    write_cvat(tmp_path / "c/Test.xml", XML_NAMES, nothing[1:2])
    project = [
        image.replace("<image ", f'<image subset="{subset}" ')
        for image, subset in zip(nothing[2:], ("Validation", "default", ""), strict=True)
    ]
    write_cvat(tmp_path / "c/annotations.xml", XML_NAMES, project)
    items = Cvat(root=tmp_path / "c", labels=street).plan()
    assert [(item.split, item.id) for item in items] == [
        ("train", "four"),
        ("train", "five"),
        ("val", "three"),
        ("val", "one"),
        ("test", "two"),
    ]


def test_shapes_of_ones_own(tmp_path, street):
    data = one_image(
        tmp_path,
        street,
        [
            cvat_polygon("person", square(1, 5), z=1, more=' group_id="4"'),
            cvat_polygon(CAR, square(0, 20)),
            cvat_polygon("person", square(10, 12), z=1, more=' group_id="4"'),
            cvat_mask("person", [0, 4], 30, 30, 2, 2),
            cvat_box("road", 40, 40, 45, 45),
            cvat_polygon("ignore", square(42, 43), z=1),
            cvat_polygon("dog", square(44, 44), z=1),
            '<polygon label="person" points="50,1;55,1;55,5" z_order="0">'
            '<attribute name="crowd">true</attribute></polygon>',
            '<points label="person" points="1,1" z_order="0"></points>',
        ],
    )
    want = np.full((48, 64), 255)
    want[0:21, 0:21] = 3000
    want[1:6, 1:6] = want[10:13, 10:13] = 2000
    want[30:32, 30:32] = 2001
    want[40:46, 40:46] = 0
    want[42:44, 42:44] = want[44, 44] = 255
    triangle = data.instances[1:6, 50:56]
    assert set(np.unique(triangle)) == {2, 255} and (triangle == 2).sum() >= 15
    want[1:6, 50:56] = triangle
    np.testing.assert_array_equal(data.instances, want)
    np.testing.assert_array_equal(data.semantic, classes(want))
    assert data.unknown_labels == {"dog": 1, "person (points)": 1}
    assert data.dropped_labels == {} and data.known_objects == 6


def test_what_could_be_chosen_is_what_was_annotated(tmp_path, street):
    cars = [cvat_polygon(CAR, square(1, 5))]
    assert one_image(tmp_path / "all", street, cars).annotated is None
    assert one_image(tmp_path / "unsaid", street, cars, labels=[]).annotated is None
    some = one_image(tmp_path / "some", street, cars, labels=[CAR, "hat"])
    assert some.annotated == (NAMES[3],) and some.instances is not None
    surfaces = one_image(tmp_path / "surfaces", street, [], labels=["sky", "road"])
    assert surfaces.annotated == ("road", "sky") and surfaces.instances is None


def test_files_and_folders_are_never_divided(tmp_path, street):
    for folder in ("p", "q"):
        for number in range(3):
            photo(tmp_path / f"c/{folder}/{folder}{number}.jpg")
    images = [cvat_image(f"{f}{n}.jpg", []) for f in ("p", "q") for n in range(3)]
    write_cvat(tmp_path / "c/all.xml", XML_NAMES, images)
    source = Cvat(root=tmp_path / "c", labels=street, hold_out=0.5)
    result = convert(source, tmp_path / "out", workers=1)
    assert {split: counts["samples"] for split, counts in result.counts.items()} == {
        "train": 3,
        "val": 3,
    }
    assert len({s.id[0] for s in PreparedFolder(tmp_path / "out").samples("val")}) == 1


def test_bad_files_are_named_and_the_rest_is_converted(tmp_path, street):
    root = tmp_path / "c"
    photo(root / "good.jpg")
    write_cvat(root / "good.xml", XML_NAMES, [cvat_image("good.jpg", [])])
    (root / "broken.xml").write_text("<annotations><image")
    (root / "voc.xml").write_text("<annotation/>")
    write_cvat(root / "boxes.xml", XML_NAMES, [cvat_image("good.jpg", [cvat_box(CAR, 1, 2, 3, 4)])])
    write_cvat(root / "hats.xml", ["hat"], [cvat_image("good.jpg", [])])
    write_cvat(root / "size.xml", XML_NAMES, [cvat_image("good.jpg", [], size_hw=(9, 9))])
    write_cvat(root / "up.xml", XML_NAMES, [cvat_image("../../secret.jpg", [])])
    photo(tmp_path / "secret.jpg")
    result = convert(Cvat(root=root, labels=street), tmp_path / "out", workers=1)
    words = {
        "boxes.xml holds bounding boxes alone",
        "broken.xml is not valid XML",
        "hats.xml knows no label of street",
        "is annotated at 9 x 9 pixels",
        "'../../secret.jpg' is nowhere in the dataset",
    }
    said = [problem.message for problem in result.problems]
    assert len(said) == 5 and all(any(word in line for line in said) for word in words)
    assert result.converted == 1


def test_what_cannot_be_read_at_all_is_one_line(tmp_path, street):
    (tmp_path / "empty").mkdir()
    for root, words in (("gone", "does not exist"), ("empty", "holds no CVAT annotations")):
        with pytest.raises(DataError, match=words):
            Cvat(root=tmp_path / root, labels=street).plan()
    write_cvat(tmp_path / "c/a.xml", XML_NAMES, [cvat_image("x.jpg", [])])
    with pytest.raises(ConfigError, match="add --labels"):
        Cvat(root=tmp_path / "c").plan()
    with pytest.raises(LabelError, match="street99"):
        Cvat(root=tmp_path / "c", labels="street99").plan()
    with pytest.raises(DataError, match="empty"):
        Cvat(root=tmp_path / "c", labels=str(tmp_path / "empty")).plan()


def test_items_travel(tmp_path, street):
    photo(tmp_path / "c/x.jpg")
    write_cvat(tmp_path / "c/a.xml", XML_NAMES, [cvat_image("x.jpg", [])])
    items = Cvat(root=tmp_path / "c", labels=street).plan()
    assert pickle.loads(pickle.dumps(items)) == items


def test_the_command_lines(tmp_path, capsys):
    samples = {f"train/{name}": {"instances": drawn()} for name in "ab"}
    samples["val/a"] = {"instances": drawn("AA\n..")}
    data = make_prepared(tmp_path / "d", samples)
    out, made = str(tmp_path / "cvat"), str(tmp_path / "back")
    options = ["--simplify", "0", "--min-area", "1", "--workers", "1"]
    assert main(["annotations", "cvat", str(data.root), out, *options]) == 0
    capsys.readouterr()
    shutil.rmtree(tmp_path / "cvat/images/val")  # what is not corrected need not come back
    (tmp_path / "cvat/val.xml").unlink()
    run = ["convert", "cvat", out, made, "--labels", str(data.root), "--workers", "1"]
    assert main([*run, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"train": {"samples": 2, "semantic": 2, "instances": 2}}
    assert report["unknown_labels"] == report["dropped_labels"] == {}
    once = tree_bytes(tmp_path / "back")
    assert main(run) == 0
    assert "nothing new to convert" in capsys.readouterr().out
    assert tree_bytes(tmp_path / "back") == once
    assert main(["convert", "cvat", out, made, "--labels", "camvid11"]) == 2
    assert "another label space: 'street', not 'camvid11'" in capsys.readouterr().err
