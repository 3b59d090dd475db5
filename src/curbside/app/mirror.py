"""Shows in the window's parts how the session stands: the newest frame, and four times a second the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer

from ..runtime import Shown
from ..runtime.scene import PairPredictor
from ..runtime.session import Status
from .device_state import DeviceState
from .mailbox import Bell, Mailbox
from .silence import Silence
from .transport import silent
from .work import Work

if TYPE_CHECKING:
    from .window import Window

__all__ = ["EMPTY", "Mirror"]

_POLL_MS = 250
_SHARES_EVERY, _DEVICE_EVERY = 4, 8  # polls
_LOADING = "loading "
EMPTY = (
    "Nothing plays.",
    "Ctrl+O opens a video, Ctrl+Shift+O a folder of pictures;",
    "cameras and addresses are on the page Source (P). F1 shows all keys.",
)


class Mirror(QObject):
    """Brings what the session tells from its threads to the window's parts.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self.status = Status()
        """How the session stood when it was looked at last."""
        self.silence = Silence()
        """Since when no new picture has come."""
        self._quiet_s: float | None = None
        self._blamed = ""
        self._newest: Mailbox[Shown[Any]] = Mailbox()
        self._frame_bell, self._change_bell = Bell(self), Bell(self)
        self._frame_bell.rang.connect(self._show_frame)
        self._change_bell.rang.connect(self.refresh)
        self._messages = self._polls = 0
        self._work, self._device = Work(self), DeviceState()
        self._poller = QTimer(self)
        self._poller.setInterval(_POLL_MS)
        self._poller.timeout.connect(self._poll)

    def start(self) -> None:
        """Begin to look."""
        self._poller.start()
        self.refresh()

    def stop(self) -> None:
        """Look no longer."""
        self._poller.stop()
        for bell in (self._frame_bell, self._change_bell):
            bell.be_still()
        self._work.stop()

    def frame_shown(self, shown: Shown[Any]) -> None:
        """Take a frame; from any thread."""
        self.silence.heard()
        self._newest.put(shown)
        self._frame_bell.pull()

    def changed(self) -> None:
        """Look again soon; from any thread."""
        self._change_bell.pull()

    def _show_frame(self) -> None:
        shown = self._newest.take()
        if shown is not None:
            window, status = self._window, self.status
            moving = status.state in ("playing", "opening")
            window.picture.show_picture(shown.picture_bgr, moving=moving)
            window.picture.show_captions(_captions(shown))
            window.transport.seek.show_position(shown.frame.timestamp_s, status.duration_s)

    def refresh(self) -> None:
        """Show how the session stands now."""
        window, before = self._window, self.status
        status = self.status = window.steering.session.status()
        quiet_s = self._quiet_s = self.silence.seconds(status)
        self._tell(status, before)
        self._tell_of_silence(status)
        window.steering.follow(status)
        window.transport.show_status(status)
        window.line.show_status(status, quiet_s)
        if status.state != "playing":
            window.picture.stand_still()
        if (status.state, status.source) != (before.state, before.source):
            self._show_hint(status, before)
        if status.views != before.views:
            self.show_view()
        networks = (status.loading, status.beside, status.scene)
        if networks != (before.loading, before.beside, before.scene):
            self.show_choice()
        self.show_pages()

    def _tell(self, status: Status, before: Status) -> None:
        window = self._window
        if status.messages != self._messages:
            self._messages = status.messages
            window.say(status.message or "")
        elif status.loading and status.loading != before.loading:
            window.say(f"{_LOADING}{', '.join(dict.fromkeys(status.loading))}")
        elif not status.loading and window.line.message.text().startswith(_LOADING):
            window.say("")

    def _tell_of_silence(self, status: Status) -> None:
        """Say on the picture that it stands still although it plays, and below it why."""
        window, quiet_s = self._window, self._quiet_s
        window.picture.show_notice("" if quiet_s is None else silent(quiet_s))
        newest = status.faults[-1] if quiet_s is not None and status.faults else None
        if newest is not None and self.silence.may_be_why(newest.at_s, quiet_s or 0.0):
            if newest.message != self._blamed:
                self._blamed = newest.message
                window.say(newest.message)
        elif quiet_s is None and self._blamed:
            if window.line.message.text() == self._blamed:
                window.say("")
            self._blamed = ""

    def _show_hint(self, status: Status, before: Status) -> None:
        """Say in the place of the picture why there is none."""
        picture = self._window.picture
        if status.state == "opening" and status.source != before.source:
            picture.clear(f"Opening {status.source} ...")
        elif status.state == "failed" and not status.frames:
            picture.clear(status.message or f"{status.source} does not play.", "Space tries again.")
        elif status.source is None:
            picture.clear(*EMPTY)

    def _poll(self) -> None:
        self._polls += 1
        self.refresh()
        window, status = self._window, self.status
        playing = status.state == "playing" and self._quiet_s is None
        window.times_panel.plot.add(
            status.fps if playing else 0.0, status.age_ms if playing else 0.0
        )
        if self._polls % _DEVICE_EVERY == 1 and window.times_panel.isVisible():
            self._work.start(self._device.read, window.times_panel.device.show_text, _nothing)
        if self._polls % _SHARES_EVERY == 0 and window.view_panel.isVisible():
            latest = window.steering.session.latest
            result = None if latest is None else latest.result
            result = getattr(result, "left", result)
            window.view_panel.show_shares({} if result is None else result.shares())

    def show_pages(self) -> None:
        """Bring the page that is seen up to date; the others follow when they are."""
        window, status = self._window, self.status
        faults = sum(status.fault_counts.values())
        title = f"&Faults {faults}" if 0 < faults < 100 else "&Faults 99+" if faults else "&Faults"
        place = window.tabs.indexOf(window.faults_panel)
        if window.tabs.tabText(place) != title:
            window.tabs.setTabText(place, title)
        page = window.tabs.currentWidget()
        if page is window.source_panel:
            window.source_panel.show_source(status.source)
        elif page is window.view_panel:
            window.view_panel.show_space(status.space)
        elif page is window.times_panel:
            numbers = {
                "frames/s": f"{status.fps:.1f}",
                "age": f"{status.age_ms:.0f} ms" if self._quiet_s is None else "none",
                "shown": str(status.frames),
                "dropped": str(status.dropped),
                "late": str(status.late),
                "faults": str(faults),
            }
            window.times_panel.show_numbers(numbers, status.precision)
            window.times_panel.show_stages(status.stages)
        elif page is window.faults_panel:
            window.faults_panel.show_faults(status.faults, status.fault_counts)

    def show_choice(self) -> None:
        """Show which networks are in use."""
        window, status, steering = self._window, self.status, self._window.steering
        if window.models_panel.entries != steering.entries:
            window.models_panel.show_entries(steering.entries)
        window.models_panel.show_choice(steering.choice, status.loading)

    def show_view(self) -> None:
        """Show which view is chosen, and which there are."""
        window, view, there = self._window, self._window.steering.view, self.status.views
        window.view_panel.show_view(view.view, there)
        window.view_panel.alpha.set_value(view.alpha)
        window.view_panel.legend_box.setChecked(view.legend)
        window.transport.show_view(view.view, there)


def _nothing(error: Exception) -> None:
    """What the device does not tell is not shown."""


def _captions(shown: Shown[Any]) -> tuple[str, ...]:
    """The networks of each part of a picture, where they stand side by side in it."""
    pair = shown.predictor
    if not isinstance(pair, PairPredictor) or shown.result is None:
        return ()
    return tuple(
        " + ".join(path.stem for path in scene.config.models) or "no network"
        for scene in (pair.left, pair.right)
    )
