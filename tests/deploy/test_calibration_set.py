"""The calibration set: chosen evenly, the same every time, and told apart by its pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from color_scenes import make_data

from curbside.deploy import CalibrationSet
from curbside.errors import ConfigError, DataError
from curbside.labels import LabelSpace
from curbside.prepared import PreparedFolder, evenly_spaced


def test_pictures_are_spread_evenly() -> None:
    everything = list(range(10))
    assert evenly_spaced(everything, 4) == [0, 2, 5, 7]  # type: ignore[arg-type, comparison-overlap]
    assert evenly_spaced(everything, 99) == everything  # type: ignore[arg-type, comparison-overlap]
    assert evenly_spaced([], 4) == []


def test_the_set_says_what_it_is(data: Path) -> None:
    chosen = CalibrationSet.choose(PreparedFolder(data), count=8)
    assert [sample.id for sample in chosen.samples] == [
        "s00", "s01", "s03", "s04", "s06", "s07", "s09", "s10",
    ]  # fmt: skip
    about = chosen.describe()
    assert about.pop("sha256") == CalibrationSet.choose(PreparedFolder(data), count=8).sha256
    assert about == {
        "dataset": "colors", "source": "test scenes", "split": "train", "count": 8,
    }  # fmt: skip


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
    assert CalibrationSet(samples=tuple(renamed), source=chosen.source).sha256 != chosen.sha256
