"""Every action of the window with its keys: shortcuts, tooltips and the table that F1 shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QComboBox,
    QDialog,
    QHeaderView,
    QTabBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

__all__ = ["KEYS", "Key", "KeyTable", "OwnKeys", "key_rows", "make_actions", "with_key"]


@dataclass(frozen=True, kw_only=True)
class Key:
    """An action and its keys."""

    name: str
    """What the window calls it."""
    keys: tuple[str, ...]
    """Any of these does it."""
    text: str
    """What it does."""

    @property
    def shown(self) -> str:
        """The first of its keys, as a person reads it."""
        return {"Ctrl+PgDown": "Ctrl+Page Down", "Ctrl+PgUp": "Ctrl+Page Up"}.get(
            self.keys[0], self.keys[0]
        )


def _key(name: str, keys: str, text: str) -> Key:
    return Key(name=name, keys=tuple(keys.split()), text=text)


KEYS: tuple[Key, ...] = (
    _key("play", "Space K", "Play, pause"),
    _key("step", ". N", "One frame on"),
    _key("back", "Left", "5 seconds back"),
    _key("forward", "Right", "5 seconds on"),
    _key("start", "Home", "To the beginning"),
    _key("loop", "L", "Begin a file again at its end"),
    _key("every", "E", "Every frame of a file, or keep its pace"),
    *(
        _key(f"model{number}", str(number), f"Model {number} of the list on or off")
        for number in range(1, 10)
    ),
    *(
        _key(f"beside{number}", f"Ctrl+{number}", f"Model {number} beside, or no longer")
        for number in range(1, 10)
    ),
    _key("semantic", "C", "Classes on or off"),
    _key("instances", "I", "Objects on or off"),
    _key("depth", "D", "Depth on or off"),
    _key("next view", "V", "Next view"),
    _key("last view", "Shift+V", "View before"),
    _key("view automatic", "A", "View that tells most"),
    _key("view frame", "F2", "Frame alone"),
    _key("view semantic", "F3", "Classes"),
    _key("view instances", "F4", "Objects"),
    _key("view panoptic", "F5", "Classes and objects"),
    _key("view depth", "F6", "Depth"),
    _key("view semantic+depth", "B", "Classes and depth side by side"),
    _key("view confidence", "F7", "Confidence"),
    _key("view disagreement", "F8", "Disagreement"),
    _key("stronger", "+ =", "Overlay stronger"),
    _key("weaker", "-", "Overlay weaker"),
    _key("legend", "G", "Legend on the picture"),
    _key("record", "R", "Start or stop recording"),
    _key("snapshot", "S", "Write the picture to a file"),
    _key("open", "Ctrl+O", "Open a video or picture"),
    _key("open folder", "Ctrl+Shift+O", "Open a folder of pictures"),
    _key("address", "Ctrl+L", "Type an address"),
    _key("refresh", "Ctrl+R", "Look for cameras again"),
    _key("add models", "Ctrl+M", "Add model files"),
    _key("panel", "P F9", "Panel on or off"),
    _key("next tab", "Ctrl+PgDown", "Next page of the panel"),
    _key("last tab", "Ctrl+PgUp", "Page of the panel before"),
    _key("one", "Z", "Pixel by pixel, or the whole picture"),
    _key("full", "F11 F", "Full screen"),
    _key("leave full", "Esc", "Leave full screen"),
    _key("theme", "T", "System's colours, dark, light"),
    _key("keys", "F1", "These keys"),
    _key("quit", "Ctrl+Q", "Quit"),
)
_BY_NAME = {key.name: key for key in KEYS}


def with_key(text: str, name: str) -> str:
    """A tooltip that names the key of an action."""
    return f"{text} ({_BY_NAME[name].shown})"


def make_actions(window: QWidget, handlers: Mapping[str, Callable[[], None]]) -> dict[str, QAction]:
    """An action of the window for every key.

    Args:
        window: Where the keys count.
        handlers: What each action does, by its name in `KEYS`; one for every one of them.
    """
    actions = {}
    for key in KEYS:
        action = QAction(key.text, window)
        action.setShortcuts([QKeySequence(text) for text in key.keys])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        handler = handlers[key.name]
        action.triggered.connect(lambda checked=False, handler=handler: handler())
        window.addAction(action)
        actions[key.name] = action
    return actions


_MOVES = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home)
_PRESS = (Qt.Key.Key_Space,)


class OwnKeys(QObject):
    """Leaves a control the keys that it needs itself: Space presses a button that has the focus.

    Args:
        root: All controls under it that can have the focus are looked after.
    """

    def __init__(self, root: QWidget) -> None:
        super().__init__(root)
        for widget in root.findChildren(QWidget):
            if widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take a key away from the shortcuts where the control uses it."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
            if plain and event.key() in self._needed(watched):
                event.accept()
                return True
        return False

    def _needed(self, widget: QObject) -> tuple[Qt.Key, ...]:
        if isinstance(widget, QAbstractSlider | QTabBar):
            return _MOVES
        if isinstance(widget, QAbstractItemView | QComboBox):
            return (*_PRESS, *_MOVES)
        return _PRESS if isinstance(widget, QAbstractButton) else ()


class KeyTable(QDialog):
    """All keys in a table; it does not stop the window.

    Args:
        parent: The window.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        rows = key_rows()
        table = QTableWidget(len(rows), 2)
        table.setAccessibleName("Keys")
        table.setHorizontalHeaderLabels(["Key", "What it does"])
        table.verticalHeader().hide()
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        for place, (keys, text) in enumerate(rows):
            table.setItem(place, 0, QTableWidgetItem(keys))
            table.setItem(place, 1, QTableWidgetItem(text))
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)
        layout = QVBoxLayout(self)
        layout.addWidget(table)
        self.resize(min(440, parent.width() - 20), min(620, parent.height() - 40))


def key_rows() -> list[tuple[str, str]]:
    """Keys and what they do, as people read them; the nine models in one row."""
    rows = []
    for key in KEYS:
        if key.name == "model1":
            rows.append(("1 ... 9", "Model of the list on or off"))
        elif key.name == "beside1":
            rows.append(("Ctrl+1 ... 9", "Model of the list beside, or no longer"))
        elif not key.name.startswith(("model", "beside")):
            rows.append((", ".join((key.shown, *key.keys[1:])), key.text))
    return rows
