"""`curbside describe` and `curbside run` on networks from elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_instances import make_constant_onnx, random_raw
from tiny_models import make_onnx, write_clip

from curbside.cli import main
from curbside.manifest import read_sidecar
from curbside.runtime import InstancePredictor, load_predictor

NAMES = {"names": "{0: 'car', 1: 'person', 2: 'dog'}"}


def _network(path, *, metadata=NAMES, open_shapes=False, drop=(), size_hw=(64, 96)):
    arrays = random_raw(1, size_hw=size_hw).whole()[0]
    arrays = {name: array for name, array in arrays.items() if name not in drop}
    return make_constant_onnx(
        path, arrays, size_hw=size_hw, metadata=metadata, open_shapes=open_shapes
    )


@pytest.mark.parametrize("open_shapes", [False, True])
def test_a_described_network_runs(tmp_path, capsys, open_shapes):
    path = _network(tmp_path / "m.onnx", open_shapes=open_shapes)
    assert main(["describe", str(path)]) == 0
    assert "m.onnx.json: instances, 3 classes of m, input 96 x 64 rgb" in capsys.readouterr().out
    manifest = read_sidecar(path)
    assert manifest.task == "instances"
    assert manifest.space.names == ("car", "person", "dog")
    assert all(item.has_instances for item in manifest.space.classes)
    assert len({item.color for item in manifest.space.classes}) == 3
    assert (manifest.input.fit, manifest.input.channels) == ("letterbox", "rgb")
    assert manifest.input.scale == pytest.approx(1 / 255)
    with load_predictor(path, threads=1) as predictor:
        assert isinstance(predictor, InstancePredictor)
        assert len(predictor(np.zeros((50, 90, 3), np.uint8))) > 3
    clip, saved = write_clip(tmp_path / "clip.mp4", frames=3), tmp_path / "out"
    arguments = ["run", str(path), "--source", str(clip), "--save", str(saved), "--json"]
    assert main([*arguments, "--shares"]) == 0
    data = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert data["frames"] == 3
    assert set(data["objects"]) <= {"car", "person", "dog"}
    every = sum(data["objects"].values())
    assert every > 3
    assert 0 < sum(data["shares"].values()) <= 1
    assert len(list(saved.iterdir())) == 3
    assert main([*arguments, "--confidence", "0.8", "--iou", "0.3"]) == 0
    assert sum(json.loads(capsys.readouterr().out.splitlines()[-1])["objects"].values()) < every
    assert main(arguments[:-1]) == 0
    assert "objects per frame" in capsys.readouterr().out


def test_names_of_a_shipped_space_bring_its_colours(tmp_path):
    from curbside.labels import load_space

    coco = load_space("coco80")
    assert all(item.has_instances for item in coco.classes)
    assert len({item.color for item in coco.classes}) == len(coco.classes) == 80
    arrays = {
        "output0": np.zeros((1, 4 + 80 + 2, 21), np.float32),
        "output1": np.zeros((1, 2, 8, 8), np.float32),
    }
    names = {"names": str(dict(enumerate(coco.names)))}
    path = make_constant_onnx(tmp_path / "m.onnx", arrays, size_hw=(32, 32), metadata=names)
    assert main(["describe", str(path)]) == 0
    assert read_sidecar(path).space == coco


def test_a_folder_that_must_not_be_written_is_left_alone(tmp_path):
    (tmp_path / "in").mkdir()
    path, out = _network(tmp_path / "in" / "m.onnx"), tmp_path / "out"
    assert main(["describe", str(path), "--out", str(out)]) == 0
    assert main(["describe", str(path), "--out", str(out)]) == 0
    assert [item.name for item in path.parent.iterdir()] == ["m.onnx"]
    assert sorted(item.name for item in out.iterdir()) == ["m.onnx", "m.onnx.json"]
    other = _network(tmp_path / "in" / "m.onnx", size_hw=(32, 64))
    assert main(["describe", str(other), "--out", str(out)]) == 0
    with load_predictor(out / "m.onnx", threads=1) as predictor:
        assert predictor.manifest.input.size_hw == (32, 64)
    assert main(["describe", str(other), "--out", str(other.parent)]) == 0


@pytest.mark.parametrize("outputs", ["ids", "logits"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_semantic_networks(tmp_path, capsys, outputs, layout):
    names = {"names": "['road', 'sky', 'tree', 'car']"}
    path = make_onnx(tmp_path / "m.onnx", outputs=outputs, layout=layout, metadata=names)
    arguments = ["describe", str(path), "--task", "semantic", "--channels", "bgr"]
    assert main([*arguments, "--mean", "0.5", "0.4", "0.3", "--std", "0.2", "0.2", "0.2"]) == 0
    manifest = read_sidecar(path)
    assert manifest.task == "semantic"
    assert manifest.normalization.mean == (0.5, 0.4, 0.3)
    assert manifest.input.fit == "stretch"
    frame = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    known = make_onnx(tmp_path / "k.onnx", outputs=outputs, layout=layout)
    with load_predictor(path, threads=1) as one, load_predictor(known, threads=1) as two:
        np.testing.assert_array_equal(one(frame).ids, two(frame).ids)


def _refused(capsys, *arguments) -> str:
    assert main(["describe", *map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_what_cannot_be_described_is_said_in_one_line(tmp_path, capsys):
    path = _network(tmp_path / "m.onnx")
    assert "expected for instances of 80 classes (coco80)" in _refused(
        capsys, path, "--space", "coco80"
    )
    assert "found [1, 12, " in _refused(capsys, path, "--space", "coco80")
    assert "did you mean coco80" in _refused(capsys, path, "--space", "coco8")
    assert "expected for semantic" in _refused(capsys, path, "--task", "semantic")
    assert "is no ONNX file" in _refused(capsys, tmp_path / "m.hef")
    assert "does not exist" in _refused(capsys, tmp_path / "none.onnx")
    assert "cannot be multiplied with -1" in _refused(capsys, path, "--scale", "-1")
    assert "does not name its classes" in _refused(
        capsys, _network(tmp_path / "n.onnx", metadata={})
    )
    assert "expected for instances" in _refused(
        capsys, _network(tmp_path / "o.onnx", drop=("protos",))
    )
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    assert "cannot be loaded" in _refused(capsys, tmp_path / "broken.onnx")
    assert "carries its Manifest inside already" in _refused(
        capsys, make_onnx(tmp_path / "own.onnx")
    )
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    "names", ["{", "{1: 'a'}", "5", "[1, 2, 3]", "__import__('os')", "[" * 500, "['a', 'a', 'b']"]
)
def test_names_that_are_none(tmp_path, capsys, names):
    path = _network(tmp_path / "m.onnx", metadata={"names": names})
    _refused(capsys, path)


def test_objects_are_not_chosen_where_there_are_none(tmp_path, capsys):
    model, clip = make_onnx(tmp_path / "m.onnx"), write_clip(tmp_path / "clip.mp4", frames=2)
    assert main(["run", str(model), "--source", str(clip), "--confidence", "0.4"]) == 2
    assert "there are no objects to choose from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "taken"),
    [((1, 1, 8, 8), True), ((1, 2, 8, 8), True), ((1, 3, 8, 8), False), ((2, 1, 8, 8), False)],
)
def test_yes_or_no_is_one_score_or_two_of_one_picture(tmp_path, capsys, shape, taken):
    arrays = {"scores": np.zeros(shape, np.float32)}
    path = make_constant_onnx(tmp_path / "m.onnx", arrays, size_hw=(32, 32))
    words = [path, "--task", "semantic", "--space", "road2"]
    if not taken:
        assert "expected for semantic of 2 classes (road2)" in _refused(capsys, *words)
        return
    assert main(["describe", *map(str, words)]) == 0
    (output,) = read_sidecar(path).outputs
    assert output.meaning == "logits"
