"""What bad clients can do to the page, and where it cannot listen."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from page_clients import (
    FAST,
    TOKEN,
    WAIT_S,
    Encoder,
    ask,
    level_of,
    page_at,
    picture_of,
    port_of,
    until,
    watching,
)

from curbside.errors import ConfigError
from curbside.runtime.page import Board, BoardConfig, LivePage


def _stalled(page: LivePage, asks: bytes) -> socket.socket:
    """A client that asks and never reads."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(WAIT_S)
    raw.connect(("127.0.0.1", port_of(page)))
    raw.sendall(asks)
    return raw


WATCH = b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n"


def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up():
    board = Board(BoardConfig(fps=1000, max_width=2000))
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    with page_at(board, patience_s=0.4) as page, _stalled(page, WATCH):
        seats = page._server.seats
        with watching(page) as stream:
            until(lambda: seats._value == 6)

            def others_still_see():
                board.publish(noise, {})
                return stream.next() is not None

            until(lambda: others_still_see() and seats._value == 7)
            assert others_still_see()


def test_a_client_that_asks_byte_by_byte_is_dropped():
    def is_cut() -> bool:
        try:
            raw.sendall(b"a")
            return raw.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    with page_at(patience_s=0.3) as page, _stalled(page, b"GET / HTTP/1.0\r\nHost: loc") as raw:
        raw.setblocking(False)
        until(is_cut)


def test_a_client_that_says_nothing_is_dropped():
    with page_at(patience_s=0.1) as page, _stalled(page, b"") as raw:
        assert raw.recv(1) == b""


def test_a_ninth_watcher_is_refused_in_one_line_and_there_is_room_again():
    with page_at() as page, ExitStack() as stack:
        streams = [stack.enter_context(watching(page)) for _ in range(8)]
        assert [stream.status for stream in streams] == [200] * 8
        status, _, body = ask(page, "/stream.mjpg")
        assert (status, body.count(b"\n")) == (503, 1)
        assert ask(page, "/facts.json")[0] == 200
        streams[3].close()  # it is noticed without a picture to send
        until(lambda: page._server.seats._value == 1)
        with watching(page) as stream:
            assert stream.status == 200


def test_too_many_connections_are_turned_away_and_the_others_go_on():
    board = Board(FAST)
    with page_at(board) as page, ExitStack() as stack, watching(page) as stream:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port_of(page)), WAIT_S))
            for _ in range(80)
        ]
        assert idle[-1].recv(1) == b""
        board.publish(picture_of(8), {})
        assert level_of(stream.next()) == pytest.approx(8, abs=2)


def test_closing_ends_every_client(capfd):
    board = Board(FAST)
    board.publish(picture_of(30), {})
    page = page_at(board).start()
    port = port_of(page)
    with ExitStack() as stack:
        streams = [stack.enter_context(watching(page)) for _ in range(3)]
        assert all(stream.next() for stream in streams)
        for asks in (b"", b"GET / HT", WATCH):
            stack.enter_context(_stalled(page, asks))
        until(lambda: len(page._server._clients) >= 6)
        page.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("curbside-page")]
        assert [stream.next() for stream in streams] == [None] * 3
    page.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WAIT_S)
    board.publish(picture_of(31), {})
    assert capfd.readouterr() == ("", "")  # clients that leave are no news


def test_closing_does_not_wait_for_an_encoder_that_is_slow():
    board, encoder = Board(FAST), Encoder()
    with page_at(board, encode=encoder) as page, watching(page) as stream:
        encoder.free.clear()
        board.publish(picture_of(0), {})
        assert encoder.begun.wait(WAIT_S)
        threading.Timer(0.1, encoder.free.set).start()
        page.close()
        while stream.next() is not None:
            pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": -1}, "no port -1"),
        ({"port": 65_536}, "no port 65536"),
        ({"host": ""}, "no host"),
        ({"host": "a..b"}, "no host"),
        ({"host": "a\0b"}, "no host"),
        ({"token": ""}, "token"),
        ({"token": "short"}, "8 to 200"),
        ({"token": "with a space\r\n"}, "token"),
        ({"patience_s": 0}, "within 0 s"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(settings, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        LivePage(Board(), **settings)
    assert "\n" not in str(refusal.value)


def test_a_port_in_use_and_a_host_that_is_not_ours():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127.0.0.1:{port}.*another program has it"):
            LivePage(Board(), port=port).start()
    with pytest.raises(ConfigError, match=r"192\.0\.2\.7:\d+.*no such address"):
        LivePage(Board(), host="192.0.2.7", port=0, token=TOKEN).start()


def test_it_can_be_started_again():
    page = page_at()
    for _ in range(2):
        with page, page:  # twice is well
            assert ask(page, "/")[0] == 200
