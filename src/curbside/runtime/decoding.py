"""From a network's outputs to a class, or a depth, for every pixel of the frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ModelFileError
from ..imaging import (
    Placement,
    class_map,
    resize_depth,
    resize_ids,
    resize_scores,
    sigmoid,
    softmax,
    top_class,
)
from ..manifest import Manifest
from ..results import DepthResult, SemanticResult

__all__ = ["decode_depth", "decode_semantic"]

_FARTHEST_M = 1e6


def decode_semantic(
    outputs: Mapping[str, np.ndarray],
    manifest: Manifest,
    size_hw: tuple[int, int],
    *,
    probabilities: bool = False,
    confidence: bool = False,
) -> SemanticResult:
    """A result at the frame's size from the outputs that a Manifest describes.

    Scores are brought to the network's input size before a class is chosen, as a graph with the
    class map inside does it; classes, confidence and probabilities then go to the frame by the
    nearest pixel centre, so the class shown is everywhere the most probable one.

    Args:
        outputs: Arrays by name: `ids` (1, H, W) whole numbers; `confidence` (1, H, W) float32 in
            0..1 or uint8 in 0..255; `logits` (1, C, h, w) float, or with the channels last where the
            Manifest says so, at any stride. Of a binary label space C may be 1: id 1 is where that
            score reaches the Manifest's threshold. Depth beside them is passed over.
        manifest: What the outputs mean.
        size_hw: The frame's height and width.
        probabilities: Also give every class's probability, where there are logits.
        confidence: Also give that of the class shown, where there are logits; another output may tell
            it in any case.
    """
    told = (spec for spec in manifest.outputs if spec.meaning != "depth")
    named = {spec.meaning: outputs[spec.name][0] for spec in told}
    shown, every = named.get("confidence"), None
    input_hw = manifest.input.size_hw
    asked = probabilities or (confidence and shown is None)
    if "logits" in named and (asked or "ids" not in named):
        planes = _planes(named["logits"], manifest)
        if len(planes) == 1:
            score = resize_scores(planes, input_hw)[0]
            ids = (score >= np.float32(manifest.least_score)).view(np.uint8)
            if asked:
                scores = np.stack([sigmoid(-score), sigmoid(score)])
                shown = np.where(ids, scores[1], scores[0])
        elif asked:
            scores = softmax(resize_scores(planes, input_hw))
            ids, shown = top_class(scores)
        else:
            ids = class_map(planes, input_hw)
        if probabilities:
            every = np.stack([resize_ids(channel, size_hw) for channel in scores])  # (C, H, W)
    else:
        ids = named["ids"].astype(np.uint8, copy=False)
    if shown is not None:
        if shown.dtype == np.uint8:
            shown = shown.astype(np.float32) / 255.0
        shown = resize_ids(shown, size_hw)
    return SemanticResult(
        ids=resize_ids(ids, size_hw),
        space=manifest.space,
        confidence=shown,
        probabilities=every,
    )


def decode_depth(
    outputs: Mapping[str, np.ndarray], manifest: Manifest, place: Placement
) -> DepthResult:
    """A result at the frame's size from the outputs that a Manifest describes.

    Depth goes from the network's stride to the frame in one bilinear step, or by way of the network's
    input where that has a border. What is no distance becomes unknown, and what is beyond the farthest
    that the Manifest promises becomes that.

    Args:
        outputs: Arrays by name: `depth` (1, 1, h, w), (1, h, w) or, where the Manifest says so,
            (1, h, w, 1) float, metres.
        manifest: What the outputs mean.
        place: Where the frame stands on the network's input.

    Raises:
        ModelFileError: The output is empty, or of another shape.
    """
    spec, said = manifest.output("depth"), manifest.depth
    assert spec is not None and said is not None  # the Manifest makes sure of it
    given = outputs[spec.name]
    depth = given[0]
    if depth.ndim == 3:
        depth = depth[..., 0] if spec.layout == "NHWC" else depth[0]
    if depth.ndim != 2 or not depth.size:
        raise ModelFileError(
            f"the network gives depth of shape {list(given.shape)}, which is no map",
            fix="make the file again with: curbside export RUN --out M.onnx",
        )
    far = np.float32(min(said.max_m or _FARTHEST_M, _FARTHEST_M))
    depth = np.ascontiguousarray(depth, np.float32)
    depth = np.where((depth > 0) & np.isfinite(depth), np.minimum(depth, far), np.float32(0))
    if place.inside_hw != place.size_hw:
        height, width = place.inside_hw
        whole = resize_depth(depth, place.size_hw)
        depth = whole[place.top : place.top + height, place.left : place.left + width]
    return DepthResult(depth_m=resize_depth(depth, place.frame_hw), max_m=said.max_m)


def _planes(logits: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Scores as (C, h, w) float32, however the network orders them."""
    spec = manifest.output("logits")
    if spec is not None and spec.layout == "NHWC":
        logits = logits.transpose(2, 0, 1)  # (h, w, C) -> (C, h, w)
    return np.ascontiguousarray(logits, np.float32)
