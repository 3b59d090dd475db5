"""The form of a network that a device runs: fewer layers, the same answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, TypeVar

import torch
from timm.layers import BatchNormAct2d, LayerNorm, LayerNorm2d, Mlp
from timm.models.convnext import ConvNeXtBlock
from timm.utils import reparameterize_model
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .base import Model

__all__ = ["inference_form"]

Kind = TypeVar("Kind", bound=Model)

_PROBE_HW = (128, 160)
_MOST_DRIFT = 1e-3
"""Of the largest value: what float32 rounding may add up to over a deep network."""


def inference_form(model: Kind) -> Kind:
    """A copy of a network for inference alone: the same outputs from fewer layers.

    Modules that only training runs are dropped, blocks of parallel branches that timm can merge are
    merged, ConvNeXt's blocks become plain convolutions, batch normalisation goes into the convolution
    or linear layer before it, and weights lie channels-last.

    A normalisation is folded where it is sure to be right: one forward pass is observed at the level
    of torch's functions, and every output of the layer must have gone into that normalisation and
    nowhere else, and nothing else into it. So a convolution whose output is used twice, one that
    serves several normalisations, and a normalisation behind a sum stay as they are, while a
    convolution that runs at several scales with one normalisation is folded once. The folded copy is
    then compared with the unfolded one, which is returned instead if they differ.

    Args:
        model: The network; not changed.

    Returns:
        The copy in evaluation mode, its weights without gradient, on the same device.
    """
    twin: Kind = deepcopy(model).eval().requires_grad_(False)
    for name in twin.training_only:
        twin.set_submodule(name, nn.Identity())
    with torch.no_grad():
        _merge_branches(twin)
        _simplify_convnext(twin)
        folded = _folded(twin)
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _merge_branches(module: nn.Module) -> None:
    """Let timm merge its own blocks (RepVGG, MobileOne, RepViT, FastViT, ...), in place."""
    for name, child in module.named_children():
        if type(child).__module__.startswith("timm."):
            # timm merges the children of what it is given.
            held = nn.ModuleDict({"child": child})
            reparameterize_model(held, inplace=True)
            setattr(module, name, held["child"])
        else:  # ours and smp's: a `fuse` of theirs means something else
            _merge_branches(child)


def _simplify_convnext(model: nn.Module) -> None:
    """ConvNeXt's blocks as plain convolutions, in place.

    The factors behind a block go into its last layer, and its linear layers become 1x1 convolutions.
    An exporter would do much of it too, with a copy of the weights for every scale that an encoder
    runs at; and a quantiser turns convolutions into integers.
    """
    for block in [module for module in model.modules() if isinstance(module, ConvNeXtBlock)]:
        mlp: Any = block.mlp
        if block.gamma is not None:
            mlp.fc2.weight.mul_(block.gamma.view(-1, *[1] * (mlp.fc2.weight.ndim - 1)))
            mlp.fc2.bias.mul_(block.gamma)
            block.gamma = None
        if type(block.norm) is LayerNorm and type(block.mlp) is Mlp:
            norm: Any = LayerNorm2d(block.norm.normalized_shape[0], eps=block.norm.eps)
            norm.load_state_dict(block.norm.state_dict())
            block.norm = norm.to(block.norm.weight)
            mlp.fc1, mlp.fc2 = _as_convolution(mlp.fc1), _as_convolution(mlp.fc2)
            block.use_conv_mlp = True


def _as_convolution(layer: nn.Linear) -> nn.Conv2d:
    twin = nn.Conv2d(layer.in_features, layer.out_features, 1)
    weight = layer.weight[:, :, None, None]  # (C_out, C_in) -> (C_out, C_in, 1, 1)
    twin.load_state_dict({"weight": weight, "bias": layer.bias})
    return twin.to(layer.weight)


def _folded(model: Kind) -> Kind:
    """The network with every normalisation folded that can be; itself where that changes its outputs."""
    weight = next(model.parameters())
    noise = torch.randn(1, 3, *_PROBE_HW, generator=torch.Generator().manual_seed(0))
    probe = noise.to(weight.device, weight.dtype)
    with _Trace(model) as trace:
        expected = list(_tensors(tuple(model(probe))))
    pairs = trace.pairs(expected)
    if not pairs:
        return model
    folded = deepcopy(model)
    for layer, norm in pairs:
        _fold(folded, layer, norm)
    given = _tensors(tuple(folded(probe)))
    agree = all(
        (a - b).abs().amax() <= _MOST_DRIFT * a.abs().amax()
        for a, b in zip(expected, given, strict=True)
    )
    return folded if agree else model


def _fold(model: nn.Module, layer_name: str, norm_name: str) -> None:
    """Scale and shift of a normalisation into the layer before it, in place."""
    layer: Any = model.get_submodule(layer_name)
    norm: Any = model.get_submodule(norm_name)
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    if layer.bias is not None:
        shift = shift + layer.bias.double() * scale
    weight = layer.weight.double()
    if isinstance(layer, nn.ConvTranspose2d):  # (C_in, C_out / groups, kh, kw)
        grouped = weight.unflatten(0, (layer.groups, -1))
        weight = (grouped * scale.view(layer.groups, 1, -1, 1, 1)).flatten(0, 1)
    else:  # (C_out, C_in / groups, ...)
        weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    kind = layer.weight.dtype
    layer.weight = nn.Parameter(weight.to(kind), requires_grad=False)
    layer.bias = nn.Parameter(shift.to(kind), requires_grad=False)
    # timm's form has dropout and activation inside.
    after = [norm.drop, norm.act] if isinstance(norm, BatchNormAct2d) else []
    rest = [part for part in after if not isinstance(part, nn.Identity)]
    model.set_submodule(norm_name, nn.Sequential(*rest) if rest else nn.Identity())


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, BatchNormAct2d)
_LAYERS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv2d: F.conv2d,
    nn.ConvTranspose2d: F.conv_transpose2d,
    nn.Linear: F.linear,
}


class _Trace(TorchFunctionMode):
    """Notes which tensor each layer made and each normalisation took, and what else reads them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._layers: dict[int, tuple[str, Callable[..., Tensor]]] = {}
        self._norms: dict[int, str] = {}
        self._owners: Counter[int] = Counter()
        for name, module in model.named_modules():
            own = module._parameters | module._buffers
            self._owners.update(id(tensor) for tensor in own.values() if tensor is not None)
            for kind, function in _LAYERS.items():
                if isinstance(module, kind) and own.get("weight") is not None:
                    self._layers[id(own["weight"])] = (name, function)
            watched = module._forward_hooks or module._forward_pre_hooks
            if type(module) in _NORMS and own.get("running_mean") is not None and not watched:
                self._norms[id(own["running_mean"])] = name
        self._made: dict[int, str] = {}
        self._sources: dict[str, list[str | None]] = defaultdict(list)
        self._reads: Counter[int] = Counter()
        self._weight_of: dict[str, int] = {name: key for key, (name, _) in self._layers.items()}
        self._alive: list[Any] = []  # so that no number of a tensor is given twice

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not any(True for _ in _tensors(result)):
            return result  # a question about shape or type
        self._alive += [args, kwargs, result]
        self._reads.update(id(tensor) for tensor in _tensors((args, tuple(kwargs.values()))))
        if func is F.batch_norm:
            name = self._norms.get(id(args[1]))
            if name is not None:
                self._sources[name].append(self._made.get(id(args[0])))
        elif len(args) > 1:
            name, function = self._layers.get(id(args[1]), (None, None))
            flat = func is F.linear and result.ndim != 2  # its channels are not axis 1
            if name is not None and func is function and not flat:
                self._made[id(result)] = name
        return result

    def pairs(self, outputs: list[Tensor]) -> list[tuple[str, str]]:
        """Names of the layers and normalisations that belong to each other alone.

        Args:
            outputs: What the network gave.
        """
        shown = {id(tensor) for tensor in outputs}
        made: dict[str, list[int]] = defaultdict(list)
        for tensor, layer in self._made.items():
            made[layer].append(tensor)
        found = []
        for norm, sources in self._sources.items():
            source = sources[0]
            if source is None or set(sources) != {source} or len(made[source]) != len(sources):
                continue
            weight = self._weight_of[source]
            alone = self._owners[weight] == 1 and self._reads[weight] == len(sources)
            if alone and all(self._reads[t] == 1 and t not in shown for t in made[source]):
                found.append((source, norm))
        return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
