"""The files under a folder, for datasets whose layout says little about where a file lies."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path, PureWindowsPath

from ..errors import DataError

__all__ = ["FileTree"]


class FileTree:
    """The files under a root, hidden ones left out; linked folders are not entered.

    Args:
        root: The folder.

    Raises:
        DataError: A folder may not be listed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        """The folder."""
        self.links: list[Path] = []
        """The linked folders, which were not entered."""
        self._names: dict[Path, list[str]] = {}
        for folder, subfolders, names in os.walk(root, onerror=_refuse):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            self._names[Path(folder)] = sorted(name for name in names if not name.startswith("."))
            paths = (Path(folder) / name for name in subfolders)
            self.links += [path for path in paths if path.is_symlink()]

    def not_entered(self) -> str:
        """What to add to the message that nothing was found: the linked folders; nothing without."""
        if not self.links:
            return ""
        more = f" and {len(self.links) - 1} more" if len(self.links) > 1 else ""
        return f" (linked folders are not entered: {self.links[0]}{more})"

    def with_suffix(self, suffix: str, pattern: re.Pattern[str] | None = None) -> list[Path]:
        """The files that end so and whose stem holds the pattern, folder by folder.

        Args:
            suffix: With its dot, in small letters; case does not matter.
            pattern: What is looked for in the stem; without it, every stem will do.
        """
        return [
            folder / name
            for folder, names in self._names.items()
            for name in names
            if name.lower().endswith(suffix)
            and (pattern is None or pattern.search(name[: -len(suffix)]))
        ]

    def nearest(self, start: Path, name: str) -> list[Path]:
        """The files of a name that lie nearest to a folder, which is one unless they tie.

        Nearest is what needs the fewest steps up, then the fewest down. Folders in the name only
        choose: where files lie in folders called so, others do not count. Nothing outside the root
        is ever found.
        """
        *above, base = PureWindowsPath(name).parts or ("",)  # knows both kinds of slash
        folders = self._folders.get(base, [])
        if len(folders) > 1:
            fitting = [folder for folder in folders if list(folder.parts[-len(above) :]) == above]
            folders = fitting or folders
            distances = [_distance(start, folder) for folder in folders]
            pairs = zip(folders, distances, strict=True)
            folders = [folder for folder, distance in pairs if distance == min(distances)]
        return [folder / base for folder in folders]

    def upwards(self, start: Path, suffix: str) -> list[Path]:
        """The files that end so in a folder, else in the first one above that has any."""
        folder = start
        while folder in self._names:
            found = [name for name in self._names[folder] if name.lower().endswith(suffix)]
            if found:
                return [folder / name for name in found]
            folder = folder.parent
        return []

    def short_name(self, path: Path, *, understood: str = "") -> str:
        """The stem of a file, after the name of its folder where others are called the same.

        Args:
            path: The file.
            understood: A name of folders that goes without saying: of files in folders called so,
                only each other count.
        """
        folders = self._folders.get(path.name, [])
        if path.parent.name == understood:
            folders = [folder for folder in folders if folder.name == understood]
        return path.stem if len(folders) < 2 else f"{path.parent.name}_{path.stem}"

    @cached_property
    def _folders(self) -> dict[str, list[Path]]:
        """Where the files of a name lie."""
        found: dict[str, list[Path]] = {}
        for folder, names in self._names.items():
            for name in names:
                found.setdefault(name, []).append(folder)
        return found


def _distance(start: Path, folder: Path) -> tuple[int, int]:
    """Steps up from a folder, then down, to reach another."""
    common = 0
    for one, other in zip(start.parts, folder.parts, strict=False):
        if one != other:
            break
        common += 1
    return len(start.parts) - common, len(folder.parts) - common


def _refuse(error: OSError) -> None:
    raise DataError(
        f"{error.filename} cannot be listed ({error.strerror})",
        fix="give yourself the right to read it",
    ) from error
