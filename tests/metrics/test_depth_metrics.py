"""Scores of depth: by hand, and against plain numpy over all pixels at once."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from curbside.metrics import DepthScores, DepthSummary, bootstrap_mean


def _row(*metres: float) -> np.ndarray:
    return np.array([metres], np.float32)


def _plain(said: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """The scores of pixels that are all known, as the papers write them."""
    said, true = said.astype(np.float64), true.astype(np.float64)
    log = np.log(said) - np.log(true)
    ratio = np.maximum(said / true, true / said)
    return {
        "abs_rel": np.mean(np.abs(said - true) / true),
        "sq_rel": np.mean((said - true) ** 2 / true),
        "rmse": np.sqrt(np.mean((said - true) ** 2)),
        "rmse_log": np.sqrt(np.mean(log**2)),
        "silog": np.std(log),
        "log10": np.mean(np.abs(np.log10(said) - np.log10(true))),
        **{f"delta{power}": np.mean(ratio < 1.25**power) for power in (1, 2, 3)},
    }


def _check(found: DepthSummary, expected: dict[str, float]) -> None:
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-9)


def _pictures(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predictions and truths of three sizes with holes in both."""
    rng = np.random.default_rng(seed)
    found = []
    for size in ((7, 9), (5, 4), (11, 3)):
        true = rng.uniform(1, 120, size) * (rng.random(size) > 0.3)
        said = true * rng.uniform(0.5, 1.9, size) * (rng.random(size) > 0.1)
        found.append((said.astype(np.float32), true.astype(np.float32)))
    return found


def test_by_hand():
    scores = DepthScores(bands_m=(0, 10))
    # 8 for 10 is a ratio of exactly 1.25; 30 for 20 lies below 1.25^2; nothing said of 5; 7 is no truth.
    scores.update(_row(8, 30, 0, 7), _row(10, 20, 5, 0))
    found = scores.summary()
    assert (found.pixels, found.coverage) == (2, pytest.approx(2 / 3))
    assert found.abs_rel == pytest.approx((0.2 + 0.5) / 2)
    assert found.sq_rel == pytest.approx((0.4 + 5) / 2)
    assert found.rmse == pytest.approx(np.sqrt((4 + 100) / 2))
    assert found.rmse_log == pytest.approx(np.sqrt((np.log(0.8) ** 2 + np.log(1.5) ** 2) / 2))
    assert found.silog == pytest.approx((np.log(1.5) - np.log(0.8)) / 2)
    assert found.log10 == pytest.approx((np.log10(1.25) + np.log10(1.5)) / 2)
    assert (found.delta1, found.delta2, found.delta3) == (0, 1, 1)


@pytest.mark.parametrize("chunk", [1 << 15, 7])
def test_all_pixels_are_one_crowd_whatever_their_pictures(chunk, monkeypatch):
    monkeypatch.setattr("curbside.metrics.depth._CHUNK", chunk)
    scores, pictures = DepthScores(), _pictures()
    for said, true in pictures:
        scores.update(said, true)
    said, true = (np.concatenate([pair[i].ravel() for pair in pictures]) for i in (0, 1))
    both = (said > 0) & (true > 0)
    _check(scores.summary(), _plain(said[both], true[both]))
    assert scores.summary().pixels == both.sum()
    assert scores.summary().coverage == both.sum() / (true > 0).sum()
    lows = [band.low_m for band in scores.bands]
    assert lows == [0, 10, 20, 40, 80] and scores.bands[-1].high_m is None
    for band in scores.bands:
        inside = both & (true >= band.low_m) & (true < (band.high_m or np.inf))
        _check(band.summary, _plain(said[inside], true[inside]))
        assert band.summary.pixels == inside.sum() > 0


def test_the_mean_of_pictures_is_that_of_what_each_scores():
    scores, pictures = DepthScores(), _pictures()
    pictures.append((_row(0, 0), _row(3, 4)))  # nothing said: covered nowhere, and else no score
    alone = [scores.update(*pair).summary() for pair in pictures]
    _check(
        alone[1],
        _plain(*(part[(pictures[1][0] > 0) & (pictures[1][1] > 0)] for part in pictures[1])),
    )
    found = scores.mean_of_pictures()
    for name in ("abs_rel", "rmse", "silog", "delta1"):
        assert getattr(found, name) == pytest.approx(np.mean([getattr(a, name) for a in alone[:3]]))
    assert found.coverage == pytest.approx(np.mean([a.coverage for a in alone]))
    assert found.pixels == scores.summary().pixels
    assert found.abs_rel != pytest.approx(scores.summary().abs_rel)


