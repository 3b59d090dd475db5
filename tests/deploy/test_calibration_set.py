"""The calibration set: chosen evenly, the same every time, and told apart by its pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from color_scenes import make_data

from curbside.deploy import CalibrationSet
from curbside.errors import ConfigError, DataError
from curbside.labels import LabelSpace
from curbside.prepared import (
    PreparedFolder,
    PreparedWriter,
    SampleData,
    evenly_spaced,
    write_sample,
)


def test_pictures_are_spread_evenly() -> None:
    everything = list(range(10))
    assert evenly_spaced(everything, 4) == [0, 2, 5, 7]  # type: ignore[arg-type, comparison-overlap]
    assert evenly_spaced(everything, 99) == everything  # type: ignore[arg-type, comparison-overlap]
    assert evenly_spaced([], 4) == []


def test_the_set_says_what_it_is(data: Path) -> None:
    chosen = CalibrationSet.choose(PreparedFolder(data), count=8)
    ids = [sample.id for sample in chosen.samples]
    assert len(ids) == len(set(ids)) == 8 and ids == sorted(ids)
    about = chosen.describe()
    assert about.pop("sha256") == CalibrationSet.choose(PreparedFolder(data), count=8).sha256
    classes = about.pop("strata")["class"]
    held = [np.unique(sample.read_semantic()) for sample in chosen.samples]  # type: ignore[attr-defined]
    assert classes == {f"c{i}": sum(i in ids for ids in held) for i in range(4)}
    assert about == {
        "dataset": "colors", "source": "test scenes", "split": "train", "count": 8,
    }  # fmt: skip


def make_uneven(root: Path, space: LabelSpace, *, rare: int, night: int, total: int) -> Path:
    """A folder in which class 3 is in few pictures and few are taken at night."""
    writer = PreparedWriter(root, space=space, source="uneven")
    for index in range(total):
        ids = np.full((16, 16), index % 3, np.uint8)
        if index < rare:
            ids[:4] = 3
        image = np.full((16, 16, 3), index, np.uint8)
        tags = {"time": "night" if index % (total // night) == 0 else "day", "frame": f"f{index}"}
        data = SampleData(id=f"s{index:03d}", split="train", image=image, semantic=ids, tags=tags)
        writer.add(write_sample(root, data, space))
    writer.finish()
    return root


def test_rare_classes_and_every_tag_are_in_it(tmp_path: Path, space: LabelSpace) -> None:
    folder = PreparedFolder(make_uneven(tmp_path / "d", space, rare=4, night=10, total=100))
    chosen = CalibrationSet.choose(folder, count=20)
    assert len(chosen.samples) == 20
    assert chosen.strata["class"]["c3"] >= 2  # evenly spaced pictures would hold one
    assert min(chosen.strata["class"].values()) >= 2
    assert set(chosen.strata) == {"class", "time"}  # a tag that names each picture tells nothing
    assert sum(chosen.strata["time"].values()) == 20
    assert 1 <= chosen.strata["time"]["night"] <= 5


def test_all_of_a_small_split_are_taken(data: Path) -> None:
    assert len(CalibrationSet.choose(PreparedFolder(data), count=99).samples) == 12


def test_a_folder_of_pictures_and_a_file_of_tensors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tensors = rng.integers(0, 256, (12, 8, 10, 3), np.uint8)
    (tmp_path / "pictures").mkdir()
    for place, rgb in enumerate(tensors):
        cv2.imwrite(str(tmp_path / "pictures" / f"{place:02d}.png"), rgb[..., ::-1])
    np.save(tmp_path / "t.npy", tensors)
    np.savez(tmp_path / "t.npz", pictures=tensors)
    sets = [
        CalibrationSet.load(tmp_path / name, count=9) for name in ("pictures", "t.npy", "t.npz")
    ]
    for found in sets:
        assert len(found.samples) == 9 and found.split is None
        for place, picture in zip(np.arange(9) * 12 // 9, found.samples, strict=True):
            np.testing.assert_array_equal(picture.read_bgr(), tensors[place][..., ::-1])
    assert sets[1].sha256 == sets[2].sha256


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (np.zeros((9, 8, 8, 3), np.float32), "float32"),
        (np.zeros((9, 3, 8, 8), np.uint8), r"\(9, 3, 8, 8\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"\(0, 8, 8, 3\)"),
        (np.zeros((3, 8, 8, 3), np.uint8), "3 pictures are too few"),
        (np.array([{"a": 1}]), "holds no tensors"),
        (b"not numpy", "holds no tensors"),
        (b"", "holds no tensors"),
    ],
)
def test_tensors_that_are_none_are_one_line(tmp_path: Path, content: object, says: str) -> None:
    path = tmp_path / "t.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=says) as caught:
        CalibrationSet.load(path)
    assert "\n" not in str(caught.value)


def test_the_hash_follows_the_pictures(tmp_path: Path, space: LabelSpace) -> None:
    root = make_data(tmp_path / "data", space, train=9, val=1)
    folder = PreparedFolder(root)
    first = CalibrationSet.choose(folder, count=9)
    assert CalibrationSet.choose(folder, count=8).sha256 != first.sha256
    path = first.samples[4].image_path
    path.write_bytes(path.read_bytes() + b"\0")
    assert CalibrationSet.choose(folder, count=9).sha256 != first.sha256


def test_too_few_pictures_are_refused(data: Path) -> None:
    folder = PreparedFolder(data)
    with pytest.raises(ConfigError, match="2 pictures are too few"):
        CalibrationSet.choose(folder, count=2)
    with pytest.raises(DataError, match="4 pictures are too few"):
        CalibrationSet.choose(folder, split="val")
    with pytest.raises(DataError, match=r"'test' of .* has no sample"):
        CalibrationSet.choose(folder, split="test")


def test_the_hash_follows_the_ids_too(data: Path) -> None:
    chosen = CalibrationSet.choose(PreparedFolder(data), count=8)
    renamed = [replace(s, record=replace(s.record, id=f"x{s.id}")) for s in chosen.samples]
    assert replace(chosen, samples=tuple(renamed)).sha256 != chosen.sha256
