"""Tversky and Lovasz: by hand, from their definitions, and against segmentation-models-pytorch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch

from curbside.losses import DiceConfig, LovaszConfig, TverskyConfig


def _case(num_classes: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (3, C, 6, 7) in float32, and labels of which all classes occur and some are ignored."""
    rng = np.random.default_rng(seed)
    classes = max(2, num_classes)
    target = rng.integers(0, classes, (3, 6, 7))
    target[:, 0, :classes] = np.arange(classes)
    target[1, 2:5, 1:4] = 255
    logits = rng.normal(0, 2, (3, num_classes, 6, 7)).astype(np.float32)
    return torch.tensor(logits), torch.tensor(target)


def _gradient(loss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    ours = logits.clone().requires_grad_()
    loss(ours, target).total.backward()
    return ours.grad


# Two pixels of class 0 with p = 0.75 and 0.5, two of class 1 with p = 0.25 and 0.8; the last is ignored.
_P0 = torch.tensor([0.75, 0.5, 0.75, 0.2, 0.9])
_HAND = torch.stack([_P0, 1 - _P0]).log().view(1, 2, 1, 5), torch.tensor([[[0, 0, 1, 1, 255]]])


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_tversky_by_hand(gamma: float) -> None:
    # Class 0: TP 1.25, FP 0.95, FN 0.75; class 1: TP 1.05, FP 0.75, FN 0.95.
    first = 1 - 1.25 / (1.25 + 0.3 * 0.95 + 0.7 * 0.75)
    second = 1 - 1.05 / (1.05 + 0.3 * 0.75 + 0.7 * 0.95)
    logits, target = _HAND
    loss = TverskyConfig(alpha=0.3, beta=0.7, gamma=gamma)
    total, parts = loss.build(2)(logits, target)
    expected = (first ** (1 / gamma) + second ** (1 / gamma)) / 2
    assert total.item() == pytest.approx(expected, rel=1e-6)
    assert parts == {"tversky": total}
    one = loss.build(1)(logits[:, 1:] - logits[:, :1], target).total.item()
    assert one == pytest.approx(second ** (1 / gamma), rel=1e-6)  # id 1 alone


@pytest.mark.parametrize("num_classes", [1, 2, 5])
def test_tversky_with_halves_is_dice(num_classes: int) -> None:
    logits, target = _case(num_classes)
    target[target == 4] = 3  # one class of five does not occur
    tversky, dice = (c.build(num_classes) for c in (TverskyConfig(), DiceConfig()))
    assert tversky(logits, target).total.item() == pytest.approx(
        dice(logits, target).total.item(), rel=1e-6
    )
    slopes = [_gradient(loss, logits, target) for loss in (tversky, dice)]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("num_classes", [1, 5])
def test_tversky_is_that_of_smp_where_all_classes_occur(num_classes: int) -> None:
    logits, target = _case(num_classes)
    mode = "binary" if num_classes == 1 else "multiclass"
    theirs = smp.TverskyLoss(mode, alpha=0.2, beta=0.9, ignore_index=255)
    expected = theirs(logits, target[:, None] if num_classes == 1 else target).item()
    loss = TverskyConfig(alpha=0.2, beta=0.9).build(num_classes)
    assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 4 / 3, 3.0])
def test_focal_tversky_is_nothing_and_has_no_slope_where_all_is_right(gamma: float) -> None:
    target = torch.tensor([[[0, 0, 1, 1, 255]]])
    logits = torch.where(target == 1, 60.0, -60.0)[:, None]
    loss = TverskyConfig(gamma=gamma).build(1)
    assert loss(logits, target).total.item() == 0
    assert not _gradient(loss, logits, target).any()


def _jaccard_loss(wrong: np.ndarray, true: np.ndarray) -> float:
    """`1 - IoU` where some pixels are wrong, of the definition: intersection and union of two sets."""
    predicted = true ^ wrong
    union = (true | predicted).sum()
    return 1 - (true & predicted).sum() / union if union else 0.0


def _extension(errors: np.ndarray, true: np.ndarray) -> float:
    """The Lovasz extension by its integral: the mean of `1 - IoU` of what is wrong by more than a level."""
    levels = np.unique(np.append(errors, 0.0))
    return sum((high - low) * _jaccard_loss(errors > low, true) for low, high in pairwise(levels))


