"""Border weights against the per-class loop of the public code, on one core: milliseconds per mask.

Every mask of a folder, brought to 512x512 by nearest neighbour, and noise in which all 16 classes touch
everywhere, are weighed in turns: by `BorderWeights`, by a distance transform per class as SwiftNet's
public code does it (OpenCV's 5x5 approximation), and by the same loop with OpenCV's exact transform,
whose weights ours must equal. Where others use the same cores, look at the CPU time, which waiting does
not change. `alone` is ours without the others in between, who leave it cold caches and cold memory.

    python benchmarks/border_weights.py PREPARED [PREPARED ...]       # your own prepared folders
    python benchmarks/border_weights.py                               # drawn scenes, where you have none
    python benchmarks/border_weights.py --size 1024 --masks 100 --json PREPARED
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from curbside.datasets import BorderWeightConfig
from curbside.hardware import cpu_model
from curbside.imaging import resize_ids
from curbside.labels import IGNORE_ID
from curbside.prepared import PreparedFolder
from curbside.scenes import ScenesConfig, write_prepared

GOAL_MS = 3.0
CLASSES = 16
CONFIG = BorderWeightConfig()


def per_class(ids: np.ndarray, mask_size: int) -> np.ndarray:
    """The weights by one distance transform for every class that occurs, summed up over all classes."""
    distances = np.zeros((CLASSES, *ids.shape), np.float32)
    for label in np.unique(ids):
        if label != IGNORE_ID:
            own = ids == label
            transform = cv2.distanceTransform(own.astype(np.uint8), cv2.DIST_L2, mask_size)
            distances[label][own] = transform[own]
    bins = np.digitize(distances.sum(axis=0), CONFIG.distances)
    weights = np.zeros(ids.shape, np.float32)
    for index, weight in enumerate(CONFIG.weights):
        weights[bins == index] = weight
    weights[ids == IGNORE_ID] = 0
    return weights


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ours": CONFIG.build(),
    "public": lambda ids: per_class(ids, cv2.DIST_MASK_5),
    "exact loop": lambda ids: per_class(ids, cv2.DIST_MASK_PRECISE),
}


def masks_of(root: Path, size: int, most: int) -> list[np.ndarray]:
    """Masks of a prepared folder, evenly chosen, as squares with ids below 16."""
    folder = PreparedFolder(root)
    samples = [
        sample
        for split, count in folder.counts.items()
        if count
        for sample in folder.samples(split)
        if "semantic" in sample.record.targets
    ]
    chosen = samples[:: max(1, len(samples) // most)][:most]
    masks = [resize_ids(sample.read_semantic(), (size, size)) for sample in chosen]
    return [np.where(ids == IGNORE_ID, IGNORE_ID, ids % CLASSES).astype(np.uint8) for ids in masks]


def timed(way: Callable[[np.ndarray], np.ndarray], ids: np.ndarray) -> tuple[np.ndarray, ...]:
    """The weights, and milliseconds on the clock and of the processor."""
    started, cpu_started = time.perf_counter(), time.thread_time()
    weights = way(ids)
    cpu, clock = time.thread_time() - cpu_started, time.perf_counter() - started
    return weights, np.array([clock, cpu]) * 1e3


def measure(name: str, masks: list[np.ndarray], rounds: int) -> dict[str, object]:
    """Time all ways on the same masks, in turns."""
    times: dict[str, list[np.ndarray]] = {way: [] for way in (*WAYS, "alone")}
    differs = {way: 0.0 for way in WAYS}
    for way in WAYS.values():
        way(masks[0])  # warms up
    for _ in range(rounds):
        for ids in masks:
            weights = {}
            for label, way in WAYS.items():
                weights[label], taken = timed(way, ids)
                times[label].append(taken)
            for label in WAYS:
                differs[label] += float((weights[label] != weights["ours"]).mean())
        for ids in masks:
            times["alone"].append(timed(WAYS["ours"], ids)[1])
    calls = rounds * len(masks)
    return {
        "masks": name,
        "count": len(masks),
        "classes": median(len(np.unique(ids[ids != IGNORE_ID])) for ids in masks),
        "p50_ms": {way: float(np.median(taken, axis=0)[0]) for way, taken in times.items()},
        "p95_ms": {way: float(np.quantile(taken, 0.95, axis=0)[0]) for way, taken in times.items()},
        "min_ms": {way: float(np.min(taken, axis=0)[0]) for way, taken in times.items()},
        "p50_cpu_ms": {way: float(np.median(taken, axis=0)[1]) for way, taken in times.items()},
        "pixels_unlike_ours": {way: differs[way] / calls for way in WAYS},
    }


def show(report: dict) -> None:
    """Print the table."""
    print(
        f"{report['size']}x{report['size']}, {report['rounds']} rounds, threads=1; OpenCV "
        f"{report['opencv']}, numpy {report['numpy']}; {report['cpu']}\n"
    )
    ways = ("alone", *WAYS)
    print(f"{'':38}" + "".join(f"{way:>12}" for way in ways) + "  public / ours")
    for row in report["rows"]:
        head = f"{row['masks']} ({row['count']} of {row['classes']:g} classes)"
        for what, unit in (("p50_ms", "p50 ms"), ("min_ms", "min ms"), ("p50_cpu_ms", "CPU ms")):
            values = row[what]
            print(
                f"{head:30}{unit:>8}"
                + "".join(f"{values[way]:>12.2f}" for way in ways)
                + f"{values['public'] / values['ours']:>15.1f}"
            )
            head = ""
        unlike = row["pixels_unlike_ours"]
        print(
            f"{'':30}  pixels with other weights than ours: public {unlike['public']:.2%}, "
            f"exact loop {unlike['exact loop']:.2%}; goal {report['goal_ms']:g} ms"
        )


def rows_of(folders: Iterable[Path], options: argparse.Namespace) -> Iterable[dict[str, object]]:
    """Measure every folder, then noise."""
    for folder in folders:
        masks = masks_of(folder, options.size, options.masks)
        yield measure(folder.resolve().name, masks, options.rounds)
    noise = np.random.default_rng(0).integers(0, CLASSES, (4, options.size, options.size))
    yield measure("noise", list(noise.astype(np.uint8)), options.rounds)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="prepared folders; drawn if none")
    parser.add_argument("--size", type=int, default=512, help="side of the masks, in pixels")
    parser.add_argument("--masks", type=int, default=40, help="at most so many per folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folders = options.folders
        if not folders:
            folders = [Path(place) / "drawn scenes"]
            write_prepared(folders[0], ScenesConfig(train=options.masks, val=1))
        rows = list(rows_of(folders, options))
    report = {
        "size": options.size,
        "rounds": options.rounds,
        "goal_ms": GOAL_MS,
        "cpu": cpu_model(),
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
