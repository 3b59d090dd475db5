"""Fused pictures over a prepared folder: at which classes, what counts, and the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from builders_outward import SPACE, drawn, make_prepared

from curbside.errors import DataError, LabelError
from curbside.evaluation.panoptic import (
    evaluate_panoptic,
    shared_segments,
    write_panoptic_report,
)
from curbside.imaging import Normalization
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.results import InstanceResult, MaskCrop, PanopticResult

pytest.importorskip("matplotlib")

A = """
ssssssssssss
ssAAAAs.QQ..
..AAAA..QQ..
............
"""
Z = """
ssssssss....
PPPP....BBBB
PPPP....BBBB
PPPPpppp....
"""
CAR = SPACE.names[3]


def manifest(space: LabelSpace, task: str = "semantic") -> Manifest:
    meanings = ["ids"] if task == "semantic" else ["detections", "prototypes"]
    return Manifest(
        task=task,
        input=InputSpec(size_hw=(32, 64)),
        outputs=tuple(OutputSpec(name=meaning, meaning=meaning) for meaning in meanings),
        space=space,
        normalization=Normalization(),
        model=task,
        source={"recipe": f"the {task} one"},
    )


def fused(values: np.ndarray, space: LabelSpace) -> PanopticResult:
    """The picture whose segments these are."""
    counted = values >= 1000
    found = np.unique(values[counted])
    return PanopticResult(
        ids=np.where(counted, values // 1000, values).astype(np.uint8),
        objects=InstanceResult(
            boxes_xyxy=np.zeros((len(found), 4), np.float32),
            scores=np.ones(len(found), np.float32),
            class_ids=(found // 1000).astype(np.uint8),
            masks=tuple(MaskCrop(top=0, left=0, inside=values == value) for value in found),
            space=space,
            size_hw=values.shape,
        ),
        found_as=("thing",) * len(found),
        track_ids=np.zeros(len(found), np.int32),
        disagreement=np.zeros(values.shape, np.uint8),
    )


@dataclass
class Fuser:
    """Says what it is told to, by a picture's brightness."""

    answers: dict[int, np.ndarray]
    semantic_space: LabelSpace = SPACE
    instance_space: LabelSpace = field(
        default_factory=lambda: replace(SPACE, name="things", classes=SPACE.classes[2:])
    )
    space: LabelSpace = SPACE
    title: str = "two <b>networks</b>"
    precision: str = "fp32"

    @property
    def semantic(self) -> SimpleNamespace:
        return SimpleNamespace(manifest=manifest(self.semantic_space))

    @property
    def instances(self) -> SimpleNamespace:
        return SimpleNamespace(manifest=manifest(self.instance_space, "instances"))

    def __call__(self, frame_bgr: np.ndarray) -> PanopticResult:
        shade = int(np.rint(frame_bgr.mean()))
        values = next(v for k, v in self.answers.items() if abs(k - shade) <= 2)
        return fused(values.astype(np.int32), self.space)


def shade(key: str) -> int:
    """The brightness that `make_prepared` gives a picture."""
    return sum(map(ord, key)) % 256


def right() -> dict[int, np.ndarray]:
    return {shade("val/a"): drawn(A), shade("val/z"): drawn(Z)}


