"""Scores of a label space of yes and no, by hand; curves and best thresholds of any space."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from curbside.evaluation import curve_plots, evaluate, write_report
from curbside.evaluation.tables import class_table, group_table, score_table, threshold_table
from curbside.imaging import Normalization, write_png
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.metrics import BestThreshold, PrecisionRecall, PrecisionRecallCurve
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.results import SemanticResult

SPACE = LabelSpace(
    name="way",
    classes=(
        LabelClass(id=0, name="not way", color=(70, 70, 70)),
        LabelClass(id=1, name="way", color=(128, 64, 128)),
    ),
)
# Columns of a picture by the probability of a way, in percent, and whether it is one. From 0.5 on, 4 are
# found, 3 of them right, of 4 that are there. From 0.45 on, 5 are found, among them all 4: the best.
PERCENT = np.array([90, 80, 70, 60, 45, 40, 20, 10], np.uint8)
TRUTH = np.array([1, 1, 0, 1, 1, 0, 0, 255], np.uint8)


@dataclass
class Seer:
    """Says what a picture's red channel says, in percent."""

    manifest: Manifest
    precision: str = "fp32"

    def __call__(self, frame_bgr: np.ndarray, *, probabilities: bool = False) -> SemanticResult:
        p = (frame_bgr[..., 2] / 100).astype(np.float32)
        return SemanticResult(
            ids=(p > 0.5).astype(np.uint8),
            space=SPACE,
            confidence=None,
            probabilities=np.stack([1 - p, p]) if probabilities else None,
        )


def seer(*meanings: str) -> Seer:
    outputs = tuple(OutputSpec(name=meaning, meaning=meaning) for meaning in meanings)
    return Seer(
        Manifest(
            input=InputSpec(size_hw=(4, 8)),
            outputs=outputs,
            space=SPACE,
            normalization=Normalization(),
            model="a seer",
            source={},
        )
    )


@pytest.fixture
def ways(tmp_path: Path) -> list:
    """Six samples, all of one picture, half of them in fog."""
    root, file = tmp_path / "ways", tmp_path / "picture.png"
    writer = PreparedWriter(root, space=SPACE, source="by hand")
    write_png(file, np.repeat(np.tile(PERCENT, (4, 1))[..., None], 3, axis=2))
    for index in range(6):
        data = SampleData(
            id=str(index),
            split="val",
            image=file,
            semantic=np.tile(TRUTH, (4, 1)),
            tags={"weather": "fog" if index % 2 else "clear"},
        )
        writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return PreparedFolder(root).samples("val", target="semantic")


def test_what_is_looked_for_comes_first(ways):
    found = evaluate(seer("logits"), ways)
    scores = found.headline()
    best = scores.pop("best threshold of way")
    assert 0.45 - 1 / 512 < best <= 0.45
    first = ["IoU of way", "F1 of way", "precision of way", "recall of way"]
    assert list(scores)[:6] == [*first, "IoU of way at the best threshold", "mIoU"]
    assert [scores[name] for name in first] == pytest.approx([3 / 5, 3 / 4, 3 / 4, 3 / 4])
    assert scores["IoU of way at the best threshold"] == 4 / 5
    assert found.main == ("IoU of way", 3 / 5)
    assert found.main_interval == found.iou_intervals[1] == pytest.approx((3 / 5, 3 / 5))
    names = [row[0] for row in score_table(found).rows]
    interval = ", 95 % interval over pictures"
    assert names[:2] == ["IoU of way", f"IoU of way{interval}"]
    assert names[names.index("mIoU") + 1] == f"mIoU{interval}"


def test_of_another_space_the_miou_stays_the_main_score(fake, samples):
    found = evaluate(fake("logits", answer=np.zeros_like), samples)
    assert found.main == ("mIoU", found.overall.miou) and found.main[1] < 0.2
    assert found.main_interval == found.miou_interval
    assert next(iter(found.headline())) == "mIoU"
    # Sure of road with 0.8 everywhere, 0.1 of the others: whatever the threshold, all pixels or none.
    assert found.best_thresholds[0].iou == 208 / 448
    assert [len(curve.recall) for curve in found.curves] == [1, 1, 1]


