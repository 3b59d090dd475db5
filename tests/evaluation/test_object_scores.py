"""A network that finds objects over a prepared folder: what counts, what does not, and the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from builders_outward import SPACE, drawn, make_prepared

from curbside.errors import ConfigError, DataError, LabelError
from curbside.evaluation.instances import (
    evaluate_instances,
    shared_things,
    write_instance_report,
)
from curbside.imaging import Normalization
from curbside.labels import LabelClass, LabelSpace, load_space, object_space
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.prepared import PreparedFolder
from curbside.results import InstanceResult, MaskCrop
from curbside.runtime import InstanceConfig

pytest.importorskip("matplotlib")
pytest.importorskip("faster_coco_eval")

A = """
..AAAA......
..AAAA..QQ..
........QQ..
............
"""
B = """
PPP.....BBB.
PPP.....BBB.
PPP..ppp....
.....ppp....
"""
Found = tuple[int, float, np.ndarray]
THINGS = replace(SPACE, name="things", classes=SPACE.classes[2:])
CAR = SPACE.names[3]


def manifest_for(space: LabelSpace, **more) -> Manifest:
    outputs = (
        OutputSpec(name="d", meaning="detections"),
        OutputSpec(name="p", meaning="prototypes"),
    )
    return Manifest(
        task="instances",
        input=InputSpec(size_hw=(32, 64)),
        outputs=outputs,
        space=space,
        normalization=Normalization(),
        model="a <b>finder</b>",
        **more,
    )


@dataclass
class Finder:
    """Finds what it is told to: by a picture's brightness, classes, scores and whole masks."""

    answers: dict[int, list[Found]]
    manifest: Manifest = field(default_factory=lambda: manifest_for(THINGS))
    precision: str = "fp32"
    config: InstanceConfig = field(
        default_factory=lambda: InstanceConfig(confidence=0.001, iou=0.7)
    )

    def __call__(self, frame_bgr: np.ndarray) -> InstanceResult:
        shade = int(np.rint(frame_bgr.mean()))
        found = next(v for k, v in self.answers.items() if abs(k - shade) <= 2)
        found = sorted(found, key=lambda item: -item[1])
        boxes = []
        for _, _, mask in found:
            rows, columns = np.nonzero(mask)
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        return InstanceResult(
            boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.array([score for _, score, _ in found], np.float32),
            class_ids=np.array([class_id for class_id, _, _ in found], np.uint8),
            masks=tuple(MaskCrop(top=0, left=0, inside=mask) for _, _, mask in found),
            space=self.manifest.space,
            size_hw=frame_bgr.shape[:2],
        )


def shade(key: str) -> int:
    """The brightness that `make_prepared` gives a picture."""
    return sum(map(ord, key)) % 256


def masks(text: str) -> dict[int, np.ndarray]:
    values = drawn(text)
    return {int(value): values == value for value in np.unique(values)}


MASKS_A, MASKS_B = masks(A), masks(B)


def right() -> dict[int, list[Found]]:
    """Everything as it is."""
    return {
        shade("val/a"): [(3, 0.9, MASKS_A[3000]), (2, 0.8, MASKS_A[2001])],
        shade("val/z"): [(2, 0.7, MASKS_B[2000]), (3, 0.95, MASKS_B[3001])],
    }


@pytest.fixture
def folder(tmp_path) -> PreparedFolder:
    return make_prepared(
        tmp_path / "data",
        {
            "val/a": {"instances": drawn(A), "tags": {"weather": "fog"}},
            "val/z": {"instances": drawn(B), "tags": {"weather": "clear"}},
        },
    )


@pytest.fixture
def samples(folder):
    return folder.samples("val")


def test_all_that_is_there_is_found(samples):
    found = evaluate_instances(Finder(right()), samples)
    assert (found.overall.objects, found.overall.crowds, found.overall.images) == (4, 1, 2)
    assert found.overall.mask.average.ap == found.overall.box.average.ap == 1
    assert found.overall.mask.shown.f1 == 1 and found.worst[0].f1 == 1
    assert found.classes.by == "the same classes" and not found.left_out and not found.dropped
    assert found.classes.space.names == ("person", CAR)
    assert (found.confidence, found.iou, found.max_detections) == (0.001, 0.7, 300)


def test_the_threshold_shows_and_the_crowd_excuses(samples):
    answers = right()
    nowhere = np.zeros((4, 12), bool)
    nowhere[3, 3:11] = True
    answers[shade("val/a")] += [(3, 0.6, nowhere), (3, 0.3, nowhere)]
    answers[shade("val/z")] += [(2, 0.9, MASKS_B[2])]
    found = evaluate_instances(Finder(answers), samples, threshold=0.75)
    shown = found.overall.mask.shown
    assert (shown.right, shown.wrong, shown.missed) == (3, 0, 1)  # the person of b has 0.7
    assert found.overall.mask.best.threshold == pytest.approx(0.65)
    found = evaluate_instances(Finder(answers), samples, threshold=0.5)
    assert found.overall.mask.shown.wrong == 1
    assert [(item.id, item.f1) for item in found.worst] == [("a", 0.8), ("z", 1.0)]


