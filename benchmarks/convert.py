"""Our IDD conversion against the official tools' way: milliseconds per frame, interleaved.

Both make the same files of the same frames in turns, on one core: class ids and instance map in the
seven official encodings and one colour picture. The official way is written here anew, from what the
tools do: per picture they read the JSON, draw with Pillow and save with Pillow. Every picture of ours
is compared with theirs, pixel by pixel, before the clock starts.

    python benchmarks/convert.py                 # 40 drawn frames of 1920 x 1080, 60 objects each
    python benchmarks/convert.py --frames 10 --json
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
from PIL import Image, ImageDraw

from curbside.convert.official import (
    OUTPUTS,
    AnnotatedFrame,
    OfficialTree,
    Output,
    annotated_frames,
    polygon_labels,
)
from curbside.convert.polygon_frame import PolygonFrame
from curbside.hardware import cpu_model
from curbside.labels import IGNORE_ID, idd_labels
from curbside.processes import in_processes

ENCODINGS = ("id", "csId", "csTrainId", "level4Id", "level3Id", "level2Id", "level1Id")
MASKS: tuple[Output, ...] = ("semantic", "instance", "color")
GOAL = 6.0
TURNS = 8  # that ours makes each frame in a whole run: it would be over before the processes start


# --- drawn frames ---


def draw_dataset(root: Path, *, frames: int, objects: int, size_hw: tuple[int, int]) -> None:
    """Polygon files alone, in IDD's layout: sky and road, then ever smaller things."""
    rng = np.random.default_rng(0)
    height, width = size_hw
    singles = [label.name for label in idd_labels().values() if label.ids["level3Id"] != IGNORE_ID]
    names = [*singles, *["car", "person", "motorcycle", "rider", "autorickshaw"] * 6, "cargroup"]
    for number in range(frames):
        found = []
        for index in range(objects):
            radius = width * (0.3 if index < 5 else float(rng.lognormal(-3.6, 0.8)))
            corners = int(rng.integers(10, 61))
            angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
            reach = radius * rng.uniform(0.7, 1.0, corners)
            x = rng.uniform(0, width) + reach * np.cos(angles)
            y = rng.uniform(0.2 * height, 0.8 * height) + reach * np.sin(angles) * 0.7
            label = (
                ("sky", "road", "building", "vegetation", "sidewalk")[index] if index < 5 else ""
            )
            polygon = np.stack([x, y], axis=1).round(2).tolist()
            found.append(
                {
                    "date": "02-Jan-2018 00:00:00",
                    "deleted": 0,
                    "draw": True,
                    "id": index,
                    "label": label or str(rng.choice(names)),
                    "polygon": polygon,
                    "user": "someone",
                    "verified": 0,
                }
            )
        path = root / "gtFine/train" / str(number % 4) / f"{number:06}_gtFine_polygons.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {"imgHeight": height, "imgWidth": width, "objects": found}
        path.write_text(json.dumps(data))


# --- the official way ---


def theirs(frame: AnnotatedFrame, out: Path, outputs: tuple[str, ...], encodings: tuple[str, ...]):
    """One frame, one picture after the other."""
    for encoding in encodings:
        stem = f"{out / frame.name}_{encoding}"
        if "semantic" in outputs:
            official_classes(frame.polygons, encoding).save(f"{stem}_semantic.png")
        if "instance" in outputs:
            image = official_instances(frame.polygons, encoding)
            image.convert("I;16").save(f"{stem}_instance.png")  # newer Pillows save no "I" as PNG
    if "color" in outputs:
        official_colors(frame.polygons).save(f"{out / frame.name}__color.png")


