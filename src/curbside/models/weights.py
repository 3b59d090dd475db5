"""Weights from a file: a published checkpoint, an encoder's alone, or our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelFileError
from .base import Model
from .encoder import Encoder
from .keys import KeyMap
from .weights_file import read_weights

__all__ = ["LoadedWeights", "load_weights"]


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """What became of a file of weights."""

    path: Path
    """The file."""
    source: str
    """Whose names the file uses, in words."""
    loaded: int
    """Tensors taken from the file, not counting the step counters of BatchNorm."""
    fresh: tuple[str, ...]
    """Our tensors that the file does not have, or has for another number of classes; they stay as they were."""
    dropped: tuple[str, ...]
    """The file's keys that the network has no use for."""
    classes: tuple[int, int] | None = None
    """Number of classes in the file and here, where they differ."""
    note: str = ""
    """What the file does not tell and the network's settings must agree with."""

    def __str__(self) -> str:
        line = f"weights: {self.loaded} tensors of {self.path} under the names of {self.source}"
        if self.fresh:
            line += f"; {len(self.fresh)} stay random ({_places(self.fresh)}"
            if self.classes:
                line += ": {} classes in the file, {} here".format(*self.classes)
            line += ")"
        return f"{line}; {self.note}" if self.note else line


def load_weights(model: Model, path: Path) -> LoadedWeights:
    """Read a file of weights into a network, whosever names it uses, and all of it or nothing.

    The file may hold the whole network, under our names or those of a published checkpoint, or its
    encoder alone under timm's or torchvision's.

    Args:
        model: The network; changed in place.
        path: A file (.safetensors, .pth, .pt, .tar, .bin, .ckpt), or the folder of a run.

    Raises:
        ModelFileError: The file is missing or broken, or its weights do not fit.
    """
    path = Path(path)
    if path.is_dir():
        path /= "model.safetensors"
    own = model.state_dict()
    named = read_weights(path)
    tries = [_fit(model, own, state, names) for names in _candidates(model) for state in named]
    best = max(tries, key=lambda fit: (not fit.misfits, len(fit.pairs)))
    if best.misfits:
        raise _misfit(path, model, best)
    values = {key: _value(model, own[key], best, key) for key in best.pairs}
    broken = [best.pairs[key] for key, value in values.items() if not value.isfinite().all()]
    if broken:
        raise ModelFileError(
            f"{path} holds numbers that are not finite, the first in {broken[0]}",
            fix="give weights of a training that went well",
        )
    with torch.no_grad():
        for key, value in values.items():
            own[key].copy_(value)
    return LoadedWeights(
        path=path,
        source=best.names.source,
        loaded=len(_without_counters(values)),
        fresh=tuple(best.fresh),
        dropped=tuple(best.dropped),
        classes=(best.classes, model.num_classes) if best.classes else None,
        note=best.names.note,
    )


_COUNTER = (
    "num_batches_tracked"  # of training steps seen; old files lack it, and nothing depends on it
)


def _without_counters(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if not key.endswith(_COUNTER)]


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


def _places(keys: tuple[str, ...]) -> str:
    return ", ".join(sorted({key.split(".")[0] for key in keys}))


def _candidates(model: Model) -> Iterator[KeyMap]:
    """Every way in which a file may name the network's weights, ours first."""
    # A checkpoint of our training holds what only training needs beside the network.
    own = KeyMap(source="curbside", rules=(), dropped=(r"loss\.", r"distillation\."))
    yield own
    yield from model.key_maps
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, Encoder):
        return
    others = tuple(key for key in model.state_dict() if not key.startswith("encoder."))
    alone = KeyMap(source="", rules=((r"^", "encoder."),), fresh=others)
    for names in (own, *encoder.key_maps):
        yield replace(alone.over(names), source=names.source)
        for whole in model.key_maps:
            yield whole.over(names)


@dataclass
class _Fit:
    """How a file's tensors find their places under one way of naming them."""

    names: KeyMap
    state: Mapping[str, Tensor]
    pairs: dict[str, str] = field(default_factory=dict)
    """Our key to the file's, of the same shape."""
    misfits: list[str] = field(default_factory=list)
    """What stands in the way, in words."""
    fresh: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    classes: int = 0
    """Number of classes in the file, where it is another."""


