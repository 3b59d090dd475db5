"""`curbside evaluate` for a network that finds objects, and for two networks fused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders_outward import make_prepared
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import SPACE, make_manifest, make_onnx

from curbside.cli import main
from curbside.labels import LabelClass
from curbside.manifest import METADATA_KEY

pytest.importorskip("matplotlib")
pytest.importorskip("faster_coco_eval")

RAW = random_raw(1)
THINGS = replace(
    SPACE,
    classes=(
        *(replace(c, has_instances=c.name == "car") for c in SPACE.classes),
        LabelClass(id=4, name="person", color=(9, 9, 9), has_instances=True),
    ),
)


@pytest.fixture
def semantic(tmp_path) -> str:
    space = replace(THINGS, classes=THINGS.classes[:4])
    return str(make_onnx(tmp_path / "s.onnx", manifest=make_manifest(space=space)))


@pytest.fixture
def finder(tmp_path) -> str:
    arrays, outputs = RAW.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    path = tmp_path / "i.onnx"
    return str(make_constant_onnx(path, arrays, size_hw=RAW.size_hw, metadata=metadata))


@pytest.fixture
def data(tmp_path) -> str:
    instances = np.zeros((64, 96), np.uint16)
    instances[:20] = 1
    instances[30:60, 20:60] = 3001
    instances[5:15, 70:90] = 4001
    samples = {f"val/{name}": {"instances": instances, "tags": {"n": name}} for name in "abc"}
    samples["val/m"] = {"semantic": np.zeros((64, 96), np.uint8)}
    return str(make_prepared(tmp_path / "data", samples, space=THINGS).root)


def test_objects_are_scored_and_the_shown_threshold_is_chosen(finder, data, capsys):
    assert main(["evaluate", finder, data, "--by", "n", "--confidence", "0.3", "--iou", "0.6"]) == 0
    shown = capsys.readouterr().out
    assert "mask AP" in shown and "precision above 0.3" in shown and "person" in shown
    report = Path(finder).with_name("i.onnx.eval-val") / "report.json"
    found = json.loads(report.read_text())
    assert (found["threshold"], found["confidence"], found["iou"]) == (0.3, 0.001, 0.6)
    assert found["images"] == 3 and found["skipped"] == {"without instances": 1}
    assert found["scores"]["objects"] == 6 and found["classes"]["model_only"] == ["dog"]
    assert found["classes"]["data_only"] == []


def test_with_a_limit_only_pictures_with_objects_are_taken(finder, data, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["evaluate", finder, data, "--limit", "2", "--json", "--out", str(out)]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["skipped"]) == (2, {})
    assert found["report"] == str(out / "report.html")


def test_two_networks_fused_are_scored_by_panoptic_quality(semantic, finder, data, capsys):
    arguments = ["evaluate", semantic, data, "--instances", finder, "--confidence", "0.4"]
    assert main([*arguments, "--fusion.min-area", "0"]) == 0
    shown = capsys.readouterr().out
    assert "a convolution + numbers by chance" in shown and "stuff" in shown
    report = Path(semantic).with_name("s.onnx.eval-val-panoptic") / "report.json"
    found = json.loads(report.read_text())
    assert (found["settings"]["score"], found["settings"]["min area"]) == (0.4, 0)
    assert found["images"] == 3 and found["miou"] is None
    names = [item["name"] for item in found["scores"]["classes"]]
    assert names == ["road", "sky", "tree", "car"]  # the data's person is no class of the map


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("finder", ["--common"], "--common says nothing here: objects are always compared"),
        ("semantic", ["--confidence", "0.5"], "gives a class for every pixel and finds no objects"),
        ("semantic", ["--iou", "0.5"], "--iou says nothing here"),
        ("semantic", ["--fusion.score", "0.6"], "one network is fused with nothing"),
        ("finder", ["--confidence", "1.5"], "confidence is 1.5; give a share in 0..1"),
        ("finder", ["--limit", "0"], "--limit 0 leaves nothing"),
        ("finder", ["--instances", "{finder}"], "does not give a class for every pixel"),
        ("semantic", ["--instances", "{semantic}"], "does not give single objects"),
        ("semantic", ["--instances", "{finder}", "--common"], "--common says nothing here"),
    ],
)
def test_what_says_nothing_is_refused_in_one_line(
    model, more, said, semantic, finder, data, capsys
):
    paths = {"semantic": semantic, "finder": finder}
    arguments = [paths[model], data, *(item.format(**paths) for item in more)]
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
