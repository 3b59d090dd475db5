"""Make the file of a device from a model file, and prove what was lost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import tyro

from ._gate import GateOptions, compile_file, compile_quickest

if TYPE_CHECKING:
    from ..deploy import Target

__all__ = ["main"]

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class _Compile(Generic[Kind]):
    """What to make."""

    model: Annotated[Path, tyro.conf.Positional]
    """A float model file, as `curbside export` wrote it."""
    settings: Kind
    options: GateOptions


def main(argv: list[str]) -> None:
    """Entry of `curbside compile`."""
    if "--adopt" in argv:
        tyro.cli(_adopt, args=argv, prog="curbside compile", description=__doc__)
        return
    name, rest = _target_in(argv)
    if name is None:
        tyro.cli(_nameless, args=argv, prog="curbside compile", description=__doc__)
        return
    if name == "cpu":
        tyro.cli(
            _fastest,
            args=rest,
            prog="curbside compile --target cpu",
            description="Compile in every way that this processor has, and write the quickest.",
            config=(tyro.conf.OmitArgPrefixes,),
        )
        return
    target: Any = _kind(name)
    found = tyro.cli(
        _Compile[target],
        args=rest,
        prog=f"curbside compile --target {name}",
        description=f"{target.title}: make its file from a model file, and prove what was lost.",
        config=(tyro.conf.OmitArgPrefixes,),
    )
    compile_file("compile", found.model, found.settings, found.options)


def _target_in(argv: list[str]) -> tuple[str | None, list[str]]:
    """The target that is named, and the other arguments; its settings are flags, too."""
    for place, word in enumerate(argv):
        if word == "--target" and place + 1 < len(argv):
            return argv[place + 1], argv[:place] + argv[place + 2 :]
        if word.startswith("--target="):
            return word.removeprefix("--target="), argv[:place] + argv[place + 1 :]
    return None, argv


def _kind(name: str) -> type[Target]:
    from ..deploy import target_kind

    return target_kind(name)


def _nameless(model: Annotated[Path, tyro.conf.Positional], /, *, target: str) -> None:
    """Make the file of a device from a model file, and prove what was lost; name the target to see its
    settings: curbside compile --target openvino --help.

    Args:
        model: A float model file, as `curbside export` wrote it.
        target: cpu (whatever is quickest here), onnxruntime, openvino, tensorrt, hailo8, hailo8l or
            hailo10h.
    """
    raise AssertionError("without a target tyro stops")


def _fastest(model: Annotated[Path, tyro.conf.Positional], /, *, options: GateOptions) -> None:
    """Compile in every way that this processor has, and write the quickest that loses little enough.

    Args:
        model: A float model file, as `curbside export` wrote it.
        options: What it is made from, and what it is held to; --out without a suffix.
    """
    compile_quickest("compile", model, options)


def _adopt(*, adopt: Path, job: Path | None = None) -> None:
    """Check what a compiler elsewhere made of a job folder, and write its Manifest beside it.

    Args:
        adopt: The file that it made, such as M.hef.
        job: The job folder; the one that the file lies in, or `M.hailo` beside it, where not given.
    """
    from ..deploy.hailo import adopt as adopt_hef

    built = adopt_hef(adopt, job)
    for note in built.notes:
        print(f"curbside compile: {note}", file=sys.stderr)
    print(f"wrote {built.path}.json")
