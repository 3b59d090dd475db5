"""CVAT 1.1 XML: read image by image, drawn by z-order elsewhere, refused where it is a trap."""

from __future__ import annotations

import numpy as np
import pytest
from builders_sidewalk import (
    OBSTACLES,
    cvat_box,
    cvat_image,
    cvat_mask,
    cvat_polygon,
    write_cvat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from curbside.convert import cvat_shapes, cvat_xml
from curbside.convert.cvat_shapes import CvatShape, draw_shapes
from curbside.convert.cvat_xml import read_cvat_image, scan_cvat
from curbside.errors import DataError

TRIANGLE = [(1.0, 2.0), (9.9, 2.5), (1.0, 8.75)]


def images_of(path):
    file = scan_cvat(path)
    return [read_cvat_image(path, place) for place in file.images]


def one_image(path, shapes):
    write_cvat(path, OBSTACLES, [cvat_image("a.jpg", shapes)])
    return images_of(path)[0]


def test_a_file_is_walked_for_its_labels_and_images(tmp_path):
    images = [
        cvat_image("one.jpg", [cvat_polygon("car", TRIANGLE)], number=7),
        cvat_image("zwei &amp; drei.jpg", [], number=9),
        '  <image id="10" name="four.jpg" width="64" height="48"/>\n',
        cvat_image("five.jpg", [cvat_box("dog", 1, 2, 3, 4)], size_hw=(20, 30)),
    ]
    path = write_cvat(tmp_path / "a.xml", ["car", "dog", "cat"], images)
    file = scan_cvat(path)
    assert file.labels == ("car", "dog", "cat")  # not the names of attributes, nor of the task
    assert file.used == ("car", "dog") and file.kinds == ("box", "polygon")
    names = ["one.jpg", "zwei & drei.jpg", "four.jpg", "five.jpg"]
    assert [place.name for place in file.images] == names
    read = images_of(path)
    assert [image.name for image in read] == names
    assert [len(image.shapes) for image in read] == [1, 0, 0, 1]
    assert read[3].size_hw == (20, 30)


def test_a_shape_keeps_what_was_said_of_it(tmp_path):
    shape, lines = one_image(
        tmp_path / "a.xml",
        [
            cvat_polygon("car", TRIANGLE, z=-3),
            '<polyline label="pole" occluded="1" points="1,1;2,2" z_order="4" group_id="2"></polyline>',
        ],
    ).shapes
    assert shape == CvatShape(
        kind="polygon",
        label="car",
        points=((1.0, 2.0), (9.9, 2.5), (1.0, 8.75)),
        z_order=-3,
        attributes={"attribute": "normal"},
    )
    assert (lines.kind, lines.points, lines.occluded, lines.z_order) == ("polyline", (), True, 4)
    assert lines.attributes == {} and lines.group_id == 2 and shape.group_id == 0


def test_a_box_has_corners_also_when_it_is_turned(tmp_path):
    upright, turned = one_image(
        tmp_path / "a.xml",
        [cvat_box("bus", 2, 4, 10, 8), cvat_box("bus", 2, 4, 10, 8, more=' rotation="90.00"')],
    ).shapes
    assert upright.points == ((2, 4), (10, 4), (10, 8), (2, 8)) and upright.occluded
    # A quarter turn clockwise about (6, 6): the left top corner (2, 4) comes to (8, 2).
    np.testing.assert_allclose(turned.points, [(8, 2), (8, 10), (4, 10), (4, 2)])


def test_a_mask_is_runs_of_off_and_on_row_by_row(tmp_path):
    # . # #
    # # . .   at (5, 3): one off, three on, two off
    (shape,) = one_image(tmp_path / "a.xml", [cvat_mask("car", [1, 3, 2], 5, 3, 3, 2)]).shapes
    expected = np.zeros((48, 64), int)
    expected[3, 6:8] = 1
    expected[4, 5] = 1
    np.testing.assert_array_equal(draw_shapes([shape], (48, 64)), expected)


def test_polygons_are_drawn_by_the_official_rule():
    # Edges inclusive and corners truncated: 2.9 is 2, 10.99 is 10, so 9 x 9 pixels.
    square = ((2.9, 2.0), (10.99, 2.0), (10.0, 10.5), (2.0, 10.0))
    expected = np.zeros((48, 64), int)
    expected[2:11, 2:11] = 1
    drawn = draw_shapes([CvatShape(kind="polygon", label="car", points=square)], (48, 64))
    np.testing.assert_array_equal(drawn, expected)
    assert drawn.dtype == np.uint8
    nothing = CvatShape(kind="points", label="car")
    assert not draw_shapes([nothing], (4, 4)).any()


@settings(max_examples=40, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=300,
    )
)
def test_later_shapes_lie_above_however_many_they_are(boxes):
    shapes, expected = [], np.zeros((12, 12), int)
    for number, (x, y, width, height) in enumerate(boxes, start=1):
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        shapes.append(CvatShape(kind="box", label="car", points=corners))
        expected[y : y + height + 1, x : x + width + 1] = number
    np.testing.assert_array_equal(draw_shapes(shapes, (12, 12)), expected)


