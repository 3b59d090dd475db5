"""Reading pictures and masks: right pixels, or one line that names the file."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders import photo
from PIL import Image

from curbside.errors import DataError
from curbside.imaging import (
    encode_png,
    image_size_hw,
    read_depth,
    read_ids,
    read_rgb,
    verify_image,
    write_jpeg,
    write_png,
)

READERS: list[Callable[[Path], object]] = [read_rgb, read_ids, verify_image]


def png_header(width: int, height: int) -> bytes:
    """A PNG file that promises a size and holds nothing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (head, b"IDAT" + zlib.compress(b""), b"IEND")
    packed = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def one_line(path: Path, call: Callable[[Path], object], says: str = "") -> None:
    with pytest.raises(DataError) as caught:
        call(path)
    assert str(path) in str(caught.value) and says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("reader", READERS)
def test_a_truncated_file_is_noticed(tmp_path, suffix, keep, reader):
    path = photo(tmp_path / f"a{suffix}", size_hw=(80, 80))
    if reader is read_ids:
        Image.open(path).convert("L").save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    one_line(path, reader, "truncated or damaged")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_whole_file_passes(tmp_path, suffix):
    path = photo(tmp_path / f"a{suffix}", size_hw=(37, 80))
    assert verify_image(path) is None
    assert image_size_hw(path) == (37, 80)
    pixels = read_rgb(path)
    assert pixels.shape == (37, 80, 3) and pixels.dtype == np.uint8


@pytest.mark.parametrize("reader", [*READERS, image_size_hw])
@pytest.mark.parametrize(
    "content", [b"", b"hello\n" * 50, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]
)
def test_what_is_no_image_is_one_line(tmp_path, reader, content):
    (tmp_path / "a.png").write_bytes(content)
    one_line(tmp_path / "a.png", reader)


@pytest.mark.parametrize("reader", [*READERS, image_size_hw])
def test_missing_files_and_folders_are_one_line(tmp_path, reader):
    one_line(tmp_path / "gone.png", reader, "does not exist")
    one_line(tmp_path, reader, "cannot be read")


@pytest.mark.parametrize("side", [12_500, 13_000, 100_000, 2**31 - 1])
@pytest.mark.parametrize("reader", [*READERS, image_size_hw])
@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_header_of_absurd_size_is_refused_before_decoding(tmp_path, side, reader):
    (tmp_path / "a.png").write_bytes(png_header(side, side))
    one_line(tmp_path / "a.png", reader, "pixels")


@pytest.mark.parametrize("kind", ["GIF", "PPM", "EPS", "TGA", "ICNS"])
@pytest.mark.parametrize("reader", [*READERS, image_size_hw])
def test_what_cameras_and_datasets_do_not_write_is_not_opened(tmp_path, kind, reader):
    path = photo(tmp_path / "a.png")
    Image.open(path).convert("RGB").save(path, kind)
    one_line(path, reader, "is not an image that can be read")


@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize("reader", [read_rgb, verify_image])
def test_a_jpeg_of_endless_scans_is_refused(tmp_path, progressive, reader):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (64, 64)).save(path, progressive=progressive, subsampling=0)
    data = path.read_bytes()
    if not progressive:  # the first scan has one of the three channels: others must follow
        data = data.replace(b"\xff\xda\x00\x0c\x03", b"\xff\xda\x00\x08\x01")
    scan = data.rfind(b"\xff\xda")
    path.write_bytes(data[:-2] + data[scan:-2] * 200 + data[-2:])
    one_line(path, reader, "more than 100 scans")


def test_colours_are_refused_as_ids_before_they_are_decoded(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_header(12_000, 12_000))  # holds no pixels, which nobody notices
    one_line(path, read_ids, "holds RGB pixels")


def test_ids_keep_their_values_in_every_kind_of_file(tmp_path):
    ids = np.array([[0, 1, 2, 255]], np.uint8)
    Image.fromarray(ids).save(tmp_path / "grey.png")
    palette = Image.fromarray(ids)
    palette = palette.convert("P")
    palette.putdata([0, 1, 2, 255])
    palette.putpalette([value for index in range(256) for value in (255 - index, 7, index)])
    palette.save(tmp_path / "palette.png")
    for name in ("grey", "palette"):
        got = read_ids(tmp_path / f"{name}.png")
        assert got.dtype == np.uint8 and got.tolist() == ids.tolist()
    Image.fromarray(np.array([[0, 7001, 65535]], np.uint16)).save(tmp_path / "deep.png")
    deep = read_ids(tmp_path / "deep.png")
    assert deep.dtype == np.uint16 and deep.tolist() == [[0, 7001, 65535]]
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "bits.png")
    assert read_ids(tmp_path / "bits.png").tolist() == [[0, 1]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "CMYK", "F"])
