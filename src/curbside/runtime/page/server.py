"""The page's server: the standard library's, with limits on what a client may take."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from ...errors import ConfigError
from .access import Access, is_loopback, make_token
from .board import Board
from .feed import Encode, JpegFeed, encode_picture
from .requests import Request

__all__ = ["LivePage", "PageServer"]

_WATCHERS = 8
_CLIENTS = 64
_POLL_S = 0.1
_CLOSE_S = 2.0
_ANYWHERE = ("0.0.0.0", "::")
_FIXES = {
    errno.EADDRINUSE: "another program has it: choose another port, or 0 for a free one",
    errno.EADDRNOTAVAIL: "this machine has no such address: give 127.0.0.1, one of its own, or 0.0.0.0 for all",
    errno.EACCES: "choose a port above 1023",
}


class LivePage:
    """A page with the live picture and its figures, for a browser.

    ::

        board = Board()
        with LivePage(board, host="0.0.0.0") as page:
            print(page.link)
            for shown in pipeline:
                board.publish(shown.picture_bgr, partial(live_facts, pipeline, shown, source="0"))

    Whoever is on the device may see it where it listens on loopback; on every other address it asks
    for a token. What it sends is not encrypted: everybody between it and the browser can read along.

    Args:
        board: Where pictures are put up.
        host: An address of this machine, or a name of one; 0.0.0.0 for all.
        port: 0 takes a free one.
        token: What a browser must know; made where None and the host is not loopback.
        patience_s: A client that takes longer than this to ask, or to take a picture, is dropped.
        encode: What makes JPEG files.

    Raises:
        ConfigError: The host is no address, the port or the patience is out of range, or the token
            cannot be one.
    """

    def __init__(
        self,
        board: Board,
        host: str = "127.0.0.1",
        port: int = 8080,
        token: str | None = None,
        *,
        patience_s: float = 10.0,
        encode: Encode = encode_picture,
    ) -> None:
        if not 0 <= port <= 65_535:
            raise ConfigError(
                f"there is no port {port}", fix="give 1 to 65535, or 0 for a free one"
            )
        if not patience_s > 0:
            raise ConfigError(f"no client asks within {patience_s:g} s", fix="give a time above 0")
        self._board, self._patience_s, self._encode = board, patience_s, encode
        self._family, self._address = _resolve(host, port)
        ip = str(self._address[0])
        self.token = make_token() if token is None and not is_loopback(ip) else token
        """What a browser must know; None where nothing is asked for."""
        Access(self.token, port)  # refuses a token that cannot be
        self._server: PageServer | None = None

    def start(self) -> Self:
        """Begin to listen.

        Raises:
            ConfigError: The port is in use or not permitted, or the address is not this machine's.
        """
        if self._server is None:
            try:
                server = PageServer(
                    self._family,
                    self._address,
                    board=self._board,
                    token=self.token,
                    patience_s=self._patience_s,
                    encode=self._encode,
                )
            except OSError as error:
                raise ConfigError(
                    f"the page cannot listen on {_joined(*self._address[:2])}: {error.strerror or error}",
                    fix=_FIXES.get(error.errno or 0, "choose another host or port"),
                ) from None
            self._server, self._address = server, server.server_address
            server.start()
        return self

    def close(self) -> None:
        """Stop listening and drop every client, within two seconds; more than once is well."""
        server, self._server = self._server, None
        if server is not None:
            server.end()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Its address, without the token; where it listens on all, by one that others can reach."""
        ip, port = self._address[:2]
        return f"http://{_joined(_outward(self._family) if ip in _ANYWHERE else ip, port)}/"

    @property
    def link(self) -> str:
        """Its address with the token, where one is asked for: show it once, to who may look."""
        return self.url if self.token is None else f"{self.url}?token={self.token}"


@dataclass(slots=True)
class _Client:
    """A connection."""

    thread: threading.Thread
    since_s: float
    asked: bool = False


class PageServer(ThreadingHTTPServer):
    """A thread for each connection, so many at most, all of which can be ended.

    Args:
        family: Of the address.
        address: Where to listen.
        board: Where pictures are put up.
        token: What a browser must know; None for nothing.
        patience_s: How long a client may take.
        encode: What makes JPEG files.
    """

    allow_reuse_address = os.name == "posix"
    allow_reuse_port = False
    request_queue_size = 128

    def __init__(
        self,
        family: socket.AddressFamily,
        address: tuple[Any, ...],
        *,
        board: Board,
        token: str | None,
        patience_s: float,
        encode: Encode,
    ) -> None:
        self.address_family = family
        self.board, self.patience_s = board, patience_s
        self.seats = threading.BoundedSemaphore(_WATCHERS)
        self._clients: dict[socket.socket, _Client] = {}
        self._lock = threading.Lock()
        super().__init__(address, Request)  # type: ignore[arg-type]
        self.access = Access(token, self.server_address[1])
        self.feed = JpegFeed(board, encode)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name="curbside-page", daemon=True
        )

    def start(self) -> None:
        """Take requests."""
        self._thread.start()

    def end(self) -> None:
        """Take no more, and drop who is there."""
        until_s = time.monotonic() + _CLOSE_S
        self.shutdown()
        self.server_close()
        self.feed.close()
        with self._lock:
            clients = dict(self._clients)
        for connection in clients:
            _cut(connection)
        for thread in (self._thread, *(client.thread for client in clients.values())):
            thread.join(max(0.0, until_s - time.monotonic()))

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name that the standard library makes: it may wait
        for a network that is not there."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection on a thread of its own; turn it away where too many are open."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="curbside-page-client",
            daemon=True,
        )
        with self._lock:
            if len(self._clients) < _CLIENTS:
                with suppress(RuntimeError):  # there may be no more threads
                    thread.start()
                    self._clients[request] = _Client(thread, time.monotonic())
                    return
        self.shutdown_request(request)

    def has_asked(self, connection: socket.socket) -> None:
        """The whole request is there."""
        with self._lock:
            self._clients[connection].asked = True

    def service_actions(self) -> None:
        """Forget who is done, and drop who takes too long to say what it wants, be it byte by byte."""
        latest_s = time.monotonic() - self.patience_s
        with self._lock:
            done = [c for c, client in self._clients.items() if not client.thread.is_alive()]
            for connection in done:
                del self._clients[connection]
            for connection, client in self._clients.items():
                if not client.asked and client.since_s < latest_s:
                    _cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a mistake of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _cut(connection: socket.socket) -> None:
    """End both directions, so that a thread that reads or writes there goes on at once."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """The address of a host, and its kind."""
    with suppress(OSError, ValueError):  # a strange name is a UnicodeError, which is a ValueError
        if host:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            return family, address
    raise ConfigError(
        f"the page cannot listen on {host!r}, which is no host that can be found",
        fix="give 127.0.0.1, an address of this machine, or 0.0.0.0 for all of them",
    )


def _joined(ip: Any, port: Any) -> str:
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def _outward(family: socket.AddressFamily) -> str:
    """The address by which others reach this machine, or its name where it has no network."""
    elsewhere = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((elsewhere, 9))  # sends nothing
        return str(probe.getsockname()[0])
    return socket.gethostname()
