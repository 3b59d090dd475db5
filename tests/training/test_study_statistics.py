"""Student's t against tables and scipy, intervals by hand."""

from __future__ import annotations

import pytest

from curbside.training.study.statistics import mean_interval, t_quantile


@pytest.mark.parametrize(
    ("degrees", "quantile"),  # as printed in textbooks
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042)],
)
def test_the_quantile_is_that_of_the_tables(degrees, quantile) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, abs=5e-4)


def test_the_quantile_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for degrees in (1, 2, 3, 4, 7, 8, 50, 333):
        for probability in (0.51, 0.75, 0.9, 0.975, 0.999):
            expected = stats.t.ppf(probability, degrees)
            assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9)


def test_the_interval_of_three_values() -> None:
    found = mean_interval([1.0, 2.0, 3.0])  # deviation 1, so 4.3027 / sqrt(3)
    assert found.value == 2 and found.half == pytest.approx(2.48414, abs=1e-5)
    assert found.low + found.high == pytest.approx(4)
    same = mean_interval([0.5, 0.5])
    assert (same.low, same.value, same.high) == (0.5, 0.5, 0.5)
