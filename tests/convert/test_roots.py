"""A root that is not quite the right one: the message says which is."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_camvid_tree, make_idd_tree, photo
from builders_raw import (
    make_acdc_tree,
    make_bdd100k_tree,
    make_cityscapes_tree,
    make_idd_lite_tree,
)

from curbside.convert import Acdc, Bdd100k, Camvid, Cityscapes, Idd, IddLite, convert
from curbside.errors import DataError

CASES = [
    (Idd, make_idd_tree),
    (IddLite, make_idd_lite_tree),
    (Cityscapes, make_cityscapes_tree),
    (Acdc, make_acdc_tree),
    (Bdd100k, make_bdd100k_tree),
    (Camvid, make_camvid_tree),
]
HALVES = [
    (Idd, make_idd_tree, ("leftImg8bit", "gtFine")),
    (Cityscapes, make_cityscapes_tree, ("leftImg8bit", "gtFine")),
    (Acdc, make_acdc_tree, ("rgb_anon", "gt")),
]


def refusal(kind, root: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        convert(kind(root=root, **options), root.parent / "never", workers=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "make"), CASES)
def test_a_root_too_high_or_too_low_is_answered_with_the_right_one(tmp_path, kind, make):
    make(tmp_path / "data/set/inner")
    (tmp_path / "data/.hidden").mkdir()
    right = f"did you mean {tmp_path}/data/set/inner?"
    assert right in refusal(kind, tmp_path / "data/set")
    assert right in refusal(kind, tmp_path / "data")
    assert "did you mean" not in refusal(kind, tmp_path)  # that is too far
    below = min(path for path in (tmp_path / "data/set/inner").iterdir() if path.is_dir())
    assert right in refusal(kind, below)


@pytest.mark.parametrize(("kind", "make", "halves"), HALVES)
def test_halves_in_folders_of_their_own_belong_together(tmp_path, kind, make, halves):
    make(tmp_path / "whole")
    apart = tmp_path / "apart"
    for half in halves:
        (apart / f"{half}_zip").mkdir(parents=True)
        (tmp_path / "whole" / half).rename(apart / f"{half}_zip" / half)
    paths = [str(apart / f"{half}_zip" / half) for half in halves]
    for root in (apart, *(apart / f"{half}_zip" for half in halves)):
        said = refusal(kind, root)
        assert "into one folder" in said and all(path in said for path in paths)


def test_hidden_folders_and_those_that_cannot_be_listed_are_not_looked_into(tmp_path):
    make_idd_tree(tmp_path / "data/.trash/idd")
    (tmp_path / "data/file").write_text("x")
    (tmp_path / "data/gone").symlink_to(tmp_path / "nowhere")
    assert "did you mean" not in refusal(Idd, tmp_path / "data")


def test_the_two_idds_know_each_other(tmp_path):
    said = refusal(Idd, make_idd_lite_tree(tmp_path / "lite"))
    assert "_image.jpg has a name of IDD-Lite; convert the folder as idd-lite" in said
    said = refusal(IddLite, make_idd_tree(tmp_path / "idd"))
    assert "has a name of IDD or Cityscapes; convert the folder as idd or cityscapes" in said


def test_camvid_says_which_form_is_there(tmp_path):
    said = refusal(Camvid, make_camvid_tree(tmp_path / "c"), form="colors")
    assert "no masks of the form colors, but of the form ids; give --form ids" in said
    photo(tmp_path / "d/train/a.png")
    assert "no masks that can be read; give" in refusal(Camvid, tmp_path / "d", form="colors")
