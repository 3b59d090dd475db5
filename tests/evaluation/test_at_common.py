"""A model and data of different label spaces, scored by hand at their common classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curbside import cli
from curbside.cli import _model
from curbside.errors import LabelError
from curbside.evaluation import CommonPredictor, at_common_classes, evaluate, write_report
from curbside.imaging import Normalization
from curbside.labels import load_space
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.results import SemanticResult

pytest.importorskip("matplotlib")

IDD, CITYSCAPES = load_space("idd-level3"), load_space("cityscapes19")
IDS = dict(zip(IDD.names, IDD.ids, strict=True))
TRUE = dict(zip(CITYSCAPES.names, CITYSCAPES.ids, strict=True))
CAMVID = load_space("camvid11")


class Told:
    """A model of IDD's level 3 that gives every picture the same probabilities, column by column."""

    precision = "fp32"

    def __init__(self, *columns: dict[str, float], outputs: str = "logits") -> None:
        self.columns = columns
        self.manifest = Manifest(
            input=InputSpec(size_hw=(8, 8)),
            outputs=tuple(OutputSpec(name=n, meaning=n) for n in ("ids", outputs)),
            space=IDD,
            normalization=Normalization(),
            model="told",
        )

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        every = np.zeros((IDD.num_classes, *frame_bgr.shape[:2]), np.float32)
        for x, column in enumerate(self.columns):
            for name, share in column.items():
                every[IDS[name], :, x] = share
        return SemanticResult(
            ids=every.argmax(axis=0).astype(np.uint8),
            space=IDD,
            confidence=None if probabilities else every.max(axis=0),
            probabilities=every if probabilities else None,
        )


@pytest.fixture
def truth(tmp_path: Path) -> Callable[..., Path]:
    """Makes a prepared folder of one picture, ten rows high, with a class per column."""

    def make(*columns: str, space=CITYSCAPES) -> Path:
        ids = dict(zip(space.names, space.ids, strict=True)) | {"ignore": 255}
        mask = np.tile(np.array([ids[name] for name in columns], np.uint8), (10, 1))
        writer = PreparedWriter(tmp_path / "data", space=space, source="by hand")
        image = np.zeros((*mask.shape, 3), np.uint8)
        data = SampleData(id="a", split="val", image=image, semantic=mask)
        writer.add(write_sample(writer.root, data, space))
        writer.finish()
        return writer.root

    return make


def scored(model: Told, root: Path):
    return evaluate(*at_common_classes(model, PreparedFolder(root).samples("val")))


def test_scores_by_hand(truth) -> None:
    # Columns: right; right under another name; wrong; a class that Cityscapes has not (wrong);
    # a true class that is ignored by the data.
    model = Told(
        {"road": 0.9, "sky": 0.1},
        {"rail track": 0.6, "road": 0.4},
        {"road": 0.7, "car": 0.3},
        {"autorickshaw": 0.5, "car": 0.3, "curb": 0.2},
        {"road": 1.0},
    )
    found = scored(model, truth("road", "terrain", "car", "car", "ignore"))
    names = found.space.names
    assert len(names) == 19 and found.overall.pixels == 40
    iou = dict(zip(names, found.overall.iou, strict=True))
    # road: 10 right, 10 of the car's taken for it; terrain all right; car never found.
    assert (iou["road"], iou["rail track"], iou["car"]) == (10 / 20, 1, 0)
    assert found.overall.miou == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.overall.pixel_accuracy == 20 / 40
    # Confidence of what is shown: 0.9 right, 0.6 right, 0.7 wrong, and 0.5 + 0.2 without partner.
    # 0.7 twice shares a bin of 15 (0.667 to 0.733) and is wrong: 0.7 off for half of the pixels.
    assert found.overall.ece == pytest.approx(0.5 * 0.7 + 0.25 * 0.1 + 0.25 * 0.4, abs=1e-6)
    auprc = dict(zip(names, found.overall.auprc, strict=True))
    assert auprc["car"] == pytest.approx(1, abs=1e-4)  # 0.3 twice, and 0 everywhere else


def test_probabilities_of_merged_classes_add_up(truth) -> None:
    # CamVid's bicyclist is IDD's rider, bicycle and motorcycle: shown is the bicycle with 0.4.
    root = truth("bicyclist", "road", space=CAMVID)
    model = Told({"bicycle": 0.4, "rider": 0.35, "road": 0.25}, {"road": 0.8, "rider": 0.2})
    predictor, samples = at_common_classes(model, PreparedFolder(root).samples("val"))
    result = predictor(samples[0].read_bgr(), probabilities=True)
    name = result.space.names
    assert [name[i] for i in result.ids[0]] == ["bicyclist", "road"]
    np.testing.assert_allclose(result.confidence[0], [0.75, 0.8], rtol=1e-6)
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, rtol=1e-6)
    assert [name[i] for i in samples[0].read_semantic()[0]] == ["bicyclist", "road"]
    assert evaluate(predictor, samples).overall.ece == pytest.approx((0.25 + 0.2) / 2, abs=1e-6)


