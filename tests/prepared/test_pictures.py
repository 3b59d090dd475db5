"""Pictures without labels: no mask is ever taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_data import blocks_folder
from PIL import Image

from curbside.errors import DataError
from curbside.labels import load_space
from curbside.prepared import PreparedFolder, PreparedWriter, picture_samples, write_quarantine

SPACE = load_space("camvid11")


def _write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(root / name)


def _ids(root: Path, split: str = "train") -> list[str]:
    samples = picture_samples(root, split, SPACE)
    assert all(not sample.record.targets and sample.record.split == split for sample in samples)
    assert all(sample.read_rgb().shape[:2] == sample.record.size_hw for sample in samples)
    return [sample.id for sample in samples]


def test_a_prepared_folder_gives_what_it_lists(tmp_path: Path) -> None:
    root = blocks_folder(tmp_path / "data", train=2, val=1, size_hw=(16, 16))
    _write(root, "train/images/stray.png")
    assert _ids(root) == ["000", "001"]
    assert len(_ids(root, "val")) == 1


def test_a_half_prepared_folder_is_refused(tmp_path: Path) -> None:
    PreparedWriter(tmp_path, source="blocks", space=SPACE)
    _write(tmp_path, "train/images/a.png", "train/masks/a.png")
    with pytest.raises(DataError, match="only half prepared; run the same convert command again"):
        picture_samples(tmp_path, "train", SPACE)
    with pytest.raises(DataError, match="only half prepared"):
        PreparedFolder(tmp_path, space=SPACE)


def test_a_bare_tree_gives_the_pictures_of_its_split_by_their_own_ids(tmp_path: Path) -> None:
    _write(
        tmp_path, "train/images/b.jpg", "train/images/a.png", "train/images/drive/c.png",
        "train/masks/a.png", "train/masks/x.png", "val/images/d.png", "notes/e.png",
    )  # fmt: skip
    assert _ids(tmp_path) == ["a", "b", "drive/c"]
    assert _ids(tmp_path, "val") == ["d"]
    with pytest.raises(DataError, match=r"test/images has no picture"):
        picture_samples(tmp_path, "test", SPACE)
    for name in ("train/masks/x.png", "train/images/b.jpg", "val/images/d.png"):
        (tmp_path / name).unlink()
    (sample,) = PreparedFolder(tmp_path, space=SPACE).samples("train")
    (same,) = [one for one in picture_samples(tmp_path, "train", SPACE) if one.id == sample.id]
    assert same.image_path == sample.image_path


@pytest.mark.parametrize("above", ["", "a/", "a/b/"])
def test_what_lies_beside_images_is_no_picture(tmp_path: Path, above: str) -> None:
    for kind in ("images", "masks", "instances", "depth", "confidence"):
        _write(tmp_path, f"{above}{kind}/1.png")
    assert _ids(tmp_path) == [f"{above}images/1"]


def test_any_other_folder_gives_all_its_pictures(tmp_path: Path) -> None:
    _write(tmp_path, "z.png", "depth/1.JPG", "a/masks/2.webp")
    (tmp_path / "a/notes.txt").write_text("no picture")
    assert _ids(tmp_path) == ["a/masks/2", "depth/1", "z"]
    write_quarantine(tmp_path, {("train", "z"): ("blurred",), ("val", "depth/1"): ("blurred",)})
    assert _ids(tmp_path) == ["a/masks/2", "depth/1"]


def test_nothing_and_no_picture_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist; name .* any folder with pictures$"):
        picture_samples(tmp_path / "nothing", "train", SPACE)
    with pytest.raises(DataError, match=r"has no picture in it.*\.png"):
        picture_samples(tmp_path, "train", SPACE)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png"):
        picture_samples(tmp_path, "train", SPACE)
