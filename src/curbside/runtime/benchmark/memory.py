"""What networks take of the device's memory, each in a process of its own."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...hardware import read_memory, reset_peak_memory
from .networks import open_networks
from .timing import time_pipeline

__all__ = ["MemoryUse", "measure_memory"]

_LONGEST_S = 600.0
_FRAMES = 8
_CHILD = "import sys; from curbside.runtime.benchmark.memory import main; main(sys.argv[1])"


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """Memory of a process that runs nothing but these networks, in 10^6 bytes."""

    before_mb: float
    """What it holds before it loads them."""
    loading_mb: float
    """How much more it holds once they are loaded; the inference library is a part of that."""
    peak_mb: float
    """The most that it holds in all while the pipeline runs; where the system does not let the peak be
    forgotten, that of loading counts, too."""


def measure_memory(
    paths: Sequence[Path], source: str | Path, *, threads: int, workers: int
) -> MemoryUse | None:
    """Run networks over the start of a clip in another process, and see what that holds.

    Args:
        paths: Model files that look at a frame together.
        source: A video file or a folder of pictures.
        threads: Threads for each network.
        workers: Frames that are in the networks at the same time.

    Returns:
        None where the system does not tell, or the other process failed.
    """
    if read_memory() is None:
        return None
    job = {
        "paths": [str(path) for path in paths],
        "source": str(source),
        "threads": threads,
        "workers": workers,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, json.dumps(job)],
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
        )
        return MemoryUse(**json.loads(done.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError):
        return None


def main(job: str) -> None:
    """What the other process does: measure itself, and print that as JSON."""
    wanted = json.loads(job)
    gc.collect()
    before = read_memory()
    with open_networks(
        [Path(path) for path in wanted["paths"]], threads=wanted["threads"]
    ) as opened:
        loaded = read_memory()
        reset_peak_memory()
        time_pipeline(wanted["source"], opened.predictor, workers=wanted["workers"], frames=_FRAMES)
        after = read_memory()
    assert before is not None
    assert loaded is not None
    assert after is not None
    use = MemoryUse(
        before_mb=before.resident_mb,
        loading_mb=loaded.resident_mb - before.resident_mb,
        peak_mb=after.peak_mb,
    )
    print(json.dumps(asdict(use)))
