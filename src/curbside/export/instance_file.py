"""A trained network that finds objects as an ONNX file with its Manifest inside, checked against the
checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..deploy import check_operators, target_named, write_manifest
from ..errors import ConfigError, ModelFileError
from ..files import atomic_path
from ..labels import LabelSpace
from ..manifest import Manifest
from ..models import InstanceModel, normalize
from ..progress import track
from ..results import InstanceResult
from ..runtime import InstanceConfig, InstancePredictor, load_predictor
from .onnx_file import ExportConfig, graph_of
from .tracing import to_onnx
from .verification import generated_pictures

__all__ = ["InstanceVerification", "export_instances", "verify_instances"]

_LOOKED_AT = InstanceConfig(confidence=0.05, iou=0.6, max_detections=100)
_MOST_DIFFERENCE = 1e-2
"""Of a raw score: what float32 rounding may add up to over a deep network, with room to spare."""
_LEAST_AGREEMENT = 0.98
"""Share of the objects that must be the checkpoint's; rounding turns a few close choices."""


@dataclass(frozen=True, kw_only=True)
class InstanceVerification:
    """How a model file compares with the checkpoint it came from."""

    pictures: int
    """How many were compared."""
    objects: int
    """Objects that the checkpoint finds on them with a probability over 5 %."""
    agreement: float
    """Share of them that the file finds as well, with the same class, a score within 0.01, and boxes
    and masks that overlap by 0.95; 1 where there is none."""
    score_difference: float
    """Largest difference of a raw class score, at any place."""
    box_difference: float
    """Largest difference of a score of a distance."""
    mask_difference: float
    """Largest difference of a coefficient or of a prototype."""

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return asdict(self)


