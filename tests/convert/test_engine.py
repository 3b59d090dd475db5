"""The engine: parallel, resumable to the same bytes, and not stopped by a bad sample."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from builders import KILLED_AT, add_idd_frame, make_camvid_tree, make_idd_tree, tree_bytes

from curbside.convert import Camvid, Idd, Item, Source, convert, sources
from curbside.convert.engine import sum_counts
from curbside.convert.source import files_by_stem, held_out, unique
from curbside.errors import ConfigError, DataError, StorageError
from curbside.labels import LabelSpace, load_space
from curbside.prepared import SPLITS, PreparedFolder, SampleData, SampleRecord

CONVERT = """
from curbside.convert import Idd, convert
convert(Idd(root=Path(sys.argv[2])), Path(sys.argv[3]), workers=1)
"""


def killed(root: Path, out: Path, moment: int) -> subprocess.CompletedProcess:
    """A conversion that ends at the moment (see `KILLED_AT`)."""
    command = [sys.executable, "-c", KILLED_AT + CONVERT, str(moment), str(root), str(out)]
    return subprocess.run(command, capture_output=True, timeout=60)


def records(root: Path) -> list[SampleRecord]:
    folder = PreparedFolder(root)
    return [
        sample.record
        for split in SPLITS
        if folder.counts[split]
        for sample in folder.samples(split)
    ]


def idd(root: Path) -> Idd:
    return Idd(root=root)


def break_frame(root: Path, frame: str) -> tuple[Path, bytes]:
    """Truncate a picture; its path and its whole bytes."""
    (image,) = (root / "leftImg8bit/train").rglob(f"{frame}_leftImg8bit.*")
    whole = image.read_bytes()
    image.write_bytes(whole[:-1500])
    return image, whole


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A tree with one bad sample, and the bytes of its undisturbed conversion."""
    base = tmp_path_factory.mktemp("tree")
    make_idd_tree(base / "idd", train=4, val=1)
    break_frame(base / "idd", "000001")
    result = convert(idd(base / "idd"), base / "out", workers=1)
    assert [problem.id for problem in result.problems] == ["1_000001"] and result.converted == 4
    return base / "idd", tree_bytes(base / "out")


def test_the_folder_holds_what_it_should_and_no_more(tree):
    names = [f"0_00000{n}" for n in (0, 2)] + ["1_000003"]
    want = {"dataset.json", "samples.jsonl"}
    for split, ids in (("train", names), ("val", ["0_000000"])):
        for name in ids:
            suffix = ".png" if int(name[-1]) % 2 == 0 else ".jpg"
            want |= {f"{split}/{folder}/{name}.png" for folder in ("masks", "instances")}
            want.add(f"{split}/images/{name}{suffix}")
    assert set(tree[1]) == want


# 1: the journal; then mask, instances, picture of each of 4 samples; then the two final files.
@pytest.mark.parametrize("moment", [1, -1, 2, -3, 4, 5, -8, 11, 13, -14, 14, -15, 15])
def test_killed_at_any_moment_the_next_run_ends_with_the_same_bytes(tree, tmp_path, moment):
    root, whole = tree
    ended = killed(root, tmp_path / "out", moment)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert tree_bytes(tmp_path / "out") != whole
    result = convert(idd(root), tmp_path / "out", workers=1)
    assert [problem.id for problem in result.problems] == ["1_000001"]
    assert tree_bytes(tmp_path / "out") == whole


def test_an_unfinished_folder_is_not_taken_for_a_finished_one(tree, tmp_path):
    killed(tree[0], tmp_path / "out", 5)
    with pytest.raises(DataError, match="only half prepared; run the same convert command again"):
        PreparedFolder(tmp_path / "out")