def test_counts_of_several_are_added():
    whole, parts = DepthScores(max_m=80), [DepthScores(max_m=80) for _ in range(3)]
    for part, pair in zip(parts, _pictures(), strict=True):
        part.update(*pair)
        whole.update(*pair)
    total = DepthScores(max_m=80)
    for part in parts:
        total += part
    assert total.summary() == whole.summary() and total.bands == whole.bands
    assert total.mean_of_pictures() == whole.mean_of_pictures()
    for other in (DepthScores(), DepthScores(bands_m=(0, 5), max_m=80)):
        with pytest.raises(ValueError, match="cannot add counts"):
            total += other


def test_a_farthest_depth_cuts_truth_away_and_predictions_down():
    said, true = _row(100, 100, 1e-5), _row(50, 90, 2)
    cut = DepthScores(max_m=80)
    cut.update(said, true)
    _check(cut.summary(), _plain(np.array([80, 1e-3]), np.array([50, 2])))
    whole = DepthScores()
    whole.update(said, true)
    _check(whole.summary(), _plain(said, true))


def test_what_is_too_near_and_what_is_not_trusted_is_no_truth():
    scores = DepthScores(min_m=1)
    trusted = np.array([[True, True, False]])
    scores.update(_row(2, 2, 2), _row(0.5, 4, 8), trusted)
    assert (scores.summary().pixels, scores.summary().abs_rel) == (1, 0.5)


def test_bands_need_not_begin_at_the_camera():
    scores = DepthScores(bands_m=(5, 10))
    scores.update(_row(2, 6, 30), _row(4, 8, 10))
    assert [band.summary.pixels for band in scores.bands] == [1, 1]
    assert scores.summary().pixels == 3


def test_without_a_pixel_there_is_no_score():
    scores = DepthScores()
    scores.update(_row(3, 4), _row(0, 0))
    found = scores.summary()
    assert (found.pixels, found.abs_rel, found.coverage, found.delta1) == (0, None, None, None)
    assert scores.mean_of_pictures().abs_rel is None


def test_impossible_settings_and_pictures_are_refused():
    for wrong in ({"bands_m": ()}, {"bands_m": (0, 20, 10)}, {"bands_m": (-1, 5)}):
        with pytest.raises(ValueError, match="bands of depth"):
            DepthScores(**wrong)
    with pytest.raises(ValueError, match="no true depth"):
        DepthScores(max_m=0)
    with pytest.raises(ValueError, match="its truth"):
        DepthScores().update(_row(1), _row(1, 2))


def test_the_interval_of_a_mean_is_that_of_drawing_pictures():
    rng = np.random.default_rng(3)
    sums, counts = rng.uniform(0, 50, 40), rng.integers(1, 100, 40)
    low, high = bootstrap_mean(sums, counts, resamples=4000)
    drawn = np.random.default_rng(4).integers(0, 40, (4000, 40))
    plain = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (2.5, 97.5))
    assert (low, high) == pytest.approx(plain, rel=0.03)
    assert low < sums.sum() / counts.sum() < high
    assert bootstrap_mean(np.full(5, 6.0), np.full(5, 2)) == (3, 3)
    assert np.isnan(bootstrap_mean(np.zeros(2), np.zeros(2))).all()


def test_a_pixel_may_count_as_several_or_as_a_part():
    said, true = _row(1, 5, 30, 0, 9), _row(2, 4, 35, 7, 9)
    weighed = DepthScores()
    weighed.update(said, true, _row(2, 1, 3, 2, 0))
    twice = np.repeat(np.arange(5), [2, 1, 3, 2, 0])
    counted = DepthScores()
    counted.update(said[:, twice], true[:, twice])
    assert asdict(weighed.summary()) == pytest.approx(asdict(counted.summary()))
    for one, other in zip(weighed.bands, counted.bands, strict=True):
        assert asdict(one.summary) == pytest.approx(asdict(other.summary))
    half = DepthScores()
    half.update(said, true, _row(1, 0.5, 1.5, 1, 0))
    assert half.summary().abs_rel == pytest.approx(counted.summary().abs_rel)
