"""A trained network as an ONNX file with its Manifest inside, checked against the checkpoint."""

from __future__ import annotations

import logging
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
from ..errors import ConfigError, ModelFileError
from ..files import atomic_path
from ..labels import LabelSpace
from ..manifest import METADATA_KEY, Manifest
from ..models import SegmentationModel
from .graph import DeployableGraph, Outputs
from .verification import LEAST_AGREEMENT, Verification, generated_pictures, verify

__all__ = ["ExportConfig", "export_onnx", "write_manifest"]

_OPSETS = range(13, 19)


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The shape of the file.

    Raises:
        ConfigError: The opset is not 13 to 18.
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

    def __post_init__(self) -> None:
        if self.opset not in _OPSETS:
            raise ConfigError(
                f"opset {self.opset} is not supported", fix=f"choose {_OPSETS[0]} to {_OPSETS[-1]}"
            )


def export_onnx(
    model: SegmentationModel,
    path: Path,
    *,
    config: ExportConfig,
    space: LabelSpace,
    title: str,
    source: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    pictures: Sequence[np.ndarray] | None = None,
) -> Verification:
    """Write a network as an ONNX file, and only if it answers as the network does.

    Args:
        model: The network on the CPU, in evaluation mode.
        path: The file to write, ending in .onnx.
        config: The shape of the file.
        space: What the classes mean.
        title: The architecture in words, for the Manifest.
        source: The run behind it, for the Manifest.
        scores: The run's scores, for the Manifest.
        pictures: (H, W, 3) uint8 BGR each, of any size, to compare on; generated ones where None.

    Returns:
        How closely the file agrees with the network.

    Raises:
        ConfigError: The settings are impossible or the file has another suffix.
        ModelFileError: The network does not fit the label space, has parts that ONNX lacks at this
            opset, or the finished file disagrees with it on more than 0.1 % of the pixels.
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
    graph = DeployableGraph(
        model, size_hw=config.size_hw, channels=config.channels, outputs=config.outputs
    ).eval()
    manifest = Manifest(
        input=graph.input_spec,
        outputs=graph.output_specs,
        space=space,
        normalization=model.normalization,
        model=title,
        source=dict(source or {}),
        scores=dict(scores or {}),
    )
    proto = _to_onnx(graph, config.opset)
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


def write_manifest(proto: onnx.ModelProto, manifest: Manifest) -> None:
    """Put a Manifest into a graph, in the place of any that is there."""
    kept = {item.key: item.value for item in proto.metadata_props if item.key != METADATA_KEY}
    onnx.helper.set_model_props(proto, {**kept, METADATA_KEY: manifest.to_json()})


def _to_onnx(graph: DeployableGraph, opset: int) -> onnx.ModelProto:
    """The slimmed graph; its tensor `logits` holds the decoder's scores, output or not."""
    import onnxslim

    names = [spec.name for spec in graph.output_specs]
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
                output_names=list(dict.fromkeys([*names, "logits"])),
            )
            proto = onnxslim.slim(onnx.load(traced))
    except RuntimeError as error:  # torch.onnx raises its own kinds of it
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(
            f"the network has a part that ONNX opset {opset} cannot express ({reason})",
            fix=f"choose a higher opset, up to {_OPSETS[-1]}, or another network",
        ) from error
    del proto.graph.output[len(names) :]
    proto.producer_name, proto.producer_version = "curbside", __version__
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to their developers off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
