"""`curbside run` with faults, on a page, with several networks, from a camera that is drawn."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from builders import photo
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import make_onnx, write_clip

from curbside.cli import main
from curbside.manifest import METADATA_KEY
from curbside.runtime import SemanticPredictor


@pytest.fixture
def model(tmp_path):
    return str(make_onnx(tmp_path / "m.onnx"))


@pytest.fixture
def clip(tmp_path):
    return str(write_clip(tmp_path / "clip.mp4", frames=10))


def _lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_faults_are_events_and_the_run_says_in_the_end_that_it_is_not_whole(
    model, clip, tmp_path, monkeypatch, capsys
):
    infer, calls = SemanticPredictor.infer, []

    def flaky(self, tensor):
        calls.append(1)
        if len(calls) in (3, 4):
            raise RuntimeError("out of order")
        return infer(self, tensor)

    monkeypatch.setattr(SemanticPredictor, "infer", flaky)
    saved = tmp_path / "out"
    argv = ["run", model, "--source", clip, "--threads", "1", "--save", str(saved)]
    assert main([*argv, "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == (
        "curbside run: 2 of 10 frames have no result: RuntimeError: out of order; look at the faults;"
        " the others have been processed"
    )
    events = [json.loads(line) for line in shown.out.splitlines()]
    frames = [event for event in events if event["event"] == "frame"]
    assert [event["frame"] for event in frames if event["failed"]] == [2, 3]
    faults = [event for event in events if event["event"] == "fault"]
    assert [(fault["stage"], fault["frame"]) for fault in faults] == [
        ("network", 2),
        ("network", 3),
    ]
    assert events[-1]["faults"] == {"network": 2} and events[-1]["frames"] == 10
    assert len(list(saved.iterdir())) == 10
    calls.clear()
    assert main(argv) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "network at frame 3: RuntimeError: out of order; showed the frame without a result" in out
    )


def test_a_network_that_looks_at_every_third_frame(model, clip, tmp_path, capsys):
    raw = random_raw(1)
    arrays, outputs = raw.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()}
    objects = make_constant_onnx(
        tmp_path / "i.onnx", arrays, size_hw=raw.size_hw, metadata=metadata
    )
    argv = ["run", model, "--instances", str(objects), "--source", clip, "--threads", "1"]
    assert main([*argv, "--fusion.outside", "keep", "--instances-every", "3", "--json"]) == 0
    *events, last = _lines(capsys)
    assert [event["ages"]["instances"] for event in events] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert all(event["objects"] for event in events) and last["objects_followed"] > 1


def _heeds_interrupts() -> None:
    """A shell that starts something in the background lets it ignore Ctrl-C, which is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["a person", "a service"])
def test_the_page_shows_what_runs_and_a_camera_is_ended_well(model, stop):
    argv = ["run", model, "--source", "synthetic:320x240@20", "--serve", "127.0.0.1:0"]
    command = [sys.executable, "-m", "curbside.cli", *argv, "--budget-ms", "5000", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heeds_interrupts,
    ) as process:
        try:
            line = next(line for line in process.stderr if "the picture is at" in line)
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
            end = time.monotonic() + 20
            facts = {}
            while not facts.get("frames") and time.monotonic() < end:
                with suppress(OSError), urllib.request.urlopen(f"{address}facts.json") as answer:
                    facts = json.load(answer)
                time.sleep(0.02)
            with urllib.request.urlopen(f"{address}picture.jpg") as answer:
                assert answer.read(3) == b"\xff\xd8\xff"
            assert facts["source"] == "a drawn road, 320 x 240 at 20 fps"
            assert facts["frames"] > 0 and facts["shares"]
        finally:
            process.send_signal(stop)
        out, _ = process.communicate(timeout=20)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 0
    assert last["event"] == "summary" and last["frames"] > 0 and last["late"] >= 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--frames", "0"], "0 frames show nothing"),
        (["--frames", "-1"], "-1 frames show nothing"),
        (["--budget-ms", "-1"], "no frame is shown within -1 ms"),
        (["--token", "abcdefghijklmnop"], "a token is for the page"),
        (["--serve", "²"], "² is no HOST:PORT"),
        (["--save", ""], "the result has no name"),
        (["--save", "{clip}"], "is the source itself"),
        (["--threads", "0"], "0 threads"),
        (["--alpha", "2"], "colours cannot cover the frame by 2"),
    ],
    ids=lambda value: "".join(value)[:24],
)
def test_what_would_do_nothing_or_harm_is_refused_in_a_line(more, told, model, clip, capsys):
    before = Path(clip).read_bytes()
    argv = ["run", model, "--source", clip, *(part.format(clip=clip) for part in more)]
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert told in shown.err and len(shown.err.strip().splitlines()) == 1 and shown.out == ""
    assert Path(clip).read_bytes() == before


def test_pictures_that_cannot_be_read_are_told_in_the_end(model, tmp_path, capsys):
    photo(tmp_path / "in" / "0.png", size_hw=(40, 60))
    (tmp_path / "in" / "1.png").write_bytes(b"no picture")
    assert main(["run", model, "--source", str(tmp_path / "in"), "--json"]) == 2
    shown = capsys.readouterr()
    assert "1 pictures could not be read" in shown.err
    *events, last = (json.loads(line)["event"] for line in shown.out.splitlines())
    assert (sorted(events), last) == (["fault", "frame"], "summary")
    (tmp_path / "in" / "0.png").unlink()
    assert main(["run", model, "--source", str(tmp_path / "in"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == 0


def test_a_view_that_is_not_there_yet_gives_way(model, clip, tmp_path, capsys):
    raw = random_raw(1)
    arrays, outputs = raw.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()}
    objects = str(
        make_constant_onnx(tmp_path / "i.onnx", arrays, size_hw=raw.size_hw, metadata=metadata)
    )
    argv = ["run", model, "--instances", objects, "--source", clip, "--fusion.outside", "keep"]
    assert main([*argv, "--view", "panoptic", "--instances-every", "own", "--json"]) == 0
    assert _lines(capsys)[-1]["faults"] == {}
    argv += ["--confidence", "0.3", "--fusion.score", "0.9"]
    assert main(argv) == 2
    assert "which are the same setting" in capsys.readouterr().err
