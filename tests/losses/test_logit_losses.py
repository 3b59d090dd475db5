"""Distillation losses on logits against loops over pixels in float64, and what each is blind to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from curbside.errors import ConfigError
from curbside.losses import LogitLossConfig
from curbside.losses.distillation import _divergence
from curbside.losses.distillation._divergence import soft_divergence
from curbside.losses.distillation.border_kd import BorderKDConfig
from curbside.losses.distillation.cwd_logits import CWDLogitsConfig
from curbside.losses.distillation.dist import DistConfig
from curbside.losses.distillation.logit_kd import LogitKDConfig

ALL = [
    LogitKDConfig(),
    LogitKDConfig(standardize=True),
    BorderKDConfig(),
    CWDLogitsConfig(),
    DistConfig(),
]
by_name = pytest.mark.parametrize("config", ALL, ids=lambda c: type(c).__name__)


class Sample:
    """Two predictions of a batch, with the pixels that count."""

    def __init__(self, batch: int = 2, classes: int = 5, height: int = 4, width: int = 6) -> None:
        rng = np.random.default_rng(3)
        shape = (batch, classes, height, width)
        self.student, self.teacher = rng.normal(0, 3, (2, *shape))
        self.counts = rng.random((batch, height, width)) > 0.3
        self.border_weight = rng.uniform(0, 8, (batch, height, width))

    def tensors(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return (
            torch.tensor(self.student, dtype=dtype, requires_grad=True),
            torch.tensor(self.teacher, dtype=dtype),
            torch.tensor(self.counts),
            torch.tensor(self.border_weight, dtype=torch.float32),
        )

    def value(self, config: LogitLossConfig) -> float:
        return config.build()(*self.tensors()).total.item()


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def _kl(teacher: np.ndarray, student: np.ndarray, temperature: float) -> float:
    p, q = _softmax(teacher / temperature), _softmax(student / temperature)
    return float((p * np.log(p / q)).sum()) * temperature**2


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_logit_kd_against_loops(temperature: float) -> None:
    sample = Sample()
    values = [
        _kl(sample.teacher[b, :, y, x], sample.student[b, :, y, x], temperature)
        for b, y, x in zip(*sample.counts.nonzero(), strict=True)
    ]
    found = sample.value(LogitKDConfig(temperature=temperature, weight=0.5))
    assert found == pytest.approx(0.5 * np.mean(values), rel=1e-5)


def test_standardized_logit_kd_against_loops() -> None:
    sample = Sample()

    def standard(values: np.ndarray) -> np.ndarray:
        return (values - values.mean()) / values.std(ddof=1)

    values = [
        _kl(standard(sample.teacher[b, :, y, x]), standard(sample.student[b, :, y, x]), 2.0)
        for b, y, x in zip(*sample.counts.nonzero(), strict=True)
    ]
    found = sample.value(LogitKDConfig(temperature=2.0, standardize=True, weight=9.0))
    assert found == pytest.approx(9 * np.mean(values), rel=1e-4)


def test_standardized_logits_lose_their_scale_and_others_do_not() -> None:
    student, teacher, counts, _ = Sample().tensors()
    blind, plain = LogitKDConfig(standardize=True).build(), LogitKDConfig().build()
    for loss, same in ((blind, True), (plain, False)):
        once = loss(student, teacher, counts).total.item()
        twice = loss(2 * student + 3, 5 * teacher - 1, counts).total.item()
        assert (twice == pytest.approx(once, rel=1e-4)) == same


def test_standardized_equal_logits_give_a_finite_gradient() -> None:
    student = torch.zeros(1, 4, 2, 2, requires_grad=True)
    teacher, counts = torch.randn(1, 4, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    loss = LogitKDConfig(standardize=True).build()(student, teacher, counts).total
    loss.backward()
    assert math.isfinite(loss.item())
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_border_kd_against_loops(temperature: float) -> None:
    sample = Sample()
    total = weights = 0.0
    for b, y, x in zip(*sample.counts.nonzero(), strict=True):
        weight = sample.border_weight[b, y, x]
        total += weight * _kl(sample.teacher[b, :, y, x], sample.student[b, :, y, x], temperature)
        weights += weight
    found = sample.value(BorderKDConfig(temperature=temperature, weight=0.5))
    assert found == pytest.approx(0.5 * total / weights, rel=1e-5)


def test_border_kd_of_equal_weights_is_logit_kd() -> None:
    student, teacher, counts, weights = Sample().tensors()
    border = BorderKDConfig(temperature=4.0).build()
    plain = LogitKDConfig(temperature=4.0).build()(student, teacher, counts).total.item()
    for weight in (1.0, 6.0):
        found = border(student, teacher, counts, torch.full_like(weights, weight)).total.item()
        assert found == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 4.0])
def test_cwd_on_logits_against_loops(temperature: float) -> None:
    sample = Sample(batch=3)
    sample.counts[1] = False  # a picture that does not count, not even in the mean
    values = [
        _kl(
            sample.teacher[b, c][sample.counts[b]],
            sample.student[b, c][sample.counts[b]],
            temperature,
        )
        for b in (0, 2)
        for c in range(5)
    ]
    found = sample.value(CWDLogitsConfig(temperature=temperature, weight=3.0))
    assert found == pytest.approx(3 * np.mean(values), rel=1e-5)


def test_cwd_on_logits_is_blind_to_a_shift_of_each_class() -> None:
    student, teacher, counts, _ = Sample().tensors()
    loss = CWDLogitsConfig().build()
    shift = torch.arange(5.0)[:, None, None] * 2
    shifted = loss(student + shift, teacher - shift, counts).total.item()
    assert shifted == pytest.approx(loss(student, teacher, counts).total.item(), rel=1e-4)


def test_dist_against_numpy_correlations() -> None:
    sample = Sample()
    p, q = (
        np.stack([[_softmax(v / 2) for v in b.reshape(5, -1).T] for b in logits])  # (B, H*W, C)
        for logits in (sample.student, sample.teacher)
    )
    kept = sample.counts.reshape(2, -1)
    p, q = p[kept], q[kept]  # (N, C)
    inter = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    intra = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    config = DistConfig(temperature=2.0, inter=0.5, intra=3.0, weight=2.0)
    found = config.build()(*sample.tensors())
    assert found.parts["dist_inter"].item() == pytest.approx(4 * inter, rel=1e-4)
    assert found.parts["dist_intra"].item() == pytest.approx(4 * intra, rel=1e-4)
    assert found.total.item() == pytest.approx(2 * 4 * (0.5 * inter + 3 * intra), rel=1e-4)


def test_dist_is_blind_to_scale_and_shift_of_probabilities() -> None:
    _, teacher, counts, _ = Sample().tensors()
    probabilities = teacher.softmax(dim=1)
    less_sure = (0.4 * probabilities + 0.6 / 5).log()  # a positive multiple, and a shift
    parts = DistConfig().build()(less_sure, teacher, counts).parts
    assert parts["dist_inter"].item() == pytest.approx(0, abs=1e-4)
    assert parts["dist_intra"].item() == pytest.approx(0, abs=1e-4)
    assert LogitKDConfig().build()(less_sure, teacher, counts).total.item() > 0.1


def test_dist_of_opposite_predictions_is_two_of_each() -> None:
    teacher = torch.tensor([[[[3.0, -2.0]], [[-3.0, 2.0]]]])
    counts = torch.ones(1, 1, 2, dtype=torch.bool)
    parts = DistConfig().build()(-teacher, teacher, counts).parts
    assert [value.item() for value in parts.values()] == pytest.approx([2, 2], rel=1e-4)


def test_dist_of_a_student_without_an_opinion_has_a_finite_gradient() -> None:
    student = torch.zeros(1, 4, 2, 2, requires_grad=True)
    counts = torch.ones(1, 2, 2, dtype=torch.bool)
    DistConfig().build()(student, torch.randn(1, 4, 2, 2), counts).total.backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_soft_divergence_and_its_gradient_against_torch(
    dim: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_divergence, "_CHUNK", chunk)
    torch.manual_seed(0)
    student = (3 * torch.randn(3, 4, 10)).requires_grad_()
    teacher = 3 * torch.randn(3, 4, 10)
    outside = torch.rand(3, 40 // (4 if dim == 1 else 10))
    found = soft_divergence(student, teacher, 2.5, dim)
    (gradient,) = torch.autograd.grad((found * outside).sum(), student)
    reference = 2.5**2 * F.kl_div(
        F.log_softmax(student.double() / 2.5, dim),
        F.softmax(teacher.double() / 2.5, dim),
        reduction="none",
    ).sum(dim)
    (expected,) = torch.autograd.grad((reference * outside).sum(), student)
    torch.testing.assert_close(found.double(), reference, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


@by_name
def test_equal_logits_cost_nothing(config: LogitLossConfig) -> None:
    _, teacher, counts, weights = Sample().tensors()
    student = teacher.clone().requires_grad_()
    loss = config.build()(student, teacher, counts, weights).total
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert student.grad.abs().max() < 1e-4


@pytest.mark.parametrize("config", [c for c in ALL if not isinstance(c, CWDLogitsConfig)])
def test_a_shift_of_all_classes_of_a_pixel_is_no_difference(config: LogitLossConfig) -> None:
    student, teacher, counts, weights = Sample().tensors()
    loss = config.build()
    shifted = loss(student + 7 * weights[:, None], teacher, counts, weights).total.item()
    once = loss(student, teacher, counts, weights).total.item()
    assert once > 0.1
    assert shifted == pytest.approx(once, rel=1e-3)


@by_name
def test_pixels_that_do_not_count_are_as_if_they_were_not_there(config: LogitLossConfig) -> None:
    student, teacher, counts, weights = Sample().tensors()
    loss = config.build()
    once = loss(student, teacher, counts, weights)
    once.total.backward()
    hidden = ~counts[:, None].expand_as(student)
    assert student.grad[hidden].abs().max() == 0
    assert student.grad[~hidden].abs().min() > 0
    noise = torch.where(hidden, 50.0, 0.0) * torch.randn(student.shape)
    found = loss(student + noise, teacher - noise, counts, weights).total.item()
    assert found == pytest.approx(once.total.item(), rel=1e-4)


@by_name
def test_a_batch_in_which_nothing_counts_costs_nothing(config: LogitLossConfig) -> None:
    student, teacher, counts, weights = Sample().tensors()
    loss = config.build()(student, teacher, torch.zeros_like(counts), weights * 0).total
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(student.grad, torch.zeros_like(student))


@by_name
def test_a_picture_in_which_nothing_counts_gets_no_gradient(config: LogitLossConfig) -> None:
    student, teacher, counts, weights = Sample().tensors()
    counts[0] = False
    loss = config.build()
    pair = loss(student, teacher, counts, weights).total
    pair.backward()
    assert student.grad[0].abs().max() == 0
    alone = loss(student[1:], teacher[1:], counts[1:], weights[1:]).total.item()
    assert pair.item() == pytest.approx(alone, rel=1e-5)


@by_name
@pytest.mark.parametrize("size", [(1, 2, 1, 1), (1, 5, 3, 7), (3, 26, 1, 1)])
def test_any_size(config: LogitLossConfig, size: tuple[int, int, int, int]) -> None:
    student, teacher, counts, weights = Sample(*size).tensors()
    counts[:] = True
    loss = config.build()(student, teacher, counts, weights).total
    loss.backward()
    assert math.isfinite(loss.item())
    assert student.grad.isfinite().all()


@pytest.mark.parametrize(
    "bad",
    [
        lambda: LogitKDConfig(temperature=0.0),
        lambda: LogitKDConfig(weight=-1.0),
        lambda: BorderKDConfig(temperature=-1.0),
        lambda: CWDLogitsConfig(temperature=math.nan),
        lambda: LogitKDConfig(temperature=math.inf),
        lambda: DistConfig(inter=-1.0),
        lambda: DistConfig(intra=math.nan),
        lambda: DistConfig(temperature=0.0),
    ],
)
def test_impossible_settings_are_refused(bad) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        bad()
