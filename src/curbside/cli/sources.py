"""Show what pictures can come from here, and prove each source by one frame."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..errors import ConfigError
from ..imaging import write_jpeg
from ..progress import track
from ..runtime.sources import Found, Mode, Proof, find_sources, prove_source, public_spec

__all__ = ["main"]

_MOST_MODES = 4


def main(argv: list[str]) -> int:
    """Entry of `curbside sources`."""
    return tyro.cli(_sources, args=argv, prog="curbside sources", description=__doc__)


def _sources(
    specs: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    /,
    *,
    prove: bool = True,
    timeout: float = 5.0,
    save: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Show what pictures can come from here, and prove each source by one frame.

    The exit code is 1 where a source that was named gave no frame.

    Args:
        specs: Sources to prove, as `curbside run --source` takes them; without one, all that are found
            on this device: its cameras, and a drawn road.
        prove: Fetch a frame of each. A camera that somebody else uses gives none.
        timeout: Seconds that each may take, and each way of listing cameras.
        save: A folder for the frames, as pictures to look at.
        as_json: Print JSON instead of a table, with all modes of the cameras.
    """
    if not 0 < timeout <= 600:
        raise ConfigError(f"--timeout is {timeout:g}", fix="give seconds, more than 0, at most 600")
    if save is not None and not prove:
        raise ConfigError(
            "with --no-prove there is no frame to save", fix="leave one of the two out"
        )
    named = [Found(spec, "", "named") for spec in specs]
    listed = named or find_sources(timeout)
    rows: list[_Row] = []
    for found in track(listed, total=len(listed), description="asking", unit="sources"):
        proof = prove_source(found.spec, timeout_s=timeout) if prove else None
        rows.append((found, proof, _save(save, len(rows), found, proof)))
    if as_json:
        print(json.dumps([_facts(*row) for row in rows], indent=2))
    else:
        _show(rows)
    return int(
        any(proof is not None and proof.error is not None for _, proof, _ in rows[: len(named)])
    )


_Row = tuple[Found, Proof | None, Path | None]
"""A source, what came of asking it, and where its frame is."""


def _save(folder: Path | None, number: int, found: Found, proof: Proof | None) -> Path | None:
    if folder is None or proof is None or proof.picture_bgr is None:
        return None
    name = re.sub(r"[^\w.-]+", "_", public_spec(found.spec)).strip("_")[-60:]
    path = folder / f"{number:02d}_{name}.jpg"
    write_jpeg(path, proof.picture_bgr[..., ::-1])
    return path


def _facts(found: Found, proof: Proof | None, saved: Path | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "spec": public_spec(found.spec),
        "kind": found.kind,
        "title": (proof and proof.title) or found.title,
        "modes": [asdict(mode) for mode in found.modes],
    }
    if proof is not None:
        picture = proof.picture_bgr
        facts |= {
            "gives_pictures": picture is not None,
            "size_hw": None if picture is None else list(picture.shape[:2]),
            "live": proof.live,
            "fps": proof.fps,
            "opened_ms": proof.opened_ms and round(proof.opened_ms, 1),
            "first_frame_ms": proof.first_frame_ms and round(proof.first_frame_ms, 1),
            "error": proof.error,
            "saved": None if saved is None else str(saved),
        }
    return facts


def _show(rows: Sequence[_Row]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for header in ("source", "what it is", "picture", "first frame"):
        table.add_column(header, overflow="fold")
    for found, proof, _ in rows:
        what = (proof and proof.title) or found.title or "–"
        what = "\n".join([what, *_modes(found.modes)])
        picture, took = "not asked", ""
        if proof is not None and proof.picture_bgr is not None:
            height, width = proof.picture_bgr.shape[:2]
            picture, took = f"{width} x {height}", f"{proof.first_frame_ms or 0:.0f} ms"
        elif proof is not None:
            picture = "none"
        table.add_row(*map(escape, (public_spec(found.spec), what, picture, took)))
    console = Console()
    console.print(table)
    for found, proof, saved in rows:
        if proof is not None and proof.error is not None:
            name = public_spec(found.spec)
            print(proof.error if name in proof.error else f"{name}: {proof.error}")
        if saved is not None:
            print(f"saved     {saved}")
    if all(found.kind == "synthetic" for found, _, _ in rows):
        print("no camera was found; name a file or an address to prove it: curbside sources SPEC")


def _modes(modes: Sequence[Mode]) -> list[str]:
    """The largest modes of a camera, a line each."""
    best = sorted(modes, key=lambda mode: (mode.width * mode.height, mode.fps), reverse=True)
    lines = [
        f"{mode.width} x {mode.height} {mode.format} {', '.join(f'{fps:g}' for fps in mode.fps)} fps"
        for mode in best[:_MOST_MODES]
    ]
    more = len(best) - _MOST_MODES
    return [*lines, f"and {more} more"] if more > 0 else lines
