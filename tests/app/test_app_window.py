"""The window around a session that does what it is told to: every control, every key, every size."""

import threading
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import qt_needed  # noqa: F401
from fake_session import FakeSession
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QComboBox,
    QLineEdit,
    QScrollArea,
    QTabBar,
    QTextEdit,
    QWidget,
)
from tiny_models import SPACE
from tiny_scene import make_models

from curbside.app import commands as app_commands
from curbside.app.catalogue import ModelEntry, read_entries
from curbside.app.device_state import in_words
from curbside.app.keys import KEYS, KeyTable, key_rows
from curbside.errors import SourceError
from curbside.hardware import Condition, Memory, Temperature, Throttling
from curbside.metrics.timing import LatencySummary
from curbside.runtime import Fault
from curbside.runtime.sources import Found, Mode

ROOT = Path(__file__).resolve().parents[2]
ALL_VIEWS = (
    "frame",
    "semantic",
    "instances",
    "panoptic",
    "depth",
    "semantic+depth",
    "confidence",
    "disagreement",
)
CONTROLS = (QAbstractButton, QAbstractItemView, QAbstractSlider, QComboBox, QLineEdit, QTextEdit)


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    bad = folder / "a name that is far too long for a list at the side of a picture.onnx"
    bad.write_bytes(b"no model")
    return read_entries([*make_models(folder), bad])


@pytest.fixture
def window(make_window, entries):
    return make_window(entries=entries)


def press(window, key, modifiers=Qt.KeyboardModifier.NoModifier, widget=None):
    QTest.keyClick(widget or window.focusWidget() or window, key, modifiers)


def full_status(session):
    """As much on show as there can be."""
    faults = tuple(
        Fault(
            stage="network", error=SourceError("the network failed " * 9, fix=""), action="left out"
        )
        for _ in range(120)
    )
    stages = ("capture", "prepare", "network", "decode", "draw", "write", "latency")
    summary = LatencySummary(count=9, mean_ms=1234.5, p50_ms=1234.5, p95_ms=1234.5, p99_ms=1234.5)
    session.tell(
        state="playing",
        source="a street of a name that is far too long for any line " * 3,
        seekable=True,
        duration_s=36_000.0,
        position_s=35_999.9,
        space=SPACE,
        views=ALL_VIEWS,
        precision="int8 on CPU + bf16 on CUDA",
        fps=1234.5,
        age_ms=12345.6,
        frames=10**7,
        dropped=123_456,
        late=123_456,
        stages=dict.fromkeys(stages, summary),
        faults=faults,
        fault_counts={"network": 120, "capture": 3},
        recording=Path("/somewhere/else"),
        message="a message that is far too long for a line " * 4,
        messages=1,
    )


def controls(window) -> list[QWidget]:
    """Everything that can be used with the mouse and is not put away."""
    found = [w for kind in CONTROLS for w in window.findChildren(kind) if w.isVisible()]
    inner = (QTabBar, QComboBox, QAbstractItemView)
    return [w for w in dict.fromkeys(found) if not _inside_another(w, inner)]


def _inside_another(widget, kinds) -> bool:
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, (*kinds, QTextEdit, QLineEdit)):
            return True
        if isinstance(parent, QScrollArea) and isinstance(widget, QAbstractSlider):
            return widget in (parent.verticalScrollBar(), parent.horizontalScrollBar())
        parent = parent.parentWidget()
    return False


def place(widget, window) -> QRect:
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())


def area_of(widget) -> QScrollArea | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    return parent


@pytest.mark.parametrize("size", [(800, 480), (1280, 800)])
def test_nothing_is_cut_off_or_overlaps_on_any_page(make_window, entries, application, size):
    window = make_window(entries=entries, size=size)
    session = window.steering.session
    full_status(session)
    devices = [Mode(1920, 1080, (30.0, 5.0), "MJPG")]
    window.source_panel.show_found([Found("/dev/video0", "A camera " * 9, "v4l2", tuple(devices))])
    if window.tabs.isHidden():
        window.toggle_panel()
    application.processEvents()
    assert (window.width(), window.height()) == size  # nothing made it grow
    seen = set()
    for panel in window.panels:
        window.tabs.setCurrentWidget(panel)
        window.mirror.refresh()
        application.processEvents()
        there = controls(window)
        assert len(there) > 8
        seen.update(there)
        for widget in there:
            area = area_of(widget)
            if area is not None:
                area.ensureWidgetVisible(widget, 0, 0)
                visible = place(area.viewport(), window)
            else:
                visible = window.rect()
            name = widget.accessibleName() or type(widget).__name__
            assert visible.contains(place(widget, window)), f"{name} is cut off"
            least = widget.minimumSizeHint()
            if isinstance(widget, QAbstractButton):
                assert widget.width() >= least.width() and widget.height() >= least.height(), name
        for one, other in combinations(there, 2):
            if area_of(one) is area_of(other):
                overlap = place(one, window).intersected(place(other, window))
                assert overlap.isEmpty(), (one.accessibleName(), other.accessibleName(), overlap)
    assert len(seen) > 45