def plain(values: np.ndarray) -> np.ndarray:
    return np.where(values >= 1000, values // 1000, values).astype(np.uint8)


@pytest.fixture
def samples(tmp_path):
    data = make_prepared(
        tmp_path / "data",
        {
            "val/a": {
                "instances": drawn(A),
                "semantic": plain(drawn(A)),
                "tags": {"weather": "fog"},
            },
            "val/z": {"instances": drawn(Z), "tags": {"weather": "clear"}},
            "val/c": {"semantic": np.zeros((4, 12), np.uint8)},
        },
    )
    return data.samples("val")


def test_what_is_right_scores_one_and_what_has_no_objects_is_skipped(samples):
    found = evaluate_panoptic(Fuser(right()), samples, by="weather", settings={"score": 0.5})
    assert found.overall.all.pq == found.overall.things.sq == found.overall.stuff.rq == 1
    assert (found.miou, found.masks, found.images) == (1, 1, 2)
    assert found.skipped == {"without instances": 1}
    assert [(group.value, group.miou) for group in found.groups] == [("clear", None), ("fog", 1)]
    assert found.classes.space is not None and found.classes.common is None
    assert found.measured_on()["fused"] == "score 0.5"
    with pytest.raises(DataError, match="tells its objects: 1 without instances"):
        evaluate_panoptic(Fuser(right()), samples[1:2])


def test_one_missed_object_by_hand(samples):
    answers = right()
    values = answers[shade("val/z")]
    answers[shade("val/z")] = np.where(values == 2000, 0, values)  # a person taken for road
    found = evaluate_panoptic(Fuser(answers), samples)
    person = next(item for item in found.overall.classes if item.name == "person")
    assert (person.found, person.missed, person.wrong) == (1, 1, 0)
    assert person.pq == pytest.approx(1 / 1.5)
    road = next(item for item in found.overall.classes if item.name == "road")
    assert (road.found, road.missed, road.wrong) == (2, 0, 0)
    assert road.sq == pytest.approx((1 + 16 / 28) / 2)
    assert [item.id for item in found.worst] == ["z", "a"]


FINER = LabelSpace(
    name="finer",
    classes=(
        LabelClass(id=7, name="person", color=(9, 9, 9), has_instances=True),
        LabelClass(id=9, name="sky", color=(8, 8, 8)),
        LabelClass(id=4, name="water", color=(7, 7, 7)),
    ),
)


def test_other_label_spaces_meet_at_their_common_classes(samples):
    """The map knows person, sky and water: cars and roads are void in the truth, water in the picture."""
    answers = {}
    for key, values in right().items():
        moved = np.full(values.shape, 4)
        moved[values == 1] = 9
        for value in (2, 2000, 2001):
            moved[values == value] = 7 if value < 1000 else 7001 + value % 1000
        answers[key] = moved
    fuser = Fuser(answers, semantic_space=FINER, space=FINER)
    found = evaluate_panoptic(fuser, samples)
    assert found.classes.space.names == ("person", "sky") and found.classes.first == 1
    assert found.overall.all.pq == 1 and found.miou == 1
    assert "ignored: water" in found.measured_on()["classes of the map"]
    assert found.to_dict()["classes"]["common"]["first"]["by_name"]


def test_objects_of_several_classes_that_become_one_keep_apart():
    city = load_space("cityscapes19")
    camvid = load_space("camvid11")
    shared = shared_segments(camvid, manifest(camvid), manifest(load_space("coco80")), city)
    cars = [item.id for item in shared.space.classes if item.name == "car"]
    ids = dict(zip(city.names, city.ids, strict=True))
    truth = np.array([[ids["car"] * 1000 + 1, ids["bus"] * 1000 + 1, ids["truck"], 255]])
    values = shared.segments(truth, "truth")
    one, two, crowd, void = values[0].tolist()
    assert {one // 1000, two // 1000} == set(cars) and one != two
    assert crowd == cars[0] and void == 255


def test_what_only_objects_have_follows_their_network():
    """A map that counts nothing: fusion gives its objects classes of their own."""
    city = load_space("cityscapes19")
    blind = replace(
        city, classes=tuple(replace(item, has_instances=False) for item in city.classes)
    )
    coco = load_space("coco80")
    extra = (
        LabelClass(id=50, name="car (object)", color=(1, 1, 1), has_instances=True),
        LabelClass(id=51, name="person (object)", color=(1, 1, 1), has_instances=True),
        LabelClass(id=52, name="giraffe", color=(1, 1, 1), has_instances=True),
    )
    space = replace(blind, classes=(*blind.classes, *extra))
    shared = shared_segments(space, manifest(blind), manifest(coco, "instances"), city)
    car = city.ids[city.names.index("car")]
    person = city.ids[city.names.index("person")]
    values = shared.segments(np.array([[50_001, 51_001, 52_001, car]]), "predicted")
    assert values.tolist() == [[car * 1000 + 1, person * 1000 + 1, 255, car]]
    assert shared.left_out == ("giraffe",)


def test_data_that_count_nothing_or_share_nothing_are_refused(samples):
    none = replace(
        SPACE, classes=tuple(replace(item, has_instances=False) for item in SPACE.classes)
    )
    with pytest.raises(LabelError, match="street has no class with instances"):
        shared_segments(SPACE, manifest(SPACE), manifest(SPACE), none)
    other = LabelSpace(name="other", classes=(LabelClass(id=0, name="moon", color=(1, 1, 1)),))
    with pytest.raises(LabelError, match="other and street have no class in common"):
        evaluate_panoptic(Fuser(right(), semantic_space=other, space=other), samples)


def test_the_report(samples, tmp_path):
    fuser = Fuser(right())
    found = evaluate_panoptic(fuser, samples, by="weather")
    page = write_panoptic_report(found, tmp_path / "report", fuser, samples)
    html = page.read_text()
    assert "two &lt;b&gt;networks&lt;/b&gt;" in html and "<b>" not in html
    assert html.count("<svg") == 2 and html.count("<img") == 6
    data = json.loads((tmp_path / "report" / "report.json").read_text())
    assert data["scores"]["things"] == {"pq": 1.0, "sq": 1.0, "rq": 1.0, "classes": 2}
    assert "| things | 1.0000 |" in (tmp_path / "report" / "report.md").read_text()
