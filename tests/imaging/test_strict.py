"""Strict decoding: every kind of damage is noticed, every whole file passes with its own pixels."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curbside.errors import DataError
from curbside.imaging.strict import decode_luminance, decode_numbers, read_file

RGB = np.frombuffer(random.Random(5).randbytes(60 * 80 * 3), np.uint8).reshape(60, 80, 3)
IDS = (RGB[..., 0] % 7).copy()


def encoded(pixels: np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_numbers_are_those_of_the_file():
    for pixels in (IDS, IDS.astype(np.uint16) * 1000, RGB):
        image = decode_numbers(encoded(pixels, "PNG"), "a.png")
        assert image.format == "PNG" and image.size_hw == (60, 80)
        np.testing.assert_array_equal(image.pixels, pixels)


def test_a_palette_gives_its_indices_and_says_so():
    picture = Image.fromarray(IDS, "L")
    picture.putpalette([200 - i for i in range(30)])
    file = io.BytesIO()
    picture.save(file, "PNG")
    image = decode_numbers(file.getvalue(), "a.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(image.pixels, IDS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_luminance_is_that_of_the_whole_picture(kind):
    rgb = np.asarray(Image.fromarray(RGB).resize((800, 600), Image.Resampling.BICUBIC))
    image = decode_luminance(encoded(rgb, kind), "a")
    assert image.size_hw == (600, 800)
    want = np.asarray(
        Image.fromarray(rgb).convert("L").resize((10, 8), Image.Resampling.BOX), np.float32
    )
    found = np.asarray(Image.fromarray(image.pixels).resize((10, 8), Image.Resampling.BOX))
    assert np.abs(found - want).max() < 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("decode", [decode_numbers, decode_luminance])
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_file_cut_anywhere_is_damaged(kind, decode, data):
    whole = encoded(RGB, kind)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError, match=r"a\.x"):
        decode(whole[:cut], "a.x")


@given(st.integers(8, len(encoded(IDS, "PNG")) - 1), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_of_a_png_is_noticed(place, change):
    data = bytearray(encoded(IDS, "PNG"))
    data[place] ^= change
    with pytest.raises(DataError):
        decode_numbers(bytes(data), "a.png")


def test_a_jpeg_whose_tail_is_zeros_is_damaged():
    data = encoded(RGB, "JPEG")
    assert decode_luminance(data + bytes(100), "a.jpg").size_hw == (60, 80)
    with pytest.raises(DataError, match="no end marker"):
        decode_luminance(data[: len(data) // 2] + bytes(len(data) // 2), "a.jpg")


def test_the_end_of_a_preview_is_not_the_end_of_the_picture():
    exif = Image.Exif()
    exif[0x010E] = "\xff\xd9"
    data = encoded(
        RGB, "JPEG", exif=b"Exif\0\0" + exif.tobytes()[6:] + encoded(RGB[:8, :8], "JPEG")
    )
    assert data.count(b"\xff\xd9") >= 2
    with pytest.raises(DataError):
        decode_luminance(data[:-200] + bytes(200), "a.jpg")


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(3 << 30)  # sparse
    with pytest.raises(DataError, match="more than 1,073,741,824 bytes"):
        read_file(tmp_path / "huge.png")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "gone")
