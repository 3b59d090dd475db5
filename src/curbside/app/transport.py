"""The bar below the picture: play, step, seek, view, record, snapshot; and the line of messages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QStyle, QToolButton, QWidget

from ..results import View
from ..runtime.session import Status
from .controls import ElidedLabel, Options, told
from .icons import icon
from .keys import with_key
from .theme import Colors
from .words import VIEW_WORDS

__all__ = ["MessageLine", "Transport", "clock", "silent"]

_PER_S = 100  # steps of the seek bar
_SKIP_S = 5  # as far as the keys go where the bar has no focus


def clock(seconds: float) -> str:
    """A time as people read it: `1:02.3`, with hours where there are some."""
    tenths = max(0, round(seconds * 10))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def silent(seconds: float) -> str:
    """What the window says where no new picture has come for so long."""
    return f"no new picture for {seconds:.0f} s"


class SeekBar(QSlider):
    """A bar that jumps to where it is clicked."""

    asked = Signal(float)
    """The moment that was asked for, in seconds."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setMinimumWidth(60)
        self.setSingleStep(_SKIP_S * _PER_S)
        self.setPageStep(_SKIP_S * _PER_S)
        told(self, "Position", f"Jump to another moment (Left and Right: {_SKIP_S} seconds)")
        self.actionTriggered.connect(lambda _: self.asked.emit(self.sliderPosition() / _PER_S))

    def show_position(self, position_s: float, duration_s: float | None) -> None:
        """Show where the file is."""
        if self.isSliderDown():
            return
        self.setRange(0, round((duration_s or 0.0) * _PER_S))
        self.blockSignals(True)
        self.setValue(round(position_s * _PER_S))
        self.blockSignals(False)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Jump at once, and hold on to it."""
        if event.button() == Qt.MouseButton.LeftButton and self.maximum() > 0:
            self.setSliderDown(True)
            self._move(event)
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Jump along with the mouse."""
        if self.isSliderDown():
            self._move(event)
        else:
            super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if self.isSliderDown() and event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(False)
        else:
            super().mouseReleaseEvent(event)

    def _move(self, event: QMouseEvent) -> None:
        """To where the mouse is; `asked` tells of it once, where that is another moment."""
        self.setSliderPosition(
            QStyle.sliderValueFromPosition(
                self.minimum(), self.maximum(), round(event.position().x()), self.width()
            )
        )


