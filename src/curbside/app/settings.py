"""What the window remembers from one start to the next: its place, its theme, its folders. No more."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QWidget

from .theme import ThemeName

__all__ = ["Settings"]


class Settings:
    """The settings file.

    Args:
        file: Where it is; the usual place of the system where None.
    """

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            self._settings = QSettings(
                QSettings.Format.IniFormat, QSettings.Scope.UserScope, "curbside", "app"
            )
        else:
            self._settings = QSettings(str(file), QSettings.Format.IniFormat)

    @property
    def theme(self) -> ThemeName:
        """The theme chosen last; what is none of them is the system's."""
        found = self._settings.value("theme")
        return next((name for name in get_args(ThemeName) if name == found), "system")

    @theme.setter
    def theme(self, name: ThemeName) -> None:
        self._settings.setValue("theme", name)

    def folder(self, purpose: str) -> Path | None:
        """The folder used last for something: `open`, `models` or `record`; None where it is gone."""
        found = self._settings.value(f"folder/{purpose}")
        path = Path(str(found)) if found else None
        return path if path is not None and path.is_dir() else None

    def set_folder(self, purpose: str, folder: Path) -> None:
        """Remember a folder."""
        self._settings.setValue(f"folder/{purpose}", str(folder.absolute()))

    def place(self, window: QWidget) -> bool:
        """Put a window where it was; returns whether that is known."""
        found = self._settings.value("geometry")
        return isinstance(found, QByteArray) and window.restoreGeometry(found)

    def keep_place(self, window: QWidget) -> None:
        """Remember where a window is."""
        self._settings.setValue("geometry", window.saveGeometry())
        self._settings.sync()
