"""The window shows no old picture as the road, and no name as anything but a name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import qt_needed  # noqa: F401
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from tiny_models import SPACE

from curbside.app.catalogue import ModelEntry
from curbside.app.silence import Silence
from curbside.errors import SourceError
from curbside.runtime import Fault
from curbside.runtime.session import Status
from curbside.runtime.sources import Found


@pytest.fixture
def window(make_window):
    return make_window()


def test_a_source_that_gives_nothing_more_is_not_shown_as_live(window, application):
    session, now, stopped = window.steering.session, [100.0], SourceError("it is away", fix="")
    window.mirror.silence.clock = lambda: now[0]
    facts, picture = window.line.facts, window.picture
    session.tell(state="playing", source="s", live=True, fps=25.0, age_ms=5.0)
    window.mirror.refresh()
    for number in range(3):
        now[0] += 0.04
        session.give(np.full((36, 64, 3), number, np.uint8), number)
    application.processEvents()
    now[0] += 1.9
    window.mirror.refresh()
    assert "5 ms old" in facts.text() and picture.notice == ""
    old = Fault(stage="network", error=SourceError("long ago", fix=""), action="", at_s=1.0)
    session.tell(fps=0.0, faults=(old,))
    now[0] += 1.5
    window.mirror.refresh()
    assert picture.notice == "no new picture for 3 s" and picture.notice in facts.text()
    assert "old" not in facts.text() and window.line.message.text() == ""
    session.tell(faults=(old, Fault(stage="capture", error=stopped, action="opened again")))
    window.tabs.setCurrentWidget(window.times_panel)
    now[0] += 60
    window.mirror.refresh()
    assert window.line.message.text() == "it is away" and "for 63 s" in picture.notice
    assert window.times_panel.numbers["age"].text() == "none"
    for state in ("paused", "ended"):
        session.tell(state=state)
        window.mirror.refresh()
        assert picture.notice == "" and "picture" not in facts.text()
    session.tell(state="playing")
    now[0] += 2.5
    window.mirror.refresh()
    assert "for 2 s" in picture.notice and window.line.message.text() == "it is away"
    session.give(np.zeros((36, 64, 3), np.uint8), 9)
    window.mirror.refresh()
    assert picture.notice == "" and window.line.message.text() == ""


def test_a_source_that_is_slow_by_itself_is_given_its_time():
    now = [0.0]
    silence = Silence(clock=lambda: now[0])
    playing = Status(state="playing", source="a folder")
    assert silence.seconds(playing) is None
    for _ in range(2):
        now[0] += 3.0
        silence.heard()
    now[0] += 5.9
    assert silence.seconds(playing) is None
    now[0] += 0.1
    assert silence.seconds(playing) == pytest.approx(6.0)
    silence.heard()
    now[0] += 10.0
    assert silence.seconds(playing) == pytest.approx(10.0)
    assert silence.seconds(Status(state="playing", source="another")) is None


def test_names_that_look_like_html_are_shown_as_they_are(window, application):
    evil = "<img src='file:///x.png'> <b>a</b>.onnx"
    panel, session = window.models_panel, window.steering.session
    panel.show_entries([ModelEntry(path=Path(evil), problem=f"{evil} is empty")])
    fault = Fault(stage="capture", error=SourceError(evil, fix=""), action="left out")
    session.tell(faults=(fault,), space=replace(SPACE, name="<b>city</b>"))
    for page in (window.view_panel, window.faults_panel):
        window.tabs.setCurrentWidget(page)
        window.mirror.refresh()
    window.source_panel.show_found([Found(evil, "drawn", "synthetic")])
    window.say(evil)
    line, heading = window.line.message, window.view_panel._heading
    for label in (line, heading, window.line.facts):
        assert label.textFormat() == Qt.TextFormat.PlainText
    assert heading.text() == "Classes of <b>city</b>"
    tips = (
        panel.tree.topLevelItem(0).toolTip(1),
        window.faults_panel.list.item(0).toolTip(),
        window.source_panel.list.item(0).toolTip(),
        line.toolTip(),
    )
    for tip in tips:
        document = QTextDocument()
        document.setHtml(tip)  # as a tooltip does where there is a tag
        assert evil in document.toPlainText()
