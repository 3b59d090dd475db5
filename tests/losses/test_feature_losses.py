"""Distillation losses on features against loops in float64, and what each is blind to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from curbside.errors import ConfigError
from curbside.losses import FeatureLossConfig
from curbside.losses.distillation.affinity import AffinityConfig
from curbside.losses.distillation.attn_fd import AttnFDConfig
from curbside.losses.distillation.cad import CADConfig
from curbside.losses.distillation.cross_image import CrossImageConfig
from curbside.losses.distillation.cwd import CWDConfig
from curbside.losses.distillation.feature_l2 import FeatureL2Config
from curbside.losses.distillation.lad import LADConfig
from curbside.losses.distillation.pad import PADConfig
from curbside.losses.distillation.pre_logit_l2 import PreLogitL2Config

B, C, H, W = 3, 4, 6, 8
ANGULAR = [LADConfig(), CADConfig(), PADConfig()]
RELATIONS = [AffinityConfig(nodes=2), CrossImageConfig(nodes=2)]
EXACT = [FeatureL2Config(), CWDConfig(), *ANGULAR, *RELATIONS]


def by_name(configs: list[FeatureLossConfig]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("config", configs, ids=lambda c: type(c).__name__)


def features(seed: int = 5, channels: int = C) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 2, (B, channels, H, W))


def value(config: FeatureLossConfig, student: np.ndarray, teacher: np.ndarray) -> float:
    loss = config.build(teacher.shape[1])
    return loss(*(torch.tensor(f, dtype=torch.float32) for f in (student, teacher))).total.item()


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def kl(teacher: np.ndarray, student: np.ndarray) -> float:
    p, q = softmax(teacher), softmax(student)
    return float((p * np.log(p / q)).sum())


def chord(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    return float(((first - second) ** 2).sum())


def pooled(feature: np.ndarray, side: int) -> np.ndarray:
    """(B, C, H, W) -> (B, N, C), means of areas that may overlap, as many as fit."""
    rows, columns = min(side, H), min(side, W)
    areas = [
        feature[
            :,
            :,
            y * H // rows : -(-(y + 1) * H // rows),
            x * W // columns : -(-(x + 1) * W // columns),
        ].mean(axis=(2, 3))
        for y in range(rows)
        for x in range(columns)
    ]
    return np.stack(areas, axis=1)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_feature_l2_against_loops() -> None:
    student, teacher = features(1), features(2)
    squares = [(student[i] - teacher[i]) ** 2 for i in np.ndindex(B, C, H, W)]
    found = value(FeatureL2Config(weight=2.0), student, teacher)
    assert found == pytest.approx(2 * np.mean(squares), rel=1e-5)


def test_pre_logit_l2_is_feature_l2_of_what_the_classifiers_see() -> None:
    config = PreLogitL2Config(weight=3.0)
    assert config.pairs == (("decoder", "decoder"),)
    student, teacher = features(1), features(2)
    assert value(config, student, teacher) == value(FeatureL2Config(weight=3.0), student, teacher)


def test_cwd_against_loops() -> None:
    student, teacher = features(1), features(2)
    values = [kl(teacher[i] / 4, student[i] / 4) for i in np.ndindex(B, C)]
    assert value(CWDConfig(), student, teacher) == pytest.approx(
        50 * 16 * np.mean(values), rel=1e-4
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_angular_losses_against_loops(seed: int) -> None:
    student, teacher = features(seed), features(seed + 10)
    whole = [chord(student[b].ravel(), teacher[b].ravel()) for b in range(B)]
    channels = [chord(student[i].ravel(), teacher[i].ravel()) for i in np.ndindex(B, C)]
    pixels = [chord(student[b, :, y, x], teacher[b, :, y, x]) for b, y, x in np.ndindex(B, H, W)]
    for config, values in zip(ANGULAR, (whole, channels, pixels), strict=True):
        assert value(config, student, teacher) == pytest.approx(np.mean(values), rel=1e-5)


def test_angular_losses_of_opposite_features_are_four() -> None:
    teacher = features()
    for config in ANGULAR:
        assert value(config, -teacher, teacher) == pytest.approx(4, rel=1e-5)


def test_angular_losses_of_what_has_no_direction() -> None:
    student = torch.tensor(features(1), dtype=torch.float32)
    student[:, 1], student[0] = 0, 0
    student.requires_grad_()
    teacher = torch.tensor(features(2), dtype=torch.float32)
    for config in ANGULAR:
        (gradient,) = torch.autograd.grad(config.build(C)(student, teacher).total, student)
        assert gradient.isfinite().all()
        assert gradient[0].abs().max() == 0
        assert gradient.abs().max() < 10
        assert value(config, np.zeros((B, C, H, W)), features(2)) == 0


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
@pytest.mark.parametrize("config", ANGULAR)
def test_directions_that_are_nearly_equal_keep_their_digits(
    config: FeatureLossConfig, scale: float
) -> None:
    teacher = (scale * torch.tensor(features(1))).float()
    student = (teacher * (1 + 1e-4 * torch.tensor(features(2)))).float().requires_grad_()
    loss = config.build(C)(student, teacher).total
    loss.backward()

    dim = {LADConfig: (1, 2, 3), CADConfig: (2, 3), PADConfig: (1,)}[type(config)]
    exact = student.detach().double().requires_grad_()
    first, second = (
        feature / feature.square().sum(dim=dim, keepdim=True).sqrt()
        for feature in (exact, teacher.double())
    )
    expected = (first - second).square().sum(dim=dim).mean()
    expected.backward()
    assert 1e-9 < expected.item() < 1e-6  # 2 - 2 cos has steps of 1e-7 in float32
    assert loss.item() == pytest.approx(expected.item(), rel=0.01)
    error = student.grad - exact.grad
    assert error.abs().max() < 0.01 * exact.grad.abs().max()


@pytest.mark.parametrize("nodes", [1, 3, 4, 16])
def test_affinity_against_loops(nodes: int) -> None:
    student, teacher = features(1, channels=3), features(2)
    first, second = pooled(student, nodes), pooled(teacher, nodes)
    count = first.shape[1]
    squares = [
        (cosine(first[b, i], first[b, j]) - cosine(second[b, i], second[b, j])) ** 2
        for b, i, j in np.ndindex(B, count, count)
    ]
    found = value(AffinityConfig(nodes=nodes), student, teacher)
    assert found == pytest.approx(10 * np.mean(squares), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("nodes", [2, 3, 16])
def test_cross_image_against_loops(nodes: int) -> None:
    student, teacher = features(1, channels=3), features(2)
    first, second = pooled(student, nodes), pooled(teacher, nodes)
    count = first.shape[1]

    def spread(nodes: np.ndarray, a: int, i: int, b: int) -> np.ndarray:
        return np.array([cosine(nodes[a, i], nodes[b, j]) for j in range(count)]) / 0.3

    values = [
        kl(spread(second, a, i, b), spread(first, a, i, b)) for a, i, b in np.ndindex(B, count, B)
    ]
    found = value(CrossImageConfig(nodes=nodes, temperature=0.3), student, teacher)
    assert found == pytest.approx(np.mean(values), rel=1e-4)


def test_attn_fd_against_loops() -> None:
    student, teacher = features(1), features(2)
    torch.manual_seed(0)
    loss = AttnFDConfig().build(C)
    weights = {name: w.detach().double().numpy() for name, w in loss.named_parameters()}

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    def gate(x: np.ndarray) -> np.ndarray:
        hidden = weights["channel_gate.0.weight"] @ x + weights["channel_gate.0.bias"]
        return (
            weights["channel_gate.2.weight"] @ np.maximum(hidden, 0)
            + weights["channel_gate.2.bias"]
        )

    def student_attends(feature: np.ndarray) -> np.ndarray:
        feature = (
            feature
            * sigmoid(gate(feature.mean(axis=(1, 2))) + gate(feature.max(axis=(1, 2))))[
                :, None, None
            ]
        )
        planes = np.pad([feature.mean(axis=0), feature.max(axis=0)], ((0, 0), (3, 3), (3, 3)))
        kernel = weights["place_gate.weight"][0]
        scores = np.array(
            [[(planes[:, y : y + 7, x : x + 7] * kernel).sum() for x in range(W)] for y in range(H)]
        )
        return feature * sigmoid(scores + weights["place_gate.bias"])

    def teacher_attends(feature: np.ndarray) -> np.ndarray:
        channel = feature.mean(axis=(1, 2)) + feature.max(axis=(1, 2))
        feature = feature * sigmoid(channel)[:, None, None]
        return feature * sigmoid(feature.mean(axis=0) + feature.max(axis=0))

    values = [
        chord(student_attends(student[b]).ravel(), teacher_attends(teacher[b]).ravel())
        for b in range(B)
    ]
    found = loss(torch.tensor(student).float(), torch.tensor(teacher).float()).total.item()
    assert found == pytest.approx(2 * np.mean(values), rel=1e-4)


def test_attn_fd_learns_its_attention() -> None:
    loss = AttnFDConfig().build(C)
    student, teacher = (torch.tensor(features(seed)).float() for seed in (1, 2))
    loss(student, teacher).total.backward()
    for name, weight in loss.named_parameters():
        assert weight.grad.abs().sum() > 0, name


def test_attn_fd_takes_few_channels() -> None:
    feature = torch.randn(2, 3, 5, 5)
    assert math.isfinite(AttnFDConfig().build(3)(feature, feature).total.item())


@by_name(EXACT)
def test_equal_features_cost_nothing(config: FeatureLossConfig) -> None:
    teacher = torch.tensor(features()).float()
    student = teacher.clone().requires_grad_()
    loss = config.build(C)(student, teacher).total
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert student.grad.abs().max() < 1e-5


BLIND = {
    "scale of the whole": (lambda f: f * 3.0, [*ANGULAR, *RELATIONS]),
    "scale of a channel": (
        lambda f: f * np.arange(1.0, C + 1)[:, None, None],
        [CADConfig()],
    ),
    "scale of a pixel": (
        lambda f: f * np.random.default_rng(1).uniform(0.5, 4, (B, 1, H, W)),
        [PADConfig()],
    ),
    "scale of a picture": (
        lambda f: f * np.array([0.2, 1, 9])[:, None, None, None],
        [*ANGULAR, *RELATIONS],
    ),
    "shift of a channel": (lambda f: f + np.arange(C)[:, None, None], [CWDConfig()]),
    "order of channels": (lambda f: f[:, ::-1], RELATIONS),
    "rotation of channels": (
        lambda f: np.einsum(
            "cd,bdhw->bchw", np.linalg.qr(np.random.default_rng(2).normal(size=(C, C)))[0], f
        ),
        RELATIONS,
    ),
}


@pytest.mark.parametrize("change", BLIND)
@by_name(EXACT)
def test_what_each_loss_is_blind_to(config: FeatureLossConfig, change: str) -> None:
    """And what it is not."""
    changed, blind = BLIND[change]
    teacher = features(2)
    found = value(config, np.ascontiguousarray(changed(teacher)), teacher) / config.weight
    if config in blind:
        assert found == pytest.approx(0, abs=1e-5)
    else:
        assert found > 1e-3


@by_name(RELATIONS)
def test_relations_of_a_feature_that_is_zero_somewhere(config: FeatureLossConfig) -> None:
    student = torch.tensor(features(1)).float()
    student[1], student[:, :, 0] = 0, 0
    student.requires_grad_()
    config.build(C)(student, torch.tensor(features(2)).float()).total.backward()
    assert student.grad.isfinite().all()
    assert student.grad.abs().max() < 100


def test_pictures_are_compared_with_each_other_by_cross_image_alone() -> None:
    student, teacher = features(1), features(2)

    def mean_of_single(config: FeatureLossConfig) -> float:
        return np.mean([value(config, student[b : b + 1], teacher[b : b + 1]) for b in range(B)])

    for config in (FeatureL2Config(), CWDConfig(), *ANGULAR, AffinityConfig()):
        assert value(config, student, teacher) == pytest.approx(mean_of_single(config), rel=1e-4)
    crossed = value(CrossImageConfig(), student, teacher)
    assert crossed != pytest.approx(mean_of_single(CrossImageConfig()), rel=0.01)


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (1, 4, 1, 1), (1, 3, 5, 7), (2, 20, 1, 9)])
@by_name([*EXACT, AttnFDConfig()])
def test_any_size(config: FeatureLossConfig, size: tuple[int, int, int, int]) -> None:
    torch.manual_seed(1)
    student, teacher = torch.randn(size, requires_grad=True), torch.randn(size)
    loss = config.build(size[1])(student, teacher).total
    loss.backward()
    assert math.isfinite(loss.item())
    assert student.grad.isfinite().all()


@by_name([*EXACT, AttnFDConfig()])
def test_memory_order_is_no_difference(config: FeatureLossConfig) -> None:
    torch.manual_seed(1)
    loss = config.build(C)

    def found(*pair: Tensor) -> tuple[float, Tensor]:
        student = pair[0].detach().requires_grad_()
        total = loss(student, pair[1]).total
        return total.item(), torch.autograd.grad(total, student)[0]

    pair = [torch.tensor(features(seed)).float() for seed in (1, 2)]
    plain = found(*pair)
    last = found(*(f.contiguous(memory_format=torch.channels_last) for f in pair))
    assert last[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(last[1], plain[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: CWDConfig(temperature=0.0),
        lambda: CrossImageConfig(temperature=-0.1),
        lambda: CrossImageConfig(nodes=0),
        lambda: AffinityConfig(nodes=0),
        lambda: LADConfig(weight=-1.0),
    ],
)
def test_impossible_settings_are_refused(bad) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        bad()
