"""Asking for files and folders; the window goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

__all__ = ["ask_files", "ask_folder"]


def ask_files(
    parent: QWidget,
    title: str,
    folder: Path | None,
    patterns: str,
    then: Callable[[list[Path]], None],
    *,
    several: bool = False,
) -> QFileDialog:
    """Ask for files that are there.

    Args:
        parent: The window.
        title: What for.
        folder: Where to begin; the current folder where None.
        patterns: Kinds of files, as Qt writes them.
        then: Called with the files; not where nothing is chosen.
        several: Whether more than one may be chosen.
    """
    mode = QFileDialog.FileMode.ExistingFiles if several else QFileDialog.FileMode.ExistingFile
    dialog = _dialog(parent, title, folder, mode)
    dialog.setNameFilter(f"{patterns};;All files (*)")
    dialog.filesSelected.connect(lambda names: then([Path(name) for name in names]))
    dialog.open()
    return dialog


def ask_folder(
    parent: QWidget, title: str, folder: Path | None, then: Callable[[Path], None]
) -> QFileDialog:
    """Ask for a folder that is there.

    Args:
        parent: The window.
        title: What for.
        folder: Where to begin; the current folder where None.
        then: Called with the folder; not where none is chosen.
    """
    dialog = _dialog(parent, title, folder, QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.fileSelected.connect(lambda name: then(Path(name)))
    dialog.open()
    return dialog


def _dialog(
    parent: QWidget, title: str, folder: Path | None, mode: QFileDialog.FileMode
) -> QFileDialog:
    dialog = QFileDialog(parent, title, str(folder or Path.cwd()))
    dialog.setFileMode(mode)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.resize(min(720, parent.width() - 20), min(480, parent.height() - 40))
    return dialog
