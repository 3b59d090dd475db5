"""The model files, which of them look at the frame, and what each says about itself."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTextEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from ...manifest import Answer
from ..catalogue import ModelEntry, facts_of
from ..choice import TASKS, Choice
from ..controls import Options, fill, page, plain, row, scrolled, told
from ..icons import icon
from ..keys import with_key
from ..theme import Colors
from ..words import TASK_WORDS, task_words

__all__ = ["ModelsPanel"]

_USED, _NAME, _TASK, _INPUT = range(4)


class ModelsPanel(QWidget):
    """Lists model files; a click uses one, a click on the mark of one in use ends that.

    Args:
        colors: Those of the theme.
    """

    toggled = Signal(object)
    """The entry whose row was chosen."""
    task_toggled = Signal(str, bool)
    beside_chosen = Signal(object)
    files_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self, colors: Colors) -> None:
        super().__init__()
        self._colors = colors
        self._entries: tuple[ModelEntry, ...] = ()
        self._items: list[QTreeWidgetItem] = []
        self._choice = Choice()
        self._loading: tuple[str, ...] = ()
        content, layout = page()
        self.task_buttons: dict[Answer, QPushButton] = {}
        for task in TASKS:
            button = QPushButton(TASK_WORDS[task])
            button.setCheckable(True)
            told(button, TASK_WORDS[task], with_key(f"{TASK_WORDS[task]} on or off", task))
            button.clicked.connect(lambda on, task=task: self.task_toggled.emit(task, on))
            self.task_buttons[task] = button
        layout.addLayout(row(*self.task_buttons.values()))

        self.tree = QTreeWidget()
        told(self.tree, "Model files", "A click or 1 to 9 uses a model; Enter uses it or ends that")
        self.tree.setHeaderLabels(["", "file", "task", "input"])
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setMinimumHeight(92)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        layout.addWidget(self.tree, 3)

        self.details = QTextEdit()
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setMinimumHeight(72)
        told(self.details, "What the model file says about itself")
        layout.addWidget(self.details, 2)

        self.beside = Options(
            "Beside", [(None, "Nothing beside")], "A second model on the same frame (Ctrl+1 ... 9)"
        )
        layout.addWidget(self.beside)
        self.files_button = QPushButton("Add files ...")
        told(self.files_button, "Add model files", with_key("Add model files", "add models"))
        self.folder_button = QPushButton("Add folder ...")
        told(self.folder_button, "Add a folder of model files")
        layout.addLayout(row(self.files_button, self.folder_button))

        fill(self, scrolled(content))
        self.tree.itemClicked.connect(self._clicked)
        self.tree.itemActivated.connect(self._activated)
        self.tree.currentItemChanged.connect(lambda *_: self._show_details())
        self.beside.chosen.connect(self.beside_chosen)
        self.files_button.clicked.connect(self.files_wanted)
        self.folder_button.clicked.connect(self.folder_wanted)
        self.show_entries(())

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """The files that are listed."""
        return self._entries

    def show_entries(self, entries: Sequence[ModelEntry]) -> None:
        """List these files."""
        self._entries = tuple(entries)
        self.tree.clear()
        self._items = [self._row(number, entry) for number, entry in enumerate(self._entries, 1)]
        self.tree.addTopLevelItems(self._items)
        there: list[tuple[object, str]] = [(None, "Nothing beside")]
        there += [(entry, f"Beside: {entry.name}") for entry in self._entries if entry.manifest]
        self.beside.set_options(there)
        self.show_choice(self._choice, self._loading)
        if self._entries:
            self.tree.setCurrentItem(self._items[0])
        self._show_details()

    def show_choice(self, choice: Choice, loading: Sequence[str]) -> None:
        """Show what is in use, and what is being loaded."""
        self._choice, self._loading = choice, tuple(loading)
        for place, (entry, item) in enumerate(zip(self._entries, self._items, strict=True)):
            used = choice.uses(entry)
            if entry.manifest is not None:
                item.setIcon(_USED, icon("used" if used else "unused", self._colors))
            words = ", in use" if used else ""
            item.setData(
                _NAME, Qt.ItemDataRole.AccessibleTextRole, f"{place + 1} {entry.name}{words}"
            )
            busy = used and entry.name in self._loading
            item.setText(_TASK, "loading" if busy else _task_words(entry))
            font = item.font(_NAME)
            font.setBold(used)
            item.setFont(_NAME, font)
        for task, button in self.task_buttons.items():
            button.setChecked(task in choice.on)
            possible = any(
                e.manifest is not None and task in e.manifest.answers for e in self._entries
            )
            button.setEnabled(possible)
        self.beside.set_value(choice.beside)
        self.beside.setEnabled(self.beside.count() > 1)

    def show_colors(self, colors: Colors) -> None:
        """Follow the theme."""
        self._colors = colors
        for entry, item in zip(self._entries, self._items, strict=True):
            if entry.manifest is None:
                self._grey(item)
        self.show_choice(self._choice, self._loading)
        self._show_details()

    def _row(self, number: int, entry: ModelEntry) -> QTreeWidgetItem:
        key = str(number) if number <= 9 and entry.manifest is not None else ""
        size = ""
        if entry.manifest is not None:
            height, width = entry.manifest.input.size_hw
            size = f"{width} x {height}"
        item = QTreeWidgetItem([key, entry.name, _task_words(entry), size])
        tip = "\n".join(f"{name}: {value}" for name, value in facts_of(entry))
        for column in range(4):
            item.setToolTip(column, plain(tip if entry.manifest else entry.problem or ""))
        if entry.manifest is None:
            self._grey(item)
        return item

    def _grey(self, item: QTreeWidgetItem) -> None:
        for column in range(4):
            item.setForeground(column, QBrush(QColor(self._colors.off)))

    def _show_details(self) -> None:
        item = self.tree.currentItem()
        entry = None if item is None else self._entry_of(item)
        if entry is None:
            self.details.setHtml("No model files yet: add some, or start with a folder of them.")
            return
        rows = "".join(
            f"<tr><td style='color:{self._colors.faint}; padding-right:8px'>{html.escape(name)}</td>"
            f"<td>{html.escape(value)}</td></tr>"
            for name, value in facts_of(entry)
        )
        self.details.setHtml(f"<table cellspacing=0 cellpadding=1>{rows}</table>")

    def _entry_of(self, item: QTreeWidgetItem) -> ModelEntry | None:
        place = self.tree.indexOfTopLevelItem(item)
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def _clicked(self, item: QTreeWidgetItem, column: int) -> None:
        entry = self._entry_of(item)
        if entry is None:
            return
        if self._choice.uses(entry) and column != _USED:
            return  # looked at, not ended
        self.toggled.emit(entry)

    def _activated(self, item: QTreeWidgetItem) -> None:
        entry = self._entry_of(item)
        if entry is not None and not self.tree.underMouse():  # a click was heard of already
            self.toggled.emit(entry)


def _task_words(entry: ModelEntry) -> str:
    if entry.manifest is None:
        return "unusable"
    return task_words(entry.manifest)