def _by_definition(logits: torch.Tensor, target: torch.Tensor, *, per_image: bool) -> float:
    """The loss in float64, pixel by pixel."""
    x, ids = logits.double().numpy(), target.numpy()
    groups = [(x[i : i + 1], ids[i : i + 1]) for i in range(len(ids))] if per_image else [(x, ids)]
    means = []
    for scores, truth in groups:
        known = truth != 255
        of_class = []
        if scores.shape[1] == 1:
            true = truth[known] == 1
            margin = np.where(true, scores[:, 0][known], -scores[:, 0][known])
            of_class.append(_extension(np.maximum(0, 1 - margin), true))
        else:
            p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            for index in np.unique(truth[known]):
                true = truth[known] == index
                errors = np.abs(true - p[:, index][known])
                of_class.append(_extension(errors, true))
        means.append(np.mean(of_class))
    return float(np.mean(means))


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("num_classes", [1, 2, 5])
def test_lovasz_is_its_definition(num_classes: int, per_image: bool) -> None:
    logits, target = _case(num_classes)
    target[0][target[0] == 1] = (
        0  # the first picture lacks a class, of one logit what is looked for
    )
    target[target == 3] = 2
    expected = _by_definition(logits, target, per_image=per_image)
    total, parts = LovaszConfig(per_image=per_image).build(num_classes)(logits, target)
    assert total.item() == pytest.approx(expected, rel=1e-5)
    assert parts == {"lovasz": total}


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("num_classes", [1, 5])
def test_lovasz_and_its_slope_are_those_of_smp(num_classes: int, per_image: bool) -> None:
    logits, target = _case(num_classes)
    mode = "binary" if num_classes == 1 else "multiclass"
    theirs = smp.LovaszLoss(mode, per_image=per_image, ignore_index=255)
    other = logits.clone().requires_grad_()
    expected = theirs(other[:, 0] if num_classes == 1 else other, target)
    expected.backward()
    loss = LovaszConfig(per_image=per_image).build(num_classes)
    assert loss(logits, target).total.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(_gradient(loss, logits, target), other.grad, rtol=1e-4, atol=1e-6)


def test_lovasz_of_certain_predictions_is_one_minus_the_iou() -> None:
    # Class 0: 2 right of 3 in truth or prediction; class 1: 1 of 2. The last pixel is ignored.
    target, seen = torch.tensor([[[0, 0, 1, 1, 255]]]), torch.tensor([[[0, 0, 0, 1, 0]]])
    logits = torch.where(seen[:, None] == torch.arange(2)[:, None, None], 50.0, -50.0)
    total = LovaszConfig().build(2)(logits, target).total.item()
    assert total == pytest.approx(1 - (2 / 3 + 1 / 2) / 2)


def test_lovasz_counts_no_picture_without_labels() -> None:
    for num_classes in (1, 5):
        logits, target = _case(num_classes)
        loss = LovaszConfig(per_image=True).build(num_classes)
        target[1] = 255
        expected = loss(logits[[0, 2]], target[[0, 2]]).total.item()
        assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-6)
        assert not _gradient(loss, logits, target)[1].any()


def test_lovasz_hinge_of_nothing_to_find_lowers_the_largest_score_alone() -> None:
    logits = torch.tensor([[[[-3.0, 0.5, -0.5]]]])
    loss, target = LovaszConfig().build(1), torch.zeros(1, 1, 3, dtype=torch.long)
    assert loss(logits, target).total.item() == pytest.approx(1.5)
    assert _gradient(loss, logits, target).flatten().tolist() == [0, 1, 0]


def test_the_slope_of_lovasz_is_exact_among_many_pixels() -> None:
    # n pixels of the class, all with one error, no other: each adds 1 / n, however close to 1 the sum of the
    # others is.
    side = 1200
    target = torch.zeros(1, side, side, dtype=torch.long)
    target[:, :, : side // 2] = 1
    logits = torch.where(target == 1, 0.5, -2.0)[
        :, None
    ]  # errors of 0.5 on the class, none elsewhere
    slopes = _gradient(LovaszConfig().build(1), logits, target)[0, 0, :, : side // 2]
    count = side * side // 2
    torch.testing.assert_close(slopes, torch.full_like(slopes, -1 / count), rtol=1e-5, atol=0)
