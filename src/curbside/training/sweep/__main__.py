"""Does one trial of a sweep, in a process of its own: `python -m curbside.training.sweep FOLDER KEY FILE`.

Why it failed is written into the file. It stops when its standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..crews import parent_is_gone, serve
from .work import do_trial


def main(folder: str, key: str, problem: str) -> int:
    """Do the trial with a key: 0, or another number where it failed."""
    return serve(lambda: do_trial(Path(folder), key, lambda: not parent_is_gone()), Path(problem))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
