"""A trained network as an ONNX file with its Manifest inside, checked against the checkpoint."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch

from .. import __version__
from ..deploy import OperatorCheck, check_operators, target_named, write_manifest
from ..errors import ConfigError, ModelFileError
from ..files import atomic_path
from ..labels import LabelSpace
from ..manifest import Manifest, TemperatureScaling
from ..models import SegmentationModel
from .graph import DeployableGraph, Outputs
from .temperature import fold_temperature
from .verification import LEAST_AGREEMENT, Verification, generated_pictures, verify

__all__ = ["ExportConfig", "check_export", "export_onnx"]

_OPSETS = range(13, 19)
_UNFIXED = {"Shape", "Size", "NonZero", "Loop", "If", "Scan", "Compress", "Unique"}
"""Operators that make a size or the way through the graph depend on data or on another size."""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The shape of the file.

    Raises:
        ConfigError: The opset is not 13 to 18, or there is no such target.
    """

    size_hw: tuple[int, int]
    """Height and width of the picture that goes in, fixed."""
    channels: Literal["bgr", "rgb"] = "bgr"
    """Order of the picture's colours; OpenCV and our own runtime give bgr."""
    outputs: Outputs = "ids"
    """`ids`: the class map; `confidence`: also the probability of the class shown; `logits`: also
    the scores at the decoder's stride, which ECE and AUPRC need."""
    opset: int = 17
    """Version of ONNX's operators, 13 to 18; older compilers want lower ones."""
    target: str | None = None
    """The device whose compiler must take the network; see `targets`."""

    def __post_init__(self) -> None:
        if self.opset not in _OPSETS:
            raise ConfigError(
                f"opset {self.opset} is not supported", fix=f"choose {_OPSETS[0]} to {_OPSETS[-1]}"
            )
        if self.target is not None:
            target_named(self.target)


def export_onnx(
    model: SegmentationModel,
    path: Path,
    *,
    config: ExportConfig,
    space: LabelSpace,
    title: str,
    source: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    temperature_scaling: TemperatureScaling | None = None,
    pictures: Sequence[np.ndarray] | None = None,
) -> Verification:
    """Write a network as an ONNX file, and only if it answers as the network does.

    Args:
        model: The network on the CPU, in evaluation mode; its inference form is written.
        path: The file to write, ending in .onnx.
        config: The shape of the file.
        space: What the classes mean.
        title: The architecture in words, for the Manifest.
        source: The run behind it, for the Manifest.
        scores: The run's scores, for the Manifest.
        temperature_scaling: What the scores of the file are to be divided by.
        pictures: (H, W, 3) uint8 BGR each, of any size, to compare on; generated ones where None.

    Returns:
        How closely the file agrees with the network.

    Raises:
        ConfigError: The settings are impossible or the file has another suffix.
        ModelFileError: The network does not fit the label space, has parts that ONNX lacks at this
            opset or whose size is not fixed, the target's compiler would refuse one of its
            operators, or the finished file disagrees with it on more than 0.1 % of the pixels.
        StorageError: The place cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path} does not end in .onnx", fix="name the file with --out M.onnx")
    if model.num_classes != space.num_classes:
        raise ModelFileError(
            f"the network has {model.num_classes} classes,"
            f" the label space {space.name} has {space.num_classes}",
            fix="export with the label space that it was trained on",
        )
    graph = _graph(model, config)
    manifest = Manifest(
        input=graph.input_spec,
        outputs=graph.output_specs,
        space=space,
        normalization=model.normalization,
        model=title,
        source=dict(source or {}),
        temperature_scaling=temperature_scaling,
        scores=dict(scores or {}),
    )
    proto = _to_onnx(graph, config.opset)
    if temperature_scaling is not None:
        fold_temperature(proto, temperature_scaling.temperature)
    if config.target is not None:
        check_operators(proto, target_named(config.target)).require_accepted()
    write_manifest(proto, manifest)
    if pictures is None:
        pictures = generated_pictures(config.size_hw)
    with atomic_path(path, durable=True) as temporary:
        temporary.write_bytes(proto.SerializeToString())
        found = verify(temporary, model, pictures)
        if found.agreement < LEAST_AGREEMENT:
            raise ModelFileError(
                f"the exported graph agrees with the checkpoint on only {found.agreement:.3%}"
                f" of the pixels (largest logit difference {found.logit_difference:.3g}):"
                f" {path} was not written",
                fix="try another --opset, and report the network that it happens with",
            )
    return found


def check_export(model: SegmentationModel, config: ExportConfig) -> OperatorCheck:
    """What the target's compiler would make of a network; nothing is written.

    Args:
        model: The network on the CPU, trained or not.
        config: The shape of the file, with a target.

    Raises:
        ConfigError: The settings are impossible.
        ModelFileError: The network cannot be expressed at this opset, or its size is not fixed.
    """
    assert config.target is not None
    proto = _to_onnx(_graph(model, config), config.opset)
    return check_operators(proto, target_named(config.target))


def _graph(model: SegmentationModel, config: ExportConfig) -> DeployableGraph:
    return DeployableGraph(
        model, size_hw=config.size_hw, channels=config.channels, outputs=config.outputs
    ).eval()


def _to_onnx(graph: DeployableGraph, opset: int) -> onnx.ModelProto:
    """The slimmed graph; its tensors `image` and `logits` bear these names, output or not."""
    import onnxslim

    frame = torch.zeros(1, *graph.input_spec.size_hw, 3, dtype=torch.uint8)
    try:
        with tempfile.TemporaryDirectory(prefix="curbside-") as folder, torch.no_grad(), _quiet():
            traced = str(Path(folder) / "traced.onnx")
            # torch's newer exporter writes opset 18 and up alone, turns global pooling into
            # ReduceMean with a Gather over the gate, and fails on DeepLabV3+'s pyramid.
            torch.onnx.export(
                graph,
                (frame,),
                traced,
                dynamo=False,
                opset_version=opset,
                input_names=[graph.input_spec.name],
                output_names=list(graph.output_names),
            )
            proto = onnxslim.slim(onnx.load(traced))
    except RuntimeError as error:  # torch.onnx raises its own kinds of it
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(
            f"the network has a part that ONNX opset {opset} cannot express ({reason})",
            fix=f"choose a higher opset, up to {_OPSETS[-1]}, or another network",
        ) from error
    unfixed = next((node for node in proto.graph.node if node.op_type in _UNFIXED), None)
    if unfixed is not None:
        raise ModelFileError(
            f"the exported graph is not of one fixed shape: {unfixed.name or unfixed.output[0]}"
            f" is a {unfixed.op_type}",
            fix="build the network without branches or sizes that depend on the picture",
        )
    del proto.graph.output[len(graph.output_specs) :]
    proto.producer_name, proto.producer_version = "curbside", __version__
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to their developers off the terminal.

    When it fails, torch's exporter writes the whole graph to the standard output from C++.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    sys.stdout.flush()
    stdout = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere, warnings.catch_warnings():
            os.dup2(nowhere.fileno(), 1)
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        logger.setLevel(level)
