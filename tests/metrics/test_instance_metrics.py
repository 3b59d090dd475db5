"""InstanceScores against hand-made cases, COCO's evaluation called plainly, and matching by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbside.errors import MissingDependencyError
from curbside.labels import LabelClass, LabelSpace
from curbside.metrics import FoundObjects, InstanceScores, TrueObjects
from curbside.metrics.object_matches import (
    IGNORED,
    RIGHT,
    WRONG,
    MatchCurve,
    box_overlaps,
    mask_overlaps,
    match_objects,
)

pytest.importorskip("faster_coco_eval")

SPACE = LabelSpace(
    name="things",
    classes=tuple(
        LabelClass(id=number, name=name, color=(number,) * 3, has_instances=True)
        for number, name in ((0, "dog"), (2, "person"), (3, "car"))
    ),
)


def true_of(instances: np.ndarray) -> TrueObjects:
    """The objects of a map: 1000 * class + number, or 1..3 for a crowd of that class."""
    values = np.unique(instances)
    values = values[(values > 0) & (values != 255)].astype(int)
    masks = [instances == value for value in values]
    boxes = [box_of(mask) for mask in masks]
    return TrueObjects(
        instances=instances.astype(np.uint16),
        values=values,
        class_ids=np.where(values >= 1000, values // 1000, values),
        crowd=values < 1000,
        boxes_xywh=np.array(boxes, int).reshape(-1, 4),
        areas=np.array([mask.sum() for mask in masks], int),
    )


def box_of(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]


def found_of(*items: tuple[int, float, np.ndarray], shape: tuple[int, int]) -> FoundObjects:
    """Detections: class, score and whole mask."""
    boxes, masks = [], []
    for _, _, mask in items:
        x, y, width, height = box_of(mask)
        boxes.append([x, y, x + width, y + height])
        masks.append((y, x, mask[y : y + height, x : x + width]))
    assert all(mask.shape == shape for _, _, mask in items)
    return FoundObjects(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([score for _, score, _ in items], np.float32),
        class_ids=np.array([class_id for class_id, _, _ in items], int),
        masks=masks,
    )


CAR, BUS = 3001, 3002
STREET = np.zeros((60, 80), int)
STREET[5:25, 5:25] = CAR
STREET[30:50, 40:70] = BUS


def scored(*found: tuple[int, float, np.ndarray]) -> InstanceScores:
    scores = InstanceScores(SPACE)
    scores.update(true_of(STREET), found_of(*found, shape=STREET.shape))
    return scores


HERE, THERE = STREET == CAR, STREET == BUS
NOWHERE = np.zeros_like(HERE)
NOWHERE[52:58, 2:9] = True


@pytest.mark.parametrize(
    ("found", "ap", "recall"),
    [
        ([(3, 0.9, HERE), (3, 0.8, THERE)], 1, 1),
        ([(3, 0.9, HERE)], 51 / 101, 0.5),  # up to a recall of 0.5 the precision is 1
        ([(3, 0.9, NOWHERE), (3, 0.8, HERE)], 51 / 101 / 2, 0.5),  # of two, one is right
        ([(3, 0.9, HERE), (3, 0.8, NOWHERE), (3, 0.7, THERE)], (51 + 50 * 2 / 3) / 101, 1),
        ([(3, 0.9, HERE), (3, 0.8, HERE), (3, 0.7, THERE)], (51 + 50 * 2 / 3) / 101, 1),  # twice
        ([(2, 0.9, HERE), (2, 0.8, THERE)], 0, 0),
        ([], 0, 0),
    ],
)
def test_average_precision_told_by_hand(found, ap, recall):
    summary = scored(*found).summary()
    for kind in (summary.box, summary.mask):
        for value in (kind.average.ap, kind.average.ap50, kind.average.ap75):
            assert value == pytest.approx(ap)
        assert kind.average.ar100 == pytest.approx(recall)
    assert (summary.objects, summary.crowds, summary.images) == (2, 0, 1)
    dog, person, car = summary.classes
    assert car.mask.average == summary.mask.average and car.objects == 2
    assert dog.mask.average.ap is person.box.average.ap50 is None


def test_sizes_are_told_apart():
    average = scored((3, 0.9, HERE)).summary().mask.average  # 400 pixels; the bus has 600
    assert average.ap_small == pytest.approx(51 / 101)
    assert average.ap_medium is average.ap_large is average.ar_large is None


def test_a_mask_that_is_half_right_counts_at_the_lower_overlaps():
    part = HERE.copy()
    part[5:11] = False  # 280 of 400 pixels: right at an IoU of 0.50, 0.55, 0.60, 0.65, 0.70
    average = scored((3, 0.9, part), (3, 0.8, THERE)).summary().mask.average
    assert average.ap50 == 1
    assert average.ap == pytest.approx((5 * 1 + 5 * 51 / 101 / 2) / 10)


def test_what_a_threshold_shows():
    scores = scored((3, 0.9, HERE), (3, 0.6, NOWHERE), (3, 0.5, THERE), (2, 0.4, THERE))
    shown = scores.summary().mask.shown
    assert (shown.threshold, shown.right, shown.wrong, shown.missed) == (0.5, 1, 1, 1)
    assert shown.precision == shown.recall == shown.f1 == 0.5
    best = scores.summary().mask.best  # two of three: 2 * 2 / (3 + 2)
    assert best.f1 == pytest.approx(0.8) and best.threshold == pytest.approx(0.45)
    assert scores.shown("mask", 2).wrong == 0 and scores.shown("mask", 3) == shown
    assert scored().shown("box").precision is None and scored().shown("box").recall == 0
    assert InstanceScores(SPACE).shown("box").f1 is None


def test_a_crowd_excuses_and_is_not_missed():
    crowded = STREET.copy()
    crowded[HERE] = 3
    scores = InstanceScores(SPACE)
    found = found_of((3, 0.9, HERE), (3, 0.8, HERE), (2, 0.7, HERE), shape=HERE.shape)
    scores.update(true_of(crowded), found)
    shown = scores.shown("mask")
    assert (shown.right, shown.wrong, shown.missed) == (0, 1, 1)
    summary = scores.summary()
    assert (summary.objects, summary.crowds) == (1, 1)


def random_picture(random: np.random.Generator) -> tuple[TrueObjects, list]:
    """A map of boxes and a crowd, and detections near them, beside them and of other classes."""
    instances = np.zeros((90, 140), int)
    for number in range(random.integers(1, 7)):
        y, x = random.integers(0, 80), random.integers(0, 130)
        height, width = random.integers(4, 60, 2)
        class_id = int(random.choice([2, 3]))
        value = class_id if random.random() < 0.15 else class_id * 1000 + number
        instances[y : y + height, x : x + width] = value
    true = true_of(instances)
    found = []
    for value in random.choice(true.values, 9) if len(true.values) else ():
        shift = tuple(random.integers(-2, 3, 2))
        mask = np.roll(instances == value, shift, (0, 1))
        mask &= random.random(mask.shape) < random.choice([1, 0.95, 0.7])
        class_id = value // 1000 if value >= 1000 else value
        found.append((int(random.choice([class_id, 2, 3], p=[0.8, 0.1, 0.1])), mask))
    scores = random.choice(np.round(random.random(6), 2), len(found))  # some are equal
    return true, [(class_id, score, mask) for (class_id, mask), score in zip(found, scores)]  # noqa: B905


def test_coco_called_plainly_says_the_same():
    from faster_coco_eval import COCO, COCOeval_faster
    from faster_coco_eval.core import mask as coding

    random, scores = np.random.default_rng(5), InstanceScores(SPACE)
    images, annotations, boxes, masks = [], [], [], []
    for image_id in range(1, 26):
        true, found = random_picture(random)
        objects = found_of(*found, shape=true.instances.shape)
        scores.update(true, objects)
        height, width = true.instances.shape
        images.append({"id": image_id, "height": height, "width": width})
        for value, class_id, crowd in zip(true.values, true.class_ids, true.crowd, strict=True):
            mask = true.instances == value
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(class_id),
                    "segmentation": coding.encode(np.asfortranarray(mask.astype(np.uint8))),
                    "bbox": [int(side) for side in box_of(mask)],
                    "area": int(mask.sum()),
                    "iscrowd": int(crowd),
                }
            )
        for (class_id, _, mask), score in zip(found, objects.scores, strict=True):
            same = {"image_id": image_id, "category_id": class_id, "score": float(score)}
            boxes.append({**same, "bbox": [int(side) for side in box_of(mask)]})
            coded = coding.encode(np.asfortranarray(mask.astype(np.uint8)))
            masks.append({**same, "segmentation": coded})
    categories = [{"id": item.id, "name": item.name} for item in SPACE.classes]
    truth = COCO(
        {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    )
    summary = scores.summary()
    for kind, plain, iou_type in ((summary.box, boxes, "bbox"), (summary.mask, masks, "segm")):
        run = COCOeval_faster(truth, truth.loadRes(plain), iou_type)
        run.run()
        ours = kind.average
        found = [ours.ap, ours.ap50, ours.ap75, ours.ap_small, ours.ap_medium, ours.ap_large]
        found += [ours.ar1, ours.ar10, ours.ar100, ours.ar_small, ours.ar_medium, ours.ar_large]
        expected = [None if value == -1 else value for value in run.stats[:12]]
        assert found == pytest.approx(expected) and 0.05 < ours.ap < 0.9
        for place, item in enumerate(summary.classes):
            values = run.eval["precision"][:, :, place, 0, -1]
            here = item.box if iou_type == "bbox" else item.mask
            assert here.average.ap == (
                None if (values == -1).all() else pytest.approx(values.mean())
            )


def matched_by_hand(true: TrueObjects, found: list, threshold: float) -> tuple[int, int, int]:
    """Right, wrong and missed above a threshold, one pair of whole masks at a time."""
    masks = {value: true.instances == value for value in true.values.tolist()}
    crowd = dict(zip(true.values.tolist(), true.crowd.tolist(), strict=True))
    classes = dict(zip(true.values.tolist(), true.class_ids.tolist(), strict=True))
    taken: set[int] = set()
    right = wrong = 0
    for class_id, score, mask in sorted(found, key=lambda item: -np.float32(item[1])):
        if not np.float32(score) > threshold:
            continue
        best, excused = None, False
        for value, there in masks.items():
            if classes[value] != class_id:
                continue
            both = (mask & there).sum()
            if crowd[value]:
                excused |= bool(mask.sum()) and both / mask.sum() >= 0.5
            elif value not in taken and both / (mask | there).sum() >= 0.5:
                share = both / (mask | there).sum()
                best = max(best or (0, 0), (share, value))
        if best is not None:
            taken.add(best[1])
            right += 1
        elif not excused:
            wrong += 1
    return right, wrong, sum(not item for item in crowd.values()) - right


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 0.5, 0.8]))
def test_precision_and_recall_match_by_match(seed, threshold):
    true, found = random_picture(np.random.default_rng(seed))
    scores = InstanceScores(SPACE, threshold=threshold)
    scores.update(true, found_of(*found, shape=true.instances.shape))
    shown = scores.shown("mask")
    assert (shown.right, shown.wrong, shown.missed) == matched_by_hand(true, found, threshold)


def test_overlaps_of_boxes_and_masks():
    true = true_of(np.array([[3001, 3001, 0, 3], [3001, 3001, 0, 3]]))
    left = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)
    found = found_of((3, 0.5, left), shape=left.shape)
    assert true.values.tolist() == [3, 3001]
    np.testing.assert_allclose(mask_overlaps(found, true), [[0, 2 / 5]])
    np.testing.assert_allclose(box_overlaps(found, true), [[0, 2 / 5]])
    whole = found_of((3, 0.5, np.ones((2, 4), bool)), shape=(2, 4))
    np.testing.assert_allclose(mask_overlaps(whole, true), [[1 / 4, 1 / 2]])


def test_one_object_has_one_partner_and_the_best_score_chooses():
    true = true_of(STREET)
    shifted = np.roll(HERE, 1, 0)
    found = found_of((3, 0.3, HERE), (3, 0.8, shifted), shape=HERE.shape)
    assert match_objects(mask_overlaps(found, true), found, true).tolist() == [WRONG, RIGHT]


def test_a_curve_ends_with_everything():
    outcomes = np.array([RIGHT, WRONG, IGNORED, RIGHT], np.int8)
    curve = MatchCurve.of(np.array([0.9, 0.5, 0.95, 0.5]), outcomes, 4)
    assert curve.scores.tolist() == [0.95, 0.9, 0.5]
    assert curve.precision.tolist() == [1, 1, 2 / 3] and curve.recall.tolist() == [0, 0.25, 0.5]
    assert [curve.at(value) for value in (0.95, 0.5, 0.4)] == [(0, 0), (1, 0), (2, 1)]


def test_pictures_add_up_in_any_split():
    random = np.random.default_rng(1)
    together, parts = InstanceScores(SPACE), InstanceScores(SPACE)
    for _ in range(4):
        true, found = random_picture(random)
        parts += together.update(true, found_of(*found, shape=true.instances.shape))
    assert len(parts) == 4 and parts.summary() == together.summary()
    other = LabelSpace(name="one", classes=SPACE.classes[:1])
    with pytest.raises(ValueError, match="cannot add scores of one"):
        parts += InstanceScores(other)
    with pytest.raises(ValueError, match="one has no class 3"):
        InstanceScores(other).update(true_of(STREET), found_of(shape=STREET.shape))


def test_the_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingDependencyError, match=r"faster-coco-eval.*pip install.*report"):
        scored((3, 0.9, HERE)).summary()
