"""A section of a Markdown document that is written again and again, between two marks."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DataError
from ..files import write_text

__all__ = ["check_section", "put_section"]


def put_section(path: Path, kind: str, name: str, body: str) -> None:
    """Write a section between `<!-- KIND NAME -->` and `<!-- /KIND NAME -->`; at the end of the
    document where these are not there.

    Args:
        path: A Markdown file; made if missing.
        kind: What wrote it, such as `study`.
        name: Which one of its kind.
        body: Markdown, ending with a line's end.

    Raises:
        DataError: One of the marks stands there without the other, or the document is no text.
        StorageError: The file cannot be written.
    """
    text, first, last = check_section(path, kind, name)
    section = f"{first}\n{body}{last}"
    if first in text:
        whole = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
        text = whole.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n".lstrip()
    write_text(path, text)


def check_section(path: Path, kind: str, name: str) -> tuple[str, str, str]:
    """See that a document can take a section; see `put_section`.

    Returns:
        The text of the document, empty where there is none yet, and the marks around the section.

    Raises:
        DataError: One of the marks stands there without the other, or the document is no text.
    """
    first, last = f"<!-- {kind} {name} -->", f"<!-- /{kind} {name} -->"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"{path} cannot be read as a document ({type(error).__name__})",
            fix="name a Markdown file",
        ) from error
    counts = text.count(first), text.count(last)
    if counts not in ((0, 0), (1, 1)) or text.find(first) > text.find(last):
        raise DataError(
            f"{path} does not have one {first} with one {last} behind it", fix="repair the marks"
        )
    return text, first, last