def official_objects(path: Path, fewest: int):
    """Size, and label, whether it is a group, and corners of every object that counts."""
    data = json.loads(path.read_text())
    labels = idd_labels()
    found = []
    for item in data["objects"]:
        name, polygon = item["label"], [tuple(corner) for corner in item["polygon"]]
        if item["deleted"] or len(polygon) < fewest:
            continue
        group = name not in labels and name.endswith("group")
        found.append((labels[name.removesuffix("group") if group else name], group, polygon))
    return (data["imgWidth"], data["imgHeight"]), found


def official_classes(path: Path, encoding: str) -> Image.Image:
    """The picture of class ids."""
    size, objects = official_objects(path, 3)
    image = Image.new("L", size, IGNORE_ID)
    drawer = ImageDraw.Draw(image)
    for label, _, polygon in objects:
        drawer.polygon(polygon, fill=label.ids[encoding])
    return image


def official_instances(path: Path, encoding: str) -> Image.Image:
    """The instance map, counted per encoded class."""
    size, objects = official_objects(path, 2)
    image = Image.new("I", size, IGNORE_ID)
    drawer = ImageDraw.Draw(image)
    counters: Counter[int] = Counter()
    for label, group, polygon in objects:
        value = label.ids[encoding]
        if label.has_instances and not group and value != IGNORE_ID:
            counters[value] += 1
            value = value * 1000 + counters[value] - 1
        drawer.polygon(polygon, fill=value)
    return image


def official_colors(path: Path) -> Image.Image:
    """The colour picture."""
    size, objects = official_objects(path, 3)
    image = Image.new("RGBA", size, (0, 0, 0))
    drawer = ImageDraw.Draw(image)
    for label, _, polygon in objects:
        drawer.polygon(polygon, fill=label.color)
    return image


# --- ours ---


def ours(frame: AnnotatedFrame, out: Path, outputs: tuple[Output, ...], encodings: tuple[str, ...]):
    """One frame, everything in one go."""
    tree = OfficialTree(root=out, encodings=encodings, outputs=outputs, background="ignore")
    tree.write(frame, PolygonFrame.read(frame.polygons, polygon_labels("ignore")))


# --- measuring ---


def check(frames: list[AnnotatedFrame], out: Path) -> dict[str, float]:
    """Compare every picture of ours with theirs; bytes per frame of both."""
    (out / "theirs").mkdir(parents=True)
    tree = OfficialTree(root=out / "ours", encodings=ENCODINGS, outputs=MASKS, background="ignore")
    sizes = {"ours": 0, "theirs": 0}
    for frame in frames:
        ours(frame, out / "ours", MASKS, ENCODINGS)
        theirs(frame, out / "theirs", MASKS, ENCODINGS)
        for (output, encoding), path in tree.files(frame).items():
            other = out / "theirs" / f"{frame.name}_{encoding}_{output}.png"
            with Image.open(path) as our, Image.open(other) as their:
                same = np.array_equal(np.asarray(our), np.asarray(their)) and our.size == their.size
                if not same or our.mode != their.mode:
                    raise SystemExit(f"{path} and {other} differ")
            sizes["ours"] += path.stat().st_size
            sizes["theirs"] += other.stat().st_size
    return {who: size / len(frames) for who, size in sizes.items()}


def clock(make: Callable[..., object], frame: AnnotatedFrame, out: Path, *what: object) -> float:
    """Milliseconds to make files in a new folder."""
    out.mkdir()
    started = time.perf_counter()
    make(frame, out, *what)
    taken = (time.perf_counter() - started) * 1e3
    shutil.rmtree(out)
    return taken


