"""What was predicted is kept as a prepared folder that other verbs read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_models import SPACE, make_manifest, make_onnx

from curbside.cli import main
from curbside.errors import LabelError
from curbside.evaluation import Predictions
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import METADATA_KEY
from curbside.metrics import ConfusionMatrix
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.runtime import FusionConfig, load_fused_predictor, load_predictor

RAW = random_raw(1)
SIZE = (48, 64)
THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    writer = PreparedWriter(tmp_path / "data", space=THINGS, source="numbers by chance")
    for number in range(2):
        ids = np.kron(random.integers(0, 3, (6, 8)), np.ones((8, 8), int)).astype(np.uint8)
        ids[8:30, 10:40] = 3
        instances = ids.astype(np.uint16)
        instances[8:30, 10:40] = 3001
        sample = SampleData(
            id=f"{number}",
            split="val",
            image=random.integers(0, 256, (*SIZE, 3), np.uint8),
            semantic=ids,
            instances=instances,
        )
        writer.add(write_sample(writer.root, sample, THINGS))
    writer.finish()
    return PreparedFolder(writer.root)


@pytest.fixture
def semantic(tmp_path):
    return make_onnx(tmp_path / "s.onnx", manifest=make_manifest(space=THINGS))


@pytest.fixture
def instances(tmp_path):
    arrays, outputs = RAW.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    return make_constant_onnx(tmp_path / "i.onnx", arrays, size_hw=RAW.size_hw, metadata=metadata)


def test_fused_pictures_become_coco_panoptic(data, semantic, instances, tmp_path, capsys):
    out = tmp_path / "kept"
    argv = ["evaluate", str(semantic), str(data.root), "--instances", str(instances), "--json"]
    assert not main([*argv, "--fusion.outside", "drop", "--save-predictions", str(out)])
    assert json.loads(capsys.readouterr().out)["images"] == 2
    kept = PreparedFolder(out).samples("val", target="instances")
    rules = FusionConfig(outside="drop")
    with load_fused_predictor(semantic, instances, config=rules, threads=1) as fused:
        for sample, truth in zip(kept, data.samples("val"), strict=True):
            result = fused(truth.read_bgr())
            assert len(result.objects) > 1
            np.testing.assert_array_equal(sample.read_instances(), result.segment_map())
            np.testing.assert_array_equal(sample.read_semantic(), result.ids)
    looser = ["--fusion.outside", "drop", "--confidence", "0.2"]
    assert main([*argv, *looser, "--save-predictions", str(out)]) == 2
    assert "holds data prepared with other options" in capsys.readouterr().err
    assert not main(["annotations", "coco-panoptic", str(out), str(tmp_path / "coco")])
    found = json.loads((tmp_path / "coco/annotations/panoptic_val.json").read_text("utf-8"))
    assert len(found["annotations"]) == 2


def test_where_nobody_counted_objects_the_fused_class_map_is_scored(
    data, semantic, instances, tmp_path, capsys
):
    writer = PreparedWriter(tmp_path / "plain", space=THINGS, source="numbers by chance")
    matrix = ConfusionMatrix(4)
    rules = FusionConfig(outside="drop")
    with load_fused_predictor(semantic, instances, config=rules, threads=1) as fused:
        for sample in data.samples("val"):
            ids = sample.read_semantic()
            plain = SampleData(id=sample.id, split="val", image=sample.image_path, semantic=ids)
            writer.add(write_sample(writer.root, plain, THINGS))
            matrix.update(fused(sample.read_bgr()).ids, ids)
    writer.finish()
    argv = ["evaluate", str(semantic), str(writer.root), "--instances", str(instances), "--json"]
    assert not main([*argv, "--fusion.outside", "drop"])
    said = capsys.readouterr()
    assert "the data count no objects" in said.err
    assert json.loads(said.out)["scores"]["miou"] == pytest.approx(matrix.miou())
    # The classes that objects bring along take their pixels and are no classes of the data.
    assert not main(argv)
    told = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in told["classes"]] == list(THINGS.names)
    assert told["scores"]["miou"] < matrix.miou()


def test_class_maps_are_kept_too(data, semantic, tmp_path, capsys):
    out = tmp_path / "kept"
    assert not main(["evaluate", str(semantic), str(data.root), "--save-predictions", str(out)])
    assert "mIoU" in capsys.readouterr().out
    with load_predictor(semantic, threads=1) as predictor:
        for sample, truth in zip(
            PreparedFolder(out).samples("val"), data.samples("val"), strict=True
        ):
            np.testing.assert_array_equal(sample.read_semantic(), predictor(truth.read_bgr()).ids)


def test_thousands_of_objects_are_not_kept(data, instances, tmp_path, capsys):
    argv = ["evaluate", str(instances), str(data.root), "--save-predictions", str(tmp_path / "x")]
    assert main(argv) == 2
    assert "see curbside pseudolabel" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_classes_that_fit_no_instance_map_are_refused(data, tmp_path):
    space = LabelSpace(
        name="many",
        classes=tuple(
            LabelClass(id=i, name=f"c{i}", color=(i, 0, 0), has_instances=True) for i in range(80)
        ),
    )
    sample = data.samples("val")[0]
    ids = np.full(SIZE, 70, np.uint8)
    with (
        pytest.raises(LabelError, match=r"objects of c70 \(id 70\) do not fit"),
        Predictions(tmp_path / "kept", space=space, options={}) as kept,
    ):
        kept.add(sample, ids, np.full(SIZE, 70_001, np.int32))
