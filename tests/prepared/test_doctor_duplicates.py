"""Pictures that stand in two splits are found, whatever was done to them; others are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from curbside.labels import load_space
from curbside.prepared.duplicates import leaks, repeated
from curbside.prepared.inspection import Case, Inspection, inspect

SPACE = load_space("camvid11")


def street(seed: int) -> Image.Image:
    """Something with structure at several sizes, under the same sky over the same road."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            rng.random((n, n, 3)).astype(np.float32), (320, 240), interpolation=cv2.INTER_CUBIC
        )
        for n in (6, 14, 40)
    ]
    pixels = np.clip(sum(layers) * 60 + 30, 0, 255)
    pixels[:80] = pixels[:80] * 0.2 + 180
    pixels[170:] = pixels[170:] * 0.3 + 60
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seen(tmp_path, split: str, name: str, data: bytes) -> Inspection:
    path = tmp_path / split / "images" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    size = Image.open(path).size[::-1]
    image = f"{split}/images/{name}.jpg"
    case = Case(split=split, id=name, image=image, targets=(), size_hw=size, annotated=None)
    return inspect(case, root=tmp_path, space=SPACE)


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "the same": lambda image: encoded(image, quality=95),
    "other quality": lambda image: encoded(image, quality=30),
    "as PNG": lambda image: encoded(image, "PNG"),
    "half": lambda image: encoded(image.resize((160, 120))),
    "double": lambda image: encoded(image.resize((640, 480))),
    "brighter": lambda image: encoded(image.point(lambda value: min(255, value + 25))),
    "darker": lambda image: encoded(ImageEnhance.Brightness(image).enhance(0.8)),
    "blurred": lambda image: encoded(image.filter(ImageFilter.GaussianBlur(1.2))),
    "grey": lambda image: encoded(image.convert("L")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_is_found_in_another_split(tmp_path, change):
    train = [seen(tmp_path, "train", str(n), encoded(street(n), quality=95)) for n in range(20)]
    val = [seen(tmp_path, "val", str(n), encoded(street(100 + n))) for n in range(10)]
    val.append(seen(tmp_path, "val", "copy", CHANGES[change](street(7))))
    (leak,) = leaks(val, train)
    assert (leak.key, leak.twin_split, leak.twin_id) == (("val", "copy"), "train", "7")
    assert leak.twins == 1 and leak.similarity > 0.95
    assert leak.same_file == (change == "the same")
    assert "7" in leak.finding().message and leak.finding().check.severity == "warning"


def test_all_alike_are_counted_and_the_first_is_named(tmp_path):
    data = encoded(street(1))
    train = [seen(tmp_path, "train", name, data) for name in ("a", "b", "c")]
    (leak,) = leaks([seen(tmp_path, "val", "x", encoded(street(1), quality=60))], train)
    assert leak.twin_id == "a" and leak.twins == 3 and not leak.same_file
    (leak,) = leaks([seen(tmp_path, "val", "y", data)], train)
    assert leak.twin_id == "a" and leak.twins == 3 and leak.same_file and leak.similarity == 1


def test_pictures_without_detail_are_alike_only_as_files(tmp_path):
    grey = [encoded(Image.new("RGB", (64, 64), (level,) * 3)) for level in (90, 91)]
    train = [seen(tmp_path, "train", "a", grey[0])]
    assert leaks([seen(tmp_path, "val", "x", grey[1])], train) == []
    (leak,) = leaks([seen(tmp_path, "val", "y", grey[0])], train)
    assert leak.same_file


def test_a_picture_that_cannot_be_read_is_like_none(tmp_path):
    train = [seen(tmp_path, "train", "a", encoded(street(1)))]
    path = tmp_path / "val/images/x.jpg"
    broken = seen(tmp_path, "val", "x", encoded(street(1)))
    path.write_bytes(path.read_bytes()[:500])
    broken = inspect(broken.case, root=tmp_path, space=SPACE)
    assert leaks([broken], train) == [] and leaks(train, [broken]) == [] and leaks([], train) == []


def test_blocks_do_not_matter(tmp_path, monkeypatch):
    train = [seen(tmp_path, "train", str(n), encoded(street(n))) for n in range(5)]
    val = [seen(tmp_path, "val", str(n), encoded(street(n), quality=50)) for n in range(7)]
    whole = leaks(val, train)
    monkeypatch.setattr("curbside.prepared.duplicates._BLOCK", 3)
    assert leaks(val, train) == whole and len(whole) == 5


def test_a_file_that_stands_twice_in_a_split_is_told_of_the_second(tmp_path):
    data = encoded(street(1))
    items = [seen(tmp_path, "train", name, data) for name in ("a", "b")]
    items.append(seen(tmp_path, "val", "c", data))
    (finding,) = repeated(items)
    assert finding.key == ("train", "b") and "of a" in finding.message


def test_frames_of_a_film_leak_and_other_places_do_not(shared):
    """CamVid's 0016E5 is a film at 15 frames a second in val, one at 1 frame a second in train."""
    folder = shared / "data" / "camvid"
    val = sorted((folder / "val").glob("0016E5_*.jpg"))[:40]
    train = sorted((folder / "train").glob("*.jpg"))[::6]

    def looked_at(paths) -> list[Inspection]:
        return [
            inspect(
                Case(
                    split="train",
                    id=path.stem,
                    image=f"{path.parent.name}/{path.name}",
                    targets=(),
                    size_hw=(360, 480),
                    annotated=None,
                ),
                root=folder,
                space=SPACE,
            )
            for path in paths
        ]

    frames = looked_at(val)
    assert len(leaks(frames[1::2], frames[0::2])) >= 18  # each frame beside the next one
    assert leaks(frames, looked_at(train)) == []
