"""A HEF that was compiled from a job: checked against it, and given its Manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import ModelFileError
from ...files import read_json
from ...manifest import write_sidecar
from ..target import Built
from .carried.resolve_names import NAMES
from .hef import read_hef
from .job import EMULATION, Job, load_job

__all__ = ["adopt"]


def adopt(hef: Path, job: Path | None = None, *, compiler: str | None = None) -> Built:
    """Check a HEF against the job that it was compiled from, and write its Manifest beside it.

    Args:
        hef: The file.
        job: The job folder; where None, the folder that the file is in or `M.hailo` beside it.
        compiler: Version of the compiler, where it is known otherwise.

    Returns:
        The HEF, the job's emulation that stands in for it, and what could not be checked.

    Raises:
        ModelFileError: It is no HEF, is damaged, or was compiled for another chip, from another job or
            with other outputs.
        StorageError: The Manifest cannot be written.
    """
    facts = read_hef(hef)
    order = load_job(_job_of(hef, job))
    again = f"compile this job: bash {order.folder / 'compile.sh'}"
    if facts.arch is not None and facts.arch != order.arch:
        raise ModelFileError(
            f"{hef} was compiled for {facts.arch}, the job {order.folder} is for {order.arch}",
            fix=again,
        )
    if facts.network is not None and facts.network != order.network:
        raise ModelFileError(
            f"{hef} holds the network {facts.network}, the job {order.folder} is {order.network}",
            fix="give the job that it was compiled from with --job, or " + again,
        )
    notes = []
    if facts.arch is None or facts.network is None:
        notes.append(
            f"the HEF's format {facts.version} is not known here: that it is for {order.arch} and from"
            " this job was not checked"
        )
    outputs, unchecked = _outputs(hef, order)
    notes += unchecked
    deployment = {**order.manifest.deployment, "outputs": outputs, "network": order.network}
    version = facts.compiler or compiler
    if version:
        deployment["compiler"] = f"Dataflow Compiler {version}"
    write_sidecar(hef, replace(order.manifest, deployment=deployment))
    emulated = order.folder / EMULATION
    witness = emulated if emulated.is_file() else hef
    return Built(path=hef, witness=witness, notes=tuple(notes))


def _job_of(hef: Path, job: Path | None) -> Path:
    if job is not None:
        return job
    places = (hef.parent, hef.with_suffix(".hailo"))
    found = next((place for place in places if (place / "job.json").is_file()), None)
    if found is None:
        raise ModelFileError(
            f"no job folder lies around {hef}",
            fix="name it: curbside compile --adopt X.hef --job DIR",
        )
    return found


def _outputs(hef: Path, job: Job) -> tuple[list[dict[str, Any]], list[str]]:
    """The job's outputs with the names that the compiler gave them, and what was not checked."""
    outputs = [dict(output) for output in job.manifest.deployment["outputs"]]
    notes = []
    names = job.folder / NAMES
    if names.is_file():
        given = read_json(names, error=ModelFileError, fix="delete it, or copy it again")
        for output in outputs:
            output["layer"] = given.get(output["node"], output["layer"])
    else:
        notes.append(
            f"{NAMES} did not come back from the compiler: which output is which is told by its"
            " predicted name and its shape"
        )
    seen = _seen_by_hailort(hef)
    if seen is None:
        notes.append("HailoRT is not installed here: shapes of the HEF were not checked")
        return outputs, notes
    inputs, shapes = seen
    height, width = job.manifest.input.size_hw
    wanted = sorted(tuple(output["shape"]) for output in outputs)
    if inputs != [(height, width, 3)] or sorted(shapes) != wanted:
        raise ModelFileError(
            f"{hef} takes {inputs} and gives {sorted(shapes)}, the job takes"
            f" {[(height, width, 3)]} and gives {wanted}",
            fix="give the HEF and the job that belong together",
        )
    return outputs, notes


def _seen_by_hailort(
    hef: Path,
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]] | None:
    """Shapes of inputs and outputs as HailoRT tells them; None where it is not installed."""
    from ...runtime.backends.hailo import hef_shapes

    return hef_shapes(hef)
