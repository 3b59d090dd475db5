"""Files that are never half there: atomic writes, hashes, links, paths that stay inside their root."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import CurbsideError, DataError, StorageError

__all__ = [
    "as_storage_error",
    "atomic_path",
    "dotted",
    "holds_bytes",
    "inside",
    "link_or_copy",
    "read_json",
    "require_file",
    "sha256_file",
    "write_bytes",
    "write_json",
    "write_text",
]

_STORAGE_FIXES = {
    errno.ENOSPC: "free some space or choose another place, then run the same command again",
    errno.EDQUOT: "your quota is used up: free some space, then run the same command again",
    errno.EACCES: "choose a place you may write to",
    errno.EPERM: "choose a place you may write to",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EEXIST: "a part of the path is a file: choose another place",
    errno.ENOTDIR: "a part of the path is a file: choose another place",
    errno.EISDIR: "the path is a folder: name a file",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def as_storage_error(error: OSError, path: Path | str | None = None) -> StorageError | None:
    """`error` as a `StorageError` where its errno says that a place cannot be written, else None.

    Args:
        error: What the system said.
        path: The place that was to be written, where the caller knows it.
    """
    fix = _STORAGE_FIXES.get(error.errno or 0)
    if error.errno == errno.ENOENT and path is not None:  # without a path it may be a file to read
        fix = "choose a place where files can be made"
    if fix is None:
        return None
    place = path if path is not None else error.filename
    return StorageError(f"cannot write {place or 'the output'}: {error.strerror}", fix=fix)


@contextmanager
def atomic_path(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well and vanishes otherwise.

    Args:
        path: The file to make; its folder is made if missing. The temporary name keeps the suffix,
            for writers that choose a format by it.
        durable: Flush to the disk before renaming, where a power cut would hurt.

    Raises:
        StorageError: The place cannot be written (full, read-only, not permitted).
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if durable:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise as_storage_error(error, path) or error from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, text.encode(), durable=durable)


def write_json(path: Path, data: Any, *, durable: bool = False) -> None:
    """Write `data` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n", durable=durable)


def require_file(path: Path | str) -> None:
    """Refuse what is there but no file: a pipe would be waited on for ever, a device read without end.

    Raises:
        OSError: It is none, or nothing is there.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no name of a file: {error}", str(path)) from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe or device, not a file", str(path))


def read_json(path: Path, *, error: type[CurbsideError] = DataError, fix: str) -> Any:
    """The JSON value in `path`.

    Raises:
        error: The file is missing, unreadable or not JSON; `fix` is what the reader is told to do.
    """
    try:
        require_file(path)
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise error(f"{path} does not exist", fix=fix) from None
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror}", fix=fix) from problem
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not valid JSON ({problem})", fix=fix) from problem


def holds_bytes(path: Path) -> bool:
    """Whether a file is there and was not emptied by a power cut."""
    return path.is_file() and path.stat().st_size > 0


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same bytes as `source`: a hard link where the file system can, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Named by its target, as other machines may have a process of this number; but not as long.
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    temporary = target.with_name(f".partial-{os.getpid()}-{name}{target.suffix}")
    try:
        temporary.unlink(missing_ok=True)
        os.link(os.path.realpath(source), temporary)  # a link to a symlink would be a symlink again
        temporary.replace(target)
        temporary.unlink(
            missing_ok=True
        )  # renaming a link over another link of the same file is a no-op
        return
    except OSError:
        temporary.unlink(missing_ok=True)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, refused where it would leave `root`.

    Raises:
        DataError: The path is absolute or climbs out of `root`.
    """
    try:
        path = (Path(root) / relative).resolve()
    except (ValueError, OSError, RuntimeError):  # a null byte, a name too long, a circle of links
        path = Path()
    if not path.is_relative_to(Path(root).resolve()):
        raise DataError(
            f"the path {relative!r} leads out of {root}",
            fix="paths in a dataset must stay inside its folder",
        )
    return path


def dotted(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The plain values inside a JSON value by their dotted names, as flags spell them; a list of plain
    values is one."""
    inner: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        inner = enumerate(value)
    else:
        yield name, value
        return
    for key, item in inner:
        yield from dotted(item, f"{name}.{key}" if name else str(key))
