"""A file that answers yes or no from one score: in 8 bits through the gate, cut for a chip, for the host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from color_scenes import SIZE_HW, build, expected_logits, scene
from fitted import scaled, yes_from

from curbside.deploy import (
    CalibrationSet,
    Work,
    compile_through_gate,
    read_manifest,
    target_named,
    write_manifest,
)
from curbside.deploy.graphs.cut import cut_network, twin
from curbside.deploy.graphs.host_form import write_host_form
from curbside.errors import ModelFileError
from curbside.export import ExportConfig, export_onnx
from curbside.labels import LabelSpace, load_space
from curbside.models import SegmentationModel, upsample
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.runtime import load_predictor

ROAD = load_space("road2")
ROAD_COLOR = 2
"""The colour of `color_scenes` that is road here."""
THRESHOLD = yes_from(0.85)
WARM = scaled(3.0)


@pytest.fixture(scope="module")
def network(fitted: SegmentationModel) -> SegmentationModel:
    """The fitted network with the one score of its colour against the mean of the three others."""
    one = build("lraspp", classes=1)
    weights = dict(fitted.state_dict())
    for name, like in one.state_dict().items():
        if like.shape != weights[name].shape:
            others = [number for number in range(4) if number != ROAD_COLOR]
            held = weights[name]
            weights[name] = held[[ROAD_COLOR]] - held[others].mean(dim=0, keepdim=True)
    one.load_state_dict(weights)
    return one.eval()


@pytest.fixture(scope="module")
def road_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedFolder:
    """Pictures of which the pixels of one colour are road."""
    writer = PreparedWriter(tmp_path_factory.mktemp("road") / "data", space=ROAD, source="test")
    for split, count in (("train", 8), ("val", 4)):
        for index in range(count):
            rgb, ids = scene(index + 100 * (split == "val"), (96, 128))
            road = (ids == ROAD_COLOR).astype(np.uint8)
            data = SampleData(id=f"s{index}", split=split, image=rgb, semantic=road)
            writer.add(write_sample(writer.root, data, ROAD))
    writer.finish()
    return PreparedFolder(writer.root)


def written(network: SegmentationModel, path: Path, **more: object) -> Path:
    given = {"space": ROAD, "threshold": THRESHOLD, "temperature_scaling": WARM, **more}
    export_onnx(network, path, config=ExportConfig(size_hw=SIZE_HW), title="tiny", **given)
    return path


@pytest.fixture(scope="module")
def road_file(network: SegmentationModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(network, tmp_path_factory.mktemp("road") / "m.onnx")


def by_hand(network: SegmentationModel, frame_rgb: np.ndarray) -> np.ndarray:
    """The mask of the network itself: whose probability of road, without a temperature, is 0.85."""
    scores = upsample(expected_logits(network, frame_rgb), SIZE_HW)[0, 0]
    return (scores.sigmoid() >= THRESHOLD.threshold).numpy()


def test_the_file_says_road_where_the_network_is_as_sure(
    network: SegmentationModel, road_file: Path
) -> None:
    moved = 0.0
    with load_predictor(road_file, threads=1) as predictor:
        assert (predictor.manifest.threshold, predictor.manifest.temperature) == (THRESHOLD, 3.0)
        for seed in range(4):
            rgb, _ = scene(seed)
            expected = by_hand(network, rgb)
            at_half = (upsample(expected_logits(network, rgb), SIZE_HW)[0, 0] >= 0).numpy()
            moved += (expected != at_half).mean()
            assert ((predictor(rgb[..., ::-1].copy()).ids == 1) == expected).mean() > 0.9995
    assert moved > 0.01  # so that another threshold would be seen


def test_the_gate_takes_its_int8_twin_and_keeps_the_threshold(
    road_file: Path, road_data: PreparedFolder, tmp_path: Path
) -> None:
    calibration = CalibrationSet.choose(road_data, count=8)
    samples = road_data.samples("val", target="semantic")
    work = Work(model=road_file, out=tmp_path / "m.int8.onnx", calibration=calibration)
    report = compile_through_gate(target_named("onnxruntime"), work, samples, threads=1)
    assert report.passed
    counted = {}
    for path, line in zip((road_file, work.out), report.lineup.files, strict=True):
        hits = either = 0
        with load_predictor(path, threads=1) as predictor:
            assert predictor.manifest.threshold == THRESHOLD
            for sample in samples:
                said, true = predictor(sample.read_bgr()).ids == 1, sample.read_semantic() == 1
                hits, either = hits + (said & true).sum(), either + (said | true).sum()
        counted[path.name] = hits / either
        assert line.evaluation is not None
        assert line.evaluation.main == ("IoU of road", pytest.approx(hits / either))
    assert min(counted.values()) > 0.5


@pytest.mark.parametrize("form", ["host", "chip"])
def test_what_stops_at_the_score_has_the_same_mask(
    network: SegmentationModel, road_file: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "out.onnx"
    if form == "host":
        manifest = write_host_form(road_file, out)
    else:
        proto = onnx.load(str(road_file))
        cut = cut_network(proto, read_manifest(proto, road_file))
        (end,) = cut.ends
        assert end.shape[0] == 1 and end.meaning == "logits"
        manifest = cut.manifest
        proto = twin(cut)
        write_manifest(proto, manifest)
        out.write_bytes(proto.SerializeToString())
    assert manifest.host == ("bilinear", "threshold", "nearest to the frame")
    assert manifest.threshold == THRESHOLD
    least = 1 / (1 + (0.15 / 0.85) ** (1 / 3))
    with load_predictor(out, threads=1) as predictor:
        for seed in range(3):
            larger, _ = scene(seed, (96, 144))
            result = predictor(larger[..., ::-1].copy(), probabilities=True)
            assert result.probabilities is not None and result.probabilities.shape[0] == 2
            p = result.probabilities[1]  # of scores divided by 3
            assert ((p >= least) == (result.ids == 1)).mean() > 0.9999
            rgb, _ = scene(seed)
            mask = predictor(rgb[..., ::-1].copy()).ids == 1
            assert (mask == by_hand(network, rgb)).mean() > 0.9995


def test_two_scores_for_yes_or_no_still_run_and_are_cut(tmp_path: Path) -> None:
    two, path = build("lraspp", classes=2), tmp_path / "m.onnx"
    said = "the network has 2 classes, the label space road2 has 1"
    with pytest.raises(ModelFileError, match=said):
        written(two, path)
    names = zip(ROAD.classes, ("path", "road"), strict=True)
    either = LabelSpace(name="two", classes=tuple(replace(c, name=name) for c, name in names))
    written(two, path, space=either, threshold=None, temperature_scaling=None)
    proto = onnx.load(str(path))
    write_manifest(proto, replace(read_manifest(proto, path), space=ROAD))
    path.write_bytes(proto.SerializeToString())
    manifest = write_host_form(path, tmp_path / "host.onnx")
    assert manifest.space.binary
    (end,) = cut_network(proto, read_manifest(proto, path)).ends
    assert end.shape[0] == 2
    for name in ("m.onnx", "host.onnx"):
        with load_predictor(tmp_path / name, threads=1) as predictor:
            rgb, _ = scene(5)
            expected = upsample(expected_logits(two, rgb), SIZE_HW).argmax(dim=1)[0].numpy()
            assert 0.02 < expected.mean() < 0.98
            assert (predictor(rgb[..., ::-1].copy()).ids == expected).mean() > 0.9995
