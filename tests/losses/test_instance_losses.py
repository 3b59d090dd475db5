"""Losses of networks that find objects, against torchvision, brute force and values by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torchvision.ops import box_iou, complete_box_iou_loss

from curbside.errors import ConfigError
from curbside.imaging import Normalization, Placement
from curbside.labels import LabelClass, LabelSpace
from curbside.losses.instances import (
    InstanceLossConfig,
    Places,
    TaskAlignedConfig,
    Truth,
    assign,
    complete_iou,
    distance_focal,
    expected_distances,
    mask_losses,
    mask_targets,
    pairwise_iou,
)
from curbside.manifest import InputSpec, Manifest, OutputSpec
from curbside.runtime import InstanceConfig
from curbside.runtime.instances import decode_instances

SIZE, STRIDES, BINS, CLASSES, MIXES = 64, (8, 16, 32), 8, 3, 4


def _boxes(seed: int, count: int) -> torch.Tensor:
    random = np.random.default_rng(seed)
    corner, side = random.uniform(0, 40, (count, 2)), random.uniform(2, 24, (count, 2))
    return torch.tensor(np.hstack([corner, corner + side]), dtype=torch.float32)


def test_overlaps_are_those_of_torchvision() -> None:
    first, second = _boxes(0, 30), _boxes(1, 30)
    torch.testing.assert_close(pairwise_iou(first, second), box_iou(first, second))
    torch.testing.assert_close(
        1 - complete_iou(first, second), complete_box_iou_loss(first, second, reduction="none")
    )


def test_the_gradient_of_complete_iou_is_torchvisions() -> None:
    first, second = _boxes(2, 8).requires_grad_(), _boxes(3, 8)
    twin = first.detach().clone().requires_grad_()
    (1 - complete_iou(first, second)).sum().backward()
    complete_box_iou_loss(twin, second, reduction="sum").backward()
    torch.testing.assert_close(first.grad, twin.grad, rtol=1e-4, atol=1e-6)


def test_distances_are_means_over_their_bins() -> None:
    scores = np.random.default_rng(4).normal(0, 2, (5, 4 * BINS))
    shares = np.exp(scores.reshape(5, 4, BINS))
    wanted = (shares * np.arange(BINS)).sum(2) / shares.sum(2)
    found = expected_distances(torch.tensor(scores))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_distance_focal_looks_at_the_two_bins_around_the_truth() -> None:
    scores = np.random.default_rng(5).normal(0, 2, (1, 4 * BINS))
    shares = np.exp(scores.reshape(4, BINS))
    shares /= shares.sum(1, keepdims=True)
    left = -(0.75 * math.log(shares[0, 3]) + 0.25 * math.log(shares[0, 4]))
    top = -math.log(shares[1, 0])  # a point outside of its box
    right = -math.log(shares[2, 7])  # beyond the last bin
    bottom = -math.log(shares[3, 2])
    found = distance_focal(torch.tensor(scores), torch.tensor([[3.25, -1.0, 40.0, 2.0]]))
    assert found.item() == pytest.approx((left + top + right + bottom) / 4)


def _places() -> Places:
    maps = [torch.zeros(1, 1, SIZE // stride, SIZE // stride) for stride in STRIDES]
    return Places.of(maps, STRIDES)


def test_places_are_centres_of_cells_row_by_row() -> None:
    places = _places()
    assert len(places.strides) == 64 + 16 + 4
    assert places.points_xy[[0, 1, 8, 64, 65, 80]].tolist() == [
        [4, 4], [12, 4], [4, 12], [8, 8], [24, 8], [16, 16]
    ]  # fmt: skip
    boxes = torch.tensor([[3.0, 5.0, 30.0, 21.0]]).expand(84, 4)
    torch.testing.assert_close(places.boxes(places.distances(boxes)), boxes)


def _assign_slowly(config, points, scores, boxes, true_boxes, classes):
    """The assignment by loops over objects and places."""
    chosen: dict[int, list[int]] = {}
    overlap = {}
    done = {}
    for n, true in enumerate(true_boxes):
        grow = [max(0.0, 8 - (true[2 + axis] - true[axis])) / 2 for axis in (0, 1)]
        inside = []
        for p, point in enumerate(points):
            width = max(0.0, min(boxes[p][2], true[2]) - max(boxes[p][0], true[0]))
            height = max(0.0, min(boxes[p][3], true[3]) - max(boxes[p][1], true[1]))
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[p], true)]
            overlap[n, p] = width * height / (sum(areas) - width * height)
            done[n, p] = (
                scores[p][classes[n]] ** config.class_power * overlap[n, p] ** config.box_power
            )
            if all(
                true[axis] - grow[axis] <= point[axis] < true[2 + axis] + grow[axis]
                for axis in (0, 1)
            ):
                inside.append(p)
        for p in sorted(inside, key=lambda p: -done[n, p])[: config.count]:
            chosen.setdefault(p, []).append(n)
    owner = {p: max(wanting, key=lambda n: overlap[n, p]) for p, wanting in chosen.items()}
    quality = {}
    for n in range(len(true_boxes)):
        own = [p for p, other in owner.items() if other == n]
        for p in own:
            best = max(done[n, q] for q in own)
            quality[p] = done[n, p] / best * max(overlap[n, q] for q in own)
    return owner, quality


@pytest.mark.parametrize("seed", range(4))
def test_places_are_given_as_a_slow_search_gives_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    places, config = _places(), TaskAlignedConfig(count=5)
    true_boxes, classes = _boxes(seed, 6), torch.tensor(random.integers(0, CLASSES, 6))
    distances = torch.tensor(random.uniform(0.2, 2.5, (84, 4)), dtype=torch.float32)
    boxes = places.boxes(distances)
    scores = torch.tensor(random.uniform(0.05, 1, (84, CLASSES)), dtype=torch.float32)
    found = assign(config, places, scores, boxes, true_boxes, classes)
    owner, quality = _assign_slowly(
        config,
        places.points_xy.tolist(),
        scores.tolist(),
        boxes.tolist(),
        true_boxes.tolist(),
        classes.tolist(),
    )
    assert {p: n for p, n in enumerate(found.objects.tolist()) if n >= 0} == owner
    assert len(owner) > 10
    for place, value in enumerate(found.quality.tolist()):
        assert value == pytest.approx(quality.get(place, 0), abs=1e-5)


def test_an_object_of_one_pixel_anywhere_has_a_place() -> None:
    places = _places()
    boxes = places.boxes(torch.full((84, 4), 1.0))
    scores = torch.full((84, CLASSES), 0.1)
    for x, y in ((0, 0), (63, 63), (7, 8), (31, 40)):
        true = torch.tensor([[x, y, x + 1, y + 1]], dtype=torch.float32)
        found = assign(TaskAlignedConfig(), places, scores, boxes, true, torch.tensor([1]))
        assert (found.objects == 0).sum() >= 1


def test_a_picture_without_objects_gives_no_place() -> None:
    places = _places()
    none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    found = assign(TaskAlignedConfig(), places, torch.ones(84, 3), torch.ones(84, 4), *none)
    assert (found.objects == -1).all() and not found.quality.any()


def test_mask_targets_are_shares_of_cells() -> None:
    objects = np.random.default_rng(6).integers(0, 4, (32, 48)).astype(np.int16)
    found = mask_targets(torch.from_numpy(objects), torch.tensor([3, 1]), (8, 12))
    for map_, number in zip(found.numpy(), (3, 1), strict=True):
        share = cv2.resize(
            (objects == number).astype(np.float32), (12, 8), None, 0, 0, cv2.INTER_AREA
        )
        np.testing.assert_allclose(map_, share, atol=1e-6)


def test_mask_losses_are_counted_cell_by_cell() -> None:
    random = np.random.default_rng(7)
    mixed, targets = random.normal(0, 2, (2, 6, 8)), random.uniform(0, 1, (2, 6, 8))
    boxes = [[1.5, 0.0, 4.0, 2.25], [7.2, 5.4, 7.6, 5.9]]  # the second lies in one cell
    cells = [[(y, x) for y in range(3) for x in range(1, 4)], [(5, 7)]]
    found = mask_losses(torch.tensor(mixed), torch.tensor(targets), torch.tensor(boxes))
    for number, inside in enumerate(cells):
        shown = {at: 1 / (1 + math.exp(-mixed[number][at])) for at in inside}
        true = {at: targets[number][at] for at in inside}
        entropy = [
            -(true[at] * math.log(shown[at]) + (1 - true[at]) * math.log(1 - shown[at]))
            for at in inside
        ]
        assert found[0][number].item() == pytest.approx(sum(entropy) / len(inside))
        squares = sum(shown[at] ** 2 + true[at] ** 2 for at in inside)
        shared = sum(shown[at] * true[at] for at in inside)
        assert found[1][number].item() == pytest.approx(1 - (2 * shared + 1) / (squares + 1))


BOXES = ((4, 8, 28, 24), (40, 36, 60, 64), (0, 44, 8, 52))  # left, top, right, bottom; on 4 px
LABELS = (2, 0, 1)


def _objects() -> np.ndarray:
    found = np.zeros((SIZE, SIZE), np.int16)
    for number, (left, top, right, bottom) in enumerate(BOXES, 1):
        found[top:bottom, left:right] = number
    found[40:44, 40:48] = 0  # the second has a notch
    return found


def _truth(objects: np.ndarray | None = None) -> Truth:
    return Truth(
        (torch.tensor(BOXES, dtype=torch.float32),),
        (torch.tensor(LABELS),),
        torch.from_numpy(_objects() if objects is None else objects)[None],
    )


def _exact(sure: float = 30.0) -> dict[str, list[torch.Tensor] | torch.Tensor]:
    """What a network gives that is right: at every place of the finest map in a box, the box, its class,
    and the prototype of its object."""
    box = [torch.zeros(1, 4 * BINS, SIZE // s, SIZE // s) for s in STRIDES]
    score = [torch.full((1, CLASSES, SIZE // s, SIZE // s), -sure) for s in STRIDES]
    mix = [torch.zeros(1, MIXES, SIZE // s, SIZE // s) for s in STRIDES]
    prototypes = torch.full((1, MIXES, SIZE // 4, SIZE // 4), -sure)
    for number, (left, top, right, bottom) in enumerate(BOXES):
        prototypes[0, number] = torch.where(
            torch.from_numpy(_objects()[2::4, 2::4] == number + 1), sure, -sure
        )
        for row in range(SIZE // 8):
            for column in range(SIZE // 8):
                x, y = column * 8 + 4, row * 8 + 4
                if not (left <= x < right and top <= y < bottom):
                    continue
                sides = (x - left, y - top, right - x, bottom - y)
                for side, distance in enumerate(sides):
                    below, share = divmod(distance / 8, 1)
                    bins = torch.full((BINS,), -60.0)
                    bins[int(below)] = math.log(max(1 - share, 1e-9))
                    bins[int(below) + 1] = math.log(max(share, 1e-9))
                    box[0][0, side * BINS : (side + 1) * BINS, row, column] = bins
                score[0][0, LABELS[number], row, column] = sure
                mix[0][0, number, row, column] = 1
    return {
        "box_distribution": box,
        "class_scores": score,
        "mask_coefficients": mix,
        "prototypes": prototypes,
    }


def test_what_the_loss_calls_right_the_runtime_decodes_to_the_truth() -> None:
    exact = _exact()
    config = InstanceLossConfig(assignment=TaskAlignedConfig(count=100), detail=1)
    parts = config.build(STRIDES)(**exact, truth=_truth()).parts
    for name in ("class", "box", "dice"):
        assert parts[name].item() == pytest.approx(0, abs=1e-3)
    assert parts["mask"].item() == pytest.approx(0, abs=1e-3)

    names = ("box_distribution", "class_scores", "mask_coefficients")
    outputs, specs = (
        {"p": exact["prototypes"].numpy()},
        [OutputSpec(name="p", meaning="prototypes")],
    )
    for level in range(3):
        for name in names:
            outputs[f"{name}{level}"] = exact[name][level].numpy()
            specs.append(OutputSpec(name=f"{name}{level}", meaning=name, activated=False))
    space = LabelSpace(
        name="three",
        classes=tuple(
            LabelClass(id=i, name=str(i), color=(i, i, i), has_instances=True)
            for i in range(CLASSES)
        ),
    )
    manifest = Manifest(
        task="instances",
        input=InputSpec(size_hw=(SIZE, SIZE), fit="letterbox"),
        outputs=tuple(specs),
        space=space,
        normalization=Normalization(),
        model="exact",
    )
    place = Placement.letterbox((SIZE, SIZE), (SIZE, SIZE))
    found = decode_instances(outputs, manifest, place, InstanceConfig())
    assert sorted(found.class_ids.tolist()) == sorted(LABELS)
    for box, class_id, mask in zip(found.boxes_xyxy, found.class_ids, found.masks, strict=True):
        number = LABELS.index(class_id)
        np.testing.assert_allclose(box, BOXES[number], atol=0.05)
        true = _objects()[mask.window] == number + 1
        assert (mask.inside == true).mean() > 0.9


def test_places_where_nobody_knows_are_not_punished() -> None:
    exact, objects = _exact(), _objects()
    loud = exact["class_scores"][0]
    loud[0, 1, 0, 7] = 30.0  # a sure detection in the upper right corner, where nothing is
    loss = InstanceLossConfig().build(STRIDES)
    assert loss(**exact, truth=_truth(objects)).parts["class"] > 1
    objects[:8, 56:] = -1
    assert loss(**exact, truth=_truth(objects)).parts["class"] < 0.1


def test_every_part_counts_by_its_weight_and_every_output_learns() -> None:
    torch.manual_seed(0)
    maps = {
        name: [torch.randn(2, width, SIZE // s, SIZE // s).requires_grad_() for s in STRIDES]
        for name, width in (
            ("box_distribution", 4 * BINS),
            ("class_scores", CLASSES),
            ("mask_coefficients", MIXES),
        )
    }
    prototypes = torch.randn(2, MIXES, SIZE // 4, SIZE // 4).requires_grad_()
    one = _truth()
    none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    truth = Truth(
        (*one.boxes_xyxy, none[0]),
        (*one.classes, none[1]),
        torch.cat([one.objects, torch.zeros_like(one.objects)]),
    )
    weights = {"class": 0.5, "box": 3.0, "distance": 0.25, "mask": 2.0, "dice": 0.75}
    config = InstanceLossConfig(**{f"{name}_weight": value for name, value in weights.items()})
    found = config.build(STRIDES)(**maps, prototypes=prototypes, truth=truth)
    wanted = sum(weights[name] * value.item() for name, value in found.parts.items())
    assert set(found.parts) == set(weights) and found.total.item() == pytest.approx(wanted)
    found.total.backward()
    assert prototypes.grad[0].abs().sum() > 0 and not prototypes.grad[1].any()
    for name in maps:
        assert any(level.grad[0].abs().sum() > 0 for level in maps[name])
    assert maps["class_scores"][0].grad[1].abs().sum() > 0  # an empty picture teaches that it is


def test_the_masks_of_a_picture_are_bounded() -> None:
    exact = _exact(sure=2.0)
    few, many = (
        InstanceLossConfig(masks=count).build(STRIDES)(**exact, truth=_truth()).parts["mask"]
        for count in (1, 100)
    )
    assert few > 0 and many > 0


def test_masks_are_compared_as_the_runtime_enlarges_them() -> None:
    # A bar of two pixels is half a cell wide: at the cells its mix is to be 0, but enlarged it is to
    # cross 0 a pixel away from its middle.
    objects = np.zeros((SIZE, SIZE), np.int16)
    objects[8:24, 17:19] = 1  # what of the first object is seen
    found = {}
    for value in (0.0, 3.0, 12.0):
        exact = _exact()
        exact["prototypes"][0, 0] = -9.0
        exact["prototypes"][0, 0, 2:6, 4] = value
        for detail in (1, 4):
            loss = InstanceLossConfig(detail=detail).build(STRIDES)
            found[value, detail] = loss(**exact, truth=_truth(objects)).parts["dice"].item()
    assert found[0.0, 1] < found[3.0, 1] < found[12.0, 1]
    assert found[3.0, 4] < min(found[0.0, 4], found[12.0, 4])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TaskAlignedConfig(count=0), "0 places"),
        (lambda: InstanceLossConfig(box_weight=-1.0), "box weight of -1.0"),
        (lambda: InstanceLossConfig(focus=math.nan), "focus of nan"),
        (lambda: InstanceLossConfig(masks=0), "masks is 0"),
        (lambda: InstanceLossConfig(detail=0), "detail is 0"),
    ],
)
def test_mistakes_are_named(make, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
