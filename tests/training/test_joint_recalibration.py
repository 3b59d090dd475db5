"""Recalibrating networks that tell depth: what they score anew is what they have learnt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders_apart import apart_folder, apart_run

from curbside import cli
from curbside.metrics import ConfusionMatrix
from curbside.prepared import PreparedFolder
from curbside.training import fit, load_run, load_run_predictor
from curbside.training.run_folder import weights_facts
from curbside.training.threshold import renew_threshold


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return apart_folder(tmp_path_factory.mktemp("joint") / "data")


@pytest.fixture(scope="module")
def joint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("joint-run") / "run"
    fit(apart_run(data, out, steps=6, validate_every=6))
    return out


def _within(metres: np.ndarray, true_m: np.ndarray) -> np.ndarray:
    """Where depth is within a factor of 1.25; the truth is that of a camera of 90 px, the network's of 60."""
    seen = true_m * 60 / 90
    return np.maximum(metres / seen, seen / metres) < 1.25


def test_both_answers_are_scored_anew(data, joint, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(joint, run)
    before = {k: v for k, v in weights_facts(run / "model.safetensors").items() if "val_" in k}
    words = ["recalibrate", str(run), "--batch-size", "4", "--threads", "1"]
    assert cli.main([*words, "--dry-run"]) == 0
    assert "mIoU and delta < 1.25 on 6 pictures of val" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    running, now = (told["all_scores"][name] for name in ("running", "recalibrated"))
    assert (told["score"], told["pictures"], told["scored"]) == ("joint", 8, 6)
    for name, value in running.items():  # as training scored it
        assert before[f"val_{name}"] == pytest.approx(value, abs=1e-6)

    counted, near = ConfusionMatrix(11), []
    with load_run_predictor(run, threads=1) as predictor:
        for sample in PreparedFolder(data).samples("val"):
            found = predictor(np.ascontiguousarray(sample.read_rgb()[..., ::-1]))
            if "semantic" in sample.record.targets:
                counted.update(found.semantic.ids, sample.read_semantic())
            else:
                near.append(_within(found.depth.depth_m, sample.read_depth_m()))
    assert now["miou"] == pytest.approx(counted.miou(), abs=2e-3)
    assert now["delta1"] == pytest.approx(np.mean(near), abs=2e-3)
    assert told["recalibrated"] == now["joint"] == (now["miou"] + now["delta1"]) / 2
    assert now != running
    facts = weights_facts(run / "model.safetensors")
    assert facts["recalibrated"]["before"] == before
    assert {k: v for k, v in facts.items() if "val_" in k} == {
        f"val_{name}": value for name, value in now.items()
    }


def test_what_the_pictures_do_not_tell_is_not_scored(joint, tmp_path, capsys):
    bare = apart_folder(tmp_path / "bare", told=("semantic",), train=4, val=2)
    words = ["recalibrate", str(joint), "--data", str(bare), "--batch-size", "2"]
    assert cli.main([*words, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["score"] == "miou" and set(told["all_scores"]["recalibrated"]) == {"miou"}


def test_depth_alone_ends_well_over_a_binary_space(tmp_path, capsys):
    """No classes are scored, and no threshold is chosen."""
    data, run = apart_folder(tmp_path / "data", space="road2"), tmp_path / "run"
    fit(apart_run(data, run, tasks="depth", recalibrate=2))
    facts = weights_facts(run / "model.safetensors")
    assert facts["recalibrated"]["pictures"] == 4
    assert "val_delta1" in facts and not {"val_iou", "val_miou", "val_joint"} & facts.keys()
    assert not (run / "threshold.json").exists()
    assert load_run(run).threshold is None
    words = ["recalibrate", str(run), "--batch-size", "4", "--dry-run"]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["score"], told["scored"]) == ("delta1", 3)
    assert told["running"] == pytest.approx(facts["val_delta1"])
    near = []
    with load_run_predictor(run, threads=1) as predictor:
        for sample in PreparedFolder(data).samples("val", target="depth"):
            found = predictor(np.ascontiguousarray(sample.read_rgb()[..., ::-1]))
            near.append(_within(found.depth_m, sample.read_depth_m()))
    assert told["running"] == pytest.approx(np.mean(near), abs=2e-3)
    capsys.readouterr()
    bare = apart_folder(tmp_path / "bare", space="road2", told=("semantic",))
    assert cli.main([*words, "--data", str(bare)]) == 2
    said = capsys.readouterr().err
    assert "depth" in said and said.count("\n") == 1


def test_without_a_mask_no_threshold_stays(tmp_path):
    (tmp_path / "threshold.json").write_text("{}")
    assert "no picture has a mask" in renew_threshold(tmp_path, [])
    assert not (tmp_path / "threshold.json").exists()
