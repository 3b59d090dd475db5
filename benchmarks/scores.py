"""Our scores against torchmetrics: milliseconds and memory per picture, interleaved.

Both see the same softmax maps with some ignored pixels (for panoptic quality the pieces of their class
maps), in turns, on one thread each (`--threads`).
torchmetrics is called as its users do: one `update` per picture, arguments not validated again.

    python benchmarks/scores.py                  # 30 pictures of 512 x 512, 16 classes
    python benchmarks/scores.py --images 10 --json
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median

import cv2
import numpy as np
import torch
import torchmetrics
from torchmetrics import classification, detection

from curbside.imaging import top_class
from curbside.labels import IGNORE_ID, PER_CLASS, LabelClass, LabelSpace
from curbside.metrics import (
    Calibration,
    ConfusionMatrix,
    PanopticScores,
    PrecisionRecall,
    SegmentationScores,
)

SLOW = 5  # pictures for torchmetrics' precision-recall curves, which take seconds each


def pictures(count: int, classes: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Softmax maps of a network that is mostly right and mostly sure, with their truth."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        blocks = rng.integers(0, classes, (size // 32, size // 32)).astype(np.uint8)
        target = cv2.resize(blocks, (size, size), interpolation=cv2.INTER_NEAREST)
        scores = np.empty((classes, size, size), np.float32)
        for index in range(classes):
            evidence = cv2.GaussianBlur((target == index).astype(np.float32), (0, 0), 5) * 12
            noise = cv2.GaussianBlur(rng.normal(0, 20, (size, size)).astype(np.float32), (0, 0), 4)
            scores[index] = evidence + noise
        scores = np.exp(scores - scores.max(axis=0))
        scores /= scores.sum(axis=0)
        target[rng.random((size, size)) < 0.03] = IGNORE_ID
        yield scores, target


def segments(ids: np.ndarray, classes: int) -> np.ndarray:
    """A class map whose upper half of classes are things: every connected piece of one is an object.

    Returns:
        (H, W) int32 as in a prepared instance map.
    """
    found = ids.astype(np.int32)
    for class_id in range(max(1, classes // 2), classes):
        _, pieces = cv2.connectedComponents((ids == class_id).astype(np.uint8))
        inside = pieces > 0
        found[inside] = class_id * PER_CLASS + np.minimum(pieces[inside], PER_CLASS - 1)
    return found


def as_pairs(values: np.ndarray) -> torch.Tensor:
    """A map of segments as torchmetrics takes it: class and number, (1, H, W, 2)."""
    single = values >= PER_CLASS
    classes = np.where(single, values // PER_CLASS, values)
    return torch.from_numpy(np.stack([classes, np.where(single, values % PER_CLASS, 0)], -1))[None]


def state_bytes(metric: object) -> int:
    """Memory that a metric keeps between pictures."""
    if isinstance(metric, torchmetrics.Metric):
        values: list[object] = list(metric.metric_state.values())
        tensors = [t for v in values for t in (v if isinstance(v, list) else [v])]
        return sum(t.element_size() * t.nelement() for t in tensors)  # type: ignore[attr-defined]
    total = 0
    for value in vars(metric).values():
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif hasattr(value, "update") and hasattr(value, "__dict__"):
            total += state_bytes(value)
    return total


class Timed:
    """A metric, what it took for each picture, and the memory that it kept."""

    def __init__(self, name: str, metric: object, update: Callable[..., object], only: int = 0):
        self.name, self.metric, self.update = name, metric, update
        self.only = only or 10**9
        self.times_ms: list[float] = []
        self.bytes: list[int] = []

    def see(self, *inputs: object) -> None:
        """Score a picture on the clock."""
        if len(self.times_ms) < self.only:
            started = time.perf_counter()
            self.update(*inputs)
            self.times_ms.append((time.perf_counter() - started) * 1e3)
            self.bytes.append(state_bytes(self.metric))

    @property
    def ms(self) -> float:
        """Median, the first picture left out where there are more."""
        return median(self.times_ms[1:] or self.times_ms)

    @property
    def p95_ms(self) -> float:
        """95th percentile, the first picture left out where there are more."""
        return float(np.percentile(self.times_ms[1:] or self.times_ms, 95))

    @property
    def growth(self) -> float:
        """Bytes more per picture, the first left out: it may allocate what stays."""
        return (self.bytes[-1] - self.bytes[0]) / max(1, len(self.bytes) - 1)


def measure(images: int, classes: int, size: int) -> list[dict[str, object]]:
    """Time every metric on every picture, in turns."""
    options = {"ignore_index": IGNORE_ID, "validate_args": False}
    matrix, calibration = ConfusionMatrix(classes), Calibration()
    curves, scores = PrecisionRecall(classes), SegmentationScores(classes)
    their_matrix = classification.MulticlassJaccardIndex(classes, **options)
    their_ece = classification.MulticlassCalibrationError(classes, n_bins=15, **options)
    their_curves = classification.MulticlassPrecisionRecallCurve(classes, thresholds=20, **options)
    pairs = [
        (
            "confusion matrix",
            5.0,
            Timed("ConfusionMatrix", matrix, lambda p, i, c, t: matrix.update(i, t)),
            Timed("JaccardIndex", their_matrix, lambda p, i, t: their_matrix.update(i, t)),
        ),
        (
            "ECE, 15 and 1,500 bins",
            2.0,
            Timed("Calibration", calibration, lambda p, i, c, t: calibration.update(c, i, t)),
            Timed("CalibrationError, 15 bins", their_ece, lambda p, i, t: their_ece.update(p, t)),
        ),
        (
            f"AUPRC per class, {curves.bins:,} bins",
            50.0,
            Timed("PrecisionRecall", curves, lambda p, i, c, t: curves.update(p, t)),
            Timed(
                "PrecisionRecallCurve, 20 thresholds",
                their_curves,
                lambda p, i, t: their_curves.update(p, t),
                only=SLOW,
            ),
        ),
    ]
    things = set(range(max(1, classes // 2), classes))
    space = LabelSpace(
        name="blocks",
        classes=tuple(
            LabelClass(id=i, name=str(i), color=(0, 0, 0), has_instances=i in things)
            for i in range(classes)
        ),
    )
    quality = PanopticScores(space)
    their_quality = detection.PanopticQuality(things, set(range(classes)) - things)
    panoptic = (
        "panoptic quality",
        10.0,
        Timed("PanopticScores", quality, lambda t, p: quality.update(t, p)),
        Timed("PanopticQuality", their_quality, lambda t, p: their_quality.update(p, t), only=SLOW),
    )
    everything = Timed(
        "SegmentationScores", scores, lambda p, i, c, t: scores.update(t, probabilities=p)
    )
    for probabilities, target in pictures(images, classes, size):
        ids, confidence = top_class(probabilities)
        theirs = (
            torch.from_numpy(probabilities)[None],
            torch.from_numpy(ids.astype(np.int64))[None],
            torch.from_numpy(target.astype(np.int64))[None],
        )
        for _, _, our, their in pairs:
            our.see(probabilities, ids, confidence, target)
            their.see(*theirs)
        everything.see(probabilities, ids, confidence, target)
        both = segments(target, classes), segments(ids, classes)
        panoptic[2].see(*both)
        panoptic[3].see(*map(as_pairs, both))
    rows: list[dict[str, object]] = [
        {
            "score": score,
            "ours_ms": our.ms,
            "ours_p95_ms": our.p95_ms,
            "theirs": their.name,
            "theirs_ms": their.ms,
            "theirs_p95_ms": their.p95_ms,
            "ratio": their.ms / our.ms,
            "goal": goal,
            "ours_bytes_per_image": our.growth,
            "theirs_bytes_per_image": their.growth,
            "ours_bytes": our.bytes[-1],
        }
        for score, goal, our, their in (*pairs, panoptic)
    ]
    rows.append(
        {
            "score": "all of them at once",
            "ours_ms": everything.ms,
            "ours_p95_ms": everything.p95_ms,
            "ours_bytes_per_image": everything.growth,
            "ours_bytes": everything.bytes[-1],
        }
    )
    return rows


def show(report: dict) -> None:
    """Print the table."""
    print(
        f"{report['images']} pictures of {report['size']} x {report['size']}, "
        f"{report['classes']} classes, {report['threads']} thread(s); median ms per picture"
    )
    print(
        f"torchmetrics {report['torchmetrics']}, torch {report['torch']}, "
        f"numpy {report['numpy']}, OpenCV {report['opencv']}; {report['cpu']}\n"
    )
    print(f"{'score':32}{'ours':>9}{'theirs':>10}{'ratio':>9}{'goal':>7}  memory per picture")
    for row in report["rows"]:
        line = f"{row['score']:32}{row['ours_ms']:>9.2f}"
        kept = f"ours {row['ours_bytes_per_image']:+.0f} B (holds {row['ours_bytes'] / 1e6:.1f} MB)"
        if "ratio" in row:
            line += f"{row['theirs_ms']:>10.1f}{row['ratio']:>8.1f}x{row['goal']:>6.0f}x"
            kept += f", theirs {row['theirs_bytes_per_image'] / 1e6:+.2f} MB"
        else:
            line += " " * 26
        print(f"{line}  {kept}")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=30, help="pictures to score")
    parser.add_argument("--classes", type=int, default=16)
    parser.add_argument("--size", type=int, default=512, help="height and width in pixels")
    parser.add_argument("--threads", type=int, default=1, help="for torch and OpenCV alike")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    warnings.simplefilter("ignore")
    gc.disable()
    report = {
        "images": options.images,
        "classes": options.classes,
        "size": options.size,
        "threads": options.threads,
        "cpu": platform.processor() or platform.machine(),
        "torchmetrics": torchmetrics.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "rows": measure(options.images, options.classes, options.size),
    }
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)


if __name__ == "__main__":
    main()
