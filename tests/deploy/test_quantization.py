"""Quantised files: they agree with their float twins, run in integers, and appear whole or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from color_scenes import SIZE_HW, build, make_data, scene

from curbside.deploy import CalibrationSet, QuantizeConfig, line_up, quantization, quantize
from curbside.deploy.gate.lineup import score_file
from curbside.deploy.gate.written_scores import add_scores
from curbside.deploy.graphs.integers import fold_normalization, nodes_to_keep_float
from curbside.deploy.quantization import Int8Twins
from curbside.errors import ConfigError, DataError, ModelFileError
from curbside.export import ExportConfig, export_onnx
from curbside.imaging import Normalization
from curbside.labels import LabelSpace
from curbside.manifest import Manifest, manifest_from_metadata
from curbside.models import SegmentationModel
from curbside.prepared import PreparedFolder
from curbside.runtime import SemanticPredictor, load_predictor


@pytest.fixture(scope="module")
def calibration(data: Path) -> CalibrationSet:
    return CalibrationSet.choose(PreparedFolder(data), count=12)


@pytest.fixture(scope="module")
def int8_file(
    tmp_path_factory: pytest.TempPathFactory, float_file: Path, calibration: CalibrationSet
) -> Path:
    return quantize(float_file, tmp_path_factory.mktemp("int8") / "m.int8.onnx", calibration)


def manifest_of(path: Path) -> Manifest:
    proto = onnx.load(str(path))
    return manifest_from_metadata({item.key: item.value for item in proto.metadata_props}, path)


def test_the_quantised_file_agrees_and_runs_in_integers(
    float_file: Path, int8_file: Path, calibration: CalibrationSet
) -> None:
    with load_predictor(float_file, threads=1) as one, load_predictor(int8_file, threads=1) as two:
        assert two.precision.startswith("int8")
        for seed in range(500, 506):
            rgb, ids = scene(seed, (80, 120))
            frame = rgb[..., ::-1].copy()
            was, now = one(frame).ids, two(frame).ids
            assert (was == now).mean() > 0.97
            assert (now == ids).mean() > 0.9
    before, after = manifest_of(float_file), manifest_of(int8_file)
    assert (before.precision, after.precision) == ("fp32", "int8")
    assert after.calibration == {**calibration.describe(), "method": "average"}
    assert after.source == before.source == {"recipe": "test"}
    assert int8_file.stat().st_size < 0.5 * float_file.stat().st_size


def test_bytes_go_into_the_first_convolution_as_they_are(int8_file: Path) -> None:
    graph = onnx.load(str(int8_file)).graph
    values = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    stem = next(node for node in graph.node if node.op_type == "Conv")
    reader = next(node for node in graph.node if stem.input[0] in node.output)
    assert reader.op_type == "DequantizeLinear"
    assert (values[reader.input[1]], values[reader.input[2]]) == (1.0, 0)
    layout = next(node for node in graph.node if reader.input[0] in node.output)
    assert layout.op_type == "Transpose"
    # An integer convolution takes its bias in the product of both scales, whatever the file says.
    bias, weight = (
        next(node for node in graph.node if stem.input[place] in node.output) for place in (2, 1)
    )
    np.testing.assert_allclose(values[bias.input[1]], values[weight.input[1]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["lraspp", "deeplab"])
@pytest.mark.parametrize("channels", ["bgr", "rgb"])
@pytest.mark.parametrize(
    ("mean", "tolerance"),
    [
        ((0.2, 0.4, 0.6), 1e-4),  # pixel values of 51, 102, 153: even the border is exact
        ((0.5, 0.4, 0.3), 0.02),  # 127.5, 102, 76.5: the border is off by half a pixel value
    ],
)
def test_folding_the_normalisation_changes_nothing(
    tmp_path: Path,
    space: LabelSpace,
    kind: str,
    channels: str,
    mean: tuple[float, float, float],
    tolerance: float,
) -> None:
    path, model = tmp_path / "m.onnx", build(kind)
    model.normalization = Normalization(mean=mean, std=(0.2, 0.25, 0.3))
    config = ExportConfig(size_hw=(66, 99), channels=channels, outputs="logits")
    export_onnx(model, path, config=config, space=space, title="tiny")
    frame = np.random.default_rng(0).integers(0, 256, (1, 66, 99, 3), dtype=np.uint8)

    def logits(proto: onnx.ModelProto) -> np.ndarray:
        return onnxruntime.InferenceSession(proto.SerializeToString()).run(
            ["logits"], {"frame": frame}
        )[0]

    proto = onnx.load(str(path))
    expected = logits(proto)
    assert fold_normalization(proto, manifest_of(path))
    assert not {"Slice", "Sub", "Div"} & {node.op_type for node in proto.graph.node}
    assert np.abs(logits(proto) - expected).max() < tolerance * np.abs(expected).max()


def test_a_border_of_one_side_alone_and_a_graph_from_elsewhere(float_file: Path) -> None:
    manifest = manifest_of(float_file)
    frame = scene(2)[0][None]
    proto = onnx.load(str(float_file))
    stem = next(node for node in proto.graph.node if node.op_type == "Conv")
    for item in stem.attribute:
        if item.name == "pads":
            item.ints[:] = [0, 0, 1, 1]  # as stride-2 convolutions of other frameworks pad
    run = [onnxruntime.InferenceSession(proto.SerializeToString())]
    assert fold_normalization(proto, manifest)
    run.append(onnxruntime.InferenceSession(proto.SerializeToString()))
    one, two = (session.run(None, {"frame": frame})[0] for session in run)
    assert (one == two).mean() > 0.995

    foreign = onnx.load(str(float_file))
    foreign.producer_name = "somebody"
    before = foreign.SerializeToString()
    assert not fold_normalization(foreign, manifest)
    assert foreign.SerializeToString() == before


def test_a_graph_that_cannot_be_folded_is_quantised_all_the_same(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet
) -> None:
    proto = onnx.load(str(float_file))
    proto.producer_name = "somebody"
    for node in proto.graph.node:
        node.name = ""
    foreign = tmp_path / "foreign.onnx"
    onnx.save(proto, str(foreign))
    out = quantize(foreign, tmp_path / "foreign.int8.onnx", calibration)
    frame = scene(501)[0][..., ::-1].copy()
    with load_predictor(foreign, threads=1) as one, load_predictor(out, threads=1) as two:
        assert two.precision.startswith("int8")
        assert (one(frame).ids == two(frame).ids).mean() > 0.95


def test_the_same_pictures_give_the_same_bytes(
    tmp_path: Path, float_file: Path, int8_file: Path, calibration: CalibrationSet
) -> None:
    again = quantize(float_file, tmp_path / "again.onnx", calibration)
    assert again.read_bytes() == int8_file.read_bytes()
    other = quantize(float_file, tmp_path / "o.onnx", calibration, QuantizeConfig(method="minmax"))
    assert manifest_of(other).calibration["method"] == "minmax"
    assert other.read_bytes() != int8_file.read_bytes()


@pytest.mark.parametrize("outputs", ["confidence", "logits"])
def test_files_with_more_outputs_are_quantised_too(
    tmp_path: Path, fitted, space: LabelSpace, calibration: CalibrationSet, outputs: str
) -> None:
    path, config = tmp_path / "m.onnx", ExportConfig(size_hw=SIZE_HW, outputs=outputs)
    export_onnx(fitted, path, config=config, space=space, title="tiny")
    out = quantize(path, tmp_path / "q.onnx", calibration)
    frame = scene(503)[0][..., ::-1].copy()
    ask = {"probabilities": outputs == "logits"}
    with load_predictor(path, threads=1) as one, load_predictor(out, threads=1) as two:
        was, now = one(frame, **ask), two(frame, **ask)
    assert was.confidence is not None and now.confidence is not None
    assert np.abs(was.confidence - now.confidence).mean() < 0.05
    assert (was.ids == now.ids).mean() > 0.97


def test_a_lineup_tells_both_sides_and_the_scores_enter_the_manifest(
    tmp_path: Path, data: Path, float_file: Path, int8_file: Path
) -> None:
    copy = tmp_path / "m.int8.onnx"
    copy.write_bytes(int8_file.read_bytes())
    samples = PreparedFolder(data).samples("val")
    found = line_up([float_file, copy], samples=samples, threads=1, runs=4)
    one, two = found.files
    assert one.miou is not None and two.miou is not None and one.miou > 0.8
    assert found.miou_loss() == pytest.approx(one.miou - two.miou)
    assert abs(found.miou_loss() or 1) < 0.05
    assert one.agreement == 1 and 0.97 < two.agreement <= 1
    assert one.latency.count == two.latency.count == two.whole.count == 4
    assert two.whole.p50_ms >= two.latency.p50_ms
    assert found.speed_up() == one.whole.p50_ms / two.whole.p50_ms
    assert one.precision == "fp32" and two.precision.startswith("int8")
    assert one.evaluation is not None and one.evaluation.overall.ece is not None
    add_scores(copy, found)
    scores = manifest_of(copy).scores
    assert scores["fp32"]["miou"] == one.miou and scores["int8"]["miou"] == two.miou
    assert scores["int8"]["split"] == "val" and scores["int8"]["images"] == 4
    assert manifest_of(copy).calibration == manifest_of(int8_file).calibration
    with load_predictor(copy, threads=1) as predictor:
        assert predictor(scene(1)[0]).ids.shape == SIZE_HW


def test_calibration_scores_of_a_class_map_are_those_of_the_scores_inside(
    tmp_path: Path, data: Path, fitted: SegmentationModel, space: LabelSpace, float_file: Path
) -> None:
    path = tmp_path / "logits.onnx"
    config = ExportConfig(size_hw=SIZE_HW, outputs="logits")
    export_onnx(fitted, path, config=config, space=space, title="tiny")
    samples = PreparedFolder(data).samples("val")
    open_file, closed_file = (score_file(item, samples, threads=1) for item in (path, float_file))
    assert open_file is not None and closed_file is not None
    assert closed_file.overall.ece == pytest.approx(open_file.overall.ece, abs=1e-6)
    assert closed_file.overall.mean_auprc == pytest.approx(open_file.overall.mean_auprc, abs=1e-6)
    assert closed_file.missing == {}


def test_layers_kept_in_float_are(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet
) -> None:
    twins = Int8Twins(float_file, calibration)
    names = [name for layer in twins.layers for name in layer]
    assert len(names) == len(set(names)) > 20
    assert any(len(layer) == 2 for layer in twins.layers)  # a convolution with its activation
    counts = []
    for kept in (0, 1, 5, len(twins.layers)):
        nodes = {name for layer in twins.layers[:kept] for name in layer[:1]}
        path = twins.write(tmp_path / f"{kept}.onnx", keep_float=nodes)
        graph = onnx.load(str(path)).graph
        made = {n.output[0]: n.op_type for n in graph.node}
        floats = [n.name for n in graph.node if n.op_type == "Conv" and n.input[1] not in made]
        counts.append(len(floats))
        convolutions = [n for layer in twins.layers[:kept] for n in layer if "Conv" in n]
        assert set(convolutions) <= set(floats)
        with load_predictor(path, threads=1) as one, load_predictor(float_file, threads=1) as two:
            frame = scene(504)[0][..., ::-1].copy()
            assert (one(frame).ids == two(frame).ids).mean() > 0.96
    assert counts == sorted(counts) and counts[0] < counts[-1]
    assert manifest_of(path).calibration["float_layers"]


def test_mistakes_are_named_and_nothing_is_left(
    tmp_path: Path, float_file: Path, int8_file: Path, calibration: CalibrationSet
) -> None:
    out = tmp_path / "out" / "q.onnx"
    junk, plain = tmp_path / "junk.onnx", tmp_path / "plain.onnx"
    junk.write_bytes(b"no graph at all")
    proto = onnx.load(str(float_file))
    del proto.metadata_props[:]
    onnx.save(proto, str(plain))
    for path, message in (
        (tmp_path / "none.onnx", "does not exist"),
        (junk, "cannot be loaded"),
        (plain, "carries no Manifest"),
        (int8_file, "is int8 already"),
    ):
        with pytest.raises(ModelFileError, match=message):
            quantize(path, out, calibration)
    with pytest.raises(ConfigError, match="is the float file itself"):
        quantize(float_file, float_file, calibration)
    with pytest.raises(ConfigError, match=r"does not end in \.onnx"):
        quantize(float_file, tmp_path / "q.engine", calibration)
    with pytest.raises(ConfigError, match="no calibration method 'best'"):
        QuantizeConfig(method="best")  # type: ignore[arg-type]
    assert not out.parent.exists()


def test_a_failure_leaves_the_old_file(
    tmp_path: Path, float_file: Path, data: Path, space: LabelSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "q.onnx"
    out.write_bytes(b"what was there before")
    root = make_data(tmp_path / "data", space, train=8, val=0)
    chosen = CalibrationSet.choose(PreparedFolder(root), count=8)
    picture = chosen.samples[5].image_path
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="s05"):
        quantize(float_file, out, chosen)
    assert out.read_bytes() == b"what was there before"

    picture.write_bytes(whole)

    def broken(proto: onnx.ModelProto, manifest: Manifest) -> None:
        del proto.graph.node[-1]

    monkeypatch.setattr(quantization, "write_manifest", broken)
    with pytest.raises(ModelFileError):
        quantize(float_file, out, chosen)
    assert out.read_bytes() == b"what was there before"
    assert not list(tmp_path.glob(".partial-*"))


def test_a_light_classifier_stays_float_and_all_else_is_integer(int8_file: Path) -> None:
    graph = onnx.load(str(int8_file)).graph
    dequantized = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    weights = {item.name: tuple(item.dims) for item in graph.initializer}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    floats = [n for n in convolutions if n.input[1] not in dequantized]
    assert len(floats) == 2 < len(convolutions)
    assert all(weights[n.input[1]][0] == 4 for n in floats)  # the four classes


@pytest.mark.parametrize(("channels", "kept"), [(128, {"head", "best"}), (129, set())])
def test_a_wide_classifier_does_not_stay_float(channels: int, kept: set[str]) -> None:
    make, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    weights = {"a": np.zeros((channels, 3, 1, 1)), "b": np.zeros((4, channels, 1, 1))}
    graph = onnx.helper.make_graph(
        [
            make("Conv", ["frame", "a"], ["deep"], name="stem"),
            make("Conv", ["deep", "b"], ["scores"], name="head"),
            make("ArgMax", ["scores"], ["ids"], name="best", axis=1),
        ],
        "tiny",
        [info("frame", onnx.TensorProto.FLOAT, [1, 3, 4, 4])],
        [info("ids", onnx.TensorProto.INT64, [1, 1, 4, 4])],
        [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    assert set(nodes_to_keep_float(onnx.helper.make_model(graph))) == kept


def test_a_file_that_the_runtime_opens_and_cannot_run_is_not_written(
    tmp_path: Path, float_file: Path, calibration: CalibrationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def infer(self: SemanticPredictor, tensor: np.ndarray) -> dict[str, np.ndarray]:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Resize: 'Cubic' mode")

    monkeypatch.setattr(SemanticPredictor, "infer", infer)
    with pytest.raises(ModelFileError, match=r"cannot be run by ONNX Runtime .*'Cubic' mode"):
        quantize(float_file, tmp_path / "m.int8.onnx", calibration)
    assert list(tmp_path.iterdir()) == []