def test_killed_with_worker_processes_it_resumes_to_the_bytes_of_one_process(tmp_path):
    make_idd_tree(tmp_path / "idd", train=60, val=4)
    convert(idd(tmp_path / "idd"), tmp_path / "whole", workers=1)
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "curbside.cli",
        "convert",
        "idd",
        str(tmp_path / "idd"),
        str(out),
    ]
    process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL)
    journal = out / ".journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.is_file() and journal.read_bytes().count(b"\n") > 4):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    told = children.exists()  # not every kernel lists them
    workers = children.read_text().split() if told else []
    process.kill()
    process.wait()
    assert workers or not told or (out / "dataset.json").exists()
    again = subprocess.run([*command, "--workers", "2"], capture_output=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert tree_bytes(out) == tree_bytes(tmp_path / "whole")
    assert not [pid for pid in workers if _is_python(pid)], "orphaned workers"


def _is_python(pid: str) -> bool:
    try:
        return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_finished_folder_is_left_untouched(tree, tmp_path):
    root, whole = tree
    convert(idd(root), tmp_path / "out", workers=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    result = convert(idd(root), tmp_path / "out", workers=1)
    assert result.converted == 0 and len(result.problems) == 1
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert tree_bytes(tmp_path / "out") == whole


def test_a_repaired_sample_is_picked_up_and_nothing_tells_it_from_a_good_one(tmp_path):
    make_idd_tree(tmp_path / "idd", train=3, val=1)
    convert(idd(tmp_path / "idd"), tmp_path / "whole", workers=1)
    image, content = break_frame(tmp_path / "idd", "000001")
    first = convert(idd(tmp_path / "idd"), tmp_path / "out", workers=1)
    assert first.converted == 3 and dict(first.counts["train"])["samples"] == 2
    image.write_bytes(content)
    second = convert(idd(tmp_path / "idd"), tmp_path / "out", workers=1)
    assert second.converted == 1 and second.problems == ()
    assert tree_bytes(tmp_path / "out") == tree_bytes(tmp_path / "whole")


def test_killed_while_picking_up_the_folder_stays_valid(tmp_path):
    make_idd_tree(tmp_path / "idd", train=3, val=1)
    convert(idd(tmp_path / "idd"), tmp_path / "whole", workers=1)
    image, content = break_frame(tmp_path / "idd", "000001")
    convert(idd(tmp_path / "idd"), tmp_path / "out", workers=1)
    image.write_bytes(content)
    # Names are taken by the sample's three files, then (4) by the journal, which is there from then
    # on, so first in the last run, whose fifth is samples.jsonl, before dataset.json.
    for moment in (2, -4, 4, 5):
        ended = killed(tmp_path / "idd", tmp_path / "out", moment)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        for sample in PreparedFolder(tmp_path / "out").samples("train"):
            sample.read_semantic()
    convert(idd(tmp_path / "idd"), tmp_path / "out", workers=1)
    assert tree_bytes(tmp_path / "out") == tree_bytes(tmp_path / "whole")


def test_a_file_lost_from_the_folder_is_made_again(tree, tmp_path):
    root, whole = tree
    convert(idd(root), tmp_path / "out", workers=1)
    (tmp_path / "out/train/images/0_000002.png").unlink()
    (tmp_path / "out/val/masks/0_000000.png").write_bytes(b"")  # emptied by a power cut
    result = convert(idd(root), tmp_path / "out", workers=1)
    assert result.converted == 2
    assert tree_bytes(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"labels": "level3"}, "labels is 'level2Id' there, 'level3Id' here"),
        ({"background": "unlabeled"}, "background is 'ignore' there, 'unlabeled' here"),
        ({"hold_out": 0.5}, "hold_out is not given there, 0.5 here"),
    ],
    ids=["labels", "background", "hold-out"],
)
def test_other_options_on_the_same_folder_are_refused(tree, tmp_path, other, says):
    root, whole = tree
    convert(idd(root), tmp_path / "out", workers=1)
    if "hold_out" in other:
        root = make_idd_tree(tmp_path / "no_val", val=0)
        add_idd_frame(root, drive="other")
    with pytest.raises(ConfigError, match=f"with other options: {says}; choose another folder"):
        convert(replace(idd(root), **other), tmp_path / "out", workers=1)
    assert tree_bytes(tmp_path / "out") == whole


