"""Losses against labels: what all of them promise, and each against numpy, by hand or another library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch

from curbside.errors import ConfigError
from curbside.losses import CrossEntropyConfig, supervised_losses
from curbside.losses.base import SupervisedLossConfig
from curbside.losses.pixels import log_probability
from curbside.losses.supervised.bce_dice import BCEDiceConfig
from curbside.losses.supervised.border_focal import BorderFocalConfig
from curbside.losses.supervised.dice import DiceConfig
from curbside.losses.supervised.focal import FocalConfig
from curbside.losses.supervised.ohem import OHEMConfig
from curbside.losses.supervised.soft_bce import SoftBCEConfig
from curbside.losses.supervised.tversky import TverskyConfig

KINDS = supervised_losses()
BY_CLASS = [config for config in KINDS.values() if "class_weights" in config.__dataclass_fields__]


def _case(num_classes: int, *, spread: float = 2, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Logits (2, C, 6, 7) in float32, labels with some ignored, border weights, at ignored pixels too."""
    rng = np.random.default_rng(seed)
    classes = max(2, num_classes)
    target = rng.integers(0, classes, (2, 6, 7))
    target.flat[:classes] = np.arange(classes)
    target[1, 2:5, 1:4] = 255
    logits = rng.normal(0, spread, (2, num_classes, 6, 7)).astype(np.float32)
    return torch.tensor(logits), torch.tensor(target), torch.tensor(rng.random((2, 6, 7)) + 0.5)


