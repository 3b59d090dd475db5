"""Disparity and calibration of the ZED camera: the right section, the formula, the scale."""

from __future__ import annotations

import numpy as np
import pytest
from builders_sidewalk import zed_conf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curbside.convert.stereo import (
    Calibration,
    depth_from_disparity,
    estimate_disparity_scale,
    read_calibration,
)
from curbside.errors import DataError
from curbside.prepared import SampleData

VGA = (376, 672)


@pytest.mark.parametrize(
    ("size_hw", "section", "fx_px"),
    [
        ((1242, 2208), "LEFT_CAM_2K", 1400.5),
        ((1080, 1920), "LEFT_CAM_FHD", 1394.83),
        ((720, 1280), "LEFT_CAM_HD", 697.414),
        ((376, 672), "LEFT_CAM_VGA", 350.25),
    ],
)
def test_the_size_of_the_picture_chooses_the_section(tmp_path, size_hw, section, fx_px):
    path = tmp_path / "a.conf"
    path.write_text(zed_conf(baseline_mm=120.009))
    calibration = read_calibration(path, size_hw)
    assert (calibration.section, calibration.fx_px) == (section, fx_px)
    assert calibration.baseline_m == pytest.approx(0.120009)


def test_a_byte_order_mark_and_percent_signs_do_no_harm(tmp_path):
    path = tmp_path / "a.conf"
    path.write_bytes(b"\xef\xbb\xbf" + zed_conf().encode() + b"[NOTE]\ntext=100%(x)s %\n")
    assert read_calibration(path, VGA).fx_px == 350.25


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[LEFT_CAM_VGA]", "[LEFT_CAM_QVGA]", r"has no fx in \[LEFT_CAM_VGA\]"),
        ("BaseLine=", "Basis=", r"has no BaseLine in \[STEREO\]"),
        ("BaseLine=120.0", "BaseLine=0.12", r"BaseLine in \[STEREO\] is '0.12', not 10..1000"),
        ("BaseLine=120.0", "BaseLine=0", "is '0', not"),
        ("BaseLine=120.0", "BaseLine=-120", "is '-120', not"),
        ("BaseLine=120.0", "BaseLine=nan", "is 'nan', not"),
        ("BaseLine=120.0", "BaseLine=1e400", "is '1e400', not"),
        ("BaseLine=120.0", "BaseLine=", "is '', not"),
        ("fx=350.25", "fx=0", r"fx in \[LEFT_CAM_VGA\] is '0', not 67.2..6720"),
        ("fx=350.25", "fx=wide", "fx in .* is 'wide'"),
        ("fx=350.25", "fx=350.25\nfx=351", "is not readable"),
        ("[STEREO]", "[LEFT_CAM_2K]", "is not readable"),
        ("[LEFT_CAM_2K]", "LEFT_CAM_2K", "is not readable"),
    ],
)
def test_a_calibration_that_cannot_be_is_one_line(tmp_path, old, new, words):
    text = zed_conf()
    assert old in text
    path = tmp_path / "a.conf"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=words) as caught:
        read_calibration(path, VGA)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_sizes_and_other_files_are_refused(tmp_path):
    path = tmp_path / "a.conf"
    with pytest.raises(DataError, match=r"640 x 480 pixels; .*1920 x 1080"):
        read_calibration(path, (480, 640))
    with pytest.raises(DataError, match="cannot be read"):
        read_calibration(path, VGA)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text file"):
        read_calibration(path, VGA)
    path.write_text("#" * 70_000)
    with pytest.raises(DataError, match="more than the 65,536 bytes"):
        read_calibration(path, VGA)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.integers(0, 300))
def test_damaged_calibrations_end_in_one_line(tmp_path_factory, at, value, cut):
    path = tmp_path_factory.getbasetemp() / "damaged.conf"
    data = bytearray(zed_conf().encode())
    data[at % len(data)] = value
    path.write_bytes(data[: len(data) - cut])
    try:
        assert 67 <= read_calibration(path, VGA).fx_px <= 6720
    except DataError as error:
        assert "\n" not in str(error) and str(path) in str(error)


CAMERA = Calibration(section="LEFT_CAM_FHD", fx_px=1400.0, fy_px=1400.0, baseline_m=0.12)


def test_depth_by_hand():
    # 1400 px * 0.12 m = 168; over 84 px that is 2 m, over 10.5 px 16 m, over 1 px 168 m.
    raw = np.array([[8400, 1050, 100, 0]], np.uint16)
    depth = depth_from_disparity(raw, CAMERA, 100.0)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[2.0, 16.0, 168.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(depth_from_disparity(raw, CAMERA, 256.0)[0, 0], 5.12, rtol=1e-6)


def test_what_a_file_cannot_hold_is_unknown_and_not_the_largest_value():
    # 168 m over 0.65 px is 258.5 m, over 0.66 px 254.5 m; 16-bit files end at 256 m.
    raw = np.array([[65, 66, 1, 65535]], np.uint16)
    depth = depth_from_disparity(raw, CAMERA, 100.0)
    np.testing.assert_allclose(depth[0, :2], [258.4615, 254.5454], rtol=1e-5)
    image = np.zeros((1, 4, 3), np.uint8)
    stored = SampleData(id="a", split="train", image=image, depth_m=depth).targets()["depth"]
    assert stored.tolist() == [[0, round(254.5454 * 256), 0, round(168 / 655.35 * 256)]]


@settings(max_examples=50, deadline=None)
@given(raw=st.integers(1, 65535), scale=st.floats(1, 1000))
def test_nearer_is_more_disparity(raw, scale):
    near, far = depth_from_disparity(np.array([[raw, raw - 1]], np.uint16), CAMERA, scale)[0]
    assert near >= 0 and (far == 0 or near <= far)


def pair(disparity_px: int) -> tuple[np.ndarray, np.ndarray]:
    """A textured plane seen from two places."""
    width = 256
    noise = np.random.default_rng(3).integers(0, 256, (20, 80), dtype=np.uint8)
    texture = Image.fromarray(noise).resize((width + disparity_px, 64), Image.Resampling.BICUBIC)
    wide = np.repeat(np.asarray(texture)[..., None], 3, axis=2)
    return wide[:, :width], wide[:, disparity_px : disparity_px + width]


@pytest.mark.parametrize("scale", [100, 256, 16])
def test_the_scale_of_a_known_pair_is_found(scale):
    left, right = pair(12)
    raw = np.full(left.shape[:2], 12 * scale, np.uint16)
    raw[:20] = 0
    measured, share = estimate_disparity_scale(left, right, raw)
    assert measured == pytest.approx(scale, rel=0.02) and 0.4 < share < 0.7


def test_nothing_to_compare_is_no_scale():
    left, right = pair(12)
    nothing = np.zeros(left.shape[:2], np.uint16)
    assert estimate_disparity_scale(left, right, nothing) == (0.0, 0.0)
    grey = np.full_like(left, 90)
    assert estimate_disparity_scale(grey, grey, nothing + 1200)[0] == 0.0


def test_the_scale_of_the_real_pair_is_100(shared):
    folder = shared / "data/sidewalk/rawdata"

    def read(kind: str) -> np.ndarray:
        with Image.open(folder / f"Sidewalk_19009_depth_{kind}_000001_0.png") as image:
            return np.asarray(image)

    measured, share = estimate_disparity_scale(read("left"), read("right"), read("disp16"))
    assert 97 < measured < 103 and share > 0.35
