"""Static INT8 by ONNX Runtime: a float model file and some pictures in, integer files out."""

from __future__ import annotations

import tempfile
from collections.abc import Set
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import onnx

from ..errors import ConfigError, ModelFileError
from ..files import atomic_path
from ..runtime import load_predictor
from .calibration import CalibrationSet
from .feed import Feed, quiet
from .graphs.integers import (
    byte_ranges,
    depth_activation,
    fold_normalization,
    merge_layers,
    nodes_to_keep_float,
    take_bytes,
)
from .graphs.nodes import name_nodes
from .graphs.onnx_manifest import write_manifest

__all__ = ["Int8Twins", "QuantizeConfig", "quantize"]

_OPERATORS = ["Conv", "Relu", "Clip", "Add", "Concat", "MaxPool", "AveragePool"]
_OPERATORS += ["GlobalAveragePool"]
"""Resizing and gating gain nothing as integers; argmax and softmax would be ruined."""
_MORE = ["ConvTranspose", "MatMul", "Gemm", "Mul", "Sigmoid", "LeakyRelu", "Resize"]
"""What other quantisers turn into integers, too."""


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
    path: Path,
    out: Path,
    calibration: CalibrationSet,
    config: QuantizeConfig | None = None,
    *,
    keep_float: Set[str] = frozenset(),
) -> Path:
    """Write the INT8 twin of a float model file: QDQ format, weights in 8 bits per channel.

    Args:
        path: The float file, with a Manifest.
        out: The file to write, ending in .onnx.
        calibration: The pictures that tell the range of every tensor.
        config: How ranges are found.
        keep_float: Names of nodes that stay in float, with the rest of their layers.

    Returns:
        `out`.

    Raises:
        ConfigError: `out` has another suffix or is the float file itself.
        ModelFileError: The float file cannot be opened or is quantised already, or the runtime cannot
            run its twin.
        DataError: A calibration picture cannot be read.
        StorageError: The place cannot be written.
    """
    return Int8Twins(path, calibration, config).write(out, keep_float=keep_float)


class Int8Twins:
    """INT8 twins of a float model file, which differ in what stays in float; ranges are found once.

    Args:
        path: The float file, with a Manifest.
        calibration: The pictures that tell the range of every tensor.
        config: How ranges are found.
        everything: Whether also what gains nothing by it can be an integer.

    Raises:
        ModelFileError: The float file cannot be opened or is quantised already.
    """

    def __init__(
        self,
        path: Path,
        calibration: CalibrationSet,
        config: QuantizeConfig | None = None,
        *,
        everything: bool = False,
    ) -> None:
        self._path, self._calibration = path, calibration
        self._config = config or QuantizeConfig()
        with load_predictor(path) as predictor:
            self.manifest = predictor.manifest
        if self.manifest.precision != "fp32":
            raise ModelFileError(
                f"{path} is {self.manifest.precision} already",
                fix="give the float file that curbside export wrote",
            )
        self._proto = onnx.load(str(path))
        name_nodes(self._proto)
        self._folded = fold_normalization(self._proto, self.manifest)
        self._proto = onnx.shape_inference.infer_shapes(self._proto)
        self._operators = _OPERATORS + _MORE if everything else _OPERATORS
        metres = self.manifest.output("depth")
        kept = set(depth_activation(self._proto, metres.name if metres else None))
        if not everything:
            kept.update(nodes_to_keep_float(self._proto))
        nodes = [
            node
            for node in self._proto.graph.node
            if node.op_type in self._operators and node.name not in kept
        ]
        self._kinds = {node.name: node.op_type for node in nodes}
        self.layers = merge_layers(self._proto, nodes)
        """What can be an integer: a tuple of names for each layer, an operator and the activation
        behind it, in the order of running."""

    def write(self, out: Path, *, keep_float: Set[str] = frozenset()) -> Path:
        """Write a twin; see `quantize`."""
        if out.suffix.lower() != ".onnx":
            raise ConfigError(
                f"{out} does not end in .onnx", fix="name the file with --out M.int8.onnx"
            )
        if out.resolve() == self._path.resolve():
            raise ConfigError(f"{out} is the float file itself", fix="name another file with --out")
        integers = [layer for layer in self.layers if keep_float.isdisjoint(layer)]
        about = {**self._calibration.describe(), "method": self._config.method}
        if keep_float:
            about["float_layers"] = sorted(keep_float)
        result = self._quantized(integers)
        write_manifest(result, replace(self.manifest, precision="int8", calibration=about))
        with atomic_path(out, durable=True) as temporary:
            temporary.write_bytes(result.SerializeToString())
            self._require_running(temporary)
        return out

    def kind_of(self, layer: tuple[str, ...]) -> str:
        """ONNX's name of a layer's operator."""
        return self._kinds[layer[0]]

    def alone(self, layer: tuple[str, ...]) -> onnx.ModelProto:
        """The graph with a single layer in integers, to see what that one costs."""
        result = self._quantized([layer])
        write_manifest(result, replace(self.manifest, precision="int8"))
        return result

    def _quantized(self, integers: list[tuple[str, ...]]) -> onnx.ModelProto:
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        copy = onnx.ModelProto()
        copy.CopyFrom(self._proto)
        chosen = [name for layer in integers for name in layer]
        if not chosen:
            return copy  # the quantiser would take an empty list for all
        with quiet():
            quantizer = QDQQuantizer(
                copy,
                True,  # weights per channel
                False,  # all 8 bits of a range
                QuantType.QInt8,
                QuantType.QUInt8,
                self._ranges,
                chosen,
                [],
                self._operators,
                {"TensorQuantOverrides": byte_ranges() if self._folded else {}},
            )
            quantizer.quantize_model()
        result = quantizer.model.model
        if self._folded:
            take_bytes(result)
        return result

    @cached_property
    def _ranges(self) -> Any:
        """The range of every tensor over the calibration pictures."""
        from onnxruntime.quantization import CalibrationMethod
        from onnxruntime.quantization.calibrate import create_calibrator

        with tempfile.TemporaryDirectory(prefix="curbside-") as folder, quiet():
            graph, augmented = (Path(folder) / name for name in ("graph.onnx", "augmented.onnx"))
            graph.write_bytes(self._proto.SerializeToString())
            calibrator = create_calibrator(
                graph,
                self._operators,
                augmented_model_path=str(augmented),
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"moving_average": self._config.method == "average"},
            )
            with load_predictor(self._path) as predictor:
                calibrator.collect_data(Feed(predictor, self._calibration))
            return calibrator.compute_data()

    def _require_running(self, path: Path) -> None:
        """Stop where the runtime opens the file and cannot run it."""
        with load_predictor(path) as predictor:
            tensor = predictor.prepare(self._calibration.samples[0].read_bgr())
            try:
                predictor.infer(tensor)
            except Exception as error:  # ONNX Runtime has its own kinds
                reason = " ".join(str(error).split())[-160:]
                raise ModelFileError(
                    f"the INT8 file cannot be run by ONNX Runtime and was not written ({reason})",
                    fix="use the float file, or a network without the operator that it names",
                ) from error
