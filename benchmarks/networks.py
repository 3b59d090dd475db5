"""CPU latency of every named network, beside the same architecture from elsewhere, in turns.

    python benchmarks/networks.py --work work/networks                # everything; hours
    python benchmarks/networks.py lraspp-resnet18 enet --work work/two --turns 3

Every network takes a raw picture (uint8, as OpenCV gives it) and ends in the class of every pixel. It
is exported once, quantised once by our `quantize` and once by NNCF, into the folder --work. Then all
take turns: a block opens one file, warms up, is timed for --budget-s seconds or --runs runs, and closes
it, so that a busy neighbour slows all alike and the largest fit into memory one by one. The networks of
segmentation-models-pytorch and torchvision go the same way through our exporter, in float; a pair is
timed block beside block, and its ratio is taken within each turn. Weights are random, which costs
the same time. Finished blocks are kept: the same command goes on where it was stopped; after a change
of the code, give another folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
import torch
import tyro
from peers import Group, peer_groups

from curbside.deploy import CalibrationSet, quantize
from curbside.export import ExportConfig, export_onnx
from curbside.hardware import core_count, cpu_model
from curbside.labels import LabelClass, LabelSpace
from curbside.models import ModelConfig, load_network
from curbside.models.complexity import complexity
from curbside.prepared import PreparedFolder
from curbside.progress import track
from curbside.runtime import load_predictor
from curbside.scenes import ScenesConfig, write_prepared

__all__ = ["main"]

Engine = Literal["ort-fp32", "ort-int8", "openvino-f32", "openvino-int8"]
Item: TypeAlias = tuple[str, Engine]
"""A network by its name, and what it runs in."""
Times: TypeAlias = dict[Item, dict[int, list[float]]]
"""Milliseconds of the runs of each turn."""

_CALIBRATION = 8
_WARM_UP, _FEWEST = 2, 3


def main(
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    /,
    *,
    work: Path,
    size_hw: tuple[int, int] = (512, 512),
    classes: int = 19,
    threads: int = 2,
    turns: int = 5,
    runs: int = 30,
    budget_s: float = 2.0,
    engines: tuple[Engine, ...] = get_args(Engine),
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Measure the CPU latency of networks, beside the same architecture from elsewhere.

    Args:
        names: Networks of ours, each with its peers; all where none is given.
        work: Folder of the exported files and the finished blocks.
        size_hw: Height and width of the picture.
        classes: Number of classes.
        threads: Threads of the network that is timed.
        turns: Turns that everything takes.
        runs: Most timed runs of a block.
        budget_s: Seconds after which a block ends, once it has three runs.
        engines: What to run in.
        as_json: Print JSON instead of tables.
    """
    if "openvino" in "".join(engines) and not (find_spec("openvino") and find_spec("nncf")):
        raise SystemExit(
            "OpenVINO is not installed; pip install openvino nncf, or: --engines ort-fp32 ort-int8"
        )
    known = {next(iter(group)): group for group in peer_groups()}
    for name in set(names) - set(known):
        load_network(name)  # raises, and says what is close
    groups = [group for name, group in known.items() if name in names or not names]
    cv2.setNumThreads(1)
    work = work / f"{size_hw[0]}x{size_hw[1]}-{classes}"
    bench = Bench(work=work, size_hw=size_hw, classes=classes, threads=threads)
    bench.prepare(groups, engines)
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    order = _items(groups, engines)
    times, precisions = bench.time(order, turns=turns, runs=runs, budget_s=budget_s)
    libraries = ["torch", "segmentation-models-pytorch", "torchvision", "onnxruntime"]
    about = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": threads,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "size": f"{size_hw[0]} x {size_hw[1]}",
        "classes": classes,
        "turns": turns,
    } | {name: version(name) for name in (*libraries, "openvino", "nncf") if _installed(name)}
    rows = [
        _row(name, config, classes, size_hw, engines, times, precisions)
        for group in groups
        for name, config in group.items()
        if any(times.get((name, engine)) for engine in engines)
    ]
    pairs = [pair for group in groups for pair in _pairs(list(group), engines, times)]
    failures = [f"{name} in {engine}: {reason}" for (name, engine), reason in bench.failed.items()]
    if as_json:
        print(
            json.dumps({**about, "networks": rows, "pairs": pairs, "failures": failures}, indent=2)
        )
    else:
        _show(about, rows, pairs, failures, engines)


def _installed(package: str) -> bool:
    return find_spec(package.replace("-", "_")) is not None


