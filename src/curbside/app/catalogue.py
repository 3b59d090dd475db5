"""The model files that can be chosen, with what each says about itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CurbsideError, ModelFileError
from ..manifest import Manifest, manifest_from_metadata, read_sidecar
from ..runtime.backends import backend_modules
from .onnx_metadata import read_onnx_metadata

__all__ = ["ModelEntry", "facts_of", "find_models", "read_entries", "read_entry", "read_manifest"]

_LICENCE_KEYS = ("license", "licence", "weights_license", "weights_licence", "terms")


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model file, or what is wrong with it."""

    path: Path
    """The file."""
    manifest: Manifest | None = None
    """What it says about itself; None where that cannot be read."""
    problem: str | None = None
    """Why it cannot be used, in one line; None where it can."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def find_models(folder: Path) -> list[Path]:
    """The files of a folder that some backend opens, by name.

    Raises:
        ModelFileError: There is no such folder.
    """
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is no folder", fix="name a folder of model files")
    suffixes = _suffixes()
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise ModelFileError(
            f"cannot read {folder}: {error.strerror}", fix="name a folder that you may read"
        ) from error


def read_manifest(path: Path) -> Manifest:
    """What a model file says about itself, without loading its network.

    Raises:
        ModelFileError: The file is missing, damaged, of an unknown kind, or without a Manifest.
    """
    suffixes = _suffixes()
    if path.suffix.lower() not in suffixes:
        raise ModelFileError(
            f"{path} is no model file", fix=f"give one ending in {', '.join(sorted(suffixes))}"
        )
    if not path.is_file():
        raise ModelFileError(f"{path} does not exist", fix="check the path")
    try:
        if path.suffix.lower() == ".onnx":
            return manifest_from_metadata(read_onnx_metadata(path), path)
        return read_sidecar(path)
    except OSError as error:
        raise ModelFileError(
            f"cannot read {path}: {error.strerror}", fix="check the path"
        ) from None


def read_entry(path: Path) -> ModelEntry:
    """A model file with its Manifest, or with what is wrong with it."""
    try:
        return ModelEntry(path=path, manifest=read_manifest(path))
    except CurbsideError as error:
        return ModelEntry(path=path, problem=str(error))


def read_entries(paths: Iterable[Path]) -> list[ModelEntry]:
    """`read_entry` of each, twice the same file once; those that cannot be used come last."""
    entries = [read_entry(path) for path in dict.fromkeys(Path(path) for path in paths)]
    return sorted(entries, key=lambda entry: entry.manifest is None)


def facts_of(entry: ModelEntry) -> list[tuple[str, str]]:
    """What a person wants to know of a model file: names and values, in order."""
    manifest = entry.manifest
    if manifest is None:
        return [("file", str(entry.path)), ("cannot be used", entry.problem or "")]
    height, width = manifest.input.size_hw
    facts = [
        ("model", manifest.model),
        ("task", manifest.task),
        ("input", f"{width} x {height}, {manifest.input.fit}"),
    ]
    if manifest.space.classes:
        names = ", ".join(manifest.space.names)
        facts.append(
            ("classes", f"{len(manifest.space.classes)} of {manifest.space.name}: {names}")
        )
    if manifest.depth is not None and manifest.depth.max_m is not None:
        facts.append(("farthest", f"{manifest.depth.max_m:g} m"))
    if manifest.depth is not None and manifest.depth.camera:
        facts.append(("camera", manifest.depth.camera))
    facts.append(("asks for", manifest.precision))
    facts += [(f"scores, {name}", _in_words(value)) for name, value in manifest.scores.items()]
    if manifest.calibration:
        facts.append(("calibration", _in_words(manifest.calibration)))
    facts += [(key.replace("_", " "), text) for key, text in _licences(manifest.source)]
    recipe = manifest.source.get("recipe")
    if recipe:
        commit = manifest.source.get("commit")
        facts.append(("made by", f"{recipe} at {commit}" if commit else str(recipe)))
    target = manifest.deployment.get("target")
    if target:
        facts.append(("compiled for", str(target)))
    facts.append(("file", str(entry.path)))
    return facts


def _suffixes() -> set[str]:
    return {suffix for module in backend_modules().values() for suffix in module.SUFFIXES}


def _licences(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, _in_words(source[key])) for key in _LICENCE_KEYS if source.get(key)]


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_words(part)}" for key, part in value.items())
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, str | int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)[:200]
