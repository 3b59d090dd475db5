"""The page itself, and what a browser may do on it: run its one script, and ask this server."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

__all__ = ["content_policy", "markup"]


@cache
def markup() -> bytes:
    """The page, HTML in UTF-8."""
    return files(__package__).joinpath("page.html").read_bytes()


@cache
def content_policy() -> str:
    """The Content-Security-Policy: the script and the style of the page by their hashes, pictures and
    data from this server, and nothing else."""
    return (
        f"default-src 'none'; script-src {_hash_of(b'script')}; style-src {_hash_of(b'style')};"
        " img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash_of(tag: bytes) -> str:
    (inside,) = re.findall(rb"<%s>(.*?)</%s>" % (tag, tag), markup(), re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside).digest()).decode()}'"
