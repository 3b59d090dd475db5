"""`curbside doctor` against merely decoding every file: seconds for a whole folder, interleaved.

The same files are read and decoded to their ends with the same number of processes, in turns:
by the doctor (which also checks, compares and counts), by Pillow (the decoder that the doctor uses,
at full size) and by OpenCV (the quickest decoder here). Start and end of the processes count.
Where others use the same cores, look at the CPU seconds (of all processes), which waiting does not
change.

    python benchmarks/doctor.py PREPARED [PREPARED ...]       # your own prepared folders
    python benchmarks/doctor.py                               # drawn scenes, where you have none
    python benchmarks/doctor.py --workers 1 --rounds 7 --json PREPARED
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import PIL
from PIL import Image

from curbside.hardware import core_count
from curbside.prepared import PreparedFolder, examine
from curbside.processes import in_processes
from curbside.scenes import ScenesConfig, write_prepared

GOAL = 1.3  # times merely decoding


def decode_with_pillow(files: list[Path]) -> None:
    """The pixels of some files as arrays, by Pillow."""
    for file in files:
        np.asarray(Image.open(io.BytesIO(file.read_bytes())))


def decode_with_opencv(files: list[Path]) -> None:
    """The pixels of some files as arrays, by OpenCV."""
    for file in files:
        cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)


def decode(root: Path, workers: int, decoder: Callable[[list[Path]], None]) -> None:
    """Decode every file of a prepared folder, sample by sample, as the doctor goes about it."""
    folder = PreparedFolder(root)
    jobs = [
        [folder.root / file for file in sample.record.files()]
        for split, count in folder.counts.items()
        if count
        for sample in folder.samples(split)
    ]
    with closing(in_processes(decoder, jobs, workers, "decoding", unit="samples")) as results:
        for _ in results:
            pass


def measure(root: Path, workers: int, rounds: int) -> dict[str, object]:
    """Time all of them on one folder, in turns."""
    ways: dict[str, Callable[[], object]] = {
        "doctor": lambda: examine(root, workers=workers),
        "Pillow": partial(decode, root, workers, decode_with_pillow),
        "OpenCV": partial(decode, root, workers, decode_with_opencv),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    cpu_times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            started, cpu_started = time.perf_counter(), cpu_seconds()
            way()
            times[name].append(time.perf_counter() - started)
            cpu_times[name].append(cpu_seconds() - cpu_started)
    seconds, cpu = (
        {name: median(values[1:]) for name, values in of.items()}  # the first warms up
        for of in (times, cpu_times)
    )
    pairs = list(zip(*(values[1:] for values in times.values()), strict=True))
    folder = PreparedFolder(root)
    files = sum(
        len(sample.record.files())
        for split, count in folder.counts.items()
        if count
        for sample in folder.samples(split)
    )
    return {
        "folder": root.name,
        "samples": len(folder),
        "files": files,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "times_pillow": median(ours / pillow for ours, pillow, _ in pairs),
        "times_opencv": median(ours / opencv for ours, _, opencv in pairs),
        "times_pillow_cpu": cpu["doctor"] / cpu["Pillow"],
    }


def cpu_seconds() -> float:
    """Processor time of this process and of those it waited for."""
    return sum(os.times()[:4])


def together(rows: list[dict]) -> dict[str, object]:
    """All folders as one: the sums of their medians."""
    seconds, cpu = (
        {name: sum(row[what][name] for row in rows) for name in rows[0][what]}
        for what in ("seconds", "cpu_seconds")
    )
    return {
        "folder": "together",
        "samples": sum(row["samples"] for row in rows),
        "files": sum(row["files"] for row in rows),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "times_pillow": seconds["doctor"] / seconds["Pillow"],
        "times_opencv": seconds["doctor"] / seconds["OpenCV"],
        "times_pillow_cpu": cpu["doctor"] / cpu["Pillow"],
    }


def show(report: dict) -> None:
    """Print the table."""
    print(
        f"median of {report['rounds']} rounds, {report['workers']} process(es); Pillow "
        f"{report['pillow']}, OpenCV {report['opencv']}, numpy {report['numpy']}; {report['cpu']}\n"
    )
    print(
        f"{'folder':20}{'samples':>8}{'files':>7}{'doctor':>10}{'Pillow':>10}{'OpenCV':>10}  ratio"
    )
    for row in report["rows"]:
        seconds = "".join(f"{row['seconds'][name]:>8.2f} s" for name in row["seconds"])
        print(
            f"{row['folder']:20}{row['samples']:>8}{row['files']:>7}{seconds}  "
            f"{row['times_pillow']:.2f} of Pillow (goal {report['goal']}; "
            f"{row['times_pillow_cpu']:.2f} in CPU seconds), "
            f"{row['times_opencv']:.2f} of OpenCV"
        )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="prepared folders; drawn if none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=core_count())
    parser.add_argument("--scenes", type=int, default=200, help="pictures to draw, if any")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.workers == 1:
        cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folders = options.folders
        if not folders:
            folders = [Path(place) / "scenes"]
            val = options.scenes // 5
            write_prepared(folders[0], ScenesConfig(train=options.scenes - val, val=val))
        rows = [measure(folder, options.workers, options.rounds) for folder in folders]
    if len(rows) > 1:
        rows.append(together(rows))
    report = {
        "rounds": options.rounds,
        "workers": options.workers,
        "goal": GOAL,
        "cpu": platform.processor() or platform.machine(),
        "pillow": PIL.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "rows": rows,
    }
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)


if __name__ == "__main__":
    main()
