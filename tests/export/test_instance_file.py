"""A file that gives raw maps is cut for a device where it ends, and quantised whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from curbside.deploy.graphs.cut import cut_network, twin
from curbside.deploy.graphs.heads import heads_of
from curbside.deploy.graphs.host_form import write_host_form
from curbside.errors import ModelFileError
from curbside.export import ExportConfig, export_instances
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import METADATA_KEY, Manifest, manifest_from_metadata
from curbside.models import EncoderConfig, PrototypeMasksConfig

SIZE_HW = (64, 96)
SPACE = LabelSpace(
    name="two",
    classes=tuple(
        LabelClass(id=i, name=f"class {i}", color=(9, i, 9), has_instances=True) for i in range(2)
    ),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = EncoderConfig(name="mobilenetv4_conv_small_035")
    config = PrototypeMasksConfig(encoder=encoder, channels=8, depth=1, prototypes=4, bins=5)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("file") / "m.onnx"
    export_instances(
        config.build(2).eval(), path, config=ExportConfig(size_hw=SIZE_HW), space=SPACE, title="x"
    )
    return path


def _manifest(proto: onnx.ModelProto, path: Path) -> Manifest:
    props = {item.key: item.value for item in proto.metadata_props}
    assert set(props) == {METADATA_KEY}
    return manifest_from_metadata(props, path)


def test_a_device_stops_where_the_file_does(file: Path) -> None:
    proto = onnx.load(str(file))
    manifest = _manifest(proto, file)
    assert manifest.input.fit == "letterbox" and manifest.task == "instances"
    assert "sigmoid of class scores" in manifest.host and "NMS" in manifest.host
    cut = cut_network(proto, manifest)
    assert cut.start == "image"
    names = [f"{kind}_{stride}" for stride in (8, 16, 32) for kind in ("box", "class", "mask")]
    assert [end.name for end in cut.ends] == [*names, "prototypes"]
    assert cut.ends[0].shape == (20, 8, 12) and cut.ends[-1].shape == (4, 16, 24)
    assert heads_of(proto, manifest) == set()  # nothing here decodes

    frame = np.random.default_rng(0).integers(0, 256, (1, *SIZE_HW, 3), np.uint8)
    whole = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    made = onnxruntime.InferenceSession(
        twin(cut).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = dict(zip([*names, "prototypes"], whole.run(None, {"frame": frame}), strict=True))
    rgb = np.ascontiguousarray(frame[..., ::-1])
    order = [item.name for item in made.get_outputs()]
    for name, given in zip(order, made.run(None, {"frame": rgb}), strict=True):
        wanted = expected[name].transpose(0, 2, 3, 1)
        if name.startswith("class"):
            wanted = 1 / (1 + np.exp(-wanted))
        np.testing.assert_allclose(given, wanted, atol=1e-4)


def test_the_form_for_the_host_is_the_file(file: Path, tmp_path: Path) -> None:
    changed = write_host_form(file, tmp_path / "host.onnx")
    before = _manifest(onnx.load(str(file)), file)
    assert [item.name for item in changed.outputs] == [item.name for item in before.outputs]
    assert [item.activated for item in changed.outputs_of("class_scores")] == [False] * 3


def test_probabilities_without_a_sigmoid_are_no_end(file: Path) -> None:
    proto = onnx.load(str(file))
    manifest = _manifest(proto, file)
    outputs = tuple(replace(item, activated=True) for item in manifest.outputs)
    with pytest.raises(ModelFileError, match="no sigmoid makes the probabilities class_8"):
        cut_network(proto, replace(manifest, outputs=outputs))
