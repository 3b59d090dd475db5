"""The window: the picture, the bar below it and the panel beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from ..runtime import Shown
from ..runtime.session import Session
from ..runtime.views import ViewConfig
from .catalogue import ModelEntry
from .commands import Commands
from .keys import OwnKeys, make_actions
from .mirror import EMPTY, Mirror
from .panels import FaultsPanel, ModelsPanel, RulesPanel, SourcePanel, TimesPanel, ViewPanel
from .picture import Picture
from .rules import Rules
from .settings import Settings
from .steering import Steering
from .theme import Theme
from .transport import MessageLine, Transport

__all__ = ["MakeSession", "Window"]

_PANEL_WIDTH = 352
_NARROW = 1000
"""A window narrower than this has its panel away until it is asked for."""
_HIDE_MS = 3000
_PAGES = ("&Source", "&Models", "&View", "&Rules", "&Times", "&Faults")


class MakeSession(Protocol):
    """What makes the session: `Session` itself, or a stand-in."""

    def __call__(
        self, *, on_shown: Callable[[Shown[Any]], None], on_change: Callable[[], None]
    ) -> Session:
        """A session that calls back from threads of its own."""


class Window(QWidget):
    """The window of a session.

    The window's thread never waits for the session: frames and changes come through a one-place
    mailbox, of which only the newest is looked at.

    Args:
        make_session: Makes the session, which the window closes.
        theme: The colours.
        settings: What is remembered.
        rules: Thresholds and rates to begin with.
        view: What is shown to begin with.
        entries: Models that are listed to begin with.
    """

    closed = Signal()
    """The session has ended."""

    def __init__(
        self,
        make_session: MakeSession,
        *,
        theme: Theme,
        settings: Settings,
        rules: Rules | None = None,
        view: ViewConfig | None = None,
        entries: Sequence[ModelEntry] = (),
    ) -> None:
        super().__init__()
        self.setWindowTitle("curbside")
        self._panel_wanted: bool | None = None  # as the width allows, until somebody asked
        self._closed = False
        self.theme, self.settings = theme, settings
        self.mirror = Mirror(self)
        session = make_session(on_shown=self.mirror.frame_shown, on_change=self.mirror.changed)
        rules, view = rules or Rules(), view or ViewConfig()
        self.steering = Steering(session, rules=rules, view=view)
        self._build(rules, view)
        self.commands = Commands(self)
        self.actions_by_name = make_actions(self, self.commands.handlers())
        OwnKeys(self)
        self._connect()
        self._hider = QTimer(self)
        self._hider.setSingleShot(True)
        self._hider.setInterval(_HIDE_MS)
        self._hider.timeout.connect(self._hide_bar)
        self.steering.list_entries(entries)
        self.mirror.show_view()
        self.resize(1280, 800)
        settings.place(self)
        self._fit_screen()
        self._arrange()
        self.mirror.start()
        self.picture.setFocus()

    def _fit_screen(self) -> None:
        """Be no larger than the screen, which may be another one than last time."""
        there = self.screen().availableGeometry()
        fitting = self.size().boundedTo(there.size())
        if fitting != self.size():
            self.resize(fitting)
            self.move(there.topLeft())

    # -- building ------------------------------------------------------------------------------

    def _build(self, rules: Rules, view: ViewConfig) -> None:
        colors = self.theme.colors
        self.picture = Picture()
        self.transport = Transport(colors)
        self.line = MessageLine()
        self.source_panel = SourcePanel()
        self.models_panel = ModelsPanel(colors)
        self.view_panel = ViewPanel(colors, alpha=view.alpha)
        self.rules_panel = RulesPanel(rules)
        self.times_panel = TimesPanel(colors)
        self.faults_panel = FaultsPanel()
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Panel")
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setAccessibleName("Pages of the panel")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.setFixedWidth(_PANEL_WIDTH)
        self.panels: tuple[QWidget, ...] = (
            self.source_panel,
            self.models_panel,
            self.view_panel,
            self.rules_panel,
            self.times_panel,
            self.faults_panel,
        )
        for title, panel in zip(_PAGES, self.panels, strict=True):
            self.tabs.addTab(panel, title)
        body = QHBoxLayout()
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(0)
        body.addWidget(self.picture, 1)
        body.addWidget(self.tabs)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(body, 1)
        layout.addWidget(self.transport)
        layout.addWidget(self.line)
        self.picture.setMouseTracking(True)
        self.picture.installEventFilter(self)
        self.picture.clear(*EMPTY)

    def _connect(self) -> None:
        steering = self.steering
        steering.said.connect(self.say)
        steering.choice_changed.connect(self.mirror.show_choice)
        steering.view_changed.connect(self.mirror.show_view)
        self.theme.changed.connect(self._show_colors)
        self.tabs.currentChanged.connect(lambda _: self.mirror.show_pages())
        self.commands.connect_controls()

    def say(self, text: str) -> None:
        """Show a line below the picture."""
        self.line.say(text)

    def _show_colors(self) -> None:
        colors = self.theme.colors
        for part in (self.transport, self.models_panel, self.view_panel, self.times_panel):
            part.show_colors(colors)

    # -- the window itself -----------------------------------------------------------------------

    def toggle_panel(self) -> None:
        """Show the panel, or put it away."""
        self._panel_wanted = self.tabs.isHidden()
        self._arrange()
        (self.tabs.tabBar() if self._panel_wanted else self.picture).setFocus()

    def show_page(self, panel: QWidget) -> None:
        """Show a page of the panel."""
        self._panel_wanted = True
        self._arrange()
        self.tabs.setCurrentWidget(panel)

    def toggle_full(self) -> None:
        """Fill the screen, or no longer."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _arrange(self) -> None:
        wide = self.width() >= _NARROW and not self.isFullScreen()
        shown = wide if self._panel_wanted is None else self._panel_wanted
        self.tabs.setVisible(shown)
        self.transport.panel.setChecked(shown)
        self.transport.full.setChecked(self.isFullScreen())
        self._show_bar()

    def _show_bar(self) -> None:
        self.transport.show()
        self.line.show()
        if self.isFullScreen():
            self._hider.start()

    def _hide_bar(self) -> None:
        """On a full screen the bar goes away, unless something of it or the panel is in use."""
        focus = QApplication.focusWidget()
        used = focus is not None and self.transport.isAncestorOf(focus)
        if self.isFullScreen() and self.tabs.isHidden() and not used:
            self.transport.hide()
            self.line.hide()

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        """Bring the bar of a full screen back where the picture is touched."""
        if event.type() in (
            QEvent.Type.MouseMove,
            QEvent.Type.MouseButtonPress,
            QEvent.Type.TouchBegin,
            QEvent.Type.FocusOut,
        ):
            self._show_bar()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Find room for the panel."""
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Follow into and out of the full screen."""
        if event.type() == QEvent.Type.WindowStateChange:
            self._arrange()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Vanish at once, then end the session, which takes no longer than its bound."""
        event.accept()
        if self._closed:
            return
        self._closed = True
        self.mirror.stop()
        self.commands.stop()
        self.settings.keep_place(self)
        self.hide()
        QApplication.processEvents()
        self.steering.session.close()
        self.closed.emit()
