"""`curbside calibrate` on a run whose network is too sure by a known factor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from curbside import cli
from curbside.errors import DataError, ModelFileError
from curbside.evaluation import evaluate
from curbside.files import sha256_file, write_json
from curbside.labels import LabelClass, LabelSpace
from curbside.models import LRASPPConfig
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.runtime import load_predictor
from curbside.training import DataConfig, TrainConfig, load_run, load_run_predictor
from curbside.training.calibration import calibrate, halves
from curbside.training.run_folder import describe, write_fitted

SIZE_HW = (64, 96)
TOO_SURE = 2.5
SPACE = LabelSpace(
    name="four",
    classes=tuple(LabelClass(id=i, name=f"c{i}", color=(i, 50 * i, 9)) for i in range(4)),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with random weights, and a folder whose truth is drawn from its probabilities
    before its scores were made larger: `run` and `data` in it."""
    root = tmp_path_factory.mktemp("calibrate")
    config = TrainConfig(
        name="tiny",
        model=LRASPPConfig(channels=32),
        data=DataConfig(root=(root / "data",), eval_hw=SIZE_HW),
        out=root,
    )
    torch.manual_seed(0)
    model = config.model.from_random().build(4).eval()
    with torch.no_grad():
        for layer in (model.fine, model.deep):
            layer.weight *= 3  # else it would hardly prefer any class
    run = root / "run"
    run.mkdir()
    write_json(run / "config.json", describe(config, SPACE, {"root": "data"}, "fp32"))
    _save(model.state_dict(), run)
    rng = np.random.default_rng(0)
    predictor = load_run_predictor(run, device="cpu")
    writer = PreparedWriter(root / "data", space=SPACE, source="drawn")
    for index in range(12):
        cells = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)
        rgb = np.kron(cells, np.ones((16, 16, 1), np.uint8))
        split = ("val", "test")[index % 2]
        tags = {"drive": f"d{index // 4}"}
        data = SampleData(id=f"{index:02}", split=split, image=rgb, tags=tags)
        stored = write_sample(writer.root, data, SPACE)
        frame = _read_bgr(writer.root / stored.image)
        shares = predictor(frame, probabilities=True).probabilities
        ids = (rng.random(SIZE_HW) > shares.cumsum(axis=0)[:-1]).sum(axis=0).astype(np.uint8)
        ids[:4] = 255
        writer.add(write_sample(writer.root, replace(data, semantic=ids), SPACE))
    writer.finish()
    state = model.state_dict()
    for name in ("fine.weight", "fine.bias", "deep.weight", "deep.bias"):
        state[name] = state[name] * TOO_SURE
    _save(state, run)
    return root


def _read_bgr(path: Path) -> np.ndarray:
    from curbside.imaging import read_rgb

    return np.ascontiguousarray(read_rgb(path)[..., ::-1])


def _save(state: dict[str, torch.Tensor], run: Path) -> None:
    facts = json.dumps({"step": 1, "val_miou": 0.5})
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(tensors, run / "model.safetensors", metadata={"curbside": facts})


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may spoil."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((trained / "run" / name).read_bytes())
    return folder


@pytest.fixture
def data(trained: Path) -> Path:
    return trained / "data"


