"""Does one job of a study, in a process of its own: `python -m curbside.training.study FOLDER KEY FILE`.

Why it failed is written into the file. It stops when its standard input ends.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from pathlib import Path

import cv2

from ...errors import CurbsideError
from ...files import write_text
from .plan import read_plan
from .run import PATIENCE_S
from .work import do_job


def main(folder: str, key: str, problem: str) -> int:
    """Do the job with a key: 0, or another number where it failed."""
    if threads := int(os.environ.get("OMP_NUM_THREADS") or 0):
        cv2.setNumThreads(threads)
    # What a shell starts in the background inherits that the signal is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        plan = read_plan(Path(folder))
        assert plan is not None
        do_job(plan, plan.jobs[key])
    except KeyboardInterrupt:
        return 130
    except CurbsideError as error:
        write_text(Path(problem), str(error))
        return 2
    except Exception as error:
        write_text(Path(problem), f"{type(error).__name__}: {error}")
        raise
    return 0


def _stop_with_parent() -> None:
    # Returns when the other end of the pipe is closed, or gone. Not `sys.stdin`: its lock, held while
    # reading, would be copied into the processes that read pictures, which begin by closing it.
    os.read(sys.stdin.fileno(), 1)
    _thread.interrupt_main()
    time.sleep(PATIENCE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
