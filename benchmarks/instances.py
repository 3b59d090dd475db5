"""A network of single objects from frame to picture, beside the bare session and beside Ultralytics.

    python benchmarks/instances.py yolov8n-seg.onnx --source clip.mp4

Everything takes turns, block by block, in one process, so that a busy neighbour slows all of it alike;
ratios and overheads are taken within a turn, and the median over the turns is printed.

- bare: ONNX Runtime's session on a picture that does not change, spinning threads or not, the faster.
- ours: prepare, network, decode with masks at the frame's size, draw, one after the other; what of
  it is not the network is told apart, as beside a busy neighbour a difference of two means is mostly his.
- pipeline: the same through `Pipeline`, wall time per frame, in both arrangements of the cores.
- Ultralytics: predict and plot on the same file and frames, with the same thresholds, with masks at
  the network's size and, retina, at the frame's. Its session gets as many threads as ours; which of
  its settings is fastest here (threads of torch, spinning threads of the session) is tried first.
- decode: the raw outputs of every frame to boxes and masks at the frame's size, ours and theirs, on
  one thread of control without a network beside it; also ours with every mask as a whole frame.

Without Ultralytics (`pip install 'curbside[yolo]'`) ours is measured alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any

import numpy as np
import onnxruntime
import tyro

from curbside.errors import MissingDependencyError
from curbside.hardware import core_count, cpu_model, thread_count
from curbside.manifest import METADATA_KEY, write_sidecar
from curbside.progress import track
from curbside.runtime import (
    InstanceConfig,
    InstancePredictor,
    load_predictor,
    open_source,
    plan_cores,
)
from curbside.runtime.backends.onnx_runtime import read_graph
from curbside.runtime.benchmark import fixed_input, time_bare, time_pipeline
from curbside.runtime.cores import opencv_on_one_core
from curbside.runtime.description import Hints, describe_network

__all__ = ["main"]

Way = Callable[[np.ndarray], Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table."""

    way: str
    p50_ms: float
    """Median over all frames of all turns; of a pipeline over the turns."""
    p95_ms: float | None
    """95th percentile of the same; none of a pipeline, which is measured by the turn."""
    over_bare_ms: float | None
    """Median of a turn less that of the bare session in it, or of ours for decoding: median over them."""
    ratio: float
    """The same as a ratio."""


