"""An RTSP server of a few lines: one stream of MPEG-TS in RTP, interleaved on the TCP connection.

It speaks what RFC 2326 wants of a minimal server (OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN) and RTP
payload type 33 of RFC 3551: up to seven packets of a transport stream in each RTP packet. It can ask
for a password, stop sending, and go away in mid-stream.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["RtspServer", "serve_rtsp"]

_TS_PACKET, _PER_RTP = 188, 7
_CLOCK_HZ = 90_000


class RtspServer:
    """Serves a transport stream to whoever comes, again and again.

    Args:
        stream: The bytes of the transport stream.
        packets_per_s: RTP packets per second.
        password: `user:password` that it wants, where it wants one.
        port: Where it listens; any that is free where 0.
    """

    def __init__(
        self, stream: bytes, *, packets_per_s: float = 400, password: str = "", port: int = 0
    ) -> None:
        self._stream, self._pause_s, self._password = stream, 1 / packets_per_s, password
        self._silent, self._closing = threading.Event(), threading.Event()
        self._listening = socket.create_server(("127.0.0.1", port))
        self._listening.settimeout(0.05)
        self.port: int = self._listening.getsockname()[1]
        self.requests: list[str] = []
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def address(self, user: str = "") -> str:
        """Where it is, for a client that names itself so."""
        return f"rtsp://{user}{'@' if user else ''}127.0.0.1:{self.port}/road"

    def be_silent(self) -> None:
        """Send nothing more, and keep the connections."""
        self._silent.set()

    def close(self) -> None:
        """Go away, in mid-stream where there is one."""
        self._closing.set()
        self._listening.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while not self._closing.is_set():
                    request = self._receive(connection)
                    if request is None:
                        return
                    if self._answer(connection, request) == "PLAY":
                        self._play(connection)
                        return
            except OSError:
                return

    def _receive(self, connection: socket.socket) -> str | None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            piece = connection.recv(1)
            if not piece:
                return None
            request += piece
        return request.decode()

    def _answer(self, connection: socket.socket, request: str) -> str:
        method = request.split()[0]
        self.requests.append(method)
        headers = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if ": " in line)
        known = base64.b64encode(self._password.encode()).decode()
        lines, body = ["RTSP/1.0 200 OK"], ""
        if self._password and headers.get("Authorization") != f"Basic {known}":
            lines = ["RTSP/1.0 401 Unauthorized", 'WWW-Authenticate: Basic realm="road"']
            method = "refused"
        elif method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=road\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 33\r\na=control:track\r\n"
            )
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            assert "TCP" in headers["Transport"], "this server sends over TCP alone"
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        else:
            lines.append("Session: 1")
        lines.append(f"CSeq: {headers['CSeq']}")
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return method

    def _play(self, connection: socket.socket) -> None:
        size = _TS_PACKET * _PER_RTP
        number = 0
        while True:
            for start in range(0, len(self._stream), size):
                while self._silent.is_set() and not self._closing.is_set():
                    time.sleep(0.01)
                if self._closing.is_set():
                    return
                clock = int(number * self._pause_s * _CLOCK_HZ) & 0xFFFFFFFF
                packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, clock, 7)
                packet += self._stream[start : start + size]
                connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                number += 1
                time.sleep(self._pause_s)


@contextmanager
def serve_rtsp(stream: bytes, **more: object) -> Iterator[RtspServer]:
    """An RTSP server for the length of a block; see `RtspServer`."""
    server = RtspServer(stream, **more)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()
