"""Hailo's Dataflow Compiler on this machine: finding it, and having it compile a job folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from ...errors import MissingDependencyError, ModelFileError

__all__ = ["Compiler", "Driver", "MissingCompilerError", "compile_job", "find_compiler"]

Driver = Literal["auto", "command", "python", "job"]
"""`command`: by its `hailo` command; `python`: by its module hailo_sdk_client; `auto`: by the first of
the two that is here, else as `job`; `job`: only pack the folder that it needs."""

LEAST_MINOR = {3: 27, 5: 0}
"""The oldest releases whose commands and model scripts are those that are written here."""
_ANSWERS_S = 120.0


class MissingCompilerError(MissingDependencyError):
    """Hailo's Dataflow Compiler is not installed; no package registry has it.

    Args:
        part: The command or module that is missing.
    """

    def __init__(self, part: str) -> None:
        super().__init__(part, extra="deploy")
        self.what = f"this needs Hailo's Dataflow Compiler, whose {part} is not here"
        self.fix = (
            "install it from Hailo's Developer Zone (an account is needed) and activate its"
            " environment, or pack a job for another machine with --driver job"
        )

    def __reduce__(self):
        return type(self), (self.package,)


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """The compiler on this machine."""

    how: Literal["command", "python"]
    """How it is driven."""
    version: str | None
    """Its version; None where it does not tell."""


def find_compiler(driver: Driver, *, major: int, chip: str) -> Compiler | None:
    """The compiler on this machine; None where the job is for another.

    Args:
        driver: How it is to be driven.
        major: The line of versions that compiles for the chip.
        chip: Its name, for the error.

    Raises:
        MissingDependencyError: It is asked for and not here.
        ModelFileError: It is too old, or of the line for other chips.
    """
    if driver in ("auto", "command") and shutil.which("hailo"):
        version = _command_version()
        if version is not None:
            _require_version(version, major, chip)
            return Compiler(how="command", version=version)
    if driver == "command":
        raise MissingCompilerError("command hailo")
    if driver in ("auto", "python") and util.find_spec("hailo_sdk_client") is not None:
        version = _module_version()
        if version is not None:
            _require_version(version, major, chip)
        return Compiler(how="python", version=version)
    if driver == "python":
        raise MissingCompilerError("module hailo_sdk_client")
    return None


def _command_version() -> str | None:
    """What `hailo --version` says; None where that `hailo` is HailoRT's, which has no compiler."""
    try:
        done = subprocess.run(
            ["hailo", "--version"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_ANSWERS_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelFileError(
            f"hailo --version does not answer ({error})", fix="repair the compiler's environment"
        ) from error
    found = re.search(r"Dataflow Compiler[^0-9]*(\d+\.\d[\d.]*)", done.stdout + done.stderr)
    return found.group(1).rstrip(".") if found else None


def _module_version() -> str | None:
    try:
        return metadata.version("hailo_dataflow_compiler")
    except metadata.PackageNotFoundError:
        return None


def _require_version(version: str, major: int, chip: str) -> None:
    have = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if have[0] != major:
        raise ModelFileError(
            f"Dataflow Compiler {version} is here, and {chip} needs version {major}",
            fix=f"install version {major}, or pack a job with --driver job",
        )
    if have[1] < LEAST_MINOR[major]:
        raise ModelFileError(
            f"Dataflow Compiler {version} is too old",
            fix=f"install {major}.{LEAST_MINOR[major]} or later, or pack a job with --driver job",
        )


def compile_job(folder: Path, network: str, compiler: Compiler) -> Path:
    """Have a job folder compiled; what the compiler says goes to its `compile.log`.

    Args:
        folder: The job.
        network: Its name.
        compiler: The compiler.

    Returns:
        The HEF in the folder.

    Raises:
        ModelFileError: The compiler failed or was killed.
    """
    program = ["bash", "compile.sh"]
    if compiler.how == "python":
        program = [sys.executable, "compile_with_sdk.py"]
    log, made = folder / "compile.log", folder / f"{network}.hef"
    try:
        with open(log, "wb") as said:
            status = _run(program, folder, said.fileno())
    except FileNotFoundError:
        raise ModelFileError(
            f"there is no {program[0]} to run {program[1]} with", fix="install it, or use --driver"
        ) from None
    finally:
        for left in folder.glob("build.*"):  # what was killed could not tidy up
            shutil.rmtree(left, ignore_errors=True)
    if status != 0 or not made.is_file():
        raise ModelFileError(
            f"Hailo's compiler {_ending(status)}: {_last_line(log)}",
            fix=f"read {log}; the job beside it can be run again: bash {folder / 'compile.sh'}",
        )
    return made


def _run(program: list[str], folder: Path, said: int) -> int:
    """The exit status of a program whose children end with it."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        program,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait()
    except BaseException:  # Ctrl+C reaches only us
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def _ending(status: int) -> str:
    if status < 0:
        return f"was killed by signal {-status}"
    return "failed" if status else "ended well without a HEF"


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line[-200:] for line in reversed(lines) if line), "it said nothing")
