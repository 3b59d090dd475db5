"""Every way from a frame to a class map on this processor, and the class map alone beside numpy.

    python benchmarks/deploy.py a.onnx b.onnx --data DATA

The files are float model files with the class map inside. Each is compiled for ONNX Runtime and, where
it is installed, OpenVINO, in float and in 8 bits, with the class map inside the graph and on the host,
and all of them take turns on the same pictures, so that a busy neighbour slows them alike. What a way
loses is shown beside its speed; none is left out for losing too much.

Then the class map from scores at the network's stride is timed in turns with `scores.argmax(0)` of
numpy over the full-size float tensor, with the scores that the network gives for the same pictures.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import tyro

from curbside.deploy import CalibrationSet, GateConfig, compile_fastest
from curbside.deploy.gate.lineup import pictures_of
from curbside.deploy.graphs.host_form import write_host_form
from curbside.hardware import core_count, cpu_model, thread_count
from curbside.imaging import class_map, resize_scores
from curbside.prepared import PreparedFolder, evenly_spaced
from curbside.runtime import load_predictor
from curbside.runtime.cores import opencv_on_one_core

__all__ = ["main"]

_TURNS = 60


def main(
    models: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    data: Path,
    count: int = 64,
    limit: int = 24,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measure every way from a frame to a class map.

    Args:
        models: Float model files with the class map inside.
        data: A prepared folder: its training split to calibrate on, its validation split to measure on.
        count: Calibration pictures.
        limit: Pictures to measure on.
        threads: Threads for each network; all cores where not given.
        as_json: Print JSON instead of tables.
    """
    folder = PreparedFolder(data)
    calibration = CalibrationSet.choose(folder, count=count)
    samples = evenly_spaced(folder.samples("val", target="semantic"), limit)
    about = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": thread_count(threads),
        "data": data.name,
        "pictures": len(samples),
        **{name: version(name) for name in ("onnxruntime", "openvino", "numpy")},
    }
    found = []
    for model in models:
        with tempfile.TemporaryDirectory(prefix="curbside-") as place:
            report = compile_fastest(
                model,
                Path(place) / "best",
                calibration,
                samples,
                config=GateConfig(max_loss=100),
                threads=threads,
            )
            losses = {item.name: item.gate.best.loss for item in report.candidates}
            ways = [
                {
                    "way": name,
                    "precision": file.precision,
                    "network_ms": file.latency.p50_ms,
                    "whole_ms": file.whole.p50_ms,
                    "ratio": report.lineup.speed_up(number),
                    "agreement": file.agreement,
                    "loss": losses.get(name, 0.0),
                }
                for number, (name, file) in enumerate(
                    zip(report.names, report.lineup.files, strict=True)
                )
            ]
            maps = _class_maps(model, Path(place) / "host.onnx", pictures_of(samples))
        found.append({"model": model.name, "ways": ways, "class_map": maps})
    if as_json:
        print(json.dumps({**about, "models": found}, indent=2))
    else:
        _show(about, found)


def _class_maps(model: Path, host: Path, frames: list[np.ndarray]) -> dict[str, Any]:
    """Our class map from coarse scores beside numpy's argmax over full-size ones."""
    write_host_form(model, host)
    with load_predictor(host) as predictor:
        size_hw = predictor.manifest.input.size_hw
        name = predictor.manifest.outputs[0].name
        scores = [np.array(predictor.infer(predictor.prepare(frame))[name][0]) for frame in frames]
    full = [resize_scores(item, size_hw) for item in scores]
    same = [
        float((class_map(a, size_hw) == b.argmax(0)).mean())
        for a, b in zip(scores, full, strict=True)
    ]
    ours, theirs, resized = [], [], []
    with opencv_on_one_core():
        for turn in range(_TURNS):
            coarse, fine = scores[turn % len(scores)], full[turn % len(full)]
            ours.append(_ms(lambda coarse=coarse: class_map(coarse, size_hw)))
            theirs.append(_ms(lambda fine=fine: fine.argmax(0)))
            resized.append(_ms(lambda coarse=coarse: resize_scores(coarse, size_hw)))
    return {
        "scores": list(scores[0].shape),
        "size_hw": list(size_hw),
        "ours_ms": median(ours),
        "numpy_argmax_ms": median(theirs),
        "resize_before_it_ms": median(resized),
        "share_of_numpy": median(a / b for a, b in zip(ours, theirs, strict=True)),
        "least_agreement": min(same),
    }


def _ms(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def _show(about: Mapping[str, Any], found: list[dict[str, Any]]) -> None:
    for name, value in about.items():
        print(f"{name}: {value}")
    for item in found:
        print(f"\n{item['model']}\n")
        print(
            "| way | runs in | network ms | frame to class map ms | times the speed | same class | mIoU lost |"
        )
        print("|---|---|---|---|---|---|---|")
        for way in item["ways"]:
            print(
                f"| {way['way']} | {way['precision']} | {way['network_ms']:.1f}"
                f" | {way['whole_ms']:.1f} | {way['ratio']:.2f} | {way['agreement']:.2%}"
                f" | {way['loss']:.2f} |"
            )
        maps = item["class_map"]
        print(
            f"\nclass map from {maps['scores']} to {maps['size_hw']}: {maps['ours_ms']:.2f} ms,"
            f" numpy's argmax over full-size scores {maps['numpy_argmax_ms']:.2f} ms"
            f" ({maps['share_of_numpy']:.2f} of it), and {maps['resize_before_it_ms']:.2f} ms to"
            f" resize before it; {maps['least_agreement']:.4%} same classes at the least"
        )


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
