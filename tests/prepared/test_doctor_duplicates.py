"""Pictures that stand in two splits are found, whatever was done to them; others are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from curbside.labels import load_space
from curbside.prepared.duplicates import ALIKE, leaks, repeated
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


def test_pictures_are_alike_from_that_correlation_on():
    rng = np.random.default_rng(5)
    one, other = (rng.integers(0, 256, (24, 24)).astype(np.float32) for _ in range(2))

    def looked_at(split: str, name: str, grey: np.ndarray) -> Inspection:
        case = Case(split=split, id=name, image="", targets=(), size_hw=(24, 24), annotated=None)
        pixels = np.rint(grey).astype(np.uint8)
        return Inspection(case=case, digest=name.encode(), luminance=pixels.tobytes())

    def detail(grey: np.ndarray) -> np.ndarray:
        padded = np.pad(np.rint(grey), 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
        return (np.rint(grey) - windows.mean(axis=(2, 3))).ravel()

    mixed = {f"{n}": one + n / 200 * (other - one) for n in range(200)}
    later = [looked_at("val", name, grey) for name, grey in mixed.items()]
    found = {leak.id: leak.similarity for leak in leaks(later, [looked_at("train", "a", one)])}
    truth = {name: np.corrcoef(detail(one), detail(g))[0, 1] for name, g in mixed.items()}
    assert sum(0.005 < value - ALIKE < 0.025 for value in truth.values()) >= 2
    assert sum(0.005 < ALIKE - value < 0.025 for value in truth.values()) >= 2
    for name, value in truth.items():
        if abs(value - ALIKE) > 0.005:
            assert (name in found) == (value > ALIKE)
            assert name not in found or found[name] == pytest.approx(value, abs=0.005)


def test_a_mirror_image_is_found_and_called_one(tmp_path):
    train = [seen(tmp_path, "train", str(n), encoded(street(n), quality=95)) for n in range(20)]
    turned = street(7).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    val = [seen(tmp_path, "val", "turned", encoded(turned, quality=60))]
    val.append(seen(tmp_path, "val", "copy", encoded(street(8), quality=60)))
    mirror, copy = leaks(val, train)
    assert (mirror.id, mirror.twin_id, mirror.mirrored) == ("turned", "7", True)
    assert mirror.similarity > 0.95 and not mirror.same_file
    assert "like the mirrored train/7" in mirror.finding().message
    assert (copy.twin_id, copy.mirrored) == ("8", False) and "mirrored" not in str(copy.finding())


def test_the_same_file_is_not_called_mirrored_where_it_is_its_own_mirror_image(tmp_path):
    half = np.asarray(street(3))
    data = encoded(Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1)), "PNG")
    (leak,) = leaks([seen(tmp_path, "val", "x", data)], [seen(tmp_path, "train", "a", data)])
    assert leak.same_file and not leak.mirrored


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
    train.append(seen(tmp_path, "train", "b", grey[0]))
    (leak,) = leaks([seen(tmp_path, "val", "y", grey[0])], train)
    assert leak.same_file and leak.twin_id == "a" and leak.twins == 2


def test_a_single_grey_level_is_no_detail(tmp_path):
    def night(level: int) -> bytes:
        pixels = np.full((240, 240), level, np.uint8)
        pixels[100:140, 60:180] += 1
        return encoded(Image.fromarray(pixels), "PNG")

    train = [seen(tmp_path, "train", "a", night(9))]
    assert leaks([seen(tmp_path, "val", "x", night(14))], train) == []


def test_the_same_file_comes_before_the_same_picture(tmp_path):
    pictures = [encoded(street(3), "PNG", compress_level=level) for level in (1, 9)]
    train = [seen(tmp_path, "train", name, data) for name, data in zip("ab", pictures, strict=True)]
    (leak,) = leaks([seen(tmp_path, "val", "x", pictures[1])], train)
    assert (leak.twin_id, leak.same_file, leak.twins) == ("b", True, 2)


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
