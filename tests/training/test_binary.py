"""Yes or no from one score: learnt, scored, decided by a threshold, exported and decoded."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from builders_data import blocks_folder
from builders_training import tiny_run
from torch.nn import functional as F

from curbside import cli
from curbside.deploy.graphs.host_form import write_host_form
from curbside.errors import ModelFileError
from curbside.evaluation import at_common_classes, evaluate
from curbside.labels import load_space, mapping
from curbside.losses import BCEDiceConfig, LogitKDConfig
from curbside.manifest import Manifest
from curbside.models import best_class, two_sided
from curbside.prepared import PreparedFolder
from curbside.runtime import load_predictor
from curbside.training import (
    DistillationConfig,
    TrainConfig,
    fit,
    load_run,
    load_run_predictor,
)

ROAD = load_space("road2")


def config(data: Path, out: Path, **changes: object) -> TrainConfig:
    settings: dict[str, object] = {
        "name": "tiny-road",
        "loss": BCEDiceConfig(),
        "steps": 20,
        "validate_every": 10,
    }
    return tiny_run(data, out, space="road2", **settings | changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(config(data, out))
    return out


def asked(run: Path, data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability of road, whether the run says road, and whether it is: every labelled pixel of val."""
    predictor = load_run_predictor(run, device="cpu")
    found = []
    for sample in PreparedFolder(data).samples("val"):
        result = predictor(sample.read_bgr(), probabilities=True)
        assert result.probabilities is not None and result.probabilities.shape[0] == 2
        np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-6)
        truth = mapping(sample.space, ROAD).apply(sample.read_semantic())
        found.append([result.probabilities[1].ravel(), result.ids.ravel(), truth.ravel()])
    every = [np.concatenate(values) for values in zip(*found, strict=True)]
    known = every[2] != 255
    return every[0][known], every[1][known], every[2][known] == 1


def iou(said: np.ndarray, true: np.ndarray) -> float:
    return float((said & true).sum() / (said | true).sum())


def test_one_score_is_learnt_and_the_iou_decides(run: Path) -> None:
    opened = load_run(run)
    assert opened.model(torch.rand(1, 3, 64, 96)).logits.shape[1] == 1
    about = json.loads((run / "config.json").read_text())
    assert about["score"] == {"key": "val/iou", "name": "IoU of road", "also": []}
    best = opened.scores["validation"]
    assert set(best) == {"iou", "split", "step"} and 0 < best["iou"] < 1
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    column = rows[0].index("val/iou")
    told = [float(row[column]) for row in rows[1:] if row[column]]
    assert max(told) == pytest.approx(best["iou"]) and len(told) == 2


def test_the_threshold_is_the_best_one_of_all_and_the_class_map_follows_it(
    run: Path, data: Path
) -> None:
    chosen = load_run(run).threshold
    assert chosen is not None
    probability, ids, true = asked(run, data)
    tried = [iou(probability >= t, true) for t in np.unique(probability)[::37]]
    assert chosen.iou >= max(tried) - 1e-4
    assert chosen.iou == pytest.approx(iou(probability >= chosen.threshold, true), abs=2e-4)
    assert chosen.iou_at_half == pytest.approx(iou(probability >= 0.5, true), abs=2e-3)
    assert chosen.f1 == pytest.approx(2 * chosen.iou / (1 + chosen.iou))
    assert (ids == (probability >= chosen.threshold)).mean() > 0.9999
    assert chosen.images == 4 and chosen.split == "val"


def test_evaluation_at_the_common_classes_is_the_same_by_hand(run: Path, data: Path) -> None:
    predictor, samples = at_common_classes(
        load_run_predictor(run, device="cpu"), PreparedFolder(data).samples("val")
    )
    found = evaluate(predictor, samples)
    _, ids, true = asked(run, data)
    name, value = found.main
    assert name == "IoU of road" and value == pytest.approx(iou(ids == 1, true))
    assert "threshold" in found.measured_on()


