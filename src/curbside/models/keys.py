"""How a published checkpoint names the weights of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["KeyMap"]


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """From the keys of somebody's checkpoint to ours.

    Keys of either side are those of a state dict, such as `layer1.0.conv1.weight`.
    """

    source: str
    """Whose checkpoint it is, in words."""
    rules: tuple[tuple[str, str], ...]
    """Regular expressions with their replacements, applied one after the other to every key of the file."""
    dropped: tuple[str, ...] = ()
    """Regular expressions of the file's keys that our network has no use for, matched from the start."""
    fresh: tuple[str, ...] = ()
    """Beginnings of our keys that such a file may lack; they keep their random weights."""

    def ours(self, key: str) -> str | None:
        """Our key for one of the file's; None where we have no use for it."""
        if any(re.match(pattern, key) for pattern in self.dropped):
            return None
        for pattern, replacement in self.rules:
            key = re.sub(pattern, replacement, key)
        return key
