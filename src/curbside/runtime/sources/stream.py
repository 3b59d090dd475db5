"""Pictures over the network: RTSP, and HTTP with a camera's pictures or a video file behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import numpy as np

from ...errors import ConfigError, SourceError
from .container import Container, Decoded
from .live import Connection, LiveSource
from .source import Source
from .video_file import VideoFile

__all__ = ["STREAM_SCHEMES", "open_stream", "public_address", "public_words", "without_passwords"]

_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls",
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "https": "http,https,httpproxy,tcp,tls,crypto",
}
"""Ways by which FFmpeg may follow what a server sends: never to files of this device."""
STREAM_SCHEMES = tuple(_PROTOCOLS)
"""What an address begins with."""
_TIMEOUT_S = 5.0
_UDP = "#udp"
_SLACK_S = 1.0
# A camera of libcamera has a name with `:/` and `@` in it, which is no address.
_USER = re.compile(r"(?<!libcamera)(:/{1,2})\S*@")
_QUERY = re.compile(r"(?<!libcamera)(:/{1,2}[^\s?;&\"']*)[?;&][^\s\"']*")
_SECRET = re.compile(
    r"""(\w*(?:pw|pwd|pass|passwd|password|passphrase|secret|key|token))=(?:"[^"]*"?|'[^']*'?|[^\s"'])+""",
    re.IGNORECASE,
)


def open_stream(address: str, *, timeout_s: float = _TIMEOUT_S) -> Source:
    """Connect to an address.

    Args:
        address: `rtsp://`, `rtsps://`, `http://` or `https://`, with the user and the password that
            the server wants. RTSP comes over TCP; where the address ends in `#udp`, over UDP, which
            is a little quicker and loses pictures on a bad network.
        timeout_s: How long connecting may take, and how long the server may be silent.

    Returns:
        A live source. Behind an HTTP address that is a video of known duration: a `VideoFile`, every
        frame of which comes.

    Raises:
        ConfigError: It is no such address.
        SourceError: Nobody answers, or what is sent holds no pictures.
    """
    title = public_address(address)
    scheme, _, _ = address.lower().partition("://")

    def open_container(*, live: bool = False) -> Container:
        options = {}
        if scheme.startswith("rtsp"):
            options = {
                "rtsp_transport": "udp" if address.endswith(_UDP) else "tcp",
                "analyzeduration": "300000",  # microseconds: the first frames come late by as much
                "max_delay": "100000",
            }
        return Container(
            address.removesuffix(_UDP),
            title=title,
            protocols=_PROTOCOLS[scheme],
            options=options,
            timeouts_s=(timeout_s, timeout_s + _SLACK_S),  # who waits for a picture gives up first
            live=live,
        )

    opened: list[Container] = []
    if scheme.startswith("http"):
        container = open_container()
        if container.duration_s is not None:
            return VideoFile(title, open_container, container)
        container.decode_for(live=True)
        opened.append(container)  # some cameras let only one in: it is read on

    def connect() -> _Stream:
        return _Stream(opened.pop() if opened else open_container(live=True), title)

    return LiveSource(
        title,
        connect,
        open_s=2 * timeout_s + _SLACK_S,  # FFmpeg opens in two steps, each within its timeout
        silence_s=timeout_s,
    )


def public_address(address: str) -> str:
    """An address as it may be shown: without user, password and query, which may hold a key; some
    cameras want the password in the path.

    Raises:
        ConfigError: It is no address.
    """
    scheme, _, rest = address.strip().partition("://")
    if "@" in re.split(r"[/?#;]", rest, maxsplit=1)[-1]:  # where the password ends, nobody can tell
        rest = re.split(r"[?#;&]", rest.rpartition("@")[2])[0]
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        known = scheme.lower() if scheme.lower() in STREAM_SCHEMES else "rtsp"
        raise ConfigError(
            f"the address after {known}:// names no server", fix=f"write {known}://server/path"
        )
    host = f"[{host}]" if ":" in host else host
    path = parts.path.partition(";")[0]
    if _SECRET.search(path) or "pass" in path.lower() or "pwd" in path.lower():
        path = "/..."
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"


def without_passwords(text: str) -> str:
    """A text without the users, passwords and queries of addresses in it, and without the values of
    what is named as a password or a key, as in `user-pw=...`."""
    text = _USER.sub(r"\1", text)
    text = _QUERY.sub(r"\1", text)
    return _SECRET.sub(r"\1=...", text)


def public_words(words: Iterable[str]) -> str:
    """The words of a pipeline as one text, as `without_passwords` shows them; a value may hold blanks."""
    shown = []
    for word in words:
        name, equals, _ = word.partition("=")
        hide = equals and _SECRET.search(f"{name}=x")
        shown.append(f"{name}=..." if hide else without_passwords(word))
    return " ".join(shown)


class _Stream(Connection):
    """A stream that is open.

    Args:
        container: What it is read from.
        title: What it is called.
    """

    def __init__(self, container: Container, title: str) -> None:
        self._container, self.title, self.fps = container, title, container.fps

    def pictures(self) -> Iterator[np.ndarray | SourceError]:
        """Pictures until the server goes away."""
        count = 0
        for item in self._container.decode():
            picture = self._container.picture(item) if isinstance(item, Decoded) else item
            count += 1
            if isinstance(picture, np.ndarray):
                yield picture
            else:
                yield SourceError(
                    f"frame {count - 1} of {self.title} cannot be decoded ({picture.reason})",
                    fix="check the network",
                )
        raise SourceError(
            f"{self.title} ended after {count} frames", fix="check that the server still sends"
        )

    def close(self) -> None:
        """Disconnect."""
        self._container.close()