def _items(groups: Sequence[Group], engines: Sequence[Engine]) -> list[Item]:
    """What takes turns, pairs side by side; the peers in float alone, for both are quantised alike."""
    return [
        (name, engine)
        for group in groups
        for engine in engines
        for place, name in enumerate(group)
        if place == 0 or not engine.endswith("int8")
    ]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The folder with all files and finished blocks, and what they are made for."""

    work: Path
    size_hw: tuple[int, int]
    classes: int
    threads: int
    failed: dict[Item, str] = field(default_factory=dict)
    """What a library refused, and why; it must not end the rest."""

    def prepare(self, groups: Sequence[Group], engines: Sequence[Engine]) -> None:
        """Make the files that are missing."""
        torch.set_num_threads(self.threads)
        scenes = ScenesConfig(size_hw=self.size_hw, train=_CALIBRATION, val=0)
        write_prepared(self.work / "scenes", scenes)
        todo = [item for group in groups for item in group.items()]
        for name, config in track(todo, total=len(todo), description="exporting", unit="files"):
            with self._noting((name, "ort-fp32")):
                self._export(name, config)
        twins = [
            item
            for item in _items(groups, engines)
            if self._file(item[0], "ort-fp32").exists() and not self._file(*item).exists()
        ]
        for name, engine in track(twins, total=len(twins), description="quantising", unit="files"):
            with self._noting((name, engine)):
                self._quantize(name, engine)

    @contextmanager
    def _noting(self, item: Item) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each library has its own kinds
            reason = " ".join(str(error).split())[:200]
            self.failed[item] = f"{type(error).__name__}: {reason}"

    def _export(self, name: str, config: ModelConfig) -> None:
        path = self._file(name, "ort-fp32")
        if path.exists():
            return
        torch.manual_seed(0)
        model = config.from_random().build(self.classes).eval()
        classes = [
            LabelClass(id=i, name=f"class {i}", color=(i, i, i)) for i in range(self.classes)
        ]
        space = LabelSpace(name=f"{self.classes} classes", classes=tuple(classes))
        export_onnx(model, path, config=ExportConfig(size_hw=self.size_hw), space=space, title=name)

    def _quantize(self, name: str, engine: Engine) -> None:
        plain, path = self._file(name, "ort-fp32"), self._file(name, engine)
        if engine == "ort-int8":
            quantize(plain, path, self._calibration())
        else:
            self._quantize_openvino(plain, path)

    def _quantize_openvino(self, plain: Path, path: Path) -> None:
        import nncf
        import openvino

        pictures = [sample.read_bgr()[None] for sample in self._calibration().samples]
        model = openvino.Core().read_model(plain)
        with redirect_stdout(sys.stderr):  # where its progress bars belong
            small = nncf.quantize(model, nncf.Dataset(pictures), subset_size=len(pictures))
        temporary = path.with_suffix(".part.xml")
        openvino.save_model(small, temporary, compress_to_fp16=False)
        temporary.with_suffix(".bin").replace(path.with_suffix(".bin"))
        temporary.replace(path)

    def _calibration(self) -> CalibrationSet:
        return CalibrationSet.choose(PreparedFolder(self.work / "scenes"), count=_CALIBRATION)

    def _file(self, name: str, engine: Engine) -> Path:
        suffix = {"ort-int8": ".int8.onnx", "openvino-int8": ".int8.xml"}.get(engine, ".onnx")
        return self.work / f"{name.replace(' ', '-')}{suffix}"

    def time(
        self, order: Sequence[Item], *, turns: int, runs: int, budget_s: float
    ) -> tuple[Times, dict[Item, str]]:
        """Milliseconds of every run, and the precision that each file really ran in."""
        times: Times = {item: {} for item in order}
        precisions: dict[Item, str] = {}
        log = self.work / f"blocks-{self.threads}-threads.jsonl"
        frame = self._calibration().samples[0].read_bgr()[None]  # (1, H, W, 3)
        with log.open("a+") as blocks:
            blocks.seek(0)
            for block in map(json.loads, blocks):
                item = block["name"], block["engine"]
                if item in times and block["turn"] < turns:
                    times[item][block["turn"]] = block["ms"]
                    precisions[item] = block["precision"]
            # Every second turn goes backwards, so that neither of a pair is always the first.
            todo = [
                (turn, item)
                for turn in range(turns)
                for item in (order if turn % 2 == 0 else reversed(order))
                if turn not in times[item] and self._file(*item).exists()
            ]
            for turn, item in track(todo, total=len(todo), description="timing", unit="blocks"):
                with self._noting(item), self._open(*item, frame) as (run, precision):
                    ms = _timed(run, runs, budget_s)
                    precisions[item] = precisions.get(item) or precision()
                    times[item][turn] = ms
                    block = {"name": item[0], "engine": item[1], "turn": turn, "ms": ms}
                    block["precision"] = precisions[item]
                    print(json.dumps(block), file=blocks, flush=True)
        return times, precisions

    @contextmanager
    def _open(
        self, name: str, engine: Engine, frame: np.ndarray
    ) -> Iterator[tuple[Callable[[], Any], Callable[[], str]]]:
        """Something to be timed, and something that says the precision it runs in."""
        path = self._file(name, engine)
        if engine.startswith("ort"):
            with load_predictor(path, threads=self.threads) as predictor:
                yield partial(predictor.infer, frame), lambda: predictor.precision
            return
        import openvino

        # Without the hint it runs in bfloat16 where the processor can.
        hints = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
        }
        network = openvino.Core().compile_model(path, "CPU", hints)
        request = network.create_infer_request()
        run = partial(request.infer, [frame], share_inputs=True, share_outputs=True)
        yield run, partial(_openvino_precision, network)


def _openvino_precision(network: Any) -> str:
    """What the convolutions and matrix products of a compiled network run in."""
    about = [node.get_rt_info() for node in network.get_runtime_model().get_ops()]
    kinds = [
        str(info["runtimePrecision"].astype(str)).lower()
        for info in about
        if str(info["layerType"].astype(str))
        in ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
    ]
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    return ", ".join(f"{kind} {count}" for kind, count in counts.items())


def _timed(run: Callable[[], Any], runs: int, budget_s: float) -> list[float]:
    for _ in range(_WARM_UP):
        run()
    times: list[float] = []
    while len(times) < runs and (len(times) < _FEWEST or sum(times) < 1e3 * budget_s):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def _row(
    name: str,
    config: ModelConfig,
    classes: int,
    size_hw: tuple[int, int],
    engines: Sequence[Engine],
    times: Times,
    precisions: Mapping[Item, str],
) -> dict[str, Any]:
    found = complexity(config, classes, size_hw)
    latency = {}
    for engine in engines:
        blocks = times.get((name, engine))
        if blocks:
            all_ms = [ms for block in blocks.values() for ms in block]
            p50, p95 = np.percentile(all_ms, (50, 95)).tolist()
            about = {"p50_ms": p50, "p95_ms": p95, "runs": len(all_ms)}
            latency[engine] = about | {"precision": precisions[name, engine]}
    return {
        "name": name,
        "parameters": found.parameters,
        "macs": found.macs[size_hw],
        "latency": latency,
    }


def _pairs(group: list[str], engines: Sequence[Engine], times: Times) -> Iterator[dict[str, Any]]:
    ours, *peers = group
    for peer in peers:
        for engine in engines:
            mine, theirs = times.get((ours, engine), {}), times.get((peer, engine), {})
            both = sorted(mine.keys() & theirs.keys())
            if both:
                ratios = sorted(median(mine[turn]) / median(theirs[turn]) for turn in both)
                about = {"ours": ours, "peer": peer, "engine": engine}
                yield about | {"ratio": median(ratios), "ratios": ratios}


def _show(
    about: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    failures: Sequence[str],
    engines: Sequence[Engine],
) -> None:
    for name, value in about.items():
        print(f"{name.replace('_', ' ')}: {value}")
    print("\nMilliseconds, median / 95th percentile:\n")
    print(f"| network | parameters, M | GMACs | {' | '.join(engines)} |")
    print("|---|---|---|" + "---|" * len(engines))
    for row in rows:
        cells = [
            f"{found['p50_ms']:.1f} / {found['p95_ms']:.1f}" if found else "–"
            for found in map(row["latency"].get, engines)
        ]
        size = f"{row['parameters'] / 1e6:.2f} | {row['macs'] / 1e9:.2f}"
        print(f"| {row['name']} | {size} | {' | '.join(cells)} |")
    print("\n| ours | theirs | engine | ours / theirs | range |\n|---|---|---|---|---|")
    for pair in pairs:
        span = f"{pair['ratios'][0]:.2f}..{pair['ratios'][-1]:.2f}"
        print(
            f"| {pair['ours']} | {pair['peer']} | {pair['engine']} | {pair['ratio']:.2f} | {span} |"
        )
    print("\nPrecision of the convolutions and matrix products:\n")
    for row in rows:
        ran = [f"{engine} {found['precision']}" for engine, found in row["latency"].items()]
        print(f"- {row['name']}: {'; '.join(ran)}")
    for failure in failures:
        print(f"- failed: {failure}")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
