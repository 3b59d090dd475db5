"""What the page answers to a request."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from .access import Verdict
from .feed import Jpeg
from .markup import content_policy, markup

if TYPE_CHECKING:
    from .server import PageServer

__all__ = ["Request"]

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Connection": "close",
}
_REFUSED = {
    Verdict.NO_TOKEN: (
        HTTPStatus.UNAUTHORIZED,
        "this page asks for a token: open its address with ?token=..., or send it as Authorization: Bearer",
    ),
    Verdict.FOREIGN_NAME: (
        HTTPStatus.FORBIDDEN,
        "this page answers to localhost and 127.0.0.1 alone; use one of them, or give the page a token",
    ),
}
_PART = b"--picture\r\n"
_BUFFER = 1 << 17
"""What the system holds back for a slow client of the stream, in bytes: a picture or two, not seconds."""
_LOOK_S = 0.5
_AGAIN_S = 5.0
"""While no picture comes the last one is sent again so often: a client that vanished is then noticed."""


class Request(BaseHTTPRequestHandler):
    """One request, on a thread of its own; the connection ends with the answer."""

    server: PageServer
    server_version, sys_version = "curbside", ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Wait for nothing longer than the server's patience."""
        self.timeout = self.server.patience_s  # type: ignore[misc]
        super().setup()

    def do_GET(self) -> None:
        """Answer."""
        self.server.has_asked(self.connection)
        path, _, query = self.path.partition("?")
        verdict = self.server.access.judge(self.headers, query)
        if verdict in _REFUSED:
            status, line = _REFUSED[verdict]
            self._line(status, line, {"WWW-Authenticate": "Bearer"} if status == 401 else {})
            return
        answer = {
            "/": self._page,
            "/facts.json": self._facts,
            "/picture.jpg": self._picture,
            "/stream.mjpg": self._stream,
        }.get(path)
        if answer is None:
            self._line(HTTPStatus.NOT_FOUND, "there is nothing here; the page is at /")
        elif verdict is Verdict.REMEMBER:
            self._send(
                HTTPStatus.SEE_OTHER, {"Location": path, "Set-Cookie": self.server.access.cookie}
            )
        else:
            answer()

    def do_HEAD(self) -> None:
        """Answer with headers alone."""
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no request, in one line."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
            self._line(
                status, "this page can be read only: use GET or HEAD", {"Allow": "GET, HEAD"}
            )
        else:
            self._line(status, status.phrase)

    def end_headers(self) -> None:
        """Headers that every answer has."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", content_policy())
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what clients do is no news."""

    def _page(self) -> None:
        self._send(HTTPStatus.OK, {}, markup(), "text/html; charset=utf-8")

    def _facts(self) -> None:
        try:
            text = json.dumps(self.server.board.facts(), allow_nan=False, ensure_ascii=False)
        except Exception as error:
            line = f"the facts cannot be told: {type(error).__name__}"
            self._line(HTTPStatus.INTERNAL_SERVER_ERROR, line)
            return
        self._send(HTTPStatus.OK, {}, text.encode("utf-8", "replace"), "application/json")

    def _picture(self) -> None:
        jpeg: Jpeg | None = None
        if self.server.board.newest is not None:
            with self.server.feed.watching() as after:
                jpeg = self.server.feed.next(after, self.server.patience_s)
        if jpeg is None:
            self._line(HTTPStatus.SERVICE_UNAVAILABLE, "there is no picture yet; try again soon")
        else:
            self._send(HTTPStatus.OK, {}, jpeg.data, "image/jpeg")

    def _stream(self) -> None:
        headers = {"Content-Type": f"multipart/x-mixed-replace; boundary={_PART[2:-2].decode()}"}
        if self.command == "HEAD":
            self._send(HTTPStatus.OK, headers)
            return
        seats = self.server.seats
        if not seats.acquire(blocking=False):
            line = "as many watch already as can; close one of the others"
            self._line(HTTPStatus.SERVICE_UNAVAILABLE, line, {"Retry-After": "10"})
            return
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._send(HTTPStatus.OK, headers, _PART)
            self._send_pictures()
        finally:
            seats.release()

    def _send_pictures(self) -> None:
        """Send what comes until the client leaves or the page closes.

        Behind each picture the mark that begins the next one is sent at once: browsers show a picture
        when they see where it ends.
        """
        feed, last, sent_s = self.server.feed, None, time.monotonic()
        with feed.watching() as after:
            while not feed.closed and not self._has_left():
                jpeg = feed.next(after, _LOOK_S)
                if jpeg is None and time.monotonic() - sent_s > _AGAIN_S:
                    jpeg = last
                if jpeg is None:
                    continue
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg.data)}\r\n\r\n"
                self.connection.sendall(b"".join((head.encode(), jpeg.data, b"\r\n", _PART)))
                after, last, sent_s = jpeg.number, jpeg, time.monotonic()

    def _has_left(self) -> bool:
        """Whether the client closed its end; what else it says is not listened to."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(4096)
        except BlockingIOError:
            return False
        finally:
            with suppress(OSError):
                self.connection.settimeout(self.timeout)

    def _line(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, headers or {}, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _send(
        self, status: HTTPStatus, headers: dict[str, str], body: bytes = b"", kind: str = ""
    ) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.connection.sendall(body)
