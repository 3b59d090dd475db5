"""Which control and which key does what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from ..errors import CurbsideError
from ..runtime.sources import find_sources
from .catalogue import ModelEntry, find_models, read_entries
from .choice import TASKS
from .dialogs import ask_files, ask_folder
from .keys import KeyTable
from .words import VIEW_WORDS
from .work import Work

if TYPE_CHECKING:
    from .window import Window

__all__ = ["Commands"]

_PICTURES = (
    "Videos and pictures (*.mp4 *.mov *.mkv *.avi *.webm *.m4v *.jpg *.jpeg *.png *.bmp *.webp"
    " *.MP4 *.MOV *.AVI *.JPG *.PNG)"
)
_MODELS = "Model files (*.onnx *.xml *.hef *.engine)"
_SKIP_S = 5.0
_STRONGER = 0.1


class Commands(QObject):
    """Connects controls and keys with the steering, and asks for files where one is needed.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window, self._steering = window, window.steering
        self._work = Work(self)
        self._keys: KeyTable | None = None

    def handlers(self) -> dict[str, Callable[[], None]]:
        """What every action does, by its name in `KEYS`."""
        window, steering = self._window, self._steering
        numbered = {
            f"model{number}": partial(steering.toggle_number, number) for number in range(1, 10)
        }
        numbered |= {
            f"beside{number}": partial(steering.toggle_beside, number) for number in range(1, 10)
        }
        return {
            **numbered,
            **{
                f"view {view or 'automatic'}": partial(steering.show_view, view)
                for view in VIEW_WORDS
            },
            **{task: partial(steering.toggle_task, task) for task in TASKS},
            "play": steering.toggle_play,
            "step": steering.step,
            "back": partial(steering.seek_by, -_SKIP_S),
            "forward": partial(steering.seek_by, _SKIP_S),
            "start": partial(steering.seek, 0.0),
            "loop": lambda: window.source_panel.loop_box.toggle(),
            "every": lambda: window.source_panel.every_box.toggle(),
            "next view": partial(steering.next_view, 1),
            "last view": partial(steering.next_view, -1),
            "stronger": partial(steering.stronger, _STRONGER),
            "weaker": partial(steering.stronger, -_STRONGER),
            "legend": lambda: steering.show(legend=not steering.view.legend),
            "record": self.toggle_recording,
            "snapshot": self.snapshot,
            "open": self.ask_source_file,
            "open folder": self.ask_source_folder,
            "address": self.go_to_address,
            "refresh": self.look_for_sources,
            "add models": self.ask_model_files,
            "panel": window.toggle_panel,
            "next tab": partial(self._turn_page, 1),
            "last tab": partial(self._turn_page, -1),
            "one": self.toggle_one_to_one,
            "full": window.toggle_full,
            "leave full": self._leave_full,
            "theme": self.next_theme,
            "keys": self.show_keys,
            "quit": self._quit,
        }

    def connect_controls(self) -> None:
        """Let every control do what it says."""
        window, steering = self._window, self._steering
        bar = window.transport
        bar.play_wanted.connect(steering.toggle_play)
        bar.step_wanted.connect(steering.step)
        bar.seek.asked.connect(steering.seek)
        bar.view_chosen.connect(steering.show_view)
        bar.record_wanted.connect(self.toggle_recording)
        bar.snapshot_wanted.connect(self.snapshot)
        bar.one_wanted.connect(self.toggle_one_to_one)
        bar.panel_wanted.connect(window.toggle_panel)
        bar.full_wanted.connect(window.toggle_full)
        window.picture.double_clicked.connect(window.toggle_full)

        source = window.source_panel
        source.picked.connect(steering.play)
        source.file_wanted.connect(self.ask_source_file)
        source.folder_wanted.connect(self.ask_source_folder)
        source.refresh_wanted.connect(self.look_for_sources)
        source.every_frame_changed.connect(steering.set_every_frame)
        source.looping_changed.connect(steering.set_looping)
        source.record_folder_wanted.connect(lambda: self.ask_record_folder(lambda folder: None))
        session = steering.session
        source.show_options(every_frame=session.every_frame, looping=session.looping)

        models = window.models_panel
        models.toggled.connect(steering.toggle_model)
        models.task_toggled.connect(steering.set_task)
        models.beside_chosen.connect(steering.set_beside)
        models.files_wanted.connect(self.ask_model_files)
        models.folder_wanted.connect(self.ask_model_folder)

        view = window.view_panel
        view.view_chosen.connect(steering.show_view)
        view.alpha_changed.connect(lambda alpha: steering.show(alpha=alpha))
        view.legend_changed.connect(lambda on: steering.show(legend=on))
        view.hidden_changed.connect(lambda hidden: steering.show(hidden=hidden))
        window.rules_panel.changed.connect(steering.set_rules)

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._work.stop()

    # -- sources -------------------------------------------------------------------------------

    def look_for_sources(self) -> None:
        """List cameras and other sources; they are looked for in a thread."""
        panel = self._window.source_panel
        panel.show_looking()

        def failed(error: Exception) -> None:
            panel.show_found(())
            self._window.say(_said(error))

        self._work.start(find_sources, panel.show_found, failed)

    def ask_source_file(self) -> None:
        """Ask for a video or picture, and play it."""
        folder = self._window.settings.folder("open")
        ask_files(self._window, "Open a video or picture", folder, _PICTURES, self._open_files)

    def ask_source_folder(self) -> None:
        """Ask for a folder of pictures, and play it."""
        folder = self._window.settings.folder("open")
        ask_folder(self._window, "Open a folder of pictures", folder, self._open_folder)

    def go_to_address(self) -> None:
        """Put the cursor where an address is typed."""
        panel = self._window.source_panel
        self._window.show_page(panel)
        panel.address.setFocus()
        panel.address.selectAll()

    def _open_files(self, paths: list[Path]) -> None:
        self._window.settings.set_folder("open", paths[0].parent)
        self._steering.play(str(paths[0]))

    def _open_folder(self, folder: Path) -> None:
        self._window.settings.set_folder("open", folder.parent)
        self._steering.play(str(folder))

    # -- models --------------------------------------------------------------------------------

    def ask_model_files(self) -> None:
        """Ask for model files, and list them."""
        folder = self._window.settings.folder("models")
        ask_files(self._window, "Add model files", folder, _MODELS, self.add_models, several=True)

    def ask_model_folder(self) -> None:
        """Ask for a folder of model files, and list them."""
        folder = self._window.settings.folder("models")
        ask_folder(self._window, "Add a folder of model files", folder, self.add_model_folder)

    def add_models(self, paths: list[Path]) -> None:
        """List more model files; they are read in a thread."""
        if paths:
            self._window.settings.set_folder("models", paths[0].parent)
        self._read(lambda: paths)

    def add_model_folder(self, folder: Path) -> None:
        """List the model files of a folder; they are read in a thread."""
        self._window.settings.set_folder("models", folder)
        self._read(lambda: find_models(folder))

    def list_folder(self, folder: Path) -> None:
        """List the model files of a folder that was named at the start, and use its first for classes
        where none is used."""

        def listed(entries: list[ModelEntry]) -> None:
            self._list(entries)
            if not self._steering.choice.chosen:
                self._steering.set_task("semantic", True)

        self._read(lambda: find_models(folder), listed)

    def _read(
        self,
        find: Callable[[], list[Path]],
        then: Callable[[list[ModelEntry]], None] | None = None,
    ) -> None:
        listed = [entry.path for entry in self._steering.entries]
        self._work.start(
            lambda: read_entries([*listed, *find()]),
            then or self._list,
            lambda error: self._window.say(_said(error)),
        )

    def _list(self, entries: list[ModelEntry]) -> None:
        before = len(self._steering.entries)
        self._steering.list_entries(entries)
        bad = [entry for entry in entries if entry.manifest is None]
        added = len(entries) - before
        words = f"{added} model files more" if added else "no model files that were not listed"
        self._window.say(f"{words}; {len(bad)} in grey cannot be used" if bad else words)

    # -- recording -----------------------------------------------------------------------------

    def toggle_recording(self) -> None:
        """Record, or finish the recording; asks where to the first time."""
        status = self._steering.session.status()
        if status.recording is not None:
            self._steering.stop_recording()
        else:
            self._with_record_folder(self._steering.record)
        self._window.mirror.refresh()

    def snapshot(self) -> None:
        """Write the picture on show to a file; asks where to the first time."""
        self._with_record_folder(self._steering.snapshot)

    def ask_record_folder(self, then: Callable[[Path], None]) -> None:
        """Ask where recordings and pictures go."""

        def chosen(folder: Path) -> None:
            self.set_record_folder(folder)
            then(folder)

        folder = self._steering.record_folder or self._window.settings.folder("record")
        ask_folder(self._window, "Where recordings and pictures go", folder, chosen)

    def set_record_folder(self, folder: Path, *, remembered: bool = True) -> None:
        """Where recordings and pictures go from now on; remembered for the next question."""
        self._steering.record_folder = folder
        if remembered:
            self._window.settings.set_folder("record", folder)
        self._window.source_panel.show_record_folder(folder)

    def _with_record_folder(self, then: Callable[[Path], None]) -> None:
        self._window.transport.record.setChecked(
            self._steering.session.status().recording is not None
        )
        if self._steering.record_folder is None:
            self.ask_record_folder(then)
        else:
            then(self._steering.record_folder)

    # -- the window ----------------------------------------------------------------------------

    def toggle_one_to_one(self) -> None:
        """Pixel by pixel, or the whole picture."""
        picture = self._window.picture
        picture.one_to_one = not picture.one_to_one
        self._window.transport.one.setChecked(picture.one_to_one)

    def show_keys(self) -> None:
        """Show the table of keys; there is one, however often it is asked for."""
        if self._keys is None:
            self._keys = KeyTable(self._window)
        self._keys.show()
        self._keys.raise_()
        self._keys.activateWindow()

    def next_theme(self) -> None:
        """The next colours."""
        theme = self._window.theme
        theme.next()
        self._window.settings.theme = theme.name
        self._window.say(f"colours: {theme.name}")

    def _turn_page(self, by: int) -> None:
        tabs = self._window.tabs
        self._window.show_page(self._window.panels[(tabs.currentIndex() + by) % tabs.count()])
        tabs.tabBar().setFocus()

    def _quit(self) -> None:
        self._window.close()

    def _leave_full(self) -> None:
        if self._window.isFullScreen():
            self._window.toggle_full()


def _said(error: Exception) -> str:
    if isinstance(error, CurbsideError):
        return str(error)
    return f"{type(error).__name__}: {error}"
