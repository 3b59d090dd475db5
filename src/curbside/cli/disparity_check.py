"""Measure what the disparity files of sidewalk data were multiplied with."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Annotated

import tyro

from ..convert.stereo import check_disparity_scale, check_scale
from ..errors import ConfigError

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Entry of `curbside disparity-check`: 0, or 2 where the scale is off."""
    return tyro.cli(_check, args=argv, prog="curbside disparity-check", description=__doc__)


def _check(
    root: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    disparity_scale: float = 100.0,
    pairs: int = 10,
    tolerance: float = 0.1,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Measure what the disparity files of sidewalk data were multiplied with.

    Args:
        root: Folder of the dataset, with left and right pictures beside its disp16 files.
        disparity_scale: The scale that `curbside convert sidewalk` would be told.
        pairs: How many stereo pairs are matched at most, spread evenly over the dataset.
        tolerance: How far the median may be from the scale, as a share of it.
        as_json: Print JSON instead of a table.
    """
    if pairs < 1 or not tolerance > 0:
        raise ConfigError(
            f"{pairs} pairs within {tolerance} decide nothing", fix="give positive numbers"
        )
    check_scale(disparity_scale)
    checks = list(check_disparity_scale(root, pairs=pairs))
    measured = [check.scale for check in checks if check.scale]
    median = statistics.median(measured) if measured else 0.0
    good = bool(measured) and abs(median / disparity_scale - 1) <= tolerance
    if as_json:
        rows = [{**vars(check), "disparity": str(check.disparity)} for check in checks]
        report = {"scale": disparity_scale, "measured": median, "agrees": good, "pairs": rows}
        print(json.dumps(report, indent=2))
    else:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table("disparity", "scale measured", "share of the picture compared")
        for check in checks:
            scale = f"{check.scale:.1f}" if check.scale else "none"
            table.add_row(escape(check.disparity.name), scale, f"{check.share:.0%}")
        Console(highlight=False).print(table)
        print(f"median {median:.1f}, to be {disparity_scale:g}")
    if not good:
        print(
            f"curbside disparity-check: the scale seems to be {median:.1f}, not "
            f"{disparity_scale:g}; look at the pictures, then convert with --disparity-scale",
            file=sys.stderr,
        )
    return 0 if good else 2
