"""Write the Manifest of an ONNX network from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from ..errors import ModelFileError, StorageError
from ..files import link_or_copy
from ..manifest import Manifest, write_sidecar
from ..runtime.description import Hints, describe_network

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside describe`."""
    tyro.cli(
        _describe,
        args=argv,
        prog="curbside describe",
        description=__doc__,
        config=(tyro.conf.OmitArgPrefixes,),
    )


def _describe(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    hints: Hints,
    out: Path | None = None,
) -> None:
    """Write the Manifest of an ONNX network from elsewhere.

    Args:
        model: An ONNX file without a Manifest, such as YOLOv8-seg as Ultralytics exports it.
        hints: What the file does not tell.
        out: A folder for the model (a link where that can be, else a copy) and its Manifest; beside
            the model where not given.
    """
    if model.suffix.lower() != ".onnx":
        raise ModelFileError(f"{model} is no ONNX file", fix="give a file ending in .onnx")
    if not model.is_file():
        raise ModelFileError(f"{model} does not exist", fix="check the path")
    manifest = describe_network(model, hints)
    target = model
    if out is not None:
        target = out / model.name
        for part in (model, model.with_name(f"{model.name}.data")):  # weights that stand apart
            beside = out / part.name
            if part.is_file() and not (beside.exists() and beside.samefile(part)):
                link_or_copy(part, beside)
    try:
        write_sidecar(target, manifest)
    except StorageError as error:
        fix = error.fix if out else "name a folder that you may write to: --out FOLDER"
        raise StorageError(error.what, fix=fix) from error
    height, width = manifest.input.size_hw
    made = ", ".join(f"{item.name} ({item.meaning})" for item in manifest.outputs)
    print(
        f"{target}.json: {manifest.task}, {_told(manifest)},"
        f" input {width} x {height} {manifest.input.channels}"
        f" times {manifest.input.scale:.4g} ({manifest.input.fit}), outputs {made}"
    )


def _told(manifest: Manifest) -> str:
    """What the network tells, in a few words."""
    words = []
    if manifest.space.classes:
        words.append(f"{len(manifest.space.classes)} classes of {manifest.space.name}")
    if manifest.depth is not None:
        far = manifest.depth.max_m
        words.append("metres without a limit" if far is None else f"up to {far:g} m")
    return " and ".join(words)