@pytest.mark.parametrize("count", [255, 256, 257])
def test_every_shape_keeps_its_number_around_256(count):
    pixels = [(n % 20, n // 20) for n in range(count)]
    shapes = [CvatShape(kind="box", label="car", points=((x, y),) * 4) for x, y in pixels]
    drawn = draw_shapes(shapes, (13, 20)).ravel().tolist()
    assert drawn == [*range(1, count + 1), *[0] * (260 - count)]


def test_xml_of_others_is_not_ours(tmp_path):
    path = tmp_path / "voc.xml"
    path.write_text("<annotation><filename>a.jpg</filename></annotation>")
    assert scan_cvat(path) is None


BOMB = """<?xml version="1.0"?><!DOCTYPE annotations [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<annotations><image name="&c;" width="1" height="1"/></annotations>"""
EXTERNAL = """<?xml version="1.0"?><!DOCTYPE annotations SYSTEM "file:///etc/passwd">
<annotations><image name="a" width="1" height="1"/></annotations>"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "a document type or entities"),
        (EXTERNAL, "a document type or entities"),
        ("", "not valid XML"),
        ("<annotations><image name='a' width='1' height='1'>", "not valid XML"),
        ("<annotations></image></annotations>", "not valid XML"),
        ("<?xml version='1.0' encoding='x-none'?><annotations/>", "not valid XML"),
        ("<annotations><track id='0' label='car'/></annotations>", "holds no image"),
        ("\x00\x01", "not valid XML"),
        ("<annotations>" + "<a>" * 70, "nests elements more than 64 deep"),
    ],
)
def test_a_file_that_cannot_be_is_named(tmp_path, text, words):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        scan_cvat(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_huge_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="cannot be read"):
        scan_cvat(tmp_path / "gone.xml")
    path = write_cvat(tmp_path / "a.xml", [], [cvat_image("a.jpg", [])] * 3)
    monkeypatch.setattr(cvat_xml, "MAX_IMAGES", 2)
    with pytest.raises(DataError, match="more than 2 images"):
        scan_cvat(path)
    monkeypatch.setattr(cvat_xml, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="bytes, more than the 100 allowed"):
        scan_cvat(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ('<polygon points="1,1;2,2;3,1"/>', "a polygon has no label"),
        ('<polygon label="car" points="1,1;2;3,1"/>', "has the points '1,1;2;3,1'"),
        ('<polygon label="car" points=""/>', "has the points ''"),
        ('<polygon label="car" points="1,1;nan,2;3,1"/>', "coordinate 'nan' is no number"),
        ('<polygon label="car" points="1,1;1e9,2;3,1"/>', "coordinate '1e9' is no number within"),
        ('<polygon label="car" points="1,1;x,2;3,1"/>', "coordinate 'x'"),
        (f'<polygon label="car" points="{"1,1;" * 10_000}1,1"/>', "10,001 corners"),
        ('<polygon label="car" points="1,1;2,2;3,1" z_order="1e99"/>', "z_order is '1e99'"),
        (cvat_box("car", 1, 2, 3, 4).replace("xtl", "xxx"), "coordinate ''"),
        (cvat_mask("car", [1, 3], 5, 3, 3, 2), "do not fill its 3 x 2 pixels"),
        (cvat_mask("car", [7, -1], 5, 3, 3, 2), "do not fill"),
        (cvat_mask("car", [6], 62, 3, 3, 2), "width is '3', not 1..2"),
        (cvat_mask("car", [6], -1, 3, 3, 2), "left is '-1', not 0..63"),
        (cvat_mask("car", [10**12], 0, 0, 10**6, 10**6), "width is '1000000'"),
        ('<mask label="car" rle="a, 5" left="0" top="0" width="3" height="2"/>', "do not fill"),
    ],
)
def test_a_shape_that_cannot_be_is_named(tmp_path, shape, words):
    path = tmp_path / "a.xml"
    with pytest.raises(DataError, match=words) as caught:
        one_image(path, [shape])
    assert str(path) in str(caught.value) and "'a.jpg'" in str(caught.value)


@pytest.mark.parametrize("size", ["0", "-1", "1e3", "100000", "", "many"])
def test_a_size_that_cannot_be_is_named(tmp_path, size):
    image = cvat_image("a.jpg", []).replace('width="64"', f'width="{size}"')
    path = write_cvat(tmp_path / "a.xml", [], [image])
    with pytest.raises(DataError, match=f"width is '{size}', not 1..20000"):
        images_of(path)


def test_too_many_shapes_corners_or_mask_pixels_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cvat_shapes, "MAX_SHAPES", 2)
    monkeypatch.setattr(cvat_shapes, "MAX_ALL_CORNERS", 5)
    monkeypatch.setattr(cvat_shapes, "MAX_MASK_PIXELS", 11)
    path = tmp_path / "a.xml"
    with pytest.raises(DataError, match="more than 2 shapes"):
        one_image(path, [cvat_box("car", 1, 2, 3, 4)] * 3)
    with pytest.raises(DataError, match="a polygon of 3 corners, 6 in all"):
        one_image(path, [cvat_polygon("car", TRIANGLE)] * 2)
    with pytest.raises(DataError, match="masks of more than 11 pixels"):
        one_image(path, [cvat_mask("car", [6], 0, 0, 3, 2)] * 2)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = write_cvat(tmp_path / "a.xml", [], [cvat_image("a.jpg", []), cvat_image("b.jpg", [])])
    last = scan_cvat(path).images[1]
    write_cvat(path, [], [cvat_image("b.jpg", []), cvat_image("c.jpg", [])])
    with pytest.raises(DataError, match="has changed"):
        read_cvat_image(path, last)
    write_cvat(path, ["car"] * 20, [cvat_image("a.jpg", []), cvat_image("b.jpg", [])])
    with pytest.raises(DataError, match=r"not valid XML|has changed"):
        read_cvat_image(path, last)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_cvat_image(path, last)


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 10**6),
)
def test_damaged_files_end_in_one_line(tmp_path_factory, changes, cut):
    folder = tmp_path_factory.getbasetemp()
    shapes = [cvat_polygon("car", TRIANGLE, z=1), cvat_box("bus", 1, 2, 30, 40, z=2)]
    shapes.append(cvat_mask("cat", [1, 3, 2], 5, 3, 3, 2))
    path = write_cvat(folder / "damaged.xml", ["car"], [cvat_image("a.jpg", shapes)])
    data = bytearray(path.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    path.write_bytes(data[: len(data) - cut % 50])
    try:
        for image in images_of(path) if scan_cvat(path) else []:
            draw_shapes(image.shapes, (48, 64))
    except DataError as error:
        assert "\n" not in str(error) and str(path) in str(error)
