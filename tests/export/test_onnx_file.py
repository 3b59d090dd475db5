"""Exported files: what is in them, and that they answer as the network does."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from color_scenes import SIZE_HW, build, expected_logits, scene

from curbside.errors import ConfigError, ModelFileError, StorageError
from curbside.export import ExportConfig, export_onnx, onnx_file
from curbside.export.verification import verify
from curbside.labels import LabelSpace, load_space
from curbside.manifest import METADATA_KEY, manifest_from_metadata
from curbside.models import upsample
from curbside.runtime import load_predictor

UNWANTED = {"BatchNormalization", "Shape", "Gather", "ConstantOfShape", "Unsqueeze", "Identity"}


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("kind", ["lraspp", "deeplab"])
@pytest.mark.parametrize(
    ("outputs", "size_hw", "opset"),
    [("ids", SIZE_HW, 17), ("confidence", (65, 97), 13), ("logits", (70, 75), 18)],
)
def test_the_file_answers_as_the_network_at_every_pixel(
    tmp_path: Path, space: LabelSpace, kind: str, outputs: str, size_hw: tuple[int, int], opset: int
) -> None:
    model, path = build(kind), tmp_path / "m.onnx"
    config = ExportConfig(size_hw=size_hw, outputs=outputs, opset=opset)
    found = export_onnx(model, path, config=config, space=space, title="tiny")
    proto = onnx.load(str(path))
    assert not {node.op_type for node in proto.graph.node} & UNWANTED
    assert [item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")] == [
        opset
    ]
    assert found.agreement >= 0.999
    assert found.logit_difference < 1e-3 < found.logit_range

    runs = session(path)
    assert [(i.name, i.type, i.shape) for i in runs.get_inputs()] == [
        ("frame", "tensor(uint8)", [1, *size_hw, 3])
    ]
    types = {o.name: (o.type, o.shape[:2]) for o in runs.get_outputs()}
    assert types["ids"] == ("tensor(uint8)", [1, size_hw[0]])
    rgb, _ = scene(3, size_hw)
    given = dict(zip(types, runs.run(None, {"frame": rgb[None, ..., ::-1].copy()}), strict=True))
    logits = expected_logits(model, rgb)
    scores = upsample(logits, size_hw)[0]
    assert given["ids"].shape == (1, *size_hw)
    assert (given["ids"][0] == scores.argmax(0).numpy()).mean() > 0.999
    assert len(set(np.unique(given["ids"]))) > 1, "one class everywhere would prove nothing"
    if outputs == "confidence":
        assert types["confidence"][0] == "tensor(float)"
        winner = scores.softmax(0).amax(0).numpy()
        np.testing.assert_allclose(given["confidence"][0], winner, atol=1e-4)
        assert found.confidence_difference is not None and found.confidence_difference < 1e-3
    else:
        assert found.confidence_difference is None
    if outputs == "logits":
        # Borders included: normalisation must not reach under the zero padding.
        np.testing.assert_allclose(given["logits"], logits.numpy(), atol=1e-3)


def test_rgb_and_bgr_files_agree_on_flipped_frames(tmp_path: Path, space: LabelSpace) -> None:
    model = build("lraspp")
    frame = np.random.default_rng(1).integers(0, 256, (1, *SIZE_HW, 3), dtype=np.uint8)
    made = {}
    for channels in ("bgr", "rgb"):
        path = tmp_path / f"{channels}.onnx"
        config = ExportConfig(size_hw=SIZE_HW, channels=channels, outputs="logits")
        export_onnx(model, path, config=config, space=space, title="tiny")
        made[channels] = session(path)
    (bgr,) = made["bgr"].run(["logits"], {"frame": frame})
    (rgb,) = made["rgb"].run(["logits"], {"frame": frame[..., ::-1].copy()})
    (wrong,) = made["rgb"].run(["logits"], {"frame": frame})
    np.testing.assert_allclose(bgr, rgb, atol=1e-5)
    assert np.abs(wrong - rgb).max() > 1e-2


def test_the_manifest_inside_says_everything(float_file: Path, space: LabelSpace) -> None:
    props = {item.key: item.value for item in onnx.load(str(float_file)).metadata_props}
    manifest = manifest_from_metadata(props, float_file)
    assert set(props) == {METADATA_KEY}
    assert manifest.space == space
    assert manifest.input.size_hw == SIZE_HW and manifest.input.channels == "bgr"
    assert [output.meaning for output in manifest.outputs] == ["ids"]
    assert (manifest.precision, manifest.model) == ("fp32", "tiny")
    assert manifest.normalization.mean == (0.5, 0.4, 0.3)
    assert manifest.source == {"recipe": "test"}


def test_the_runtime_shows_the_right_classes_on_a_frame_of_another_size(float_file: Path) -> None:
    rgb, ids = scene(7, (90, 140))
    with load_predictor(float_file, threads=1) as predictor:
        result = predictor(rgb[..., ::-1].copy())
    assert result.ids.shape == (90, 140)
    assert (result.ids == ids).mean() > 0.9


def test_the_same_network_gives_the_same_bytes(tmp_path: Path, space: LabelSpace) -> None:
    written = []
    for name in ("a.onnx", "b.onnx"):
        config = ExportConfig(size_hw=SIZE_HW)
        export_onnx(build("lraspp"), tmp_path / name, config=config, space=space, title="tiny")
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_a_graph_that_disagrees_is_not_written(
    tmp_path: Path, space: LabelSpace, fitted: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = onnx_file.to_onnx

    def sabotaged(graph: torch.nn.Module, opset: int) -> onnx.ModelProto:
        proto = honest(graph, opset)
        for item in proto.graph.initializer:
            if item.name.endswith("deep.bias"):
                shifted = onnx.numpy_helper.to_array(item) + np.float32([50, 0, 0, 0])
                item.CopyFrom(onnx.numpy_helper.from_array(shifted, item.name))
                return proto
        raise AssertionError("there is no bias to spoil")

    monkeypatch.setattr(onnx_file, "to_onnx", sabotaged)
    path = tmp_path / "m.onnx"
    path.write_bytes(b"what was there before")
    with pytest.raises(ModelFileError, match=r"agrees with the checkpoint on only \d+\.\d+%"):
        export_onnx(fitted, path, config=ExportConfig(size_hw=SIZE_HW), space=space, title="tiny")
    assert path.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_diverged_network_is_refused(tmp_path: Path, space: LabelSpace) -> None:
    model = build("lraspp")
    model.deep.bias.data[0] = float("nan")
    config = ExportConfig(size_hw=SIZE_HW)
    with pytest.raises(ModelFileError, match="not finite"):
        export_onnx(model, tmp_path / "m.onnx", config=config, space=space, title="tiny")
    assert not list(tmp_path.iterdir())


def test_mistakes_are_named(tmp_path: Path, space: LabelSpace) -> None:
    model, good = build("lraspp"), ExportConfig(size_hw=SIZE_HW)
    with pytest.raises(ConfigError, match="opset 12"):
        ExportConfig(size_hw=SIZE_HW, opset=12)
    with pytest.raises(ConfigError, match=r"16 x 96.*32 to 8192"):
        config = ExportConfig(size_hw=(16, 96))
        export_onnx(model, tmp_path / "m.onnx", config=config, space=space, title="tiny")
    with pytest.raises(ConfigError, match=r"does not end in \.onnx"):
        export_onnx(model, tmp_path / "m.pt", config=good, space=space, title="tiny")
    with pytest.raises(ModelFileError, match=r"4 classes.*camvid11 has 11"):
        camvid = load_space("camvid11")
        export_onnx(model, tmp_path / "m.onnx", config=good, space=camvid, title="tiny")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        export_onnx(model, tmp_path / "file" / "m.onnx", config=good, space=space, title="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_verifying_measures_the_differences(
    tmp_path: Path, space: LabelSpace, fitted: torch.nn.Module
) -> None:
    path, pictures = tmp_path / "m.onnx", [scene(seed)[0] for seed in range(2)]
    config = ExportConfig(size_hw=SIZE_HW, outputs="confidence")
    export_onnx(fitted, path, config=config, space=space, title="tiny")
    other = copy.deepcopy(fitted)
    other.deep.bias.data += 0.25  # of all classes: neither class nor confidence changes
    found = verify(path, other, pictures)
    assert found.pictures == 2 and found.agreement > 0.999
    assert found.logit_difference == pytest.approx(0.25, abs=1e-3)
    assert found.confidence_difference == pytest.approx(0, abs=1e-3)
    other.deep.bias.data[0] += 50  # now every pixel is class 0, and surely so
    found = verify(path, other, pictures)
    assert found.logit_difference == pytest.approx(50.25, abs=1e-2)
    least = 1 - load_predictor(path, threads=1)(pictures[0]).confidence.min()
    assert found.confidence_difference >= least - 1e-3 > 0.1
    assert found.agreement < 0.9
