"""Accuracy against latency: the front by brute force, the plot by its own texts, the section of a document."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.errors import DataError
from curbside.evaluation import evaluate
from curbside.evaluation.frontier import Frontier, MeasuredNetwork, dominators, main_score
from curbside.evaluation.frontier_report import (
    frontier_table,
    sentences,
    write_frontier,
    write_frontier_section,
)
from curbside.evaluation.section import check_section
from curbside.labels import LabelSpace
from curbside.metrics.timing import LatencySummary

pytest.importorskip("matplotlib")


def _took(ms: float) -> LatencySummary:
    return LatencySummary(count=9, mean_ms=ms, p50_ms=ms, p95_ms=1.2 * ms, p99_ms=2 * ms)


def _frontier(*measured: tuple[str, float, float], **changes: object) -> Frontier:
    """A frontier of networks by name, milliseconds and score."""
    networks = tuple(
        MeasuredNetwork(
            name=name,
            model="a <b>net</b>",
            file=f"{name}.onnx",
            score=score,
            interval=(score - 0.02, score + 0.02),
            network=_took(ms / 2),
            whole=_took(ms),
            input_size_hw=(32, 64),
            precision="int8 (3 of 4 layers; the rest fp32)",
            device="cpu",
            size_bytes=2_000_000,
        )
        for name, ms, score in measured
    )
    made = Frontier(
        networks=networks,
        score_name="mIoU",
        dataset="streets",
        split="val",
        images=7,
        classes=("road", "sky"),
        common=False,
        timed_on="7 pictures",
        runs=9,
        threads=1,
        hardware="a chip, 4 cores",
    )
    return replace(made, **changes)


few = st.integers(1, 5)


@given(st.lists(st.tuples(few, few), max_size=9))
def test_the_front_is_that_of_brute_force(points: list[tuple[int, int]]) -> None:
    def beats(one: tuple[int, int], two: tuple[int, int]) -> bool:
        return one[0] <= two[0] and one[1] >= two[1] and one != two

    found = dominators(*zip(*points, strict=True)) if points else dominators([], [])
    assert len(found) == len(points)
    for point, by in zip(points, found, strict=True):
        above = [other for other in points if beats(other, point)]
        assert (by is None) == (not above)
        if by is not None:
            assert found[by] is None and beats(points[by], point)
            # Of all that dominate it the best, and of the best the quickest.
            assert points[by] == min(above, key=lambda other: (-other[1], other[0]))


def test_a_dominated_network_says_by_whom() -> None:
    found = _frontier(("slow", 40, 0.6), ("good", 20, 0.65), ("same", 20, 0.65), ("quick", 5, 0.5))
    assert found.dominated_by == ("good", None, None, None)
    assert [item.name for item in found.front] == ["quick", "good", "same"]
    table = frontier_table(found)
    assert [row[0] for row in table.rows] == ["quick", "good", "same", "slow"]
    by_header = dict(zip(table.headers, table.rows[-1], strict=True))
    assert by_header["mIoU, %"] == "60.00" and by_header["95 % interval"] == "58.0–62.0"
    assert by_header["net ms"] == "20.00 / 24.00" and by_header["all ms"] == "40.00 / 48.00"
    assert by_header["frames/s"] == "25.0" and by_header["input"] == "64 x 32"
    assert by_header["runs in"] == "int8" and by_header["dominated by"] == "good"
    assert "parameters, M" not in by_header  # not one is known
    said = " ".join(sentences(found))
    assert "slow is dominated by good, which is 2.00 times as quick and 5.00 points better." in said
    assert found.measured_on()["slow runs in"].startswith("int8 (3 of 4")


def test_the_main_score_is_miou_or_the_iou_of_what_is_looked_for(fake, samples) -> None:
    found = evaluate(fake("ids", answer=np.zeros_like), samples)
    counts = found.confusion
    union = counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    iou = np.diag(counts) / union
    main = main_score(found)
    assert main.name == "mIoU" and main.value == pytest.approx(iou.mean())
    assert main.images == 4 and main.interval is None  # of too few pictures
    road, sky, _ = found.space.classes
    two = replace(
        found,
        space=LabelSpace(name="two", classes=(replace(road, name="not sky"), sky)),
        iou_intervals=(None, (0.1, 0.3), None),
    )
    main = main_score(two)
    assert main.name == "IoU of sky" and main.value == pytest.approx(iou[1])
    assert main.interval == (0.1, 0.3)


def _texts(svg: str) -> dict[str, ElementTree.Element]:
    return {
        text.text or "": text
        for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    }


def test_reports_and_a_plot_whose_names_do_not_overlap(tmp_path: Path) -> None:
    from matplotlib.textpath import TextPath

    random = np.random.default_rng(3)
    measured = [
        (f"network-of-{'abc'[i % 3] * 4}-{i}", 10 * np.exp(0.5 * random.normal()), 0.6 + 0.02 * random.normal())
        for i in range(12)
    ]  # fmt: skip
    found = _frontier(*measured)
    assert write_frontier(found, tmp_path / "out") == tmp_path / "out/report.html"
    page = (tmp_path / "out/report.html").read_text()
    assert "<b>net" not in page and "a chip, 4 cores, 1 thread each" in page
    texts = _texts((tmp_path / "out/frontier.svg").read_text())
    boxes = []
    for name, *_ in measured:
        place = texts[name].attrib
        x, y = (float(place[key]) for key in "xy")
        size = TextPath((0, 0), name, size=9).get_extents()
        boxes.append((x, y - 7, x + size.width, y))
    for one, two in combinations(boxes, 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart
    ticks = [float(text) for text in texts if text.replace(".", "").isdigit()]
    assert len(ticks) >= 6  # plain numbers on both axes
    markdown = (tmp_path / "out/report.md").read_text()
    assert "(frontier.svg)" in markdown and "| network |" in markdown


def test_one_network_alone_can_be_drawn(tmp_path: Path) -> None:
    found = _frontier(("alone", 3.0, 0.998))
    write_frontier(found, tmp_path)
    assert "alone" in _texts((tmp_path / "frontier.svg").read_text())
    assert sentences(found)[0] == "On the front, quickest first: alone (99.8 % in 3.00 ms)."


def test_the_section_of_a_document_is_written_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    path.write_text(
        "# Results\n\nbefore\n\n<!-- frontier a -->\nold\n<!-- /frontier a -->\n\nafter\n"
    )
    write_frontier_section(path, "a", _frontier(("x", 3.0, 0.5)))
    write_frontier_section(path, "b", _frontier(("y", 4.0, 0.4)))
    text = path.read_text()
    assert "old" not in text and text.index("before") < text.index("| x |") < text.index("after")
    assert text.index("after") < text.index("<!-- frontier b -->") < text.index("| y |")
    again = text
    write_frontier_section(path, "b", _frontier(("y", 4.0, 0.4)))
    assert path.read_text() == again


@pytest.mark.parametrize(
    "marks",
    [
        "<!-- frontier a -->",
        "<!-- /frontier a -->\n<!-- frontier a -->",
        "<!-- frontier a -->\n<!-- /frontier a -->\n<!-- frontier a -->\n<!-- /frontier a -->",
    ],
)
def test_marks_that_do_not_fit_are_said(tmp_path: Path, marks: str) -> None:
    path = tmp_path / "results.md"
    path.write_text(marks)
    with pytest.raises(DataError, match="repair the marks"):
        check_section(path, "frontier", "a")
