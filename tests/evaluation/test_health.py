"""The doctor's tables by hand, and what its page shows."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from builders import photo
from PIL import Image

from curbside.evaluation.health import (
    class_share_table,
    depth_table,
    finding_table,
    split_table,
    tag_tables,
    weight_table,
    write_health_report,
)
from curbside.imaging import write_png
from curbside.labels import LabelClass, LabelSpace
from curbside.prepared import PreparedWriter, SampleData, examine, write_sample

pytest.importorskip("matplotlib")

SPACE = LabelSpace(
    name="three",
    classes=(
        LabelClass(id=0, name="road", color=(128, 64, 128)),
        LabelClass(id=1, name="sky", color=(70, 130, 180)),
        LabelClass(id=2, name="car", color=(0, 0, 142), has_instances=True),
    ),
)


def add(writer: PreparedWriter, name: str, image: Path, **more) -> None:
    split, sample = name.split("/")
    data = SampleData(id=sample, split=split, image=image, **more)
    writer.add(write_sample(writer.root, data, SPACE))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures of 8 x 12: a with everything, b half ignored, c without its picture, d a's again."""
    writer = PreparedWriter(tmp_path / "data", space=SPACE, source="by hand")
    pictures = [photo(tmp_path / f"{seed}.png", size_hw=(8, 12), seed=seed) for seed in range(3)]
    a, b = np.zeros((8, 12), np.uint8), np.full((8, 12), 255, np.uint8)
    a[4:], b[:2], b[2:4] = 2, 0, 1
    instances = a.astype(np.uint16)
    instances[4:], instances[4:, 6:] = 2000, 2001
    depth_m = np.full((8, 12), 2, np.float32)
    depth_m[:2] = 0
    tags = {"weather": "fog"}
    add(writer, "train/a", pictures[0], semantic=a, instances=instances, depth_m=depth_m, tags=tags)
    add(writer, "train/b", pictures[1], semantic=b, tags={"weather": "rain"})
    add(writer, "train/c", pictures[2], semantic=a, tags=tags)
    add(writer, "val/d", pictures[0], semantic=a, tags=tags)
    writer.finish()
    (writer.root / "train/images/c.png").unlink()
    return writer.root


def test_the_tables_by_hand(root):
    found = examine(root, workers=1, quarantine=True)
    assert split_table(found).rows == (
        ("train", "3", "1", "2", "2", "25 %"),  # 48 of 192 pixels
        ("val", "1", "0", "1", "1", "0 %"),
    )
    shares = class_share_table(found)
    assert shares.headers == ("class", "train, %", "val, %", "train objects")
    assert shares.rows == (
        ("road", "50", "50", "–"),  # 48 and 24 of 96 and 48 labelled ones
        ("sky", "16.7", "0", "–"),
        ("car", "33.3", "50", "2"),
    )
    assert depth_table(found).rows == (("train", "1", "75 %", "2.0 m", "2.0 m", "2.0 m"),)
    assert weight_table(found).headers[1:] == ("inverse", "median", "enet")
    # Three classes of 1/2, 1/6 and 1/3 of the pixels; frequencies 72/144, 24/48 and 48/96.
    assert [row[:3] for row in weight_table(found).rows] == [
        ("road", "0.667", "1"),
        ("sky", "2", "1"),
        ("car", "1", "1"),
    ]
    (weather,) = tag_tables(found)
    assert weather.headers == ("weather", "train", "val")
    assert weather.rows == (("fog", "1", "1"), ("rain", "1", "0"))  # what is set aside is not in it
    counts = [(row[0], row[1], row[2], row[3]) for row in finding_table(found).rows]
    assert counts == [
        ("missing", "1", "1", "error"),
        ("leak", "1", "–", "warning"),
        ("absent", "1", "–", "warning"),
    ]


def test_a_folder_without_masks_has_no_weights_left_over(tmp_path):
    writer = PreparedWriter(tmp_path / "data", space=SPACE, source="by hand")
    add(writer, "train/a", photo(tmp_path / "a.png"))
    writer.finish()
    out = tmp_path / "report"
    out.mkdir()
    (out / "class_weights.json").write_text("of another day")
    found = examine(writer.root, workers=1)
    write_health_report(found, writer.root, out)
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json"]
    assert class_share_table(found).rows == () and weight_table(found).rows == ()
    assert depth_table(found).rows == ()


