"""Frames per second and age over the last minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from .theme import Colors

__all__ = ["LivePlot", "ceiling"]

_SPAN_S = 60.0


def ceiling(highest: float) -> float:
    """The end of an axis: the lowest of 5, 10, 20, 50, 100 and so on that is not below the value."""
    end = 5.0
    while end < highest:
        digit = round(end / 10 ** (len(str(int(end))) - 1))
        end *= 2.5 if digit == 2 else 2.0
    return end


class LivePlot(QWidget):
    """Two lines over the last 60 seconds: frames per second (left) and age in milliseconds (right).

    Args:
        colors: Those of the theme.
        clock: Tells the time in seconds.
    """

    def __init__(self, colors: Colors, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.setAccessibleName("Frames per second and age over the last 60 seconds")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(84)
        self.colors = colors
        self._clock = clock
        self._points: deque[tuple[float, float, float]] = deque()

    def sizeHint(self) -> QSize:
        """A size to begin with."""
        return QSize(300, 120)

    @property
    def points(self) -> tuple[tuple[float, float, float], ...]:
        """Moment in seconds, frames per second, age in milliseconds; oldest first."""
        return tuple(self._points)

    def add(self, fps: float, age_ms: float) -> None:
        """Another moment; those older than a minute are forgotten."""
        now = self._clock()
        self._points.append((now, fps, age_ms))
        while self._points and now - self._points[0][0] > _SPAN_S:
            self._points.popleft()
        if self.isVisible():
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes and lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = painter.fontMetrics()
        side = metrics.horizontalAdvance("0000") + 6
        field = QRectF(self.rect()).adjusted(side, metrics.height() + 6, -side, -metrics.height())
        tops = [
            ceiling(max((point[which] for point in self._points), default=0)) for which in (1, 2)
        ]
        self._paint_axes(painter, field, tops)
        now = self._clock()
        for which, color in ((1, self.colors.first), (2, self.colors.second)):
            pairs = ((now - point[0], point[which] / tops[which - 1]) for point in self._points)
            self._paint_line(painter, field, pairs, color)

    def _paint_axes(self, painter: QPainter, field: QRectF, tops: list[float]) -> None:
        metrics = painter.fontMetrics()
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        center = Qt.AlignmentFlag.AlignVCenter
        for place in range(3):
            y = field.bottom() - field.height() * place / 2
            painter.setPen(QPen(QColor(self.colors.line), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(field.left(), y), QPointF(field.right(), y))
            high = metrics.height()
            box = QRectF(0, y - high / 2, field.left() - 4, high)
            painter.setPen(QColor(self.colors.first))
            painter.drawText(box, int(right | center), f"{tops[0] * place / 2:g}")
            box.moveLeft(field.right() + 4)
            painter.setPen(QColor(self.colors.second))
            painter.drawText(box, int(left | center), f"{tops[1] * place / 2:g}")
        titles = QRectF(0, 0, self.width(), metrics.height())
        painter.setPen(QColor(self.colors.first))
        painter.drawText(titles, int(left), "frames/s")
        painter.setPen(QColor(self.colors.second))
        painter.drawText(titles, int(right), "age, ms")
        painter.setPen(QColor(self.colors.faint))
        below = QRectF(field.left(), field.bottom() + 1, field.width(), metrics.height())
        painter.drawText(below, int(left), "60 s ago")
        painter.drawText(below, int(right), "now")

    def _paint_line(
        self, painter: QPainter, field: QRectF, pairs: Iterable[tuple[float, float]], color: str
    ) -> None:
        line = QPolygonF(
            [
                QPointF(
                    field.right() - field.width() * min(ago / _SPAN_S, 1.0),
                    field.bottom() - field.height() * share,
                )
                for ago, share in pairs
            ]
        )
        painter.setPen(QPen(QColor(color), 2))
        painter.drawPolyline(line)
