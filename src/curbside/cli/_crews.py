"""Who does the jobs of a study or a sweep."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..training.crews import Crew, LocalCrew, RayCrew

__all__ = ["add_crew_options", "chosen_crew"]


def add_crew_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --engine, --address and --jobs.

    Args:
        parser: The verb's.
        what: What the jobs are called, such as runs.
    """
    add = parser.add_argument
    add("--engine", choices=("local", "ray"), default="local", help="processes here, or Ray")
    add("--address", help="of the Ray cluster; one is started here where not given")
    add("--jobs", type=int, default=1, help=f"how many {what} at once (1)")


def chosen_crew(
    chosen: argparse.Namespace, what: str, local: type[LocalCrew], ray: type[RayCrew]
) -> Crew:
    """The crew that `add_crew_options` lets choose.

    Args:
        chosen: The options.
        what: What the jobs are called.
        local: Processes of this machine.
        ray: Tasks of a Ray cluster.

    Raises:
        ConfigError: There would be no job at once, or an address without Ray.
    """
    if chosen.jobs < 1:
        raise ConfigError(
            f"{chosen.jobs} {what} at once are impossible", fix="give --jobs 1 or more"
        )
    if chosen.engine == "ray":
        return ray(chosen.jobs, chosen.address)
    if chosen.address is not None:
        raise ConfigError(
            f"the address {chosen.address} is that of a Ray cluster",
            fix="give --engine ray with it",
        )
    return local(chosen.jobs)