def test_the_factor_is_found_stored_and_applied_everywhere(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = PreparedFolder(data).samples("test")
    before = evaluate(load_run_predictor(run, device="cpu"), samples)
    assert before.overall.ece > 0.1 and before.overall.ece_uncalibrated is None

    assert cli.main(["calibrate", str(run), str(data), "--threads", "1"]) == 0
    streams = capsys.readouterr()
    said = [line for line in streams.err.splitlines() if line.startswith("curbside")]
    assert len(said) == 1 and "chose its weights on a split val" in said[0]
    stored = json.loads((run / "calibration.json").read_text())
    assert stored["temperature"] == pytest.approx(TOO_SURE, rel=0.05)
    assert f"{stored['temperature']:.4f}" in streams.out
    assert f"{stored['ece_cross_fitted']:.4f} cross-fitted" in streams.out
    assert stored["ece_cross_fitted"] < 0.03 < 0.1 < stored["ece_before"]
    assert stored["ece_after"] < 0.03 and stored["nll_after"] < stored["nll_before"]
    assert (stored["dataset"], stored["split"], stored["images"]) == ("data", "val", 6)
    assert stored["halves"] == "by drive"
    assert stored["weights_sha256"] == sha256_file(run / "model.safetensors")

    # The run, on pictures that the temperature was not fitted on.
    opened = load_run(run)
    assert opened.temperature == stored["temperature"]
    after = evaluate(load_run_predictor(run, device="cpu"), samples)
    assert after.overall.ece < 0.03
    assert after.overall.ece_uncalibrated == pytest.approx(before.overall.ece, abs=1e-4)
    assert after.confusion.tolist() == before.confusion.tolist(), "no pixel changes its class"
    raw = evaluate(load_run_predictor(run, device="cpu", calibrated=False), samples)
    assert raw.overall.ece == before.overall.ece

    # The exported file.
    path = tmp_path / "m.onnx"
    assert cli.main(["export", str(run), "--out", str(path), "--outputs", "logits"]) == 0
    capsys.readouterr()
    with load_predictor(path, threads=1) as predictor:
        assert predictor.manifest.temperature == stored["temperature"]
    arguments = [str(path), str(data), "--split", "test", "--threads", "1", "--json"]
    assert cli.main(["evaluate", *arguments]) == 0
    exported = json.loads(capsys.readouterr().out)["scores"]
    assert exported["ece"] == pytest.approx(after.overall.ece, abs=1e-4)
    assert exported["ece_uncalibrated"] == pytest.approx(before.overall.ece, abs=1e-4)

    # What the two say of themselves.
    for place in (run, path):
        assert cli.main(["info", str(place)]) == 0
        shown = capsys.readouterr().out
        assert "temperature: 2." in shown and "ece_cross_fitted: 0.0" in shown
    assert cli.main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["temperature_scaling"]["folded"] is True


def test_the_teacher_of_another_run_stays_as_it_is(run: Path, data: Path) -> None:
    found, _ = calibrate(run, PreparedFolder(data).samples("val"), device="cpu")
    write_fitted(run, found)
    weights = load_file(run / "model.safetensors")
    assert torch.equal(load_run(run).model.state_dict()["deep.weight"], weights["deep.weight"])


def test_json_is_all_of_standard_output_and_a_limit_spreads(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["calibrate", str(run), str(data), "--split", "test", "--limit", "3", "--json"]
    assert cli.main(arguments) == 0
    streams = capsys.readouterr()
    found = json.loads(streams.out)
    assert found["images"] == 3 and found["file"] == str(run / "calibration.json")
    assert "curbside calibrate" not in streams.err  # nothing to warn of on this split


def test_a_temperature_at_the_end_of_the_range_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = PreparedWriter(tmp_path / "noise", space=SPACE, source="drawn")
    rng = np.random.default_rng(1)
    for index in range(4):  # the labels have nothing to do with the pictures
        rgb = np.kron(rng.integers(0, 256, (4, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        ids = rng.integers(0, 4, SIZE_HW).astype(np.uint8)
        sample = SampleData(id=f"{index}", split="test", image=rgb, semantic=ids)
        writer.add(write_sample(writer.root, sample, SPACE))
    writer.finish()
    arguments = [str(run), str(writer.root), "--split", "test", "--json"]
    assert cli.main(["calibrate", *arguments]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["temperature"] == pytest.approx(20, rel=1e-3)
    assert "an end of the range" in streams.err


def test_other_weights_are_refused_until_fitted_again(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["calibrate", str(run), str(data), "--limit", "2"]) == 0
    state = load_file(run / "model.safetensors")
    state["deep.bias"] += 0.1
    _save(state, run)
    with pytest.raises(ModelFileError, match=r"fitted for other weights.*curbside calibrate"):
        load_run(run)
    kept = run / "kept"
    kept.mkdir()
    (kept / "000001.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    assert load_run(kept / "000001.safetensors").temperature == 1.0
    assert cli.main(["calibrate", str(run), str(data), "--limit", "2"]) == 0
    assert load_run(run).temperature != 1.0


HOSTILE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1.5",
    b"{}",
    b"[" * 100_000,
    *(
        json.dumps({"temperature": value}).encode()
        for value in (-1.0, 0, "2", None, [2], {}, True, float("nan"), float("inf"), 10**400)
    ),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_file_is_one_line_with_the_fix(run: Path, data: Path, content: bytes) -> None:
    sound = {
        "temperature": 1.5,
        "weights_sha256": sha256_file(run / "model.safetensors"),
        **dict.fromkeys(("dataset", "split", "halves"), "x"),
        **dict.fromkeys(("images", "pixels"), 5),
        **dict.fromkeys(("nll_before", "nll_after", "ece_before", "ece_after"), 0.5),
        "ece_cross_fitted": 0.5,
    }
    path = run / "calibration.json"
    write_json(path, sound)
    assert load_run(run).temperature == 1.5
    if content.startswith(b'{"'):  # everything else is as it should be
        content = json.dumps({**sound, **json.loads(content)}).encode()
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"calibration\.json.*curbside calibrate") as caught:
        load_run(run)
    assert "\n" not in str(caught.value)


def test_mistakes_are_one_line_and_leave_nothing(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = PreparedWriter(tmp_path / "void", space=SPACE, source="void")
    for index in range(2):
        rgb, ids = np.zeros((*SIZE_HW, 3), np.uint8), np.full(SIZE_HW, 255, np.uint8)
        sample = SampleData(id=f"{index}", split="val", image=rgb, semantic=ids)
        other.add(write_sample(other.root, sample, SPACE))
    other.finish()
    for arguments, message in (
        ([str(run), str(data), "--limit", "1"], "--limit 1 leaves too few"),
        ([str(run), str(data), "--threads", "0"], "0 threads"),
        ([str(run), str(data), "--split", "train"], "has no sample"),
        ([str(run), str(tmp_path / "void")], "of 2 of the pictures"),
        ([str(run / "model.safetensors"), str(data)], "is a file, and a temperature belongs"),
        ([str(tmp_path / "none"), str(data)], "does not exist"),
    ):
        assert cli.main(["calibrate", *arguments]) == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith("curbside calibrate: ") and message in line
    assert not (run / "calibration.json").exists()


def test_pictures_that_cannot_be_read_are_named(run: Path, data: Path) -> None:
    samples = PreparedFolder(data).samples("val")
    gone = replace(samples[0], record=replace(samples[0].record, image="val/images/gone.png"))
    found, unreadable = calibrate(run, [gone, *samples[1:]], device="cpu")
    assert found.images == 5 and len(unreadable) == 1 and "gone.png" in unreadable[0]
    with pytest.raises(DataError, match="too few"):
        calibrate(run, [gone, samples[1]], device="cpu")


def _named(*names: str, drives: tuple[str, ...] = (), samples: list) -> list:
    tags = [{"drive": drive} for drive in drives] or [{} for _ in names]
    records = [
        replace(samples[0].record, id=name, tags=tag) for name, tag in zip(names, tags, strict=True)
    ]
    return [replace(samples[0], record=record) for record in records]


def test_drives_stay_together_when_pictures_are_halved(data: Path) -> None:
    samples = PreparedFolder(data).samples("val")
    drives = ("a", "a", "b", "b", "b", "c")
    named = _named(*"123456", drives=drives, samples=samples)
    second, said = halves(named)
    assert said == "by drive"
    assert second.tolist() == [True, True, False, False, False, True]
    prefixed = _named("x_01_001", "x_01_002", "x_02_001", "y7", samples=samples)
    second, said = halves(prefixed)
    assert said == "by what the ids begin with"
    assert second[0] == second[1] != second[2]
    alike = _named("s01", "s02", "s03", "s04", "s05", samples=samples)
    second, said = halves(alike)
    assert said == "first and second in the order of their ids"
    assert second.tolist() == [False, False, False, True, True]
