"""The picture: its aspect, the pixels of it, and how often it is painted."""

import numpy as np
import pytest
import qt_needed  # noqa: F401
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from curbside.app.picture import Picture, fitted, scaled
from curbside.app.plot import LivePlot, ceiling
from curbside.app.theme import DARK, LIGHT

RED, BLUE, GREEN = (40, 30, 220), (230, 60, 20), (30, 200, 60)  # BGR


def quarters(size_hw):
    """A picture of which every corner has another colour."""
    height, width = size_hw
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = BLUE
    picture[height // 2 :, : width // 2] = GREEN
    picture[height // 2 :, width // 2 :] = 250
    return picture


def pixels(widget) -> np.ndarray:
    """What is on a widget: (H, W, 3) uint8 BGR."""
    image = widget.grab().toImage().convertToFormat(widget.grab().toImage().Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)[..., :3].copy()


def lit(seen: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of what is no background."""
    rows = np.flatnonzero((seen.max(2) > 60).any(1))
    columns = np.flatnonzero((seen.max(2) > 60).any(0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


@pytest.fixture
def picture(application):
    widget = Picture()
    yield widget
    widget.close()
    widget.deleteLater()


@pytest.mark.parametrize("space", [(800, 480), (300, 500), (641, 401)])
@pytest.mark.parametrize("size_hw", [(72, 128), (120, 90), (33, 400)])
def test_it_keeps_its_aspect_in_the_middle_of_its_place(picture, space, size_hw):
    picture.resize(*space)
    picture.show_picture(quarters(size_hw), moving=False)
    seen = pixels(picture)
    top, bottom, left, right = lit(seen)
    height, width = size_hw
    assert (right - left) / (bottom - top) == pytest.approx(
        width / height, abs=0.02 * width / height
    )
    assert right - left == space[0] or bottom - top == space[1]  # as large as can be
    assert abs(top - (space[1] - bottom)) <= 1 and abs(left - (space[0] - right)) <= 1
    for (row, column), color in {
        (top + 2, left + 2): RED,
        (top + 2, right - 3): BLUE,
        (bottom - 3, left + 2): GREEN,
    }.items():
        assert np.abs(seen[row, column].astype(int) - color).max() <= 2


def test_pixel_by_pixel_shows_the_middle_and_can_be_pulled_to_the_border(picture):
    picture.resize(200, 100)
    source = np.random.default_rng(0).integers(0, 256, (300, 500, 3), np.uint8)
    picture.show_picture(source, moving=False)
    picture.one_to_one = True
    np.testing.assert_array_equal(pixels(picture), source[100:200, 150:350])
    picture.show()
    QTest.mousePress(picture, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    for step in range(2):
        QTest.mouseMove(picture, QPoint(400 + step, 300))
    QTest.mouseRelease(picture, Qt.MouseButton.LeftButton, pos=QPoint(400, 300))
    np.testing.assert_array_equal(pixels(picture), source[:100, :200])
    picture.one_to_one = False
    assert picture.target().height() == 100


def test_a_picture_of_its_own_size_is_painted_as_it_is_and_strides_do_not_matter(picture):
    whole = np.random.default_rng(1).integers(0, 256, (90, 200, 3), np.uint8)
    picture.resize(160, 90)
    picture.show_picture(whole[:, 20:180], moving=True)
    np.testing.assert_array_equal(pixels(picture), whole[:, 20:180])


def test_frames_that_come_faster_than_the_screen_are_not_all_painted(picture, until):
    picture.resize(160, 90)
    picture.show()
    until(lambda: picture.isVisible())
    before = picture.painted
    for number in range(200):
        picture.show_picture(np.full((90, 160, 3), number, np.uint8), moving=True)
    until(lambda: picture.painted > before and not picture._soon.isActive())
    assert picture.painted - before <= 3
    assert (pixels(picture) == 199).all()  # the newest


def test_small_and_fine_is_the_mean_of_what_it_covers():
    source = np.random.default_rng(2).integers(0, 256, (60, 80, 3), np.uint8)
    truth = source.reshape(20, 3, 20, 4, 3).mean((1, 3))
    assert np.abs(scaled(source, (20, 20), fine=True)[..., :3] - truth).max() <= 1
    assert fitted((72, 128), (480, 800)) == (450, 800)


@pytest.mark.parametrize(
    ("highest", "end"), [(0, 5), (5, 5), (5.1, 10), (21, 50), (51, 100), (700, 1000)]
)
def test_an_axis_ends_at_a_round_number(highest, end):
    assert ceiling(highest) == end


def test_the_plot_keeps_a_minute_and_draws_both_lines(application):
    now = [0.0]
    plot = LivePlot(DARK, clock=lambda: now[0])
    for _ in range(100):
        now[0] += 1.0
        plot.add(10.0, 35.0)
    assert [point[0] for point in plot.points] == list(range(40, 101))
    plot.resize(300, 120)
    seen = pixels(plot)[20:100, 40:260].reshape(-1, 3)
    for color in (DARK.first, DARK.second):
        bgr = [int(color[place : place + 2], 16) for place in (5, 3, 1)]
        assert (np.abs(seen.astype(int) - bgr).max(1) < 30).sum() > 150


def _luminance(color: str) -> float:
    """Relative luminance of sRGB, as WCAG 2 defines it."""
    values = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    high, low = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_text_can_be_read(colors):
    for ground in (colors.window, colors.panel, colors.raised):
        for text in (colors.text, colors.faint):
            assert _contrast(text, ground) >= 7  # WCAG AAA
        for mark in (colors.accent, colors.alarm, colors.first, colors.second):
            assert _contrast(mark, ground) >= 4.5
        assert _contrast(colors.line, ground) >= 2  # borders
    assert _contrast(colors.on_accent, colors.accent) >= 7
