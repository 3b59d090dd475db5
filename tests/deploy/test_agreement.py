"""How far two results agree, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_instances import SPACE as THINGS
from tiny_models import SPACE

from curbside.deploy.gate.agreement import agreement
from curbside.results import InstanceResult, MaskCrop, SemanticResult


def objects(*found: tuple[int, tuple[int, int, int, int]]) -> InstanceResult:
    """Objects by class and box, x1, y1, x2, y2, each filling its box."""
    boxes = np.array([box for _, box in found], np.float32).reshape(-1, 4)
    masks = tuple(
        MaskCrop(top=y1, left=x1, inside=np.ones((y2 - y1, x2 - x1), bool))
        for _, (x1, y1, x2, y2) in found
    )
    return InstanceResult(
        boxes_xyxy=boxes,
        scores=np.full(len(found), 0.9, np.float32),
        class_ids=np.array([kind for kind, _ in found], np.uint8),
        masks=masks,
        space=THINGS,
        size_hw=(100, 100),
    )


def test_pixels():
    one = np.zeros((2, 5), np.uint8)
    other = one.copy()
    other[0, :3] = 1
    results = [SemanticResult(ids=ids, space=SPACE) for ids in (one, other)]
    assert agreement(*results) == pytest.approx(0.7)


def test_objects():
    car, person = (0, (10, 10, 30, 30)), (1, (50, 50, 60, 70))
    nearly = (0, (10, 10, 30, 31))  # 400 of 420: an IoU of 0.95
    shifted = (0, (12, 10, 32, 30))  # 360 of 440: 0.82
    other_class = (2, (50, 50, 60, 70))
    assert agreement(objects(car, person), objects(car, person)) == 1
    assert agreement(objects(car, person), objects(nearly, person)) == 1
    assert agreement(objects(car, person), objects(shifted, person)) == 0.5
    assert agreement(objects(car, person), objects(car, other_class)) == 0.5
    assert agreement(objects(car, person), objects(car)) == pytest.approx(2 / 3)
    assert agreement(objects(car), objects()) == 0
    assert agreement(objects(), objects()) == 1
