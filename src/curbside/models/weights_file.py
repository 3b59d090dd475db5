"""Files of weights, read without running code and without storage that they do not have."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import ModelFileError

__all__ = ["read_weights"]


def read_weights(path: Path) -> list[Mapping[str, Tensor]]:
    """The tensors of a file by name, on the CPU, mapped rather than read where that can be.

    Shapes are as the file declares them: a small file may declare a large tensor, which costs memory
    only once it is copied.

    Args:
        path: A file (.safetensors, .pth, .pt, .tar, .bin, .ckpt).

    Returns:
        The names as they are, then without the beginnings that wrappers such as DataParallel, Lightning
        and torch.compile put before them, as far as nearly all names have them.

    Raises:
        ModelFileError: The file is missing or broken, would run code, or holds no tensors by name.
    """
    state = _tensors(_content(path))
    if state is None:
        raise ModelFileError(
            f"{path} holds no tensors by name", fix="give a file with the state dict of a network"
        )
    # Our own checkpoints hold the moving average of the weights beside them, and it is what is shipped.
    averaged = {
        key.removeprefix(_AVERAGE): value
        for key, value in state.items()
        if key.startswith(_AVERAGE)
    }
    state = averaged or state
    return [state, *_shortened(state)]


_AVERAGE = "average.module."


def _content(path: Path) -> Any:
    if not path.is_file():
        raise ModelFileError(
            f"the weights file {path} does not exist", fix=f"give an existing file ({_KNOWN})"
        )
    if path.suffix not in (_SAFE, *_PICKLED):
        raise ModelFileError(
            f"{path} is not a weights file (it ends in {path.suffix!r})",
            fix=f"give one of {_KNOWN}",
        )
    try:
        return load_file(path) if path.suffix == _SAFE else _unpickled(path)
    except Exception as error:  # damaged files raise many types here
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise ModelFileError(
                f"{path} would have to run code to be read ({code[1]})",
                fix="save its state dict alone where you trust it, best as safetensors",
            ) from error
        raise ModelFileError(
            f"{path} is not a weights file ({type(error).__name__})",
            fix=f"give an undamaged file ({_KNOWN})",
        ) from error


_SAFE = ".safetensors"
_PICKLED = (".pth", ".pt", ".tar", ".bin", ".ckpt")
_KNOWN = ", ".join((_SAFE, *_PICKLED))


def _unpickled(path: Path) -> Any:
    """What torch.save wrote."""
    zipped = zipfile.is_zipfile(path)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            # torch.save never compresses; a compressed part may be far larger than the file.
            if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
                raise ValueError("compressed")
    with torch.serialization.safe_globals([(_Ignored, name) for name in _BESIDE]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


class _Ignored:
    """Stands for a plain value beside the weights, whatever it was."""

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_BESIDE = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(
        f"numpy.{core}.multiarray.{function}"
        for core in ("core", "_core")
        for function in ("scalar", "_reconstruct")
    ),
)
"""Options and scores that training scripts put beside the weights."""


def _tensors(content: Any, depth: int = 2) -> Mapping[str, Tensor] | None:
    """The first mapping of names to tensors, looked for where it usually lies."""
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        return content
    inner = (content[name] for name in _WRAPPERS if depth and name in content)
    return next((found for item in inner if (found := _tensors(item, depth - 1)) is not None), None)


_WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights"),
    *("state_dict_ema", "model_ema", "ema"),
)


def _shortened(state: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The same tensors with one wrapper's beginning less each time."""
    for prefix in _PREFIXES:
        have = [key for key in state if key.startswith(prefix)]
        clash = any(key.removeprefix(prefix) in state for key in have)
        if len(have) >= 0.9 * len(state) and not clash:
            shorter = {key.removeprefix(prefix): value for key, value in state.items()}
            yield shorter
            yield from _shortened(shorter)
            return


_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