def test_the_same_encoding_by_another_spelling_is_the_same(tree, tmp_path):
    root, _ = tree
    convert(Idd(root=root, labels="level2"), tmp_path / "out", workers=1)
    again = convert(Idd(root=root, labels="idd-level2"), tmp_path / "out", workers=1)
    assert again.converted == 0


def test_another_source_on_the_same_folder_is_refused(tree, tmp_path):
    convert(idd(tree[0]), tmp_path / "out", workers=1)
    with pytest.raises(ConfigError, match="another source: 'idd', not 'camvid'"):
        convert(Camvid(root=make_camvid_tree(tmp_path / "c")), tmp_path / "out", workers=1)


def test_a_folder_with_other_things_is_refused_and_kept(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        convert(idd(tree[0]), tmp_path / "out", workers=1)
    assert tree_bytes(tmp_path / "out") == {"thesis.txt": b"mine"}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: root.mkdir(), "has no leftImg8bit folder"),
        (lambda root: root.write_text("x"), "does not exist"),
        (lambda root: (root / "leftImg8bit").mkdir(parents=True), "has no pictures in train, val"),
        (
            lambda root: make_idd_tree(root / "IDD_Segmentation"),
            "no leftImg8bit folder: did you mean .*/root/IDD_Segmentation",
        ),
    ],
    ids=["missing", "empty", "a file", "no split", "one level too high"],
)
def test_a_root_without_the_layout_is_one_line_and_makes_nothing(tmp_path, make, says):
    make(tmp_path / "root")
    with pytest.raises(DataError, match=says):
        convert(idd(tmp_path / "root"), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_nothing_convertible_makes_nothing(tmp_path):
    _, truth = add_idd_frame(tmp_path / "idd")
    truth.write_text("{")
    with pytest.raises(DataError, match=r"not one of the 1 samples .* not valid JSON"):
        convert(idd(tmp_path / "idd"), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_without_verifying_a_truncated_picture_is_let_in(tmp_path):
    make_idd_tree(tmp_path / "idd", train=2, val=0)
    break_frame(tmp_path / "idd", "000001")
    result = convert(idd(tmp_path / "idd"), tmp_path / "out", workers=1, verify=False)
    assert result.problems == () and result.converted == 2


def test_no_workers_cannot_work(tree, tmp_path):
    with pytest.raises(ConfigError, match="0 workers"):
        convert(idd(tree[0]), tmp_path / "out", workers=0)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(tree, tmp_path, monkeypatch):
    root, whole = tree
    written = 0

    def full(source, target):
        nonlocal written
        written += 1
        if written == 2:
            raise OSError(28, "No space left on device")
        real(source, target)

    from curbside.prepared import writer

    real = writer.link_or_copy
    monkeypatch.setattr(writer, "link_or_copy", full)
    with pytest.raises((StorageError, OSError)) as caught:
        convert(idd(root), tmp_path / "out", workers=1)
    assert "No space left" in str(caught.value)
    result = convert(idd(root), tmp_path / "out", workers=1)
    assert result.converted == 3  # the first sample was journalled before the disk was full
    assert tree_bytes(tmp_path / "out") == whole


@dataclass(frozen=True, kw_only=True)
class OddItem(Item):
    value: int

    def load(self) -> SampleData:
        picture = np.zeros((4, 4, 3), np.uint8)
        mask = np.full((4, 4), self.value, np.uint8)
        return SampleData(id=self.id, split=self.split, image=picture, semantic=mask)


@dataclass(frozen=True, kw_only=True)
class Odd(Source):
    @property
    def space(self) -> LabelSpace:
        return load_space("camvid11")

    def plan(self) -> list[Item]:
        return [OddItem(id=str(n), split="val", value=10 + n) for n in range(3)]


def test_a_new_source_needs_items_and_a_space_alone(tmp_path):
    result = convert(Odd(root=tmp_path), tmp_path / "out", workers=1)
    assert [problem.id for problem in result.problems] == ["1", "2"]
    assert "the id 11" in result.problems[0].message
    assert (PreparedFolder(tmp_path / "out").samples("val")[0].read_semantic() == 10).all()
    assert result.to_dict()["counts"] == {"val": {"samples": 1, "semantic": 1}}


@dataclass(frozen=True, kw_only=True)
class BesideItem(OddItem):
    note: Path

    def load(self) -> SampleData:
        if self.value == 10:  # the next is no class: its sample cannot be written
            self.note.write_text("made")
        return super().load()

    def complete(self) -> bool:
        return self.note.exists()


@dataclass(frozen=True, kw_only=True)
class Beside(Odd):
    """Makes a note beside each sample, and one of the notes at its end."""

    def plan(self) -> list[Item]:
        return [
            BesideItem(id=str(n), split="val", value=10 + n, note=self.root / f"{n}.txt")
            for n in range(2)
        ]

    def finish(self, items: Sequence[Item]) -> None:
        made = [item.id for item in items if item.complete()]
        (self.root / "made.txt").write_text(" ".join(made))


def test_what_belongs_beside_a_sample_that_is_there_is_made_without_touching_it(tmp_path):
    source, out = Beside(root=tmp_path), tmp_path / "out"
    first = convert(source, out, workers=1)
    assert (first.converted, first.completed, len(first.problems)) == (1, 0, 1)
    assert (tmp_path / "made.txt").read_text() == "0"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    (tmp_path / "0.txt").unlink()
    (tmp_path / "made.txt").unlink()
    again = convert(source, out, workers=1)
    assert (again.converted, again.completed) == (0, 1)
    assert (tmp_path / "0.txt").exists() and (tmp_path / "made.txt").read_text() == "0"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert convert(source, out, workers=1).completed == 0


def test_an_address_without_a_cluster_is_refused(tree, tmp_path):
    with pytest.raises(ConfigError, match="choose the engine ray"):
        convert(idd(tree[0]), tmp_path / "out", workers=1, address="auto")


def test_every_source_of_the_folder_is_found():
    found = sources()
    assert found["idd"] is Idd and found["camvid"] is Camvid
    folder = Path(sys.modules["curbside.convert.inward"].__file__ or "").parent
    files = {path.stem for path in folder.glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in found} == files


@pytest.mark.parametrize("name", sorted(sources()))
def test_every_source_keeps_the_contract(name, tmp_path):
    source = sources()[name](root=tmp_path / "gone")
    assert source.name == name
    assert (sources()[name].__doc__ or "").strip()
    assert pickle.loads(pickle.dumps(source)) == source
    with pytest.raises(DataError, match="gone") as caught:
        source.plan()
    assert "\n" not in str(caught.value)


def test_items_survive_the_way_to_a_worker(tree):
    for item in idd(tree[0]).plan():
        assert pickle.loads(pickle.dumps(item)) == item


def test_stems_and_names(tmp_path):
    for name in ("a_x.png", "a_x.JPG", "b_x.jpeg", "c.png", ".d_x.png", "e_x.txt"):
        (tmp_path / name).touch()
    found = files_by_stem(tmp_path, ending="_x")
    assert {stem: [p.name for p in paths] for stem, paths in found.items()} == {
        "a": ["a_x.JPG", "a_x.png"],
        "b": ["b_x.jpeg"],
    }
    assert files_by_stem(tmp_path / "gone") == {}
    taken: set[str] = set()
    assert [unique("n", taken) for _ in range(3)] == ["n", "n-2", "n-3"]
    given = {unique(name, taken) for name in ["n", "n-3", "m", "n-5", "n", "m-2", "n", "m"] * 50}
    assert len(given) == 400 and len(taken) == 403


@dataclass(frozen=True, kw_only=True)
class GroupedItem(OddItem):
    drive: str

    @property
    def group(self) -> str:
        return self.drive


def of_drives(split: str, *drives: str, each: int = 4) -> list[Item]:
    return [
        GroupedItem(id=f"{drive}-{n}", split=split, value=10, drive=drive)
        for drive in drives
        for n in range(each)
    ]


def splits_of(items: Sequence[Item]) -> dict[str, set[str]]:
    """The splits that the samples of each drive of train ended in."""
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.group, set()).add(item.split)
    return found


def test_whole_drives_of_train_are_held_out_and_test_stays_test():
    train, test = of_drives("train", *"abcdefghij"), of_drives("test", *"abcdefghijk", each=9)
    held = held_out([*train, *test], 0.3)
    assert [item.id for item in held] == [item.id for item in [*train, *test]]
    assert held[40:] == test
    splits = splits_of(held[:40])
    assert all(len(found) == 1 for found in splits.values())
    chosen = {drive for drive, found in splits.items() if found == {"val"}}
    assert len(chosen) == 3  # 12 of 40 samples
    assert chosen != set("abc") and chosen != set("hij")  # by a hash, not by the alphabet
    turned = held_out([*test, *reversed(train)], 0.3)
    assert {i.group for i in turned if i.split == "val"} == chosen
    assert held_out(train, 0) == train


def test_something_always_stays_in_train():
    splits = splits_of(held_out(of_drives("train", "a", "b"), 0.99))
    assert sorted(map(sorted, splits.values())) == [["train"], ["val"]]


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan")])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(ConfigError, match="which is no share"):
        held_out(of_drives("train", "a", "b"), share)


def test_nothing_is_held_out_of_a_single_drive_or_beside_a_val_split():
    with pytest.raises(ConfigError, match="two or more drives"):
        held_out([*of_drives("train", "a"), *of_drives("test", "b")], 0.5)
    with pytest.raises(ConfigError, match="has its own val split"):
        held_out([*of_drives("train", "a", "b"), *of_drives("val", "c")], 0.5)


def test_counts_of_names_are_summed_the_highest_first():
    summed = sum_counts([{"b": 1, "a": 2, "c": 1}, {"b": 4}, {}])
    assert list(summed.items()) == [("b", 5), ("a", 2), ("c", 1)]


def test_drives_that_come_later_move_none_that_is_there(tmp_path):
    source = Idd(root=tmp_path / "idd", hold_out=0.4)
    for drive in "abcdef":
        for frame in range(1 + ord(drive) % 3):
            add_idd_frame(tmp_path / "idd", drive=drive, frame=f"{frame}")
    convert(source, tmp_path / "out", workers=1)
    splits = {s.id: s.split for s in records(tmp_path / "out")}
    assert set(splits.values()) == {"train", "val"}
    for drive in "abcdefghijklmn":
        for frame in range(3):
            add_idd_frame(tmp_path / "idd", drive=drive, frame=f"{frame}")
    convert(source, tmp_path / "out", workers=1)
    found = records(tmp_path / "out")
    assert len(found) == 14 * 3 == len({s.id for s in found})
    assert {s.id: s.split for s in found if s.id in splits} == splits
    of_drive = {s.id.partition("_")[0]: s.split for s in found}
    assert all(of_drive[s.id.partition("_")[0]] == s.split for s in found)  # none is divided
    assert 0.25 < sum(s.split == "val" for s in found) / len(found) < 0.55


def test_a_hold_out_that_cannot_be_makes_no_folder(tmp_path):
    add_idd_frame(tmp_path / "idd", drive="a")
    with pytest.raises(ConfigError, match="two or more drives"):
        convert(Idd(root=tmp_path / "idd", hold_out=0.4), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