@pytest.fixture(scope="module")
def files(run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("files")
    made = {}
    for outputs in ("ids", "confidence", "logits"):
        made[outputs] = root / f"{outputs}.onnx"
        words = ["--outputs", outputs, "--verify-data", str(data)]
        assert cli.main(["export", str(run), "--out", str(made[outputs]), *words]) == 0
    made["host"] = root / "host.onnx"
    write_host_form(made["ids"], made["host"])
    return made


def test_every_file_gives_the_mask_of_the_run(
    run: Path, data: Path, files: dict[str, Path]
) -> None:
    threshold = load_run(run).threshold
    own = load_run_predictor(run, device="cpu")
    frames = [sample.read_bgr() for sample in PreparedFolder(data).samples("val")]
    for name, path in files.items():
        with load_predictor(path) as predictor:
            assert predictor.manifest.threshold == threshold, name
            for frame in frames:
                given, expected = predictor(frame), own(frame, probabilities=True)
                assert set(np.unique(given.ids)) <= {0, 1}
                assert (given.ids == expected.ids).mean() > 0.9999, name
                if given.confidence is not None:
                    shown = np.where(given.ids == 1, *expected.probabilities[::-1])
                    np.testing.assert_allclose(given.confidence, shown, atol=1e-4)
    host = [item.name for item in onnx.load(str(files["host"])).graph.output]
    assert host == ["logits"]
    (scores,) = onnx.load(str(files["host"])).graph.output
    assert scores.type.tensor_type.shape.dim[1].dim_value == 1


def test_a_temperature_moves_no_pixel(
    run: Path, data: Path, files: dict[str, Path], tmp_path: Path, capsys
) -> None:
    warm = tmp_path / "warm"
    shutil.copytree(run, warm)
    assert cli.main(["calibrate", str(warm), str(data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["temperature"] != 1 and told["threshold"] == load_run(run).threshold.to_dict()
    assert cli.main(["export", str(warm), "--out", str(tmp_path / "m.onnx")]) == 0
    frames = [sample.read_bgr() for sample in PreparedFolder(data).samples("val")]
    with load_predictor(tmp_path / "m.onnx") as after, load_predictor(files["ids"]) as before:
        assert after.manifest.temperature == pytest.approx(told["temperature"])
        for frame in frames:
            assert (after(frame).ids == before(frame).ids).mean() > 0.9999


def test_a_threshold_of_other_weights_is_refused_and_made_anew(
    run: Path, data: Path, tmp_path: Path, capsys
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    held = json.loads((other / "threshold.json").read_text())
    (other / "threshold.json").write_text(json.dumps({**held, "weights_sha256": "0" * 64}))
    with pytest.raises(ModelFileError, match=r"threshold.json was fitted for other weights"):
        load_run(other)
    assert cli.main(["calibrate", str(other), str(data)]) == 0
    assert "IoU" in capsys.readouterr().out
    assert load_run(other).threshold == load_run(run).threshold
    (other / "threshold.json").write_text(json.dumps({**held, "threshold": 1.5}))
    with pytest.raises(ModelFileError, match=r"holds no threshold .*1.5 is not between 0 and 1"):
        load_run(other)


def test_recalibrated_weights_get_a_threshold_of_their_own(
    run: Path, data: Path, tmp_path: Path, capsys
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    words = ["recalibrate", str(other), "--batch-size", "4", "--threads", "1", "--json"]
    assert cli.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    before, after = load_run(run), load_run(other)
    assert before.threshold is not None and after.threshold is not None
    assert after.threshold.weights_sha256 == after.source["weights_sha256"]
    assert after.source["weights_sha256"] != before.source["weights_sha256"]
    probability, ids, true = asked(other, data)
    assert after.threshold.iou == pytest.approx(iou(ids == 1, true), abs=2e-4)
    assert told["recalibrated"] == pytest.approx(iou(probability >= 0.5, true), abs=2e-3)
    assert after.scores["validation"]["iou"] == told["recalibrated"]
    # What it was before can still be opened, such as to teach; no threshold was chosen for it.
    kept = load_run(other / "kept/running.safetensors")
    assert (
        kept.threshold is None and kept.source["weights_sha256"] == before.source["weights_sha256"]
    )


def test_only_yes_or_no_has_a_threshold(run: Path, files: dict[str, Path]) -> None:
    with load_predictor(files["ids"]) as predictor:
        manifest = predictor.manifest
    assert Manifest.from_dict(json.loads(manifest.to_json()), where="x") == manifest
    assert manifest.host == ("nearest to the frame",)
    with pytest.raises(ModelFileError, match="threshold for the 11 classes of camvid11"):
        replace(manifest, space=load_space("camvid11"))


def test_distillation_compares_both_answers(run: Path, data: Path, tmp_path: Path) -> None:
    teacher = DistillationConfig(teacher=(run,), losses=(LogitKDConfig(resolution="input"),))
    fit(config(data, tmp_path / "out", steps=1, distillation=teacher))
    rows = (tmp_path / "out/metrics.csv").read_text().splitlines()
    row = dict(zip(rows[0].split(","), rows[1].split(","), strict=True))
    assert float(row["train/kl"]) > 1e-4


def test_both_sides_of_one_score() -> None:
    score = torch.tensor([-3.0, 0.0, 2.5]).view(1, 1, 1, 3)
    p = two_sided(score).softmax(dim=1)
    torch.testing.assert_close(p[:, 1:], score.sigmoid())
    assert best_class(score).tolist() == [[[0, 1, 1]]]
    assert best_class(score, least=2.6).tolist() == [[[0, 0, 0]]]
    several = torch.rand(1, 3, 2, 2)
    assert two_sided(several) is several
    torch.testing.assert_close(
        F.cross_entropy(two_sided(score), torch.ones(1, 1, 3, dtype=torch.long)),
        F.binary_cross_entropy_with_logits(score, torch.ones_like(score)),
    )


def test_recalibrated_on_pictures_without_any_it_has_no_threshold(
    run: Path, data: Path, tmp_path: Path, capsys
) -> None:
    bare, other = tmp_path / "bare", tmp_path / "other"
    shutil.copytree(data, bare)
    for mask in (bare / "val/masks").glob("*.png"):
        cv2.imwrite(str(mask), np.zeros((64, 96), np.uint8))  # sky alone
    shutil.copytree(run, other)
    assert cli.main(["recalibrate", str(other), "--data", str(bare), "--batch-size", "4"]) == 0
    assert "no threshold was chosen: none of 4 pictures" in capsys.readouterr().err
    assert load_run(other).threshold is None
