"""What is set aside: nobody sees it, its files stay, and taking the line away brings it back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import tree_bytes
from builders_data import blocks_folder

from curbside.datasets import SegmentationDataset
from curbside.errors import DataError
from curbside.labels import load_space
from curbside.prepared import (
    PreparedFolder,
    PreparedWriter,
    SampleData,
    read_quarantine,
    write_quarantine,
    write_sample,
)

ASIDE = {("val", "001"): ("leak: like train/002",), ("train", "007"): (), ("train", "003"): ("b",)}


@pytest.fixture
def root(tmp_path):
    return blocks_folder(tmp_path / "data")


def test_what_is_written_is_read_back_and_is_sorted(root):
    write_quarantine(root, ASIDE)
    assert read_quarantine(root) == ASIDE
    lines = [json.loads(line) for line in (root / "quarantine.jsonl").read_text().splitlines()]
    assert [(line["split"], line["id"]) for line in lines] == [
        ("train", "003"),
        ("train", "007"),
        ("val", "001"),
    ]


def test_names_that_are_not_utf_8_are_kept(root):
    write_quarantine(root, {("train", "caf\udce9"): ()})
    assert read_quarantine(root) == {("train", "caf\udce9"): ()}


def test_nothing_to_set_aside_is_no_file(root):
    before = tree_bytes(root)
    write_quarantine(root, {})
    write_quarantine(root, ASIDE)
    write_quarantine(root, {})
    assert tree_bytes(root) == before


def test_what_a_killed_run_left_goes_with_the_next(root):
    (root / ".partial-abc.jsonl").write_text("half")
    write_quarantine(root, ASIDE)
    assert not list(root.glob(".partial-*"))


def test_nobody_sees_what_is_set_aside(root):
    write_quarantine(root, ASIDE)
    folder = PreparedFolder(root)
    assert folder.counts == {"train": 10, "val": 3, "test": 0} and len(folder) == 13
    assert folder.quarantined == 3
    train = folder.samples("train")
    assert {"003", "007"}.isdisjoint(sample.id for sample in train)
    assert len(SegmentationDataset(train, size_hw=(32, 48))) == 10
    assert (root / "train/images/003.jpg").is_file()
    (root / "quarantine.jsonl").unlink()
    assert PreparedFolder(root).counts["train"] == 12 and PreparedFolder(root).quarantined == 0


def test_samples_that_are_not_there_count_nowhere(root):
    write_quarantine(root, {("test", "x"): (), ("train", "000"): ()})
    assert PreparedFolder(root).quarantined == 1


def test_a_split_that_is_set_aside_whole_is_told_so(root):
    write_quarantine(root, {("val", f"{n:03}"): () for n in range(4)})
    with pytest.raises(DataError, match="4 are in quarantine"):
        PreparedFolder(root).samples("val")


def test_lines_may_be_written_by_hand(root):
    (root / "quarantine.jsonl").write_text('\n{"split": "train", "id": "003"}\n\n')
    assert read_quarantine(root) == {("train", "003"): ()}


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "3", '{"id": "a"}', '{"id": 3, "split": "val"}', '{"id": "a", "split": "x"}'],
)
def test_a_line_that_is_none_is_an_error(root, line):
    (root / "quarantine.jsonl").write_text(line)
    with pytest.raises(DataError, match=r"quarantine\.jsonl is not readable"):
        PreparedFolder(root)


def test_converting_goes_on_beside_it(root):
    write_quarantine(root, ASIDE)
    kept = (root / "quarantine.jsonl").read_bytes()
    writer = PreparedWriter(root, space=load_space("camvid11"), source="blocks")
    assert writer.done("train", "003")
    picture = np.full((64, 96, 3), 90, np.uint8)
    data = SampleData(id="new", split="val", image=picture, semantic=np.zeros((64, 96), np.uint8))
    writer.add(write_sample(root, data, writer.space))
    # A conversion that was killed here and goes on later is not disturbed either.
    assert PreparedWriter(root, space=writer.space, source="blocks").done("val", "new")
    assert writer.finish()["val"]["samples"] == 5
    assert (root / "quarantine.jsonl").read_bytes() == kept
    assert PreparedFolder(root).counts == {"train": 10, "val": 4, "test": 0}
