"""Locks between processes, which the system takes back from one that is gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import StorageError

__all__ = ["Hold", "locked"]


class Hold:
    """A file that says by its lock that somebody is at work; several may hold it together.

    Args:
        path: The file, made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        _lock(self._file, path, fcntl.LOCK_SH)

    @classmethod
    def of_nobody(cls, path: Path) -> Hold | None:
        """Hold a file that nobody holds; None where somebody does.

        Who calls this must keep others from doing the same at the same time.
        """
        file = _open(path)
        try:
            _lock(file, path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock(file, path, fcntl.LOCK_SH)
            return cls(path)
        except BlockingIOError:
            return None
        finally:
            os.close(file)

    def release(self) -> None:
        """Hold it no longer."""
        os.close(self._file)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be alone with something: wait until no other process is.

    Args:
        path: The file that stands for it, made where it is missing.
    """
    file = _open(path)
    try:
        _lock(file, path, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _lock(file: int, path: Path, how: int) -> None:
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} cannot be locked ({error.strerror})",
            fix="choose a folder on a file system that has locks",
        ) from error