def main(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    source: Path,
    confidence: tuple[float, ...] = (0.5, 0.25),
    iou: float = 0.5,
    threads: int | None = None,
    turns: int = 7,
    frames: int = 38,
    space: str | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measure a network of single objects.

    Args:
        model: An ONNX file as Ultralytics exports it, with a Manifest or without.
        source: A video file.
        confidence: Confidences to measure at, one after the other.
        iou: Overlap from which the less probable of two objects is dropped.
        threads: Threads for every network; all cores where not given.
        turns: Turns that everything takes.
        frames: Frames per turn, the first ones of the source.
        space: Label space, where the file names no classes.
        as_json: Print JSON instead of tables.
    """
    total = thread_count(threads)
    with closing(open_source(source)) as opened:
        clip = [frame.bgr for frame in islice(opened.frames(), frames)]
    about: dict[str, Any] = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": total,
        "model": model.name,
        "source": f"{source.name}, {clip[0].shape[1]} x {clip[0].shape[0]}",
        "turns": turns,
        "frames_per_turn": len(clip),
        "onnxruntime": version("onnxruntime"),
        "load_before": os.getloadavg()[0],
    }
    found = []
    with ExitStack() as stack:
        stack.enter_context(opencv_on_one_core())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="curbside-")))
        path = _with_manifest(model, folder, space)
        theirs = _Ultralytics.open(path, stack, folder, total, clip)
        about |= {"ultralytics": theirs.about if theirs else "not installed: ours alone"}
        for chance in confidence:
            setup = InstanceConfig(confidence=chance, iou=iou)
            found.append(_measure(path, clip, source, setup, total, turns, theirs))
    about["load_after"] = os.getloadavg()[0]
    if as_json:
        print(json.dumps({**about, "measured": found}, indent=2))
    else:
        _show(about, found)


def _with_manifest(model: Path, folder: Path, space: str | None) -> Path:
    """The file itself, or a copy that says what it is."""
    if METADATA_KEY in read_graph(model).metadata or Path(f"{model}.json").is_file():
        return model
    path = Path(shutil.copyfile(model, folder / model.name))
    write_sidecar(path, describe_network(path, Hints(task="instances", space=space)))
    return path


def _measure(
    path: Path,
    clip: list[np.ndarray],
    source: Path,
    setup: InstanceConfig,
    threads: int,
    turns: int,
    theirs: _Ultralytics | None,
) -> dict[str, Any]:
    with ExitStack() as stack:
        ours = stack.enter_context(load_predictor(path, threads=threads, instances=setup))
        assert isinstance(ours, InstancePredictor)
        outputs = [ours.infer(ours.prepare(frame)) for frame in clip]
        objects = [len(ours.decode(out, f.shape[:2])) for out, f in zip(outputs, clip, strict=True)]
        host_ms: list[float] = []

        def from_frame(frame: np.ndarray) -> np.ndarray:
            start = time.perf_counter()
            tensor = ours.prepare(frame)
            before = time.perf_counter()
            found = ours.infer(tensor)
            after = time.perf_counter()
            picture = ours.decode(found, frame.shape[:2]).draw(frame)
            host_ms.append((time.perf_counter() - after + before - start) * 1e3)
            return picture

        ways: dict[str, Way] = {"ours": from_frame}
        decoders: dict[str, Way] = {
            "ours": lambda number: ours.decode(outputs[number], clip[number].shape[:2]),
            "ours, every mask as a whole frame": lambda number: _filled(
                ours.decode(outputs[number], clip[number].shape[:2])
            ),
        }
        if theirs is not None:
            for name, retina in (("Ultralytics", False), ("Ultralytics, retina", True)):
                ways[name] = theirs.way(setup, retina=retina)
            decoders["Ultralytics, retina"] = theirs.decoder(setup, outputs, clip)
        plans = {"camera": plan_cores(threads, live=True), "file": plan_cores(threads, live=False)}
        pipes = {
            name: stack.enter_context(load_predictor(path, threads=plan.threads, instances=setup))
            for name, plan in plans.items()
        }
        bare = [_session(path, threads, spinning=spinning) for spinning in (True, False)]
        tensor = fixed_input(ours)
        times: dict[str, list[list[float]]] = {}
        for _ in track(
            range(turns), total=turns, description=f"at {setup.confidence:g}", unit="turns"
        ):
            both = [
                time_bare(lambda s=s: s.run(None, {s.get_inputs()[0].name: tensor}), len(clip))
                for s in bare
            ]
            times.setdefault("bare", []).append(min(both, key=mean))
            for name, way in ways.items():
                times.setdefault(name, []).append(_timed(way, clip))
            for name, pipe in pipes.items():
                block = time_pipeline(source, pipe, workers=plans[name].workers, frames=len(clip))
                times.setdefault(f"pipeline, cores for a {name}", []).append([block.frame_ms])
        decoding: dict[str, list[list[float]]] = {}
        for _ in range(turns):
            for name, way in decoders.items():
                decoding.setdefault(name, []).append(_timed(way, range(len(clip))))
    return {
        "confidence": setup.confidence,
        "iou": setup.iou,
        "objects_per_frame": mean(objects),
        "host_ms": [float(np.percentile(host_ms, share)) for share in (50, 95)],
        "whole": [asdict(row) for row in _rows(times, "bare")],
        "decoding": [asdict(row) for row in _rows(decoding, "ours")],
    }


def _filled(result: Any) -> list[np.ndarray]:
    return [result.full_mask(index) for index in range(len(result))]


def _session(path: Path, threads: int, *, spinning: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _timed(way: Way, items: Sequence[Any]) -> list[float]:
    """Wall time per item after one that does not count, in milliseconds."""
    way(items[0])
    times = []
    for item in items:
        start = time.perf_counter()
        way(item)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def _rows(times: dict[str, list[list[float]]], beside: str) -> list[Row]:
    rows = []
    for name, of_turns in times.items():
        every = [value for turn in of_turns for value in turn]
        pairs = [(median(a), median(b)) for a, b in zip(of_turns, times[beside], strict=True)]
        rows.append(
            Row(
                way=name,
                p50_ms=float(np.percentile(every, 50)),
                p95_ms=float(np.percentile(every, 95)) if len(of_turns[0]) > 1 else None,
                over_bare_ms=None if name == beside else median(a - b for a, b in pairs),
                ratio=median(a / b for a, b in pairs),
            )
        )
    return rows


class _Ultralytics:
    """Its predictor on the same file, in the setting that is fastest here.

    Args:
        library: Its modules by their names.
        path: The file.
        threads: Threads of the session.
        clip: Frames to try settings on.
    """

    def __init__(
        self, library: Callable[[str], Any], path: Path, threads: int, clip: list[np.ndarray]
    ) -> None:
        self._library, self._path = library, path
        self._torch_threads = 1
        tried = {}
        for spinning in (True, False):
            model = self._open(threads, spinning)
            for torch_threads in sorted({1, threads}):
                self._model, self._torch_threads = model, torch_threads
                way = self.way(InstanceConfig(iou=0.5), retina=True)
                tried[spinning, torch_threads] = model, median(_timed(way, clip[:8]))
        spinning, self._torch_threads = min(tried, key=lambda key: tried[key][1])
        self._model = tried[spinning, self._torch_threads][0]
        self.about = (
            f"{version('ultralytics')}, {threads} threads of the session,"
            f" {'spinning' if spinning else 'not spinning'}, {self._torch_threads} of torch, OpenCV on one;"
            f" of {', '.join(f'{ms:.1f}' for _, ms in tried.values())} ms"
        )

    @classmethod
    def open(
        cls, path: Path, stack: ExitStack, folder: Path, threads: int, clip: list[np.ndarray]
    ) -> _Ultralytics | None:
        """It, or None where it is not installed; kept quiet until the stack closes."""
        try:
            from curbside.training.yolo import quiet_ultralytics

            library = stack.enter_context(quiet_ultralytics(folder / "ultralytics.log"))
        except (ImportError, MissingDependencyError):
            return None
        return cls(library, path, threads, clip)

    def _open(self, threads: int, spinning: bool) -> Any:
        """A model whose session has these threads; Ultralytics itself leaves them to the library."""
        with _sessions(threads, spinning):
            model = self._library("models").YOLO(str(self._path), task="segment")
            model.predict(np.zeros((64, 64, 3), np.uint8), verbose=False, device="cpu")
        return model

    def way(self, setup: InstanceConfig, *, retina: bool) -> Way:
        """From a frame to its picture."""
        import torch

        settings = {
            "conf": setup.confidence,
            "iou": setup.iou,
            "max_det": setup.max_detections,
            "retina_masks": retina,
            "rect": False,
            "verbose": False,
            "device": "cpu",
        }
        model, threads = self._model, self._torch_threads

        def run(frame: np.ndarray) -> np.ndarray:
            torch.set_num_threads(threads)  # it sets its own when a model is opened
            (result,) = model.predict(frame, **settings)
            return result.plot()

        return run

    def decoder(
        self, setup: InstanceConfig, outputs: list[dict[str, np.ndarray]], clip: list[np.ndarray]
    ) -> Way:
        """From the raw outputs of a frame to boxes and masks at its size."""
        import torch

        self.way(setup, retina=True)(clip[0])  # gives the predictor these settings
        predictor = self._model.predictor
        predictor.batch = [["frame"], None, None]
        tensors = [[torch.from_numpy(array) for array in out.values()] for out in outputs]
        height, width = self._model.predictor.imgsz
        image, threads = torch.zeros(1, 3, height, width), self._torch_threads

        def run(number: int) -> Any:
            torch.set_num_threads(threads)
            with torch.inference_mode():
                copies = [tensor.clone() for tensor in tensors[number]]  # it may write into them
                return predictor.postprocess(copies, image, [clip[number]])

        return run


@contextmanager
def _sessions(threads: int, spinning: bool) -> Iterator[None]:
    """Sessions that are opened without settings get these."""
    kind = onnxruntime.InferenceSession

    def opened(path: Any, options: Any = None, **more: Any) -> Any:
        options = options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if not spinning:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return kind(path, options, **more)

    onnxruntime.InferenceSession = opened
    try:
        yield
    finally:
        onnxruntime.InferenceSession = kind


def _show(about: dict[str, Any], found: list[dict[str, Any]]) -> None:
    for name, value in about.items():
        print(f"{name.replace('_', ' ')}: {value}")
    for item in found:
        print(
            f"\nconfidence {item['confidence']:g}, IoU {item['iou']:g},"
            f" {item['objects_per_frame']:.1f} objects per frame\n"
        )
        print(
            "| frame to picture | p50 ms | p95 ms | over the bare session ms | times the bare session |"
        )
        print("|---|---|---|---|---|")
        for row in item["whole"]:
            print(_line(row))
        p50, p95 = item["host_ms"]
        print(f"| of ours, all but the network | {p50:.2f} | {p95:.2f} | | |")
        print(
            "\n| raw outputs to masks at the frame's size | p50 ms | p95 ms | over ours ms | times ours |"
        )
        print("|---|---|---|---|---|")
        for row in item["decoding"]:
            print(_line(row))


def _line(row: dict[str, Any]) -> str:
    p95, over = (
        "" if value is None else f"{value:.2f}" for value in (row["p95_ms"], row["over_bare_ms"])
    )
    return f"| {row['way']} | {row['p50_ms']:.2f} | {p95} | {over} | {row['ratio']:.2f} |"


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
