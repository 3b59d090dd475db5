"""What the doctor may find, each kind with its severity, what it means and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .layout import SPLITS

__all__ = ["CHECKS", "Check", "Finding"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A kind of finding."""

    severity: Severity
    """error: the sample cannot be used; warning: look at it."""
    meaning: str
    """What is wrong, for all findings of the kind."""
    fix: str
    """What to do."""


def _error(meaning: str, fix: str) -> Check:
    return Check(severity="error", meaning=meaning, fix=fix)


def _warning(meaning: str, fix: str) -> Check:
    return Check(severity="warning", meaning=meaning, fix=fix)


_AGAIN = "convert the dataset again"
CHECKS = {
    "missing": _error("a file of the sample is not there", f"restore it, or {_AGAIN}"),
    "unpaired": _error("a picture without a mask, or a mask without a picture", "add the other"),
    "damaged": _error("a file that cannot be decoded to its end", "fetch it again"),
    "size": _error("picture and targets of different sizes", _AGAIN),
    "kind": _error(
        "a file that cannot hold this target exactly", "write it as PNG of the right depth"
    ),
    "unknown_id": _error(
        "pixels whose id is no class of the label space",
        "choose the right label space, or correct the mask",
    ),
    "interpolated": _error(
        "a mask that was resized with interpolation or was a JPEG: ids that nobody drew stand along "
        "its borders",
        "make it again, resizing with nearest neighbour",
    ),
    "instance_class": _error("instances and mask that name different classes", _AGAIN),
    "format": _warning("a file that reads right but is not of the format", _AGAIN),
    "ignored": _warning("a mask without a single labelled pixel", "leave the sample out"),
    "one_class": _warning("a mask of one class only", "look whether it is one"),
    "blank": _warning("a picture of one colour", "leave the sample out"),
    "not_annotated": _warning(
        "a class in the mask that the sample says was not annotated", "correct `annotated`"
    ),
    "instance_stuff": _warning(
        "instances of a class that has none in the label space", "correct either"
    ),
    "no_depth": _warning("a depth map without a single known pixel", "leave the target out"),
    "orphan": _warning("a file that no sample lists", "remove it, or convert the dataset again"),
    "repeated": _warning("the same picture file twice in a split", "leave one out"),
    "leak": _warning(
        "a picture that stands, all but the same, in an earlier split: it is no test of anything",
        "split by whole drives, or set it aside with --quarantine-leaks",
    ),
    "absent": _warning(
        "a class without a pixel in a split", "expect neither training nor a score of it"
    ),
    "untrained": _warning(
        "a class that train lacks and a later split has", "split otherwise, or drop the class"
    ),
}
"""Every kind, errors first."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    code: str
    """Its kind, one of `CHECKS`."""
    message: str
    """What is wrong with the file, and the value."""
    split: str | None = None
    """The split."""
    id: str | None = None
    """The sample, where it concerns one."""
    file: str | None = None
    """The file, relative to the root, where it concerns one."""

    @property
    def check(self) -> Check:
        """What its kind means."""
        return CHECKS[self.code]

    @property
    def key(self) -> tuple[str, str] | None:
        """Split and id of the sample; None where it concerns no single one."""
        return (self.split, self.id) if self.split is not None and self.id is not None else None

    @property
    def order(self) -> tuple[int, int, str, str, str]:
        """Where it stands among others: by kind, split and sample."""
        split = SPLITS.index(self.split) if self.split in SPLITS else len(SPLITS)
        return list(CHECKS).index(self.code), split, self.id or "", self.file or "", self.message

    def __str__(self) -> str:
        place = self.file or "/".join(part for part in (self.split, self.id) if part)
        return f"{place}: {self.message}" if place else self.message

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "code": self.code,
            "severity": self.check.severity,
            "split": self.split,
            "id": self.id,
            "file": self.file,
            "message": self.message,
        }
