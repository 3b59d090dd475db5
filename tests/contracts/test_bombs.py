"""Small files that would take all memory, or for ever: refused in a line, within a bound of memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from builders_mutations import jpeg_of, png_of
from PIL import Image

SPARE = 128 * 2**20
"""Bytes that a reader may take."""
READ = """
import json, resource, sys
from pathlib import Path
from curbside.convert import Bdd100k, Camvid, Sidewalk
from curbside.convert.inward.camvid import read_colors
from curbside.convert.cvat_xml import read_cvat_image, scan_cvat
from curbside.convert.id_masks import read_cityscapes_instances, read_class_ids
from curbside.convert.polygons import read_polygons
from curbside.convert.stereo import read_calibration, read_disparity
from curbside.errors import CurbsideError
from curbside.imaging import image_size_hw, read_depth, read_ids, read_rgb, verify_image
from curbside.imaging.strict import decode_luminance, decode_numbers, read_file
from curbside.labels import load_space
from curbside.prepared import PreparedFolder
from PIL import Image

def annotations(path):
    for place in scan_cvat(path).images:
        read_cvat_image(path, place)

READERS = {
    "picture": [
        image_size_hw, read_rgb, verify_image, read_colors,
        lambda path: decode_luminance(read_file(path), path),
    ],
    "decoded": [read_rgb, verify_image, lambda path: decode_luminance(read_file(path), path)],
    "mask": [
        read_ids, read_depth, read_disparity,
        lambda path: read_cityscapes_instances(path, encoding="id"),
        lambda path: read_class_ids(path, space="camvid11"),
    ],
    "numbers": [lambda path: decode_numbers(read_file(path), path)],
    "polygons": [read_polygons],
    "annotations": [annotations],
    "calibration": [lambda path: read_calibration(path, (720, 1280))],
    "list": [lambda path: Camvid(root=path.parent).plan()],
    "images": [lambda path: Sidewalk(root=path.parent).plan()],
    "attributes": [lambda path: Bdd100k(root=path.parent, attributes=(path,)).plan()],
    "listing": [lambda path: PreparedFolder(path.parent)],
}
Image.init()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]),) * 2)
for path, kinds in json.loads(Path(sys.argv[1]).read_text()):
    for kind in kinds:
        for number, reader in enumerate(READERS[kind]):
            try:
                reader(Path(path))
                said = "read"
            except CurbsideError as error:
                said = str(error)
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            print(json.dumps([path, kind, number, said]), flush=True)
"""


def png(width: int, height: int, *, depth: int = 8, color: int = 0) -> bytes:
    """A PNG file that says its size and holds next to nothing of it."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return png_of((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))


def image(inside: str) -> str:
    head = '<annotations><image id="0" name="a.jpg" width="64" height="48">'
    return f"{head}{inside}</image></annotations>"


