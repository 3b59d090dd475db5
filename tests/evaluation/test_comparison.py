"""Models compared on the same pictures: everything counted by hand, by loops, and by its properties."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from curbside.errors import ConfigError, DataError, LabelError
from curbside.evaluation import (
    Budget,
    Contender,
    all_at_common_classes,
    compare,
    evaluate,
    write_comparison,
)
from curbside.evaluation.comparison_tables import remarks, sections, verdict
from curbside.imaging import write_png
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.prepared import PreparedFolder, PreparedWriter, Sample, SampleData, write_sample

pytest.importorskip("matplotlib")

ROAD, SKY, CAR = range(3)
SIZE_HW = (24, 16)


def scene() -> np.ndarray:
    """Sky above row 12, road from there on."""
    return np.repeat(np.array([SKY, ROAD], np.uint8), 12)[:, None] * np.ones((1, 16), np.uint8)


@pytest.fixture
def prepared(tmp_path: Path, space: LabelSpace) -> Callable[..., list[Sample]]:
    """Makes samples of masks, black pictures tagged with a weather."""

    def make(masks: Sequence[np.ndarray], space: LabelSpace = space) -> list[Sample]:
        writer = PreparedWriter(tmp_path / "drawn", space=space, source="by hand")
        for index, mask in enumerate(masks):
            file = tmp_path / f"{index}.png"
            write_png(file, np.zeros((*mask.shape, 3), np.uint8))
            tags = {"weather": ("fog", "clear")[index % 2]}
            data = SampleData(id=f"p{index:02}", split="val", image=file, semantic=mask, tags=tags)
            writer.add(write_sample(writer.root, data, space))
        writer.finish()
        return PreparedFolder(writer.root).samples("val", target="semantic")

    return make


@pytest.fixture
def told(fake) -> Callable[..., Contender]:
    """Makes a model that gives these maps, one after another, again and again."""

    def make(
        name: str, maps: Sequence[np.ndarray], *meanings: str, budget: Budget | None = None, **more
    ) -> Contender:
        count = iter(range(10**6))
        answer = lambda truth: maps[next(count) % len(maps)].copy()  # noqa: E731
        predictor = fake(*(meanings or ("ids",)), answer=answer, **more)
        return Contender(name=name, predictor=predictor, budget=budget)

    return make


def budget(**changes: object) -> Budget:
    values = {"steps": 100, "pictures_per_step": 8, "crop_hw": (64, 96), "epochs": 4.0}
    return Budget(**{**values, "teachers": (), **changes})


def painted(truth: np.ndarray, rows: slice, columns: slice, value: int) -> np.ndarray:
    changed = truth.copy()
    changed[rows, columns] = value
    return changed


def test_everything_by_hand(prepared, told) -> None:
    # Of 24 x 16 = 384 pixels: the first model takes 2 rows of sky for road at the border, and 32
    # pixels of road for car at the bottom; the second has the border right, half of those pixels
    # of road still as car and the other half as sky, and a block of 8 pixels of sky as car.
    truth = scene()
    before = painted(truth, slice(10, 12), slice(None), ROAD)
    before = painted(before, slice(22, 24), slice(None), CAR)
    after = painted(truth, slice(22, 24), slice(8), CAR)
    after = painted(after, slice(22, 24), slice(8, 16), SKY)
    after = painted(after, slice(0, 1), slice(8), CAR)
    samples = prepared([truth] * 6)
    found = compare(told("A", [before]), told("B", [after]), samples)
    assert found.images == 6
    # road: found 10 * 16 by both, 12 * 16 true; A predicts 2 * 16 more, B nothing wrong.
    iou = {item.name: item.iou for item in found.classes}
    assert iou["road"].before == pytest.approx(160 / 224)
    assert iou["road"].after == pytest.approx(160 / 192)
    assert iou["sky"].before == pytest.approx(160 / 192)
    assert iou["sky"].after == pytest.approx(184 / (192 + 16))
    assert iou["car"].before == iou["car"].after == 0
    assert [item.name for item in found.classes] == ["road", "sky", "car"]  # 0.119, 0.051, 0
    assert found.miou.difference == pytest.approx(
        (160 / 192 + 184 / 208 - 160 / 224 - 160 / 192) / 3
    )
    accuracy = found.scores["pixel accuracy"]
    assert (accuracy.before, accuracy.after) == pytest.approx((320 / 384, 344 / 384))
    # Of a picture: 32 + 16 + 8 pixels changed.
    assert (found.fixed, found.broken, found.still_wrong) == (6 * 32, 6 * 8, 6 * 16)
    assert found.pixels == 6 * 384 and found.agreement == pytest.approx(1 - 56 / 384)
    flows = [(flow.truth, flow.before, flow.after, flow.pixels) for flow in found.flows]
    assert flows == [
        ("sky", "road", "sky", 6 * 32),
        ("road", "car", "sky", 6 * 16),
        ("sky", "sky", "car", 6 * 8),
    ]
    kinds = [row[3] for row in sections(found)["Most frequent changes"].rows]
    assert kinds == ["fixed", "still wrong", "broken"]
    # All pictures are the same, so drawing them again changes nothing.
    assert found.miou.interval == pytest.approx([found.miou.difference] * 2)
    assert found.verdict == "better" and found.scores["ECE, 15 bins"].difference is None
    assert [change.id for change in found.gains] == [
        "p00",
        "p01",
        "p02",
        "p03",
    ] and not found.losses
    assert found.gains[0].fixed == pytest.approx(32 / 384)
    assert found.gains[0].broken == pytest.approx(8 / 384)


@pytest.fixture
def random_maps() -> list[np.ndarray]:
    """Truths, and two models' answers that are often right: (3, 8, 24, 16)."""
    rng = np.random.default_rng(5)
    truths = np.kron(rng.integers(0, 3, (8, 2, 2)), np.ones((12, 8), int)).astype(np.uint8)
    truths[:, 2:4, 3:9] = 255
    answers = []
    for share in (0.6, 0.7):
        noise = rng.choice([0, 1, 2, 9], truths.shape)
        answers.append(np.where(rng.random(truths.shape) < share, truths % 3, noise))
    return [truths, *(item.astype(np.uint8) for item in answers)]


