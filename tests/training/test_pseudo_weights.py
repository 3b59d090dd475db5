"""What labels of networks count beside those of people on the same picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_training import tiny_run

from curbside.datasets import TrainItem
from curbside.labels import load_space
from curbside.losses import PartialLabelsConfig
from curbside.models import ModelOutput
from curbside.prepared import Sample, SampleRecord
from curbside.training.loading import _weights
from curbside.training.task import SegmentationTask

SPACE = load_space("idd-lite7")


def _task(pseudo_weight: float, rest: float = 0.0) -> SegmentationTask:
    config = tiny_run(Path("data"), Path("out"), partial=PartialLabelsConfig(rest=rest))
    config = replace(config, data=replace(config.data, pseudo_weight=pseudo_weight))
    return SegmentationTask(config, config.model.build(SPACE.num_channels), SPACE, 10)


def _batch() -> tuple[TrainItem, torch.Tensor]:
    """A mask of people that networks filled in, one of networks alone, one of people alone; and what a
    network says of them."""
    rng = np.random.default_rng(0)
    target = torch.tensor(rng.integers(0, 7, (3, 4, 6)), dtype=torch.uint8)
    target[:, 3, 2:] = 255
    filled = torch.tensor(rng.random((3, 4, 6)) < 0.4)
    filled[1:] = False
    weight = torch.tensor([[1.0, 1.0], [0.5, 1.0], [1.0, 1.0]])
    logits = torch.tensor(rng.normal(0, 2, (3, 7, 4, 6)), dtype=torch.float32)
    batch = TrainItem(torch.zeros(3, 3, 4, 6), target, target != 255, None, (), ())
    return batch._replace(weight=weight, filled=filled), logits.requires_grad_()


def test_labels_of_people_count_in_full_where_networks_filled_in_the_rest():
    batch, logits = _batch()
    total, parts = _task(0.5)._supervise(batch, ModelOutput(logits))
    p = torch.softmax(logits.detach().double(), dim=1).numpy()
    known = batch.target.numpy() != 255
    ids = np.where(known, batch.target.numpy(), 0)
    costs = -np.log(np.take_along_axis(p, ids[:, None], axis=1)[:, 0])
    counts = np.where(batch.filled, 0.5, np.array([1, 0.5, 1])[:, None, None]) * known
    slopes = torch.autograd.grad(total, logits)[0]
    # Every pixel's slope is a multiple of p - y; pixels of one kind have the same factor, whatever picture.
    pictures, rows, columns = np.indices(ids.shape)
    p[pictures, ids, rows, columns] -= 1
    factor = np.abs(slopes.numpy()).sum(axis=1) / np.abs(p).sum(axis=1)
    full, half = factor[counts == 1], factor[counts == 0.5]
    np.testing.assert_allclose(full, full[0], rtol=1e-4)
    np.testing.assert_allclose(half, half[0], rtol=1e-4)
    assert full[0] == pytest.approx(2 * half[0], rel=1e-4) and full[0] > 0
    assert (factor[~known] == 0).all()
    # All pictures have as many labels, so that it is a plain weighted mean over pixels.
    assert float(total.detach()) == pytest.approx((costs * counts).sum() / known.sum(), rel=1e-5)
    assert float(parts["ce"]) == pytest.approx(float(total.detach()))


def test_where_networks_count_in_full_nothing_changes():
    batch, logits = _batch()
    weights = torch.ones(3, 2)
    plain, _ = _task(1.0)._supervise(batch._replace(weight=None, filled=None), ModelOutput(logits))
    found, _ = _task(1.0)._supervise(batch._replace(weight=weights), ModelOutput(logits))
    torch.testing.assert_close(found, plain)


def test_pixels_without_a_label_on_another_picture_keep_their_say():
    """A picture of some classes beside one that was filled in: what it tells where it has no label."""
    batch, logits = _batch()
    annotated = torch.ones(3, 7, dtype=torch.bool)
    annotated[2, 3:] = False
    batch.target[2] = 255
    batch = batch._replace(annotated=annotated, weight=torch.ones(3, 2))
    batch.counts[2] = True
    _, parts = _task(0.5, rest=1.0)._supervise(batch, ModelOutput(logits))
    p = torch.softmax(logits.detach()[2], dim=0)
    assert parts["rest"] > 0
    # One of three pictures says it, and its group holds the people's part of the others' labels.
    cost = -torch.log(p[3:].sum(dim=0)).mean()
    people = float((~batch.filled[0] & batch.counts[0]).sum() / batch.counts[0].sum())
    assert float(parts["rest"]) == pytest.approx(float(cost) * (people + 2) / 3, rel=1e-5)


def test_a_crop_without_any_label_still_has_a_loss():
    batch, logits = _batch()
    batch = batch._replace(
        target=torch.full_like(batch.target, 255),
        counts=torch.zeros_like(batch.counts),
        annotated=torch.tensor([[True] * 3 + [False] * 4] * 3),
    )
    total, _ = _task(0.5)._supervise(batch, ModelOutput(logits))
    assert total.item() == 0 and total.requires_grad


def test_a_mask_that_people_began_is_theirs():
    record = SampleRecord(
        id="a",
        split="train",
        image="a.png",
        size_hw=(4, 6),
        targets=("semantic", "depth"),
        pseudo=("semantic", "depth"),
    )
    mixed = replace(record, by_people=SPACE.names[:2])
    samples = [Sample(root=Path("x"), record=one, space=SPACE) for one in (record, mixed)]
    assert _weights(_task(0.25).config, samples) == [(0.25, 0.25), (1, 0.25)]
