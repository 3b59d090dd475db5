"""Dark and light: colours that are read in the sun and at night, the same on every desktop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

__all__ = ["DARK", "LIGHT", "Colors", "Theme", "ThemeName"]

ThemeName = Literal["system", "dark", "light"]


@dataclass(frozen=True, kw_only=True)
class Colors:
    """The colours of a theme, as `#rrggbb`."""

    window: str
    """Behind everything."""
    panel: str
    """Behind lists, tables and fields."""
    raised: str
    """Buttons."""
    line: str
    """Borders of controls."""
    text: str
    """What is read."""
    faint: str
    """What is read second."""
    off: str
    """What cannot be used now."""
    accent: str
    """What is on or in focus."""
    on_accent: str
    """Text on it."""
    alarm: str
    """Mistakes, and what records."""
    first: str
    """First line of a plot."""
    second: str
    """Second line of a plot."""


DARK = Colors(
    window="#15181c",
    panel="#1d2227",
    raised="#2b3138",
    line="#5b6670",
    text="#f2f5f7",
    faint="#b9c3cc",
    off="#7a858f",
    accent="#6cb6ff",
    on_accent="#06121d",
    alarm="#ff8f87",
    first="#6cb6ff",
    second="#ffc46b",
)
LIGHT = Colors(
    window="#eef0f3",
    panel="#ffffff",
    raised="#ffffff",
    line="#7b8691",
    text="#101418",
    faint="#3f4952",
    off="#77818b",
    accent="#0a4f9e",
    on_accent="#ffffff",
    alarm="#a3120a",
    first="#0a4f9e",
    second="#8a4b00",
)


class Theme(QObject):
    """Puts a theme on the application, and follows the system's where it is to.

    Args:
        application: What is to be coloured.
        name: The theme to begin with.
    """

    changed = Signal()
    """The colours are others now."""

    def __init__(self, application: QApplication, name: ThemeName = "system") -> None:
        super().__init__(application)
        self._application = application
        self._name: ThemeName = name
        self._colors: Colors | None = None
        application.setStyle("Fusion")
        hints = application.styleHints()
        hints.colorSchemeChanged.connect(self._follow)
        self._put_on()

    @property
    def name(self) -> ThemeName:
        """Which one is asked for."""
        return self._name

    @name.setter
    def name(self, name: ThemeName) -> None:
        self._name = name
        self._put_on()

    @property
    def colors(self) -> Colors:
        """The colours that are on."""
        return self._colors or DARK

    def next(self) -> None:
        """The next of system, dark and light."""
        names = get_args(ThemeName)
        self.name = names[(names.index(self._name) + 1) % len(names)]

    def _follow(self) -> None:
        if self._name == "system":
            self._put_on()

    def _put_on(self) -> None:
        name = self._name
        if name == "system":
            light = self._application.styleHints().colorScheme() == Qt.ColorScheme.Light
            name = "light" if light else "dark"
        colors = LIGHT if name == "light" else DARK
        if colors is self._colors:
            return
        self._colors = colors
        self._application.setPalette(_palette(colors))
        self._application.setStyleSheet(_sheet(colors))
        self.changed.emit()


def _palette(colors: Colors) -> QPalette:
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    for part, color in (
        (role.Window, colors.window),
        (role.WindowText, colors.text),
        (role.Base, colors.panel),
        (role.AlternateBase, colors.window),
        (role.Text, colors.text),
        (role.Button, colors.raised),
        (role.ButtonText, colors.text),
        (role.BrightText, colors.alarm),
        (role.ToolTipBase, colors.panel),
        (role.ToolTipText, colors.text),
        (role.PlaceholderText, colors.faint),
        (role.Highlight, colors.accent),
        (role.HighlightedText, colors.on_accent),
        (role.Link, colors.accent),
        (role.Mid, colors.line),
        (role.Accent, colors.accent),
    ):
        palette.setColor(part, QColor(color))
    for part in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, part, QColor(colors.off))
    return palette


def _sheet(colors: Colors) -> str:
    return f"""
    QToolTip {{ color: {colors.text}; background: {colors.panel}; border: 1px solid {colors.line}; padding: 3px; }}
    QPushButton, QToolButton, QComboBox, QLineEdit, QDoubleSpinBox {{
        color: {colors.text}; background: {colors.raised}; border: 1px solid {colors.line};
        border-radius: 4px; padding: 3px 8px; min-height: 20px; }}
    QToolButton {{ padding: 3px; }}
    QComboBox::drop-down {{ border: none; width: 18px; }}
    QPushButton:hover, QToolButton:hover, QComboBox:hover {{ border-color: {colors.accent}; }}
    QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus, QDoubleSpinBox:focus,
    QListView:focus, QTreeView:focus, QTableView:focus, QTextEdit:focus {{
        border: 2px solid {colors.accent}; padding: 2px 7px; }}
    QToolButton:focus {{ padding: 2px; }}
    QListView:focus, QTreeView:focus, QTableView:focus, QTextEdit:focus {{ padding: 0px; }}
    QPushButton:pressed, QToolButton:pressed {{ background: {colors.line}; }}
    QPushButton:checked, QToolButton:checked {{
        color: {colors.on_accent}; background: {colors.accent}; border-color: {colors.accent}; }}
    QPushButton:checked:focus, QToolButton:checked:focus {{ border-color: {colors.text}; }}
    QPushButton:disabled, QToolButton:disabled, QComboBox:disabled, QLineEdit:disabled {{
        color: {colors.off}; background: {colors.window}; border-color: {colors.raised}; }}
    QPushButton:checked:disabled, QToolButton:checked:disabled {{ border-color: {colors.line}; }}
    QListView, QTreeView, QTableView, QTextEdit {{
        background: {colors.panel}; border: 1px solid {colors.line}; border-radius: 4px; }}
    QTreeView::item {{ padding: 3px 0px; }}
    QHeaderView::section {{
        background: {colors.window}; color: {colors.faint}; border: none;
        border-bottom: 1px solid {colors.line}; padding: 2px 4px; }}
    QTabWidget::pane {{ border: none; border-top: 1px solid {colors.line}; }}
    QTabBar::tab {{
        color: {colors.faint}; background: transparent; border: none; padding: 6px 7px;
        border-bottom: 3px solid transparent; }}
    QTabBar::tab:selected {{ color: {colors.text}; border-bottom-color: {colors.accent}; }}
    QTabBar::tab:focus {{ color: {colors.accent}; }}
    QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; margin: 0; }}
    QScrollBar::handle:vertical {{
        background: {colors.line}; border-radius: 4px; min-height: 24px; margin: 2px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QCheckBox {{ spacing: 6px; }}
    QCheckBox::indicator, QListView::indicator {{
        width: 12px; height: 12px; border: 2px solid {colors.faint}; border-radius: 4px;
        background: {colors.panel}; }}
    QCheckBox::indicator:checked, QListView::indicator:checked {{
        background: {colors.accent}; border-color: {colors.text}; }}
    QCheckBox:focus {{ color: {colors.accent}; }}
    QLabel[role="faint"] {{ color: {colors.faint}; }}
    QLabel[role="alarm"] {{ color: {colors.alarm}; }}
    QLabel[role="heading"] {{ color: {colors.faint}; font-weight: 600; }}
    """
