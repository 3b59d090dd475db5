"""The host form of a network answers as the whole, and the quickest way that passes is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from color_scenes import scene

from curbside.deploy import CalibrationSet, GateConfig, compile_fastest, target_named
from curbside.deploy.gate import fastest
from curbside.deploy.graphs.host_form import write_host_form
from curbside.errors import ConfigError
from curbside.manifest import OutputSpec
from curbside.prepared import PreparedFolder
from curbside.runtime import load_predictor


def test_the_host_form_gives_the_same_classes(tmp_path: Path, float_file: Path) -> None:
    manifest = write_host_form(float_file, tmp_path / "host.onnx")
    assert manifest.outputs == (OutputSpec(name="logits", meaning="logits"),)
    assert manifest.host == ("bilinear", "argmax", "nearest to the frame")
    graph = onnx.load(str(tmp_path / "host.onnx")).graph
    assert not {"ArgMax"} & {node.op_type for node in graph.node}
    with (
        load_predictor(float_file, threads=1) as whole,
        load_predictor(tmp_path / "host.onnx", threads=1) as host,
    ):
        assert host.manifest == manifest
        for seed in range(700, 706):
            frame = scene(seed, (120, 150))[0][..., ::-1].copy()
            same = whole(frame).ids == host(frame).ids
            assert same.mean() > 0.9999


def test_the_quickest_that_passes_is_written(
    tmp_path: Path, float_file: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastest, "find_spec", lambda name: None)  # ONNX Runtime alone, for time
    folder = PreparedFolder(data)
    calibration = CalibrationSet.choose(folder, count=12)
    samples = folder.samples("val", target="semantic")
    config = GateConfig(max_loss=5)
    found = compile_fastest(
        float_file, tmp_path / "m.cpu", calibration, samples, config=config, threads=1
    )
    assert len(found.candidates) == 4 and len(found.names) == len(found.lineup.files) == 5
    times = dict(zip(found.names, (file.whole.p50_ms for file in found.lineup.files), strict=True))
    assert times[found.best.name] == min(times[name] for name in found.names[1:])
    assert found.path == tmp_path / "m.cpu.onnx" and list(tmp_path.iterdir()) == [found.path]
    with load_predictor(found.path, threads=1) as predictor:
        manifest = predictor.manifest
    measured = manifest.deployment["measured"]
    assert [item["way"] for item in measured] == list(found.names)
    assert manifest.deployment["threads"] == 1
    assert manifest.scores[manifest.precision]["miou"] == found.best.gate.lineup.files[1].miou
    assert found.to_dict()["best"] == found.best.name


def test_nothing_that_loses_too_much_is_written(
    tmp_path: Path, float_file: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fastest, "_ways", lambda forms: [(float_file, "in", target_named("onnxruntime"))]
    )
    folder = PreparedFolder(data)
    bare = CalibrationSet.choose(folder, count=12).samples  # no split of masks: pixels must agree
    noise = [
        type("Noise", (), {"id": str(i), "read_bgr": lambda self: _noise()})() for i in range(9)
    ]
    with pytest.raises(ConfigError, match="none of 1 ways keeps within 0"):
        compile_fastest(
            float_file,
            tmp_path / "m.cpu",
            CalibrationSet(samples=tuple(bare), source="x", dataset="y"),
            noise,
            config=GateConfig(max_loss=0, most_float=0),
            threads=1,
        )
    assert list(tmp_path.iterdir()) == []


def _noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
