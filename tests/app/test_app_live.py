"""The window around a real session: files, small networks, recordings; driven as a person does."""

import threading
import time
from functools import partial
from itertools import pairwise

import cv2
import numpy as np
import pytest
import qt_needed  # noqa: F401
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog
from tiny_joint import make_joint_onnx
from tiny_models import COLORS, write_clip
from tiny_scene import make_models

from curbside.app.catalogue import read_entries
from curbside.app.start import AppConfig, begin
from curbside.runtime.session import Session

FRAMES = 40  # 4 seconds at 10 per second


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    return write_clip(folder / "clip.mp4", frames=FRAMES), make_models(folder)


@pytest.fixture
def play(make_window, until, files):
    """Opens a window in which the clip plays through some of the networks."""

    def start(*used, watch=lambda shown: None, **config):
        clip, models = files

        def session(*, on_shown, on_change) -> Session:
            def both(shown) -> None:
                watch(shown)
                on_shown(shown)

            return Session(threads=1, on_shown=both, on_change=on_change)

        window = make_window(session)
        entries = read_entries(models)
        config = {"source": str(clip), "looping": True, **config}
        begin(window, AppConfig(**config), entries)
        until(lambda: in_use(window) is not None)
        for number in range(1, len(entries) + 1):
            if (number in used) != window.steering.choice.uses(entries[number - 1]):
                window.steering.toggle_number(number)
        until(lambda: window.mirror.status.frames > 1)
        until(lambda: in_use(window) == [entries[n - 1].path.stem for n in sorted(used)])
        return window

    return start


def in_use(window) -> list[str] | None:
    status = window.mirror.status
    ready = status.scene is not None and not status.loading
    return [path.stem for path in status.scene.models] if ready else None


def press(window, key, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window, key, modifiers)


@pytest.fixture
def after(until):
    """The picture that a change leads to, once nothing moves any more."""

    def picture(window, act) -> np.ndarray:
        last = [window.picture.picture_bgr, time.monotonic()]

        def still() -> bool:
            if window.picture.picture_bgr is not last[0]:
                last[:] = window.picture.picture_bgr, time.monotonic()
            return time.monotonic() - last[1] > 0.1

        until(still)
        before = last[0]
        act()
        until(lambda: window.picture.picture_bgr is not before)
        until(still)
        return window.picture.picture_bgr

    return picture


