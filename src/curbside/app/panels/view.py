"""What is shown of a frame: the view, how strong the overlay is, and which classes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from ...labels import LabelSpace
from ...results import View
from ..controls import ShareSlider, fill, heading, page, row, scrolled, told
from ..icons import swatch
from ..keys import with_key
from ..theme import Colors
from ..words import VIEW_WORDS

__all__ = ["ViewPanel"]

_CLASS = Qt.ItemDataRole.UserRole


class ViewPanel(QWidget):
    """Views, overlay strength, and the legend, in which every class can be hidden.

    Args:
        colors: Those of the theme.
        alpha: How strong the overlay is, 0..1.
    """

    view_chosen = Signal(object)
    alpha_changed = Signal(float)
    legend_changed = Signal(bool)
    hidden_changed = Signal(object)
    """Names of the classes that are not to be shown, a frozenset."""

    def __init__(self, colors: Colors, *, alpha: float) -> None:
        super().__init__()
        self._colors = colors
        self._space: LabelSpace | None = None
        self._hidden: frozenset[str] = frozenset()
        self._shares: dict[str, float] = {}
        content, layout = page()
        grid = QGridLayout()
        grid.setSpacing(4)
        self.buttons: dict[View | None, QPushButton] = {}
        for place, (view, text) in enumerate(VIEW_WORDS.items()):
            button = QPushButton(text)
            button.setCheckable(True)
            told(button, f"View: {text}", with_key(text, f"view {view or 'automatic'}"))
            button.clicked.connect(lambda _, view=view: self.view_chosen.emit(view))
            self.buttons[view] = button
            grid.addWidget(button, place // 2, place % 2)
        layout.addLayout(grid)
        self.alpha = ShareSlider(
            "Overlay strength", alpha, "How much colours cover the frame (+ and -)"
        )
        self.alpha.changed.connect(self.alpha_changed)
        layout.addWidget(self.alpha)
        self.legend_box = QCheckBox("Legend on the picture")
        told(
            self.legend_box,
            "Legend on the picture",
            with_key("Put the names of the classes on the picture", "legend"),
        )
        self.legend_box.toggled.connect(self.legend_changed)
        layout.addWidget(self.legend_box)

        self._heading = heading("Classes")
        self.all_button = QPushButton("All")
        told(self.all_button, "Show all classes")
        self.none_button = QPushButton("None")
        told(self.none_button, "Show no class")
        layout.addLayout(row(self._heading, self.all_button, self.none_button, stretch=0))
        self.classes = QListWidget()
        told(self.classes, "Classes shown", "Space shows or hides a class")
        self.classes.setMinimumHeight(84)
        self.classes.setUniformItemSizes(True)
        layout.addWidget(self.classes, 1)

        fill(self, scrolled(content))
        self.classes.itemChanged.connect(self._toggled)
        self.all_button.clicked.connect(lambda: self._hide_all(()))
        self.none_button.clicked.connect(lambda: self._hide_all(self._names()))
        self.show_space(None)
        self.show_view(None, ("frame",))

    def show_view(self, view: View | None, there: Sequence[View]) -> None:
        """Show which view is chosen, and which there are."""
        for name, button in self.buttons.items():
            button.setChecked(name == view)
            button.setEnabled(name is None or name in there)

    def show_space(self, space: LabelSpace | None) -> None:
        """List the classes of a label space."""
        if space is self._space and self.classes.count():
            return
        self._space = space
        self._fill()

    def show_shares(self, shares: dict[str, float]) -> None:
        """Show which share of the picture each class covers."""
        if shares == self._shares:
            return
        self._shares = shares
        self.classes.blockSignals(True)
        for place in range(self.classes.count()):
            item = self.classes.item(place)
            item.setText(self._words(item.data(_CLASS)))
        self.classes.blockSignals(False)

    def show_colors(self, colors: Colors) -> None:
        """Follow the theme."""
        self._colors = colors
        self._fill()

    def _fill(self) -> None:
        self.classes.blockSignals(True)
        self.classes.clear()
        for item in self._space.painted if self._space else ():
            line = QListWidgetItem(swatch(item.color, self._colors.line), self._words(item.name))
            line.setData(_CLASS, item.name)
            line.setFlags(
                Qt.ItemFlag.ItemIsEnabled
                | Qt.ItemFlag.ItemIsSelectable
                | Qt.ItemFlag.ItemIsUserCheckable
            )
            shown = item.name not in self._hidden
            line.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
            self.classes.addItem(line)
        self.classes.blockSignals(False)
        there = bool(self.classes.count())
        for button in (self.all_button, self.none_button):
            button.setEnabled(there)
        self._heading.setText(f"Classes of {self._space.name}" if self._space else "Classes")

    def _words(self, name: str) -> str:
        share = self._shares.get(name)
        return name if share is None else f"{name}  {share:.1%}"

    def _names(self) -> tuple[str, ...]:
        return self._space.names if self._space else ()

    def _toggled(self, item: QListWidgetItem) -> None:
        name = item.data(_CLASS)
        shown = item.checkState() == Qt.CheckState.Checked
        self._tell(self._hidden - {name} if shown else self._hidden | {name})

    def _hide_all(self, names: Sequence[str]) -> None:
        self._tell((self._hidden - set(self._names())) | set(names))
        self._fill()

    def _tell(self, hidden: frozenset[str]) -> None:
        if hidden != self._hidden:
            self._hidden = hidden
            self.hidden_changed.emit(hidden)
