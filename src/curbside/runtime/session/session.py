"""A live run that a person steers: another source, other networks, another view, while it goes on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError, CurbsideError
from ...files import as_storage_error
from ...hardware import give_back_memory
from ...results import SceneResult
from ..cores import plan_cores
from ..pipeline import Fault, Pipeline, Shown, Supervision
from ..player import Player
from ..scene import NetworkShelf, Pair, PairPredictor, SceneConfig, ScenePredictor, draw_found
from ..sinks import Recorder, write_picture
from ..sources import Source, open_source, public_spec
from ..views import ViewConfig
from .showing import facts_of, open_networks
from .status import Status

__all__ = ["Session"]

_FAULTS = 100
_END_S = 10.0
_WINDOW = 1024
"""Frames that the percentiles of the stages look at: a person wants to see what changed."""


class Session:
    """Plays sources through networks, and lets everything be changed meanwhile.

    Every method may be called from any thread and returns at once; what takes time happens on the
    session's own threads, and what goes wrong there is told in `Status.message`.

    Args:
        threads: Threads for the networks in all; all cores where None.
        on_shown: Called with every frame that was shown, from the session's thread.
        on_change: Called where a state or a message changed, from whichever thread it changed in.
        budget_ms: From captured to shown a frame should take no longer than this.
        supervision: How it goes on after faults.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        on_shown: Callable[[Shown[Any]], None] | None = None,
        on_change: Callable[[], None] | None = None,
        budget_ms: float | None = None,
        supervision: Supervision | None = None,
    ) -> None:
        self._plan = plan_cores(
            threads, live=True
        )  # of a file, too: somebody waits for each change
        self._budget_ms = budget_ms
        self._on_shown = on_shown or (lambda shown: None)
        self._on_change = on_change or (lambda: None)
        self._supervision = supervision or Supervision()
        self._shelf = NetworkShelf()
        self._recorder = Recorder(lambda error: self._say(str(error)))
        self._lock = threading.RLock()
        self._wanted: tuple[SceneConfig, SceneConfig | None] = (SceneConfig(), None)
        self._changes = threading.Condition(self._lock)
        self._stale = False
        self._measured: Any = None  # the predictor whose precision was found out
        self._closed = False
        self._every_frame, self._looping = True, False
        self._view = ViewConfig()
        self._run: _Run | None = None
        self._runners: set[threading.Thread] = set()
        self._turn = 0  # counts the sources that were asked for
        self._status = Status()
        self._latest: Shown[Any] | None = None
        self._faults: deque[Fault] = deque(maxlen=_FAULTS)
        self._fault_counts: dict[str, int] = {}
        self._errands = ThreadPoolExecutor(1, "curbside-errands")
        self._loader = threading.Thread(target=self._load, name="curbside-loader", daemon=True)
        self._loader.start()

    # -- what a person does --------------------------------------------------------------------

    def play(self, source: str | Source) -> None:
        """Play a source; it takes the place of what plays.

        Args:
            source: What `open_source` opens, or an open source, which the session closes.
        """
        with self._lock:
            self._refuse_closed()
            self._turn += 1
            run = self._run
            title = public_spec(source) if isinstance(source, str) else source.title
            self._set(state="opening", source=title, message=None)
            runner = threading.Thread(
                target=self._play, args=(source, self._turn), name="curbside-session", daemon=True
            )
            self._runners.add(runner)
            runner.start()
        if run is not None:
            run.pipeline.stop()

    def use(self, scene: SceneConfig | None, beside: SceneConfig | None = None) -> None:
        """Load these networks, and go over to them between two frames.

        Args:
            scene: The networks; None for none.
            beside: Others that look at the same frame, to be shown beside them.
        """
        with self._changes:
            self._refuse_closed()
            self._wanted, self._stale = (scene or SceneConfig(), beside), True
            self._changes.notify_all()

    def configure(self, **rules: Any) -> None:
        """Change the rules of the networks that are wanted: `instances`, `fusion`, `tracking`, `rates`.

        Raises:
            ConfigError: A rule is not one.
        """
        with self._lock:
            scene, beside = self._wanted
            try:
                scene = replace(scene, **rules)
                beside = None if beside is None else replace(beside, **rules)
            except TypeError as error:
                raise ConfigError(f"{error}", fix="see SceneConfig") from None
            self.use(scene, beside)

    def show(self, view: ViewConfig) -> None:
        """Draw like this from the next frame on; while nothing moves, the last one again."""
        with self._lock:
            self._view = view
            run = self._run
        if run is not None:
            run.pipeline.predictor.confidence = view.view == "confidence"  # type: ignore[attr-defined]
            run.player.again()

    def pause(self) -> None:
        """Stop at the newest frame."""
        self._with_player(Player.pause)

    def resume(self) -> None:
        """Go on; at the end of a file, from its beginning."""
        self._with_player(Player.resume)

    def step(self) -> None:
        """Pause, and show one frame more."""
        self._with_player(Player.step)

    def seek(self, moment_s: float) -> None:
        """Go on from another moment of a file."""
        self._with_player(lambda player: player.seek(moment_s))

    @property
    def every_frame(self) -> bool:
        """Of a file show every frame; otherwise keep its pace and drop frames."""
        return self._every_frame

    @every_frame.setter
    def every_frame(self, wanted: bool) -> None:
        self._every_frame = wanted
        self._with_player(lambda player: setattr(player, "every_frame", wanted))

    @property
    def looping(self) -> bool:
        """Begin a file again at its end."""
        return self._looping

    @looping.setter
    def looping(self, wanted: bool) -> None:
        self._looping = wanted
        self._with_player(lambda player: setattr(player, "looping", wanted))

    def record(self, path: Path) -> None:
        """Record what is shown from now on, to a video file or a folder of pictures."""
        with self._lock:
            run = self._run
        try:
            fps = 25.0 if run is None else run.player.fps
            live = run is not None and run.player.live
            self._recorder.start(Path(path), fps=fps, live=live)
        except CurbsideError as error:
            self._say(str(error))
        self._changed()

    def stop_recording(self) -> None:
        """Finish the recording."""
        self._refuse_closed()
        self._errands.submit(self._finish_recording)

    def snapshot(self, path: Path) -> None:
        """Write the picture on show to a file, a .png or .jpg."""
        self._refuse_closed()
        latest = self._latest
        if latest is None:
            self._say("there is no picture yet to write; play a source first")
        else:
            self._errands.submit(self._write, Path(path), latest.picture_bgr)

    @property
    def latest(self) -> Shown[Any] | None:
        """The frame on show."""
        return self._latest

    def status(self) -> Status:
        """How it stands now."""
        with self._lock:
            status, run, latest = self._status, self._run, self._latest
            status = replace(
                status,
                wanted=self._wanted[0],
                wanted_beside=self._wanted[1],
                recording=self._recorder.path,
                faults=tuple(self._faults),
                fault_counts=dict(self._fault_counts),
            )
        if run is None:
            return status
        state = run.player.state
        if state == "ended" and run.pipeline.on_their_way:
            state = "playing"  # its last frames are not shown yet
        stats = run.pipeline.stats()
        return replace(
            status,
            state=state if status.state == "playing" else status.state,
            position_s=run.player.position_s,
            frame_size_hw=None if latest is None else latest.frame.bgr.shape[:2],
            fps=run.pipeline.fps_now(),
            age_ms=0.0 if latest is None else latest.age_ms,
            frames=stats.frames,
            dropped=stats.dropped,
            late=stats.late,
            stages=stats.stages,
        )

    def close(self) -> None:
        """End everything within a bounded time, whatever is going on."""
        with self._changes:
            if self._closed:
                return
            self._closed = True
            run, threads = self._run, [*self._runners, self._loader]
            self._changes.notify_all()
        if run is not None:
            run.pipeline.stop()
        end_s = time.monotonic() + _END_S
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end_s - time.monotonic()))
        self._errands.shutdown()
        self._recorder.stop()
        self._shelf.close()

    # -- the threads ---------------------------------------------------------------------------

    def _play(self, wanted: str | Source, turn: int) -> None:
        """Thread of one source: opens it, runs it to its end."""
        with self._changes:  # a device may be the one that the source before still holds
            self._changes.wait_for(lambda: self._run is None or self._is_over(turn), _END_S)
        try:
            player = self._opened_player(wanted, turn)
            if player is not None:
                self._play_on(player, turn)
        except Exception as error:
            if not self._is_over(turn):
                self._set(state="failed")
                self._say(_one_line(error))
        finally:
            with self._lock:
                self._runners.discard(threading.current_thread())

    def _opened_player(self, wanted: str | Source, turn: int) -> Player | None:
        if self._is_over(turn):
            if not isinstance(wanted, str):
                wanted.close()
            return None
        source = open_source(wanted) if isinstance(wanted, str) else wanted
        return Player(source, every_frame=self._every_frame, looping=self._looping)

    def _play_on(self, player: Player, turn: int) -> None:
        run = self._begin(player, turn)
        if run is None:
            player.close()
            return
        try:
            for shown in run.pipeline:
                self._latest = shown
                self._on_shown(shown)
        finally:
            self._finish(run)

    def _is_over(self, turn: int) -> bool:
        """Whether another source was asked for meanwhile."""
        return self._closed or turn != self._turn

    def _begin(self, player: Player, turn: int) -> _Run | None:
        """What plays the source now; None where another was asked for meanwhile."""
        with self._lock:
            scene, beside = self._wanted
            self._stale = False
        try:
            predictor = self._opened(scene, beside)
        except Exception as error:  # the picture alone is better than none
            self._say(_one_line(error))
            with self._lock:
                if self._wanted == (scene, beside):
                    self._wanted = (SceneConfig(), None)
            scene, beside = SceneConfig(), None
            predictor = self._opened(scene, beside)
        pipeline: Pipeline[Any] = Pipeline(
            player,
            predictor,
            draw=self._draw,
            sink=self._recorder,
            workers=self._plan.workers,
            supervision=self._supervision,
            on_fault=self._note,
            budget_ms=self._budget_ms,
            on_retired=self._retire,
            window=_WINDOW,
        )
        run = _Run(player, pipeline)
        with self._lock:
            if self._is_over(turn):
                predictor.close()
                return None
            self._run = run
            self._stale = self._wanted != (scene, beside)  # others were asked for meanwhile
            self._set(
                state="playing",
                source=player.title,
                live=player.camera,
                seekable=player.seekable,
                duration_s=player.duration_s,
                **facts_of(predictor, scene, beside),
            )
            self._changes.notify_all()
        return run

    def _finish(self, run: _Run) -> None:
        with self._lock:
            if self._run is run:
                self._run = None
                if self._status.state == "playing":
                    self._set(state="ended")
                self._changes.notify_all()
        self._retire(run.pipeline.predictor)

    def _retire(self, predictor: Any) -> None:
        """Close a predictor that no frame needs; it may take as long as its network does."""
        try:
            self._errands.submit(_put_away, predictor)
        except RuntimeError:  # the session is closed
            _put_away(predictor)

    def _load(self) -> None:
        """Thread that loads networks and finds out what they run in."""
        while True:
            with self._changes:
                self._changes.wait_for(
                    lambda: self._closed or self._stale or self._predictor() is not self._measured
                )
                if self._closed:
                    return
                stale, self._stale = self._stale, False
                (scene, beside), run = self._wanted, self._run
            if stale:
                self._exchange(scene, beside, run)
            self._measured = self._predictor()
            if self._measured is not None:
                with suppress(Exception):  # it may be closed meanwhile
                    self._set(precision=self._measured.precision)

    def _predictor(self) -> Any:
        run = self._run
        return None if run is None else run.pipeline.predictor

    def _exchange(self, scene: SceneConfig, beside: SceneConfig | None, run: _Run | None) -> None:
        if run is None:  # they are loaded with the next source
            return
        try:
            predictor = self._opened(scene, beside)
        except Exception as error:
            with self._lock:  # what runs stays
                if self._status.scene is not None and self._wanted == (scene, beside):
                    self._wanted = (self._status.scene, self._status.beside)
            self._say(_one_line(error))
            return
        with self._lock:
            if run is not self._run:
                predictor.close()
                return
            run.pipeline.switch(predictor)
            self._set(message=None, **facts_of(predictor, scene, beside))
        run.player.again()

    def _opened(
        self, scene: SceneConfig, beside: SceneConfig | None
    ) -> ScenePredictor | PairPredictor:
        """A predictor of the networks; says meanwhile that it loads."""
        names = [path.name for config in (scene, beside) if config for path in config.models]
        self._set(loading=tuple(names))
        try:
            predictor = open_networks(self._shelf, scene, beside, threads=self._plan.threads)
        finally:
            self._set(loading=())
        predictor.confidence = self._view.view == "confidence"
        return predictor

    def _draw(self, frame_bgr: np.ndarray, result: SceneResult | Pair) -> np.ndarray:
        return draw_found(frame_bgr, result, self._view)

    def _finish_recording(self) -> None:
        written = self._recorder.stop()
        if written is not None:
            self._say(f"recorded {written}")

    def _write(self, path: Path, picture_bgr: np.ndarray) -> None:
        try:
            write_picture(path, picture_bgr)
        except CurbsideError as error:
            self._say(str(error))
        except OSError as error:
            self._say(str(as_storage_error(error, path) or _one_line(error)))
        else:
            self._say(f"wrote {path}")

    # -- what is told --------------------------------------------------------------------------

    def _note(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)
            self._fault_counts[fault.stage] = self._fault_counts.get(fault.stage, 0) + 1
        self._changed()

    def _say(self, message: str) -> None:
        with self._lock:
            self._set(message=message, messages=self._status.messages + 1)

    def _set(self, **facts: Any) -> None:
        with self._lock:
            self._status = replace(self._status, **facts)
        self._changed()

    def _changed(self) -> None:
        self._on_change()

    def _with_player(self, act: Callable[[Player], None]) -> None:
        run = self._run
        if run is None:
            return
        try:
            act(run.player)
        except CurbsideError as error:
            self._say(str(error))
        self._changed()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ConfigError("the session was closed", fix="make another")


@dataclass(frozen=True)
class _Run:
    """What plays now."""

    player: Player
    pipeline: Pipeline[Any]


def _put_away(predictor: Any) -> None:
    predictor.close()
    give_back_memory()  # of its networks, and of the source that ended: else it never gets less


def _one_line(error: Exception) -> str:
    if isinstance(error, CurbsideError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())
