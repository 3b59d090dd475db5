"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

# Tests are tiny: threads would only wait for each other. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real measuring data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CURBSIDE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder} (set CURBSIDE_SHARED)")
    return folder
