"""`curbside run` and `info`, as a person calls them; mistakes of `benchmark`, too."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from builders import photo
from tiny_models import SPACE, make_onnx, write_clip

from curbside.cli import main
from curbside.labels import load_space


@pytest.fixture
def model(tmp_path):
    return str(make_onnx(tmp_path / "m.onnx", size_hw=(36, 48)))


@pytest.fixture
def clip(tmp_path):
    return str(write_clip(tmp_path / "clip.mp4", frames=10))


def _frames(path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def test_run_saves_the_overlay(model, clip, tmp_path, capsys):
    saved = tmp_path / "out.mp4"
    assert main(["run", model, "--source", clip, "--save", str(saved), "--alpha", "1"]) == 0
    shown = capsys.readouterr().out
    assert "frames" in shown
    assert "network" in shown
    frames = _frames(saved)
    assert len(frames) == 10
    colors = np.array([item.color[::-1] for item in SPACE.classes])
    pixels = frames[5][::6, ::6].reshape(-1, 1, 3).astype(int)
    near = np.abs(pixels - colors).max(2).min(1)
    assert np.median(near) < 16  # what the lossy codec leaves of the class colours


def test_run_as_json(model, clip, capsys):
    arguments = ["run", model, "--source", clip, "--frames", "6", "--threads", "1", "--shares"]
    assert main([*arguments, "--json"]) == 0
    *events, data = map(json.loads, capsys.readouterr().out.splitlines())
    assert [event["event"] for event in events] == ["frame"] * 6
    assert [event["frame"] for event in events] == list(range(6))
    assert sum(events[3]["shares"].values()) == pytest.approx(1, abs=0.001)
    assert set(events[3]["stages_ms"]) == {
        "capture", "prepare", "network", "decode", "draw", "write",
    }  # fmt: skip
    assert data["event"] == "summary"
    assert (data["frames"], data["dropped"], data["saved"]) == (6, 0, None)
    assert (data["networks"], data["threads_per_network"]) == (1, 1)
    assert data["precision"] == "fp32"
    assert data["stages"]["network"]["count"] == 6
    assert sum(data["shares"].values()) == pytest.approx(1)
    assert set(data["shares"]) <= set(SPACE.names)


def test_run_with_legend_over_pictures_into_a_folder(model, tmp_path, capsys):
    for number in range(3):
        photo(tmp_path / "in" / f"{number}.png", size_hw=(120, 160), seed=number)
    out = tmp_path / "out"
    arguments = ["run", model, "--source", str(tmp_path / "in"), "--save", str(out), "--legend"]
    assert main(arguments) == 0
    assert sorted(path.name for path in out.iterdir()) == [f"00000{n}.jpg" for n in range(3)]
    height, width = cv2.imread(str(out / "000000.jpg")).shape[:2]
    assert height == 120
    assert width > 160


def test_run_over_a_video_that_ends_early_keeps_what_came(model, tmp_path, capsys):
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (96, 72))
    for seed in range(20):
        writer.write(np.random.default_rng(seed).integers(0, 255, (72, 96, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    saved = tmp_path / "out.mp4"
    arguments = ["run", model, "--source", str(path), "--save", str(saved), "--json"]
    assert main(arguments) == 2
    shown = capsys.readouterr()
    count = json.loads(shown.out.splitlines()[-1])["frames"]
    assert 3 < count < 17
    assert len(_frames(saved)) == count
    assert f"cut.avi ends early: {count} of 20 frames" in shown.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.onnx", "--source", "{clip}"], "none.onnx does not exist"),
        (["run", "{model}", "--source", "none.mp4"], "none.mp4 does not exist"),
        (["run", "{model}", "--source", "{clip}", "--save", "a.gif"], "no video name"),
        (["run", "{model}", "--source", "{clip}", "--threads", "0"], "0 threads"),
        (["run", "{clip}", "--source", "{clip}"], "no backend opens clip.mp4"),
        (["benchmark", "{model}", "--source", "{clip}", "--threads", "0"], "0 threads"),
        (["benchmark", "{model}", "--source", "none.mp4"], "none.mp4 does not exist"),
        (["benchmark", "{model}", "none.onnx", "--source", "{clip}"], "none.onnx does not exist"),
        (["benchmark", "{model}", "--source", "97"], "camera 97"),
        (["info", "none.onnx"], "none.onnx does not exist"),
        (["info", "{folder}"], "config.json does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(
    arguments, message, model, clip, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    filled = [part.format(model=model, clip=clip, folder=tmp_path) for part in arguments]
    before = sorted(tmp_path.iterdir())
    assert main(filled) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_info_of_a_model_file(model, capsys):
    assert main(["info", model]) == 0
    shown = capsys.readouterr().out
    assert "a convolution" in shown
    assert "0 road, 1 sky, 2 tree, 3 car" in shown
    assert main(["info", model, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["input"]["size_hw"] == [36, 48]
    assert data["runs_in"] == "fp32"
    assert len(data["sha256"]) == 64


def test_info_of_a_run(tmp_path, capsys):
    config = {
        "format": "curbside-run",
        "config": {"name": "a-recipe", "optimizer": {"lr": 0.001}},
        "model": "LR-ASPP",
        "label_space": load_space("camvid11").to_dict(),
        "commit": "abc123",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "metrics.csv").write_text("step,loss,miou\n10,2.5,\n20,,0.25\n30,1.5,\n")
    assert main(["info", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for part in ("a-recipe", "LR-ASPP", "abc123", "camvid11: 0 sky", "miou: 0.25", "loss: 1.5"):
        assert part in shown
    assert main(["info", str(tmp_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["last_metrics"] == {"step": "30", "loss": "1.5", "miou": "0.25"}
    assert data["config"]["optimizer"] == {"lr": 0.001}


@pytest.mark.parametrize("text", ["{", "[1, 2]", "\xff"])
def test_info_of_a_broken_run(tmp_path, text, capsys):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    assert main(["info", str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err


WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "onnx", "lightning", "timm", "matplotlib"):
            raise ModuleNotFoundError(f"no {name} on an edge device", name=name)

sys.meta_path.insert(0, Absent())
from curbside.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("verb", ["run", "benchmark"])
def test_runs_without_torch(model, clip, verb):
    command = [sys.executable, "-c", WITHOUT_TORCH, verb, model, "--source", clip]
    command += ["--frames", "5", "--json", *(["--rounds", "1"] if verb == "benchmark" else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert json.loads(lines[-1] if verb == "run" else done.stdout)["frames"] == 5
