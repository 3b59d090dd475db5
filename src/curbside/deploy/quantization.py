"""Static INT8 by ONNX Runtime: a float model file and some pictures in, an integer file out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from ..errors import ConfigError, ModelFileError
from ..files import atomic_path
from ..manifest import Manifest
from ..progress import track
from ..runtime import SemanticPredictor, load_semantic_predictor
from .calibration import CalibrationSet
from .integer_graph import byte_ranges, fold_normalization, nodes_to_keep_float, take_bytes
from .onnx_manifest import write_manifest

__all__ = ["QuantizeConfig", "quantize"]

_OPERATORS = ["Conv", "Relu", "Clip", "Add", "Concat", "MaxPool", "AveragePool"]
_OPERATORS += ["GlobalAveragePool"]
"""Resizing and gating gain nothing as integers; argmax and softmax would be ruined."""


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig:
    """How ranges are found.

    Raises:
        ConfigError: There is no such method.
    """

    method: Literal["average", "minmax"] = "average"
    """`minmax` spans every value that was seen; `average` the mean of the pictures' extremes, so
    that one odd picture does not coarsen all (CamVid: 98.3 against 97.9 % of the pixels keep their
    class with DeepLabV3+ MNv2, 99.4 against 99.2 % with LR-ASPP MNv4-S)."""

    def __post_init__(self) -> None:
        if self.method not in ("average", "minmax"):
            raise ConfigError(
                f"there is no calibration method {self.method!r}", fix="choose average or minmax"
            )


def quantize(
    path: Path, out: Path, calibration: CalibrationSet, config: QuantizeConfig | None = None
) -> Path:
    """Write the INT8 twin of a float model file: QDQ format, weights in 8 bits per channel.

    Args:
        path: The float file, with a Manifest.
        out: The file to write, ending in .onnx.
        calibration: The pictures that tell the range of every tensor.
        config: How ranges are found.

    Returns:
        `out`.

    Raises:
        ConfigError: `out` has another suffix or is the float file itself.
        ModelFileError: The float file cannot be opened or is quantised already, or the runtime cannot
            run its twin.
        DataError: A calibration picture cannot be read.
        StorageError: The place cannot be written.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    config = config or QuantizeConfig()
    if out.suffix.lower() != ".onnx":
        raise ConfigError(
            f"{out} does not end in .onnx", fix="name the file with --out M.int8.onnx"
        )
    if out.resolve() == path.resolve():
        raise ConfigError(f"{out} is the float file itself", fix="name another file with --out")
    with (
        load_semantic_predictor(path) as predictor,
        tempfile.TemporaryDirectory(prefix="curbside-") as folder,
    ):
        manifest = predictor.manifest
        if manifest.precision != "fp32":
            raise ModelFileError(
                f"{path} is {manifest.precision} already",
                fix="give the float file that curbside export wrote",
            )
        proto = onnx.load(str(path))
        for place, node in enumerate(proto.graph.node):
            node.name = node.name or f"node_{place}"
        folded = fold_normalization(proto, manifest)
        written = Path(folder) / "int8.onnx"
        with _quiet():
            quantize_static(
                onnx.shape_inference.infer_shapes(proto),
                str(written),
                _Reader(predictor, calibration),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_OPERATORS,
                nodes_to_exclude=nodes_to_keep_float(proto),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "CalibMovingAverage": config.method == "average",
                    "TensorQuantOverrides": byte_ranges() if folded else {},
                },
            )
        result = onnx.load(str(written))
    if folded:
        take_bytes(result)
    write_manifest(result, _manifest(manifest, calibration, config))
    with atomic_path(out, durable=True) as temporary:
        temporary.write_bytes(result.SerializeToString())
        _require_running(temporary, calibration)
    return out


def _require_running(path: Path, calibration: CalibrationSet) -> None:
    """Stop where the runtime opens the file and cannot run it."""
    with load_semantic_predictor(path) as predictor:
        tensor = predictor.prepare(calibration.samples[0].read_bgr())
        try:
            predictor.infer(tensor)
        except Exception as error:  # ONNX Runtime has its own kinds
            reason = " ".join(str(error).split())[-160:]
            raise ModelFileError(
                f"the INT8 file cannot be run by ONNX Runtime and was not written ({reason})",
                fix="use the float file, or a network without the operator that it names",
            ) from error


def _manifest(manifest: Manifest, calibration: CalibrationSet, config: QuantizeConfig) -> Manifest:
    about = {**calibration.describe(), "method": config.method}
    return replace(manifest, precision="int8", calibration=about)


class _Reader:
    """The calibration pictures as ONNX Runtime's quantiser asks for them, one by one."""

    def __init__(self, predictor: SemanticPredictor, calibration: CalibrationSet) -> None:
        self._name = predictor.manifest.input.name
        self._tensors = _tensors(predictor, calibration)

    def get_next(self) -> dict[str, np.ndarray] | None:
        tensor = next(self._tensors, None)
        return None if tensor is None else {self._name: tensor}


def _tensors(predictor: SemanticPredictor, calibration: CalibrationSet) -> Iterator[np.ndarray]:
    samples = calibration.samples
    for sample in track(samples, total=len(samples), description="calibrating"):
        yield predictor.prepare(sample.read_bgr())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the advice to prepare the graph, which ours does not need, off the terminal."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
