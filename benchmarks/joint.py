"""One network with two answers against two networks with one each, on this CPU, in turns.

    python benchmarks/joint.py --work work/joint

Light-Weight RefineNet over MobileNetV2 tells classes and depth at once (HydraNet), and, as two networks
of the same encoder and the same decoder, classes alone and depth alone. (The plain Light-Weight
RefineNet has a wider chain at the finest level: in the place of classes alone it would be slower, and
the ratio better.) All three are exported as they are deployed, from the raw picture (uint8, as OpenCV
gives it) to the class of every pixel and the metres at the decoder's stride, and run one after the other,
turn by turn: a turn's ratio is the joint network's time over the sum of the two. The frame's preparation
and the decoding at its size are timed as well.
Weights are random, which costs the same time. The figures of HydraNet's source are rows to compare:
they are of another machine.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import tyro

from curbside.deploy import CalibrationSet, quantize
from curbside.export import ExportConfig, export_onnx
from curbside.hardware import core_count, cpu_model
from curbside.labels import load_space
from curbside.manifest import DepthSpec
from curbside.models import LightWeightRefineNetConfig
from curbside.prepared import PreparedFolder
from curbside.runtime import TaskPredictor, load_predictor
from curbside.scenes import ScenesConfig, write_prepared

__all__ = ["main"]

_SPACE = "safetrip24"
_FORMS = {"joint": (True, True), "classes alone": (True, False), "depth alone": (False, True)}
_CALIBRATION, _WARM_UP = 8, 3
_SOURCE = (
    ("HydraNet's source, PyTorch", "about 50"),
    ("HydraNet's source, TensorRT FP16", "about 30"),
)


def main(
    *,
    work: Path,
    size_hw: tuple[int, int] = (512, 512),
    threads: int = 2,
    turns: int = 40,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Time a joint network against two separate ones.

    Args:
        work: Folder of the exported files.
        size_hw: Height and width of the picture.
        threads: Threads of each network.
        turns: How often each runs.
        as_json: Print JSON instead of tables.
    """
    cv2.setNumThreads(1)
    work.mkdir(parents=True, exist_ok=True)
    files = _files(work, size_hw)
    torch.set_num_threads(1)
    frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    rows = {
        precision: _time({name: files[precision, name] for name in _FORMS}, frame, threads, turns)
        for precision in ("fp32", "int8")
    }
    about = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": threads,
        "size": f"{size_hw[0]} x {size_hw[1]}",
        "turns": turns,
    }
    if as_json:
        print(json.dumps({**about, "rows": rows, "source_ms": dict(_SOURCE)}, indent=2))
    else:
        _show(about, rows)


def _network() -> Any:
    torch.manual_seed(0)
    config = LightWeightRefineNetConfig(depth="capped")
    return config.from_random().build(load_space(_SPACE).num_channels).eval()


def _files(work: Path, size_hw: tuple[int, int]) -> dict[tuple[str, str], Path]:
    """The three networks in float and in 8 bits."""
    data = work / "drawn"
    write_prepared(data, ScenesConfig(train=_CALIBRATION, val=0, size_hw=(270, 480)))
    calibration = CalibrationSet.choose(PreparedFolder(data), split="train", count=_CALIBRATION)
    found = {}
    for name, (semantic, deep) in _FORMS.items():
        path = work / f"{name.replace(' ', '-')}-{size_hw[0]}x{size_hw[1]}.onnx"
        if not path.exists():
            export_onnx(
                _network(),
                path,
                config=ExportConfig(size_hw=size_hw),
                space=load_space(_SPACE),
                title=name,
                depth=DepthSpec(max_m=80.0) if deep else None,
                semantic=semantic,
            )
        small = path.with_suffix(".int8.onnx")
        if not small.exists():
            quantize(path, small, calibration)
        found["fp32", name], found["int8", name] = path, small
    return found


def _time(paths: dict[str, Path], frame: np.ndarray, threads: int, turns: int) -> dict[str, Any]:
    """Milliseconds of the bare networks and from frame to result, and the ratios within the turns."""
    opened: dict[str, TaskPredictor] = {
        name: load_predictor(path, threads=threads) for name, path in paths.items()
    }
    bare: dict[str, list[float]] = {name: [] for name in opened}
    whole: dict[str, list[float]] = {name: [] for name in opened}
    size_hw = (frame.shape[0], frame.shape[1])
    try:
        for turn in range(-_WARM_UP, turns):
            for name, predictor in opened.items():
                began = time.perf_counter()
                tensor = predictor.prepare(frame)
                ready = time.perf_counter()
                outputs = predictor.infer(tensor)
                inferred = time.perf_counter()
                predictor.decode(outputs, size_hw)
                if turn >= 0:
                    bare[name].append(1e3 * (inferred - ready))
                    whole[name].append(1e3 * (time.perf_counter() - began))
        ran = " + ".join(dict.fromkeys(predictor.precision for predictor in opened.values()))
    finally:
        for predictor in opened.values():
            predictor.close()
    return _row(bare) | {"whole": _row(whole), "ran": ran}


def _row(times: dict[str, list[float]]) -> dict[str, Any]:
    apart = [
        one + other for one, other in zip(times["classes alone"], times["depth alone"], strict=True)
    ]
    ratios = [joint / both for joint, both in zip(times["joint"], apart, strict=True)]
    medians = {name: round(median(found), 2) for name, found in times.items()}
    p95 = {name: round(float(np.percentile(found, 95)), 2) for name, found in times.items()}
    return {"p50_ms": medians, "p95_ms": p95, "ratio": round(median(ratios), 3)}


def _show(about: dict[str, Any], rows: dict[str, dict[str, Any]]) -> None:
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print(
        "| in | joint ms | classes alone ms | depth alone ms | joint / both | with frame, joint / both |"
    )
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        cells = [f"{row['p50_ms'][form]:.1f} / {row['p95_ms'][form]:.1f}" for form in _FORMS]
        whole = f"{row['whole']['ratio']:.2f}"
        print(f"| {name} ({row['ran']}) | {' | '.join(cells)} | {row['ratio']:.2f} | {whole} |")
    for name, said in _SOURCE:
        print(f"| {name} | {said} | | | | |")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