def test_every_control_has_a_name_and_a_tooltip_and_can_be_reached_by_tab(window, application):
    full_status(window.steering.session)
    window.source_panel.show_found(
        [Found("synthetic", "drawn", "synthetic", (Mode(64, 48, (), ""),))]
    )
    for panel in window.panels:
        window.tabs.setCurrentWidget(panel)
        window.mirror.refresh()
        application.processEvents()
        reached = set()
        window.picture.setFocus()
        for _ in range(120):
            reached.add(window.focusWidget())
            window.focusNextChild()
        for widget in controls(window):
            name = widget.accessibleName()
            assert name and widget.toolTip(), widget
            if widget.isEnabled() and not isinstance(widget.parentWidget(), QTabBar):
                assert widget in reached, f"{name} cannot be reached by Tab"


def test_every_action_has_a_key_of_its_own_and_the_guide_lists_them(window):
    keys = [key for item in KEYS for key in item.keys]
    assert len(set(keys)) == len(keys)
    assert set(window.actions_by_name) == {item.name for item in KEYS}
    for item in KEYS:
        shown = [s.toString() for s in window.actions_by_name[item.name].shortcuts()]
        assert len(shown) == len(item.keys) and all(shown)
    table = KeyTable(window)
    assert table.width() <= window.width()
    guide = (ROOT / "docs" / "app.md").read_text(encoding="utf-8")
    for shown, text in key_rows():
        assert f"| {shown} | {text} |" in guide.replace("`", "")


def test_a_key_does_what_it_says(window):
    session = window.steering.session
    facts = {
        "state": "playing",
        "source": "s",
        "seekable": True,
        "duration_s": 60.0,
        "position_s": 30.0,
    }
    keys, control = Qt.Key, Qt.KeyboardModifier.ControlModifier
    for key, modifiers, called in (
        (keys.Key_Space, None, "pause"),
        (keys.Key_K, None, "pause"),
        (keys.Key_Period, None, "step"),
        (keys.Key_N, None, "step"),
        (keys.Key_Right, None, "seek"),
        (keys.Key_Left, None, "seek"),
        (keys.Key_Home, None, "seek"),
        (keys.Key_1, None, "use"),
        (keys.Key_3, None, "use"),
        (keys.Key_2, control, "use"),
        (keys.Key_C, None, "use"),
        (keys.Key_I, None, "use"),
        (keys.Key_D, None, "use"),
        (keys.Key_V, None, "show"),
        (keys.Key_V, Qt.KeyboardModifier.ShiftModifier, "show"),
        (keys.Key_F6, None, "show"),
        (keys.Key_B, None, "show"),
        (keys.Key_Plus, None, "show"),
        (keys.Key_Minus, None, "show"),
        (keys.Key_G, None, "show"),
    ):
        session.tell(views=ALL_VIEWS, **facts)
        session.calls.clear()
        press(window, key, modifiers or Qt.KeyboardModifier.NoModifier)
        assert session.names() == [called], key
    for key, seen in (
        (keys.Key_L, lambda: session.looping),
        (keys.Key_E, lambda: not session.every_frame),
        (keys.Key_Z, lambda: window.picture.one_to_one and window.transport.one.isChecked()),
        (keys.Key_P, lambda: window.tabs.isHidden()),
        (keys.Key_F, lambda: window.isFullScreen()),
    ):
        press(window, key)
        assert seen(), key


def test_seeking_goes_five_seconds_and_stays_inside(window):
    session = window.steering.session
    session.tell(state="paused", source="s", seekable=True, duration_s=8.0, position_s=4.0)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Left):
        press(window, key)
    moments = [arguments[0] for name, arguments in session.calls if name == "seek"]
    assert moments == [pytest.approx(7.75), pytest.approx(2.75), 0.0]
    session.tell(seekable=False)
    press(window, Qt.Key.Key_Right)
    assert len([name for name in session.names() if name == "seek"]) == 3


