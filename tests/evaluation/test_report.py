"""The report: complete, self-contained, and safe whatever classes and files are called."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from curbside.errors import MissingDependencyError
from curbside.evaluation import Page, evaluate, plots, write_report
from curbside.evaluation.tables import Table
from curbside.labels import LabelClass, LabelSpace
from curbside.metrics import Calibration

pytest.importorskip("matplotlib")

HOSTILE = '</text></svg><script>alert("x")</script> $\\frac{ | & '


class Reader(HTMLParser):
    """Tags, attributes and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data):
        self.texts.append(data)


def lines_then_gap(truth: np.ndarray) -> np.ndarray:
    """An answer with a wrong stripe, so that nothing in the report is trivial."""
    wrong = truth.copy()
    wrong[:, :3] = 0
    return wrong


def test_report_files_are_complete(fake, samples, tmp_path):
    predictor = fake("logits", answer=lines_then_gap)
    samples[3].image_path.write_bytes(b"no image")
    found = evaluate(predictor, samples, by="weather", worst=2)
    path = write_report(found, tmp_path / "out" / "deep", predictor, samples)
    assert path == tmp_path / "out" / "deep" / "report.html"
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "per_image.npz",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert json.loads(path.with_name("report.json").read_text()) == json.loads(
        json.dumps(found.to_dict())
    )

    page = Reader(path.read_text())
    said = " ".join(page.texts)
    headings = ("Measured on", "Classes", "Precision and recall", "By weather", "Reliability")
    for heading in (*headings, "What is taken for what", "Worst pictures"):
        assert heading in page.texts
    assert f"{found.overall.miou:.4f}" in page.texts and "by hand" in page.texts
    assert "1 pictures could not be read" in said
    assert page.tags.count("svg") == 5  # classes, curves, weather, confusion, reliability
    assert page.tags.count("img") == 2 * 3  # picture, truth and prediction of each worst
    assert f"{found.worst[0].id}, mIoU {found.worst[0].miou:.3f}" in page.texts

    text = path.with_name("report.md").read_text()
    assert f"| mIoU | {found.overall.miou:.4f} |" in text
    assert "| fog | 2 |" in text and "| sky |" in text


def test_page_fetches_nothing(fake, samples, tmp_path):
    predictor = fake("logits")
    path = write_report(evaluate(predictor, samples), tmp_path, predictor, samples)
    page = Reader(path.read_text())
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    assert "url(http" not in path.read_text() and "@import" not in path.read_text()


def test_ids_only_report_says_why_there_is_no_calibration(fake, samples, tmp_path):
    predictor = fake("ids")
    path = write_report(evaluate(predictor, samples), tmp_path, predictor, samples)
    page = Reader(path.read_text())
    assert "Reliability" not in page.texts and "Precision and recall" not in page.texts
    assert any("--outputs logits" in text for text in page.texts)


def test_hostile_names_stay_text(fake, samples, tmp_path, space):
    named = LabelSpace(
        name="tiny",
        classes=(LabelClass(id=0, name=HOSTILE, color=(9, 9, 9)), *space.classes[1:]),
    )
    samples = [type(s)(root=s.root, record=s.record, space=named) for s in samples]
    predictor = fake("logits", answer=np.zeros_like, space=named)
    path = write_report(evaluate(predictor, samples, by="weather"), tmp_path, predictor, samples)
    html = path.read_text()
    assert "<script" not in html
    page = Reader(html)
    assert "script" not in page.tags and page.tags.count("svg") == 5
    assert page.texts.count(HOSTILE) >= 4  # two tables, swatches, bars, matrix
    assert any(text.startswith(f"{HOSTILE}: 0.") for text in page.texts)  # curves
    rows = [
        line for line in path.with_name("report.md").read_text().splitlines() if "alert" in line
    ]
    cells = [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows]
    assert cells == [8, 7] and not any("<" in row for row in rows)  # scores and best threshold


def test_plots_are_well_formed_and_the_same_each_time():
    calibration = Calibration()
    ids = np.zeros((1, 3), np.uint8)
    calibration.update(np.array([[0.2, 0.9, 1.0]], np.float32), ids, ids)
    drawn = [
        lambda: plots.bars(["road", HOSTILE], [0.25, None], label="IoU",
                           intervals=[(0.2, 0.3), None]),
        lambda: plots.confusion(np.array([[0.5, 0.5], [np.nan, np.nan]]), ["road", HOSTILE]),
        lambda: plots.reliability(calibration.reliability()),
        lambda: plots.curves([1, 2, 3], {"loss": [3.0, 2.0, float("nan")], HOSTILE: [1, 1, 1]},
                             x_label="step", y_label="loss"),
    ]  # fmt: skip
    for draw in drawn:
        svg = draw()
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg") and draw() == svg
    words = " ".join(ElementTree.fromstring(drawn[0]()).itertext())
    assert "0.250" in words and "absent" in words and "alert" in words


def test_missing_matplotlib_says_which_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"matplotlib.*curbside\[report\]"):
        plots.require_matplotlib()


def test_numbers_are_set_to_the_right_and_names_are_not_even_where_they_are_numbers():
    page = Page("sequences")
    page.table(["sequence", "pictures", "of"], [["0001", "62", "a"], ["0006", "1,101", "b"]])
    page.put(Table(headers=("", "score"), rows=(("mIoU", "–"),)))
    numbers = re.findall(r'<t[hd] class="number">([^<]*)<', page.html())
    assert numbers == ["pictures", "62", "1,101", "score", "–"]


def test_page_parts_in_order_and_escaped(tmp_path):
    page = Page("a < b")
    page.heading("h & m")
    page.text("one")
    page.table(["name", "value"], [["<i>", "1.5"], ["x", "–"]])
    page.figures([("<svg></svg>", "left"), ("<svg></svg>", "right")])
    page.image(np.zeros((10, 2000, 3), np.uint8), "wide")
    page.swatches({"road": (1, 2, 3)})
    page.write(tmp_path / "page.html")
    read = Reader((tmp_path / "page.html").read_text())
    shown = [text for text in read.texts if text.strip() and "{" not in text]
    expected = ["a < b", "a < b", "h & m", "one", "name", "value", "<i>", "1.5", "x", "–"]
    assert shown == [*expected, "left", "right", "wide", "road"]
    assert "i" in read.tags  # the swatch, not the cell
    assert read.tags.count("i") == 1
