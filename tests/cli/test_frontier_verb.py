"""`curbside frontier` from the outside: runs and files, scores that are kept, and what can be wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from builders_data import blocks_folder
from builders_objects import objects_folder
from builders_outward import make_prepared
from tiny_instances import SPACE as THINGS
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import make_onnx, write_clip

from curbside.cli import main
from curbside.cli._frontier import _is_made
from curbside.evaluation import evaluate
from curbside.files import write_json
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.manifest import METADATA_KEY, TemperatureScaling
from curbside.prepared import PreparedFolder
from curbside.runtime import load_predictor

pytest.importorskip("matplotlib")
torch = pytest.importorskip("torch")
training = pytest.importorskip("curbside.training")
from safetensors.torch import load_file, save_file  # noqa: E402

_COUNTED = ("running_mean", "running_var", "num_batches_tracked")
"""What BatchNorm counts, which is no parameter."""


def _write_run(config: object, space: LabelSpace, channels: int, folder: Path) -> Path:
    """A run folder of a network with random weights."""
    from curbside.training.run_folder import describe

    torch.manual_seed(0)
    model = config.model.from_random().build(channels)
    write_json(folder / "config.json", describe(config, space, {}, "fp32"))
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder


def _run(folder: Path, data: Path, channels: int) -> Path:
    from curbside.models import EncoderConfig, LRASPPConfig

    encoder = EncoderConfig(name="mobilenetv4_conv_small_035", stages=4)
    config = training.TrainConfig(
        name="tiny",
        model=LRASPPConfig(encoder=encoder, channels=channels),
        data=training.DataConfig(root=(data,), crop_hw=(64, 96), eval_hw=(64, 96)),
        out=folder,
    )
    space = load_space("camvid11")
    return _write_run(config, space, space.num_channels, folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, the runs `a/net` and `b/net`, a run without weights, and `tiny.onnx`."""
    root = tmp_path_factory.mktemp("frontier")
    data = blocks_folder(root / "data", train=1, val=7)
    for parent, channels in (("a", 16), ("b", 24)):
        _run(root / parent / "net", data, channels)
    (root / "begun").mkdir()
    shutil.copy(root / "a/net/config.json", root / "begun/config.json")
    make_onnx(root / "tiny.onnx", size_hw=(64, 96))
    return root


