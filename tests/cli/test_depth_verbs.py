"""A depth network on the command line: described, shown, run, and refused where classes are needed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from builders_data import blocks_folder
from tiny_depth import make_depth_onnx, metres_of
from tiny_instances import make_constant_onnx
from tiny_models import make_onnx, write_clip

from curbside.cli import main
from curbside.manifest import DepthSpec, read_sidecar
from curbside.results import DepthResult
from curbside.runtime import load_predictor


@pytest.mark.parametrize("form", ["channels", "plain", "channels last"])
def test_a_plain_file_is_described(tmp_path, capsys, form):
    path = make_depth_onnx(tmp_path / "m.onnx", form=form, described=False)
    hints = ["--max-depth-m", "60", "--focal-xy-px", "20", "21.5", "--camera", "a toy"]
    assert main(["describe", str(path), "--task", "depth", "--channels", "bgr", *hints]) == 0
    said = capsys.readouterr().out
    assert "depth, up to 60 m, input 16 x 12 bgr times 1 (stretch), outputs depth (depth)" in said
    manifest = read_sidecar(path)
    assert manifest.depth == DepthSpec(max_m=60.0, focal_xy_px=(20.0, 21.5), camera="a toy")
    frame = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    with load_predictor(path, threads=1) as predictor:
        np.testing.assert_allclose(predictor(frame).depth_m, metres_of(frame), atol=2e-3)
    assert main(["info", str(path)]) == 0
    assert "max_m: 60.0" in capsys.readouterr().out


def test_of_several_outputs_the_one_called_depth_is_it(tmp_path):
    maps = {name: np.ones((1, 1, 4, 4), np.float32) for name in ("doubt", "depth")}
    path = make_constant_onnx(tmp_path / "m.onnx", maps, size_hw=(32, 32), metadata={})
    assert main(["describe", str(path), "--task", "depth"]) == 0
    assert [item.name for item in read_sidecar(path).outputs] == ["depth"]


def test_what_cannot_be_described_is_said_in_one_line(tmp_path, capsys):
    def refused(*arguments: str) -> str:
        assert main(["describe", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    path = str(make_depth_onnx(tmp_path / "m.onnx", described=False))
    maps = {name: np.ones((1, 1, 4, 4), np.float32) for name in ("one", "two")}
    two = make_constant_onnx(tmp_path / "two.onnx", maps, size_hw=(32, 32), metadata={})
    assert "expected for depth one [1, 1, h, w]" in refused(str(two), "--task", "depth")
    assert "has no classes" in refused(path, "--task", "depth", "--space", "coco80")
    assert "cannot be -3" in refused(path, "--task", "depth", "--max-depth-m", "-3")
    assert "say nothing of a network for semantic" in refused(
        path, "--task", "semantic", "--max-depth-m", "80"
    )
    assert not list(tmp_path.glob("*.json"))


def test_a_depth_network_runs_over_a_clip(tmp_path, capsys):
    path = make_depth_onnx(tmp_path / "m.onnx")
    clip, saved = write_clip(tmp_path / "clip.mp4", frames=3), tmp_path / "out"
    arguments = ["run", str(path), "--source", str(clip), "--save", str(saved)]
    assert main([*arguments, "--shares", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["frame"] == 0
    pictures = [cv2.imread(str(item)) for item in sorted(saved.iterdir())]
    assert len(pictures) == 3
    source = cv2.VideoCapture(str(clip))
    with load_predictor(path, threads=1) as predictor:
        for picture in pictures:
            frame = source.read()[1]
            result = predictor(frame)
            assert isinstance(result, DepthResult)
            assert np.abs(picture.astype(int) - result.draw(frame)).mean() < 5  # saved as JPEG


def test_where_classes_are_needed_it_is_refused_in_one_line(tmp_path, capsys):
    depth, semantic = make_depth_onnx(tmp_path / "m.onnx"), make_onnx(tmp_path / "s.onnx")
    data = blocks_folder(tmp_path / "data", train=1, val=1)
    assert main(["compare", str(depth), str(semantic), "--data", str(data)]) == 2
    said = capsys.readouterr().err
    assert "m.onnx is a network for the task depth" in said and said.count("\n") == 1
    clip = write_clip(tmp_path / "clip.mp4", frames=2)
    assert main(["compare", str(semantic), str(depth), "--source", str(clip)]) == 2
    said = capsys.readouterr().err
    assert "m.onnx answers depth" in said and said.count("\n") == 1
