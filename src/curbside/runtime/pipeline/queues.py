"""A bounded queue whose items leave in the order of their numbers, whatever order they come in."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["Closed", "NumberedQueue"]

Item = TypeVar("Item")


class Closed(Exception):
    """The queue was closed; the thread that sees this should end."""


class NumberedQueue(Generic[Item]):
    """A bounded queue for several threads on either side.

    Items are numbered 0, 1, 2, ... and leave in that order. Threads that each take a number from
    one queue and bring its result to another thus keep the order, though they finish out of turn.

    Args:
        room: How many items may wait.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: dict[int, Item] = {}
        self._next = 0
        self._end: int | None = None
        self._closed = False
        self._changed = threading.Condition()
        self.taken = 0
        self.replaced = 0

    def put(self, item: Item, *, number: int | None = None, replace: bool = False) -> Item | None:
        """Add an item, waiting for room.

        Args:
            item: What to add.
            number: Its place in the order; without it the next one.
            replace: Do not wait: where there is no room, take the place of the last one that waits.

        Returns:
            The item whose place it took; None where it took none.

        Raises:
            Closed: The queue was closed.
        """
        with self._changed:
            place = self._next if number is None else number
            if replace and not self._has_room(place):
                place -= 1
                self.replaced += 1
            self._changed.wait_for(lambda: self._closed or self._has_room(place))
            if self._closed:
                raise Closed
            replaced = self._items.get(place)
            self._items[place] = item
            self._next = max(self._next, place + 1)
            self._changed.notify_all()
        return replaced

    def get(self) -> tuple[int, Item] | None:
        """The next item in the order with its number, waiting for it; None after the last one.

        Raises:
            Closed: The queue was closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self.taken in self._items or self.taken == self._end
            )
            if self._closed:
                raise Closed
            if self.taken not in self._items:
                return None
            number = self.taken
            self.taken += 1
            self._changed.notify_all()
            return number, self._items.pop(number)

    def finish(self, count: int | None = None) -> None:
        """Say that no more items come than `count`, or than were put so far."""
        with self._changed:
            self._end = self._next if count is None else count
            self._changed.notify_all()

    def close(self) -> None:
        """Wake every thread that waits, with `Closed`; what is inside is dropped."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def _has_room(self, place: int) -> bool:
        return place < self.taken + self._room