def test_clicking_the_bar_jumps_there(window, application):
    session = window.steering.session
    session.tell(state="playing", source="s", seekable=True, duration_s=10.0)
    window.mirror.refresh()
    bar = window.transport.seek
    QTest.mouseClick(
        bar, Qt.MouseButton.LeftButton, pos=QPoint(round(bar.width() * 0.75), bar.height() // 2)
    )
    assert session.calls[-1][0] == "seek"
    assert session.calls[-1][1][0] == pytest.approx(7.5, abs=0.3)


def test_a_click_on_the_bar_is_one_jump_and_pulling_it_follows(window):
    session = window.steering.session
    session.tell(state="paused", source="s", seekable=True, duration_s=100.0)
    window.mirror.refresh()
    bar, left = window.transport.seek, Qt.MouseButton.LeftButton
    y, none = bar.height() // 2, Qt.KeyboardModifier.NoModifier

    def asked():
        return [arguments[0] for name, arguments in session.calls if name == "seek"]

    def at(share):
        return QPoint(round(bar.width() * share), y)

    for count, share in enumerate((0.2, 0.5, 0.9), start=1):
        QTest.mouseClick(bar, left, none, at(share))
        assert len(asked()) == count and asked()[-1] == pytest.approx(100 * share, abs=2)
    session.calls.clear()
    QTest.mousePress(bar, left, none, at(0.3))
    QTest.mouseMove(bar, at(0.6))
    session.tell(position_s=30.0)
    window.mirror.refresh()  # does not pull it back
    QTest.mouseRelease(bar, left, none, at(0.6))
    assert asked() == [pytest.approx(30, abs=2), pytest.approx(60, abs=2)]
    assert not bar.isSliderDown()
    session.calls.clear()
    before = bar.value()
    press(window, Qt.Key.Key_Right, widget=bar)
    assert asked() == [pytest.approx(before / 100 + 5)] and "5 seconds" in bar.toolTip()


def test_the_keys_are_one_table_however_often_they_are_asked_for(window, application):
    for _ in range(3):
        window.actions_by_name["keys"].trigger()
        (table,) = window.findChildren(KeyTable)
        assert table.isVisible()
        table.close()


def test_space_presses_the_button_that_has_the_focus_and_plays_elsewhere(window):
    session = window.steering.session
    session.tell(state="playing", source="s")
    window.tabs.setCurrentWidget(window.source_panel)
    box = window.source_panel.loop_box
    box.setFocus()
    press(window, Qt.Key.Key_Space)
    assert session.looping and "pause" not in session.names()
    window.picture.setFocus()
    press(window, Qt.Key.Key_Space)
    assert session.names()[-1] == "pause"


def test_letters_are_typed_into_the_address_and_do_nothing_else(window):
    session = window.steering.session
    press(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    address = window.source_panel.address
    assert window.focusWidget() is address
    session.calls.clear()
    QTest.keyClicks(address, "rtsp://kid:1/v")
    assert session.names() == []
    press(window, Qt.Key.Key_Return)
    assert session.calls == [("play", ("rtsp://kid:1/v",))]


def test_a_camera_is_picked_with_its_size(window):
    modes = (Mode(640, 480, (30.0,), "YUYV"), Mode(1280, 720, (30.0, 5.0), "MJPG"))
    panel = window.source_panel
    panel.show_found(
        [Found("synthetic", "drawn", "synthetic"), Found("/dev/video0", "cam", "v4l2", modes)]
    )
    panel.list.setCurrentRow(1)
    panel.modes.setCurrentIndex(2)
    panel.play_button.click()
    spec = "/dev/video0?width=1280&height=720&fps=30&format=MJPG"
    assert window.steering.session.calls[-1] == ("play", (spec,))
    panel.list.setCurrentRow(0)
    assert not panel.modes.isEnabled()
    press(window, Qt.Key.Key_Return, widget=panel.list)
    assert window.steering.session.calls[-1] == ("play", ("synthetic",))


def test_cameras_are_looked_for_in_a_thread_of_their_own(window, until, monkeypatch):
    go_on, threads = threading.Event(), []

    def slow():
        threads.append(threading.current_thread())
        go_on.wait(5)
        return [Found("synthetic", "drawn", "synthetic")]

    monkeypatch.setattr(app_commands, "find_sources", slow)
    panel = window.source_panel
    panel.refresh_button.click()
    until(lambda: threads)
    assert not panel.refresh_button.isEnabled() and panel.list.count() == 0
    go_on.set()
    until(lambda: panel.list.count() == 1)
    assert threads[0] is not threading.main_thread() and panel.refresh_button.isEnabled()
    monkeypatch.setattr(app_commands, "find_sources", lambda: 1 / 0)
    press(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    until(lambda: "division" in window.line.message.text())


def used(window) -> list[str]:
    scene = window.steering.session.state.wanted
    return [path.stem for path in scene.models]


def test_models_are_used_by_a_click_and_a_number(window, entries, application):
    window.tabs.setCurrentWidget(window.models_panel)
    application.processEvents()
    tree, session = window.models_panel.tree, window.steering.session

    def click(row, column=1):
        item = tree.topLevelItem(row)
        rect = tree.visualItemRect(item)
        x = tree.header().sectionViewportPosition(column) + 10
        QTest.mouseClick(
            tree.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, rect.center().y())
        )

    click(0)
    assert used(window) == ["first"]
    click(2)
    assert used(window) == ["first", "objects"]
    press(window, Qt.Key.Key_2, widget=window.picture)
    assert used(window) == ["second", "objects"]
    count = len(session.calls)
    click(1)  # a look at the one in use does not end it
    assert len(session.calls) == count
    assert "the second" in window.models_panel.details.toPlainText()
    click(1, column=0)  # its mark does
    assert used(window) == ["objects"]
    window.models_panel.task_buttons["instances"].click()
    assert used(window) == []
    window.models_panel.task_buttons["semantic"].click()
    assert used(window) == ["second"]
    click(4)  # unusable: the reason is said, in one line
    assert used(window) == ["second"] and "no ONNX file" in window.line.message.text()
    item = tree.topLevelItem(4)
    assert "no ONNX file" in item.toolTip(1) and item.text(0) == ""
    tree.setFocus()
    tree.setCurrentItem(tree.topLevelItem(3))
    press(window, Qt.Key.Key_Return, widget=tree)
    assert used(window) == ["second", "depth"]


def test_a_model_beside_exchanges_the_one_of_its_task(window, entries):
    for number in (1, 3):
        window.steering.toggle_number(number)
    window.models_panel.beside.setCurrentIndex(2)
    window.models_panel.beside.activated.emit(2)
    scene, beside = window.steering.session.calls[-1][1]
    assert [path.stem for path in scene.models] == ["first", "objects"]
    assert [path.stem for path in beside.models] == ["second", "objects"]
    press(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.steering.session.calls[-1][1][1] is None


def test_a_model_that_cannot_be_loaded_is_not_shown_as_used(window):
    window.steering.toggle_number(1)
    first = window.steering.session.state.wanted
    window.steering.toggle_number(2)
    window.steering.session.tell(
        wanted=first, message="second.onnx is damaged; fetch it", messages=1
    )
    window.mirror.refresh()
    assert window.steering.choice.models == first.models
    assert window.line.message.text() == "second.onnx is damaged; fetch it"


def test_more_models_can_be_listed_while_it_runs(window, until, tmp_path):
    (more,) = make_models(tmp_path)[:1]
    before = len(window.steering.entries)
    window.commands.add_models([more, window.steering.entries[0].path])
    until(lambda: len(window.steering.entries) == before + 1)
    assert window.models_panel.tree.topLevelItemCount() == before + 1
    assert window.steering.entries[-1].problem  # what cannot be used stays last
    window.commands.add_model_folder(tmp_path / "none")
    until(lambda: "is no folder" in window.line.message.text())


def test_only_views_that_there_are_can_be_chosen(window):
    session, panel = window.steering.session, window.view_panel
    session.tell(state="playing", source="s", views=("frame", "semantic", "confidence"))
    window.mirror.refresh()
    enabled = {view for view, button in panel.buttons.items() if button.isEnabled()}
    assert enabled == {None, "frame", "semantic", "confidence"}
    assert panel.buttons[None].isChecked()
    panel.buttons["confidence"].click()
    assert session.view.view == "confidence" and window.transport.view.value == "confidence"
    press(window, Qt.Key.Key_F5)
    assert session.view.view == "confidence"
    assert "cannot be shown" in window.line.message.text()
    seen = []
    for _ in range(4):
        press(window, Qt.Key.Key_V)
        seen.append(session.view.view)
    assert seen == [None, "frame", "semantic", "confidence"]


def test_classes_are_hidden_and_shown_again(window, until):
    session, panel = window.steering.session, window.view_panel
    session.tell(state="playing", source="s", space=SPACE, views=("frame", "semantic"))
    window.tabs.setCurrentWidget(panel)
    window.mirror.refresh()
    assert [panel.classes.item(n).text() for n in range(4)] == list(SPACE.names)
    panel.classes.setFocus()
    panel.classes.setCurrentRow(1)
    press(window, Qt.Key.Key_Space, widget=panel.classes)
    assert session.view.hidden == {"sky"}
    panel.none_button.click()
    assert session.view.hidden == set(SPACE.names)
    panel.all_button.click()
    assert session.view.hidden == frozenset()
    panel.alpha.slider.setValue(80)
    until(lambda: session.view.alpha == 0.8)
    panel.legend_box.click()
    assert session.view.legend


def test_thresholds_reach_the_session_and_go_back(window, until):
    session, panel = window.steering.session, window.rules_panel
    panel.confidence.slider.setValue(70)
    until(lambda: "configure" in session.names())
    rules = session.calls[-1][1][0]
    assert rules["instances"].confidence == rules["fusion"].score == 0.7
    panel.outside.activated.emit(2)
    panel.rates["instances"].activated.emit(5)
    panel.following.click()
    rules = session.calls[-1][1][0]
    assert (rules["fusion"].outside, rules["rates"], rules["tracking"]) == (
        "drop",
        {"instances": "own"},
        None,
    )
    window.steering.toggle_number(1)  # another network keeps them
    assert session.calls[-1][1][0].fusion.outside == "drop"
    panel.reset_button.click()
    rules = session.calls[-1][1][0]
    assert (rules["instances"].confidence, rules["rates"]) == (0.5, {})
    assert panel.confidence.value == 0.5 and panel.following.isChecked()


def test_the_device_is_told_of_in_a_line():
    hot = Temperature(celsius=81.6, sensor="cpu")
    slow = Throttling(now=("too hot",), earlier=("too little voltage",))
    nothing = {"clock_mhz": None, "top_clock_mhz": None, "load": None}
    condition = Condition(temperature=hot, throttling=slow, **nothing)
    memory = Memory(resident_mb=412.4, peak_mb=500.0)
    assert in_words(0.874, memory, condition) == "cores 87%, 412 MB, 82 °C, SLOWED: too hot"
    condition = Condition(temperature=None, throttling=replace(slow, now=()), **nothing)
    assert in_words(None, None, condition) == "was slowed: too little voltage"
    assert in_words(None, None, Condition(temperature=None, throttling=None, **nothing)) == ""


def test_times_and_faults_are_shown(window, until):
    full_status(window.steering.session)
    window.tabs.setCurrentWidget(window.times_panel)
    until(lambda: "MB" in window.times_panel.device.text())
    for panel in (window.times_panel, window.faults_panel):
        window.tabs.setCurrentWidget(panel)
        window.mirror.refresh()
    table = window.times_panel.table
    assert [table.item(2, n).text() for n in range(4)] == ["network", "1234.5", "1234.5", "1234.5"]
    assert window.times_panel.numbers["dropped"].text() == "123456"
    assert window.times_panel.precision.text() == "int8 on CPU + bf16 on CUDA"
    assert window.faults_panel.list.count() == 120
    assert "Done: left out" in window.faults_panel.list.item(0).text()
    assert window.faults_panel.counts.text() == "network 120, capture 3"
    assert "RECORDING" in window.line.facts.text()


def test_frames_from_another_thread_reach_the_picture_newest_first(window, until):
    session = window.steering.session
    session.tell(state="playing", source="s")

    def give():
        for number in range(300):
            session.give(np.full((36, 64, 3), number % 256, np.uint8), number)

    before = window.picture.painted
    thread = threading.Thread(target=give)
    thread.start()
    until(lambda: not thread.is_alive())
    until(
        lambda: window.picture.picture_bgr is not None and window.picture.picture_bgr[0, 0, 0] == 43
    )
    assert window.picture.painted - before < 300


def test_recording_asks_where_to_once(window, monkeypatch, tmp_path):
    asked, session = [], window.steering.session

    def ask(parent, title, folder, then):
        asked.append(title)
        then(tmp_path)

    monkeypatch.setattr(app_commands, "ask_folder", ask)
    session.tell(state="playing", source="s")
    press(window, Qt.Key.Key_R)
    assert session.state.recording.parent == tmp_path and session.state.recording.suffix == ".mp4"
    assert window.transport.record.isChecked()
    press(window, Qt.Key.Key_R)
    assert session.state.recording is None and not window.transport.record.isChecked()
    press(window, Qt.Key.Key_S)
    window.transport.record.click()
    assert len(asked) == 1
    assert session.names()[-4:] == ["record", "stop_recording", "snapshot", "record"]
    assert str(tmp_path) in window.source_panel.record_folder.text()


def test_the_panel_is_a_drawer_on_a_small_screen(make_window, application):
    window = make_window(size=(800, 480))
    assert window.tabs.isHidden() and window.picture.width() == 800
    press(window, Qt.Key.Key_P)
    assert window.tabs.isVisible() and window.transport.panel.isChecked()
    press(window, Qt.Key.Key_PageDown, Qt.KeyboardModifier.ControlModifier)
    assert window.tabs.currentWidget() is window.models_panel
    window.transport.panel.click()
    assert window.tabs.isHidden()
    window.resize(1280, 800)
    application.processEvents()
    assert window.tabs.isHidden()  # as it was asked for
    other = make_window(size=(1280, 800))
    assert other.tabs.isVisible()


def test_it_is_no_larger_than_the_screen(make_window, application):
    there = application.primaryScreen().availableGeometry()
    assert there.width() < 1280  # what it would like to have
    window = make_window(size=None)
    assert window.width() <= there.width() and window.height() <= there.height()
    window.resize(there.width() + 500, there.height() + 100)
    window.close()  # remembered, as on a larger screen
    again = make_window(size=None)
    assert again.width() <= there.width() and again.height() <= there.height()


def test_full_screen_puts_the_bar_away_until_it_is_touched(window, application, until):
    window._hider.setInterval(30)
    QTest.mouseDClick(window.picture, Qt.MouseButton.LeftButton)
    assert window.isFullScreen()
    until(lambda: window.transport.isHidden())
    until(lambda: window.picture.height() == window.height())
    assert window.tabs.isHidden()
    window._hider.setInterval(60_000)
    QTest.mouseMove(window.picture, QPoint(50, 50))
    until(lambda: window.transport.isVisible())
    press(window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    window.resize(1280, 800)  # the screen that is none gives its size back late
    until(lambda: window.tabs.isVisible())


def test_colours_are_remembered_and_nothing_but_what_is_said(make_window, tmp_path):
    window = make_window()
    dark = window.picture.palette().window().color().name()
    press(window, Qt.Key.Key_T)
    assert window.theme.name == "light" and window.palette().window().color().name() != dark
    window.close()
    text = (tmp_path / "settings.ini").read_text()
    keys = {line.partition("=")[0] for line in text.splitlines() if "=" in line}
    assert keys == {"geometry", "theme"}
    assert make_window().settings.theme == "light"


def test_closing_hides_first_and_ends_the_session(make_window):
    seen = []

    class Slow(FakeSession):
        def close(self):
            seen.append(window.isVisible())
            super().close()

    window = make_window(Slow)
    session = window.steering.session
    started = time.monotonic()
    window.close()
    assert seen == [False] and session.closed
    session.give(np.zeros((9, 16, 3), np.uint8))  # late callbacks do no harm
    session.tell(state="ended")
    window.close()
    assert seen == [False] and time.monotonic() - started < 5


def test_a_session_that_failed_is_tried_again(window):
    session = window.steering.session
    window.steering.play("rtsp://gone")
    session.tell(state="failed", message="rtsp://gone does not answer; check it", messages=1)
    window.mirror.refresh()
    assert window.line.message.text().startswith("rtsp://gone does not answer")
    assert window.picture.picture_bgr is None
    press(window, Qt.Key.Key_Space)
    assert session.calls[-1] == ("play", ("rtsp://gone",))


def test_an_entry_without_a_manifest_is_never_used(window):
    window.steering.toggle_model(ModelEntry(path=Path("x.onnx"), problem="x.onnx is empty"))
    assert "use" not in window.steering.session.names()
    assert window.line.message.text() == "x.onnx is empty"
    press(window, Qt.Key.Key_9)
    assert "no model 9" in window.line.message.text()