class Transport(QWidget):
    """The bar below the picture.

    Args:
        colors: Those of the theme.
    """

    play_wanted = Signal()
    step_wanted = Signal()
    record_wanted = Signal()
    snapshot_wanted = Signal()
    panel_wanted = Signal()
    full_wanted = Signal()
    one_wanted = Signal()
    view_chosen = Signal(object)

    def __init__(self, colors: Colors) -> None:
        super().__init__()
        self._colors = colors
        self._playing = self._recording = False
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(5)
        self.play = self._button("Play", "play", self.play_wanted)
        self.step = self._button("One frame on", "step", self.step_wanted)
        self.seek = SeekBar()
        self.time = QLabel("0:00.0")
        self.time.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.view = Options(
            "View", list(VIEW_WORDS.items()), with_key("What is shown", "next view")
        )
        self.view.setFixedWidth(152)
        self.view.chosen.connect(self.view_chosen)
        self.record = self._button("Record", "record", self.record_wanted, checkable=True)
        self.snapshot = self._button(
            "Write the picture to a file", "snapshot", self.snapshot_wanted
        )
        self.one = self._button("Pixel by pixel", "one", self.one_wanted, checkable=True)
        self.panel = self._button("Panel", "panel", self.panel_wanted, checkable=True)
        self.full = self._button("Full screen", "full", self.full_wanted, checkable=True)
        layout.addWidget(self.play)
        layout.addWidget(self.step)
        layout.addWidget(self.seek, 1)
        layout.addWidget(self.time)
        layout.addWidget(self.view)
        for button in (self.record, self.snapshot, self.one, self.panel, self.full):
            layout.addWidget(button)
        self._names = {
            "play": self.play,
            "step": self.step,
            "record": self.record,
            "snapshot": self.snapshot,
            "one": self.one,
            "panel": self.panel,
            "full": self.full,
        }
        self.show_colors(colors)
        self.show_status(Status())

    def show_colors(self, colors: Colors) -> None:
        """Follow the theme."""
        self._colors = colors
        for name, button in self._names.items():
            button.setIcon(icon(name, colors))
        self._show_play()
        self._show_record()

    def show_status(self, status: Status) -> None:
        """Show how the session stands."""
        playing, recording = status.state == "playing", status.recording is not None
        if playing != self._playing:
            self._playing = playing
            self._show_play()
        if recording != self._recording:
            self._recording = recording
            self._show_record()
        there = status.source is not None and status.state not in ("opening", "failed", "idle")
        self.step.setEnabled(there)
        self.snapshot.setEnabled(status.source is not None)
        self.seek.setEnabled(there and status.seekable)
        position_s, duration_s = (status.position_s, status.duration_s) if there else (0.0, None)
        self.seek.show_position(position_s, duration_s)
        length = "" if duration_s is None else f" / {clock(duration_s)}"
        text = f"{clock(position_s)}{length}"
        if text != self.time.text():
            self.time.setText(text)
            widest = self.time.fontMetrics().horizontalAdvance("0" * len(text)) + 6
            if abs(self.time.minimumWidth() - widest) > 4:
                self.time.setMinimumWidth(widest)

    def show_view(self, view: View | None, there: Sequence[View]) -> None:
        """Show which view is chosen, and which there are."""
        self.view.enable((None, *there))
        self.view.set_value(view)

    def _button(
        self, name: str, key: str, wanted: SignalInstance, *, checkable: bool = False
    ) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(24, 24))
        button.setCheckable(checkable)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        told(button, name, with_key(name, key))
        button.clicked.connect(wanted)
        return button

    def _show_play(self) -> None:
        name = "pause" if self._playing else "play"
        self.play.setIcon(icon(name, self._colors))
        text = "Pause" if self._playing else "Play"
        told(self.play, text, with_key(text, "play"))

    def _show_record(self) -> None:
        name = "stop" if self._recording else "record"
        self.record.setIcon(icon(name, self._colors))
        self.record.setChecked(self._recording)
        text = "Stop recording" if self._recording else "Record"
        told(self.record, text, with_key(text, "record"))


class MessageLine(QWidget):
    """One line: what was said last, and how fast it runs."""

    def __init__(self) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 3)
        layout.setSpacing(12)
        self.message = ElidedLabel("")
        self.message.setAccessibleName("Message")
        self.facts = QLabel("")
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self.facts.setAccessibleName("Speed")
        layout.addWidget(self.message, 1)
        layout.addWidget(self.facts)

    def say(self, text: str) -> None:
        """Show another message."""
        self.message.show_text(text)

    def show_status(self, status: Status, quiet_s: float | None = None) -> None:
        """Show how fast it runs.

        Args:
            status: How the session stands.
            quiet_s: How long no new picture has come, where one is due; neither rate nor age is
                shown then, as both are of the last one.
        """
        faults = sum(status.fault_counts.values())
        parts: list[str] = [status.state]
        if status.recording is not None:
            parts.insert(0, "RECORDING")
        if status.state == "playing":
            if quiet_s is None:
                parts += [f"{status.fps:.1f} frames/s", f"{status.age_ms:.0f} ms old"]
            else:
                parts.append(silent(quiet_s))
            parts += [f"{status.dropped} dropped"] if status.dropped else []
            parts += [f"{faults} faults"] if faults else []
            parts += [status.precision] if status.precision else []
        text = "   ".join(parts)
        if text != self.facts.text():
            self.facts.setText(text)
