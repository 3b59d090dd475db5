"""CVAT XML, drawn again with Pillow."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from builders_outward import SPACE, drawn, make_prepared
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw

from curbside.convert.cvat_xml import read_cvat_image, scan_cvat
from curbside.convert.outward import Cvat, Yolo, write_annotations
from curbside.errors import ConfigError, LabelError
from curbside.imaging import fill_polygon
from curbside.labels import LabelClass, LabelSpace
from curbside.prepared import PreparedFolder
from curbside.scenes import ScenesConfig, write_prepared

EXACT = Cvat(min_area=1, simplify=0)


def redrawn(image, space: LabelSpace) -> np.ndarray:
    """The mask of an `<image>`: polygons in z-order, corners truncated."""
    ids = dict(zip(space.names, space.ids, strict=True)) | {"ignore": 255}
    canvas = Image.new("L", (int(image.get("width")), int(image.get("height"))), 255)
    for polygon in sorted(image.iter("polygon"), key=lambda shape: int(shape.get("z_order"))):
        pairs = (pair.split(",") for pair in polygon.get("points").split(";"))
        corners = [(int(float(x)), int(float(y))) for x, y in pairs]
        assert len(corners) >= 3
        ImageDraw.Draw(canvas).polygon(corners, fill=ids[polygon.get("label")])
    return np.asarray(canvas)


def classes(instances: np.ndarray) -> np.ndarray:
    return np.where(instances >= 1000, instances // 1000, instances)


def test_a_map_comes_back_whole(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn()}})
    result = write_annotations(EXACT, data, tmp_path / "out", workers=1)
    root = ElementTree.parse(tmp_path / "out/train.xml").getroot()
    assert root.findtext("version") == "1.1"
    labels = [(x.findtext("name"), x.findtext("color")) for x in root.iter("label")]
    assert labels[0] == ("road", "#804080") and labels[3] == ('car "<&>', "#00008e")
    assert [name for name, _ in labels] == [*SPACE.names, "ignore"]
    (image,) = root.iter("image")
    assert image.get("id") == "0" and image.get("name") == "a.jpg"
    np.testing.assert_array_equal(redrawn(image, SPACE), classes(drawn()))
    shapes = list(image.iter("polygon"))
    assert result.counts["train"]["objects"] == len(shapes) == sum(result.objects.values())
    # The ring of car A lies at the bottom, the road in it above, the car in that road on top.
    cars = [shape for shape in shapes if shape.get("label") == 'car "<&>']
    # The group comes first, then A, B and C.
    assert [shape.get("z_order") for shape in cars] == ["0", "0", "2", "0"]
    crowds = [s.get("label") for s in shapes if s.findtext("attribute[@name='crowd']") == "true"]
    assert crowds == ["person", 'car "<&>']
    # Only the person of two parts has a group.
    assert [s.get("label") for s in shapes if s.get("group_id")] == ["person", "person"]
    assert (tmp_path / "out/images/train/a.jpg").samefile(tmp_path / "d/train/images/a.jpg")


def test_ignored_pixels_in_a_hole_are_told(tmp_path):
    picture = "    \n AAA\n A A\n AAA"
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn(picture)}})
    write_annotations(EXACT, data, tmp_path / "out", workers=1)
    (image,) = ElementTree.parse(tmp_path / "out/train.xml").getroot().iter("image")
    shapes = [(s.get("label"), s.get("z_order"), s.get("points")) for s in image.iter("polygon")]
    assert shapes[0] == ("ignore", "1", "2.50,2.50;2.50,2.50;2.50,2.50") and len(shapes) == 2
    np.testing.assert_array_equal(redrawn(image, SPACE), classes(drawn(picture)))


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 11), st.integers(1, 11)),
        elements=st.sampled_from([0, 1, 2, 255]),
    )
)
def test_any_mask_comes_back_whole(mask):
    with TemporaryDirectory() as folder:
        data = make_prepared(Path(folder) / "d", {"val/a": {"semantic": mask}})
        (sample,) = data.samples("val")
        content = EXACT.write_sample(sample, 1, Path(folder) / "out").content
    np.testing.assert_array_equal(redrawn(ElementTree.fromstring(content), SPACE), mask)


def test_our_own_reader_takes_it_back(tmp_path):
    samples = {"train/a": {"instances": drawn()}, "train/b": {"instances": drawn("AA\n..")}}
    data = make_prepared(tmp_path / "d", samples)
    write_annotations(EXACT, data, tmp_path / "out", workers=1)
    path = tmp_path / "out/train.xml"
    file = scan_cvat(path)
    assert file is not None and file.labels == (*SPACE.names, "ignore")
    first, _ = (read_cvat_image(path, place) for place in file.images)
    ids = dict(zip(SPACE.names, SPACE.ids, strict=True)) | {"ignore": 255}
    canvas = Image.new("L", first.size_hw[::-1], 255)
    for shape in sorted(first.shapes, key=lambda shape: shape.z_order):
        fill_polygon(canvas, shape.points, ids[shape.label])
    np.testing.assert_array_equal(np.asarray(canvas), classes(drawn()))


def test_a_task_is_set_up_by_pasting_its_labels(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn()}})
    write_annotations(EXACT, data, tmp_path / "out", workers=1)
    labels = json.loads((tmp_path / "out/labels.json").read_text())
    assert [label["name"] for label in labels] == ["road", "sky", "person", 'car "<&>', "ignore"]
    assert labels[0] == {"name": "road", "color": "#804080", "attributes": []}
    assert labels[4] == {"name": "ignore", "color": "#000000", "attributes": []}
    (crowd,) = labels[2]["attributes"]
    assert crowd["name"] == "crowd" and crowd["input_type"] == "checkbox"
    # The XML says the same of its labels.
    root = ElementTree.parse(tmp_path / "out/train.xml").getroot()
    told = [[a.findtext("name") for a in x.iter("attribute")] for x in root.iter("label")]
    assert told == [[], [], ["crowd"], ["crowd"], []]


@pytest.mark.parametrize("kind", [Cvat, Yolo])
def test_impossible_options_are_refused(kind):
    for options in ({"simplify": -3.0}, {"simplify": float("nan")}, {"simplify": float("inf")}):
        with pytest.raises(ConfigError, match="which is no distance"):
            kind(**options)
    with pytest.raises(ConfigError, match="min-area is -1"):
        kind(min_area=-1)
    assert kind(min_area=0, simplify=0.0).min_area == 0


def test_small_pieces_get_no_polygon(tmp_path):
    data = make_prepared(tmp_path / "d", {"train/a": {"instances": drawn()}})
    result = write_annotations(Cvat(min_area=2, simplify=0), data, tmp_path / "out", workers=1)
    every = write_annotations(EXACT, data, tmp_path / "every", workers=1)
    assert every.objects["person"] - result.objects["person"] == 1  # Q
    (image,) = ElementTree.parse(tmp_path / "out/train.xml").getroot().iter("image")
    wrong = redrawn(image, SPACE) != classes(drawn())
    assert wrong.sum() == 1  # Q


def test_drawn_scenes_come_back_nearly_whole(tmp_path):
    config = ScenesConfig(train=2, val=0, size_hw=(360, 640), conditions=("clear",), workers=1)
    write_prepared(tmp_path / "d", config, labels="level2")
    data = PreparedFolder(tmp_path / "d")
    write_annotations(Cvat(), data, tmp_path / "out", workers=1)
    corners = 0
    images = ElementTree.parse(tmp_path / "out/train.xml").getroot().iter("image")
    for sample, image in zip(data.samples("train"), images, strict=True):
        found = redrawn(image, data.space)
        assert (found == sample.read_semantic()).mean() > 0.98
        corners += sum(shape.get("points").count(";") + 1 for shape in image.iter("polygon"))
    write_annotations(EXACT, data, tmp_path / "exact", workers=1)
    images = ElementTree.parse(tmp_path / "exact/train.xml").getroot().iter("image")
    for sample, image in zip(data.samples("train"), images, strict=True):
        np.testing.assert_array_equal(redrawn(image, data.space), sample.read_semantic())
        corners -= sum(shape.get("points").count(";") + 1 for shape in image.iter("polygon"))
    assert corners < 0  # simplified outlines have fewer


def test_names_that_xml_cannot_hold(tmp_path):
    space = LabelSpace(name="odd", classes=(LabelClass(id=0, name="ignore", color=(0, 0, 0)),))
    with pytest.raises(LabelError, match="cannot be a label"):
        Cvat().resolved(space)
    samples = {
        f"train/{name}": {"instances": drawn("AA\nAA")} for name in ("a & <b> \"c'", "d\x01")
    }
    data = make_prepared(tmp_path / "d", samples)
    result = write_annotations(EXACT, data, tmp_path / "out", workers=1)
    (image,) = ElementTree.parse(tmp_path / "out/train.xml").getroot().iter("image")
    assert image.get("name") == "a & <b> \"c'.jpg"
    assert [problem.id for problem in result.problems] == ["d\x01"]
    assert "does not fit into XML" in result.problems[0].message
