"""Networks that tell depth as files: beside classes, alone, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from fitted import scaled
from tiny_hydranet import SIZE_HW, hydranet

from curbside import export
from curbside.cli import main
from curbside.deploy import check_operators, target_named
from curbside.errors import ConfigError, ModelFileError
from curbside.export import (
    DeployableGraph,
    ExportConfig,
    Verification,
    check_export,
    export_onnx,
    onnx_file,
    verify,
)
from curbside.labels import NO_CLASSES, LabelSpace
from curbside.manifest import DepthSpec
from curbside.models import SegmentationModel
from curbside.runtime import load_predictor

SPEC = DepthSpec(max_m=80, focal_xy_px=(60.0, 64.0), camera="the left one")
CONFIG = ExportConfig(size_hw=SIZE_HW)
FRAME = np.random.default_rng(1).integers(0, 256, (*SIZE_HW, 3), np.uint8)  # BGR


@pytest.fixture(scope="module")
def network() -> SegmentationModel:
    return hydranet()


def expected(model: SegmentationModel) -> tuple[np.ndarray, np.ndarray]:
    """Scores and metres of the frame, normalised by hand: (C, h, w) and (h, w)."""
    rgb = FRAME[..., ::-1].astype(np.float64) / 255
    norm = model.normalization
    picture = ((rgb - norm.mean) / norm.std).transpose(2, 0, 1)[None]
    with torch.no_grad():
        found = model(torch.tensor(picture, dtype=torch.float32))
    return found.logits[0].numpy(), found.depth[0, 0].numpy()


@pytest.fixture(scope="module")
def joint(
    tmp_path_factory: pytest.TempPathFactory, network: SegmentationModel, space: LabelSpace
) -> tuple[Path, Verification]:
    """The network as a file, and how it was verified."""
    path = tmp_path_factory.mktemp("joint") / "m.onnx"
    found = export_onnx(
        network,
        path,
        config=ExportConfig(size_hw=SIZE_HW, outputs="logits", target="hailo8"),
        space=space,
        title="tiny",
        depth=SPEC,
        temperature_scaling=scaled(2.0),
        pictures=[FRAME],
    )
    return path, found


def test_classes_and_depth_come_from_one_file(
    joint: tuple[Path, Verification], network: SegmentationModel, space: LabelSpace
) -> None:
    path, found = joint
    assert found.agreement >= 0.999 and found.logit_difference < 1e-3
    assert found.depth_relative_difference < 1e-5 and found.depth_difference_m < 1e-2
    logits, metres = expected(network)
    assert metres.std() > 5, "the same depth everywhere would prove nothing"
    with load_predictor(path, threads=1) as predictor:
        manifest = predictor.manifest
        given = predictor.infer(predictor.prepare(FRAME))
        result = predictor(FRAME.repeat(2, 0))
    assert (manifest.task, manifest.space, manifest.depth) == ("semantic+depth", space, SPEC)
    assert [item.meaning for item in manifest.outputs] == ["ids", "logits", "depth"]
    assert given["depth"].shape == (1, 1, SIZE_HW[0] // 4, SIZE_HW[1] // 4)
    np.testing.assert_allclose(given["depth"][0, 0], metres, rtol=1e-4)
    np.testing.assert_allclose(given["logits"][0], logits / 2, atol=1e-4)  # metres are not divided
    assert result.semantic.size_hw == result.depth.size_hw == (2 * SIZE_HW[0], SIZE_HW[1])


def test_depth_alone_says_nothing_of_classes(
    tmp_path: Path, network: SegmentationModel, space: LabelSpace
) -> None:
    path = tmp_path / "m.onnx"
    how = {"space": space, "title": "tiny", "depth": SPEC, "semantic": False, "pictures": [FRAME]}
    found = export_onnx(network, path, config=CONFIG, **how)
    assert found.agreement is None and found.logit_difference is None
    assert found.depth_relative_difference < 1e-5
    proto = onnx.load(str(path))
    assert [item.name for item in proto.graph.output] == ["depth"]
    assert not {"ArgMax", "Resize"} & {n.op_type for n in proto.graph.node if "logits" in n.output}
    with load_predictor(path, threads=1) as predictor:
        manifest = predictor.manifest
        metres = predictor(FRAME).depth_m
    assert (manifest.task, manifest.space) == ("depth", NO_CLASSES)
    np.testing.assert_allclose(metres[2::4, 2::4].mean(), expected(network)[1].mean(), rtol=0.05)


def test_without_depth_a_file_is_as_it_was(
    tmp_path: Path, network: SegmentationModel, space: LabelSpace
) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(network, path, config=CONFIG, space=space, title="t", pictures=[FRAME])
    with load_predictor(path, threads=1) as predictor:
        facts = predictor.manifest.to_dict()
    assert facts["task"] == "semantic" and "depth" not in facts
    weights = {item.name for item in onnx.load(str(path)).graph.initializer}
    assert not any("depth.classifier" in name for name in weights)


def test_depth_that_disagrees_is_not_written(
    tmp_path: Path,
    joint: tuple[Path, Verification],
    network: SegmentationModel,
    space: LabelSpace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proto = onnx.load(str(joint[0]))
    values = {item.name: item for item in proto.graph.initializer}
    last = next(node for node in proto.graph.node if "depth" in node.output)
    (limit,) = (values[name] for name in last.input if name in values)
    wrong = onnx.numpy_helper.to_array(limit) * np.float32(1.002)
    limit.CopyFrom(onnx.numpy_helper.from_array(wrong, limit.name))
    monkeypatch.setattr(onnx_file, "to_onnx", lambda graph, opset: proto)
    how = {"space": space, "title": "t", "pictures": [FRAME], "depth": DepthSpec(max_m=100)}
    config = ExportConfig(size_hw=SIZE_HW, outputs="logits")
    with pytest.raises(
        ModelFileError, match=r"checkpoint's by 0\.200% on the average .* 0\.1\d+ m"
    ):
        export_onnx(network, tmp_path / "m.onnx", config=config, **how)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_is_refused(
    joint: tuple[Path, Verification], network: SegmentationModel
) -> None:
    with pytest.raises(ConfigError, match="no depth head"):
        DeployableGraph(hydranet("none"), size_hw=SIZE_HW, depth=True)
    with pytest.raises(ConfigError, match="neither classes nor depth"):
        DeployableGraph(network, size_hw=SIZE_HW, semantic=False)
    with pytest.raises(ConfigError, match="tells depth alone has no confidence"):
        DeployableGraph(network, size_hw=SIZE_HW, semantic=False, depth=True, outputs="confidence")
    diverged = hydranet()
    diverged.get_submodule("depth").get_submodule("classifier").bias.data[0] = float("nan")
    with pytest.raises(ModelFileError, match="depths are not finite"):
        verify(joint[0], diverged, [FRAME])


def test_a_chip_takes_capped_depth_and_says_so_of_the_other(
    joint: tuple[Path, Verification],
) -> None:
    config = ExportConfig(size_hw=SIZE_HW, target="hailo8")
    capped = check_operators(onnx.load(str(joint[0])), target_named("hailo8"))
    assert capped.accepted and {"Sigmoid", "Mul"} <= {item.kind for item in capped.findings}
    uncapped = check_export(hydranet("uncapped"), config, depth=True)
    with pytest.raises(ModelFileError, match="would refuse 1 Softplus") as caught:
        uncapped.require_accepted()
    assert "--model.depth capped" in caught.value.fix
    # What leads to depth is judged even where the scores have the name that the exporter gives.
    make = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [
            make("Relu", ["image0"], ["image"]),
            make("Relu", ["image"], ["logits"]),
            make("Softplus", ["image"], ["far"]),
            make("ArgMax", ["logits"], ["ids"], axis=1),
        ],
        "g",
        [onnx.helper.make_tensor_value_info("image0", 1, [1, 1, 4, 4])],
        [onnx.helper.make_tensor_value_info(name, 1, None) for name in ("ids", "far")],
    )
    found = check_operators(onnx.helper.make_model(graph), target_named("hailo8"))
    assert [(item.kind, item.accepted) for item in found.findings] == [
        ("Softplus", False),
        ("Relu", True),
    ]


def test_the_verb_says_what_the_metres_are_for(
    tmp_path: Path,
    network: SegmentationModel,
    space: LabelSpace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    training = pytest.importorskip("curbside.training")
    asked: list[dict] = []

    def export_onnx(model: SegmentationModel, path: Path, **how: object) -> Verification:
        asked.append(how)
        path.write_bytes(b"a file")
        classes = {"agreement": 1.0, "logit_difference": 1e-6, "logit_range": 9.0}
        classes = classes if how["semantic"] else dict.fromkeys(classes)
        return Verification(
            pictures=4,
            **classes,
            confidence_difference=None,
            depth_difference_m=1e-4,
            depth_relative_difference=2e-6,
        )

    monkeypatch.setattr(export, "export_onnx", export_onnx)
    run = SimpleNamespace(
        model=network,
        space=space,
        title="HydraNet tiny",
        image_size_hw=SIZE_HW,
        source={"recipe": "test"},
        scores={},
        temperature_scaling=None,
        threshold=None,
        depth=SPEC,
        config=SimpleNamespace(targets=("semantic", "depth")),
    )
    monkeypatch.setattr(training, "load_run", lambda folder: run)
    monkeypatch.setattr(training, "load_config", lambda folder: None)
    path = tmp_path / "m.onnx"
    assert main(["export", "RUN", "--out", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "same class on 100" in said and "bgr in, ids and depth out" in said
    assert "depth differs by 2.0e-06 of itself on the average, by up to 1.0e-04 m" in said
    assert "focal length of 60 x 64 px at the file's input (the left one), up to 80 m" in said
    assert "at this size the same camera" not in said
    run.config.targets = ("depth",)
    size = ["--size-hw", "64", "64"]
    assert main(["export", "RUN", "--out", str(path), *size]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "bgr in, depth out" in said and "same class" not in said
    assert "the run learned at 96 x 64: at this size the same camera has another focal" in said
    assert [(how["depth"], how["semantic"]) for how in asked] == [(SPEC, True), (SPEC, False)]