def entities() -> str:
    """Ten to the ninth words, in a few lines."""
    lines = ['<!ENTITY a0 "lol">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return f"<!DOCTYPE a [{''.join(lines)}]>" + image("&a9;")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory) -> list[tuple[Path, list[str], str]]:
    """Every bomb: its file, who reads it, and what must be said ("" for anything that names it)."""
    root = tmp_path_factory.mktemp("bombs")
    small = root / "small.jpg"
    Image.new("RGB", (64, 48)).save(small, progressive=True)
    jpeg = small.read_bytes()
    scan = jpeg.rfind(b"\xff\xda")
    boom = zlib.compress(bytes(2 * SPARE), 1)
    text = (b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0)), (b"zTXt", b"k\0\0" + boom)
    both, too_large = ["picture", "mask", "numbers"], "allowed"
    images = "<annotations>" + '<image name="a.jpg"/>' * 90_000 + "</annotations>"
    found: list[tuple[str, bytes, list[str], str]] = [
        ("header.png", png(100_000, 100_000), both, ""),
        ("deep.png", png(100_000, 100_000, depth=16, color=6), both, ""),
        ("long.png", png(2**31 - 1, 1), both, ""),
        ("wide.png", png(12_500, 12_500), both, too_large),
        ("header.jpg", jpeg_of(jpeg, size_hw=(65_535, 65_535)), both, ""),
        ("wide.jpg", jpeg_of(jpeg, size_hw=(12_500, 12_500)), both, too_large),
        ("colours.png", png(12_000, 12_000, depth=16, color=6), ["mask"], "RGBA pixels"),
        ("more.png", png_of(text[0], (b"IDAT", boom), (b"IEND", b"")), ["numbers"], "read"),
        ("text.png", png_of(*text, (b"IDAT", b""), (b"IEND", b"")), ["mask", "numbers"], ""),
        ("scans.jpg", jpeg[:-2] + jpeg[scan:-2] * 99_999 + jpeg[-2:], ["decoded"], "scans"),
        ("deep.json", b"[" * 2_000_000, ["polygons", "attributes"], ""),
        ("large.json", b'{"objects": [' + b" " * 2**24 + b"]}", ["polygons"], too_large),
        ("digits.json", b'{"imgHeight": ' + b"9" * 2**20 + b"}", ["polygons"], "not valid JSON"),
        (
            "far.json",
            _polygons(20_000, 7_000, [[[0, 0], [9, 9], [0, 9]]] * 400),
            ["polygons"],
            "paint",
        ),
        ("zigzag.json", _polygons(7_000, 20_000, [_zigzag(10_000)] * 20), ["polygons"], "paint"),
        ("entities.xml", entities().encode(), ["annotations"], "document type"),
        (
            "external.xml",
            b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + image("&b;").encode(),
            ["annotations"],
            "document type",
        ),
        (
            "dtd.xml",
            b'<!DOCTYPE a SYSTEM "/etc/passwd">' + image("").encode(),
            ["annotations"],
            "type",
        ),
        (
            "tag.xml",
            image(f'<polygon points="{"," * 2**23}"/>').encode(),
            ["annotations"],
            "a tag of",
        ),
        ("note.xml", image(f"<!--{'x' * 2**23}-->").encode(), ["annotations"], "a tag of"),
        ("words.xml", image(_many('<a{} b=""/>', 20_000)).encode(), ["annotations"], "different"),
        (
            "labels.xml",
            image(_many('<tag label="{}"/>', 20_000)).encode(),
            ["annotations"],
            "different",
        ),
        (
            "text.xml",
            image(f"<a>{'x' * 2**25}</a>").encode(),
            ["annotations"],
            "bytes on the image",
        ),
        ("nested.xml", image("<a>" * 99_999).encode(), ["annotations"], "deep"),
        ("one/name.xml", images.encode(), ["images"], "read"),
        ("camvid/train.txt", b"a.png\n" * 2**18, ["list"], "larger than a list"),
        ("large.conf", b"[STEREO]\n" * 2**20, ["calibration"], too_large),
    ]
    for folder in (
        *("images/10k/train", "labels/sem_seg/masks/train"),
        *("camvid/701_StillsRaw_full", "camvid/LabeledApproved_full"),
    ):
        (root / folder).mkdir(parents=True)
        (root / folder / "a.png").touch()
    made = []
    for name, data, kinds, says in found:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
        made.append((root / name, kinds, says))
    every = ["picture", "mask", "numbers", "polygons", "annotations", "calibration", "attributes"]
    for name, make in (
        ("pipe", os.mkfifo),
        ("endless", lambda path: path.symlink_to("/dev/zero")),
        ("circle", lambda path: path.symlink_to(path.name)),
        ("folder", Path.mkdir),
    ):
        make(root / name)
        made.append((root / name, every, ""))
        for file in ("samples.jsonl", "quarantine.jsonl"):
            data = root / f"{name} {file}"
            data.mkdir()
            (data / "dataset.json").write_text(
                '{"format": "curbside-prepared", "version": 1, "label_space": {"name": "a", '
                '"classes": [{"id": 0, "name": "b", "color": [1, 2, 3]}]}}'
            )
            (data / "samples.jsonl").write_text("")
            (data / file).unlink(missing_ok=True)
            make(data / file)
            made.append((data / file, ["listing"], ""))
    return made


def _many(text: str, count: int) -> str:
    return "".join(text.format(number) for number in range(count))


def _zigzag(corners: int) -> list[list[int]]:
    return [[number, 6_999 * (number % 2)] for number in range(corners)]


def _polygons(height: int, width: int, polygons: list[list[list[int]]]) -> bytes:
    objects = [{"label": "car", "polygon": polygon} for polygon in polygons]
    return json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects}).encode()


def test_bombs_are_refused_in_a_line_and_within_little_memory(bombs, tmp_path):
    (tmp_path / "bombs.json").write_text(json.dumps([(str(p), kinds) for p, kinds, _ in bombs]))
    command = [sys.executable, "-c", READ, str(tmp_path / "bombs.json"), str(SPARE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    says = {str(path): says for path, _, says in bombs}
    assert {path for path, *_ in lines} == set(says)
    for path, kind, number, said in lines:
        if says[path] == "read":
            assert said == "read", (path, kind, number)
        else:
            assert path in said and "\n" not in said, (path, kind, number, said)
            assert says[path] in said, (path, kind, number, said)
