"""Bad files, seeded: one line names each, what else is there comes out as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from builders import tree_bytes
from builders_mutations import mutate
from hypothesis import given, settings
from hypothesis import strategies as st

from curbside.cli.labels import main as labels_verb
from curbside.convert import Source, convert, run_pipeline, sources
from curbside.convert.cvat_xml import read_cvat_image, scan_cvat
from curbside.convert.outward import formats, write_annotations
from curbside.convert.polygons import read_polygons
from curbside.convert.stereo import RESOLUTIONS, read_calibration
from curbside.errors import CurbsideError
from curbside.labels import load_space
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, examine, write_sample
from curbside.scenes import ScenesConfig, layout_names, write_layout
from curbside.scenes.layouts import find_layout
from curbside.scenes.shot import Shot

SIZE_HW = (48, 64)
STREETS = 6
TRIALS = 6
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "cvat": [{"labels": "idd-id"}],
    "cityscapes": [{"form": form} for form in ("labelids", "trainids", "polygons")],
}
"""What a source is told, in turn; nothing where it is not named."""
LAYOUTS = [
    (name, layout)
    for name in sorted(sources())
    for layout in layout_names()
    if layout == name or layout == f"{name}-colour"
]


def said(call: Callable[..., Any], *given: Any, **named: Any) -> str | None:
    """What a call that may refuse its input says; None where it does not."""
    try:
        call(*given, **named)
    except CurbsideError as error:
        assert "\n" not in str(error) and len(str(error)) < 5000
        return str(error)
    return None


def source_of(name: str, root: Path, turn: int) -> Source:
    options = OPTIONS.get(name, [{}])
    more = options[turn % len(options)]
    if name == "bdd100k":
        more = {"attributes": tuple(sorted((root / "labels").glob("*.json")))}
    return sources()[name](root=root, **more)


def linked(source: Path, target: Path) -> Path:
    """A copy of a tree whose files are links; `mutate` makes files anew."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target, copy_function=os.link))


def street(layout: str, root: Path, number: int) -> list[Path]:
    """The files of a street in train."""
    kind = find_layout(layout)
    condition = kind.conditions[number % len(kind.conditions)]
    shot = Shot(seed=0, split="train", number=number, condition=condition, size_hw=SIZE_HW)
    return [root / path for path in kind.files(shot)]


def samples_of(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if "/" in path}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Callable[[str], Path]:
    """A set in a raw layout, drawn once."""
    base = tmp_path_factory.mktemp("drawn")

    def tree(layout: str) -> Path:
        if not (base / layout).exists():
            config = ScenesConfig(size_hw=SIZE_HW, train=STREETS, val=1, test=1, workers=1)
            write_layout(base / layout, config, layout)
        return base / layout

    return tree


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_bad_files_are_named_and_all_others_converted(drawn, tmp_path, name, layout):
    """One file of every second street is made bad, in another way each time."""
    raw, whole = linked(drawn(layout), tmp_path / "raw"), {}
    for turn in range(len(OPTIONS.get(name, [{}]))):
        convert(source_of(name, raw, turn), tmp_path / f"whole{turn}", workers=1)
        whole[turn] = samples_of(tree_bytes(tmp_path / f"whole{turn}"))
    pictures = {(item.split, item.id): item.load().image for item in source_of(name, raw, 0).plan()}
    reported = 0
    for trial in range(TRIALS):
        random, turn = Random(trial), trial % len(whole)
        linked(drawn(layout), raw)
        hit = [street(layout, raw, number) for number in range(trial % 2, STREETS, 2)]
        bad = {path: mutate(path, random) for path in map(random.choice, hit)}
        own = {key for key, path in pictures.items() if any(path in files for files in hit)}
        before = sorted(raw.rglob("*"))
        result = convert(source_of(name, raw, turn), tmp_path / "out", workers=1)
        assert sorted(raw.rglob("*")) == before
        for problem in result.problems:
            assert "\n" not in problem.message and len(problem.message) < 5000
            named = any(path.name in problem.message for path in bad)
            assert (problem.split, problem.id) in own or named, (bad, problem)
        out = samples_of(tree_bytes(tmp_path / "out"))
        of_others = {
            path: data
            for path, data in whole[turn].items()
            if (path.partition("/")[0], Path(path).stem) not in own
        }
        assert of_others.items() <= out.items(), bad
        listed = (tmp_path / "out/samples.jsonl").read_bytes().splitlines()
        assert len(listed) == len({path for path in out if "/images/" in path})
        reported += len(result.problems)
        shutil.rmtree(tmp_path / "out")
    assert reported >= TRIALS // 2  # not every file of a street is read


