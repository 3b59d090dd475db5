"""Imported first by tests of the window: they are skipped where PySide6 or a library of it is missing."""

from __future__ import annotations

import os

import pytest

from curbside.app.display import load_qt
from curbside.errors import CurbsideError

__all__: list[str] = []

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before any QApplication
for lacking in ("PySide6.QtCore", "PySide6.QtGui", "PySide6.QtWidgets", "PySide6.QtTest"):
    pytest.importorskip(
        lacking, reason="no PySide6, or a library that it needs", exc_type=ImportError
    )
try:
    load_qt(os.environ)
except CurbsideError as lack:  # a system library, or a PySide6 that would end the process
    pytest.skip(str(lack), allow_module_level=True)
