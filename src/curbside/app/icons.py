"""The icons of the buttons, drawn here: no font and no icon theme is needed for them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

from .theme import Colors

__all__ = ["icon", "swatch"]

_SIDE = 24
_SHARP = 2  # pixels per unit, for dense screens


def icon(name: str, colors: Colors) -> QIcon:
    """An icon in the colours of a theme, for a button that is on, off or cannot be used.

    Args:
        name: `play`, `pause`, `step`, `record`, `stop`, `snapshot`, `panel`, `full`, `one`, `used`
            or `unused`.
        colors: The theme.
    """
    made = QIcon()
    for mode, state, color in (
        (QIcon.Mode.Normal, QIcon.State.Off, colors.alarm if name == "record" else colors.text),
        (QIcon.Mode.Normal, QIcon.State.On, colors.on_accent),
        (QIcon.Mode.Selected, QIcon.State.Off, colors.on_accent),
        (QIcon.Mode.Disabled, QIcon.State.Off, colors.off),
    ):
        made.addPixmap(_drawn(_SHAPES[name], QColor(color)), mode, state)
    return made


def swatch(color_rgb: tuple[int, int, int], line: str, *, side: int = 14) -> QIcon:
    """A patch of colour with a border."""
    pixmap = QPixmap(side * _SHARP, side * _SHARP)
    pixmap.setDevicePixelRatio(_SHARP)
    pixmap.fill(QColor(*color_rgb))
    painter = QPainter(pixmap)
    painter.setPen(QPen(QColor(line), 1))
    painter.drawRect(QRectF(0.5, 0.5, side - 1, side - 1))
    painter.end()
    return QIcon(pixmap)


def _drawn(shape: Callable[[QPainter], None], color: QColor) -> QPixmap:
    pixmap = QPixmap(_SIDE * _SHARP, _SIDE * _SHARP)
    pixmap.setDevicePixelRatio(_SHARP)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    shape(painter)
    painter.end()
    return pixmap


def _outlined(painter: QPainter) -> None:
    color = painter.brush().color()
    pen = QPen(color, 2)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _play(painter: QPainter) -> None:
    painter.drawPolygon(QPolygonF([QPointF(7, 4), QPointF(20, 12), QPointF(7, 20)]))


def _pause(painter: QPainter) -> None:
    painter.drawRect(QRectF(6, 5, 4, 14))
    painter.drawRect(QRectF(14, 5, 4, 14))


def _step(painter: QPainter) -> None:
    painter.drawRect(QRectF(5, 5, 3, 14))
    painter.drawPolygon(QPolygonF([QPointF(10, 5), QPointF(20, 12), QPointF(10, 19)]))


def _record(painter: QPainter) -> None:
    painter.drawEllipse(QRectF(5, 5, 14, 14))


def _stop(painter: QPainter) -> None:
    painter.drawRect(QRectF(6, 6, 12, 12))


def _snapshot(painter: QPainter) -> None:
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    path.addRoundedRect(QRectF(3, 7, 18, 13), 2, 2)
    path.addEllipse(QPointF(12, 13.5), 4.5, 4.5)
    painter.drawPath(path)
    painter.drawRect(QRectF(9, 4, 6, 4))
    painter.drawEllipse(QPointF(12, 13.5), 2.5, 2.5)


def _panel(painter: QPainter) -> None:
    painter.drawRect(QRectF(15, 6, 5, 12))
    _outlined(painter)
    painter.drawRect(QRectF(4, 5, 17, 14))


def _full(painter: QPainter) -> None:
    _outlined(painter)
    for x, y, right, down in ((4, 5, 1, 1), (20, 5, -1, 1), (4, 19, 1, -1), (20, 19, -1, -1)):
        painter.drawPolyline(
            QPolygonF([QPointF(x + 5 * right, y), QPointF(x, y), QPointF(x, y + 5 * down)])
        )


def _one(painter: QPainter) -> None:
    for left in (5.0, 17.0):
        painter.drawRect(QRectF(left, 5, 2.5, 14))
    painter.drawRect(QRectF(11, 8, 2.5, 2.5))
    painter.drawRect(QRectF(11, 14, 2.5, 2.5))


def _used(painter: QPainter) -> None:
    painter.drawEllipse(QRectF(7, 7, 10, 10))
    _outlined(painter)
    painter.drawEllipse(QRectF(4, 4, 16, 16))


def _unused(painter: QPainter) -> None:
    _outlined(painter)
    painter.drawEllipse(QRectF(4, 4, 16, 16))


_SHAPES: dict[str, Callable[[QPainter], None]] = {
    "play": _play,
    "pause": _pause,
    "step": _step,
    "record": _record,
    "stop": _stop,
    "snapshot": _snapshot,
    "panel": _panel,
    "full": _full,
    "one": _one,
    "used": _used,
    "unused": _unused,
}
