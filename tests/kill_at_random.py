"""Kill drawings, conversions and the doctor with SIGKILL at random moments, run them again, compare
the bytes.

    python tests/kill_at_random.py FOLDER [--moments 20] [--seed 0] [--only camvid acdc ...]

Every layout of scenes is drawn, and converted by its source; the doctor examines what came of that,
with a damaged picture, sets it aside and writes its report. Each of the three is first run without
being disturbed, then killed after a random part of that time and run again, over and over, each
time in a new folder. A line of JSON says of each how many kills found it at work and how many folders
differ. The exit code is 1 where one does.

Imports happen once and every run is a fork, so that the kills fall into the work itself.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import cv2
from builders import tree_bytes

from curbside.cli import doctor
from curbside.convert import convert, sources
from curbside.scenes import ScenesConfig, layout_names, write_layout, write_prepared

OPTIONS = {"cvat": {"labels": "idd-id"}}
"""What a source must be told."""


def main() -> int:
    """Kill, resume and compare everything; 0 where all ended well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=layout_names())
    options = parser.parse_args()
    cv2.setNumThreads(1)  # a fork takes no threads along
    moments, bad = random.Random(options.seed), 0
    warm_up(options.folder / "warm")
    for layout in options.only:
        folder = options.folder / layout
        raw = folder / "raw"
        config = ScenesConfig(size_hw=(48, 64), train=3, val=0, workers=1)
        source = source_of(layout)(root=raw, **OPTIONS.get(layout, {}))
        jobs: list[tuple[str, str, Callable[[Path], object]]] = [
            (
                "scenes",
                "raw",
                lambda out, layout=layout, config=config: write_layout(out, config, layout),
            ),
            ("convert", "prepared", lambda out, source=source: convert(source, out, workers=1)),
            ("doctor", "examined", examine),
        ]
        for verb, name, work in jobs:
            whole, out = folder / name, folder / "again"
            if verb == "doctor":
                spoil(folder / "prepared", whole)
            seconds = undisturbed(work, whole)
            hits = differing = 0
            for _ in range(options.moments):
                if verb == "doctor":
                    spoil(folder / "prepared", out)
                hits += killed(work, out, moments.random() * seconds)
                undisturbed(work, out)
                differing += tree_bytes(out) != tree_bytes(whole)
                shutil.rmtree(out)
            bad += differing
            line = {"verb": verb, "layout": layout, "kills": options.moments}
            print(json.dumps(line | {"at work": hits, "differing": differing}), flush=True)
    return int(bad > 0)


def source_of(layout: str) -> type:
    """The source that reads a layout: that of the longest name it starts with."""
    return sources()[max((name for name in sources() if layout.startswith(name)), key=len)]


def warm_up(folder: Path) -> None:
    """Run the doctor once in this process, which loads what it draws with."""
    write_prepared(folder / "data", ScenesConfig(size_hw=(48, 64), train=2, val=1, workers=1))
    examine(folder)
    shutil.rmtree(folder)


def spoil(prepared: Path, out: Path) -> None:
    """Copy a prepared folder into `out`, with half of its first picture."""
    shutil.copytree(prepared, out / "data")
    picture = min((out / "data").glob("*/images/*"))
    picture.write_bytes(picture.read_bytes()[: picture.stat().st_size // 2])


def examine(out: Path) -> None:
    """Run the doctor on `out/data`, with its report beside it."""
    with redirect_stdout(io.StringIO()):
        code = doctor.main([str(out / "data"), "--workers", "1", "--quarantine"])
    if code:
        raise RuntimeError(f"the doctor ended with {code}")


def undisturbed(work: Callable[[Path], object], out: Path) -> float:
    """Do the work in a process of its own; how long it took, in seconds."""
    start = time.perf_counter()
    status = os.waitstatus_to_exitcode(os.waitpid(_fork(work, out), 0)[1])
    if status:
        raise RuntimeError(f"the work ended with {status}: {out}")
    return time.perf_counter() - start


def killed(work: Callable[[Path], object], out: Path, after_s: float) -> bool:
    """Kill the work after a time; whether it was still at it."""
    process = _fork(work, out)
    time.sleep(after_s)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def _fork(work: Callable[[Path], object], out: Path) -> int:
    process = os.fork()
    if process:
        return process
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the progress bars
        work(out)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
