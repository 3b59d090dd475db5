"""CamVid in SegNet's layout."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_camvid_tree, photo
from PIL import Image

from curbside.convert import Camvid, convert
from curbside.errors import DataError
from curbside.prepared import PreparedFolder


def test_void_becomes_ignore_and_the_classes_stay(tmp_path):
    result = convert(Camvid(root=make_camvid_tree(tmp_path / "c")), tmp_path / "out", workers=1)
    assert {split: count["samples"] for split, count in result.counts.items()} == {
        "train": 2,
        "val": 2,
        "test": 2,
    }
    folder = PreparedFolder(tmp_path / "out")
    assert folder.space.name == "camvid11"
    for split in ("train", "val", "test"):
        for sample in folder.samples(split):
            row = [x // 4 if x < 44 else 255 for x in range(48)]
            np.testing.assert_array_equal(sample.read_semantic(), np.array([row] * 20))
            assert sample.record.tags == {"sequence": "0001TP"}


def test_a_jpeg_is_matched_with_its_png_mask(tmp_path):
    make_camvid_tree(tmp_path / "c", splits=["train"], each=1)
    image = tmp_path / "c/train/0001TP_000000.png"
    photo(image.with_suffix(".jpg"), size_hw=(20, 48))
    image.unlink()
    convert(Camvid(root=tmp_path / "c"), tmp_path / "out", workers=1)
    (sample,) = PreparedFolder(tmp_path / "out").samples("train")
    assert sample.image_path.suffix == ".jpg"


def test_every_bad_pair_is_named(tmp_path):
    root = make_camvid_tree(tmp_path / "c", splits=["train"], each=6)
    images, masks = root / "train", root / "trainannot"
    (images / "0001TP_000000.png").unlink()
    (masks / "0001TP_000001.png").unlink()
    Image.new("L", (48, 20), 12).save(masks / "0001TP_000002.png")
    Image.new("RGB", (48, 20)).save(masks / "0001TP_000003.png")
    Image.new("L", (40, 20)).save(masks / "0001TP_000004.png")
    result = convert(Camvid(root=root), tmp_path / "out", workers=1)
    said = [problem.message for problem in result.problems]
    assert len(said) == 5 and not any("\n" in line for line in said)
    for line, words in zip(
        said,
        (
            "train/0001TP_000000 has 0 pictures",
            "has a picture but no mask; add trainannot/0001TP_000001.png",
            "960 pixels hold the id 12, which camvid11 does not have",
            "0001TP_000003.png holds RGB pixels",
            "the picture is 48 x 20 pixels, its semantic target is 40 x 20",
        ),
        strict=True,
    ):
        assert words in line
    assert [s.id for s in PreparedFolder(tmp_path / "out").samples("train")] == ["0001TP_000005"]


def test_a_16_bit_mask_with_good_ids_becomes_8_bit(tmp_path):
    root = make_camvid_tree(tmp_path / "c", splits=["train"], each=1)
    Image.fromarray(np.full((20, 48), 11, np.uint16)).save(root / "trainannot/0001TP_000000.png")
    convert(Camvid(root=root), tmp_path / "out", workers=1)
    with Image.open(tmp_path / "out/train/masks/0001TP_000000.png") as mask:
        assert mask.mode == "L" and mask.getextrema() == (255, 255)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for root, words in ((tmp_path / "gone", "does not exist"), (tmp_path / "empty", "no pictures")):
        with pytest.raises(DataError, match=words):
            convert(Camvid(root=root), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_real_data_convert_whole(shared, tmp_path):
    result = convert(Camvid(root=shared / "data/camvid"), tmp_path / "out")
    assert result.problems == ()
    assert {split: count["samples"] for split, count in result.counts.items()} == {
        "train": 367,
        "val": 101,
    }
    sample = PreparedFolder(tmp_path / "out").samples("val")[50]
    source = shared / "data/camvid/valannot" / f"{sample.id}.png"
    with Image.open(source) as image:
        raw = np.asarray(image)
    mask = sample.read_semantic()
    assert (mask[raw == 11] == 255).all() and (mask[raw < 11] == raw[raw < 11]).all()
