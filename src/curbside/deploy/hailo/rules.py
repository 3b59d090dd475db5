"""What the Dataflow Compiler takes for a Hailo chip.

The compiler cannot be had without an account, so these rules have not been run against it. They
rest on what is public of its 3.x line, which serves Hailo-8 and 8L, and where nothing is known they
refuse:

- The vendor's model zoo compiles for Hailo-8, among others, FCN over ResNet-18, STDC, DeepLabV3 over
  MobileNetV2 with dilation, U-Net with transposed convolutions, ResNeXt (grouped convolutions), ESPCN
  (depth to space), and SegFormer-B0 and ViT with batch normalisation in the place of layer
  normalisation (github.com/hailo-ai/hailo_model_zoo: docs/public_models/HAILO8, docs/CHANGELOG.rst,
  v2.8 to v2.15).
- A published run of single operators through Dataflow Compiler 3.32 for Hailo-8: plain, depthwise,
  grouped and dilated convolutions, transposed ones, pooling, ReLU, leaky ReLU, PReLU, ELU, GELU,
  sigmoid, tanh, hard sigmoid and swish, clamping, arithmetic, concatenation, zero padding, bilinear
  and nearest resizing, batch, instance and layer normalisation and dense layers compile; 1-D
  convolutions and means over single axes do not (github.com/SeSac01, hardware/testcode).
- The compiler's parser refuses most reshapes and transposes with UnsupportedShuffleLayerError, and
  Expand and 1-D forms (github.com/hailo-ai/hailo_model_zoo/issues/98,
  github.com/hailo-ai/Hailo-Application-Code-Examples/issues/364), and addressing by data: GridSample,
  ScatterND, GatherElements, TopK.
- Transformers: reports contradict each other. The zoo's are reworked by the vendor; users' plain
  exports of Swin, ViT and ConvNeXt fail in the parser
  (community.hailo.ai/t/18979). So attention and layer normalisation are refused here.
- Of the 5.x line, which serves Hailo-10H, nothing public says that it takes less; users report the same
  failures with plain exports of Swin, ViT and ConvNeXt (community.hailo.ai/t/18979, version 5.2). So
  these rules are used for it too.
- What the compiler emulates with it runs as Keras layers, hence the limits of Keras: no dilation
  together with stride, no groups or dilation in transposed convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..graphs.operators import Operand, Operator, Refusal, Rule

__all__ = ["CAUSES", "RULES"]

_KEEP_MAPS = "choose an architecture that keeps (B, C, H, W) maps throughout"


def _taken(operator: Operator) -> Refusal | None:
    return None


def _refused(reason: str, advice: str) -> Rule:
    return lambda operator: Refusal(reason, advice)


def _convolution(operator: Operator) -> Refusal | None:
    attributes = operator.attributes
    if operator.constant(1) is None:
        return Refusal("its weights are computed", "use fixed weights")
    if _rank(operator) != 4:
        return Refusal("it does not run over height and width", "use a 2-D convolution")
    if max(attributes.get("dilations", [1])) > 1 and max(attributes.get("strides", [1])) > 1:
        return Refusal("it has both dilation and stride", "use one of the two")
    return None


def _transposed_convolution(operator: Operator) -> Refusal | None:
    advice = "resize, then use a plain convolution"
    attributes = operator.attributes
    if operator.constant(1) is None or _rank(operator) != 4:
        return Refusal("it is not a 2-D convolution with fixed weights", advice)
    if attributes.get("group", 1) != 1 or max(attributes.get("dilations", [1])) > 1:
        return Refusal("it has groups or dilation", advice)
    small, large = _shape(operator.inputs[0]), _shape(operator.outputs[0])
    strides = attributes.get("strides", [1, 1])
    if tuple(side * stride for side, stride in zip(small[2:], strides, strict=True)) != large[2:]:
        return Refusal("its output is not its input's size times the stride", advice)
    return None


def _pooling(operator: Operator) -> Refusal | None:
    attributes = operator.attributes
    if _rank(operator) != 4:
        return Refusal("it does not run over height and width", "pool 2-D maps")
    if any(operator.outputs[1:]):
        return Refusal("it also gives the places of its maxima", "enlarge by resizing")
    if max(attributes.get("dilations", [1])) > 1:
        return Refusal("it has dilation", "pool without it")
    if attributes.get("ceil_mode", 0) and _shape(operator.outputs[0]) != _floored(operator):
        return Refusal("it rounds its size up", "pool with ceil_mode off, or another input size")
    return None


def _floored(operator: Operator) -> tuple[int, ...]:
    """The shape that pooling would give if it rounded down."""
    shape, attributes = _shape(operator.inputs[0]), operator.attributes
    kernel = attributes["kernel_shape"]
    pads = attributes.get("pads", [0, 0, 0, 0])
    strides = attributes.get("strides", [1, 1])
    sides = [(shape[2 + i] + pads[i] + pads[2 + i] - kernel[i]) // strides[i] + 1 for i in (0, 1)]
    return (*shape[:2], *sides)


def _mean(operator: Operator) -> Refusal | None:
    given = operator.constant(1)
    axes = operator.attributes.get("axes") if given is None else given.tolist()
    rank = _rank(operator)
    over = {axis % rank for axis in axes} if axes and rank else set()
    if rank == 4 and over == {2, 3} and operator.attributes.get("keepdims", 1):
        return None
    return Refusal(
        "it is a mean over other axes than height and width together",
        "use global average pooling, and batch instead of layer normalisation",
    )


def _resize(operator: Operator) -> Refusal | None:
    mode = operator.attributes.get("mode", b"nearest")
    aligned = operator.attributes.get("coordinate_transformation_mode", b"half_pixel")
    if mode not in (b"nearest", b"linear") or operator.attributes.get("antialias", 0):
        return Refusal("it is neither nearest nor plain bilinear", "resize bilinearly")
    if aligned not in (b"half_pixel", b"pytorch_half_pixel", b"align_corners", b"asymmetric"):
        return Refusal(f"its coordinates are {aligned.decode()}", "use half_pixel or align_corners")
    if operator.constant(2) is None and operator.constant(3) is None:
        return Refusal("its size is computed", "give a fixed size")
    before, after = _shape(operator.inputs[0]), _shape(operator.outputs[0])
    if len(before) != 4 or before[:2] != after[:2]:
        return Refusal("it resizes more than height and width", "resize 2-D maps")
    return None


def _join(operator: Operator) -> Refusal | None:
    if _rank(operator) == 4 and operator.attributes["axis"] in (1, -3):
        return None
    return Refusal("it does not join channels of 2-D maps", "join along the channels")


def _arithmetic(operator: Operator) -> Refusal | None:
    result = _shape(operator.outputs[0])
    if len(result) not in (2, 4):
        return Refusal("its tensors are not (B, C, H, W) maps", _KEEP_MAPS)
    for operand in operator.inputs:
        shape = _shape(operand)
        shape = (1,) * (len(result) - len(shape)) + shape
        by_channel = (1, result[1], *(1,) * (len(result) - 2))
        if shape not in (result, by_channel) and set(shape) != {1}:
            return Refusal(
                "it spreads one map over all channels",
                "give the map as many channels, such as by a 1x1 convolution",
            )
    return None


def _bounds(operator: Operator) -> Refusal | None:
    fixed = all(operator.constant(i) is not None for i, x in enumerate(operator.inputs) if i and x)
    return None if fixed else Refusal("its bounds are computed", "clip to fixed bounds")


def _slope(operator: Operator) -> Refusal | None:
    slope = operator.constant(1)
    if slope is not None and slope.size in (1, _shape(operator.inputs[0])[1]):
        return None
    return Refusal("its slopes are not one per channel", "use one fixed slope per channel")


def _over_channels(operator: Operator) -> Refusal | None:
    if _rank(operator) == 4 and operator.attributes.get("axis", -1) in (1, -3):
        return None
    return Refusal(
        "it does not run over the channels of 2-D maps",
        "choose an architecture without attention",
    )


def _split(operator: Operator) -> Refusal | None:
    if _rank(operator) == 4 and operator.attributes.get("axis", 0) in (1, -3):
        return None
    return Refusal("it does not split channels of 2-D maps", "split along the channels")


def _slice(operator: Operator) -> Refusal | None:
    places = [operator.constant(i) for i, operand in enumerate(operator.inputs) if i and operand]
    if any(place is None for place in places):
        return Refusal("its bounds are computed", "slice at fixed places")
    steps = operator.constant(4)
    if _rank(operator) != 4 or (steps is not None and steps.min() < 1):
        return Refusal("it is no forward slice of 2-D maps", "slice (B, C, H, W) maps")
    return None


def _padding(operator: Operator) -> Refusal | None:
    pads, value = operator.constant(1), operator.constant(2)
    zero = operator.attributes.get("mode", b"constant") == b"constant" and not np.any(
        value if value is not None and value.size else 0
    )
    if zero and pads is not None and pads.size == 8 and not np.any(pads[[0, 1, 4, 5]]):
        return None
    return Refusal(
        "it is no fixed zero padding of height and width",
        "pad these with zeros, and add channels by a 1x1 convolution",
    )


def _reshape(operator: Operator) -> Refusal | None:
    before, after = _shape(operator.inputs[0]), _shape(operator.outputs[0])
    channels = [side for side in before if side != 1]
    if before == after or (
        len(channels) < 2
        and channels == [side for side in after if side != 1]
        and (before[:2] == after[:2])
    ):
        return None  # nothing moves, as between global pooling and a dense layer
    return Refusal("it rearranges a map", _KEEP_MAPS)


def _transpose(operator: Operator) -> Refusal | None:
    order = operator.attributes.get("perm", [])
    if list(order) == sorted(order) and order:
        return None
    return Refusal("it reorders axes", _KEEP_MAPS)


def _product(operator: Operator) -> Refusal | None:
    if operator.constant(0) is None and operator.constant(1) is None:
        return Refusal(
            "it multiplies two computed tensors, as attention does",
            "choose an architecture without attention",
        )
    if _rank(operator) == 2 and _shape(operator.inputs[0])[0] == 1:
        return None
    return Refusal(
        "it multiplies a map by a matrix",
        "use a 1x1 convolution, or a picture size that the pooling grid divides",
    )


def _gather(operator: Operator) -> Refusal | None:
    if operator.constant(1) is None:
        return _ADDRESSED(operator)
    return Refusal("it picks by index", "slice or split instead")


def _only_in(kind: str, following: str) -> Rule:
    """An operator that is taken as a part of an activation, which the one that follows it tells."""

    def rule(operator: Operator) -> Refusal | None:
        if set(operator.after) == {following}:
            return None
        return Refusal(f"it is no part of {kind}", "use ReLU")

    return rule


def _softplus(operator: Operator) -> Refusal | None:
    if set(operator.after) == {"Tanh"}:
        return None
    return Refusal(
        "it is no part of Mish",
        "use ReLU; of a HydraNet whose depth has no limit, train one that is capped:"
        " --model.depth capped",
    )


_ADDRESSED = _refused(
    "computed values decide where it reads or writes", "resize by fixed factors instead"
)
_COMPARED = _refused("it chooses by comparing values", "build the network without it")
_LAYER_NORMALIZED = _refused(
    "layer normalisation is not known to pass as exported", "use batch normalisation"
)


def _shape(operand: Operand | None) -> tuple[int, ...]:
    return () if operand is None or operand.shape is None else operand.shape


def _rank(operator: Operator) -> int:
    return len(_shape(operator.inputs[0]))


CAUSES = ("Gather", "Where", "MatMul", "LayerNormalization")
"""Kinds that bring other refused ones with them: the first to tell of."""

RULES: Mapping[str, Rule] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "GlobalAveragePool": _taken,
    "GlobalMaxPool": _taken,
    "ReduceMean": _mean,
    "Resize": _resize,
    "Concat": _join,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    **dict.fromkeys(
        ("Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu"), _taken
    ),
    **dict.fromkeys(("Gelu", "Mish", "Identity", "Dropout"), _taken),
    "Erf": _only_in("GELU", "Add"),
    "Softplus": _softplus,
    "Clip": _bounds,
    "PRelu": _slope,
    "BatchNormalization": _taken,
    "InstanceNormalization": _taken,
    "Softmax": _over_channels,
    "ArgMax": _over_channels,
    "DepthToSpace": _taken,
    "SpaceToDepth": _taken,
    "Slice": _slice,
    "Split": _split,
    "Pad": _padding,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": _transpose,
    "Gemm": _product,
    "MatMul": _product,
    "Einsum": _product,
    "Gather": _gather,
    **dict.fromkeys(("GridSample", "GatherElements", "GatherND", "MaxUnpool"), _ADDRESSED),
    **dict.fromkeys(("ScatterND", "ScatterElements", "TopK", "NonZero"), _ADDRESSED),
    **dict.fromkeys(("Equal", "Greater", "Less", "Where"), _COMPARED),
    "LayerNormalization": _LAYER_NORMALIZED,
}
"""By the operator's kind; one that is not here is refused."""
