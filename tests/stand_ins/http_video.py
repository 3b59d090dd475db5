"""A web server of a few lines: a file, in parts where the client asks for parts, and a camera's JPEGs
as `multipart/x-mixed-replace`, which goes on for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["serve_http"]


@contextmanager
def serve_http(
    *, file: bytes = b"", jpegs: tuple[bytes, ...] = (), rate: float = 50, limit: int | None = None
) -> Iterator[str]:
    """Serve `/clip.mp4` and `/camera`; gives the address of the server.

    Args:
        file: What lies behind `/clip.mp4`.
        jpegs: What `/camera` sends, again and again.
        rate: Pictures per second.
        limit: After so many pictures the camera is silent, and keeps the connection.
    """
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            try:
                if self.path.startswith("/clip.mp4"):
                    self._send_file()
                elif self.path.startswith("/camera"):
                    self._send_pictures()
                else:
                    self.send_error(404)
            except OSError:  # the client went away
                pass

        def _send_file(self) -> None:
            first = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
            self.send_response(206)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(file) - first))
            self.send_header("Content-Range", f"bytes {first}-{len(file) - 1}/{len(file)}")
            self.end_headers()
            self.wfile.write(file[first:])

        def _send_pictures(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            number = 0
            while not closing.is_set():
                if limit is None or number < limit:
                    jpeg = jpegs[number % len(jpegs)]
                    head = (
                        f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    )
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    self.wfile.flush()
                number += 1
                time.sleep(1 / rate)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
