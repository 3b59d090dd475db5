"""`curbside benchmark`: what it prints, and the report that it writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from tiny_models import make_onnx, write_clip

from curbside.cli import main
from curbside.cli._speed_plots import latencies_plot, stages_plot
from curbside.cli._speeds import show_speeds, speed_tables, told, write_speeds
from curbside.hardware import Condition, Temperature, Throttling
from curbside.metrics.timing import LatencySummary
from curbside.runtime import CorePlan
from curbside.runtime.benchmark import (
    AtRate,
    BareNetwork,
    BenchmarkReport,
    MemoryUse,
    ModelSpeed,
    Round,
)

SVG = "{http://www.w3.org/2000/svg}"
SILENT = Condition(temperature=None, throttling=None, clock_mhz=None, top_clock_mhz=None, load=None)


def _summary(mean_ms: float, count: int = 10) -> LatencySummary:
    return LatencySummary(
        count=count, mean_ms=mean_ms, p50_ms=mean_ms, p95_ms=2 * mean_ms, p99_ms=3 * mean_ms
    )


def _speed(model: str, network_ms: float) -> ModelSpeed:
    stages = {"capture": 2.0, "network": network_ms, "draw": 3.0, "write": 0.0, "latency": 40.0}
    alone = BareNetwork(
        file=model,
        task="semantic",
        precision="int8",
        input_size_hw=(360, 480),
        time=_summary(network_ms / 2),
    )
    at_rate = AtRate(
        clip_fps=25.0,
        shown_fps=12.5,
        shown_fps_range=(12.0, 13.0),
        dropped_share=0.5,
        age=_summary(30.0),
        cpu_share=0.25,
    )
    turns = tuple(
        Round(
            bare_ms=network_ms / 2,
            frame_ms=network_ms,
            ratio=2.0,
            latency=_summary(place * 10.0),
            age=_summary(place * 5.0),
            shown_fps=12.5,
            dropped_share=0.5,
        )
        for place in (1, 2, 3)
    )
    return ModelSpeed(
        model=model,
        networks=(alone,),
        precision="int8",
        fps=1e3 / network_ms,
        fps_range=(900 / network_ms, 1100 / network_ms),
        frame_ms=network_ms,
        bare=_summary(network_ms / 2),
        ratio=2.0,
        ratio_range=(1.9, 2.2),
        cpu_share=0.75,
        busy_share=0.9,
        stages={name: _summary(took) for name, took in stages.items()},
        at_rate=at_rate,
        memory=None,
        rounds=turns,
    )


REPORT = BenchmarkReport(
    models=(_speed("a<b>&.onnx", 40.0), _speed("b.onnx", 20.0)),
    source="drive.mp4",
    source_fps=25.0,
    frame_size_hw=(720, 1280),
    frames=30,
    rounds=3,
    plan=CorePlan(workers=2, threads=1),
    bare_threads=2,
    cpu="A processor",
    cores=2,
    board=None,
    before=SILENT,
    after=SILENT,
    hottest=None,
    throttled_by=(),
)


def _doing(celsius: float, now: tuple[str, ...] = (), earlier: tuple[str, ...] = ()) -> Condition:
    return replace(
        SILENT,
        temperature=Temperature(celsius=celsius, sensor="cpu-thermal"),
        throttling=Throttling(now=now, earlier=earlier),
        load=celsius / 100,
    )


def test_what_the_device_does_not_tell_is_said():
    text = " ".join(told(REPORT))
    assert "temperature: the device does not tell; throttling: the device does not tell" in text
    assert "load" not in text


def test_how_the_device_was_doing_is_said():
    report = replace(
        REPORT,
        board="Raspberry Pi 5",
        before=_doing(41.0, earlier=("under-voltage",)),
        after=_doing(62.4, earlier=("under-voltage", "throttled")),
        hottest=Temperature(celsius=66.6, sensor="cpu-thermal"),
        throttled_by=("frequency capped",),
    )
    text = " ".join(told(report))
    assert "Raspberry Pi 5, A processor, 2 cores, load 0.4 before and 0.6 after" in text
    assert "41 °C before, 62 after, 67 at the hottest (cpu-thermal)" in text
    assert "frequency capped; meanwhile: throttled; before that: under-voltage" in text
    quiet = replace(report, throttled_by=(), before=_doing(40), after=_doing(41))
    assert any(line.endswith("throttling: none") for line in told(quiet))


def test_tables_say_what_was_measured_and_leave_out_what_was_not():
    tables = speed_tables(REPORT)
    assert list(tables) == [
        "As fast as it goes",
        "Bare network",
        "Stages, as fast as it goes",
        "At the clip's own rate",
    ]
    rows = {row[0]: row[1:] for table in tables.values() for row in table.rows}
    assert rows["frames/s"] == ("25.0 (22.5..27.5)", "50.0 (45.0..55.0)")
    assert rows["bare network, ms"] == ("20.0 / 40.0 / 60.0", "10.0 / 20.0 / 30.0")
    assert rows["captured to drawn, ms"] == ("40.0 / 80.0 / 120",) * 2
    assert rows["dropped"] == ("50.0%", "50.0%")
    assert "write, ms" not in rows
    memory = MemoryUse(before_mb=50.0, loading_mb=30.4, peak_mb=120.0)
    first = replace(REPORT.models[0], memory=memory)
    table = speed_tables(replace(REPORT, models=(first, REPORT.models[1])))["Memory"]
    assert [row[1:] for row in table.rows] == [("30", "–"), ("120", "–")]


def test_networks_of_a_scene_have_a_row_each():
    one = REPORT.models[0]
    other = replace(one.networks[0], task="instances", time=_summary(7.0))
    scene = replace(one, networks=(one.networks[0], other))
    rows = speed_tables(replace(REPORT, models=(scene,)))["Bare networks"].rows
    assert [row[0] for row in rows] == ["semantic, ms", "instances, ms", "one after the other, ms"]
    assert rows[1][1] == "7.00 / 14.0 / 21.0"


def test_bars_are_as_long_as_what_they_stand_for():
    root = ElementTree.fromstring(stages_plot(REPORT))
    bars = [
        (float(bar.attrib["width"]), float(bar.attrib["y"]))
        for bar in root.iter(f"{SVG}rect")
        if "rx" not in bar.attrib
    ]
    by_row: dict[float, list[float]] = {}
    for width, y in bars:
        by_row.setdefault(y, []).append(width)
    rows = list(by_row.values())
    expected = [[2.0, 40.0, 3.0], [20.0], [2.0, 20.0, 3.0], [10.0]]
    assert [len(row) for row in rows] == [len(row) for row in expected]
    scale = rows[0][1] / 40
    for row, times in zip(rows, expected, strict=True):
        assert row == pytest.approx([time * scale for time in times], abs=0.5)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a<b>&.onnx", "b.onnx", "45.0", "20.0 bare", "25.0", "10.0 bare"} <= set(texts)


@pytest.mark.parametrize(("kind", "unit"), [("age", 5.0), ("latency", 10.0)])
def test_a_line_per_round(kind, unit):
    root = ElementTree.fromstring(latencies_plot(REPORT, kind))
    dots = [float(dot.attrib["cx"]) for dot in root.iter(f"{SVG}circle")]
    lines = [path.attrib["d"] for path in root.iter(f"{SVG}path") if "stroke-width" in path.attrib]
    ends = [tuple(map(float, re.findall(r"[\d.]+", line)[:3:2])) for line in lines]
    assert len(dots) == len(ends) == 6
    axis = {
        float(text.text or ""): float(text.attrib["x"])
        for text in root.iter(f"{SVG}text")
        if re.fullmatch(r"[\d.]+", text.text or "")
    }
    (zero, left), (one, right) = sorted(axis.items())[:2]
    scale = (right - left) / (one - zero)
    expected = [left + place * unit * scale for place in (1, 2, 3)] * 2
    assert dots == pytest.approx(expected, abs=0.5)
    assert [end for _, end in ends] == pytest.approx(
        [left + 3 * place * unit * scale for place in (1, 2, 3)] * 2, abs=0.5
    )


def test_the_report_is_three_files_and_safe_to_open(tmp_path):
    page = write_speeds(REPORT, tmp_path / "out").read_text(encoding="utf-8")
    assert "a&lt;b&gt;&amp;.onnx" in page
    assert "<b>" not in page
    assert page.count("<svg") == 3
    assert "<script" not in page
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert data["models"][1]["at_rate"]["age"]["p99_ms"] == 90.0
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| dropped | 50.0% | 50.0% |" in text


def test_names_with_brackets_are_printed_as_they_are(capsys):
    show_speeds(replace(REPORT, source="[bold]drive[/].mp4"))
    assert "[bold]drive[/].mp4" in capsys.readouterr().out


def test_benchmark_of_two_models(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("curbside.runtime.benchmark.timing._WARM_UP_S", 0.0)
    monkeypatch.setattr("curbside.runtime.benchmark.run.measure_memory", lambda *a, **k: None)
    models = [
        str(make_onnx(tmp_path / "m.onnx", size_hw=(36, 48))),
        str(make_onnx(tmp_path / "other.onnx", outputs="logits")),
    ]
    clip = str(write_clip(tmp_path / "clip.mp4", frames=10))
    arguments = ["benchmark", *models, "--source", clip, "--frames", "2", "--rounds", "1"]
    assert main([*arguments, "--live"]) == 0
    shown = " ".join(capsys.readouterr().out.split())  # lines break where the path ends
    for part in ("m.onnx", "other.onnx", "fp32", "pipeline to bare", "network, ms", "96 x 72"):
        assert part in shown
    out = tmp_path / "report"
    assert main([*arguments, "--threads", "2", "--json", "--out", str(out)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [item["model"] for item in data["models"]] == ["m.onnx", "other.onnx"]
    assert data["plan"] == {"workers": 2, "threads": 1}
    assert data["models"][0]["stages"]["capture"]["count"] > 0
    assert json.loads((out / "report.json").read_text(encoding="utf-8")) == data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["m.onnx", "--out", ""], "--out has an empty name"), ([], "no model file is named")],
)
def test_one_line_says_what_cannot_be(arguments, message, capsys):
    assert main(["benchmark", *arguments, "--source", "none.mp4"]) == 2
    assert message in capsys.readouterr().err