def _true_probability(logits: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """(pixels,) float64 softmax of the true class at pixels with a label; of one logit, the sigmoid."""
    x, ids = logits.double().numpy(), target.numpy()
    if x.shape[1] == 1:
        yes = 1 / (1 + np.exp(-x[:, 0]))
        return np.where(ids == 1, yes, 1 - yes)[ids != 255]
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    known = np.argwhere(ids != 255)
    return np.array([p[b, ids[b, y, x], y, x] for b, y, x in known])


def _right(target: torch.Tensor, num_classes: int) -> torch.Tensor:
    """(B, C, H, W) bool, where a logit is to be high."""
    return target[:, None] == torch.arange(max(2, num_classes))[-num_classes:, None, None]


@pytest.mark.parametrize("num_classes", [1, 2, 11])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
class TestEverySupervisedLoss:
    def test_is_a_finite_scalar_with_a_gradient(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        logits, target, border = _case(num_classes)
        before = target.clone()
        logits.requires_grad_()
        total, parts = kind().build(num_classes)(logits, target, border)
        assert total.shape == () and total.dtype == torch.float32 and total > 0
        total.backward()
        assert logits.grad.isfinite().all() and logits.grad.abs().sum() > 0
        assert parts and all(p.shape == () and not p.requires_grad for p in parts.values())
        assert torch.equal(target, before)

    def test_moves_towards_the_labels(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        logits, target, border = _case(num_classes)
        loss = kind().build(num_classes)
        before = loss(logits.requires_grad_(), target, border).total
        before.backward()
        step = 0.1 * logits.grad / logits.grad.norm()
        assert loss(logits.detach() - step, target, border).total < before

    def test_does_not_look_at_ignored_pixels(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        logits, target, border = _case(num_classes)
        loss, ignored = kind().build(num_classes), target == 255
        expected = loss(logits, target, border).total.item()
        other = torch.where(ignored[:, None], 50 * torch.randn_like(logits), logits)
        other.requires_grad_()
        total = loss(other, target, torch.where(ignored, 99, border)).total
        total.backward()
        assert total.item() == pytest.approx(expected, rel=1e-6)
        assert not other.grad.permute(0, 2, 3, 1)[ignored].any()

    def test_is_zero_without_labels(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        logits, target, border = _case(num_classes)
        logits.requires_grad_()
        total = kind().build(num_classes)(logits, torch.full_like(target, 255), border).total
        total.backward()
        assert total.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_is_zero_at_a_sure_and_right_prediction(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        _, target, border = _case(num_classes)
        logits = torch.where(_right(target, num_classes), 60.0, -60.0).requires_grad_()
        total = kind().build(num_classes)(logits, target, border).total
        total.backward()
        assert total.item() == pytest.approx(0, abs=1e-6)
        assert logits.grad.abs().max() < 1e-6  # and none of it NaN

    def test_is_finite_however_sure_and_wrong(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        _, target, border = _case(num_classes)
        for size in (1e4, -1e4):
            logits = torch.where(_right(target, num_classes), size, -size).requires_grad_()
            total = kind().build(num_classes)(logits, target, border).total
            total.backward()
            assert total.isfinite() and logits.grad.isfinite().all()
            assert total.item() == 0 if size > 0 else total > 0.9

    def test_computes_in_float32_whatever_comes_in(
        self, kind: type[SupervisedLossConfig], num_classes: int
    ) -> None:
        logits, target, border = _case(num_classes)
        loss, coarse = kind().build(num_classes), logits.bfloat16()
        expected = loss(coarse.float(), target, border).total
        with torch.autocast("cpu", torch.bfloat16):
            mixed = loss(coarse, target, border).total
        for total in (loss(coarse, target, border).total, mixed):
            assert total.dtype == torch.float32
            assert torch.equal(total, expected)


@pytest.mark.parametrize("num_classes", [1, 2])
@pytest.mark.parametrize("config", BY_CLASS)
def test_class_weights_make_a_weighted_mean(config: type[Any], num_classes: int) -> None:
    # Two pixels that are hard even for OHEM, each its own class; the third is ignored.
    logits = torch.log(torch.tensor([[[[0.75, 0.5, 0.1]], [[0.25, 0.5, 0.9]]]]))
    if num_classes == 1:
        logits = logits[:, 1:] - logits[:, :1]
    first, second = (
        config().build(num_classes)(logits, torch.tensor([[ids]])).total.item()
        for ids in ([0, 255, 255], [255, 1, 255])
    )
    loss = config(class_weights=(1.0, 3.0)).build(num_classes)
    total = loss(logits, torch.tensor([[[0, 1, 255]]])).total.item()
    assert total == pytest.approx((first + 3 * second) / 4, rel=1e-6)
    assert loss.state_dict() == {}


@pytest.mark.parametrize("config", BY_CLASS)
def test_impossible_class_weights_are_refused(config: type[Any]) -> None:
    with pytest.raises(ConfigError, match="2 class weights were given for 3 classes"):
        config(class_weights=(1.0, 2.0)).build(3)
    with pytest.raises(ConfigError, match="1 class weights were given for 2 classes"):
        config(class_weights=(1.0,)).build(1)
    for bad in (-2.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match=f"class weight of {bad}"):
            config(class_weights=(1.0, bad))


@pytest.mark.parametrize(
    "refused",
    [
        lambda: OHEMConfig(threshold=1.1),
        lambda: OHEMConfig(threshold=-0.1),
        lambda: OHEMConfig(min_share=1.5),
        lambda: OHEMConfig(min_share=-0.5),
        lambda: FocalConfig(gamma=-1),
        lambda: BorderFocalConfig(gamma=-1),
        lambda: SoftBCEConfig(label_smoothing=0.5),
        lambda: SoftBCEConfig(label_smoothing=-0.1),
        lambda: BCEDiceConfig(bce_weight=-1),
        lambda: BCEDiceConfig(bce_weight=0, dice_weight=0),
        lambda: BCEDiceConfig(dice_weight=math.nan),
        lambda: FocalConfig(gamma=math.nan),
        lambda: FocalConfig(gamma=math.inf),
        lambda: BorderFocalConfig(gamma=math.nan),
        lambda: OHEMConfig(threshold=math.nan),
        lambda: OHEMConfig(min_share=math.nan),
        lambda: SoftBCEConfig(label_smoothing=math.nan),
        lambda: CrossEntropyConfig(label_smoothing=math.nan),
        lambda: TverskyConfig(alpha=-0.1),
        lambda: TverskyConfig(alpha=math.inf),
        lambda: TverskyConfig(beta=0),
        lambda: TverskyConfig(beta=math.nan),
        lambda: TverskyConfig(gamma=0),
        lambda: TverskyConfig(gamma=math.inf),
    ],
)
def test_impossible_settings_are_refused(refused: Any) -> None:
    with pytest.raises(ConfigError):
        refused()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [(), (0.5, 3.0)])
def test_cross_entropy_of_one_logit_is_torch_s_over_two_classes(
    weights: tuple[float, ...], smoothing: float
) -> None:
    logits, target, _ = _case(1)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1).double()
    expected = torch.nn.functional.cross_entropy(
        both,
        target,
        weight=torch.tensor(weights).double() if weights else None,
        ignore_index=255,
        label_smoothing=smoothing,
    )
    loss = CrossEntropyConfig(class_weights=weights, label_smoothing=smoothing).build(1)
    assert loss(logits, target).total.item() == pytest.approx(expected.item(), rel=1e-6)


def test_one_logit_keeps_what_little_a_sure_pixel_costs() -> None:
    logits = torch.tensor([30.0, -30.0, 200.0, -200.0]).view(1, 1, 2, 2).requires_grad_()
    log_p = log_probability(logits, torch.tensor([[[1, 0], [0, 1]]]))
    assert log_p.flatten().tolist() == pytest.approx([-math.exp(-30)] * 2 + [-200] * 2, rel=1e-6)
    log_p.sum().backward()
    assert logits.grad.flatten().tolist() == pytest.approx(
        [math.exp(-30), -math.exp(-30), -1, 1], rel=1e-6
    )


@pytest.mark.parametrize("spread", [0.1, 8], ids=["unsure", "mostly sure"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("min_share", [0.0, 0.25, 0.8, 1.0])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_ohem_takes_the_hardest(
    num_classes: int, threshold: float, min_share: float, spread: float
) -> None:
    logits, target, _ = _case(num_classes, spread=spread)
    p = np.sort(_true_probability(logits, target))
    kept = max(1, round(min_share * target.numel()), int((p < threshold).sum()))
    expected = -np.log(p[:kept]).mean()
    loss = OHEMConfig(threshold=threshold, min_share=min_share).build(num_classes)
    assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-5)


def test_ohem_of_all_pixels_is_cross_entropy() -> None:
    logits, target, _ = _case(5)
    expected = CrossEntropyConfig().build(5)(logits, target).total.item()
    for config in (OHEMConfig(threshold=1.0, min_share=0), OHEMConfig(threshold=0, min_share=1)):
        assert config.build(5)(logits, target).total.item() == pytest.approx(expected, rel=1e-6)


def test_ohem_takes_no_more_than_its_share_of_equally_easy_pixels() -> None:
    # 11 of 300 pixels have a label, one is seen with 0.95, the others for certain: 6 are to count.
    logits = torch.tensor([90.0] * 299 + [math.log(0.95 / 0.05)]).view(1, 1, 15, 20)
    target = torch.tensor([255] * 289 + [0] * 11).view(1, 15, 20)
    loss = OHEMConfig(min_share=0.02).build(2)
    total = loss(torch.cat([logits, torch.zeros_like(logits)], dim=1), target).total.item()
    assert total == pytest.approx(-math.log(0.95) / 6, rel=1e-5)


def test_ohem_keeps_as_many_as_published() -> None:
    assert OHEMConfig().min_share * 6 * 1024 * 1024 == pytest.approx(131_072)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("num_classes", [1, 4])
def test_focal_against_numpy(num_classes: int, gamma: float) -> None:
    logits, target, _ = _case(num_classes)
    p = _true_probability(logits, target)
    expected = (-((1 - p) ** gamma) * np.log(p)).mean()
    loss = FocalConfig(gamma=gamma).build(num_classes)
    assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_of_one_logit_is_that_of_smp(alpha: float | None) -> None:
    logits, target, _ = _case(1)
    expected = smp.FocalLoss("binary", alpha=alpha, gamma=1.5, ignore_index=255)(logits, target)
    weights = () if alpha is None else (1 - alpha, alpha)
    total = FocalConfig(gamma=1.5, class_weights=weights).build(1)(logits, target).total.item()
    known = target[target != 255].numpy()
    mean_weight = np.asarray(weights or (1, 1))[known].mean()  # smp divides by the pixels alone
    assert total * mean_weight == pytest.approx(expected.item(), rel=1e-5)


def test_the_slope_of_focal_is_that_of_all_of_it() -> None:
    # Of one pixel and two classes, with d = x0 - x1: p = 1 / (1 + exp(-d)), dp/dd = p (1 - p).
    logits = torch.tensor([0.8, 0.1]).view(1, 2, 1, 1).requires_grad_()
    FocalConfig(gamma=2).build(2)(logits, torch.zeros(1, 1, 1, dtype=torch.long)).total.backward()
    p = 1 / (1 + math.exp(-0.7))
    slope = 2 * (1 - p) * math.log(p) - (1 - p) ** 2 / p
    expected = slope * p * (1 - p)
    assert logits.grad.flatten().tolist() == pytest.approx([expected, -expected], rel=1e-5)


def test_focal_without_gamma_is_cross_entropy() -> None:
    logits, target, _ = _case(4)
    weights = (1.0, 2.0, 0.0, 5.0)
    expected = CrossEntropyConfig(class_weights=weights).build(4)(logits, target).total.item()
    loss = FocalConfig(gamma=0, class_weights=weights).build(4)
    assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("num_classes", [1, 4])
def test_border_focal_against_numpy(num_classes: int, gamma: float) -> None:
    logits, target, border = _case(num_classes)
    p = _true_probability(logits, target)
    alpha = border.numpy()[target.numpy() != 255]
    expected = (-alpha * (1 - p) ** gamma * np.log(p)).sum() / alpha.sum()
    loss = BorderFocalConfig(gamma=gamma).build(num_classes)
    assert loss(logits, target, border).total.item() == pytest.approx(expected, rel=1e-5)


def test_border_focal_with_equal_weights_is_focal() -> None:
    logits, target, border = _case(4)
    loss = BorderFocalConfig(gamma=1.5).build(4)
    total = loss(logits, target, torch.full_like(border, 6)).total.item()
    expected = FocalConfig(gamma=1.5).build(4)(logits, target).total.item()
    assert total == pytest.approx(expected, rel=1e-6)


def test_border_focal_needs_its_weights() -> None:
    assert BorderFocalConfig.uses_border_weight
    logits, target, border = _case(4)
    with pytest.raises(ConfigError, match="no border weights"):
        BorderFocalConfig().build(4)(logits, target)
    nothing = BorderFocalConfig().build(4)(logits, target, torch.zeros_like(border))
    assert nothing.total.item() == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_bce_against_numpy(smoothing: float) -> None:
    logits, target, _ = _case(3)
    x, ids = logits.double().numpy(), target.numpy()
    costs = []
    for b, row, column in np.argwhere(ids != 255):
        for c in range(3):
            yes = 1 - smoothing if ids[b, row, column] == c else smoothing
            p = 1 / (1 + math.exp(-x[b, c, row, column]))
            costs.append(-yes * math.log(p) - (1 - yes) * math.log(1 - p))
    loss = SoftBCEConfig(label_smoothing=smoothing).build(3)
    assert loss(logits, target).total.item() == pytest.approx(np.mean(costs), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("num_classes", [1, 4])
def test_soft_bce_is_that_of_smp(num_classes: int, smoothing: float) -> None:
    # It counts ignored pixels in its mean, so here are none.
    logits, _, _ = _case(num_classes)
    target = torch.randint(0, max(2, num_classes), (2, 6, 7), generator=torch.manual_seed(2))
    classes = [1] if num_classes == 1 else range(num_classes)
    hot = torch.stack([target == c for c in classes], dim=1).float()
    expected = smp.SoftBCEWithLogitsLoss(smooth_factor=smoothing)(logits, hot).item()
    loss = SoftBCEConfig(label_smoothing=smoothing).build(num_classes)
    assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-6)


def test_dice_by_hand() -> None:
    # The last pixel is ignored. Class 0: p 0.75, 0.5 against one pixel; class 1: 0.25, 0.5 against one.
    logits = torch.log(torch.tensor([[[[0.75, 0.5, 0.1]], [[0.25, 0.5, 0.9]]]]))
    loss = DiceConfig().build(2)(logits, torch.tensor([[[0, 1, 255]]]))
    first, second = 1 - 2 * 0.75 / (1.25 + 1), 1 - 2 * 0.5 / (0.75 + 1)
    assert loss.total.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_dice_is_that_of_smp_where_all_classes_occur() -> None:
    logits, target, _ = _case(5)
    expected = smp.DiceLoss("multiclass", ignore_index=255)(logits, target).item()
    assert DiceConfig().build(5)(logits, target).total.item() == pytest.approx(expected, rel=1e-6)


def test_dice_is_a_mean_over_the_classes_that_occur() -> None:
    logits, target, _ = _case(5)
    target[target == 3] = 1
    target[target == 0] = 255
    expected = smp.DiceLoss("multiclass", ignore_index=255)(logits, target).item() * 5 / 3
    assert DiceConfig().build(5)(logits, target).total.item() == pytest.approx(expected, rel=1e-6)


def test_dice_of_one_logit_is_that_of_smp() -> None:
    logits, _, _ = _case(1)
    target = torch.randint(0, 2, (2, 6, 7), generator=torch.manual_seed(2))
    target[0, :2] = 255
    expected = smp.DiceLoss("binary", ignore_index=255)(logits, target[:, None]).item()
    loss = DiceConfig().build(1)
    assert loss(logits, target).total.item() == pytest.approx(expected, rel=1e-6)
    assert loss(logits, torch.zeros_like(target)).total.item() == 0  # nothing to overlap with


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_one_logit_learns_yes_from_1_and_no_from_0(kind: type[SupervisedLossConfig]) -> None:
    logits = torch.tensor([[[[0.0, 0.1, 0.0]]]], requires_grad=True)
    target = torch.tensor([[[0, 1, 255]]])
    kind().build(1)(logits, target, torch.ones(1, 1, 3)).total.backward()
    assert logits.grad.sign().flatten().tolist() == [1, -1, 0]


def test_bce_dice_is_their_weighted_sum() -> None:
    logits, target, _ = _case(3)
    bce = SoftBCEConfig(label_smoothing=0.1).build(3)(logits, target).total
    dice = DiceConfig().build(3)(logits, target).total
    config = BCEDiceConfig(bce=SoftBCEConfig(label_smoothing=0.1), bce_weight=0.25, dice_weight=3.0)
    total, parts = config.build(3)(logits, target)
    assert total.item() == pytest.approx(0.25 * bce.item() + 3 * dice.item(), rel=1e-6)
    assert parts == {"bce": bce, "dice": dice}
