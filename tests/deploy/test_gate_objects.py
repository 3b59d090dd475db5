"""Networks that find objects at the gate: average precision where objects are told, else agreement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_outward import make_prepared
from tiny_instances import SPACE, make_constant_onnx, manifest_of, random_raw

from curbside.deploy import Work, compile_through_gate, line_up, target_named, write_gate_report
from curbside.deploy.gate.lineup_tables import lineup_table, write_lineup
from curbside.deploy.gate.losses import Losses
from curbside.deploy.gate.objects import told_objects
from curbside.labels import LabelClass, LabelSpace
from curbside.manifest import METADATA_KEY
from curbside.prepared import Sample
from curbside.runtime import load_predictor

pytest.importorskip("faster_coco_eval")
pytest.importorskip("matplotlib")

SIZE_HW = (64, 96)
DATA = LabelSpace(
    name="counted",
    classes=(
        LabelClass(id=0, name="road", color=(1, 1, 1)),
        *(
            LabelClass(id=item.id + 1, name=item.name, color=item.color, has_instances=True)
            for item in SPACE.classes
        ),
    ),
)


def finder(path: Path, *, shift: float = 0.0) -> Path:
    """A network that finds the same in every picture; `shift` is added to all raw class scores."""
    raw = random_raw(1)
    raw.scores = [scores + shift for scores in raw.scores]
    arrays, outputs = raw.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, raw.size_hw).to_json()}
    return make_constant_onnx(path, arrays, size_hw=raw.size_hw, metadata=metadata)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return finder(tmp_path / "m.onnx")


@pytest.fixture
def samples(tmp_path: Path, model: Path) -> list[Sample]:
    """Pictures that hold the five objects which the network is surest of, and one more each."""
    with load_predictor(model, threads=1) as predictor:
        found = predictor(np.zeros((*SIZE_HW, 3), np.uint8))
    values = np.zeros(SIZE_HW, np.uint16)
    for number in range(min(5, len(found)))[::-1]:
        mask = found.masks[number]
        value = (int(found.class_ids[number]) + 1) * 1000 + number
        values[mask.window][mask.inside] = value
    values[:6, :6] = 3999
    return make_prepared(
        tmp_path / "data", {f"val/{n}": {"instances": values} for n in "ab"}, space=DATA
    ).samples("val")


def test_what_is_compiled_is_held_to_its_average_precision(
    tmp_path: Path, model: Path, samples: list[Sample]
) -> None:
    work = Work(model=model, out=tmp_path / "out" / "m.fp32.onnx")
    report = compile_through_gate(
        target_named("onnxruntime", precision="fp32"), work, samples, threads=1
    )
    assert report.passed and report.unit == "points of mask AP"
    assert [item.loss for item in report.attempts] == [0]
    before, after = report.lineup.files
    assert before.mask_ap == after.mask_ap and before.mask_ap > 0.1 and before.miou is None
    with load_predictor(work.out, threads=1) as predictor:
        scores = predictor.manifest.scores["fp32"]
    assert scores["mask_ap"] == before.mask_ap and scores["images"] == 2
    page = write_gate_report(report, tmp_path / "report").read_text()
    assert "mask AP50" in page and "box AP before" in page and "recall above 0.5" in page
    assert report.lineup.to_dict()["classes"] == list(SPACE.names)


def test_files_side_by_side_show_their_average_precision(
    tmp_path: Path, model: Path, samples: list[Sample]
) -> None:
    other = finder(tmp_path / "shy.onnx", shift=-20)  # finds nothing
    lineup = line_up([model, other], samples=samples, threads=1, runs=2)
    assert lineup.mask_ap_loss(0) == 0 and lineup.miou_loss(1) is None
    assert lineup.mask_ap_loss(1) == lineup.files[0].mask_ap > 0
    table = lineup_table(lineup)
    assert {"mask AP", "box AP"} <= set(table.headers) and "mIoU" not in table.headers
    assert "Mask AP by class" in write_lineup(lineup, tmp_path / "lineup").read_text()


def test_without_objects_that_are_told_agreement_is_measured(
    tmp_path: Path, model: Path, samples: list[Sample]
) -> None:
    counted = Losses(model, samples)
    assert (counted.classes, counted.unit) == (samples, "points of mask AP")
    assert (counted.depth, counted.depth_unit) == ([], "")
    nothing = {"val/a": {"instances": np.zeros(SIZE_HW, np.uint16)}}
    crowds = {"val/a": {"instances": np.full(SIZE_HW, 2, np.uint16)}}
    masks = {"val/a": {"semantic": np.zeros(SIZE_HW, np.uint8)}}
    some = {"val/a": {"instances": np.full(SIZE_HW, 1001, np.uint16), "annotated": ("dog", "road")}}
    for name, pictures in {"n": nothing, "c": crowds, "m": masks, "s": some}.items():
        bare = make_prepared(tmp_path / name, pictures, space=DATA).samples("val")
        counted = Losses(model, bare)
        assert (counted.classes, counted.unit) == ([], "% of the objects")
        assert Losses(model, [*samples, *bare]).unit == "% of the objects" or name in "nc"
    with load_predictor(model, threads=1) as predictor:
        manifest = predictor.manifest
    assert told_objects(manifest, []) == []
    stuff = LabelSpace(name="stuff", classes=DATA.classes[:1])
    plain = make_prepared(tmp_path / "stuff", nothing, space=stuff).samples("val")
    assert told_objects(manifest, plain) == []
