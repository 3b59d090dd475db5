"""Masks as runs: every decoder reads back the pixels, and areas and boxes are those counted by hand."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curbside.imaging import Regions, encode_ids_png
from curbside.imaging.deflate import _canonical, _code_lengths

KINDS = ["L", "I;16", "RGB", "RGBA"]


@st.composite
def maps(draw: st.DrawFn) -> np.ndarray:
    """Blocks of a few numbers, from noise of single pixels to stripes longer than a deflate match."""
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    count = draw(st.integers(1, 9))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.int32]))
    small = seed.integers(0, count, (height, width)).astype(dtype)
    block = np.ones((draw(st.integers(1, 7)), draw(st.sampled_from([1, 2, 3, 50, 700]))), dtype)
    return np.kron(small, block)


def table(kind: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "I;16":
        return rng.integers(0, 65536, count).astype(np.uint16)
    channels = len(kind)
    pixels = rng.integers(0, 4, (count, channels)).astype(np.uint8)  # often alike, often zero
    return pixels[:, 0] if channels == 1 else pixels


@given(numbers=maps(), kind=st.sampled_from(KINDS), seed=st.integers(0, 99))
def test_pillow_and_opencv_read_the_pixels_back(numbers: np.ndarray, kind: str, seed: int) -> None:
    lookup = table(kind, int(numbers.max()) + 1, seed)
    expected = lookup[numbers]
    data = Regions(numbers).png(lookup)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode in (kind, "I")
        np.testing.assert_array_equal(np.asarray(image), expected)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if expected.ndim == 3:
        expected = expected[..., [2, 1, 0, 3][: expected.shape[2]]]
    np.testing.assert_array_equal(decoded, expected)


@given(numbers=maps(), kind=st.sampled_from(KINDS), seed=st.integers(0, 99))
def test_the_stream_holds_every_filtered_byte_and_its_checksum(
    numbers: np.ndarray, kind: str, seed: int
) -> None:
    numbers = np.kron(
        numbers[:20, :60], np.ones((9, 40), numbers.dtype)
    )  # never left to the general encoder
    lookup = table(kind, int(numbers.max()) + 1, seed)
    data = Regions(numbers).png(lookup)
    length = struct.unpack(">I", data[33:37])[0]
    assert data[37:41] == b"IDAT"
    pixels = lookup[numbers]
    rows = pixels.astype(">u2" if pixels.dtype == np.uint16 else np.uint8)
    rows = rows.reshape(len(rows), -1).view(np.uint8)
    step = rows.shape[1] // numbers.shape[1]
    left = np.pad(rows[:1], ((0, 0), (step, 0)))[:, :-step]
    filtered = rows - np.concatenate([left, rows[:-1]])
    kinds = np.full((len(rows), 1), 2, np.uint8)
    kinds[0] = 1
    expected = np.concatenate([kinds, filtered], axis=1).tobytes()
    assert zlib.decompress(data[41 : 41 + length]) == expected  # zlib checks Adler-32 itself


@given(numbers=maps())
def test_areas_and_boxes_are_those_of_the_pixels(numbers: np.ndarray) -> None:
    regions = Regions(numbers)
    assert len(regions.areas) == len(regions.boxes_xywh) == int(numbers.max()) + 1
    for number, (area, box) in enumerate(zip(regions.areas, regions.boxes_xywh, strict=True)):
        y, x = np.nonzero(numbers == number)
        assert area == len(y)
        wanted = [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1] if len(y) else [0, 0, 0, 0]
        assert box.tolist() == wanted


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_of_ids_keeps_the_largest_values(dtype: type) -> None:
    ids = np.zeros((40, 300), dtype)
    ids[10:20, 30:200] = np.iinfo(dtype).max
    ids[15:30, 100:290] = 255
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_ids_png(ids)))), ids)


def test_a_mask_of_noise_is_written_all_the_same() -> None:
    ids = np.random.default_rng(0).integers(0, 256, (300, 400)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_ids_png(ids)))), ids)


def test_a_table_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="float"):
        Regions(np.zeros((40, 40), np.uint8)).png(np.zeros(1, float))


def test_codes_stay_within_fifteen_bits_however_uneven_the_counts() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = _code_lengths(np.array(fibonacci))
    assert 15 >= lengths.max() > 10
    assert sum(2.0 ** -int(length) for length in lengths) == 1  # Kraft: complete, and decodable
    assert (np.diff(lengths) <= 0).all()  # what is frequent is short


def test_canonical_codes_are_those_of_the_standards_example() -> None:
    lengths = np.array([3, 3, 3, 3, 3, 2, 4, 4])  # RFC 1951, 3.2.2
    codes = [
        f"{code:0{bits}b}"[::-1] for code, bits in zip(_canonical(lengths), lengths, strict=True)
    ]
    assert codes == ["010", "011", "100", "101", "110", "00", "1110", "1111"]
