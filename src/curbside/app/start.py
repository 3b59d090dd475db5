"""Opening the window, and ending with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ..hardware import thread_count
from ..results import View
from ..runtime import FusionConfig, InstanceConfig
from ..runtime.session import Session
from ..runtime.views import ViewConfig
from .catalogue import ModelEntry, find_models, read_manifest
from .display import load_qt, require_display
from .rules import Rules

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from .theme import ThemeName
    from .window import Window

__all__ = ["AppConfig", "begin", "make_window", "open_window"]


@dataclass(frozen=True, kw_only=True)
class AppConfig:
    """What the window begins with.

    Raises:
        ConfigError: A share is not in 0..1, or there are fewer threads than one.
    """

    models: tuple[Path, ...] = ()
    """Model files; the first of each task is used."""
    folder: Path | None = None
    """A folder whose model files are listed; its first for classes is used where none is named."""
    source: str | None = None
    """What plays, see `open_source`; nothing where None."""
    threads: int | None = None
    """Threads for the networks; all cores where None."""
    view: View | None = None
    """What is shown; where None, what tells most."""
    alpha: float = 0.5
    """How much colours cover the frame, 0..1."""
    confidence: float | None = None
    """Objects more probable than this are shown, 0..1; 0.5 where None."""
    iou: float | None = None
    """Of two objects of one class that overlap by more than this, the better one is shown; 0.5 where
    None."""
    every_frame: bool = True
    """Of a file show every frame; otherwise keep its pace and drop frames."""
    looping: bool = False
    """Begin a file again at its end."""
    fullscreen: bool = False
    """Fill the screen."""
    theme: ThemeName | None = None
    """The colours; those chosen last where None."""
    save: Path | None = None
    """Where recordings and pictures go; asked for at the first one where None."""
    settings: Path | None = None
    """The settings file; the system's usual place where None."""

    def __post_init__(self) -> None:
        self.objects  # noqa: B018 - checks the shares
        ViewConfig(alpha=self.alpha)
        thread_count(self.threads)

    @property
    def objects(self) -> InstanceConfig:
        """Which objects are shown."""
        usual = InstanceConfig()
        return InstanceConfig(
            confidence=usual.confidence if self.confidence is None else self.confidence,
            iou=usual.iou if self.iou is None else self.iou,
        )


def open_window(config: AppConfig) -> int:
    """Open the window, and return once it is closed.

    Args:
        config: What it begins with.

    Returns:
        The exit code.

    Raises:
        ConfigError: There is no display.
        ModelFileError: A model file that is named cannot be used.
        MissingDependencyError: PySide6 is not installed.
        CurbsideError: A library that Qt needs is missing.
    """
    entries = [ModelEntry(path=path, manifest=read_manifest(path)) for path in config.models]
    if config.folder is not None:
        find_models(config.folder)
    require_display(os.environ)
    load_qt(os.environ)

    from PySide6.QtWidgets import QApplication

    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["curbside"])
    application.setApplicationName("curbside")
    window = make_window(application, config)
    window.closed.connect(application.quit)
    begin(window, config, entries)
    with _ends_at_signals(window):
        return int(application.exec())


def make_window(application: QApplication, config: AppConfig) -> Window:
    """A window that is not shown yet; see `begin`.

    Args:
        application: Qt's.
        config: What it begins with.
    """
    from .settings import Settings
    from .theme import Theme
    from .window import Window

    settings = Settings(config.settings)
    return Window(
        partial(Session, threads=config.threads),
        theme=Theme(application, config.theme or settings.theme),
        settings=settings,
        rules=_rules_of(config),
        view=ViewConfig(view=config.view, alpha=config.alpha),
    )


def _rules_of(config: AppConfig) -> Rules:
    """The rules that the window begins with."""
    objects = config.objects
    return Rules(instances=objects, fusion=FusionConfig(score=objects.confidence))


def begin(window: Window, config: AppConfig, entries: Sequence[ModelEntry]) -> None:
    """Show a window as it is asked for, and let it play.

    Args:
        window: The window.
        config: What it begins with.
        entries: The models that were named.
    """
    steering, session = window.steering, window.steering.session
    session.every_frame, session.looping = config.every_frame, config.looping
    window.source_panel.show_options(every_frame=config.every_frame, looping=config.looping)
    if config.save is not None:
        window.commands.set_record_folder(config.save, remembered=False)
    steering.list_entries(entries)
    choice = steering.choice
    for entry in reversed(entries):
        choice = choice.with_model(entry)
    steering.choose(choice)
    if config.folder is not None:
        window.commands.list_folder(config.folder)
    if config.source is not None:
        steering.play(config.source)
    if config.fullscreen:
        window.showFullScreen()
    else:
        window.show()
    window.commands.look_for_sources()


@contextmanager
def _ends_at_signals(window: Window) -> Iterator[None]:
    """The window closes where the process is asked to end; asked twice, it ends at once."""

    def close(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        window.close()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, close) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
