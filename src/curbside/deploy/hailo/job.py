"""The job folder: everything the compiler needs, to be carried to where it is."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...errors import ConfigError, ModelFileError
from ...files import as_storage_error, read_json, sha256_file
from ...manifest import Manifest
from ...progress import track
from ...runtime import load_predictor
from ..calibration import CalibrationSet
from ..graphs.cut import Cut, twin
from ..graphs.onnx_manifest import write_manifest
from .carried import compile_with_sdk, resolve_names
from .carried.shell import README, SHELL
from .compiler import LEAST_MINOR
from .emulation import emulation
from .layers import predicted_names
from .script import Optimization, model_script

__all__ = ["EMULATION", "FLOAT", "Job", "JobOrder", "load_job", "write_job"]

EMULATION, FLOAT = "emulation.onnx", "float.onnx"
_EMULATED = 128
"""Pictures that tell the ranges of the emulation; the compiler looks at all."""
_FORMAT = 1
_PACK = "pack the job again with: curbside compile M.onnx --target hailo8 --driver job"


@dataclass(frozen=True, kw_only=True)
class JobOrder:
    """What a job is packed from."""

    source: Path
    """The model file."""
    cut: Cut
    """The part of it that the chip runs."""
    calibration: CalibrationSet
    """The pictures."""
    arch: str
    """The compiler's name of the chip."""
    chip: str
    """Its name."""
    major: int
    """The compiler's line of versions."""
    optimization: Optimization
    """How the compiler quantises."""
    wide: tuple[str, ...] = ()
    """Nodes whose layers compute in 16 bits."""
    notes: tuple[str, ...] = ()
    """What the person should know."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job folder that was read."""

    folder: Path
    """Where it is."""
    network: str
    """Name of the network, which no other job has."""
    arch: str
    """The compiler's name of the chip."""
    manifest: Manifest
    """Of the HEF to be."""