def test_what_has_no_partner_is_given_to_no_class(truth) -> None:
    model = Told({"autorickshaw": 0.5, "car": 0.3, "curb": 0.2}, {"car": 0.6, "curb": 0.4})
    root = truth("car", "car")
    predictor, samples = at_common_classes(model, PreparedFolder(root).samples("val"))
    result = predictor(samples[0].read_bgr(), probabilities=True)
    car = result.space.names.index("car")
    assert result.ids[0].tolist() == [255, car]
    np.testing.assert_allclose(result.probabilities[car, 0], [0.3, 0.6], rtol=1e-6)
    np.testing.assert_allclose(result.probabilities.sum(axis=0)[0], [0.3, 0.6], rtol=1e-6)
    np.testing.assert_allclose(result.confidence[0], [0.7, 0.6], rtol=1e-6)


def test_the_class_does_not_depend_on_what_the_file_gives(truth) -> None:
    # Added up, bicyclist would win over the road; shown is the road, with or without probabilities.
    root = truth("road", space=CAMVID)
    model = Told({"road": 0.4, "rider": 0.3, "bicycle": 0.3})
    predictor, samples = at_common_classes(model, PreparedFolder(root).samples("val"))
    for probabilities in (False, True):
        result = predictor(samples[0].read_bgr(), probabilities=probabilities)
        assert result.space.name_of(int(result.ids[0, 0])) == "road"


def test_a_confidence_alone_is_kept_where_nothing_is_merged(truth) -> None:
    columns = ({"road": 0.9, "sky": 0.1},)
    alone = Told(*columns, outputs="confidence")
    found = scored(alone, truth("road"))  # IDD's level 3 and Cityscapes: one to one
    assert found.overall.ece == pytest.approx(0.1, abs=1e-6) and set(found.missing) == {"AUPRC"}


def test_a_confidence_alone_says_nothing_of_merged_classes(truth) -> None:
    found = scored(Told({"road": 0.9}, outputs="confidence"), truth("road", space=CAMVID))
    assert found.overall.miou == 1 and found.overall.ece is None
    assert "merged classes need probabilities" in found.missing["ECE"]


def test_the_report_says_what_was_merged_and_ignored(truth, tmp_path: Path) -> None:
    model = Told({"road": 1.0}, {"car": 1.0})
    predictor, samples = at_common_classes(
        model, PreparedFolder(truth("road", "car", space=CAMVID)).samples("val")
    )
    found = evaluate(predictor, samples)
    told = found.measured_on()
    assert told["label space"] == "idd-level3 & camvid11, 11 classes"
    assert "bicyclist = rider + motorcycle + bicycle" in told["classes of the model"]
    assert "ignored: parking, rail track, " in told["classes of the model"]
    assert told["classes of the data"] == "camvid11"
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["common"]["first"]["source"] == "idd-level3"
    assert [c["name"] for c in data["label_space"]["classes"]] == list(found.space.names)
    write_report(found, tmp_path / "report", predictor, samples)
    assert "bicyclist = rider" in (tmp_path / "report/report.md").read_text(encoding="utf-8")


def test_spaces_known_by_name_alone_are_said(truth) -> None:
    model = Told({"road": 1.0})
    named = replace(IDD, classes=IDD.classes[:2], name="mine")
    model.manifest = replace(model.manifest, space=named)
    predictor, samples = at_common_classes(model, PreparedFolder(truth("road")).samples("val"))
    assert isinstance(predictor, CommonPredictor) and predictor.precision == "fp32"
    assert "names of the classes alone" in evaluate(predictor, samples).measured_on()["compared by"]


def test_the_command_line(truth, tmp_path: Path, monkeypatch, capsys) -> None:
    root, path = truth("road", "terrain"), tmp_path / "m.onnx"
    path.write_bytes(b"")
    model = Told({"road": 1.0}, {"rail track": 1.0})
    monkeypatch.setattr(_model, "open_model", lambda path, threads: model)
    assert cli.main(["evaluate", str(path), str(root)]) == 2
    assert "score at their common classes with --common" in capsys.readouterr().err
    assert cli.main(["evaluate", str(path), str(root), "--common", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["scores"]["miou"] == 1 and data["common"]["second"]["source"] == "cityscapes19"
    assert data["report"] == str(tmp_path / "m.onnx.eval-val-common" / "report.html")


def test_nothing_in_common_is_refused(truth) -> None:
    model = Told({"road": 1.0})
    only = replace(IDD, classes=IDD.classes[8:9])  # autorickshaw
    model.manifest = replace(model.manifest, space=only)
    samples = PreparedFolder(truth("road")).samples("val")
    with pytest.raises(LabelError, match="have no class in common"):
        at_common_classes(model, samples)