def export_instances(
    model: InstanceModel,
    path: Path,
    *,
    config: ExportConfig,
    space: LabelSpace,
    title: str,
    source: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    pictures: Sequence[np.ndarray] | None = None,
) -> InstanceVerification:
    """Write a network that finds objects as an ONNX file, and only if it answers as the network does.

    The file gives the raw maps of every stride and the prototypes; the runtime decodes them.

    Args:
        model: The network on the CPU, in evaluation mode; its inference form is written.
        path: The file to write, ending in .onnx.
        config: The shape of the file.
        space: What the classes mean, one per channel.
        title: The architecture in words, for the Manifest.
        source: The run behind it, for the Manifest.
        scores: The run's scores, for the Manifest.
        pictures: (H, W, 3) uint8 BGR each, of any size, to compare on; generated ones where None.

    Returns:
        How closely the file agrees with the network.

    Raises:
        ConfigError: The settings are impossible or the file has another suffix.
        ModelFileError: The network does not fit the label space, has parts that ONNX lacks at this
            opset, the target's compiler would refuse one of its operators, or the finished file
            disagrees with it.
        StorageError: The place cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path} does not end in .onnx", fix="name the file with --out M.onnx")
    if config.outputs != "ids":
        raise ConfigError(
            f"a network that finds objects has no {config.outputs}", fix="leave out --outputs"
        )
    if model.num_classes != len(space.classes):
        raise ModelFileError(
            f"the network has {model.num_classes} classes,"
            f" the label space {space.name} has {len(space.classes)}",
            fix="export with the label space that it was trained on",
        )
    graph = graph_of(model, config)
    manifest = Manifest(
        task="instances",
        input=graph.input_spec,
        outputs=graph.output_specs,
        space=space,
        normalization=model.normalization,
        model=title,
        source=dict(source or {}),
        scores=dict(scores or {}),
    )
    proto = to_onnx(graph, config.opset)
    if config.target is not None:
        check_operators(proto, target_named(config.target)).require_accepted()
    write_manifest(proto, manifest)
    if pictures is None:
        pictures = generated_pictures(config.size_hw)
    with atomic_path(path, durable=True) as temporary:
        temporary.write_bytes(proto.SerializeToString())
        found = verify_instances(temporary, model, pictures)
        worst = max(found.score_difference, found.box_difference, found.mask_difference)
        if worst > _MOST_DIFFERENCE or found.agreement < _LEAST_AGREEMENT:
            raise ModelFileError(
                f"the exported graph finds {found.agreement:.2%} of the checkpoint's {found.objects}"
                f" objects, and its maps differ by up to {worst:.3g}: {path} was not written",
                fix="try another --opset, and report the network that it happens with",
            )
    return found


def verify_instances(
    path: Path, model: InstanceModel, pictures: Sequence[np.ndarray]
) -> InstanceVerification:
    """Compare a model file, run and decoded by the runtime, with the network that it was made from.

    Args:
        path: The file, written by `export_instances`.
        model: The network on the CPU, in evaluation mode.
        pictures: (H, W, 3) uint8 BGR each, of any size, at least one.

    Raises:
        ModelFileError: The file cannot be run, or what the network gives are no finite numbers.
    """
    objects = same = 0
    worst: dict[str, float] = {}
    with load_predictor(path, instances=_LOOKED_AT) as predictor:
        assert isinstance(predictor, InstancePredictor)
        for picture in track(pictures, total=len(pictures), description="verifying"):
            frame = predictor.prepare(picture)
            expected = _expected(model, frame, predictor.manifest)
            given = predictor.infer(frame)
            for spec in predictor.manifest.outputs:
                apart = float(np.abs(given[spec.name] - expected[spec.name]).max())
                worst[spec.meaning] = max(worst.get(spec.meaning, 0.0), apart)
            size_hw = (picture.shape[0], picture.shape[1])
            wanted = predictor.decode(expected, size_hw)
            objects += len(wanted.masks)
            same += _same_objects(wanted, predictor.decode(given, size_hw))
    return InstanceVerification(
        pictures=len(pictures),
        objects=objects,
        agreement=same / objects if objects else 1.0,
        score_difference=worst["class_scores"],
        box_difference=worst["box_distribution"],
        mask_difference=max(worst["mask_coefficients"], worst["prototypes"]),
    )


def _expected(model: InstanceModel, frame: np.ndarray, manifest: Manifest) -> dict[str, np.ndarray]:
    """The network's own maps of a frame as the file takes it."""
    rgb = frame if manifest.input.channels == "rgb" else frame[..., ::-1]
    image = normalize(
        torch.from_numpy(np.ascontiguousarray(rgb)).permute(0, 3, 1, 2), model.normalization
    )
    with torch.no_grad():
        tensors = model(image).tensors
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise ModelFileError(
            "what the network gives are no finite numbers: its training diverged",
            fix="train again with a lower learning rate, or choose an earlier checkpoint",
        )
    names = (spec.name for spec in manifest.outputs)
    return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}


def _same_objects(wanted: InstanceResult, given: InstanceResult) -> int:
    """How many of the objects are among those given."""
    left = list(range(len(given.masks)))
    count = 0
    for number in range(len(wanted.masks)):
        partner = next((other for other in left if _same(wanted, number, given, other)), None)
        if partner is not None:
            left.remove(partner)
            count += 1
    return count


def _same(wanted: InstanceResult, number: int, given: InstanceResult, other: int) -> bool:
    if wanted.class_ids[number] != given.class_ids[other]:
        return False
    if abs(float(wanted.scores[number]) - float(given.scores[other])) > 0.01:
        return False
    one, two = (np.zeros(result.size_hw, bool) for result in (wanted, given))
    for picture, mask in ((one, wanted.masks[number]), (two, given.masks[other])):
        picture[mask.window] = mask.inside
    union = int((one | two).sum())
    boxes = np.abs(wanted.boxes_xyxy[number] - given.boxes_xyxy[other]).max()
    sides = wanted.boxes_xyxy[number, 2:] - wanted.boxes_xyxy[number, :2]
    near = boxes <= max(0.5, 0.05 * float(sides.min()))
    return near and (not union or int((one & two).sum()) >= 0.95 * union)
