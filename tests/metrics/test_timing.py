"""Latencies against numpy's own statistics."""

import threading

import numpy as np
import pytest

from curbside.metrics.timing import Latencies, LatencySummary


def test_no_latency_is_all_zero():
    nothing = LatencySummary(count=0, mean_ms=0, p50_ms=0, p95_ms=0, p99_ms=0)
    assert Latencies().summary() == nothing


def test_summary_is_numpys():
    values = np.random.default_rng(0).gamma(2, 5, 333)
    latencies = Latencies()
    for value in values:
        latencies.add(float(value))
    summary = latencies.summary()
    assert summary.count == 333
    assert summary.mean_ms == pytest.approx(values.mean())
    assert summary.p50_ms == pytest.approx(np.median(values))
    assert summary.p95_ms == pytest.approx(np.quantile(values, 0.95))
    assert summary.p99_ms == pytest.approx(np.quantile(values, 0.99))


def test_percentiles_look_at_the_window_and_the_mean_at_everything():
    latencies = Latencies(window=10)
    for value in (*[1000.0] * 10, *[2.0] * 10):
        latencies.add(value)
    summary = latencies.summary()
    assert (summary.count, summary.p50_ms, summary.p95_ms, summary.p99_ms) == (20, 2.0, 2.0, 2.0)
    assert summary.mean_ms == pytest.approx(501.0)


def test_a_block_that_raises_is_not_counted():
    latencies = Latencies()
    with pytest.raises(KeyError), latencies.measure():
        raise KeyError
    with latencies.measure():
        pass
    assert latencies.summary().count == 1


def test_threads_lose_no_latency():
    latencies = Latencies()

    def feed() -> None:
        for _ in range(2000):
            latencies.add(1.0)

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert latencies.summary().count == 8000
    assert latencies.summary().mean_ms == pytest.approx(1.0)
