"""A trained network as an ONNX file with its Manifest inside, checked against the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..deploy import OperatorCheck, check_operators, target_named, write_manifest
from ..errors import ConfigError, ModelFileError
from ..files import atomic_path
from ..labels import NO_CLASSES, LabelSpace
from ..manifest import DecisionThreshold, DepthSpec, Manifest, Task, TemperatureScaling
from ..models import InstanceModel, SegmentationModel
from .graph import DeployableGraph, Outputs
from .instance_graph import InstanceGraph
from .picture import PictureGraph
from .temperature import fold_temperature
from .tracing import OPSETS, to_onnx
from .verification import (
    LEAST_AGREEMENT,
    MOST_DEPTH_DIFFERENCE,
    Verification,
    generated_pictures,
    verify,
)

__all__ = ["ExportConfig", "check_export", "export_onnx", "graph_of"]


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
        if self.opset not in OPSETS:
            raise ConfigError(
                f"opset {self.opset} is not supported", fix=f"choose {OPSETS[0]} to {OPSETS[-1]}"
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
    threshold: DecisionThreshold | None = None,
    depth: DepthSpec | None = None,
    semantic: bool = True,
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
        threshold: Of a binary label space, from which probability on a pixel is id 1.
        depth: What its metres are good for, where the file is to give depth as well.
        semantic: Whether the file gives classes; without them it says nothing of a label space.
        pictures: (H, W, 3) uint8 BGR each, of any size, to compare on; generated ones where None.

    Returns:
        How closely the file agrees with the network.

    Raises:
        ConfigError: The settings are impossible or the file has another suffix.
        ModelFileError: The network does not fit the label space, has parts that ONNX lacks at this
            opset or whose size is not fixed, the target's compiler would refuse one of its
            operators, or the finished file disagrees with it on more than 0.1 % of the pixels, or by
            more than 0.1 % of the depth.
        StorageError: The place cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path} does not end in .onnx", fix="name the file with --out M.onnx")
    if semantic and model.num_classes != space.num_channels:
        raise ModelFileError(
            f"the network has {model.num_classes} classes,"
            f" the label space {space.name} has {space.num_channels}",
            fix="export with the label space that it was trained on",
        )
    divided = 1.0 if temperature_scaling is None else temperature_scaling.temperature
    least = 0.0 if threshold is None else threshold.score / divided
    told = {"semantic": semantic, "depth": depth is not None}
    graph = graph_of(model, config, least_score=least, **told)
    task: Task = "semantic" if depth is None else "semantic+depth" if semantic else "depth"
    manifest = Manifest(
        task=task,
        input=graph.input_spec,
        outputs=graph.output_specs,
        space=space if semantic else NO_CLASSES,
        normalization=model.normalization,
        model=title,
        source=dict(source or {}),
        temperature_scaling=temperature_scaling if semantic else None,
        threshold=threshold if semantic else None,
        depth=depth,
        scores=dict(scores or {}),
    )
    proto = to_onnx(graph, config.opset)
    if manifest.temperature_scaling is not None:
        fold_temperature(proto, manifest.temperature)
    if config.target is not None:
        check_operators(proto, target_named(config.target)).require_accepted()
    write_manifest(proto, manifest)
    if pictures is None:
        pictures = generated_pictures(config.size_hw)
    with atomic_path(path, durable=True) as temporary:
        temporary.write_bytes(proto.SerializeToString())
        found = verify(temporary, model, pictures)
        if found.agreement is not None and found.agreement < LEAST_AGREEMENT:
            raise ModelFileError(
                f"the exported graph agrees with the checkpoint on only {found.agreement:.3%}"
                f" of the pixels (largest logit difference {found.logit_difference:.3g}):"
                f" {path} was not written",
                fix="try another --opset, and report the network that it happens with",
            )
        apart = found.depth_relative_difference
        if apart is not None and not apart <= MOST_DEPTH_DIFFERENCE:
            raise ModelFileError(
                f"the depth of the exported graph differs from the checkpoint's by {apart:.3%} on the"
                f" average (at most {found.depth_difference_m:.3g} m): {path} was not written",
                fix="try another --opset, and report the network that it happens with",
            )
    return found


def check_export(
    model: SegmentationModel | InstanceModel,
    config: ExportConfig,
    *,
    semantic: bool = True,
    depth: bool = False,
) -> OperatorCheck:
    """What the target's compiler would make of a network; nothing is written.

    Args:
        model: The network on the CPU, trained or not.
        config: The shape of the file, with a target.
        semantic: Whether classes come out, of a network for them.
        depth: Whether depth does.

    Raises:
        ConfigError: The settings are impossible.
        ModelFileError: The network cannot be expressed at this opset, or its size is not fixed.
    """
    assert config.target is not None
    proto = to_onnx(graph_of(model, config, semantic=semantic, depth=depth), config.opset)
    return check_operators(proto, target_named(config.target))


def graph_of(
    model: SegmentationModel | InstanceModel,
    config: ExportConfig,
    *,
    least_score: float = 0.0,
    semantic: bool = True,
    depth: bool = False,
) -> PictureGraph:
    """A network as its file will hold it.

    Args:
        model: The network.
        config: The shape of the file.
        least_score: See `DeployableGraph`.
        semantic: See there, of a network for classes of pixels.
        depth: The same.

    Raises:
        ConfigError: The settings are impossible.
    """
    if isinstance(model, InstanceModel):
        return InstanceGraph(model, size_hw=config.size_hw, channels=config.channels).eval()
    return DeployableGraph(
        model,
        size_hw=config.size_hw,
        channels=config.channels,
        outputs=config.outputs,
        least_score=least_score,
        semantic=semantic,
        depth=depth,
    ).eval()
