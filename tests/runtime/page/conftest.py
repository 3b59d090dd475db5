"""No test of the page leaves a thread."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("curbside")] == []