def pictures_of(page: str) -> list[np.ndarray]:
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_ids_without_a_class_are_white_and_ignored_pixels_dark(tmp_path):
    writer = PreparedWriter(tmp_path / "data", space=SPACE, source="by hand")
    dark = np.zeros((90, 120, 3), np.uint8)
    dark[::8] = 40
    write_png(tmp_path / "a.png", dark)
    add(writer, "train/a", tmp_path / "a.png", semantic=np.zeros((90, 120), np.uint8))
    writer.finish()
    strange = np.full((90, 120), 77, np.uint8)
    strange[:, 60:] = 255
    write_png(writer.root / "train/masks/a.png", strange)
    found = examine(writer.root, workers=1)
    write_health_report(found, writer.root, tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    _, mask = pictures_of(page)[:2]
    middle = mask.shape[1] // 2
    assert mask[:, : middle - 9].mean() > 130 and mask[:, middle + 9 :].mean() < 40


def test_leaks_are_shown_the_most_alike_first(tmp_path):
    writer = PreparedWriter(tmp_path / "data", space=SPACE, source="by hand")
    rng = np.random.default_rng(0)
    smooth = [
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((320, 240))
        for _ in range(2)
    ]
    for number, image in enumerate(smooth):
        image.save(tmp_path / f"{number}.png")
        add(writer, f"train/{number}", tmp_path / f"{number}.png")
    smooth[0].save(tmp_path / "x.jpg", quality=15)
    add(writer, "val/x", tmp_path / "x.jpg")
    add(writer, "val/y", tmp_path / "1.png")
    writer.finish()
    found = examine(writer.root, workers=1)
    assert [leak.id for leak in found.leaks] == ["x", "y"]
    write_health_report(found, writer.root, tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "In two splits: 2" in page
    assert page.index("val/y, the same file") < page.index("val/x, similarity 0.9")
    assert "<figcaption>train/0</figcaption>" in page and "more are alike" not in page


def test_how_many_more_are_alike_and_which_are_mirrored(tmp_path):
    writer = PreparedWriter(tmp_path / "data", space=SPACE, source="by hand")
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    smooth = Image.fromarray(pixels).resize((320, 240))
    smooth.save(tmp_path / "a.png")
    smooth.save(tmp_path / "b.jpg", quality=90)
    smooth.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "x.png")
    for name, file in (("train/a", "a.png"), ("train/b", "b.jpg"), ("val/x", "x.png")):
        add(writer, name, tmp_path / file)
    writer.finish()
    write_health_report(examine(writer.root, workers=1), writer.root, tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert re.search(r"val/x, similarity [01]\.\d{3}, mirrored", page)
    assert re.search(r"<figcaption>train/[ab], and 1 more are alike<", page)


def test_a_healthy_folder_shows_pictures_with_their_masks(tmp_path):
    writer = PreparedWriter(tmp_path / "data", space=SPACE, source="by hand")
    red, grey = np.zeros((90, 120, 3), np.uint8), np.full((90, 120, 3), 90, np.uint8)
    red[..., 0], red[:9], grey[:9] = 250, 10, 10
    ids = np.zeros((90, 120), np.uint8)
    for number in range(8):
        write_png(tmp_path / "a.png", red)
        add(writer, f"train/{number}", tmp_path / "a.png", semantic=ids)
    depth_m = np.full((90, 120), 2, np.float32)
    depth_m[:, 40:80], depth_m[:, 80:] = 40, 0
    write_png(tmp_path / "b.png", grey)
    add(writer, "val/deep", tmp_path / "b.png", depth_m=depth_m)
    write_png(tmp_path / "c.png", grey[:, ::-1] + np.uint8(1))
    add(writer, "test/alone", tmp_path / "c.png")
    writer.finish()
    write_health_report(examine(writer.root, workers=1), writer.root, tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "train: 6 of 8" in page and "val: 1 of 1" in page and "test: 1 of 1" in page
    shown = pictures_of(page)[:8]
    assert [picture.shape[:2] for picture in shown] == [(240, 160)] * 7 + [(120, 160)]
    first, deep = shown[0].astype(int), shown[6].astype(int)
    assert first[60, 80, 0] > 200 and first[60, 80, 2] < 60  # the picture, red
    # Under it the mask: 60 % of the road's (128, 64, 128) over 40 % of (250, 0, 0).
    assert np.abs(first[200, 80] - (177, 38, 77)).max() < 12
    near, far, unknown = deep[180, 26], deep[180, 80], deep[180, 134]
    assert near[0] > near[2] + 50 and far[2] > far[0] and unknown.max() < 30


def test_a_healthy_folder_of_files_that_vanish_still_has_its_page(root, tmp_path):
    found = examine(root, workers=1)
    for path in (*root.glob("*/images/*"), *root.glob("*/masks/*")):
        path.unlink()
    write_health_report(found, root, tmp_path / "report")
    shown = pictures_of((tmp_path / "report/report.html").read_text(encoding="utf-8"))
    assert shown and all(np.ptp(picture.reshape(-1, 3), axis=0).max() < 9 for picture in shown[1:])
