"""Clients of a live page, and what stands in for the encoder behind it."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from curbside.runtime.page import Board, BoardConfig, LivePage

__all__ = [
    "FAST",
    "TOKEN",
    "WAIT_S",
    "Encoder",
    "Stream",
    "ask",
    "decoded",
    "level_of",
    "page_at",
    "picture_of",
    "port_of",
    "until",
    "watching",
]

WAIT_S = 20.0  # nothing takes so long, unless it hangs
FAST = BoardConfig(fps=1000)
TOKEN = "a-token.of_19~signs"


class Encoder:
    """Stands in for what makes JPEG files: counts them, and can be held up."""

    def __init__(self):
        self.sizes: list[tuple[int, ...]] = []
        self.begun, self.free = threading.Event(), threading.Event()
        self.free.set()

    def __call__(self, picture, config):
        self.sizes.append(picture.shape[:2])
        self.begun.set()
        assert self.free.wait(WAIT_S)
        return cv2.imencode(".png", picture)[1].tobytes()  # exact


def picture_of(level: int, size_hw=(36, 64)) -> np.ndarray:
    return np.full((*size_hw, 3), level, np.uint8)


def level_of(data: bytes) -> int:
    return round(decoded(data).mean())


def decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def port_of(page: LivePage) -> int:
    return int(re.fullmatch(r"http://.*:(\d+)/", page.url)[1])


def ask(page, path, *, method="GET", headers=None):
    """Status, headers and body of an answer; the path is sent as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(page), timeout=WAIT_S)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Stream:
    """A client that watches."""

    def __init__(self, page: LivePage, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port_of(page), timeout=WAIT_S)
        self.connection.request("GET", "/stream.mjpg", headers=headers or {})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        if self.status == 200:
            kind = self.answer.headers["Content-Type"]
            assert kind == "multipart/x-mixed-replace; boundary=picture"
            assert self.answer.readline() == b"--picture\r\n"

    def next(self) -> bytes | None:
        """The next picture; None at the end."""
        headers = {}
        while (line := self.answer.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name] = value.strip()
        if not headers:
            return None
        assert headers["Content-Type"] == "image/jpeg"
        data = self.answer.read(int(headers["Content-Length"]))
        # what begins the next picture is there at once: browsers wait for it
        assert self.answer.read(2 + len(b"--picture\r\n")) == b"\r\n--picture\r\n"
        return data

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


@contextmanager
def watching(page: LivePage, headers=None) -> Iterator[Stream]:
    stream = Stream(page, headers)
    try:
        yield stream
    finally:
        stream.close()


def until(condition) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def page_at(board: Board | None = None, **settings) -> LivePage:
    return LivePage(board or Board(FAST), port=0, **settings)