def test_tables_tell_precision_recall_and_the_best_threshold(ways):
    found = evaluate(seer("logits"), ways, by="weather")
    assert class_table(found).headers[3:6] == ("precision", "recall", "F1")
    assert class_table(found).rows[1][3:6] == ("0.7500", "0.7500", "0.7500")
    way = threshold_table(found).rows[1]
    assert way[0] == "way" and way[2:] == ("0.8000", "1.0000", "0.8889", "0.8000", "0.6000")
    groups = group_table(found)
    assert groups.headers[2:4] == ("IoU of way", "mIoU")
    assert [row[:3] for row in groups.rows] == [("clear", "3", "0.6000"), ("fog", "3", "0.6000")]
    assert [group.main_interval for group in found.groups] == [None, None]  # of 3 pictures


@pytest.mark.parametrize(
    ("pixels", "said"),
    [(99_999, "99,999"), (100_000, "0.100 M"), (1_204_000, "1.20 M"), (123_400_000, "123 M"),
     (999_400_000, "999 M"), (999_600_000, "1.00 G"), (2 * 10**12, "2.00 T")],
)  # fmt: skip
def test_numbers_of_pixels_are_short(pixels, said):
    from curbside.evaluation.tables import _count

    assert _count(pixels) == said


def test_curves_are_in_the_json_and_ids_alone_have_none(ways):
    data = json.loads(json.dumps(evaluate(seer("logits"), ways).to_dict(), allow_nan=False))
    assert data["curves"][1]["recall"] == [1 / 4, 2 / 4, 2 / 4, 3 / 4, 1, 1, 1]
    assert data["curves"][1]["precision"] == [1, 1, 2 / 3, 3 / 4, 4 / 5, 4 / 6, 4 / 7]
    assert data["classes"][1]["best_threshold"]["f1"] == pytest.approx(8 / 9)
    assert data["main"] == {"score": "IoU of way", "value": 3 / 5}
    alone = evaluate(seer("ids"), ways)
    assert alone.curves == alone.best_thresholds == (None, None)
    assert not any("threshold" in name for name in alone.headline())
    assert alone.headline()["F1 of way"] == 3 / 4 and "AUPRC" in alone.missing


def test_the_page_draws_the_curve_of_what_is_looked_for(ways, tmp_path):
    predictor = seer("logits")
    found = evaluate(predictor, ways, by="weather")
    path = write_report(found, tmp_path / "out", predictor, ways)
    html, text = path.read_text(), path.with_name("report.md").read_text()
    best = found.best_thresholds[1].threshold
    assert f"best threshold {best:.3f}: F1 0.8889, IoU 0.8000" in html
    assert "the class map as it is: F1 0.7500, IoU 0.6000" in html and ">F1 0.8<" in html
    assert f"| best threshold of way | {best:.4f} |" in text and f"| way | {best:.4f} |" in text


def _curve(seed: int) -> tuple[PrecisionRecallCurve, BestThreshold]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, (16, 16)).astype(np.uint8)
    p = 0.5 + (0.2 + 0.02 * seed) * (target - 0.5) + rng.uniform(-0.25, 0.25, target.shape)
    curves = PrecisionRecall(2)
    curves.update(np.stack([1 - p, p]).astype(np.float32), target)
    return curves.curve(1, points=50), curves.best_threshold(1)


def test_of_many_classes_the_worst_are_named():
    series = {f"class {index:02}": _curve(index) for index in range(curve_plots.MOST_NAMED + 2)}
    drawn = curve_plots.all_curves(series)
    words = "\n".join(ElementTree.fromstring(drawn).itertext())
    best = sorted(series, key=lambda name: series[name][1].f1, reverse=True)
    assert [name in words for name in best] == [False] * 2 + [True] * curve_plots.MOST_NAMED
    assert curve_plots.all_curves(series) == drawn


@pytest.mark.parametrize("shown", [None, (0.0, 0.0), (1.0, 1.0), (0.3, 0.9)])
def test_one_curve_is_drawn_however_good_it_is(shown):
    sure = BestThreshold(threshold=0.5, precision=1, recall=1, f1=1, iou=1)
    whole = PrecisionRecallCurve(np.array([0.5]), np.ones(1), np.ones(1))
    for curve, best in (_curve(0), (whole, sure)):
        words = list(ElementTree.fromstring(curve_plots.one_curve(curve, best, shown)).itertext())
        assert sum(text.startswith("F1 0.") for text in words) in (3, 4, 5)
        assert any("as it is" in text for text in words) == bool(shown and any(shown))
