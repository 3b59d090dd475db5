"""Every error a user can cause, as one tree.

::

    CurbsideError               one line: what is wrong, the value, the fix
    ├── ConfigError             a setting or an argument that cannot be
    ├── LabelError              a label space or an id outside it
    ├── DataError               a dataset, an image, a mask, an annotation file
    ├── ModelFileError          a model file, its Manifest, a checkpoint
    ├── SourceError             a video, a camera, a stream
    ├── StorageError            a place that cannot be written
    └── MissingDependencyError  an optional package that is not installed

The command line prints a `CurbsideError` as one line and exits with code 2; any other exception is
a bug of ours and keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "CurbsideError",
    "DataError",
    "LabelError",
    "MissingDependencyError",
    "ModelFileError",
    "SourceError",
    "StorageError",
]


class CurbsideError(Exception):
    """A mistake outside our code, said in one line.

    Args:
        what: What is wrong, with the value that is wrong.
        fix: What the reader can do about it.
    """

    def __init__(self, what: str, *, fix: str) -> None:
        super().__init__(what, fix)
        self.what = " ".join(what.split())
        self.fix = " ".join(fix.split())

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"

    def __reduce__(
        self,
    ):  # keyword-only arguments do not survive pickling between processes by default
        return _rebuild, (type(self), self.what, self.fix)


def _rebuild(kind: type[CurbsideError], what: str, fix: str) -> CurbsideError:
    return kind(what, fix=fix)


class ConfigError(CurbsideError):
    """A setting or an argument that cannot be."""


class LabelError(CurbsideError):
    """A label space that is not one, or an id outside it."""


class DataError(CurbsideError):
    """A dataset, an image, a mask or an annotation file that cannot be used."""


class ModelFileError(CurbsideError):
    """A model file, Manifest or checkpoint that cannot be used."""


class SourceError(CurbsideError):
    """A video, camera or stream that cannot be read."""


class StorageError(CurbsideError):
    """A place that cannot be written."""


class MissingDependencyError(CurbsideError):
    """An optional package that is not installed.

    Args:
        package: The name of the package that failed to import.
        extra: The extra of curbside that brings it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(
            f"this needs the package {package}, which is not installed",
            fix=f"run: pip install 'curbside[{extra}]'",
        )
        self.package = package
        self.extra = extra

    def __reduce__(self):
        return _rebuild_missing, (self.package, self.extra)


def _rebuild_missing(package: str, extra: str) -> MissingDependencyError:
    return MissingDependencyError(package, extra=extra)