def test_colours_are_no_ids(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F") else "a.png")
    Image.new(mode, (4, 4)).save(path)
    one_line(path, read_ids, f"holds {mode} pixels, not one id per pixel")


@pytest.mark.parametrize("value", [70_000, -1])
def test_ids_beyond_16_bits_do_not_wrap_round(tmp_path, value):
    Image.fromarray(np.full((2, 2), value, np.int32)).save(tmp_path / "a.tif")
    one_line(tmp_path / "a.tif", read_ids, "outside 0..65535")


def test_depth_is_in_metres(tmp_path):
    Image.fromarray(np.array([[0, 256, 640, 65535]], np.uint16)).save(tmp_path / "d.png")
    assert read_depth(tmp_path / "d.png").tolist() == [[0.0, 1.0, 2.5, 65535 / 256]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_written_masks_are_read_by_pillow(tmp_path, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 11)).astype(dtype)
    write_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image).astype(dtype), pixels)
    assert encode_png(pixels) == encode_png(pixels.copy())
    assert encode_png(pixels[::-1][::-1]) == encode_png(pixels)  # not contiguous


def test_colours_keep_their_order(tmp_path):
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = 250, 10
    write_png(tmp_path / "a.png", rgb)
    write_jpeg(tmp_path / "a.jpg", rgb)
    for name in ("a.png", "a.jpg"):
        with Image.open(tmp_path / name) as image:
            red, _, blue = image.convert("RGB").getpixel((4, 4))
        assert red > 240 and blue < 20
    with Image.open(io.BytesIO(encode_png(rgb))) as image:
        np.testing.assert_array_equal(np.asarray(image), rgb)


@pytest.mark.parametrize("seed", range(3))
def test_a_png_with_any_byte_changed_is_not_taken_for_whole(tmp_path, seed):
    rng = np.random.default_rng(seed)
    whole = encode_png(rng.integers(0, 255, (20, 30, 3)).astype(np.uint8))
    path = tmp_path / "a.png"
    path.write_bytes(whole)
    verify_image(path)
    for place in rng.choice(np.arange(8, len(whole)), 60, replace=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"a\.png"):
            verify_image(path)


def test_a_png_without_pixels_is_damaged(tmp_path):
    whole = encode_png(np.zeros((4, 4), np.uint8))
    start = whole.index(b"IDAT") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    (tmp_path / "a.png").write_bytes(whole[:start] + whole[start + 12 + length :])
    one_line(tmp_path / "a.png", verify_image)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_of_16_bits_gives_its_upper_eight(tmp_path, name):
    numbers = np.arange(0, 65536, 37, dtype=np.uint16)[:1750].reshape(35, 50)
    Image.fromarray(numbers).save(tmp_path / name)
    pixels = read_rgb(tmp_path / name)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.stack([numbers // 256] * 3, axis=-1))


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_of_32_bits_are_no_picture(tmp_path, kind):
    Image.fromarray(np.ones((4, 5), kind)).save(tmp_path / "a.tif")
    one_line(tmp_path / "a.tif", read_rgb, "32 bits, no picture")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_where_that_is_asked_for(tmp_path, orientation):
    """OpenCV's reading is the reference; without being asked the pixels stay as they are stored."""
    path = tmp_path / "a.jpg"
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16], stored[16:, 32:] = 255, (200, 0, 0)
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(stored).save(path, quality=95, exif=exif)
    theirs = cv2.imread(str(path))[..., ::-1]
    mine = read_rgb(path, upright=True)
    assert mine.shape == theirs.shape
    assert np.abs(mine.astype(int) - theirs).max() <= 8
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_rgb(path), np.asarray(image))


def test_a_damaged_exif_tag_is_none(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (8, 4)).save(path, exif=exif)
    data = path.read_bytes()
    place = data.index(b"Exif\0\0") + 6
    path.write_bytes(data[:place] + b"XX" + data[place + 2 :])
    assert read_rgb(path, upright=True).shape == (4, 8, 3)