def compare(frames: list[AnnotatedFrame], out: Path) -> list[dict[str, Any]]:
    """Time every set of outputs on every frame, in turns."""
    cases: list[tuple[str, tuple[Output, ...], tuple[str, ...]]] = [
        ("7 encodings, instances, colour", MASKS, ENCODINGS),
        ("class ids of one encoding", ("semantic",), ("level3Id",)),
        ("instances of one encoding", ("instance",), ("level3Id",)),
        ("colour", ("color",), ("level3Id",)),
        ("all with panoptic, one encoding", OUTPUTS, ("level3Id",)),
    ]
    rows = []
    for name, outputs, encodings in cases:
        our, their = [], []
        for frame in frames:
            our.append(clock(ours, frame, out / "now", outputs, encodings))
            if "panoptic" not in outputs:
                their.append(clock(theirs, frame, out / "now", outputs, encodings))
        row: dict[str, Any] = {"outputs": name}
        for who, times in (("ours", our), ("theirs", their)):
            if times:
                row |= {f"{who}_ms": float(np.median(times))}
                row |= {f"{who}_p95_ms": float(np.percentile(times, 95))}
        if their:
            row["ratio"] = row["theirs_ms"] / row["ours_ms"]
        rows.append(row)
    rows[0]["goal"] = GOAL
    return rows


def rates(frames: list[AnnotatedFrame], out: Path) -> list[dict[str, Any]]:
    """Frames per second of whole runs with one process and with two, their start included."""
    found = []
    for workers in (1, 2):
        row: dict[str, Any] = {"workers": workers}
        for who, make, turns in (("ours", ours, TURNS), ("theirs", theirs, 1)):
            many = [
                replace(frame, frame=f"{frame.frame}-{turn}", name=f"{frame.name}-{turn}")
                for turn in range(turns)
                for frame in frames
            ]
            (out / "run").mkdir()
            work = partial(make, out=out / "run", outputs=MASKS, encodings=ENCODINGS)
            started = time.perf_counter()
            for _ in in_processes(work, many, workers, who, unit="frames"):
                pass
            row[f"{who}_per_s"] = len(many) / (time.perf_counter() - started)
            shutil.rmtree(out / "run")
        found.append(row)
    return found


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    print(
        f"{report['frames']} frames of {report['size_wh'][0]} x {report['size_wh'][1]}, "
        f"{report['objects']} objects each; one core; ms per frame; {report['cpu']}"
    )
    print(f"Pillow {report['pillow']}, OpenCV {report['opencv']}, numpy {report['numpy']}\n")
    print(f"{'made':34}{'ours':>8}{'p95':>8}{'theirs':>9}{'p95':>8}{'ratio':>8}{'goal':>6}")
    for row in report["rows"]:
        line = f"{row['outputs']:34}{row['ours_ms']:>8.1f}{row['ours_p95_ms']:>8.1f}"
        if "ratio" in row:
            line += f"{row['theirs_ms']:>9.1f}{row['theirs_p95_ms']:>8.1f}{row['ratio']:>7.1f}x"
        print(line + (f"{row['goal']:>5.0f}x" if "goal" in row else ""))
    sizes = report["bytes_per_frame"]
    print(f"\nbytes per frame: ours {sizes['ours']:,.0f}, theirs {sizes['theirs']:,.0f}")
    for row in report["rates"]:
        print(
            f"{row['workers']} process(es): ours {row['ours_per_s']:.1f} frames/s, "
            f"theirs {row['theirs_per_s']:.1f}"
        )


def main() -> None:
    """Parse, draw, check, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=40, help="drawn frames")
    parser.add_argument("--objects", type=int, default=60, help="objects per frame, 5 or more")
    parser.add_argument("--size", type=int, nargs=2, default=(1080, 1920), help="height and width")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "idd", Path(folder) / "out"
        out.mkdir()
        size_hw = (options.size[0], options.size[1])
        draw_dataset(root, frames=options.frames, objects=options.objects, size_hw=size_hw)
        frames = annotated_frames(root)
        report = {
            "frames": options.frames,
            "objects": options.objects,
            "size_wh": size_hw[::-1],
            "cpu": cpu_model(),
            "pillow": PIL.__version__,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
            "bytes_per_frame": check(frames[:5], out / "check"),
            "rows": compare(frames, out),
            "rates": rates(frames, out),
        }
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)


if __name__ == "__main__":
    main()