def drawn(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """What the verb prints as JSON."""
    options = ["--json", "--threads", "1", "--runs", "2"]
    assert main(["frontier", *map(str, arguments), *options]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_two_runs_are_exported_scored_and_timed(made: Path, tmp_path: Path, capsys) -> None:
    out, results = tmp_path / "out", tmp_path / "results.md"
    arguments = [made / "a/net", made / "b/net", "--data", made / "data", "--out", out]
    first = drawn(capsys, *arguments, "--results", results)
    assert first["images"] == 7 and first["score"] == "mIoU" and not first["common"]
    assert [item["name"] for item in first["networks"]] == ["a/net", "b/net"]
    samples = PreparedFolder(made / "data").samples("val")
    for item, folder in zip(first["networks"], ("a/net", "b/net"), strict=True):
        assert item["interval"][0] <= item["score"] <= item["interval"][1]
        assert item["file"] == str(out / "models" / f"{folder}.onnx")
        assert item["whole"]["count"] >= 2 and item["whole"]["p50_ms"] >= item["network"]["p50_ms"]
        weights = load_file(made / folder / "model.safetensors")
        learnt = [value for key, value in weights.items() if not key.endswith(_COUNTED)]
        assert item["parameters"] == sum(value.numel() for value in learnt)
    # The score is that of the checkpoint, evaluated through torch.
    alone = evaluate(training.load_run_predictor(made / "b/net", device="cpu"), samples)
    assert first["networks"][1]["score"] == pytest.approx(alone.overall.miou, abs=2e-3)
    one, two = sorted(first["networks"], key=lambda item: item["whole"]["p50_ms"])
    assert one["dominated_by"] is None
    assert two["dominated_by"] == (one["name"] if two["score"] <= one["score"] else None)
    assert "<!-- frontier out -->" in results.read_text() and "| a/net |" in results.read_text()
    for name in ("report.html", "report.md", "report.json", "frontier.svg"):
        assert (out / name).stat().st_size > 500
    # Other weights, another size, another temperature are another file.
    file = out / "models/a/net.onnx"
    run = training.load_run_predictor(made / "a/net", device="cpu").manifest
    others = replace(run, source={**run.source, "weights_sha256": "0" * 64})
    facts = dict.fromkeys((item.name for item in fields(TemperatureScaling)), 1)
    warmer = replace(run, temperature_scaling=TemperatureScaling(**facts))
    made_of = [
        _is_made(file, manifest, size_hw, threads=1)
        for manifest in (run, others, warmer)
        for size_hw in ((64, 96), (32, 64))
    ]
    assert made_of == [True] + 5 * [False]
    file.write_bytes(b"half a file")
    assert not _is_made(file, run, (64, 96), threads=1)


def test_label_spaces_meet_at_common_classes_on_a_clip(made: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "camvid.onnx"
    arguments = ["frontier", str(made / "tiny.onnx"), "--data", str(made / "data")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "tiny.onnx: the model's label space is tiny" in (said := capsys.readouterr().err)
    assert "--common" in said and not (tmp_path / "out").exists()
    clip = write_clip(tmp_path / "clip.mp4", frames=3)
    shutil.copy(made / "tiny.onnx", file)
    data = drawn(
        capsys, file, *arguments[1:], "--common", "--source", clip, "--limit", "2",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert sorted(data["classes"]) == ["car", "road", "sky", "tree"] and data["common"]
    assert data["timed_on"] == f"3 frames of {clip}" and data["images"] == 2
    one, two = data["networks"]
    assert (one["score"], one["parameters"]) == (two["score"], None)
    assert one["interval"] is None


def test_a_score_is_taken_once_and_again_where_anything_has_changed(
    made: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    data = blocks_folder(tmp_path / "data", train=1, val=2)
    files = [shutil.copy(made / "tiny.onnx", tmp_path / name) for name in ("m.onnx", "n.onnx")]

    def told(*arguments: object) -> list[str]:
        """What is said of every network; a file and its copy are one, by their bytes."""
        more = ["--data", str(data), "--common", "--runs", "1", "--out", str(tmp_path / "out")]
        assert main(["frontier", *map(str, arguments), *more]) == 0
        said = capsys.readouterr()
        assert "On the front, quickest first: " in " ".join(said.out.split())
        lines = [line for line in said.err.splitlines() if line.startswith("curbside frontier: ")]
        return [line.removeprefix("curbside frontier: ") for line in lines[:-1]]

    assert told(files[0]) == ["scoring m.onnx"]
    assert told(*files) == ["m.onnx: its score is known", "n.onnx: its score is known"]
    assert told(files[0], "--limit", "1") == ["scoring m.onnx"]
    assert told(files[0], "--split", "train") == ["scoring m.onnx"]
    make_onnx(files[0], size_hw=(32, 48))
    assert told(*files) == ["scoring m.onnx", "n.onnx: its score is known"]
    mask = next((data / "val/masks").iterdir())
    mask.write_bytes((data / "train/masks/000.png").read_bytes())
    assert told(files[0]) == ["scoring m.onnx"]
    for kept in (tmp_path / "out/scores").iterdir():
        kept.write_text("{")
    assert told(files[0]) == ["scoring m.onnx"]
    next((data / "val/images").iterdir()).write_bytes(b"no image")
    for _ in range(2):  # a score with a picture left out is not kept
        said = told(files[0])
        assert said[0] == "scoring m.onnx" and said[1].startswith("left out: ")


def test_networks_that_find_objects_are_drawn_by_mask_ap(made: Path, tmp_path, capsys) -> None:
    pytest.importorskip("faster_coco_eval")
    raw = random_raw(1)
    arrays, outputs = raw.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()}
    files = [
        make_constant_onnx(tmp_path / name, arrays, size_hw=raw.size_hw, metadata=metadata)
        for name in ("m.onnx", "n.onnx")
    ]
    space = LabelSpace(
        name="counted",
        classes=(
            LabelClass(id=0, name="road", color=(1, 1, 1)),
            *(
                LabelClass(id=item.id + 1, name=item.name, color=item.color, has_instances=True)
                for item in THINGS.classes
            ),
        ),
    )
    values = np.zeros((64, 96), np.uint16)
    with load_predictor(files[0], threads=1) as predictor:
        found = predictor(np.zeros((64, 96, 3), np.uint8))
    for number in (1, 0):
        mask = found.masks[number]
        values[mask.window][mask.inside] = (int(found.class_ids[number]) + 1) * 1000 + number
    make_prepared(tmp_path / "data", {"val/a": {"instances": values}}, space=space)
    arguments = [*files, "--data", tmp_path / "data", "--out", tmp_path / "out"]
    data = drawn(capsys, *arguments)
    assert data["score"] == "mask AP" and data["classes"] == list(THINGS.names)
    one, two = data["networks"]
    assert 0 < one["score"] == two["score"] and one["interval"] is None
    assert main(["frontier", *map(str, arguments), "--common"]) == 2
    assert "--common says nothing here" in capsys.readouterr().err
    mixed = [str(files[0]), str(made / "tiny.onnx"), *map(str, arguments[2:])]
    assert main(["frontier", *mixed]) == 2
    assert f"{made / 'tiny.onnx'} answers semantic, {files[0]} answers" in capsys.readouterr().err
    elsewhere = ["--data", str(made / "data"), "--out", str(tmp_path / "out")]
    assert main(["frontier", str(files[0]), *elsewhere]) == 2
    assert "data has no objects of car in val" in capsys.readouterr().err


def test_a_run_that_finds_objects_is_exported_once(tmp_path: Path, capsys) -> None:
    pytest.importorskip("faster_coco_eval")
    from curbside.datasets import open_object_folders
    from curbside.models import EncoderConfig, PrototypeMasksConfig

    data = objects_folder(tmp_path / "data", train=1, val=1)
    encoder = EncoderConfig(name="mobilenetv4_conv_small_035")
    model = PrototypeMasksConfig(encoder=encoder, channels=8, depth=1, prototypes=4)
    config = training.InstanceTrainConfig(
        name="tiny",
        model=model,
        data=training.ObjectDataConfig(root=(data,), crop_hw=(64, 96), eval_hw=(64, 96)),
        out=tmp_path / "run",
    )
    space = open_object_folders([data]).space
    run = _write_run(config, space, len(space.classes), tmp_path / "run")
    arguments = [run, "--data", data, "--out", tmp_path / "out"]
    (item,) = drawn(capsys, *arguments)["networks"]
    assert item["score"] < 0.5 and item["input_size_hw"] == [64, 96] and item["parameters"] > 0
    file = tmp_path / "out/models/run.onnx"
    assert _is_made(file, training.load_run_predictor(run).manifest, (64, 96), threads=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no network"),
        (["{made}/none"], "there is no model at"),
        (["{made}/data"], "config.json"),
        (["{made}/begun"], "has no model.safetensors yet"),
        (["{made}/bare.onnx"], "curbside export RUN"),
        (["{made}/tiny.onnx", "{made}/a/../tiny.onnx"], "stands there twice"),
        (["{made}/tiny.onnx", "--limit", "0"], "--limit 0"),
        (["{made}/tiny.onnx", "--runs", "0"], "--runs 0"),
        (["{made}/tiny.onnx", "--threads", "0"], "0 threads"),
        (["{made}/tiny.onnx", "--size-hw", "8", "8"], "--size-hw is for run folders"),
        (["{made}/tiny.onnx", "--split", "test"], "split 'test'"),
        (["{made}/tiny.onnx", "--common", "--source", "{made}/no.mp4"], "no.mp4"),
        (["{made}/tiny.onnx", "--data", "{made}/nowhere"], "nowhere"),
        (["{made}/tiny.onnx", "--results", "{made}"], "cannot be read as a document"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    made: Path, tmp_path: Path, arguments: list[str], said: str, capsys
) -> None:
    if not (made / "bare.onnx").exists():
        make_onnx(made / "bare.onnx", metadata={})
    given = [part.format(made=made) for part in arguments]
    data = [] if "--data" in arguments else ["--data", str(made / "data")]
    assert main(["frontier", *given, *data, "--out", str(tmp_path / "out")]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("curbside frontier: ") and said in line
    assert not (tmp_path / "out").exists()


def test_pictures_that_cannot_be_read_are_said_before_anything_is_exported(
    made: Path, tmp_path: Path, capsys
) -> None:
    data = blocks_folder(tmp_path / "data", train=1, val=2)
    for picture in (data / "val/images").iterdir():
        picture.write_bytes(b"no image")
    arguments = [str(made / "a/net"), "--data", str(data), "--out", str(tmp_path / "out")]
    assert main(["frontier", *arguments]) == 2
    assert "not one picture to measure with" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
