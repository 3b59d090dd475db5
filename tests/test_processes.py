"""The same work in processes and on a real Ray: order, errors, leaving early, death."""

from __future__ import annotations

import operator
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from builders import make_camvid_tree, tree_bytes

from curbside.convert import Camvid, convert
from curbside.errors import ConfigError, DataError, MissingDependencyError
from curbside.processes import in_processes
from curbside.scenes import ScenesConfig, write_layout

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
ENGINES = ["processes", pytest.param("ray", marks=needs_ray)]


def square(number: int) -> int:
    return number * number


def late_if_early(number: int) -> int:
    """The first jobs take longest, so that the later ones are done before them."""
    time.sleep(0.2 if number < 8 else 0.0)
    return number


def refuse_seven(number: int) -> int:
    if number == 7:
        raise DataError("the job 7 is bad", fix="leave it out")
    return number


def leave_a_mark(number: int, *, folder: Path) -> int:
    (folder / str(number)).touch()
    time.sleep(0.02)
    return number


def die(number: int) -> int:
    os._exit(1)


def where(number: int) -> tuple[int, str, int]:
    import cv2

    return os.getpid(), os.getcwd(), cv2.getNumThreads()


@needs_ray
def test_a_ray_of_its_own_is_ended_with_the_work():
    import ray

    assert not ray.is_initialized()  # these tests stand before those that share one
    negative = list(in_processes(operator.neg, range(9), 1, "negating", engine="ray"))
    assert negative == [-n for n in range(9)]
    assert not ray.is_initialized()


@needs_ray
@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_is_not_there_is_one_line_and_soon(scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(ConfigError, match=rf"no Ray at {scheme}127\.0\.0\.1:{port}") as caught:
        address = f"{scheme}127.0.0.1:{port}"
        list(in_processes(square, [1], 1, "squaring", engine="ray", address=address))
    assert "\n" not in str(caught.value) and time.monotonic() - start < 10


def test_an_address_is_for_ray_alone():
    with pytest.raises(ConfigError, match="choose the engine ray"):
        list(in_processes(square, [1], 1, "squaring", address="auto"))


def test_without_ray_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'curbside\[ray\]'"):
        list(in_processes(square, [1], 1, "squaring", engine="ray"))


@pytest.fixture(scope="module")
def on_ray():
    """`in_processes` on a Ray that was started once, for all tests, by another than it."""
    import ray
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # tests cannot be imported there
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(address="local", num_cpus=2, **quiet)
    yield partial(in_processes, engine="ray")
    assert ray.is_initialized()  # who did not start it left it running
    ray.shutdown()


@pytest.fixture(params=ENGINES)
def run(request):
    """`in_processes` on one engine."""
    return in_processes if request.param == "processes" else request.getfixturevalue("on_ray")


def test_results_come_in_the_order_of_the_jobs(run):
    assert list(run(square, range(100), 2, "squaring")) == [n * n for n in range(100)]
    assert list(run(late_if_early, range(64), 2, "sleeping")) == list(range(64))
    assert list(run(square, [], 2, "squaring")) == []


def test_an_error_of_a_job_arrives_as_itself(run):
    with pytest.raises(DataError) as caught:
        list(run(refuse_seven, range(40), 2, "refusing"))
    assert type(caught.value) is DataError and caught.value.fix == "leave it out"


def test_left_early_the_rest_is_not_done(run, tmp_path):
    with closing(run(partial(leave_a_mark, folder=tmp_path), range(1000), 2, "marking")) as results:
        assert next(results) == 0
    done = len(list(tmp_path.iterdir()))  # what ran is finished by now
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == done < 200


def test_a_process_that_dies_is_one_line(run):
    with pytest.raises(ConfigError, match="ended while dying, probably for want of memory"):
        list(run(die, range(20), 2, "dying"))


def test_work_is_done_elsewhere_in_the_same_folder_with_one_thread_each(run):
    for pid, folder, threads in run(where, range(20), 2, "looking"):
        assert pid != os.getpid() and folder == os.getcwd() and threads == 1


@needs_ray
def test_on_ray_only_so_many_jobs_are_ahead_of_the_one_waited_for(on_ray, tmp_path):
    marking = partial(leave_a_mark, folder=tmp_path)
    with closing(on_ray(marking, range(100_000), 2, "marking")) as results:
        next(results)
        time.sleep(1.5)  # nobody takes a result
        assert len(list(tmp_path.iterdir())) <= 8 * 8  # eight tasks of eight jobs


@needs_ray
def test_a_cluster_that_runs_already_converts_to_the_same_bytes(on_ray, tmp_path):
    import ray

    root = make_camvid_tree(tmp_path / "camvid", each=12)
    convert(Camvid(root=root), tmp_path / "here", workers=1)
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "curbside.cli", "convert", "camvid", "camvid", "there"]
    command += ["--engine", "ray", "--address", address]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert tree_bytes(tmp_path / "there") == tree_bytes(tmp_path / "here")


@needs_ray
def test_scenes_drawn_on_ray_are_the_same_bytes(on_ray, tmp_path):
    config = ScenesConfig(size_hw=(48, 64), train=5, val=1, workers=1)
    write_layout(tmp_path / "here", config, "camvid")
    write_layout(tmp_path / "there", replace(config, engine="ray"), "camvid")
    assert tree_bytes(tmp_path / "there") == tree_bytes(tmp_path / "here")
