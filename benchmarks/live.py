"""The live pipeline beside the bare ONNX Runtime session of the same file, with the same threads.

    python benchmarks/live.py a.onnx b.onnx --source clip.mp4
    python benchmarks/live.py a.onnx --instances yolo.onnx --source clip.mp4

Everything takes turns, block by block, so that a busy neighbour slows all of it alike; a ratio is
taken within one turn and the median over the turns is printed. The bare session is ONNX Runtime on
a picture that does not change, once as it comes and once without spinning threads (which a busy
machine punishes); the faster of the two counts in every turn. The pipeline decodes, resizes, brings
the class map to the size of the frame and blends it over the frame; it is measured in both
arrangements of the cores (`camera`: one network on all threads; `file`: several networks on few
threads each), without and with writing the video.

With `--instances` every model is fused with a network that finds objects, which are followed; the bare
sessions of the two then run one after the other, and the pipeline finds and follows objects, fuses them
with the class map and draws both.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any

import onnxruntime
import tyro

from curbside.hardware import core_count, cpu_model, thread_count
from curbside.progress import track
from curbside.runtime import load_predictor, open_sink, plan_cores
from curbside.runtime.benchmark import fixed_input, open_networks, time_bare, time_pipeline

__all__ = ["bare_sessions", "main"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    model: str
    arrangement: str
    writing: bool
    bare_ms: float
    """Faster bare session: median over the turns of the mean wall time per run."""
    frame_ms: float
    """Pipeline: median over the turns of the wall time per frame."""
    ratio: float
    """Pipeline over bare: median over the turns."""
    ratios: tuple[float, ...]
    """The ratios of all turns, in rising order."""


def main(
    models: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    source: Path,
    instances: Path | None = None,
    threads: int | None = None,
    turns: int = 7,
    frames: int = 40,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measure the live pipeline beside the bare ONNX Runtime session.

    Args:
        models: ONNX files with a Manifest.
        source: A video file; it starts again where it is too short.
        instances: An ONNX file with a Manifest that finds objects, to be fused with each of the others.
        threads: Threads for the network in all; all cores where not given.
        turns: Turns that everything takes.
        frames: Frames per turn.
        as_json: Print JSON instead of a table.
    """
    total = thread_count(threads)
    plans = {"camera": plan_cores(total, live=True), "file": plan_cores(total, live=False)}
    kinds = [
        (path, name, writing) for path in models for name in plans for writing in (False, True)
    ]
    measured: dict[tuple[Path, str, bool], list[tuple[float, float]]] = {kind: [] for kind in kinds}
    scenes = {path: [path] if instances is None else [path, instances] for path in models}
    bare = {
        path: [bare_sessions(scene, total, spinning=spinning) for spinning in (True, False)]
        for path, scene in scenes.items()
    }
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="curbside-") as folder:
        blocks = kinds * turns
        for path, name, writing in track(
            blocks, total=len(blocks), description="live", unit="blocks"
        ):
            sink = open_sink(Path(folder) / "out.mp4" if writing else None, fps=25)
            bare_ms = min(mean(time_bare(run, frames)) for run in bare[path])
            plan = plans[name]
            with open_networks(scenes[path], threads=plan.threads) as networks:
                block = time_pipeline(
                    source, networks.predictor, workers=plan.workers, frames=frames, sink=sink
                )
            measured[path, name, writing].append((bare_ms, block.frame_ms))
    rows = [_row(*kind, pairs) for kind, pairs in measured.items()]
    about = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": total,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "arrangements": {name: asdict(plan) for name, plan in plans.items()},
        "source": source.name,
        "instances": None if instances is None else instances.name,
        "turns": turns,
        "frames_per_turn": frames,
        "onnxruntime": version("onnxruntime"),
        "opencv": version("opencv-python-headless"),
    }
    if as_json:
        print(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        _show(about, rows)


def bare_sessions(paths: Sequence[Path], threads: int, *, spinning: bool) -> Callable[[], Any]:
    """What runs the sessions of files one after the other."""
    runs = [_bare_session(path, threads, spinning=spinning) for path in paths]

    def run_all() -> None:
        for run in runs:
            run()

    return run_all


def _bare_session(path: Path, threads: int, *, spinning: bool) -> Callable[[], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    with load_predictor(path, threads=1) as predictor:
        feed = {predictor.manifest.input.name: fixed_input(predictor)}
    return partial(session.run, None, feed)


def _row(path: Path, name: str, writing: bool, pairs: list[tuple[float, float]]) -> Row:
    ratios = [frame_ms / bare_ms for bare_ms, frame_ms in pairs]
    return Row(
        model=path.name,
        arrangement=name,
        writing=writing,
        bare_ms=median(bare_ms for bare_ms, _ in pairs),
        frame_ms=median(frame_ms for _, frame_ms in pairs),
        ratio=median(ratios),
        ratios=tuple(sorted(ratios)),
    )


def _show(about: Mapping[str, Any], rows: list[Row]) -> None:
    for name, value in about.items():
        if value is None:
            continue
        print(f"{name.replace('_', ' ')}: {value}")
    print("\n| model | cores arranged for | video written | bare ms | ms/frame | ratio | range |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.model} | {row.arrangement} | {'yes' if row.writing else 'no'}"
            f" | {row.bare_ms:.1f} | {row.frame_ms:.1f} | {row.ratio:.2f}"
            f" | {row.ratios[0]:.2f}..{row.ratios[-1]:.2f} |"
        )


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
