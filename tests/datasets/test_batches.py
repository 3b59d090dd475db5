"""Batches as a function of the seed and the step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curbside.datasets import ResumableBatches


def _batches(
    length: int,
    batch: int,
    *,
    start: int = 0,
    end: int = 10,
    seed: int = 1,
    rank: int = 0,
    world: int = 1,
):
    return ResumableBatches(
        length=length,
        batch_size=batch,
        seed=seed,
        step=lambda: start,
        pause=lambda step: end,
        rank=rank,
        world=world,
    )


@given(length=st.integers(1, 30), batch=st.integers(1, 9), start=st.integers(0, 9))
def test_a_resumed_run_sees_the_rest_of_the_same_batches(
    length: int, batch: int, start: int
) -> None:
    whole = list(_batches(length, batch))
    assert list(_batches(length, batch, start=start)) == whole[start:]


@given(length=st.integers(1, 30), passes=st.integers(1, 3))
def test_every_pass_sees_every_sample_once(length: int, passes: int) -> None:
    steps = list(_batches(length, 1, end=length * passes))
    for number in range(passes):
        seen = [step[0][0] for step in steps[number * length : (number + 1) * length]]
        assert sorted(seen) == list(range(length))
    assert len({draw for step in steps for _, draw in step}) == length * passes


def test_processes_share_a_batch() -> None:
    whole = list(_batches(17, 6))
    parts = [list(_batches(17, 6, rank=rank, world=3)) for rank in range(3)]
    for step, batch in enumerate(whole):
        assert sorted(pair for part in parts for pair in part[step]) == sorted(batch)
        assert [len(part[step]) for part in parts] == [2, 2, 2]


def test_seeds_differ() -> None:
    assert list(_batches(30, 5, seed=1)) != list(_batches(30, 5, seed=2))


def test_every_pass_has_an_order_of_its_own() -> None:
    order = [batch[0][0] for batch in _batches(30, 1, end=60)]
    assert order[:30] != order[30:]
    assert order[:30] != sorted(order[:30])
