"""`quarantine.jsonl`: the samples of a folder that are set aside. Their files stay where they are.

One line per sample, `{"id": ..., "split": ..., "reasons": [...]}`. Whoever opens the folder as a
`PreparedFolder` does not see them: training, evaluation and calibration alike. Deleting a line, or
the file, puts them back. Converting leaves the file alone.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..files import as_storage_error, require_file, write_text
from .layout import SPLITS

__all__ = ["Quarantine", "read_quarantine", "write_quarantine"]

Quarantine = Mapping[tuple[str, str], tuple[str, ...]]
"""Split and id of every sample that is set aside, and why."""

_NAME = "quarantine.jsonl"


def read_quarantine(root: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """The samples of a folder that are set aside; none where it has no such file.

    Raises:
        DataError: The file is not readable.
    """
    path = root / _NAME
    fix = "correct its lines, or delete the file: all samples then count again"
    found = {}
    try:
        require_file(path)
        for line in path.read_bytes().splitlines():
            if line.strip():
                entry = json.loads(line)
                if entry["split"] not in SPLITS or not isinstance(entry["id"], str):
                    raise ValueError(f"no sample: {reprlib.repr(entry)}")
                reasons = tuple(str(reason) for reason in entry.get("reasons", ()))
                found[entry["split"], entry["id"]] = reasons
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", fix=fix) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is not readable ({type(error).__name__}: {error})", fix=fix
        ) from error
    return found


def write_quarantine(root: Path, quarantine: Quarantine) -> None:
    """Set samples of a folder aside, in place of those that were before; whole or not at all.

    Args:
        root: A prepared folder or a bare tree.
        quarantine: The samples; where there are none, the file goes.

    Raises:
        StorageError: The place cannot be written.
    """
    path = root / _NAME
    if not quarantine:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise as_storage_error(error, path) or error from error
        return
    for leftover in root.glob(".partial-*.jsonl"):  # of a run that was killed
        leftover.unlink(missing_ok=True)
    order = sorted(quarantine, key=lambda key: (SPLITS.index(key[0]), key[1]))
    lines = [
        json.dumps({"id": key[1], "reasons": list(quarantine[key]), "split": key[0]})
        for key in order
    ]
    write_text(path, "".join(f"{line}\n" for line in lines), durable=True)
