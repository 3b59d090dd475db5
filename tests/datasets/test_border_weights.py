"""Border weights against an exact distance transform of every class."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from curbside.datasets.border_weights import BorderWeightConfig
from curbside.errors import ConfigError

CONFIGS = [
    BorderWeightConfig(),
    BorderWeightConfig(distances=(1.0, 2.0, 3.0), weights=(0.1, 7.0, 0.0, 0.3)),
    BorderWeightConfig(distances=(0.5, 1.5, 7.25, 20**0.5 + 8), weights=(1.0, 2.0, 3.0, 4.0, 5.0)),
    BorderWeightConfig(distances=(2**0.5, 8**0.5, 13**0.5), weights=(1.0, 2.0, 3.0, 4.0)),
    BorderWeightConfig(distances=(254.5,), weights=(2.0, 1.0)),
    BorderWeightConfig(distances=(255.0,), weights=(2.0, 1.0)),
    BorderWeightConfig(distances=(), weights=(3.0,)),
]


def _expected(ids: np.ndarray, config: BorderWeightConfig) -> np.ndarray:
    distance = np.full(ids.shape, np.inf)
    for label in np.unique(ids):
        own = ids == label
        if not own.all():
            distance[own] = distance_transform_edt(own)[own]
    weights = np.array(config.weights, np.float32)[np.digitize(distance, config.distances)]
    weights[ids == 255] = 0
    return weights


def _blobs(size_hw: tuple[int, int], classes: int, cell: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    height, width = size_hw
    coarse = rng.integers(0, classes, (-(-height // cell), -(-width // cell))).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 360 * rng.random(), 1.3)
    blobs = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.warpAffine(
        blobs, turn, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    )


def _thin() -> np.ndarray:
    ids = np.full((160, 190), 3, np.uint8)
    cv2.line(ids, (5, 5), (180, 140), 1, 1)
    cv2.line(ids, (100, 0), (101, 159), 2, 1)
    cv2.circle(ids, (60, 110), 30, 9, 1)
    ids[80, 40] = 255
    return ids


def _far(size_hw: tuple[int, int], y: int, x: int) -> np.ndarray:
    ids = np.zeros(size_hw, np.uint8)
    ids[y, x] = 1
    return ids


MASKS = {
    **{f"{n} classes": _blobs((70, 90), n, 13, n) for n in (1, 2, 3, 5, 8, 11, 16, 19, 40)},
    "large blobs": _blobs((300, 280), 5, 120, 0),
    "noise": np.random.default_rng(0).integers(0, 16, (61, 47)).astype(np.uint8),
    "every id": np.random.default_rng(1).integers(0, 256, (40, 40)).astype(np.uint8),
    "thin": _thin(),
    "a corner": _far((290, 301), 0, 0),
    "a point inside": _far((130, 290), 99, 20),
    "void half": np.where(np.arange(200) < 100, 255, _blobs((50, 200), 3, 30, 4)).astype(np.uint8),
    "nothing else": np.full((33, 20), 7, np.uint8),
    "all void": np.full((33, 20), 255, np.uint8),
    "one row": _blobs((20, 300), 3, 70, 5)[:1],
    "one column": _blobs((300, 20), 3, 70, 5)[:, :1],
    "four in a row": np.array([[0, 0, 1, 1]], np.uint8),
    "four in a column": np.array([[0], [0], [1], [1]], np.uint8),
    "one pixel": np.zeros((1, 1), np.uint8),
}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(len(config.distances)))
@pytest.mark.parametrize("ids", MASKS.values(), ids=MASKS)
def test_weights_are_those_of_exact_distances(ids: np.ndarray, config: BorderWeightConfig) -> None:
    before = ids.copy()
    weights = config.build()(ids)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, _expected(ids, config))
    np.testing.assert_array_equal(ids, before)


def test_many_small_masks() -> None:
    rng = np.random.default_rng(7)
    weigh = [(config, config.build()) for config in CONFIGS[1:4]]
    for seed in range(60):
        ids = _blobs(tuple(rng.integers(1, 25, 2)), 4, int(rng.integers(1, 9)), seed)
        ids[rng.random(ids.shape) < 0.02] = 255
        for config, weights in weigh:
            np.testing.assert_array_equal(weights(ids), _expected(ids, config))


def test_a_row_by_hand() -> None:
    # Distances: 4 3 2 1 | 1 2 1 | ignored | 1 2; ignored pixels make a border and weigh nothing.
    ids = np.array([[5, 5, 5, 5, 2, 2, 2, 255, 2, 2]], np.uint8)
    config = BorderWeightConfig(distances=(2.0, 4.0), weights=(9.0, 4.0, 1.0))
    assert config.build()(ids).tolist() == [[1, 4, 4, 9, 9, 4, 9, 0, 9, 4]]


def test_equal_ids_on_two_sides_of_another_see_their_own_side() -> None:
    ids = np.zeros((9, 200), np.uint8)
    ids[:, 100] = 1
    weights = BorderWeightConfig().build()(ids)
    assert weights[4, 96:105].tolist() == [6, 8, 8, 8, 8, 8, 8, 8, 6]
    assert weights[4, [0, 36, 37, 163, 164]].tolist() == [2, 2, 4, 4, 2]


def test_any_view_of_a_mask_will_do() -> None:
    ids = _blobs((90, 70), 4, 20, 3)
    weigh = BorderWeightConfig().build()
    expected = weigh(np.ascontiguousarray(ids[::2, 10:].T))
    ids.setflags(write=False)
    np.testing.assert_array_equal(weigh(ids[::2, 10:].T), expected)


def test_they_travel_to_a_loading_process() -> None:
    weigh = BorderWeightConfig().build()
    ids = MASKS["thin"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(weigh))(ids), weigh(ids))


@pytest.mark.parametrize(
    ("distances", "weights"),
    [
        ((4.0, 4.0), (1.0, 1.0, 1.0)),
        ((0.0, 4.0), (1.0, 1.0, 1.0)),
        ((4.0,), (1.0,)),
        ((4.0,), (1.0, -1.0)),
        ((255.5,), (1.0, 1.0)),
        ((float("nan"),), (1.0, 1.0)),
    ],
)
def test_impossible_settings_are_refused(
    distances: tuple[float, ...], weights: tuple[float, ...]
) -> None:
    with pytest.raises(ConfigError):
        BorderWeightConfig(distances=distances, weights=weights)
