"""The bounded queue: order, room, replacement, end, closing."""

import threading
from random import Random

import pytest

from curbside.runtime.pipeline.queues import Closed, NumberedQueue


def _in_thread(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_leave_in_order_then_none():
    queue = NumberedQueue(3)
    for item in "abc":
        queue.put(item)
    queue.finish()
    assert [queue.get() for _ in range(4)] == [(0, "a"), (1, "b"), (2, "c"), None]
    assert queue.get() is None


def test_numbers_decide_the_order():
    queue = NumberedQueue(3)
    for number in (2, 0, 1):
        queue.put(f"item {number}", number=number)
    queue.finish(3)
    assert [queue.get() for _ in range(3)] == [(n, f"item {n}") for n in range(3)]


def test_finish_with_a_count_waits_for_the_items_still_to_come():
    queue = NumberedQueue(2)
    queue.put("second", number=1)
    queue.finish(2)
    seen = []
    thread = _in_thread(lambda: seen.extend([queue.get(), queue.get(), queue.get()]))
    thread.join(0.05)
    assert thread.is_alive()
    queue.put("first", number=0)
    thread.join(5)
    assert seen == [(0, "first"), (1, "second"), None]


def test_put_waits_for_room():
    queue = NumberedQueue(1)
    queue.put("a")
    thread = _in_thread(lambda: queue.put("b"))
    thread.join(0.05)
    assert thread.is_alive()
    assert queue.get() == (0, "a")
    thread.join(5)
    assert not thread.is_alive()
    assert queue.get() == (1, "b")


def test_replace_takes_the_place_of_the_one_that_waits():
    queue = NumberedQueue(1)
    for item in "abcd":
        queue.put(item, replace=True)
    assert queue.get() == (0, "d")
    assert queue.replaced == 3
    queue.put("e", replace=True)
    assert queue.get() == (1, "e")
    assert queue.replaced == 3


@pytest.mark.parametrize("waiting", ["put", "get"])
def test_close_wakes_who_waits(waiting):
    queue = NumberedQueue(1)
    if waiting == "put":
        queue.put("full")
    seen = []

    def work() -> None:
        try:
            queue.put("more") if waiting == "put" else queue.get()
        except Closed:
            seen.append("closed")

    thread = _in_thread(work)
    thread.join(0.05)
    assert thread.is_alive()
    queue.close()
    thread.join(5)
    assert seen == ["closed"]


def test_many_workers_keep_the_order():
    source, target = NumberedQueue(4), NumberedQueue(4)
    random = Random(0)

    def work() -> None:
        while (ticket := source.get()) is not None:
            number, item = ticket
            threading.Event().wait(random.random() / 500)
            target.put(item * 10, number=number)
        target.finish(source.taken)

    def feed() -> None:
        for item in range(60):
            source.put(item)
        source.finish()

    threads = [_in_thread(work) for _ in range(4)] + [_in_thread(feed)]
    seen = []
    while (ticket := target.get()) is not None:
        seen.append(ticket[1])
    assert seen == [item * 10 for item in range(60)]
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
