"""The same work for many jobs, in several processes at once: here, or on the machines of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeVar

import cv2

from .errors import ConfigError, MissingDependencyError
from .hardware import core_count
from .progress import track

__all__ = ["Engine", "in_processes", "on_ray"]

Engine = Literal["processes", "ray"]
"""Who does the work: processes of this machine, or Ray."""

_FEW = 8
"""So many jobs are done by the time another process has started."""
_ANSWERS_S, _JOINED_S = 5.0, 30.0
"""A machine that does not answer for so long is absent; a cluster that cannot be joined is none."""
_JOIN = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False)"

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int | None,
    description: str,
    *,
    unit: str = "images",
    engine: Engine = "processes",
    address: str | None = None,
) -> Generator[Result, None, None]:
    """Do jobs in several processes, behind a progress bar; results come in the order of the jobs.

    Close the iterator where it is left early (`contextlib.closing`): that finishes the jobs that were
    begun and ends the processes. They are spawned, so a script of one's own needs the usual
    `if __name__ == "__main__":`.

    Ray needs the extra `ray`. On a cluster, curbside must be installed on every machine, and what
    the jobs read and write must lie on storage that all of them see under the same paths.

    Args:
        work: A function of a module.
        jobs: What it is called with.
        workers: How many processes; where None, one per core, of the whole cluster with Ray.
        description: What is being done, in a word or two.
        unit: What a job is, for the rate.
        engine: `processes` of this machine, or `ray`.
        address: The Ray cluster: `auto`, `host:port` or `ray://host:port`; where None, Ray is
            started on this machine and ended with the work. A program that is connected to Ray
            already stays with that one.

    Raises:
        ConfigError: A process was killed, or the cluster cannot be reached.
        MissingDependencyError: Ray is asked for and not installed.
    """
    if engine != "ray" and address is not None:
        raise ConfigError(
            f"the address {address} is that of a Ray cluster", fix="choose the engine ray with it"
        )
    if not jobs:
        return
    doing = _on_ray if engine == "ray" else _on_this_machine
    results = doing(work, jobs, workers, description, address)
    try:
        yield from track(results, total=len(jobs), description=description, unit=unit)
    finally:
        results.close()


def _on_this_machine(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int | None,
    description: str,
    _: str | None,
) -> Generator[Result, None, None]:
    count = min(workers or core_count(), 1 + len(jobs) // _FEW)
    if count == 1:
        yield from map(work, jobs)
        return
    # Not forked: a fork beside the progress bar's thread may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        yield from pool.map(work, jobs, chunksize=_chunk_size(jobs, count))
    except BrokenProcessPool as error:
        raise _ended(description) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _chunk_size(jobs: Sequence[Any], count: int) -> int:
    return max(1, min(8, len(jobs) // (4 * count)))


def _ended(description: str) -> ConfigError:
    return ConfigError(
        f"a process ended while {description}, probably for want of memory",
        fix="run it again with fewer workers: it goes on where it stopped (a script of your "
        "own must do this under `if __name__ == '__main__':`)",
    )


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes are the parallelism
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:  # a worker whose parent was killed would wait for work for ever
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_ray(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int | None,
    description: str,
    address: str | None,
) -> Generator[Result, None, None]:
    with on_ray(workers, address) as ray:
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        # One chunk more per core than can run, so that none waits for work; as many again may be
        # done and wait for an earlier one. More would only fill the memory of the cluster.
        running_limit = min(workers, cores) if workers else 2 * cores
        size = _chunk_size(jobs, cores)
        chunks = (jobs[start : start + size] for start in range(0, len(jobs), size))
        # A cluster may lose a machine, whose chunks are then done again elsewhere.
        do = ray.remote(num_cpus=1, max_retries=3 if address else 0)(_do_chunk)
        shared_work, folder = ray.put(work), os.getcwd()
        ordered: deque[Any] = deque()
        running: list[Any] = []
        try:
            while True:
                while len(running) < running_limit and len(ordered) < 2 * running_limit:
                    chunk = next(chunks, None)
                    if chunk is None:
                        break
                    ordered.append(do.remote(shared_work, chunk, folder))
                    running.append(ordered[-1])
                if not ordered:
                    return
                if running:
                    _, running = ray.wait(running)
                while ordered and ordered[0] not in running:
                    yield from ray.get(ordered[0])
                    ordered.popleft()
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except ray.exceptions.RayError as error:
            raise _ended(description) from error
        finally:
            # Left early, what runs is finished, as by the processes of this machine. `ray.cancel` ends
            # this program where a chunk is done at the same moment (ray-project/ray#54798).
            if running:
                ray.wait(running, num_returns=len(running))


def _do_chunk(work: Callable[[Job], Result], jobs: Sequence[Job], folder: str) -> list[Result]:
    cv2.setNumThreads(1)
    with suppress(OSError):
        os.chdir(folder)  # a relative path means here what it means where the work was asked for
    return [work(job) for job in jobs]


@contextmanager
def on_ray(workers: int | None, address: str | None) -> Iterator[Any]:
    """Ray, connected; a Ray that the caller's own program is connected to is used as it is.

    Args:
        workers: Cores of a Ray that is started here; all where None.
        address: See `in_processes`.

    Raises:
        ConfigError: The cluster cannot be reached.
        MissingDependencyError: Ray is not installed.
    """
    # It would report its use over the network.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("ray", extra="ray") from error
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is None:
            count = workers or core_count()
            ray.init(address="local", num_cpus=count, include_dashboard=False, **quiet)
        else:
            _check_reachable(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"no Ray at {address or 'this machine'} ({error})",
            fix="give the host:port of a running cluster, and its token in RAY_AUTH_TOKEN if it asks "
            "for one; or no address",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Refuse soon what is not there or no Ray, where Ray itself would try for minutes, then exit."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        with socket.create_connection((host, int(port)), timeout=_ANSWERS_S):
            pass
    command = [sys.executable, "-c", _JOIN, address]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_JOINED_S, check=True)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"what answers there did not let us join in {_JOINED_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError((error.stderr.strip() or "it ended").splitlines()[-1]) from error
