"""Write the INT8 twin of a model file if it loses little enough, and show what it lost and gained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from ._gate import GateOptions, compile_file

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside quantize`."""
    tyro.cli(
        _quantize,
        args=argv,
        prog="curbside quantize",
        description=__doc__,
        config=(tyro.conf.OmitArgPrefixes,),
    )


def _quantize(
    model: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    options: GateOptions,
    method: Literal["average", "minmax"] = "average",
) -> None:
    """Write the INT8 twin of a model file if it loses little enough; `curbside compile` does the same for
    other targets.

    Args:
        model: A float model file, as `curbside export` wrote it.
        options: What it is made from, and what it is held to.
        method: Ranges from the mean of the pictures' extremes (average), or from all (minmax).
    """
    from ..deploy import target_named

    compile_file("quantize", model, target_named("onnxruntime", method=method), options)
