"""Small controls that several panels are made of."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

__all__ = [
    "ElidedLabel",
    "Options",
    "ShareSlider",
    "fill",
    "heading",
    "page",
    "plain",
    "row",
    "scrolled",
    "told",
]

_SETTLED_MS = 120
_STEPS = 100


def plain(text: str) -> str:
    """A tooltip that shows a text as it is written: Qt takes one with a tag in it for HTML.

    Args:
        text: May name files, streams and what went wrong, so that anything can be in it.
    """
    if "<" not in text:
        return text
    return f"<span style='white-space:pre-wrap'>{html.escape(text)}</span>"


def told(widget: QWidget, name: str, tip: str | None = None) -> None:
    """Name a control for screen readers, and say in its tooltip what it does."""
    widget.setAccessibleName(name)
    widget.setToolTip(tip or name)


def heading(text: str) -> QLabel:
    """A line above a group of controls."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", "heading")
    return label


def row(*widgets: QWidget, stretch: int | None = None) -> QHBoxLayout:
    """Controls in a row; `stretch` is the place of the one that takes what is left."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if place == stretch else 0)
    return layout


def scrolled(content: QWidget) -> QScrollArea:
    """A page that scrolls up and down where it does not fit, and follows the focus."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    return area


class ElidedLabel(QLabel):
    """One line of text that is cut with an ellipsis where it does not fit; its tooltip has all of it."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show another text."""
        if text != self.text() or not self.toolTip():
            self.setText(text)
            self.setToolTip(plain(text))

    def minimumSizeHint(self) -> QSize:
        """As high as a line, and as narrow as one likes."""
        return QSize(40, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much as fits."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        metrics = QFontMetrics(self.font())
        shown = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        flags = self.alignment() | Qt.TextFlag.TextSingleLine
        painter.drawText(self.rect(), int(flags), shown)


class ShareSlider(QWidget):
    """A share from 0 to 1 with its name and value; tells of it once it is settled.

    Args:
        name: What it is a share of.
        value: Where it begins.
        tip: What it does.
    """

    changed = Signal(float)

    def __init__(self, name: str, value: float, tip: str, *, label_width: int = 118) -> None:
        super().__init__()
        self._label = QLabel(name)
        self._label.setFixedWidth(label_width)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setSingleStep(1)
        self.slider.setPageStep(10)
        self.slider.setMinimumWidth(60)
        self._number = QLabel()
        self._number.setFixedWidth(34)
        self._number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        told(self.slider, name, tip)
        self._label.setToolTip(tip)
        self._label.setBuddy(self.slider)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._label)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self._number)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLED_MS)
        self._timer.timeout.connect(lambda: self.changed.emit(self.value))
        self.slider.valueChanged.connect(self._moved)
        self.set_value(value)

    @property
    def value(self) -> float:
        """The share."""
        return self.slider.value() / _STEPS

    def set_value(self, value: float) -> None:
        """Show another share without telling of it."""
        self.slider.blockSignals(True)
        self.slider.setValue(round(value * _STEPS))
        self.slider.blockSignals(False)
        self._number.setText(f"{self.value:.2f}")

    def _moved(self) -> None:
        self._number.setText(f"{self.value:.2f}")
        if not self._timer.isActive():
            self._timer.start()


class Options(QComboBox):
    """One of a few values, each with its words.

    Args:
        name: What is chosen.
        options: Values with their words.
        tip: What it does.
    """

    chosen = Signal(object)

    def __init__(self, name: str, options: Sequence[tuple[object, str]], tip: str = "") -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        told(self, name, tip or name)
        self._values: list[object] = []
        self.set_options(options)
        self.activated.connect(lambda place: self.chosen.emit(self._values[place]))

    @property
    def value(self) -> object:
        """The value chosen; None where there is none."""
        place = self.currentIndex()
        return self._values[place] if 0 <= place < len(self._values) else None

    def set_value(self, value: object) -> None:
        """Show another value without telling of it."""
        if value in self._values:
            self.setCurrentIndex(self._values.index(value))

    def set_options(self, options: Sequence[tuple[object, str]]) -> None:
        """Offer others; keeps the value where it is among them."""
        words = [text for _, text in options]
        if [self.itemText(place) for place in range(self.count())] == words:
            self._values = [value for value, _ in options]
            return
        before = self.value
        self.clear()
        self._values = [value for value, _ in options]
        self.addItems(words)
        self.set_value(before)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it, and the arrow that a style sheet leaves out."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(self.foregroundRole()))
        x, y = self.width() - 12.0, self.height() / 2 - 1.5
        corners = [QPointF(x - 4, y), QPointF(x + 4, y), QPointF(x, y + 5)]
        painter.drawPolygon(QPolygonF(corners))

    def enable(self, allowed: Sequence[object]) -> None:
        """Let only some of the values be chosen."""
        model = self.model()
        for place, value in enumerate(self._values):
            item = model.item(place)  # type: ignore[attr-defined]
            item.setEnabled(value in allowed)


def page(*, spacing: int = 6) -> tuple[QWidget, QVBoxLayout]:
    """A page of a panel, and its column."""
    widget = QWidget()
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(8, 8, 8, 6)
    layout.setSpacing(spacing)
    return widget, layout


def fill(panel: QWidget, content: QWidget) -> None:
    """Put a page into a panel, all of it."""
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(content)