def frames_of(path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def test_a_file_is_picked_in_the_dialog_and_plays(make_window, until, files, application):
    clip, _ = files
    window = make_window(partial(Session, threads=1))
    press(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    (dialog,) = window.findChildren(QFileDialog)
    assert not dialog.isModal() or dialog.windowModality() == Qt.WindowModality.WindowModal
    dialog.filesSelected.emit([str(clip)])
    dialog.close()
    until(lambda: window.mirror.status.frames > 3)
    assert window.picture.picture_bgr.shape == (72, 96, 3)
    assert window.settings.folder("open") == clip.parent
    assert "clip.mp4" in window.mirror.status.source


def test_one_network_for_classes_and_depth_plays(make_window, until, files, tmp_path):
    clip, models = files
    joint = make_joint_onnx(tmp_path / "joint.onnx")
    window = make_window(partial(Session, threads=1))
    begin(window, AppConfig(source=str(clip), looping=True), read_entries([joint, models[3]]))
    until(lambda: in_use(window) == ["joint"] and window.mirror.status.frames > 1)
    assert window.mirror.status.views == ("frame", "semantic", "depth", "semantic+depth")
    assert all(window.models_panel.task_buttons[task].isChecked() for task in ("semantic", "depth"))
    (row,) = (i for i in window.models_panel._items if i.text(1) == "joint.onnx")
    assert row.text(2) == "classes + depth"
    press(window, Qt.Key.Key_B)
    until(lambda: (window.picture.picture_bgr[:18] == 24).all())  # above the two halves
    assert (window.picture.picture_bgr[18:54] != 24).any()
    press(window, Qt.Key.Key_2)  # the one for depth alone takes its place
    until(lambda: in_use(window) == ["depth"])
    assert not window.models_panel.task_buttons["semantic"].isChecked()


def test_a_model_chosen_while_the_source_opens_is_used(make_window, until, files):
    clip, models = files
    window = make_window(partial(Session, threads=1))
    window.steering.list_entries(read_entries(models))
    for number in (1, 3, 4):
        window.steering.toggle_number(number)
    window.steering.play(str(clip))
    until(lambda: window.steering.session.status().loading)
    window.steering.toggle_number(2)
    until(lambda: in_use(window) == ["second", "objects", "depth"])


def test_models_are_switched_while_it_plays_and_no_frame_is_lost(play, until):
    seen: list[int] = []
    window = play(1, watch=lambda shown: seen.append(shown.frame.index))
    for key, stems in (
        (Qt.Key.Key_2, ["second"]),
        (Qt.Key.Key_I, ["second", "objects"]),
        (Qt.Key.Key_4, ["second", "objects", "depth"]),
        (Qt.Key.Key_1, ["first", "objects", "depth"]),
        (Qt.Key.Key_I, ["first", "depth"]),
    ):
        press(window, key)
        until(lambda stems=stems: in_use(window) == stems)
    count = len(seen)
    until(lambda: len(seen) > count + 3)
    steps = {(later - earlier) % FRAMES for earlier, later in pairwise(seen)}
    assert steps <= {0, 1}, seen  # every frame of the file, in order, and at its end again
    assert not window.mirror.status.faults


def test_every_view_changes_the_picture_and_the_frame_is_the_clips(play, until, after, files):
    window = play(1, 3, 4)
    press(window, Qt.Key.Key_Space)
    until(lambda: window.mirror.status.state == "paused")
    until(lambda: set(window.mirror.status.views) >= {"panoptic", "depth", "confidence"})
    pictures = {}
    for view, key in {
        "frame": Qt.Key.Key_F2,
        "semantic": Qt.Key.Key_F3,
        "instances": Qt.Key.Key_F4,
        "panoptic": Qt.Key.Key_F5,
        "depth": Qt.Key.Key_F6,
        "confidence": Qt.Key.Key_F7,
        "disagreement": Qt.Key.Key_F8,
    }.items():
        pictures[view] = after(window, partial(press, window, key))
        assert window.steering.view.view == view
    frame = frames_of(files[0])[round(window.mirror.status.position_s * 10)]
    assert np.abs(pictures["frame"].astype(int) - frame).mean() < 3
    flat = [pictures[view].tobytes() for view in pictures]
    assert len(set(flat)) == len(flat)


def test_overlay_and_hidden_classes_reach_the_pixels(play, until, after):
    window = play(2)
    press(window, Qt.Key.Key_Space)
    until(lambda: window.mirror.status.state == "paused")
    window.tabs.setCurrentWidget(window.view_panel)
    window.mirror.refresh()

    def shown_after(act):
        return after(window, act).reshape(-1, 3)

    pure = shown_after(lambda: window.view_panel.alpha.slider.setValue(100))
    colors = {tuple(color[::-1]) for color in COLORS}
    there = {tuple(pixel) for pixel in pure.tolist()}
    assert there <= colors and len(there) > 1
    first = sorted(there)[0]
    row = next(n for n, color in enumerate(COLORS) if tuple(color[::-1]) == first)
    item = window.view_panel.classes.item(row)
    less = shown_after(lambda: item.setCheckState(Qt.CheckState.Unchecked))
    assert not (less == first).all(1).any()
    none = shown_after(window.view_panel.none_button.click)
    frame = shown_after(lambda: press(window, Qt.Key.Key_F2))
    np.testing.assert_array_equal(none, frame)


def test_two_models_stand_side_by_side_with_their_names(play, until):
    window = play(1)
    press(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    until(lambda: window.picture.picture_bgr.shape == (72, 192, 3))
    until(lambda: window.picture._captions == ("first", "second"))
    target = window.picture.target()
    assert target.width() / target.height() == pytest.approx(192 / 72, rel=0.01)
    press(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    until(lambda: window.picture.picture_bgr.shape == (72, 96, 3))
    assert window.picture._captions == ()


def test_what_is_recorded_and_written_can_be_read(play, until, tmp_path):
    window = play(1, save=tmp_path)
    press(window, Qt.Key.Key_R)
    until(lambda: window.mirror.status.recording is not None)
    start = window.mirror.status.frames
    until(lambda: window.mirror.status.frames >= start + 6)
    press(window, Qt.Key.Key_R)
    until(lambda: list(tmp_path.glob("curbside-*.mp4")))
    (video,) = tmp_path.glob("curbside-*.mp4")
    assert len(frames_of(video)) >= 5 and frames_of(video)[0].shape == (72, 96, 3)
    press(window, Qt.Key.Key_Space)
    until(lambda: window.mirror.status.state == "paused")
    session = window.steering.session
    until(lambda: not session._run.pipeline.on_their_way)
    until(lambda: window.picture.picture_bgr is session.latest.picture_bgr)
    QTest.mouseClick(window.transport.snapshot, Qt.MouseButton.LeftButton)
    until(lambda: list(tmp_path.glob("*.png")))
    (picture,) = tmp_path.glob("*.png")
    np.testing.assert_array_equal(cv2.imread(str(picture)), window.picture.picture_bgr)
    until(lambda: str(picture) in window.line.message.text())


def test_step_seek_and_the_end(play, until):
    window = play(2, looping=False)
    press(window, Qt.Key.Key_Space)
    until(lambda: window.mirror.status.state == "paused")
    bar = window.transport.seek
    until(lambda: bar.maximum() > 0)
    x = round(bar.width() * 0.5)
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(x, bar.height() // 2))
    until(lambda: abs(window.mirror.status.position_s - 2.0) < 0.25)
    at = window.mirror.status.position_s
    press(window, Qt.Key.Key_Period)
    until(lambda: window.mirror.status.position_s == pytest.approx(at + 0.1, abs=0.01))
    press(window, Qt.Key.Key_Right)  # 5 seconds: stops before the end
    until(lambda: window.mirror.status.position_s > 3.6)
    press(window, Qt.Key.Key_Space)
    until(lambda: window.mirror.status.state == "ended")
    assert not window.picture._moving
    press(window, Qt.Key.Key_Space)
    until(lambda: window.mirror.status.state == "playing" and window.mirror.status.position_s < 1)


def test_a_bad_source_and_a_bad_model_are_a_line_and_nothing_stops(play, until, tmp_path):
    window = play(1)
    bad = tmp_path / "bad.onnx"
    good = window.steering.entries[1].path.read_bytes()
    bad.write_bytes(good)
    window.commands.add_models([bad])
    until(lambda: len(window.steering.entries) == 5)
    bad.write_bytes(good[: len(good) // 2])
    press(window, Qt.Key.Key_5)
    until(lambda: "bad.onnx" in window.line.message.text() and in_use(window) == ["first"])
    assert window.steering.choice.models == (window.steering.entries[0].path,)
    frames = window.mirror.status.frames
    until(lambda: window.mirror.status.frames > frames)
    window.steering.play(str(tmp_path / "none.mp4"))
    until(lambda: "none.mp4 does not exist" in window.line.message.text())
    assert window.mirror.status.state == "failed" and window.picture.picture_bgr is None
    assert QApplication.activeModalWidget() is None
    window.steering.play("rtsp://me:secret@127.0.0.1:1/road")
    until(lambda: "127.0.0.1:1" in window.line.message.text())
    assert window.mirror.status.source == "rtsp://127.0.0.1:1/road"


def test_closing_while_busy_leaves_no_thread(play, until, tmp_path):
    window = play(1, 3, 4, save=tmp_path)
    press(window, Qt.Key.Key_R)
    until(lambda: window.mirror.status.recording is not None)
    frames = window.mirror.status.frames
    until(lambda: window.mirror.status.frames > frames + 3)
    press(window, Qt.Key.Key_2)
    window.close()
    assert window.isHidden()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("curbside")])
    (video,) = tmp_path.glob("curbside-*.mp4")
    assert len(frames_of(video)) >= 3
