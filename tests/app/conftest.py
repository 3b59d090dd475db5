"""A window without a screen, and a session without networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def application() -> Any:
    """The one application of the process."""
    from PySide6.QtWidgets import QApplication

    found = QApplication.instance()
    return found if isinstance(found, QApplication) else QApplication(["curbside-tests"])


@pytest.fixture
def until(application) -> Callable[..., None]:
    """Waits for something while the window goes on; fails where it never comes.

    `QTest.qWait` keeps Python's lock while it waits, so that no thread would get on.
    """

    def wait(condition: Callable[[], object], seconds: float = 8.0) -> None:
        end_s = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end_s, "it never came"
            application.processEvents()
            time.sleep(0.002)

    return wait


@pytest.fixture(scope="session")
def theme(application) -> Any:
    """The one theme: a style sheet is put on every widget there is."""
    from curbside.app.theme import Theme

    return Theme(application, "dark")


@pytest.fixture
def make_window(application, theme, tmp_path) -> Iterator[Callable[..., Any]]:
    """Makes a window around a session, of a size or, for None, of its own; all are closed in the end."""
    from fake_session import FakeSession
    from PySide6.QtCore import QCoreApplication, QEvent

    from curbside.app.settings import Settings
    from curbside.app.window import Window

    windows: list[Window] = []

    def make(make_session=FakeSession, *, size=(1280, 800), shown=True, **more) -> Window:
        theme.name = "dark"
        window = Window(
            make_session, theme=theme, settings=Settings(tmp_path / "settings.ini"), **more
        )
        windows.append(window)
        if size is not None:
            window.resize(*size)
        if shown:
            window.show()
            window.activateWindow()
            application.processEvents()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
