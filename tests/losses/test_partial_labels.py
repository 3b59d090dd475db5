"""Labels of pictures on which some of the classes alone were annotated: what is learnt, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbside.errors import ConfigError
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.losses import (
    CrossEntropyConfig,
    DiceConfig,
    FocalConfig,
    LovaszConfig,
    PartialLabelsConfig,
    SoftBCEConfig,
    TverskyConfig,
)

# Two surfaces, and two things that may stand on them.
SPACE = LabelSpace(
    name="four",
    classes=tuple(
        LabelClass(id=i, name=name, color=(i, i, i), has_instances=i > 1)
        for i, name in enumerate(("road", "pavement", "car", "person"))
    ),
)
SURFACES, ALL = [True, True, False, False], [True] * 4
THINGS = [False, False, True, True]


def _logits(*size_hw: int, pictures: int = 2, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, (pictures, 4, *size_hw)).astype(np.float32)
    return torch.tensor(values, requires_grad=True)


def _labels(*shape: int, below: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(1).integers(0, below, shape))


def _slopes(logits: torch.Tensor, target, annotated, **config) -> torch.Tensor:
    """What cross-entropy and the rest teach each score."""
    partial = PartialLabelsConfig(**config).build(SPACE)
    told, labels = torch.tensor(annotated), torch.tensor(target)
    counts = torch.ones(labels.shape, dtype=torch.bool)
    ce = CrossEntropyConfig().build(4)(partial.hide(logits, labels, told), labels)
    total = ce.total + partial(logits, labels, told, counts).total
    return torch.autograd.grad(total, logits)[0]


def test_classes_that_were_not_annotated_are_not_unlearnt() -> None:
    """The essence: surfaces alone were annotated on the first picture, things alone on the second."""
    logits = _logits(1, 2)
    target = [[[0, 255]], [[2, 255]]]
    annotated = [SURFACES, THINGS]
    labels = torch.tensor(target)
    plain = CrossEntropyConfig().build(4)(logits, labels).total
    punished = torch.autograd.grad(plain, logits)[0]
    assert (punished[0, 2:, 0, 0] > 0).all()  # a car on the road is unlearnt
    ours = _slopes(logits, target, annotated)
    assert (ours[0, 2:, 0, 0] == 0).all()  # a car may stand on the road: nothing is said of it
    assert ours[0, 0, 0, 0] < 0 < ours[0, 1, 0, 0]  # road, and no pavement
    assert (ours[1, :2, 0, 0] > 0).all()  # a car is no road: a surface never stands before it
    assert (ours[0, 2:, 0, 1] < 0).all() and (ours[0, :2, 0, 1] > 0).all()  # no surface: a thing
    assert (ours[1, :2, 0, 1] < 0).all() and (ours[1, 2:, 0, 1] > 0).all()  # no thing: a surface


def test_what_is_hidden_is_as_if_the_network_had_no_such_class() -> None:
    logits, labels = _logits(3, 4), _labels(2, 3, 4, below=2)
    told = torch.tensor([SURFACES, SURFACES])
    shown = PartialLabelsConfig().build(SPACE).hide(logits, labels, told)
    ours = CrossEntropyConfig().build(4)(shown, labels).total
    two = CrossEntropyConfig().build(2)(logits[:, :2], labels).total
    assert ours.item() == pytest.approx(two.item(), rel=1e-6)
    slopes = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, two)]
    torch.testing.assert_close(*slopes)


def test_all_may_be_hidden_or_none() -> None:
    logits, target = _logits(1, 2), [[[0, 0]], [[2, 2]]]
    everything = _slopes(logits, target, [SURFACES, THINGS], hidden="all")
    assert (everything[0, 2:] == 0).all() and (everything[1, :2] == 0).all()
    plain = CrossEntropyConfig().build(4)(logits, torch.tensor(target)).total
    nothing = _slopes(logits, target, [SURFACES, THINGS], hidden="none")
    torch.testing.assert_close(nothing, torch.autograd.grad(plain, logits)[0])


def test_a_label_is_never_hidden_by_what_was_annotated() -> None:
    partial = PartialLabelsConfig(hidden="all").build(SPACE)
    logits, labels = _logits(1, 1, pictures=1), torch.tensor([[[3]]])
    shown = partial.hide(logits, labels, torch.tensor([SURFACES]))
    assert shown[0, 3, 0, 0] == logits[0, 3, 0, 0] and shown[0, 2, 0, 0] != logits[0, 2, 0, 0]


@pytest.mark.parametrize("annotated", [ALL, [False] * 4])
def test_a_picture_that_is_annotated_whole_or_not_at_all_is_as_ever(annotated) -> None:
    logits = _logits(3, 4)
    target = _labels(2, 3, 4, below=4)
    target[:, 0] = 255
    if not annotated[0]:
        target[:] = 255
    partial = PartialLabelsConfig().build(SPACE)
    told = torch.tensor([annotated, annotated])
    if annotated[0]:
        assert partial.hide(logits, target, told) is logits
    torch.testing.assert_close(partial.hide(logits, target, told), logits, rtol=0, atol=0)
    counts = torch.ones(2, 3, 4, dtype=torch.bool)
    assert partial(logits, target, told, counts).total.item() == 0


def test_the_rest_is_that_of_numpy() -> None:
    logits = _logits(2, 3, pictures=3)
    target = torch.tensor([[[255, 0, 255], [1, 255, 255]], [[255] * 3] * 2, [[255, 1, 2]] * 2])
    told = torch.tensor([SURFACES, [True, False, True, True], ALL])
    counts = torch.ones(3, 2, 3, dtype=torch.bool)
    counts[0, 1, 2] = counts[1, :, 0] = False  # outside the pictures
    p = np.exp(logits.detach().numpy().astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    first, second = p[0, 2] + p[0, 3], p[1, 1]
    costs = [first[0, 0], first[0, 2], first[1, 1], *second[:, 1:].ravel()]
    partial = PartialLabelsConfig(rest=0.5).build(SPACE)
    total, parts = partial(logits, target, told, counts)
    assert total.item() == pytest.approx(0.5 * np.mean(-np.log(costs)), rel=1e-5)
    assert parts == {"rest": total}


def test_the_rest_survives_sure_and_half_precise_networks() -> None:
    logits = torch.tensor([300.0, 0, -300, -300]).view(1, 4, 1, 1)
    told, counts = torch.tensor([SURFACES]), torch.ones(1, 1, 1, dtype=torch.bool)
    partial, target = PartialLabelsConfig().build(SPACE), torch.tensor([[[255]]])
    for kind in (torch.float32, torch.bfloat16, torch.float16):
        given = logits.to(kind).requires_grad_()
        total = partial(given, target, told, counts).total
        assert total.dtype == torch.float32
        assert total.item() == pytest.approx(600 - np.log(2), abs=1e-3)
        (slope,) = torch.autograd.grad(total, given)
        assert slope.flatten().tolist() == pytest.approx([1, 0, -0.5, -0.5], abs=1e-4)


def test_no_rest_learns_nothing_where_there_is_no_label() -> None:
    ours = _slopes(_logits(1, 2), [[[0, 255]], [[0, 255]]], [SURFACES, SURFACES], rest=0.0)
    assert (ours[..., 1] == 0).all()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropyConfig(label_smoothing=0.1),
        DiceConfig(),
        FocalConfig(),
        LovaszConfig(),
        SoftBCEConfig(),
        TverskyConfig(),
    ],
)
def test_any_loss_takes_what_is_hidden(loss, kind: torch.dtype) -> None:
    logits = (8 * _logits(5, 6)).to(kind).detach().requires_grad_()
    labels = _labels(2, 5, 6, below=2)
    shown = PartialLabelsConfig().build(SPACE).hide(logits, labels, torch.tensor([SURFACES] * 2))
    assert shown.dtype == kind
    total = loss.build(4)(shown, labels).total
    (slope,) = torch.autograd.grad(total, logits)
    assert 0 < total.item() < 50 and bool(slope.isfinite().all())
    assert (slope[:, 2:] == 0).all() and bool((slope[:, :2] != 0).any())


def test_yes_or_no_has_nothing_to_hide() -> None:
    partial = PartialLabelsConfig(hidden="all").build(load_space("road2"))
    logits, target = torch.zeros(1, 1, 2, 2), torch.tensor([[[0, 1], [255, 255]]])
    told, counts = torch.tensor([[False, True]]), torch.ones(1, 2, 2, dtype=torch.bool)
    assert partial.hide(logits, target, told) is logits
    assert partial(logits, target, told, counts).total.item() == 0


def test_a_negative_rest_is_refused() -> None:
    with pytest.raises(ConfigError, match="factor of the rest of -1"):
        PartialLabelsConfig(rest=-1.0)


def test_a_label_may_speak_a_little_against_what_it_hides():
    """-log(1 - p of the hidden ones), times the factor, the mean over pixels that hide some; nobody else
    is moved by more than that factor."""
    space = load_space("safetrip24")
    things = torch.tensor([item.has_instances for item in space.classes])
    annotated = ~things[None]
    torch.manual_seed(3)
    logits = torch.randn(1, 24, 2, 3, requires_grad=True)
    target = torch.tensor([[[0, 255, 2], [255, 255, 3]]])
    partial = PartialLabelsConfig(against=0.1, rest=0.0).build(space)
    found = partial(logits, target, annotated, torch.ones(1, 2, 3, dtype=torch.bool))
    p = logits.detach().softmax(dim=1)[0, things].sum(dim=0)
    labelled = (target != 255)[0]
    expected = 0.1 * float(-torch.log(1 - p[labelled]).mean())
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-5)
    assert set(found.parts) == {"against"}
    found.total.backward()
    assert logits.grad is not None
    assert (logits.grad[0, things][:, labelled] > 0).all()
    assert not logits.grad[0][:, ~labelled].any()
    assert float(logits.grad.abs().sum(dim=1).max()) <= 0.1 * 2 / 3 + 1e-6
