"""The Manifest: a round trip, and everything hostile is one `ModelFileError`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fitted import scaled
from hypothesis import given
from hypothesis import strategies as st

from curbside.errors import CurbsideError, ModelFileError
from curbside.imaging import Normalization
from curbside.labels import load_space
from curbside.manifest import (
    METADATA_KEY,
    InputSpec,
    Manifest,
    OutputSpec,
    manifest_from_metadata,
    read_sidecar,
    write_sidecar,
)

SCALING = scaled(1.25)


def manifest(**changes: Any) -> Manifest:
    parts: dict[str, Any] = {
        "input": InputSpec(size_hw=(512, 1024)),
        "outputs": (
            OutputSpec(name="ids", meaning="ids"),
            OutputSpec(name="sure", meaning="confidence"),
        ),
        "space": load_space("camvid11"),
        "normalization": Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5)),
        "model": "LR-ASPP",
        "source": {"recipe": "x", "step": 7},
        "calibration": {"images": 64},
        "temperature_scaling": SCALING,
        "scores": {"val": {"miou": 0.5}},
    }
    return Manifest(**{**parts, **changes})


def test_round_trip_through_the_metadata_of_a_file():
    before = manifest()
    after = manifest_from_metadata({METADATA_KEY: before.to_json()}, Path("m.onnx"))
    assert after == before
    assert after.output("confidence") == OutputSpec(name="sure", meaning="confidence")
    assert after.output("logits") is None


def test_round_trip_beside_the_file(tmp_path):
    (tmp_path / "m.hef.json").write_text(manifest().to_json())
    assert read_sidecar(tmp_path / "m.hef") == manifest()
    assert manifest_from_metadata({}, tmp_path / "m.hef") == manifest()


def test_a_temperature_is_said_to_be_folded_and_files_without_one_have_one():
    data = manifest().to_dict()
    assert data["temperature_scaling"]["folded"] is True
    assert Manifest.from_dict(data, where="m.onnx").temperature == 1.25
    old = manifest(temperature_scaling=None)
    assert "temperature_scaling" not in old.to_dict()  # as files were before there was any
    after = Manifest.from_dict(old.to_dict(), where="m.onnx")
    assert after == old and after.temperature == 1.0


def test_scores_are_added_to_a_copy():
    before = manifest()
    after = before.with_scores("test", {"miou": 0.4})
    assert after.scores == {"val": {"miou": 0.5}, "test": {"miou": 0.4}}
    assert before.scores == {"val": {"miou": 0.5}}


def test_a_file_without_one_is_refused_with_the_way_to_get_one(tmp_path):
    with pytest.raises(ModelFileError, match=r"carries no Manifest.*curbside export"):
        manifest_from_metadata({}, tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": ()},
        {"outputs": (OutputSpec(name="c", meaning="confidence"),)},
        {"input": InputSpec(size_hw=(0, 5))},
        {"input": InputSpec(size_hw=(5, 5), fit="letterbox")},
        {"outputs": (OutputSpec(name="d", meaning="detections"),)},
        {"task": "instances"},
        {"task": "instances", "outputs": (OutputSpec(name="d", meaning="detections"),)},
    ],
)
def test_parts_that_contradict_each_other_are_refused(changes):
    with pytest.raises(ModelFileError):
        manifest(**changes)


HOSTILE: list[tuple[tuple[str, ...], Any]] = [
    (("format",), 3),
    (("format",), "new"),
    (("format",), None),
    (("format",), 1e999),
    (("task",), "depth"),
    (("task",), ["semantic"]),
    (("input",), None),
    (("input", "size_hw"), [512]),
    (("input", "size_hw"), [512, "wide"]),
    (("input", "size_hw"), [1e999, 5]),
    (("input", "size_hw"), [-1, 5]),
    (("input", "layout"), "CHWN"),
    (("input", "dtype"), "float16"),
    (("input", "channels"), "grey"),
    (("input", "extra"), 1),
    (("outputs",), []),
    (("outputs",), [{"name": "x", "meaning": "boxes"}]),
    (("outputs",), {"name": "x"}),
    (("space",), {}),
    (("space", "classes"), []),
    (("space", "classes"), [{"id": 300, "name": "x", "color": [0, 0, 0]}]),
    (("space", "classes"), [{"id": 1e999, "name": "x", "color": [0, 0, 0]}]),
    (("normalization",), {"mean": [0, 0, 0], "std": [1, 0, 1]}),
    (("normalization",), {"mean": [0, 0], "std": [1, 1]}),
    (("scores",), 5),
    (("temperature_scaling",), 1.25),
    (("temperature_scaling",), {}),
    (("temperature_scaling", "temperature"), -1.25),
    (("temperature_scaling", "temperature"), 0),
    (("temperature_scaling", "temperature"), 1e9),
    (("temperature_scaling", "temperature"), float("nan")),
    (("temperature_scaling", "temperature"), "1.25"),
    (("temperature_scaling", "temperature"), True),
    (("temperature_scaling", "temperature"), 10**400),
    (("temperature_scaling", "images"), "many"),
    (("temperature_scaling", "images"), 1e999),
    (("temperature_scaling", "ece_after"), None),
    (("temperature_scaling", "split"), ...),
    (("model",), ...),  # left out
]


@pytest.mark.parametrize(("place", "value"), HOSTILE, ids=[f"{p[-1]}={v}" for p, v in HOSTILE])
def test_hostile_values_are_one_model_file_error(place, value):
    data = json.loads(json.dumps(manifest().to_dict()))
    *path, last = place
    inner = data
    for key in path:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    with pytest.raises(ModelFileError) as caught:
        manifest_from_metadata({METADATA_KEY: json.dumps(data)}, Path("m.onnx"))
    assert "m.onnx" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", "[]", "5", '"x"'])
def test_text_that_is_no_manifest_is_one_model_file_error(text):
    with pytest.raises(ModelFileError):
        manifest_from_metadata({METADATA_KEY: text}, Path("m.onnx"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_an_edit_is_noticed_and_one_that_is_answered_for_is_not():
    data = json.loads(manifest().to_json())
    data["precision"] = "int8"
    with pytest.raises(ModelFileError, match="edited after it was written"):
        manifest_from_metadata({METADATA_KEY: json.dumps(data)}, Path("m.onnx"))
    del data["sha256"]
    assert (
        manifest_from_metadata({METADATA_KEY: json.dumps(data)}, Path("m.onnx")).precision == "int8"
    )
    reordered = dict(reversed(json.loads(manifest().to_json()).items()))
    text = json.dumps(reordered, indent=3)
    assert manifest_from_metadata({METADATA_KEY: text}, Path("m.onnx")) == manifest()


def test_a_manifest_beside_other_files_than_its_own_is_refused(tmp_path):
    path = tmp_path / "m.xml"
    path.write_bytes(b"graph")
    path.with_suffix(".bin").write_bytes(b"weights")
    write_sidecar(path, manifest(), parts=(".bin",))
    assert read_sidecar(path) == manifest()
    path.with_suffix(".bin").write_bytes(b"other weights")
    with pytest.raises(ModelFileError, match=r"m\.bin is not the file that m\.xml\.json"):
        read_sidecar(path)
    path.with_suffix(".bin").unlink()
    with pytest.raises(ModelFileError, match=r"m\.bin is missing"):
        read_sidecar(path)
    for name in ("m.xml", "m.xml.json"):  # under another name it is the same file
        (tmp_path / name).rename(tmp_path / name.replace("m.xml", "n.xml"))
    (tmp_path / "n.bin").write_bytes(b"weights")
    assert read_sidecar(tmp_path / "n.xml") == manifest()


@given(key=st.sampled_from(sorted(manifest().to_dict())), value=JSON)
def test_any_value_in_any_place_is_read_or_refused(key, value):
    data = {**manifest().to_dict(), key: value}
    try:
        assert isinstance(Manifest.from_dict(data, where="m.onnx"), Manifest)
    except CurbsideError as error:
        assert "m.onnx" in str(error)
