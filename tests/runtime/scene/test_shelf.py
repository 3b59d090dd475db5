"""The shelf: a network is loaded once, stays while it may be wanted again, and is closed after its last user."""

import os

import numpy as np
import pytest
from tiny_models import make_onnx

from curbside.errors import ConfigError, ModelFileError
from curbside.runtime.scene import NetworkShelf, SceneConfig
from curbside.runtime.scene import network as network_room


@pytest.fixture
def opened(monkeypatch):
    """Every backend that is opened, with whether it is closed."""
    made = []
    real = network_room.open_backend

    def open_backend(path, *, threads):
        backend = real(path, threads=threads)
        backend.closed = 0
        close = backend.close

        def counted():
            backend.closed += 1
            close()

        backend.close = counted
        made.append(backend)
        return backend

    monkeypatch.setattr(network_room, "open_backend", open_backend)
    return made


@pytest.fixture
def paths(tmp_path):
    return [make_onnx(tmp_path / f"{name}.onnx") for name in "abc"]


def _config(path):
    return SceneConfig(models=(path,))


FRAME = np.zeros((40, 60, 3), np.uint8)


def test_a_network_is_loaded_once_for_all_who_use_it(opened, paths):
    shelf = NetworkShelf()
    first, second = (shelf.open(_config(paths[0]), threads=1) for _ in range(2))
    assert len(opened) == 1
    first.close()
    assert second(FRAME).semantic is not None and opened[0].closed == 0
    other = shelf.open(
        _config(paths[0]), threads=2
    )  # another share of the cores is another session
    assert len(opened) == 2
    second.close()
    other.close()
    shelf.close()
    assert [backend.closed for backend in opened] == [1, 1]


def test_some_stay_and_the_one_longest_unused_goes(opened, paths):
    shelf = NetworkShelf(keep=1)
    for path in paths[:2]:
        shelf.open(_config(path), threads=1).close()
    assert [backend.closed for backend in opened] == [1, 0]
    shelf.open(_config(paths[1]), threads=1).close()
    assert len(opened) == 2  # it was still there
    shelf.open(_config(paths[0]), threads=1).close()
    assert len(opened) == 3


def test_those_in_use_are_closed_when_they_are_put_back(opened, paths):
    shelf = NetworkShelf()
    scene = shelf.open(_config(paths[0]), threads=1)
    shelf.close()
    assert opened[0].closed == 0 and scene(FRAME).semantic is not None
    scene.close()
    scene.close()
    assert opened[0].closed == 1


def test_a_file_that_was_written_again_is_loaded_again(opened, paths):
    shelf = NetworkShelf()
    using = shelf.open(_config(paths[0]), threads=1)
    os.utime(paths[0], ns=(1, 1))
    shelf.open(_config(paths[0]), threads=1).close()
    assert len(opened) == 2 and opened[0].closed == 0
    using.close()
    assert opened[0].closed == 1
    shelf.close()
    assert opened[1].closed == 1


def test_what_fails_leaves_nothing_behind(opened, paths, tmp_path):
    shelf = NetworkShelf(keep=0)
    with pytest.raises(ModelFileError, match="does not exist"):
        shelf.open(SceneConfig(models=(paths[0], tmp_path / "none.onnx")), threads=1)
    with pytest.raises(ConfigError, match="both answer semantic"):
        shelf.open(SceneConfig(models=(paths[0], paths[1])), threads=1)
    assert all(backend.closed == 1 for backend in opened)
    with pytest.raises(ConfigError, match="-1 networks"):
        NetworkShelf(keep=-1)


def test_a_restart_loads_the_network_again_for_all_who_use_it(opened, paths):
    shelf = NetworkShelf()
    one, other = (shelf.open(_config(paths[0]), threads=1) for _ in range(2))
    one.restart()
    assert len(opened) == 2 and opened[0].closed == 1
    assert other(FRAME).semantic is not None
    one.close()
    other.close()
    shelf.close()
    assert opened[1].closed == 1