@pytest.mark.parametrize("layout", ["bdd100k", "camvid-colour"])
def test_bad_lists_change_no_pixel(drawn, tmp_path, layout):
    name = layout.removesuffix("-colour")
    convert(source_of(name, drawn(layout), 0), tmp_path / "whole", workers=1)
    truth = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*/masks/*")}
    lists = [
        path.relative_to(drawn(layout)) for path in sorted(drawn(layout).rglob("*.[jt][sx][ot]*"))
    ]
    lists = [path for path in lists if path.name != "curbside-scenes.json"]
    assert len(lists) >= 3
    for trial in range(2 * TRIALS):
        raw = linked(drawn(layout), tmp_path / "raw")
        bad = raw / lists[trial % len(lists)]
        mutate(bad, Random(trial))
        source = source_of(name, raw, 0)
        message = said(convert, source, tmp_path / "out", workers=1)
        assert message is None or bad.name in message
        for path in (tmp_path / "out").glob("*/masks/*"):
            assert path.read_bytes() == truth[path.name]
        shutil.rmtree(tmp_path / "out", ignore_errors=True)


def test_the_official_pipeline_bears_bad_polygon_files(drawn, tmp_path):
    for trial in range(TRIALS):
        raw = linked(drawn("idd"), tmp_path / "raw")
        files = sorted((raw / "gtFine").rglob("*.json"))[trial % 2 :: 2]
        bad = {path.name.partition("_")[0]: mutate(path, Random(trial)) for path in files}
        result = run_pipeline(raw, tmp_path / "out", "level3Id", workers=1)
        for problem in result.problems:
            assert any(frame in problem.message for frame in bad), (bad, problem)
        assert result.drawn >= STREETS // 2
        shutil.rmtree(tmp_path / "out")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A prepared folder with all targets, one sample of it set aside."""
    root, space = tmp_path_factory.mktemp("prepared") / "data", load_space("camvid11")
    writer = PreparedWriter(root, space=space, source="hand")
    for number, split in enumerate(["train"] * 4 + ["val"] * 2):
        random = np.random.default_rng(number)
        ids = np.repeat(random.integers(0, 11, (4, 8), np.uint8), 4, axis=0)
        sample = SampleData(
            id=f"a{number}",
            split=split,
            image=random.integers(0, 256, (16, 8, 3), np.uint8),
            semantic=ids,
            instances=np.where(ids == 8, 8001, ids).astype(np.uint16),
            depth_m=random.random((16, 8), np.float32),
            confidence=random.integers(0, 256, (16, 8), np.uint8),
            tags={"weather": "fog"},
        )
        writer.add(write_sample(root, sample, space))
    writer.finish()
    aside = {"id": "a0", "split": "train", "reasons": ["blurred"]}
    (root / "quarantine.jsonl").write_text(json.dumps(aside) + "\n")
    return root


def test_whoever_reads_a_bad_prepared_folder_says_so_in_a_line(prepared, tmp_path, capsys):
    kinds, refused = sorted(formats()), 0
    for trial in range(60):
        random = Random(trial)
        data = linked(prepared, tmp_path / "data")
        lists = sorted(data.glob("*.json*"))
        files = sorted(path for path in data.rglob("*.*") if path not in lists)
        for path in [lists[trial % 3], *random.sample(files, 2)]:
            mutate(path, random)
        said(labels_verb, [str(data)])  # printed as UTF-8, or it raises
        capsys.readouterr()
        refused += said(_examined, data) is not None
        try:
            folder = PreparedFolder(data)
        except CurbsideError as error:
            assert str(data) in str(error)
            continue
        for sample in [s for split in ("train", "val") for s in _samples(folder, split)]:
            said(sample.read_bgr)
            said(sample.read_semantic)
            said(sample.read_instances)
            said(sample.read_depth_m)
            said(sample.read_confidence)
        form = formats()[kinds[trial % len(kinds)]]()
        said(write_annotations, form, folder, tmp_path / "out", workers=1)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert (
        10 < refused < 60
    )  # what lists the samples is bad in some, pictures and targets in others


def _examined(data: Path) -> str:
    return json.dumps(examine(data, workers=1).to_dict())


def _samples(folder: PreparedFolder, split: str) -> list[Any]:
    return folder.samples(split) if folder.counts[split] else []


def any_json(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | of
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["label", "polygon", "deleted", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )


CORNERS = st.lists(st.lists(st.integers(-9, 9) | st.floats(), min_size=1, max_size=3), max_size=5)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"label": any_json(st.just("car")), "polygon": CORNERS | any_json(CORNERS)}
    )
    | any_json(st.nothing()),
    max_size=4,
)
FEW = settings(max_examples=100, deadline=None, derandomize=True, database=None)


@FEW
@given(height=any_json(st.just(8)), width=any_json(st.just(8)), objects=OBJECTS)
def test_any_json_is_polygons_or_a_line(tmp_path_factory, height, width, objects):
    path = tmp_path_factory.getbasetemp() / "polygons.json"
    path.write_text(json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects}))
    message = said(read_polygons, path)
    assert message is None or str(path) in message


WORDS = st.sampled_from(
    [
        "[LEFT_CAM_HD]",
        "[STEREO]",
        "[DEFAULT]",
        "fx=700",
        "BaseLine=120",
        "=",
        "[",
        "]",
        ":",
        " ",
        "%(",
    ]
)


@FEW
@given(lines=st.lists(WORDS | st.text(max_size=9), max_size=9), end=st.binary(max_size=3))
def test_any_conf_is_a_calibration_or_a_line(tmp_path_factory, lines, end):
    path = tmp_path_factory.getbasetemp() / "a.conf"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass") + end)
    size_hw = next(size for size, name in RESOLUTIONS.items() if name == "HD")
    message = said(read_calibration, path, size_hw)
    assert message is None or str(path) in message


XML_WORDS = st.sampled_from(
    [
        *(
            "<annotations>",
            "</annotations>",
            "</image>",
            "<a",
            "/>",
            ">",
            "</a>",
            "<![CDATA[",
            "&a;",
        ),
        '<image id="0" name="a" width="9" height="9">',
        '<polygon label="car" points="1,1;5,1;5,5"/>',
        '<box label="car" xtl="1" ytl="1" xbr="nan" ybr="5"/>',
        '<mask label="car" left="0" top="0" width="3" height="3" rle="2,7"/>',
    ]
)


@FEW
@given(words=st.lists(XML_WORDS | st.text(max_size=5), max_size=12))
def test_any_xml_is_annotations_or_a_line(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "a.xml"
    path.write_bytes(("<annotations>" + "".join(words)).encode("utf-8", "surrogatepass"))

    def read() -> None:
        file = scan_cvat(path)
        for place in file.images if file else ():
            read_cvat_image(path, place)

    message = said(read)
    assert message is None or str(path) in message
