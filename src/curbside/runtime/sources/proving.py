"""Whether a source really gives pictures: one frame proves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from ...errors import CurbsideError, SourceError
from .opening import open_source, public_spec
from .source import Source
from .stream import without_passwords

__all__ = ["Proof", "prove_source"]

_TIMEOUT_S = 5.0
_CHECK = "check that it is on, and that nothing else holds it"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came of asking a source for one frame."""

    spec: str
    """What was opened."""
    title: str | None = None
    """What the source says it is; None where it could not be opened."""
    live: bool | None = None
    """Whether it is live; None where it could not be opened."""
    fps: float | None = None
    """The rate it says it has, in frames per second."""
    picture_bgr: np.ndarray | None = None
    """The frame, (H, W, 3) uint8; None where none came."""
    opened_ms: float | None = None
    """How long opening took, in milliseconds."""
    first_frame_ms: float | None = None
    """From asked for to there, opening included, in milliseconds."""
    error: str | None = None
    """Why there is no frame, in a line."""


def prove_source(
    spec: str,
    *,
    timeout_s: float = _TIMEOUT_S,
    opening: Callable[[str], Source] = open_source,
) -> Proof:
    """Open a source, fetch its first frame, and close it.

    It is done in a thread of its own: a device that does not answer is left behind in it after the
    timeout, and whatever goes wrong is said in the result.

    Args:
        spec: What `open_source` takes.
        timeout_s: How long it may take.
        opening: Opens it.
    """
    found = [Proof(spec=spec, error=f"no picture within {timeout_s:g} s; {_CHECK}")]
    done = threading.Event()

    def work() -> None:
        facts: dict[str, object] = {}
        begun_s = time.perf_counter()
        try:
            with closing(opening(spec)) as source:
                facts["opened_ms"] = (time.perf_counter() - begun_s) * 1e3
                facts |= {"title": source.title, "live": source.live, "fps": source.fps}
                frame = next(iter(source.frames()), None)
                if frame is None:
                    raise SourceError(f"{source.title} ended before its first picture", fix=_CHECK)
                facts["first_frame_ms"] = (time.perf_counter() - begun_s) * 1e3
                facts["picture_bgr"] = frame.bgr
        except CurbsideError as error:
            facts["error"] = str(error)
        except Exception as error:  # a driver's own
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            facts["error"] = without_passwords(said)
        if not done.is_set():
            found[0] = Proof(spec=spec, **facts)  # type: ignore[arg-type]
            done.set()

    name = f"curbside-prove {public_spec(spec)}"
    threading.Thread(target=work, name=name, daemon=True).start()
    done.wait(timeout_s)
    done.set()
    return found[0]
