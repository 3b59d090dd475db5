"""One network for classes and depth on the command line: described, run, shown and timed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from tiny_depth import make_depth_onnx, metres_of
from tiny_instances import make_constant_onnx
from tiny_joint import classes_of, make_joint_onnx
from tiny_models import SPACE, make_onnx, write_clip

from curbside.cli import main
from curbside.imaging import blend_classes, blend_depth
from curbside.manifest import DepthSpec, read_sidecar
from curbside.runtime import load_predictor


@pytest.fixture
def joint(tmp_path):
    return str(make_joint_onnx(tmp_path / "j.onnx", outputs="logits"))


def _refused(capsys, *arguments) -> str:
    assert main([str(item) for item in arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_plain_file_is_described(tmp_path, capsys):
    path = make_joint_onnx(tmp_path / "m.onnx", depth_stride=2, described=False)
    hints = ["--space", "camvid11", "--channels", "bgr", "--max-depth-m", "60"]
    hints += ["--focal-xy-px", "20", "21.5", "--camera", "a toy"]
    assert main(["describe", str(path), "--task", "semantic+depth", *hints]) == 0
    said = capsys.readouterr().out
    assert "semantic+depth, 11 classes of camvid11 and up to 60 m, input 16 x 12" in said
    assert "outputs ids (ids), depth (depth)" in said
    manifest = read_sidecar(path)
    assert manifest.depth == DepthSpec(max_m=60.0, focal_xy_px=(20.0, 21.5), camera="a toy")
    frame = np.random.default_rng(0).integers(100, 256, (12, 16, 3), np.uint8)
    with load_predictor(path, threads=1) as predictor:
        found = predictor(frame)
    np.testing.assert_array_equal(found.semantic.ids, classes_of(frame))
    corners = np.s_[::11, ::15]
    metres = metres_of(frame, stride=2)[::5, ::7]
    np.testing.assert_allclose(found.depth.depth_m[corners], metres, atol=2e-3)


@pytest.mark.parametrize(
    ("shapes", "taken"),
    [
        ({"a": (1, 2, 8, 8), "b": (1, 1, 4, 4)}, {"a": "logits", "b": "depth"}),
        ({"b": (1, 4, 4), "a": (1, 2, 8, 8)}, {"a": "logits", "b": "depth"}),
        ({"depth": (1, 1, 4, 4), "a": (1, 1, 8, 8)}, {"a": "logits", "depth": "depth"}),
        (
            {"a": (1, 1, 8, 8), "depth": (1, 1, 8, 8), "doubt": (1, 1, 8, 8)},
            {"a": "logits", "depth": "depth"},
        ),
        ({"a": (1, 1, 8, 8), "b": (1, 1, 8, 8)}, None),  # which of them is depth?
        ({"a": (1, 2, 8, 8), "b": (1, 1, 4, 4), "c": (1, 1, 4, 4)}, None),
        ({"depth": (1, 1, 4, 4)}, None),
        ({"a": (1, 2, 8, 8)}, None),
    ],
    ids=str,
)
def test_what_is_depth_is_told_by_its_channel_or_its_name(tmp_path, capsys, shapes, taken):
    maps = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    path = make_constant_onnx(tmp_path / "m.onnx", maps, size_hw=(32, 32), metadata={})
    words = ["describe", str(path), "--task", "semantic+depth", "--space", "road2"]
    if taken is None:
        said = _refused(capsys, *words)
        assert "expected for semantic+depth of 2 classes (road2) [1, classes, h, w]" in said
    else:
        assert main(words) == 0
        assert {item.name: item.meaning for item in read_sidecar(path).outputs} == taken


def _views(frame: np.ndarray, step: int) -> dict[str, np.ndarray]:
    """What is shown of a frame whose blocks of 8 x 8 are a pixel of the network, of every so many pixels:
    classes block by block, depth bilinear between their middles."""
    small, picture = frame[::8, ::8], frame[::step, ::step]
    ids = classes_of(small).astype(np.uint8).repeat(8, 0).repeat(8, 1)[::step, ::step]
    metres = np.minimum(metres_of(small), 80).astype(np.float32)
    depth = cv2.resize(metres, frame.shape[1::-1])[::step, ::step]
    return {
        "semantic": blend_classes(picture, ids, SPACE.palette),
        "depth": blend_depth(picture, depth),
    }


@pytest.mark.parametrize("view", [None, "semantic", "depth", "semantic+depth"])
def test_one_picture_is_shown_and_saved(tmp_path, capsys, joint, view):
    frame = np.random.default_rng(1).integers(100, 256, (12, 16, 3), np.uint8)
    frame = frame.repeat(8, 0).repeat(8, 1)  # so that JPEG keeps it
    source, saved = tmp_path / "frame.png", tmp_path / "out"
    cv2.imwrite(str(source), frame)
    arguments = ["run", joint, "--source", str(source), "--save", str(saved)]
    if view is not None:
        arguments += ["--view", view]
    assert main([*arguments, "--shares", "--json"]) == 0
    event, summary = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    small = frame[::8, ::8]
    assert event["ages"] == {"semantic": 0, "depth": 0} and event["objects"] is None
    counts = np.bincount(classes_of(small).ravel(), minlength=4) / small[..., 0].size
    shares = {name: round(share, 4) for name, share in zip(SPACE.names, counts, strict=True)}
    assert event["shares"] == {name: share for name, share in shares.items() if share}
    assert (summary["event"], summary["frames"], summary["depth"]) == ("summary", 1, None)
    (written,) = saved.iterdir()
    picture = cv2.imread(str(written)).astype(int)
    assert picture.shape == frame.shape
    if view == "semantic+depth":
        assert np.abs(picture[:24] - 24).mean() < 5 and np.abs(picture[72:] - 24).mean() < 5
        expected = np.hstack(list(_views(frame, 2).values()))
        picture = picture[24:72]
    else:
        expected = _views(frame, 1)[view or "semantic"]
    assert np.abs(picture - expected).mean() < 8


def test_a_folder_and_a_video_run(tmp_path, capsys, joint):
    clip, pictures = write_clip(tmp_path / "clip.mp4", frames=3), tmp_path / "pictures"
    arguments = ["run", joint, "--view", "semantic+depth", "--legend"]
    assert main([*arguments, "--source", str(clip), "--save", str(pictures)]) == 0
    assert "saved" in capsys.readouterr().out
    assert len(list(pictures.iterdir())) == 3
    video = tmp_path / "out.mp4"
    assert main([*arguments, "--source", str(pictures), "--save", str(video), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["frame"] * 3 + ["summary"]
    capture = cv2.VideoCapture(str(video))
    assert [capture.read()[1].shape for _ in range(3)] == [(72, 476, 3)] * 3  # two legends wide
    assert not capture.read()[0]


def test_what_would_do_nothing_or_come_twice_is_refused(tmp_path, capsys, joint):
    clip = write_clip(tmp_path / "clip.mp4", frames=2)
    run = ["run", joint, "--source", clip]
    depth, semantic = make_depth_onnx(tmp_path / "d.onnx"), make_onnx(tmp_path / "s.onnx")
    assert "both answer depth; give at most one" in _refused(capsys, *run, "--depth", depth)
    assert "both answer semantic" in _refused(
        capsys, "run", semantic, "--depth", joint, "--source", clip
    )
    said = _refused(capsys, *run, "--depth-every", "3")
    assert "in one look" in said and "leave out --depth-every" in said
    said = _refused(capsys, *run, "--view", "panoptic")
    assert "choose frame, semantic, depth, semantic+depth, confidence" in said
    said = _refused(capsys, "run", depth, "--source", clip, "--view", "semantic+depth")
    assert "cannot show semantic+depth, which takes another network" in said


def test_it_is_timed_whole(tmp_path, capsys, joint, monkeypatch):
    monkeypatch.setattr("curbside.runtime.benchmark.timing._WARM_UP_S", 0.0)
    monkeypatch.setattr("curbside.runtime.benchmark.run.measure_memory", lambda *a, **k: None)
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    arguments = ["benchmark", joint, "--source", str(clip), "--frames", "2", "--rounds", "1"]
    assert main([*arguments, "--threads", "1", "--json"]) == 0
    (speed,) = json.loads(capsys.readouterr().out)["models"]
    (network,) = speed["networks"]
    assert network["task"] == "semantic+depth"
    assert speed["stages"]["decode"]["count"] > 0 and speed["stages"]["draw"]["count"] > 0
