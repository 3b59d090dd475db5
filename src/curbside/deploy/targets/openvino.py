"""OpenVINO: `.xml` and `.bin` for Intel's and AMD's processors, integers by NNCF."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnx

from ...errors import ConfigError, MissingDependencyError, ModelFileError
from ...files import as_storage_error
from ...manifest import Manifest, write_sidecar
from ...runtime import NetworkPredictor, load_predictor
from ..calibration import CalibrationSet
from ..feed import Feed, quiet
from ..graphs.heads import heads_of
from ..graphs.integers import fold_normalization
from ..graphs.openvino import operators_behind, operators_of, read_graph, take_bytes, unsort_argmax
from ..quantization import name_nodes
from ..target import Built, Target, Work

__all__ = ["OpenVino"]

_NATIVE = {"fp16": "FP16", "bf16": "BF16"}


@dataclass(frozen=True, kw_only=True)
class OpenVino(Target):
    """OpenVINO on the CPU."""

    title: ClassVar[str] = "OpenVINO (CPU)"
    suffix: ClassVar[str] = ".xml"

    precision: Literal["fp32", "fp16", "bf16", "int8"] = "int8"
    """What the network runs in, wherever the processor can. Weights of fp16 and bf16 are kept in 16
    bits in the file."""
    rest: Literal["fp32", "bf16"] = "bf16"
    """What runs in the parts of an int8 file that are not integers."""
    preset: Literal["mixed", "performance"] = "mixed"
    """`mixed`: ranges of activations need not be symmetric; `performance`: they are."""
    fast_bias_correction: bool = True
    """Correct what rounding does to the means from one pass over the pictures; without it, NNCF
    measures every layer after those before it were quantised, which takes much longer."""

    @property
    def quantizes(self) -> bool:
        """Whether the precision is int8."""
        return self.precision == "int8"

    def build(self, work: Work) -> Built:
        """Write `M.xml`, `M.bin` and the Manifest `M.xml.json`, the last of them last."""
        openvino = _library("openvino")
        if work.out.suffix.lower() != self.suffix:
            raise ConfigError(f"{work.out} does not end in .xml", fix="name it with --out M.xml")
        if self.quantizes and work.calibration is None:
            raise ConfigError(
                "int8 needs pictures to calibrate on",
                fix="give a prepared folder with --calibration, or choose --precision bf16",
            )
        with load_predictor(work.model, threads=1) as predictor:
            if predictor.manifest.precision != "fp32":
                raise ModelFileError(
                    f"{work.model} is {predictor.manifest.precision} already",
                    fix="give the float file that curbside export wrote",
                )
            proto = onnx.load(str(work.model))
            name_nodes(proto)
            _require_nodes(proto, work)
            if work.calibration is not None and self.quantizes:
                model = self._quantized(proto, work, predictor, work.calibration)
            else:
                model = _graph(proto, work.model)
            if self.asked == "fp32":
                unsort_argmax(model)
            manifest = self._manifest(predictor.manifest, work, openvino)
        return _written(
            model, manifest, work.out, compress=self.precision in ("fp16", "bf16"), asked=self.asked
        )

    @property
    def asked(self) -> str:
        """The precision of what is not an integer."""
        return self.rest if self.quantizes else self.precision

    def _quantized(
        self,
        proto: onnx.ModelProto,
        work: Work,
        predictor: NetworkPredictor,
        calibration: CalibrationSet,
    ) -> Any:
        with quiet():
            nncf = _library("nncf")
        folded = fold_normalization(proto, predictor.manifest)
        model = _graph(proto, work.model)
        behind = operators_behind(model, heads_of(proto, predictor.manifest))
        kept = operators_of(model, proto, work.keep_float) | behind
        preset = nncf.QuantizationPreset
        with quiet():
            model = nncf.quantize(
                model,
                nncf.Dataset(Feed(predictor, calibration)),
                preset=preset.MIXED if self.preset == "mixed" else preset.PERFORMANCE,
                subset_size=len(calibration.samples),
                fast_bias_correction=self.fast_bias_correction,
                ignored_scope=nncf.IgnoredScope(names=sorted(kept), validate=False),
            )
        if folded:
            take_bytes(model)
        return model

    def _manifest(self, manifest: Manifest, work: Work, openvino: Any) -> Manifest:
        deployment = {
            "target": "openvino",
            "device": "CPU",
            "version": openvino.__version__.split("-")[0],
            "inference_precision": self.asked,
        }
        calibration: dict[str, Any] = {}
        if work.calibration is not None and self.quantizes:
            correction = "fast" if self.fast_bias_correction else "full"
            deployment["nncf"] = _library("nncf").__version__
            calibration = {
                **work.calibration.describe(),
                "method": f"NNCF, {self.preset}, {correction} bias correction",
            }
            if work.keep_float:
                calibration["float_layers"] = sorted(work.keep_float)
        return replace(
            manifest, precision=self.precision, calibration=calibration, deployment=deployment
        )


def _library(name: Literal["openvino", "nncf"]) -> Any:
    # When it is imported, NNCF sets out to report its use to its makers over the network, unasked.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise MissingDependencyError(name, extra="openvino") from None


def _graph(proto: onnx.ModelProto, path: Path) -> Any:
    try:
        return read_graph(proto)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-160:]
        raise ModelFileError(
            f"OpenVINO cannot read {path} ({reason})",
            fix="update OpenVINO, or export the network at another --opset",
        ) from error


def _require_nodes(proto: onnx.ModelProto, work: Work) -> None:
    unknown = sorted(work.keep_float - {node.name for node in proto.graph.node})
    if unknown:
        raise ConfigError(
            f"{work.model} has no node {unknown[0]!r} to keep in float",
            fix="name nodes of this very file",
        )


def _written(model: Any, manifest: Manifest, out: Path, *, compress: bool, asked: str) -> Built:
    """Write the files under other names, try them there, then give them their names.

    The Manifest, which holds the hashes of both, comes last: if the machine stops before that, what
    is there is whole and old, or is refused.
    """
    openvino = _library("openvino")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=out.parent) as folder:
            made = Path(folder) / out.name
            openvino.save_model(model, made, compress_to_fp16=compress)
            write_sidecar(made, manifest, parts=(".bin",))
            precision = _tried(made)
            for part in (made.with_suffix(".bin"), made, Path(f"{made}.json")):
                _flush(part)
                part.replace(out.with_name(part.name))
    except OSError as error:
        raise as_storage_error(error, out) or error from error
    return Built(path=out, witness=out, notes=tuple(_notes(precision, asked)))


def _tried(path: Path) -> str:
    """Run the file on a blank picture; what its arithmetic runs in here."""
    with load_predictor(path) as predictor:
        size_hw = predictor.manifest.input.size_hw
        try:
            predictor.infer(predictor.prepare(np.zeros((*size_hw, 3), np.uint8)))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-160:]
            raise ModelFileError(
                f"the file cannot be run by OpenVINO and was not written ({reason})",
                fix="choose another --precision, or update OpenVINO",
            ) from error
        return predictor.precision


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _notes(precision: str, asked: str) -> Iterator[str]:
    yield f"On this processor it runs in {precision}."
    capabilities = _library("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if asked in _NATIVE and _NATIVE[asked] not in capabilities:
        yield f"This processor does not compute in {asked}; OpenVINO takes the nearest that it can."
