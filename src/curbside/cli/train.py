"""Train a network by a recipe; any setting can be changed by its dotted name."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from ._recipe import ABOUT_CHOICES, read_run

__all__ = ["main"]


def main(argv: list[str]) -> int | None:
    """Entry of `curbside train`."""
    from ..recipes import recipes

    if not argv or argv[0] in ("-h", "--help"):
        print(
            "usage: curbside train RECIPE [options]      curbside train RECIPE --help shows its settings\n"
        )
        for name, recipe in sorted(recipes().items()):
            print(f"  {name:<36} {(recipe.__doc__ or '').splitlines()[0]}")
        print(f"\n{ABOUT_CHOICES}")
        return None
    from ..training import TrainConfig, fit

    config = read_run(argv[0], argv[1:])
    with warnings.catch_warnings():
        warnings.showwarning = _say  # type: ignore[assignment]
        result = fit(config)
    if result.rank:
        return None
    if result.resumed_at >= result.steps:
        print(f"{result.folder} is finished: nothing to do", file=sys.stderr)
    elif result.resumed_at:
        print(f"went on from step {result.resumed_at}", file=sys.stderr)
    print(f"trained   {result.steps} steps in {result.seconds:.0f} s")
    score = f"{result.score_name} {100 * result.best_score:.2f} %"
    print(f"best      {score} on {config.data.val_split} at step {result.best_step}")
    print(f"run       {result.folder}")
    common = " --common" if isinstance(config, TrainConfig) and config.data.space else ""
    print(f"next      curbside evaluate {result.folder} {config.data.root[0]}{common}")
    return None


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line, without the place in the code that it came from."""
    print(f"curbside train: {message}", file=sys.stderr)
