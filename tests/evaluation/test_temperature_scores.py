"""What an evaluation says of a model with a temperature."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fitted import scaled

from curbside import cli
from curbside.cli import _model
from curbside.evaluation import at_common_classes, evaluate, write_report
from curbside.evaluation.tables import group_table, score_table
from curbside.labels import LabelClass, LabelSpace

pytest.importorskip("matplotlib")


def tempered(predictor, temperature: float = 2.0):
    predictor.manifest = replace(
        predictor.manifest, temperature_scaling=scaled(temperature, dataset="elsewhere", images=9)
    )
    return predictor


SURE_BEFORE = 0.8**2 / (0.8**2 + 2 * 0.1**2)
"""The fake is 0.8 sure of one class and gives the two others 0.1 each."""


def test_the_error_without_the_temperature_stands_beside_the_one_with_it(fake, samples):
    found = evaluate(tempered(fake("logits")), samples, by="weather")
    assert found.overall.ece == pytest.approx(0.2, abs=1e-6)  # always right, 0.8 sure
    assert found.overall.ece_uncalibrated == pytest.approx(1 - SURE_BEFORE, abs=1e-6)
    assert found.groups[0].summary.ece_uncalibrated == pytest.approx(1 - SURE_BEFORE, abs=1e-6)
    assert found.missing == {}
    assert found.reliability_uncalibrated is not None
    assert found.reliability_uncalibrated.share[-1] == 1 > found.reliability.share[-1]
    shown = dict(score_table(found).rows)
    assert shown["ECE, uncalibrated, 15 bins"] == f"{1 - SURE_BEFORE:.4f}"
    assert "ECE at T = 1" in group_table(found).headers
    assert "2.0000, fitted on 9 pictures of elsewhere" in found.measured_on()["temperature"]
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["temperature_scaling"]["temperature"] == 2.0
    assert data["reliability_uncalibrated"]["share"][-1] == 1


def test_a_model_without_one_has_the_plain_error_alone(fake, samples):
    found = evaluate(fake("logits"), samples, by="weather")
    assert found.overall.ece_uncalibrated is None and found.reliability_uncalibrated is None
    assert not any("uncalibrated" in name for name in found.headline())
    assert "ECE at T = 1" not in group_table(found).headers
    assert "temperature" not in found.measured_on()
    assert found.to_dict()["temperature_scaling"] is None


def test_what_cannot_be_told_is_said(fake, samples, space):
    found = evaluate(tempered(fake("ids", "confidence")), samples)
    assert found.overall.ece is not None and found.overall.ece_uncalibrated is None
    assert "--outputs logits" in found.missing["ECE without the temperature"]
    two = LabelSpace(
        name="two",
        classes=(
            LabelClass(id=0, name="sky", color=(0, 0, 1)),
            LabelClass(id=1, name="road", color=(0, 0, 2)),
        ),
    )
    swapped = fake("logits", space=two, answer=lambda truth: (truth == 0).astype(np.uint8))
    predictor, mapped = at_common_classes(tempered(swapped), samples)
    found = evaluate(predictor, mapped)
    assert found.overall.ece_uncalibrated is None
    assert "common classes" in found.missing["ECE without the temperature"]


def test_the_page_shows_both_diagrams(fake, samples, tmp_path):
    predictor = tempered(fake("logits"))
    found = evaluate(predictor, samples)
    html = write_report(found, tmp_path, predictor, samples).read_text()
    assert f"Uncalibrated: expected calibration error {1 - SURE_BEFORE:.4f}." in html
    assert f"With the temperature: expected calibration error {found.overall.ece:.4f}." in html
    assert html.count("<svg") == 5  # classes, curves, confusion and two of reliability


def test_the_verb_shows_both(fake, folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "m.onnx").write_bytes(b"")
    monkeypatch.setattr(_model, "open_model", lambda path, threads: tempered(fake("logits")))
    assert cli.main(["evaluate", str(tmp_path / "m.onnx"), str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "ECE, uncalibrated" in shown and f"{1 - SURE_BEFORE:.4f}" in shown
    assert "mean boundary IoU" in shown and "temperature: 2.0000" in shown
    assert "no ECE" not in shown
