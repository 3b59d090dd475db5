"""The camera that a run's metres are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from curbside.labels import load_space
from curbside.prepared import Sample, SampleRecord
from curbside.training.cameras import camera_of

SPACE = load_space("idd-lite7")
SIZE = (100, 200)


def _samples(root: str, *focal: float | None, size_hw: tuple[int, int] = SIZE) -> list[Sample]:
    return [
        Sample(
            root=Path(root),
            space=SPACE,
            record=SampleRecord(
                id=f"{number}",
                split="train",
                image="x.png",
                size_hw=size_hw,
                targets=("depth",),
                focal_xy_px=None if one is None else (one, one),
            ),
        )
        for number, one in enumerate(focal)
    ]


def test_the_camera_in_words_is_the_one_whose_focal_length_is_told():
    """Three cameras: most samples are of the shortest lens, and the one in the middle is another."""
    train = [_samples("a", 50, 50, 80, 81), _samples("b", 120, 120, 120)]
    camera = camera_of(train, SIZE)
    assert camera.focal_xy_px == (81, 81)
    assert camera.words == "a: 81 px at 200 x 100, and 2 others"
    assert camera.note.startswith("5 of 7 samples are of another focal length than 81 x 81 px")


def test_a_camera_between_two_is_none_of_them():
    camera = camera_of([_samples("a", 50, 90)], SIZE)
    assert camera.focal_xy_px == (50, 50) and camera.focal_px == pytest.approx(50)
    assert camera.words == "a: 50 px at 200 x 100, and 1 other"


def test_cameras_are_counted_and_not_folders_or_sizes():
    """The same lens from two folders, at two sizes, and as several calibrations tell it."""
    twice = _samples("b", 100.5, size_hw=(200, 400))
    same = [_samples("a", 49.9, 50, 50.1), twice, _samples("c", 50.2)]
    assert camera_of(same, SIZE).words == "a: 50.1 px at 200 x 100"
    assert camera_of(same, SIZE).note == ""
    other = [_samples("a", 50, 50, 50), _samples("b", 80), _samples("c", 80), _samples("d", None)]
    camera = camera_of(other, SIZE)
    assert camera.words == "a: 50 px at 200 x 100, and 1 other"
    assert "1 of 6 samples with depth do not tell their focal length" in camera.note


def test_without_a_focal_length_there_is_no_camera():
    camera = camera_of([_samples("a", None)], SIZE)
    assert (camera.focal_xy_px, camera.words) == (None, "")
    assert camera.note.startswith("no sample tells")
