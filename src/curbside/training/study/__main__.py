"""Does one job of a study, in a process of its own: `python -m curbside.training.study FOLDER KEY FILE`.

Why it failed is written into the file. It stops when its standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..crews import serve
from .plan import read_plan
from .work import do_job


def main(folder: str, key: str, problem: str) -> int:
    """Do the job with a key: 0, or another number where it failed."""

    def do() -> None:
        plan = read_plan(Path(folder))
        assert plan is not None
        do_job(plan, plan.jobs[key])

    return serve(do, Path(problem))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
