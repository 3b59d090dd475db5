"""Weights from a file: a published checkpoint, an encoder's alone, or our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
from torch import Tensor

from ..errors import ModelFileError
from .base import SegmentationModel
from .keys import KeyMap

__all__ = ["LoadedWeights", "load_weights"]


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """What became of a file of weights."""

    source: str
    """Whose names the file uses, in words."""
    loaded: int
    """Tensors taken from the file."""
    fresh: tuple[str, ...]
    """Our tensors that the file does not have, or has for another number of classes; they stay as they were."""
    dropped: tuple[str, ...]
    """The file's keys that the network has no use for."""


def load_weights(model: SegmentationModel, path: Path) -> LoadedWeights:
    """Read a file of weights into a network, whosever names it uses, and all of it or nothing.

    Args:
        model: The network; changed in place.
        path: A .safetensors or .pth file.

    Raises:
        ModelFileError: The file is missing or broken, or its weights do not fit.
    """
    state = _read(path)
    tries = [_fit(model, state, names) for names in (_OURS, *model.key_maps)]
    best, found = min(tries, key=lambda item: len(item[1]))
    if found:
        raise ModelFileError(
            f"{path} does not fit: {found[0]}", fix="give the weights of that network"
        )
    return best


_OURS = KeyMap(source="curbside", rules=())


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ModelFileError(
            f"the weights file {path} does not exist",
            fix="give an existing .safetensors or .pth file",
        )
    return timm.models.load_state_dict(str(path))


def _fit(
    model: SegmentationModel, state: Mapping[str, Tensor], names: KeyMap
) -> tuple[LoadedWeights, list[str]]:
    raise NotImplementedError
