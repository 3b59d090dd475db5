"""Every source that is found converts its drawn raw layout, resumes, and bears what is broken."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import tree_bytes

from curbside.convert import Conversion, Item, Source, convert, sources
from curbside.errors import DataError
from curbside.prepared import PreparedFolder
from curbside.scenes import ScenesConfig, layout_names, write_layout
from curbside.scenes.layouts import find_layout
from curbside.scenes.shot import Shot

OPTIONS = {"cvat": {"labels": "idd-id"}}
"""What a source must be told."""
SCRIPT = Path(__file__).resolve().parents[1] / "kill_at_random.py"
PAIRS = [
    (name, layout)
    for name in sorted(sources())
    for layout in layout_names()
    if layout == name or layout == f"{name}-colour"
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Callable[[str], Path]:
    """A set in a raw layout, drawn once."""
    base = tmp_path_factory.mktemp("drawn")

    def tree(layout: str) -> Path:
        if not (base / layout).exists():
            config = ScenesConfig(size_hw=(48, 64), train=6, val=1, test=1, workers=1)
            write_layout(base / layout, config, layout)
        return base / layout

    return tree


@pytest.fixture
def copied(drawn, tmp_path) -> Callable[[str], Path]:
    """A set of one's own, to break."""
    return lambda layout: Path(shutil.copytree(drawn(layout), tmp_path / "raw"))


def source_of(name: str, root: Path) -> Source:
    return sources()[name](root=root, **OPTIONS.get(name, {}))


def run(name: str, root: Path, out: Path) -> Conversion:
    return convert(source_of(name, root), out, workers=1)


def picture_of(item: Item) -> Path:
    image = item.load().image
    assert isinstance(image, Path)
    return image


def labelled(source: Source) -> list[Item]:
    return [item for item in source.plan() if item.load().targets()]


@pytest.mark.parametrize("name", sorted(sources()))
def test_scenes_write_its_raw_layout(name):
    assert name in layout_names(), (
        f"scenes cannot write what the source {name} reads: "
        f"add scenes/layouts/{name.replace('-', '_')}.py"
    )


@pytest.mark.parametrize("name", sorted(sources()))
def test_its_file_shows_the_layout_and_its_class_says_what_it_is(name):
    kind = sources()[name]
    module = sys.modules[kind.__module__]
    assert "::\n" in (module.__doc__ or ""), f"{module.__name__} shows no folder layout"
    first = (kind.__doc__ or "").strip().splitlines()[0]
    assert first.endswith(".") and not first.startswith(kind.__name__ + "(")


@pytest.mark.parametrize(("name", "layout"), PAIRS)
def test_what_was_drawn_is_converted_whole(drawn, tmp_path, name, layout):
    source = source_of(name, drawn(layout))
    items = source.plan()
    assert list(map(repr, source.plan())) == list(map(repr, items)), (
        "the same folder is planned otherwise the second time"
    )
    assert len({(item.split, item.id) for item in items}) == len(items) >= 8
    sent = pickle.loads(pickle.dumps(items))
    assert list(map(repr, sent)) == list(map(repr, items))
    result = convert(source, tmp_path / "out", workers=1)
    assert result.problems == () and result.converted == len(items)
    assert dict(result.unknown_labels) == {}
    folder = PreparedFolder(tmp_path / "out")
    for split, counts in result.counts.items():
        samples = folder.samples(split)
        assert len(samples) == counts["samples"]
        assert {sample.id for sample in samples} == {i.id for i in items if i.split == split}


@pytest.mark.parametrize(("name", "layout"), PAIRS)
def test_truncated_pictures_are_reported_and_the_rest_is_converted(
    drawn, copied, tmp_path, name, layout
):
    whole = run(name, drawn(layout), tmp_path / "whole")
    root = copied(layout)
    item = labelled(source_of(name, root))[0]
    picture = picture_of(item)
    picture.write_bytes(picture.read_bytes()[:-200])
    result = run(name, root, tmp_path / "out")
    assert [problem.id for problem in result.problems] == [item.id]
    assert picture.name in result.problems[0].message and "\n" not in result.problems[0].message
    assert result.converted == whole.converted - 1
    left = tree_bytes(tmp_path / "out")
    same = {path: data for path, data in tree_bytes(tmp_path / "whole").items() if "/" in path}
    assert {path: data for path, data in left.items() if "/" in path}.items() <= same.items()


@pytest.mark.parametrize(
    ("name", "layout", "number"),
    [*((*pair, 0) for pair in PAIRS), ("sidewalk", "sidewalk", 1), ("sidewalk", "sidewalk", 2)],
)
@pytest.mark.parametrize("broken", ["missing", "truncated", "empty", "a folder"])
def test_whatever_is_wrong_with_one_street_no_other_suffers(
    drawn, copied, tmp_path, name, layout, number, broken
):
    """Each file of a street in turn: what the source reads is reported, the others are untouched."""
    run(name, drawn(layout), tmp_path / "whole")
    whole, root = tree_bytes(tmp_path / "whole"), copied(layout)
    kind = find_layout(layout)
    shot = Shot(
        seed=0,
        split="train",
        number=number,
        condition=kind.conditions[number],
        size_hw=(48, 64),
    )
    files = [root / path for path in kind.files(shot)]
    items = source_of(name, root).plan()
    own = {item.id for item in items if item.split == "train" and picture_of(item) in files}
    others = {
        path: data
        for path, data in whole.items()
        if "/" in path and not (path.startswith("train/") and Path(path).stem in own)
    }
    reported = 0
    for turn, path in enumerate(files):
        content = path.read_bytes()
        path.unlink()
        if broken == "truncated":
            path.write_bytes(content[: len(content) // 2])
        elif broken == "empty":
            path.touch()
        elif broken == "a folder":
            path.mkdir()
        result = run(name, root, tmp_path / f"out{turn}")
        if path.is_dir():
            path.rmdir()
        path.write_bytes(content)
        assert others.items() <= tree_bytes(tmp_path / f"out{turn}").items(), path
        for problem in result.problems:
            assert "\n" not in problem.message
            assert problem.id in own or path.name in problem.message, (path, problem)
        reported += bool(result.problems)
    # The picture, and what says its truth; without it nobody knows of a picture that it names.
    assert reported >= (1 if name == "cvat" and broken in ("missing", "a folder") else 2)


@pytest.mark.parametrize("name", sorted(sources()))
@pytest.mark.parametrize("kind", ["missing", "empty", "a file", "full of other things"])
def test_a_root_without_the_layout_is_one_line_and_makes_nothing(tmp_path, name, kind):
    root = tmp_path / "root"
    if kind == "a file":
        root.write_text("x")
    elif kind != "missing":
        root.mkdir()
    if kind == "full of other things":
        (root / "notes").mkdir()
        (root / "notes/thesis.txt").write_text("mine")
        (root / "picture.png").write_bytes(b"none")
    with pytest.raises(DataError) as caught:
        run(name, root, tmp_path / "out")
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_killed_at_random_moments_each_verb_ends_with_the_same_bytes(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--moments", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [(line["layout"], line["verb"]) for line in lines]
    verbs = ("scenes", "convert", "doctor")
    assert found == [(name, verb) for name in layout_names() for verb in verbs]
    assert done.returncode == 0 and all(line["differing"] == 0 for line in lines), lines
    assert sum(line["at work"] for line in lines) > len(lines) // 2  # there was something to kill