def write_job(folder: Path, order: JobOrder) -> Job:
    """Pack a job folder, whole or not at all.

    Args:
        folder: The folder; a job that is there is replaced.
        order: What it is packed from.

    Raises:
        ConfigError: Something else is there.
        DataError: A calibration picture cannot be read.
        StorageError: The place cannot be written.
    """
    if folder.exists() and not (folder / "job.json").is_file():
        raise ConfigError(f"{folder} is there and no job", fix="name another with --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as place:
            packed = Path(place) / "job"
            packed.mkdir()
            _pack(packed, order)
            if folder.exists():
                folder.rename(Path(place) / "earlier")
            packed.rename(folder)
    except OSError as error:
        raise as_storage_error(error, folder) or error from error
    return load_job(folder)


def load_job(folder: Path) -> Job:
    """Read a job folder.

    Raises:
        ModelFileError: It is none, or its Manifest was edited.
    """
    data = read_json(folder / "job.json", error=ModelFileError, fix=_PACK)
    try:
        if int(data["format"]) > _FORMAT:
            raise ModelFileError(
                f"the job {folder} is of a later curbside", fix="update curbside here"
            )
        network, arch = str(data["network"]), str(data["arch"])
        about = data["manifest"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{folder / 'job.json'} is no job ({error!r})", fix=_PACK) from error
    manifest = Manifest.from_dict(about, where=str(folder / "job.json"))
    return Job(folder=folder, network=network, arch=arch, manifest=manifest)


def _pack(folder: Path, order: JobOrder) -> None:
    cut = order.cut
    names = predicted_names(cut.proto, [end.node for end in cut.ends])
    manifest = _manifest(order, names)
    float_file = folder / FLOAT
    proto = twin(cut)
    write_manifest(proto, _witness(manifest, "fp32"))
    float_file.write_bytes(proto.SerializeToString())
    pictures = _write_pictures(folder / "calib", float_file, order.calibration)
    chosen = pictures[:: -(-len(pictures) // _EMULATED)]
    proto = emulation(cut, _read(chosen), wide=order.wide)
    write_manifest(proto, _witness(manifest, "int8"))
    (folder / EMULATION).write_bytes(proto.SerializeToString())

    script = model_script(
        cut, names, pictures=len(pictures), optimization=order.optimization, wide=order.wide
    )
    (folder / "model.alls").write_text(script, encoding="utf-8")
    network = _network_name(order, script)
    (folder / f"{network}.onnx").write_bytes(cut.proto.SerializeToString())
    for module in (resolve_names, compile_with_sdk):
        shutil.copyfile(str(module.__file__), folder / Path(str(module.__file__)).name)
    words = _words(order, network, len(pictures))
    for name, text in (("compile.sh", SHELL), ("README.md", README)):
        (folder / name).write_text(_filled(text, words), encoding="utf-8")
    (folder / "compile.sh").chmod(0o755)
    (folder / "job.json").write_text(
        json.dumps(_about(folder, order, network, names, manifest), indent=1) + "\n",
        encoding="utf-8",
    )


def _about(
    folder: Path, order: JobOrder, network: str, names: dict[str, str], manifest: Manifest
) -> dict[str, Any]:
    """What `job.json` holds."""
    ends = [end.node for end in order.cut.ends]
    scores = [end.node for end in order.cut.ends if end.meaning == "class_scores"]
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    carried = [path for path in paths if path.name not in (EMULATION, FLOAT)]
    return {
        "format": _FORMAT,
        "made_by": f"curbside {__version__}",
        "network": network,
        "model": f"{network}.onnx",
        "arch": order.arch,
        "compiler": f"{order.major}.{LEAST_MINOR[order.major]} or later, below {order.major + 1}",
        "ends": ends,
        "layers": {node: names[node] for node in (*ends, *order.wide)},
        "needed": [*scores, *order.wide],
        "manifest": json.loads(manifest.to_json()),
        "files": {str(path.relative_to(folder)): sha256_file(path) for path in carried},
    }


def _manifest(order: JobOrder, names: dict[str, str]) -> Manifest:
    """Of the HEF to be."""
    outputs = [
        {
            "name": end.name,
            "node": end.node,
            "layer": names[end.node],
            "shape": [*end.shape[1:], end.shape[0]],
        }
        for end in order.cut.ends
    ]
    deployment = {
        "target": order.arch,
        "device": order.chip,
        "optimization_level": order.optimization.level,
        "finetune": order.optimization.finetune,
        "wide": list(order.wide),
        "outputs": outputs,
    }
    return replace(
        order.cut.manifest,
        precision="int8",
        calibration={**order.calibration.describe(), "method": "Hailo Dataflow Compiler"},
        deployment=deployment,
    )


def _witness(manifest: Manifest, precision: str) -> Manifest:
    """Of a twin that runs here."""
    kind = "the chip's 8 bits" if precision == "int8" else "the cut graph in float"
    about = {**manifest.deployment, "stands_in_for": manifest.deployment["device"], "kind": kind}
    return replace(manifest, precision=precision, deployment=about)


def _write_pictures(folder: Path, float_file: Path, calibration: CalibrationSet) -> list[Path]:
    """The calibration set as the chip takes it: (H, W, 3) uint8 per file."""
    folder.mkdir()
    paths = []
    with load_predictor(float_file, threads=1) as predictor:
        samples = track(
            calibration.samples, total=len(calibration.samples), description="calibration set"
        )
        for place, sample in enumerate(samples):
            paths.append(folder / f"{place:05d}.npy")
            np.save(paths[-1], predictor.prepare(sample.read_bgr())[0])
    return paths


def _read(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    for path in track(paths, total=len(paths), description="emulating"):
        yield np.load(path, allow_pickle=False)[None]


def _network_name(order: JobOrder, script: str) -> str:
    """The file's name and a hash: a HEF carries it, so it is known which job it is from."""
    stem = re.sub(r"[^a-z0-9]+", "_", order.source.stem.lower()).strip("_")[:32]
    stem = stem if stem[:1].isalpha() else f"net_{stem}".rstrip("_")
    parts = (order.cut.proto.SerializeToString(), script, order.arch, order.calibration.sha256)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
    return f"{stem}_{digest.hexdigest()[:8]}"


def _words(order: JobOrder, network: str, pictures: int) -> dict[str, str]:
    optimization = order.optimization
    gpu = ""
    if optimization.level > 0 or optimization.finetune:
        gpu = (
            f" Optimisation level {optimization.level} wants an NVIDIA GPU and 1024 pictures; without"
            " them the compiler reduces it and says so in its log."
        )
    nodes = [end.node for end in order.cut.ends]
    return {
        "NETWORK": network,
        "ARCH": order.arch,
        "MAJOR": str(order.major),
        "MINOR": str(LEAST_MINOR[order.major]),
        "ENDS": " ".join(map(shlex.quote, nodes)),
        "LISTED": ", ".join(f"`{node}`" for node in nodes),
        "TITLE": order.chip,
        "VERSION": __version__,
        "SOURCE": order.source.name,
        "GPU": gpu,
        "PICTURES": str(pictures),
        "COLORS": order.cut.manifest.input.channels.upper(),
        "NOTES": "".join(f"\n- {note}" for note in order.notes) + "\n" if order.notes else "",
    }


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: words.get(match.group(1), match.group()), text)
