"""The quickest way from a frame to a result on this processor, found by measuring all there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...hardware import computes_bf16
from ...manifest import Manifest
from ...runtime import load_predictor
from ..calibration import CalibrationPicture, CalibrationSet
from ..graphs.host_form import write_host_form
from ..target import Target, Work
from ..targets import target_named
from .gate import compile_through_gate, publish, rank
from .lineup import line_up
from .lineup_result import Lineup
from .losses import Losses
from .outcome import GateConfig, GateReport
from .written_scores import add_scores, store_manifest

__all__ = ["Candidate", "FastestReport", "compile_fastest"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way, and whether it passed the gate."""

    name: str
    """Library, precision, and where the result is decoded."""
    gate: GateReport
    """What it lost."""


@dataclass(frozen=True, kw_only=True)
class FastestReport:
    """All ways, and the one that was written."""

    candidates: tuple[Candidate, ...]
    """Every way that was tried."""
    lineup: Lineup
    """The file that was given and all that passed, in turns on the same pictures."""
    names: tuple[str, ...]
    """What the files of the lineup are, in its order."""
    best: Candidate
    """The quickest that passed."""
    path: Path
    """What was written."""

    def to_dict(self) -> dict[str, Any]:
        """The ways as JSON values."""
        ways = [
            {"way": name, **file.to_dict()}
            for name, file in zip(self.names, self.lineup.files, strict=True)
        ]
        failed = [item for item in self.candidates if not item.gate.passed]
        lost = [{"way": item.name, "verdict": item.gate.verdict} for item in failed]
        return {"best": self.best.name, "path": str(self.path), "passed": ways, "failed": lost}


def compile_fastest(
    model: Path,
    stem: Path,
    calibration: CalibrationSet,
    pictures: Sequence[CalibrationPicture],
    *,
    config: GateConfig | None = None,
    threads: int | None = None,
) -> FastestReport:
    """Compile a model file in every way that this processor has, and write the quickest that passes.

    Each of ONNX Runtime and, where it is installed, OpenVINO, in float and in 8 bits, is tried with
    the result decoded inside the graph and on the host. What counts is the median time from the
    frame to the class map or the objects, all in turns.

    Args:
        model: A float model file with a Manifest.
        stem: What to write, without the suffix, which depends on who wins.
        calibration: The pictures that tell the range of every tensor.
        pictures: What to measure on; see `compile_through_gate`.
        config: What may be lost.
        threads: Threads for the networks; all cores where None.

    Raises:
        ConfigError: The settings are impossible.
        ModelFileError: The model cannot be compiled.
        DataError: Not one picture can be read.
        StorageError: The place cannot be written.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=stem.parent) as folder:
        forms = _forms(model, Path(folder))
        # Nodes have the same names in all forms, so what each costs is measured once.
        ranking = rank(forms["on the host"], calibration, pictures, config=config)
        found: list[tuple[Candidate, Path]] = []
        for number, (form, place, target) in enumerate(_ways(forms)):
            out = Path(folder) / str(number) / f"{stem.name}{target.suffix}"
            work = Work(model=form, out=out, calibration=calibration)
            gate = compile_through_gate(
                target,
                work,
                pictures,
                baseline=model,
                ranking=ranking,
                config=config,
                threads=threads,
                full=False,
            )
            precision = getattr(target, "precision", "")
            name = f"{target.title}, {precision}, result {place}"
            found.append((Candidate(name=name, gate=gate), out))
        passed = [(item, out) for item, out in found if item.gate.passed]
        if not passed:
            raise ConfigError(
                f"none of {len(found)} ways keeps within {_limits(found[0][0].gate)}",
                fix="allow more with --max-loss"
                + (" or --max-depth-loss" if found[0][0].gate.depth_unit else ""),
            )
        lineup = line_up([model, *(out for _, out in passed)], pictures=pictures, threads=threads)
        times = [file.whole.p50_ms for file in lineup.files[1:]]
        best, out = passed[times.index(min(times))]
        names = ("as given", *(item.name for item, _ in passed))
        samples = Losses(model, pictures, threads=threads).samples
        final = line_up([model, out], samples=samples, pictures=pictures, threads=threads)
        add_scores(out, final)
        _tell(out, lineup, names)
        path = publish(out, stem.with_name(out.name))
        best = replace(best, gate=replace(best.gate, path=path, lineup=final))
    return FastestReport(
        candidates=tuple(item for item, _ in found),
        lineup=lineup,
        names=names,
        best=best,
        path=path,
    )


def _limits(gate: GateReport) -> str:
    both = ((gate.unit, gate.config.max_loss), (gate.depth_unit, gate.config.max_depth_loss))
    return " and ".join(f"{most:g}" for unit, most in both if unit)


def _forms(model: Path, folder: Path) -> dict[str, Path]:
    """The network with its result decoded inside, where it has that, and on the host."""
    with load_predictor(model) as predictor:
        decodes = predictor.manifest.output("ids") or predictor.manifest.output("detections")
    host = folder / "host.onnx"
    write_host_form(model, host)
    return {"in the graph": model, "on the host": host} if decodes else {"on the host": host}


def _ways(forms: dict[str, Path]) -> Iterator[tuple[Path, str, Target]]:
    """Every form with every library and precision that this processor can."""
    for place, form in forms.items():
        for precision in ("fp32", "int8"):
            yield form, place, target_named("onnxruntime", precision=precision)
        if find_spec("openvino") is None:
            continue
        floats = ("fp32", "bf16") if computes_bf16() else ("fp32",)
        integers = ("int8",) if find_spec("nncf") is not None else ()
        for precision in (*floats, *integers):
            yield form, place, target_named("openvino", precision=precision)


def _tell(path: Path, lineup: Lineup, names: Sequence[str]) -> None:
    """Write into the Manifest what was measured before this way was chosen."""
    measured: list[dict[str, Any]] = [
        {
            "way": name,
            "precision": file.precision,
            "network_p50_ms": file.latency.p50_ms,
            "whole_p50_ms": file.whole.p50_ms,
        }
        for name, file in zip(names, lineup.files, strict=True)
    ]
    with load_predictor(path) as predictor:
        manifest: Manifest = predictor.manifest
    chosen = {"threads": lineup.threads, "hardware": lineup.hardware, "measured": measured}
    store_manifest(path, replace(manifest, deployment={**manifest.deployment, **chosen}))