def test_against_loops_over_pixels(prepared, told, random_maps) -> None:
    truths, first, second = random_maps
    samples = prepared(truths)
    found = compare(told("A", first), told("B", second), samples, by="weather")
    flows: Counter[tuple[int, ...]] = Counter()
    same = 0
    for t, x, y in zip(truths.flat, first.flat, second.flat, strict=True):
        same += x == y
        if t != 255:
            flows[int(t), min(int(x), 3), min(int(y), 3)] += 1
    assert found.agreement == pytest.approx(same / truths.size)
    assert found.pixels == flows.total()
    assert found.fixed == sum(n for (t, x, y), n in flows.items() if x != t and y == t)
    assert found.broken == sum(n for (t, x, y), n in flows.items() if x == t and y != t)
    wrong = sum(n for (t, x, y), n in flows.items() if x != t and y != t and x != y)
    assert found.still_wrong == wrong
    names = ("road", "sky", "car", "no class")
    moved = {tuple(names[i] for i in key): n for key, n in flows.items() if key[1] != key[2]}
    told_flows = {(flow.truth, flow.before, flow.after): flow.pixels for flow in found.flows}
    assert len(told_flows) == 12 and told_flows.items() <= moved.items()
    assert sorted(told_flows.values()) == sorted(moved.values())[-12:]
    assert any(after == "no class" for _, _, after in moved)
    # Groups and totals are what `evaluate` finds for each model alone.
    for name, maps, which in (("A", first, "before"), ("B", second, "after")):
        alone = evaluate(told(name, maps).predictor, samples, by="weather")
        assert getattr(found.miou, which) == pytest.approx(alone.overall.miou)
        for score, value in alone.headline().items():
            assert getattr(found.scores[score], which) == pytest.approx(value)
        for group, expected in zip(found.groups, alone.groups, strict=True):
            assert (group.value, group.images) == (expected.value, expected.images)
            assert getattr(group.miou, which) == pytest.approx(expected.summary.miou)
        iou = dict(zip(alone.space.names, alone.overall.iou, strict=True))
        for item in found.classes:
            assert getattr(item.iou, which) == pytest.approx(iou[item.name])