def test_groups_by_a_tag_and_pictures_that_say_nothing(tmp_path):
    data = make_prepared(
        tmp_path / "data",
        {
            "val/a": {"instances": drawn(A), "tags": {"weather": "fog"}},
            "val/z": {"instances": drawn(B), "tags": {"weather": "clear"}},
            "val/c": {"semantic": np.zeros((4, 12), np.uint8)},
            "val/d": {"instances": drawn(A), "annotated": ("road", "sky", "person")},
            "val/y": {"instances": drawn(A)},
        },
    )
    (data.root / "val" / "instances" / "y.png").write_bytes(b"broken")
    samples = data.samples("val")
    found = evaluate_instances(Finder(right()), samples, by="weather")
    assert found.skipped == {"not annotated with all of the classes": 1, "without instances": 1}
    assert len(found.unreadable) == 1 and "y.png" in found.unreadable[0]
    assert [(group.value, group.summary.images) for group in found.groups] == [
        ("clear", 1),
        ("fog", 1),
    ]
    said = found.measured_on()
    assert said["left out"] == "1 not annotated with all of the classes; 1 without instances"
    with pytest.raises(DataError, match="tells its objects: 1 without instances"):
        evaluate_instances(Finder(right()), samples[1:2])


def test_classes_without_a_partner_are_no_truth_and_are_dropped(samples):
    space = LabelSpace(
        name="odd",
        classes=(
            LabelClass(id=0, name="giraffe", color=(1, 1, 1), has_instances=True),
            LabelClass(id=5, name="Person", color=(2, 2, 2), has_instances=True),
        ),
    )
    answers = {
        shade("val/a"): [(5, 0.9, MASKS_A[2001]), (0, 0.8, MASKS_A[3000])],
        shade("val/z"): [(5, 0.9, MASKS_B[2000]), (0, 0.2, MASKS_B[3001])],
    }
    found = evaluate_instances(Finder(answers, manifest_for(space)), samples)
    assert found.overall.objects == 2 and found.overall.mask.shown.f1 == 1
    assert found.overall.mask.average.ap == 1
    assert found.left_out == {CAR: 2} and found.dropped == {"giraffe": 1}
    assert found.classes.by == "the names of the classes alone"
    assert found.measured_on()["not known to the network"] == f"{CAR} (2): no truth here"
    assert "giraffe (1)" in found.measured_on()["not counted by the data"]


def test_no_object_of_the_classes_is_no_score(tmp_path):
    data = make_prepared(tmp_path, {"val/a": {"instances": drawn("....")}})
    with pytest.raises(DataError, match="1 pictures hold no object"):
        evaluate_instances(Finder({shade("val/a"): []}), data.samples("val"))


@pytest.mark.parametrize(
    ("model", "data", "becomes"),
    [
        ("coco80", "cityscapes19", {"person": "person", "car": "car", "truck": "truck"}),
        ("coco80", "idd-level3", {"motorcycle": "motorcycle", "bus": "bus"}),
        ("idd5", "idd-level3", {"rider": "rider"}),
        ("cityscapes19", "cityscapes19", {"train": "train"}),
    ],
)
def test_the_taxonomy_tells_which_classes_are_the_same(model, data, becomes):
    shared = shared_things(manifest_for(load_space(model)), load_space(data))
    assert shared.by == "the taxonomy" and all(item.has_instances for item in shared.space.classes)
    for own, partner in becomes.items():
        assert shared.model[own] == shared.data[partner]
    assert set(shared.model) | set(shared.model_only) == set(load_space(model).names)
    things = {item.name for item in load_space(data).classes if item.has_instances}
    assert set(shared.data) | set(shared.data_only) == things
    table = shared.table("data", load_space(data))
    assert (table != 255).sum() == len(shared.data)


def test_riders_and_persons_of_a_model_that_knows_persons_alone_are_one_class():
    shared = shared_things(manifest_for(load_space("coco80")), load_space("cityscapes19"))
    assert shared.data["rider"] == shared.data["person"] == shared.model["person"]


def test_groups_that_the_manifest_tells_of_are_known_by_it():
    asked = ("wheels=bicycle,motorcycle", "big=bus,truck")
    data = load_space("cityscapes19")
    space = object_space(asked, data)
    with pytest.raises(LabelError, match="no class"):
        shared_things(manifest_for(space), data)
    told = manifest_for(space, source={"dataset": {"classes": list(asked)}})
    shared = shared_things(told, data)
    assert shared.by == "the groups trained on"
    assert shared.members("data", "wheels") == ("bicycle", "motorcycle")
    assert shared.table("model", space)[space.ids[1]] == shared.table("data", data)[data.ids[14]]
    assert shared.data_only == ("person", "rider", "car", "train")
    # What the Manifest says does not fit these data: names are asked instead.
    with pytest.raises(LabelError):
        shared_things(told, SPACE)


def test_data_that_count_nothing_are_refused(samples):
    plain = replace(
        SPACE, classes=tuple(replace(item, has_instances=False) for item in SPACE.classes)
    )
    with pytest.raises(LabelError, match="street has no class with instances"):
        shared_things(manifest_for(THINGS), plain)
    with pytest.raises(ConfigError, match="no sample has the tag 'colour'"):
        evaluate_instances(Finder(right()), samples, by="colour")


def test_the_report(samples, tmp_path):
    answers = right()
    answers[shade("val/z")] = [(2, 0.9, MASKS_B[3001])]
    finder = Finder(answers)
    found = evaluate_instances(finder, samples, by="weather")
    page = write_instance_report(found, tmp_path / "report", finder, samples)
    html = page.read_text()
    assert (
        "a &lt;b&gt;finder&lt;/b&gt;" in html
        and 'car "&lt;&amp;&gt;'.replace('"', "&quot;") in html
    )
    assert html.count("<svg") == 4 and html.count("<img") == 4 and "<b>" not in html
    assert "1 right" not in html.split("z: truth")[1].split("</figcaption>")[1]
    data = json.loads((tmp_path / "report" / "report.json").read_text())
    assert data["scores"]["mask"]["shown"]["precision"] == pytest.approx(2 / 3)
    assert data["worst"][0] == {"id": "z", "f1": 0.0, "right": 0, "wrong": 1, "missed": 2}
    assert "| person |" in (tmp_path / "report" / "report.md").read_text()
