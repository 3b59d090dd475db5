"""What all Hailo chips share; the files of `targets` name the chips."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import onnx

from ...errors import ConfigError, ModelFileError
from ...runtime import load_predictor
from ..calibration import CalibrationSet
from ..graphs.cut import Cut, cut_network
from ..graphs.integers import depth_activation
from ..graphs.operators import Rule, check_operators
from ..target import Built, Target, Work
from .adoption import adopt
from .compiler import Compiler, Driver, compile_job, find_compiler
from .job import EMULATION, JobOrder, load_job, write_job
from .rules import CAUSES, RULES
from .script import RECOMMENDED_PICTURES, Optimization

__all__ = ["HailoTarget"]


@dataclass(frozen=True, kw_only=True)
class HailoTarget(Target):
    """A Hailo chip by the Dataflow Compiler.

    Raises:
        ConfigError: A setting is impossible.
    """

    suffix: ClassVar[str] = ".hef"
    causes: ClassVar[tuple[str, ...]] = CAUSES
    rules: ClassVar[Mapping[str, Rule] | None] = RULES
    pictures: ClassVar[int] = RECOMMENDED_PICTURES
    arch: ClassVar[str]
    """The compiler's name of the chip."""
    chip: ClassVar[str]
    """Its name."""
    compiler_major: ClassVar[int]
    """The compiler's line of versions that compiles for it."""

    driver: Driver = "auto"
    """How the compiler is driven: by its command, by its Python module, by whichever of the two is
    here (auto), or not at all (job): then a folder is packed for the machine that has it. auto packs
    it too where there is no compiler."""
    optimization_level: Literal[0, 1, 2, 3, 4] = 2
    """How much the compiler does to keep accuracy: 0 little, 1 corrects biases, 2 fine-tunes, 3 and 4
    choose how weights are rounded (AdaRound). It reduces 2 and more without a GPU, and all with fewer
    than 1024 pictures."""
    batch_size: int = 8
    """Pictures that the compiler calibrates on at once."""
    compiler_finetune: bool = False
    """Fine-tune whatever the level; needs a GPU."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}", fix="give 1 or more")
        if self.optimization_level not in range(5):
            raise ConfigError(
                f"there is no optimisation level {self.optimization_level}", fix="choose 0 to 4"
            )

    @property
    def quantizes(self) -> bool:
        """Always: the chip computes in 8 bits."""
        return True

    def build(self, work: Work) -> Built:
        """Make the HEF with its Manifest beside it, or the folder that a compiler elsewhere makes it
        from; a HEF's job folder, `M.hailo`, stays beside it with the compiler's log."""
        return self.complete(self.attempt(work))

    def attempt(self, work: Work) -> Built:
        """Pack the job folder; the emulation in it stands in for the HEF, which may take hours."""
        folder = _job_folder(work.out)
        if work.calibration is None:
            raise ConfigError(
                "the chip computes in 8 bits, and there are no pictures to calibrate on",
                fix="give a prepared folder with --calibration",
            )
        cut = self._cut(work)
        compiler = self._compiler()  # one that is too old is told of before the work
        depth = next((end.tensor for end in cut.ends if end.meaning == "depth"), None)
        metres = depth_activation(cut.proto, depth)
        wide, ignored = _inside(cut, work.keep_float | metres)
        notes = (*self._notes(work.calibration, compiler), *ignored)
        order = JobOrder(
            source=work.model,
            cut=cut,
            calibration=work.calibration,
            arch=self.arch,
            chip=self.chip,
            major=self.compiler_major,
            optimization=Optimization(
                level=self.optimization_level,
                batch_size=self.batch_size,
                finetune=self.compiler_finetune,
            ),
            wide=wide,
            notes=notes,
        )
        write_job(folder, order)
        return Built(path=folder, witness=folder / EMULATION, notes=notes)

    def complete(self, built: Built) -> Built:
        """Have the job folder compiled where there is a compiler."""
        folder, compiler = built.path, self._compiler()
        if compiler is None:
            packed = (
                f"{folder.name} is a job for a machine with Dataflow Compiler"
                f" {self.compiler_major}: see its README.md"
            )
            return Built(path=folder, witness=folder / EMULATION, notes=(packed, *built.notes))
        hef = folder.with_suffix(self.suffix)
        os.replace(compile_job(folder, load_job(folder).network, compiler), hef)
        adopted = adopt(hef, folder, compiler=compiler.version)
        return replace(adopted, notes=(*built.notes, *adopted.notes))

    def _compiler(self) -> Compiler | None:
        return find_compiler(self.driver, major=self.compiler_major, chip=self.chip)

    def _cut(self, work: Work) -> Cut:
        """The part of the network that the chip runs, if its compiler would take it."""
        with load_predictor(work.model, threads=1) as predictor:
            manifest = predictor.manifest
        if manifest.precision != "fp32":
            raise ModelFileError(
                f"{work.model} is {manifest.precision} already",
                fix="give the float file: the chip has its own 8 bits",
            )
        cut = cut_network(onnx.load(str(work.model)), manifest)
        check_operators(cut.proto, self).require_accepted()
        return cut

    def _notes(self, calibration: CalibrationSet, compiler: Compiler | None) -> list[str]:
        notes, count = [], len(calibration.samples)
        asked = f"optimisation level {self.optimization_level}"
        if count < RECOMMENDED_PICTURES and self.optimization_level > 0:
            notes.append(
                f"{count} calibration pictures: the compiler will reduce {asked} to 0, as it wants"
                f" {RECOMMENDED_PICTURES}"
            )
        elif compiler is not None and not _has_gpu() and self.optimization_level > 1:
            notes.append(f"no NVIDIA GPU is here: the compiler will reduce {asked}")
        if self.compiler_finetune and compiler is not None and not _has_gpu():
            notes.append("no NVIDIA GPU is here: the compiler will not fine-tune")
        return notes


def _job_folder(out: Path) -> Path:
    """The job folder of an output's name."""
    if out.suffix.lower() not in (".hef", "", ".hailo"):
        raise ConfigError(
            f"{out} is no name for a HEF or a job folder", fix="name it with --out M.hef"
        )
    return out.with_suffix(".hailo")


def _inside(cut: Cut, keep_float: frozenset[str]) -> tuple[tuple[str, ...], list[str]]:
    """The nodes to keep wide that the chip runs, in their order, and a word on what it means."""
    nodes = [node for node in cut.proto.graph.node if node.op_type != "Constant"]
    wide = tuple(node.name for node in nodes if node.name in keep_float)
    if not wide:
        return wide, []
    return wide, [
        f"{len(wide)} operators are asked for in 16 bits, as the chip has no float: which layers can,"
        " the compiler decides, and they run slower"
    ]


def _has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None
