"""What plays: files, cameras, streams, and how a file runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from ...runtime.sources import Found, Mode
from ..controls import ElidedLabel, Options, fill, heading, page, plain, row, scrolled, told
from ..keys import with_key

__all__ = ["SourcePanel", "spec_with_mode"]

_SPEC = Qt.ItemDataRole.UserRole


def spec_with_mode(spec: str, mode: Mode | None) -> str:
    """The spec of a camera with the size, rate and format of a mode; as it is without one."""
    if mode is None:
        return spec
    options: dict[str, Any] = {"width": mode.width, "height": mode.height}
    if mode.fps:
        options["fps"] = f"{max(mode.fps):g}"
    if mode.format:
        options["format"] = mode.format
    return f"{spec}?{'&'.join(f'{key}={value}' for key, value in options.items())}"


class SourcePanel(QWidget):
    """Finds sources and lets one be played."""

    picked = Signal(str)
    """The spec of a source that is to be played."""
    file_wanted = Signal()
    folder_wanted = Signal()
    refresh_wanted = Signal()
    every_frame_changed = Signal(bool)
    looping_changed = Signal(bool)
    record_folder_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._found: tuple[Found, ...] = ()
        content, layout = page()
        self.file_button = QPushButton("Open file ...")
        told(
            self.file_button, "Open a video or picture", with_key("Open a video or picture", "open")
        )
        self.folder_button = QPushButton("Open folder ...")
        told(
            self.folder_button,
            "Open a folder of pictures",
            with_key("Open a folder of pictures", "open folder"),
        )
        layout.addLayout(row(self.file_button, self.folder_button))

        self.refresh_button = QPushButton("Look again")
        told(
            self.refresh_button,
            "Look for cameras again",
            with_key("Look for cameras again", "refresh"),
        )
        layout.addLayout(row(heading("Cameras and others"), self.refresh_button, stretch=0))
        self.list = QListWidget()
        told(self.list, "Sources found", "Enter or a double click plays a source")
        self.list.setMinimumHeight(64)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        layout.addWidget(self.list, 1)
        self.modes = Options(
            "Size and rate", [], "Size, rate and format that the camera is asked for"
        )
        self.play_button = QPushButton("Play")
        told(self.play_button, "Play the source chosen")
        layout.addLayout(row(self.modes, self.play_button, stretch=0))

        self.address = QLineEdit()
        self.address.setPlaceholderText("rtsp://... http://... or a path")
        self.address.setClearButtonEnabled(True)
        told(
            self.address, "Address", with_key("Address of a stream, a path, or a device", "address")
        )
        self.address_button = QPushButton("Play")
        told(self.address_button, "Play the address")
        layout.addLayout(row(self.address, self.address_button, stretch=0))

        self.every_box = QCheckBox("Every frame of a file")
        told(
            self.every_box,
            "Every frame of a file",
            with_key("Show every frame of a file; else keep its pace and drop frames", "every"),
        )
        self.loop_box = QCheckBox("Loop")
        told(self.loop_box, "Loop", with_key("Begin a file again at its end", "loop"))
        layout.addLayout(row(self.every_box, self.loop_box, stretch=0))
        self.record_folder = ElidedLabel("Recordings: asked for at the first one")
        self.record_button = QPushButton("Change ...")
        told(self.record_button, "Folder of recordings and pictures")
        layout.addLayout(row(self.record_folder, self.record_button, stretch=0))
        self._now = ElidedLabel("")
        self._now.setProperty("role", "faint")
        layout.addWidget(self._now)

        fill(self, scrolled(content))
        self._connect()
        self.show_found(())

    def _connect(self) -> None:
        self.file_button.clicked.connect(self.file_wanted)
        self.folder_button.clicked.connect(self.folder_wanted)
        self.refresh_button.clicked.connect(self.refresh_wanted)
        self.record_button.clicked.connect(self.record_folder_wanted)
        self.list.itemActivated.connect(self._play_chosen)
        self.list.currentRowChanged.connect(self._show_modes)
        self.play_button.clicked.connect(self._play_chosen)
        self.address.returnPressed.connect(self._play_address)
        self.address_button.clicked.connect(self._play_address)
        self.every_box.toggled.connect(self.every_frame_changed)
        self.loop_box.toggled.connect(self.looping_changed)

    def show_looking(self) -> None:
        """Say that sources are being looked for."""
        self.refresh_button.setEnabled(False)
        self.refresh_button.setText("Looking ...")

    def show_found(self, found: Sequence[Found]) -> None:
        """List what was found."""
        self.refresh_button.setEnabled(True)
        self.refresh_button.setText("Look again")
        chosen = self.list.currentItem()
        before = chosen.data(_SPEC) if chosen else None
        self._found = tuple(found)
        self.list.clear()
        for place, source in enumerate(self._found):
            item = QListWidgetItem(f"{source.title}  ({source.kind})")
            item.setData(_SPEC, source.spec)
            item.setToolTip(plain(source.spec))
            self.list.addItem(item)
            if source.spec == before or place == 0:
                self.list.setCurrentRow(place)
        self._show_modes()

    def show_options(self, *, every_frame: bool, looping: bool) -> None:
        """Show how a file runs, without telling of it."""
        for box, value in ((self.every_box, every_frame), (self.loop_box, looping)):
            box.blockSignals(True)
            box.setChecked(value)
            box.blockSignals(False)

    def show_record_folder(self, folder: Path | None) -> None:
        """Show where recordings go."""
        where = "asked for at the first one" if folder is None else str(folder)
        self.record_folder.show_text(f"Recordings: {where}")

    def show_source(self, title: str | None) -> None:
        """Show what plays."""
        self._now.show_text(f"Now: {title}" if title else "Nothing plays")

    def _show_modes(self) -> None:
        place = self.list.currentRow()
        chosen = self._found[place] if 0 <= place < len(self._found) else None
        options: list[tuple[object, str]] = [(None, "Size as it comes")]
        if chosen is not None:
            options += [(mode, _in_words(mode)) for mode in chosen.modes]
        self.modes.set_options(options)
        self.modes.setEnabled(len(options) > 1)
        self.play_button.setEnabled(chosen is not None)

    def _play_chosen(self, *_: object) -> None:
        item = self.list.currentItem()
        if item is not None:
            mode = self.modes.value
            assert mode is None or isinstance(mode, Mode)
            self.picked.emit(spec_with_mode(item.data(_SPEC), mode))

    def _play_address(self) -> None:
        if self.address.text().strip():
            self.picked.emit(self.address.text().strip())


def _in_words(mode: Mode) -> str:
    rates = f" at {max(mode.fps):g}/s" if mode.fps else ""
    return f"{mode.width} x {mode.height}{rates} {mode.format or ''}".rstrip()