def _fit(
    model: Model, own: Mapping[str, Tensor], state: Mapping[str, Tensor], names: KeyMap
) -> _Fit:
    fit = _Fit(names=names, state=state)
    given: dict[str, str] = {}
    extra = []
    for key, value in state.items():
        ours = names.ours(key)
        if ours is None:
            fit.dropped.append(key)
        elif ours in given:
            fit.misfits.append(f"{given[ours]} and {key} are the same tensor")
        elif ours in own:
            given[ours] = key
        elif names.spare.get(ours) == tuple(value.shape) or ours.endswith(_COUNTER):
            fit.dropped.append(key)
        else:
            extra.append(f"{key} ({_shape(value)}) has no place here")
    for ours in own:
        if ours not in given and (key := names.stand_in(ours)) in given:
            given[ours] = given[key]
    # What a file may lack, it lacks altogether: half of a decoder is damage.
    fresh = tuple(p for p in names.fresh if not any(key.startswith(p) for key in given))
    for ours, wanted in own.items():
        if ours.endswith(_COUNTER) and ours not in given:
            continue
        if ours not in given and ours.startswith(fresh):
            fit.fresh.append(ours)
        elif ours not in given:
            fit.misfits.append(f"{ours} ({_shape(wanted)}) is missing")
        elif _same(wanted, value := state[given[ours]]):
            fit.pairs[ours] = given[ours]
        elif (classes := _classes(model, ours, wanted, value)) and fit.classes in (0, classes):
            fit.classes = classes
            fit.fresh.append(ours)
        else:
            fit.misfits.append(
                f"{given[ours]} is {_shape(value)} in the file and {_shape(wanted)} here"
            )
    others = {_layer(key): key for key in fit.fresh if key in given}
    fit.misfits += [
        f"{fit.pairs[key]} fits and {given[others[_layer(key)]]} beside it does not"
        for key in fit.pairs
        if _layer(key) in others
    ]
    fit.misfits += extra
    return fit


def _same(wanted: Tensor, value: Tensor) -> bool:
    """Whether a tensor of the file can be copied; axes of length 1 at the end do not count."""
    dense = value.layout == torch.strided and value.device.type == "cpu"
    kind = not value.is_complex() and value.is_floating_point() == wanted.is_floating_point()
    return dense and kind and not value.is_quantized and _core(wanted) == _core(value)


def _core(value: Tensor) -> tuple[int, ...]:
    shape = tuple(value.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _classes(model: Model, key: str, wanted: Tensor, value: Tensor) -> int:
    """The file's number of classes, if a tensor is a classifier's and differs in nothing else; else 0."""
    layer = model.get_submodule(_layer(key))
    able = isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    if key.startswith("encoder.") or not able:
        return 0
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) and wanted.ndim > 1 else 0
    if wanted.shape[axis] != model.num_classes or value.ndim != wanted.ndim:
        return 0
    if value.shape[axis] == model.num_classes:
        return 0
    rest = [tuple(n for i, n in enumerate(x.shape) if i != axis) for x in (wanted, value)]
    return value.shape[axis] if rest[0] == rest[1] else 0


def _value(model: Model, wanted: Tensor, fit: _Fit, key: str) -> Tensor:
    """A tensor of the file in our shape and type."""
    value = fit.state[fit.pairs[key]].detach().to(wanted.dtype).reshape(wanted.shape)
    if key.endswith("running_var"):
        layer: Any = model.get_submodule(_layer(key))
        for place, epsilon in fit.names.epsilons.items():
            if key.startswith(place) and epsilon != layer.eps:
                value = value + (epsilon - layer.eps)
    return value


def _misfit(path: Path, model: Model, fit: _Fit) -> ModelFileError:
    found = _without_counters(fit.pairs)
    wanted = _without_counters(set(model.state_dict()) - set(fit.fresh))
    others = f" (and {len(fit.misfits) - 1} more)" if len(fit.misfits) > 1 else ""
    has_encoder = isinstance(getattr(model, "encoder", None), Encoder)
    fix = f"give the weights of this {type(model).__name__}{' or of its encoder' * has_encoder}"
    if has_encoder and any(key.startswith("segmentation_head.") for key in fit.state):
        fix += ", or the same encoder in that library's form, such as --model.encoder.name smp-resnet18"
    if not found:
        begins = next(iter(fit.state), "nothing")
        return ModelFileError(
            f"no tensor of {path}, which begins with {begins}, fits this {type(model).__name__}",
            fix=fix,
        )
    return ModelFileError(
        f"{path} fits {len(found)} of {len(wanted)} tensors under the names of"
        f" {fit.names.source}: {fit.misfits[0]}{others}",
        fix=fix,
    )


def _shape(value: Tensor) -> str:
    kind = "" if value.is_floating_point() else f" {value.dtype}".replace("torch.", "")
    return f"{'x'.join(map(str, value.shape)) or 'one number'}{kind}"
