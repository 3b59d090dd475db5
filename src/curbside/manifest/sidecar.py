"""Where a Manifest stands: in an ONNX file's metadata, or beside a file as `<file>.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ModelFileError
from ..files import read_json, sha256_file, write_text
from .manifest import MAKE_ONE, Manifest

__all__ = ["METADATA_KEY", "manifest_from_metadata", "read_sidecar", "write_sidecar"]

METADATA_KEY = "curbside"


def manifest_from_metadata(metadata: Mapping[str, str], path: Path) -> Manifest:
    """The Manifest of an ONNX file: in its metadata, else beside it as `<file>.json`.

    Args:
        metadata: The file's metadata properties.
        path: The file.

    Raises:
        ModelFileError: There is none, or it is not readable.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        return read_sidecar(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"the Manifest inside {path} is not valid JSON ({error})", fix=MAKE_ONE
        ) from error
    return Manifest.from_dict(data, where=str(path))


def write_sidecar(path: Path, manifest: Manifest, *, parts: Sequence[str] = ()) -> None:
    """Write a Manifest beside a model file, with the hashes of its files.

    Args:
        path: The model file, written already.
        manifest: What it says.
        parts: Suffixes of the files that belong to it, such as `.bin`; its own is always among them.

    Raises:
        StorageError: The place cannot be written.
    """
    suffixes = dict.fromkeys((path.suffix, *parts))
    files = {suffix: sha256_file(path.with_suffix(suffix)) for suffix in suffixes}
    write_text(_beside(path), manifest.to_json(files=files), durable=True)


def read_sidecar(path: Path) -> Manifest:
    """The Manifest beside a model file, `<file>.json`.

    Raises:
        ModelFileError: There is none, it is not readable, or it was written for another file.
    """
    beside = _beside(path)
    if not beside.is_file():
        raise ModelFileError(
            f"{path} carries no Manifest, and there is no {beside.name} beside it",
            fix=f"{MAKE_ONE}, or describe the file: curbside describe {path.name}",
        )
    data = read_json(beside, error=ModelFileError, fix=MAKE_ONE)
    manifest = Manifest.from_dict(data, where=str(beside))
    files = data.get("files", {})
    if not isinstance(files, dict):
        raise ModelFileError(f"the Manifest {beside} has no table of files", fix=MAKE_ONE)
    for suffix, expected in files.items():
        part = path.with_name(path.stem + Path(f"x{suffix}").suffix)
        if not part.is_file():
            raise ModelFileError(
                f"{part} is missing, and {path.name} is nothing without it", fix="copy it too"
            )
        if sha256_file(part) != expected:
            raise ModelFileError(
                f"{part} is not the file that {beside.name} was written for",
                fix="copy both again from where they were made, or compile again",
            )
    return manifest


def _beside(path: Path) -> Path:
    return Path(f"{path}.json")