def test_the_same_model_twice_gives_no_difference(prepared, told, random_maps) -> None:
    truths, first, _ = random_maps
    found = compare(told("A", first), told("B", first), prepared(truths), by="weather")
    changes = [found.miou, found.scores["pixel accuracy"], *(i.iou for i in found.classes)]
    for change in changes:
        assert change.difference == 0 and change.interval == (0, 0) and change.sign == 0
    assert found.verdict == "no difference shown" and found.agreement == 1
    assert (found.fixed, found.broken, found.still_wrong) == (0, 0, 0)
    assert (found.flows, found.gains, found.losses) == ((), (), ())
    assert verdict(found) == "B and A give the same class to every pixel."


def test_swapping_the_models_turns_every_sign(prepared, told, random_maps) -> None:
    truths, first, second = random_maps
    samples = prepared(truths)
    there = compare(told("A", first), told("B", second), samples)
    back = compare(told("B", second), told("A", first), samples)
    assert there.verdict == "better" and back.verdict == "worse"
    assert there.miou.difference == pytest.approx(-back.miou.difference)
    low, high = there.miou.interval
    assert back.miou.interval == pytest.approx((-high, -low))
    assert low < there.miou.difference < high
    assert (there.fixed, there.broken) == (back.broken, back.fixed)
    assert [change.id for change in there.gains] == [change.id for change in back.losses]


def test_the_interval_is_that_of_pictures_drawn_again(prepared, told) -> None:
    # In 4 of 8 pictures the second model is right where the first is wrong everywhere, so the gain
    # in accuracy is a binomial share, whose quantiles are known.
    stats = pytest.importorskip("scipy.stats")
    truth = np.zeros(SIZE_HW, np.uint8)
    wrong, samples = np.full(SIZE_HW, CAR, np.uint8), prepared([truth] * 8)
    second = [truth] * 4 + [wrong] * 4
    found = compare(told("A", [wrong]), told("B", second), samples)
    accuracy = found.scores["pixel accuracy"]
    assert accuracy.difference == 4 / 8
    expected = stats.binom(8, 4 / 8).ppf([0.025, 0.975]) / 8
    assert accuracy.interval == pytest.approx(expected)


def test_few_pictures_show_nothing(prepared, told) -> None:
    truth = scene()
    rare = painted(truth, slice(20, 24), slice(4), CAR)
    samples = prepared([rare] * 5)
    found = compare(told("A", [truth]), told("B", [rare]), samples)
    assert found.miou.difference > 0.3 and found.miou.interval is None
    assert found.verdict == "no difference shown" and "5 pictures are too few" in verdict(found)
    found = compare(told("A", [truth]), told("B", [rare]), samples[:1])
    assert "1 picture is too few" in verdict(found)


def test_a_class_of_few_pictures_is_not_marked(prepared, told) -> None:
    truth = scene()
    rare = painted(truth, slice(20, 24), slice(4), CAR)
    worse = painted(truth, slice(12, 14), slice(None), SKY)
    truths = [rare] * 2 + [truth] * 6
    found = compare(told("A", [worse]), told("B", truths), prepared(truths))
    marks = {row[0]: row[3] for row in sections(found)["Classes"].rows}
    assert {name: mark[-1] for name, mark in marks.items()} == {"car": "0", "road": "*", "sky": "*"}
    assert next(item for item in found.classes if item.name == "car").iou.difference == 1


def test_ece_of_both_by_hand(prepared, told) -> None:
    # Confidence is 0.8 everywhere; the first model has 3/4 right, the second all.
    truth = scene()
    first = painted(truth, slice(0, 6), slice(None), CAR)
    models = told("A", [first], "logits"), told("B", [truth], "ids", "confidence")
    found = compare(*models, prepared([truth] * 6))
    ece = found.scores["ECE, 15 bins"]
    assert (ece.before, ece.after) == pytest.approx((0.05, 0.2))
    (said,) = [line for line in remarks(found) if line.startswith("No ")]
    assert said.startswith("No AUPRC of B:") and "--outputs logits" in said


def test_pictures_that_cannot_be_read_are_left_out_for_all(prepared, told) -> None:
    truth = scene()
    samples = prepared([truth] * 7)
    samples[2].image_path.write_bytes(b"no image")
    found = compare(told("A", [truth]), told("B", [truth]), samples)
    assert found.images == 6 and len(found.unreadable) == 1
    assert str(samples[2].image_path) in found.unreadable[0]
    for sample in samples:
        sample.image_path.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 7 pictures could be read"):
        compare(told("A", [truth]), told("B", [truth]), samples)


