"""Who may see a page: on the device itself everybody, from elsewhere whoever has the token.

A page that listens on loopback can still be asked for by a web site that is open in the device's own
browser, where the site's name is made to mean 127.0.0.1. Such requests carry that name as their Host
and are refused.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from email.message import Message
from enum import Enum
from urllib.parse import parse_qs, urlsplit

from ...errors import ConfigError

__all__ = ["Access", "Verdict", "is_loopback", "make_token"]

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,200}")
_MOST_FIELDS = 16


class Verdict(Enum):
    """What becomes of a request."""

    WELCOME = "answer it"
    REMEMBER = (
        "the token stood in the address: put it in a cookie, and lead to the address without it"
    )
    NO_TOKEN = "refuse it: no token, or a wrong one"
    FOREIGN_NAME = "refuse it: it came by another name than the device's own for itself"


def make_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(16)


def is_loopback(address: str) -> bool:
    """Whether an IP address reaches this machine only."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


class Access:
    """Decides on requests.

    Args:
        token: What must be known; None where everybody on the device is welcome.
        port: Names the cookie: a browser shows the cookies of one host to all its ports.

    Raises:
        ConfigError: The token is too short, or has other signs than an address may hold.
    """

    def __init__(self, token: str | None, port: int) -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            raise ConfigError(
                "the token of the page is not one",  # it is a secret, also where it is wrong
                fix="give 8 to 200 letters, digits and - . _ ~, or none to have one made",
            )
        self._token = token
        self._name = f"curbside_{port}"

    @property
    def cookie(self) -> str:
        """The cookie that holds the token, as a header says it."""
        return f"{self._name}={self._token}; Path=/; HttpOnly; SameSite=Strict"

    def judge(self, headers: Message, query: str) -> Verdict:
        """Decide on a request.

        Args:
            headers: Its headers.
            query: What stands behind the `?` of its address.
        """
        if self._token is None:
            hosts = headers.get_all("Host", [])
            known = len(hosts) == 1 and _names_loopback(hosts[0])
            return Verdict.WELCOME if known else Verdict.FOREIGN_NAME
        if any(self._is_it(given) for given in _in_query(query)):
            return Verdict.REMEMBER
        given = [*self._in_cookies(headers), *_as_bearer(headers)]
        return Verdict.WELCOME if any(map(self._is_it, given)) else Verdict.NO_TOKEN

    def _is_it(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _in_cookies(self, headers: Message) -> list[str]:
        pairs = (
            part.strip().partition("=")
            for line in headers.get_all("Cookie", [])
            for part in line.split(";")
        )
        return [value for name, _, value in pairs if name == self._name]


def _as_bearer(headers: Message) -> list[str]:
    lines = (line.strip().partition(" ") for line in headers.get_all("Authorization", []))
    return [given.strip() for scheme, _, given in lines if scheme.lower() == "bearer"]


def _in_query(query: str) -> list[str]:
    try:
        return parse_qs(query, max_num_fields=_MOST_FIELDS).get("token", [])
    except ValueError:
        return []


def _names_loopback(host: str) -> bool:
    """Whether a Host header names this machine as it names itself, with or without a port."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        if parts.netloc != host.strip() or parts.username is not None or parts.path:
            return False
        return name.lower() == "localhost" or is_loopback(name)
    except ValueError:
        return False
