"""Putting the stand-ins for Hailo's software where a test finds them."""

from __future__ import annotations

import os
import shlex
import sys
from functools import cache
from importlib import util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from curbside.deploy import CalibrationSet
from curbside.deploy.hailo import HailoTarget
from curbside.deploy.target import Work
from curbside.deploy.targets.hailo8 import Hailo8

__all__ = ["install_command", "install_hailort", "install_module", "make_hef", "some_pictures"]

HERE = Path(__file__).resolve().parent


def install_command(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Put the command `hailo` on the path, and nothing of the module."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "hailo"
    program = shlex.join([sys.executable, str(HERE / "hailo_compiler" / "hailo_command.py")])
    command.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return command


def install_module(monkeypatch: pytest.MonkeyPatch, folder: Path, version: str = "3.31.0") -> None:
    """Let the module hailo_sdk_client be imported, here and by what is started from here."""
    about = folder / f"hailo_dataflow_compiler-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: hailo_dataflow_compiler\nVersion: {version}\n"
    )
    places = [str(HERE / "hailo_compiler"), str(folder)]
    for place in places:
        monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), *places]))


def install_hailort(
    monkeypatch: pytest.MonkeyPatch, chips: tuple[str, ...] = ("hailo8",)
) -> ModuleType:
    """Let the module hailo_platform be imported; the chips are plugged in."""
    library = _hailort()
    monkeypatch.setitem(sys.modules, "hailo_platform", library)
    monkeypatch.setattr(library, "CHIPS", list(chips))
    return library


@cache
def _hailort() -> ModuleType:
    spec = util.spec_from_file_location("hailo_platform", HERE / "hailort" / "hailo_platform.py")
    assert spec is not None
    assert spec.loader is not None
    library = util.module_from_spec(spec)
    spec.loader.exec_module(library)
    return library


def some_pictures(
    folder: Path, count: int = 8, size_hw: tuple[int, int] = (12, 16)
) -> CalibrationSet:
    """A calibration set of noise."""
    path = folder / "pictures.npy"
    shape = (count, *size_hw, 3)
    np.save(path, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    return CalibrationSet.load(path)


def make_hef(
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    out: Path,
    calibration: CalibrationSet,
    target: HailoTarget | None = None,
) -> Path:
    """A model file as a HEF with its Manifest, by the stand-in for the compiler."""
    with monkeypatch.context() as patch:
        install_command(patch, out.parent / "bin")
        work = Work(model=model, out=out, calibration=calibration)
        return (target or Hailo8(driver="command")).build(work).path