def test_refusals(prepared, told, space) -> None:
    truth = scene()
    samples = prepared([truth] * 2)
    pair = told("A", [truth]), told("B", [truth])
    with pytest.raises(ConfigError, match="no sample has the tag 'time'; its tags are weather"):
        compare(*pair, samples, by="time")
    other = replace(space, classes=(*space.classes, LabelClass(id=3, name="tram", color=(1, 2, 3))))
    with pytest.raises(LabelError, match="--common"):
        compare(pair[0], told("C", [truth], space=other), samples)


def test_masks_without_a_truth_are_refused(prepared, told) -> None:
    nothing = np.full(SIZE_HW, 255, np.uint8)
    with pytest.raises(DataError, match="every pixel of the 2 masks is ignored"):
        compare(told("A", [scene()]), told("B", [scene()]), prepared([nothing] * 2))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (budget(), []),
        (budget(steps=50, pictures_per_step=16, epochs=None), []),
        (
            budget(steps=200),
            [
                "This comparison is not of equal budget: A learned from 800 crops of 96 x 64 pixels,"
                " B learned from 1,600 crops of 96 x 64 pixels."
            ],
        ),
        (
            budget(crop_hw=(64, 64)),
            [
                "This comparison is not of equal budget: A learned from 800 crops of 96 x 64 pixels,"
                " B learned from 800 crops of 64 x 64 pixels."
            ],
        ),
        (
            None,
            [
                "Whether this comparison is of equal budget is not known: there is no record of the"
                " training of B."
            ],
        ),
        (budget(teachers=("runs/t",)), ["B also had a teacher, whose work is not counted."]),
    ],
)
def test_unequal_budgets_are_said(prepared, told, other: Budget | None, said: list[str]) -> None:
    truth = scene()
    first, second = (
        told(name, [truth], "logits", budget=item) for name, item in (("A", budget()), ("B", other))
    )
    found = compare(first, second, prepared([truth]))
    assert remarks(found) == said
    assert found.equal_budget is (
        None if other is None else not any("not of equal" in s for s in said)
    )


def test_settings_that_differ(prepared, told) -> None:
    truth = scene()
    first, second = told("A", [truth]), told("B", [truth])
    first = replace(first, settings={"lr": 0.1, "seed": 1, "loss.weight": 2.0, "size": [1, 2]})
    second = replace(second, settings={"lr": 0.2, "seed": 1, "size": [1, 2], "teacher": "t"})
    found = compare(first, second, prepared([truth]))
    assert found.differing() == {
        "lr": (0.1, 0.2),
        "loss.weight": (2.0, None),
        "teacher": (None, "t"),
    }


def test_report_is_complete_and_shows_what_changed(prepared, told, tmp_path) -> None:
    hostile = '<script>"B"</script> | $x'
    truth = painted(scene(), slice(20, 24), slice(12, 16), 255)
    before = painted(truth, slice(0, 12), slice(8), CAR)  # fixed: the left half of the sky
    after = painted(truth, slice(12, 20), slice(8), CAR)  # broken: the left half of the road
    truth, before, after = (
        np.kron(ids, np.ones((8, 8), np.uint8)) for ids in (truth, before, after)
    )
    samples = prepared([truth] * 6)
    models = told("A", [before]), told(hostile, [after], budget=budget())
    found = compare(*models, samples, by="weather", pictures=1)
    path = write_comparison(found, tmp_path / "out", models, samples)
    assert path == tmp_path / "out" / "comparison.html"
    data = json.loads(path.with_suffix(".json").read_text())
    assert data == json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["verdict"] == found.verdict
    assert data["scores"]["mIoU"]["difference"] == found.miou.difference
    assert data["classes"][0]["iou"]["interval"] == list(found.classes[0].iou.interval)
    assert data["groups"][0]["miou"]["interval"] is None  # three pictures each
    html = path.read_text()
    assert "<script" not in html and html.count("<svg") == 1
    assert not re.search(r'(?:src|href)="(?!data:image/|#)', html)
    for heading in ("Scores", "By weather", "Pixels that changed", "Models", "Measured on"):
        assert f"<h2>{heading}</h2>" in html
    text = path.with_suffix(".md").read_text()
    assert "<script" not in text and "## Most frequent changes" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| sky | car | sky |")]
    assert row == f"| sky | car | sky | fixed | {576 * 64:,} |"
    # Frame, truth, both predictions, what changed.
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert len(pictures) == 5
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[4]), np.uint8), cv2.IMREAD_COLOR)
    height, width = shown.shape[:2]
    colors = [
        shown[int(height * y), int(width * x), ::-1].tolist()
        for y, x in ((0.25, 0.25), (0.6, 0.25), (0.25, 0.75), (0.95, 0.9))
    ]
    expected = [(34, 160, 84), (214, 48, 62), (205, 210, 216), (0, 0, 0)]
    np.testing.assert_allclose(colors, expected, atol=12)


