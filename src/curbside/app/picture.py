"""The picture: at its aspect, scaled once, only the newest one drawn."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

__all__ = ["Picture", "fitted", "scaled"]

_BLACK = QColor("#0b0d0f")
_CAPTION = QColor(0, 0, 0, 170)
_DIM = QColor(0, 0, 0, 110)
_INK = QColor("#f2f5f7")


def fitted(picture_hw: tuple[int, int], space_hw: tuple[int, int]) -> tuple[int, int]:
    """The largest size at the picture's aspect that fits into a space.

    Args:
        picture_hw: Height and width of the picture in pixels.
        space_hw: Height and width of the space.
    """
    height, width = picture_hw
    share = min(space_hw[0] / height, space_hw[1] / width)
    return max(1, round(height * share)), max(1, round(width * share))


def scaled(picture_bgr: np.ndarray, size_hw: tuple[int, int], *, fine: bool) -> np.ndarray:
    """A picture at another size, as Qt's RGB32 holds it.

    OpenCV scales and widens 1280 x 720 to 920 x 517 in 1.2 ms of a core, Qt's smooth way with a BGR
    picture takes 3.3 ms and its coarse one 1.1 ms; averaging areas takes 6.6 ms and is for pictures
    that stand still.

    Args:
        picture_bgr: (H, W, 3) uint8.
        size_hw: Height and width to reach.
        fine: Average areas where it gets smaller.

    Returns:
        (h, w, 4) uint8: blue, green, red, 255.
    """
    height, width = size_hw
    if picture_bgr.shape[:2] != size_hw:
        smaller = height < picture_bgr.shape[0]
        way = cv2.INTER_AREA if fine and smaller else cv2.INTER_LINEAR
        picture_bgr = cv2.resize(picture_bgr, (width, height), interpolation=way)
    return cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2BGRA)


class Picture(QWidget):
    """Shows pictures at their aspect, whole or pixel by pixel.

    A picture that comes before the one before it was painted takes its place: pictures are never
    painted more often than the screen shows them.
    """

    double_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Picture")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 90)
        self._picture_bgr: np.ndarray | None = None
        self._buffer: np.ndarray | None = None  # what the image below shows: Qt keeps no reference
        self._image: QImage | None = None
        self._moving = False
        self._one_to_one = False
        self._offset = QPoint()
        self._grabbed: QPoint | None = None
        self._captions: tuple[str, ...] = ()
        self._hint: tuple[str, ...] = ()
        self._notice = ""
        self._painted, self._painted_s = QRect(), 0.0
        self.painted = 0
        """Pictures that were painted."""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setTimerType(Qt.TimerType.PreciseTimer)
        self._soon.timeout.connect(self._repaint_soon)

    def sizeHint(self) -> QSize:
        """A size to begin with."""
        return QSize(640, 360)

    @property
    def picture_bgr(self) -> np.ndarray | None:
        """What is shown, (H, W, 3) uint8."""
        return self._picture_bgr

    def show_picture(self, picture_bgr: np.ndarray, *, moving: bool) -> None:
        """Show another picture soon.

        Args:
            picture_bgr: (H, W, 3) uint8; it is kept, and must not be changed afterwards.
            moving: Whether another will follow soon, so that it need not be fine.
        """
        self._picture_bgr, self._moving = picture_bgr, moving
        self._forget()
        wait_s = self._painted_s + self._interval_s() - time.monotonic()
        if not moving or wait_s <= 0:
            self._soon.stop()
            self._repaint_soon()
        elif not self._soon.isActive():
            self._soon.start(max(1, round(wait_s * 1e3)))

    def stand_still(self) -> None:
        """No other picture follows for now: show this one as finely as can be."""
        if self._moving and self._picture_bgr is not None:
            self.show_picture(self._picture_bgr, moving=False)

    def clear(self, *hint: str) -> None:
        """Show no picture, and lines of text instead."""
        if self._picture_bgr is not None or hint != self._hint:
            self._picture_bgr, self._hint = None, hint
            self._forget()
            self.update()

    def show_captions(self, captions: Sequence[str]) -> None:
        """Name the parts of a picture that stand side by side; none where it is one."""
        if tuple(captions) != self._captions:
            self._captions = tuple(captions)
            self.update()

    @property
    def notice(self) -> str:
        """What is said in the middle of the picture."""
        return self._notice

    def show_notice(self, text: str) -> None:
        """Say something in the middle of the picture that changes what it means; nothing where empty."""
        if text != self._notice:
            self._notice = text
            self.update()

    @property
    def one_to_one(self) -> bool:
        """Whether a pixel of the picture is one of the screen; else the whole picture is seen."""
        return self._one_to_one

    @one_to_one.setter
    def one_to_one(self, wanted: bool) -> None:
        self._one_to_one, self._offset = wanted, QPoint()
        self.setCursor(Qt.CursorShape.OpenHandCursor if wanted else Qt.CursorShape.ArrowCursor)
        self._forget()
        self.update()

    def target(self) -> QRect:
        """Where the picture stands in the widget, in its units; it may reach outside."""
        if self._picture_bgr is None:
            return QRect()
        ratio = self.devicePixelRatio()
        height, width = self._picture_bgr.shape[:2]
        if self._one_to_one:
            size = QSize(round(width / ratio), round(height / ratio))
            rect = QRect(QPoint(), size)
            rect.moveCenter(self.rect().center() + self._kept_inside(size))
            return rect
        tall, wide = fitted((height, width), (self.height(), self.width()))
        return QRect((self.width() - wide) // 2, (self.height() - tall) // 2, wide, tall)

    def _kept_inside(self, size: QSize) -> QPoint:
        """How far a large picture was pulled aside, but not past its border."""
        room_x = max(0, (size.width() - self.width()) // 2)
        room_y = max(0, (size.height() - self.height()) // 2)
        return QPoint(
            max(-room_x, min(room_x, self._offset.x())), max(-room_y, min(room_y, self._offset.y()))
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the newest picture."""
        painter = QPainter(self)
        target = self.target()
        visible = target.intersected(self.rect())
        if not visible.contains(event.rect()):
            self._paint_margins(painter, visible)
        if self._picture_bgr is None:
            self._paint_hint(painter)
            return
        if self._image is None:
            self._image = self._made(target, visible)
            self.painted += 1
        painter.drawImage(visible.topLeft(), self._image)
        self._paint_captions(painter, target)
        self._paint_notice(painter, visible)
        self._painted, self._painted_s = visible, time.monotonic()

    def _paint_margins(self, painter: QPainter, visible: QRect) -> None:
        width, height = self.width(), self.height()
        if visible.isEmpty():
            painter.fillRect(self.rect(), _BLACK)
            return
        left, top, right, bottom = (
            visible.left(),
            visible.top(),
            visible.right() + 1,
            visible.bottom() + 1,
        )
        painter.fillRect(0, 0, width, top, _BLACK)
        painter.fillRect(0, bottom, width, height - bottom, _BLACK)
        painter.fillRect(0, top, left, bottom - top, _BLACK)
        painter.fillRect(right, top, width - right, bottom - top, _BLACK)

    def _repaint_soon(self) -> None:
        """Paint the place of the picture, and all of it where that was another."""
        visible = self.target().intersected(self.rect())
        self.update(visible) if visible == self._painted else self.update()

    def _made(self, target: QRect, visible: QRect) -> QImage:
        """The part of the picture that is seen, at the size of the screen's pixels."""
        assert self._picture_bgr is not None
        picture, ratio = self._picture_bgr, self.devicePixelRatio()
        if self._one_to_one:
            left = round((visible.left() - target.left()) * ratio)
            top = round((visible.top() - target.top()) * ratio)
            wide, tall = round(visible.width() * ratio), round(visible.height() * ratio)
            picture = picture[top : top + tall, left : left + wide]
            size = picture.shape[0], picture.shape[1]
        else:
            size = round(target.height() * ratio), round(target.width() * ratio)
        self._buffer = scaled(picture, size, fine=not self._moving)
        height, width = self._buffer.shape[:2]
        image = QImage(
            self._buffer.data, width, height, self._buffer.strides[0], QImage.Format.Format_RGB32
        )
        image.setDevicePixelRatio(ratio)
        return image

    def _paint_hint(self, painter: QPainter) -> None:
        painter.setPen(_INK)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.2)
        painter.setFont(font)
        flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
        painter.drawText(self.rect().adjusted(16, 16, -16, -16), flags, "\n".join(self._hint))

    def _paint_captions(self, painter: QPainter, target: QRect) -> None:
        if not self._captions:
            return
        wide = target.width() / len(self._captions)
        metrics = painter.fontMetrics()
        for place, text in enumerate(self._captions):
            room = round(wide) - 16
            text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
            box = QRect(0, 0, metrics.horizontalAdvance(text) + 12, metrics.height() + 6)
            box.moveTopLeft(target.topLeft() + QPoint(round(place * wide) + 4, 4))
            painter.fillRect(box, _CAPTION)
            painter.setPen(_INK)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    def _paint_notice(self, painter: QPainter, visible: QRect) -> None:
        if not self._notice:
            return
        painter.fillRect(visible, _DIM)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.4)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        text = metrics.elidedText(self._notice, Qt.TextElideMode.ElideRight, visible.width() - 24)
        box = QRect(0, 0, metrics.horizontalAdvance(text) + 24, metrics.height() + 12)
        box.moveCenter(visible.center())
        painter.fillRect(box, _CAPTION)
        painter.setPen(_INK)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    def _forget(self) -> None:
        self._image = None

    def _interval_s(self) -> float:
        screen = self.screen()
        rate = 60.0 if screen is None else screen.refreshRate()
        return 1.0 / min(max(rate, 20.0), 240.0)

    def resizeEvent(self, event: object) -> None:
        """Scale anew."""
        self._forget()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Tell of it."""
        self.double_clicked.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of a picture that is larger than its place."""
        self._grabbed = event.position().toPoint() - self._offset

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pull it aside."""
        if self._one_to_one and self._grabbed is not None:
            self._offset = event.position().toPoint() - self._grabbed
            self._forget()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._grabbed = None