def test_one_picture_and_a_class_that_is_nowhere_are_strict_json(prepared, told, tmp_path) -> None:
    samples = prepared([scene()])
    models = told("A", [scene()], "logits"), told("B", [np.zeros(SIZE_HW, np.uint8)])
    found = compare(*models, samples)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    car = data["classes"][-1]
    assert car["name"] == "car" and car["iou"]["before"] is None is car["iou"]["difference"]
    html = write_comparison(found, tmp_path / "out", models, samples).read_text()
    assert "nan" not in re.sub(r"base64,[^\"]*", "", html)


def test_classes_that_one_space_merges_are_one_for_all(fake, prepared) -> None:
    # Cityscapes' rider, motorcycle and bicycle are one class of CamVid.
    data = load_space("cityscapes19")
    mask = np.tile(np.arange(19, dtype=np.uint8), (8, 1))
    samples = prepared([mask] * 6, space=data)
    predictors = []
    for name, answer in (("camvid11", "bicyclist"), ("cityscapes19", "motorcycle")):
        space = load_space(name)
        ids = np.full(mask.shape, space.names.index(answer), np.uint8)
        predictors.append(fake("ids", answer=lambda _, ids=ids: ids, space=space))
    brought, mapped = all_at_common_classes(predictors, samples)
    models = [Contender(name=n, predictor=p) for n, p in zip("AB", brought, strict=True)]
    found = compare(*models, mapped)
    space = found.models[0].evaluation.space
    assert space.name == "camvid11 & cityscapes19"
    assert found.agreement == 1 and found.miou.difference == 0
    (group,) = [item for item in found.classes if item.iou.before]
    assert group.pixels == 3 * 8 * 6  # rider, motorcycle and bicycle of the truth
    names = [space.name_of(int(i)) for i in mapped[0].read_semantic()[0]]
    here = dict(zip(data.names, names, strict=True))
    assert here["rider"] == here["motorcycle"] == here["bicycle"] == group.name


def test_classes_that_one_space_lacks_are_ignored_for_all(fake, prepared) -> None:
    def named(*names: str) -> LabelSpace:
        classes = (LabelClass(id=i, name=n, color=(i, i, i)) for i, n in enumerate(names))
        return LabelSpace(name="".join(names), classes=tuple(classes))

    mask = np.tile(np.arange(4, dtype=np.uint8), (8, 2))  # a b c d, twice
    samples = prepared([mask], space=named("a", "b", "c", "d"))
    predictors = [
        fake("ids", answer=lambda truth: np.full_like(truth, 0), space=named("a", "c", "b")),
        fake("ids", answer=lambda truth: np.full_like(truth, 1), space=named("b", "d", "a")),
    ]
    brought, mapped = all_at_common_classes(predictors, samples)
    assert mapped[0].read_semantic()[0].tolist() == [0, 1, 255, 255] * 2
    models = [Contender(name=n, predictor=p) for n, p in zip("AB", brought, strict=True)]
    found = compare(*models, mapped)
    # The first sees a everywhere, the second d, which is a class of none.
    accuracy = found.scores["pixel accuracy"]
    assert (accuracy.before, accuracy.after) == (0.5, 0)
    flows = [(flow.truth, flow.before, flow.after) for flow in found.flows]
    assert flows == [("a", "a", "no class"), ("b", "a", "no class")]
    assert found.measured_on()["true classes ignored"] == "c, d"


def test_label_spaces_without_a_common_class_are_refused(fake, prepared, space) -> None:
    strange = LabelSpace(name="fruit", classes=(LabelClass(id=0, name="apple", color=(1, 2, 3)),))
    predictors = [fake("ids"), fake("ids", space=strange)]
    with pytest.raises(LabelError, match="no class in common"):
        all_at_common_classes(predictors, prepared([scene()]))
