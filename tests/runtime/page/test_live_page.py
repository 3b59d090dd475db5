"""The page over a real connection: what it shows, to whom, and what a bad client can do to it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import cv2
import numpy as np
import pytest

from curbside.errors import ConfigError, SourceError
from curbside.labels import LabelClass, LabelSpace
from curbside.results import SemanticResult
from curbside.runtime import Fault, Frame, Pipeline
from curbside.runtime.page import Board, BoardConfig, LivePage, live_facts
from curbside.runtime.sources import Source

WAIT_S = 20.0  # nothing takes so long, unless it hangs
FAST = BoardConfig(fps=1000)
TOKEN = "a-token.of_19~signs"


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("curbside")] == []


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


def _picture(level: int, size_hw=(36, 64)) -> np.ndarray:
    return np.full((*size_hw, 3), level, np.uint8)


def _level(data: bytes) -> int:
    return round(_decoded(data).mean())


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def _port(page: LivePage) -> int:
    return int(re.fullmatch(r"http://.*:(\d+)/", page.url)[1])


def _ask(page, path, *, method="GET", headers=None):
    """Status, headers and body of an answer; the path is sent as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", _port(page), timeout=WAIT_S)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Stream:
    """A client that watches."""

    def __init__(self, page: LivePage, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", _port(page), timeout=WAIT_S)
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
def _watching(page: LivePage, headers=None) -> Iterator[Stream]:
    stream = Stream(page, headers)
    try:
        yield stream
    finally:
        stream.close()


def _until(condition) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def _page(board: Board | None = None, **settings) -> LivePage:
    return LivePage(board or Board(FAST), port=0, **settings)


# -- what it shows --------------------------------------------------------------------------------


def test_before_the_first_picture():
    with _page() as page:
        assert _ask(page, "/picture.jpg")[0] == 503
        status, headers, body = _ask(page, "/facts.json")
        assert (status, json.loads(body)) == (200, {"picture": None, "since_ms": None})
        assert headers["Content-Type"] == "application/json"


def test_the_newest_picture_and_its_facts():
    board = Board(BoardConfig(fps=1000, max_width=50, quality=95))
    with _page(board) as page:
        for level in (10, 200):
            board.publish(_picture(level, (60, 100)), {"title": f"level {level}"})
        status, headers, body = _ask(page, "/picture.jpg")
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert body.startswith(b"\xff\xd8\xff")
        assert _decoded(body).shape == (30, 50, 3)
        assert _level(body) == pytest.approx(200, abs=2)
        facts = json.loads(_ask(page, "/facts.json")[2])
        assert (facts["title"], facts["picture"]) == ("level 200", 1)
        assert facts["since_ms"] >= 0
        board.publish(np.array([[[255, 0, 0]]], np.uint8), {})  # smaller than the greatest width
        assert _decoded(_ask(page, "/picture.jpg")[2]).tolist() == [
            [[pytest.approx(254, abs=2), *[pytest.approx(0, abs=2)] * 2]]
        ]


def test_facts_are_json_whatever_they_hold():
    board = Board()
    with _page(board) as page:
        odd = {"fps": float("nan"), "title": "<script>alert('ü')</script>", "n": np.int64(4)}
        board.publish(_picture(0), odd)
        facts = json.loads(_ask(page, "/facts.json")[2], parse_constant=pytest.fail)
        assert facts["fps"] is None
        assert facts["title"] == "<script>alert('ü')</script>"
        assert facts["n"] == 4


def test_facts_that_must_be_made_are_made_when_somebody_asks():
    made = []

    def make():
        made.append(threading.current_thread().name)
        return {"title": "made"}

    board = Board()
    with _page(board) as page:
        for _ in range(50):
            board.publish(_picture(0), make)
        assert made == []
        assert json.loads(_ask(page, "/facts.json")[2])["title"] == "made"
        assert made == ["curbside-page-client"]


def test_the_facts_of_a_pipeline():
    class Grey(Source):
        title, total = "two grey frames", 2

        def frames(self, start_s=0.0):
            for index in range(2):
                yield Frame(index, index / 10, _picture(50 + index, (2, 4)))

        def close(self):
            pass

    class Half:
        """Finds road on the left half and trees on the right."""

        title = "half of it"

        def prepare(self, frame_bgr):
            return frame_bgr

        def infer(self, tensor):
            return tensor

        def decode(self, outputs, size_hw):
            names = ("road", "tree")
            classes = [LabelClass(id=i, name=n, color=(i, 0, 0)) for i, n in enumerate(names)]
            ids = np.tile(np.uint8([0, 0, 0, 1]), (2, 1))
            return SemanticResult(ids=ids, space=LabelSpace(name="s", classes=tuple(classes)))

    fault = partial(Fault, stage="capture", action="left it out")
    faults = [fault(error=SourceError(f"{n} is gone", fix="-"), frame=n) for n in range(30)]
    board = Board()
    with _page(board) as page:
        pipeline = Pipeline(Grey(), Half())
        for shown in pipeline:
            facts = partial(
                live_facts, pipeline, shown, source="grey", precision="fp32", faults=faults
            )
            board.publish(shown.picture_bgr, facts)
        told = json.loads(_ask(page, "/facts.json")[2])
    assert told["shares"] == {"road": 0.75, "tree": 0.25}
    assert told["objects"] == {}
    assert (told["model"], told["source"], told["precision"]) == ("half of it", "grey", "fp32")
    assert (told["frames"], told["dropped"], told["late"], told["recording"]) == (2, 0, 0, None)
    assert told["stages"]["network"]["count"] == 2
    assert [item["message"] for item in told["faults"]] == [
        f"{n} is gone" for n in range(29, 9, -1)
    ]


def test_the_page_brings_everything_and_may_do_nothing_else():
    with _page() as page:
        status, headers, body = _ask(page, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert (rules["img-src"], rules["connect-src"]) == ("'self'", "'self'")
    for tag in ("script", "style"):
        inside = re.search(rf"<{tag}>(.*)</{tag}>", body.decode(), re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    text = body.decode()
    assert not re.findall(r"https?://|//[a-z]+\.|innerHTML|outerHTML|insertAdjacent|\beval\b", text)
    assert not re.findall(r"\s(?:on[a-z]+|style)=", text)  # the policy would forbid them
    assert re.findall(r'"(/[^"?]*)\??"', text) == ["/stream.mjpg", "/facts.json", "/picture.jpg"]


# -- the stream -----------------------------------------------------------------------------------


def test_the_stream_shows_pictures_that_change_in_content_and_size():
    board = Board(BoardConfig(fps=1000, max_width=80))
    with _page(board) as page, _watching(page) as stream:
        for level, size, there in (
            (20, (36, 64), (36, 64)),
            (120, (90, 160), (45, 80)),
            (220, (7, 5), (7, 5)),
        ):
            board.publish(_picture(level, size), {})
            data = stream.next()
            assert _level(data) == pytest.approx(level, abs=2)
            assert _decoded(data).shape[:2] == there


def test_nothing_is_encoded_while_nobody_watches_and_once_however_many_watch():
    board, encoder = Board(FAST), Encoder()
    with _page(board, encode=encoder) as page:
        for level in range(20):
            board.publish(_picture(level), {})
            _ask(page, "/facts.json")
        assert encoder.sizes == []
        with ExitStack() as stack:
            streams = [stack.enter_context(_watching(page)) for _ in range(3)]
            assert [_level(stream.next()) for stream in streams] == [19] * 3
            board.publish(_picture(77), {})
            assert [_level(stream.next()) for stream in streams] == [77] * 3
            assert _level(_ask(page, "/picture.jpg")[2]) == 77
            assert len(encoder.sizes) == 2
        _until(lambda: page._server.feed._watchers == 0)
        board.publish(_picture(78), {})
        _ask(page, "/facts.json")
        assert len(encoder.sizes) == 2
        # who comes back sees what is up now, not what was encoded last
        assert _level(_ask(page, "/picture.jpg")[2]) == 78


def test_publishing_waits_for_nobody_and_nothing_queues():
    board, encoder = Board(FAST), Encoder()
    with _page(board, encode=encoder) as page, _watching(page) as stream:
        encoder.free.clear()
        board.publish(_picture(0), {})
        assert encoder.begun.wait(WAIT_S)
        for level in range(1, 200):  # the encoder stands still meanwhile
            board.publish(_picture(level), {})
        encoder.free.set()
        if (level := _level(stream.next())) != 199:  # it may have missed the first
            assert (level, _level(stream.next())) == (0, 199)
        assert len(encoder.sizes) == 2


def test_pictures_come_at_the_rate_chosen():
    board, encoder = Board(BoardConfig(fps=20)), Encoder()
    with _page(board, encode=encoder) as page, _watching(page) as stream:
        start_s, count = time.monotonic(), 0
        while count < 6:
            board.publish(_picture(count), {})
            if len(encoder.sizes) > count:
                count += 1
                assert stream.next() is not None
            time.sleep(0.002)
        assert time.monotonic() - start_s >= 5 / 20  # five pauses between six pictures


def test_a_picture_must_be_one():
    board = Board()
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"must be \(H, W, 3\) uint8"):
            board.publish(wrong, {})
    assert board.newest is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fps": 0}, "0 pictures per second"),
        ({"fps": float("nan")}, "nan pictures per second"),
        ({"quality": 101}, "quality of 101"),
        ({"max_width": 0}, "0 pixels wide"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        BoardConfig(**settings)


# -- who may look ---------------------------------------------------------------------------------


def _allowed(page, path="/facts.json", **headers) -> int:
    return _ask(page, path, headers=headers)[0]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8080", 200),
        ("localhost:1", 200),
        ("LocalHost", 200),
        ("[::1]:8080", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8080", 403),
        ("localhost@evil.example", 403),
        ("evil.example/localhost", 403),
        ("evil.example@localhost", 403),
        ("localhost/evil.example", 403),
        ("192.168.1.4", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_on_loopback_it_answers_to_loopback_names_alone(host, status):
    with _page() as page:
        assert page.token is None
        assert page.link == page.url == f"http://127.0.0.1:{_port(page)}/"
        for path in ("/", "/facts.json"):
            assert _allowed(page, path, Host=host) == status


def test_a_request_without_a_host_or_with_two():
    with _page() as page:
        for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
            with socket.create_connection(("127.0.0.1", _port(page)), WAIT_S) as raw:
                raw.sendall(b"GET / HTTP/1.0\r\n" + hosts + b"\r\n")
                assert b" 403 " in raw.makefile("rb").readline()


@pytest.mark.parametrize("path", ["/", "/facts.json", "/picture.jpg", "/stream.mjpg", "/nothing"])
def test_without_the_token_there_is_nothing(path):
    board = Board(FAST)
    board.publish(_picture(1), {"title": "secret"})
    with _page(board, token=TOKEN) as page:
        cookie = f"curbside_{_port(page)}"
        for headers in (
            {},
            {"Authorization": "Bearer wrong-token"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer"},
            {"Cookie": f"{cookie}=wrong-token; other={TOKEN}"},
            {"Cookie": f"{cookie}=\xff\xfe"},
        ):
            status, answer, body = _ask(page, path, headers=headers)
            assert (status, answer["WWW-Authenticate"]) == (401, "Bearer")
            assert body.count(b"\n") == 1 and b"secret" not in body
        for query in (f"token={TOKEN}x", "token=", f"Token={TOKEN}", "token=%ff", "&" * 50):
            status, answer, _ = _ask(page, f"{path}?{query}")
            assert (status, answer["Set-Cookie"]) == (401, None)


def test_the_token_moves_from_the_address_to_a_cookie():
    with _page(token=TOKEN) as page:
        assert page.link == f"{page.url}?token={TOKEN}"
        for path in ("/", "/facts.json"):
            status, headers, body = _ask(page, f"{path}?a=b&token={TOKEN}")
            assert (status, headers["Location"], body) == (303, path, b"")
            cookie, *flags = (part.strip() for part in headers["Set-Cookie"].split(";"))
            assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict"]
            assert _allowed(page, path, Cookie=f"x=1; {cookie}") == 200
            assert _allowed(page, path, Cookie=f"x=1; {cookie}x") == 401
        assert _allowed(page, Authorization=f"Bearer {TOKEN}") == 200
        assert _allowed(page, Authorization=f"bearer  {TOKEN}", Host="car.example") == 200
        assert _ask(page, f"/nothing?token={TOKEN}")[0] == 404
        with _watching(page, {"Cookie": cookie}) as stream:
            assert stream.status == 200


def test_beyond_loopback_a_token_is_made():
    with _page(host="0.0.0.0") as page, _page(host="0.0.0.0") as other:
        assert len(page.token) >= 20 and page.token != other.token
        assert "0.0.0.0" not in page.url
        assert _allowed(page) == 401
        assert _allowed(page, Authorization=f"Bearer {page.token}") == 200
        assert _allowed(page, Authorization=f"Bearer {other.token}") == 401
    with _page(host="0.0.0.0", token=TOKEN) as page:
        assert page.token == TOKEN


def test_it_can_only_be_read():
    board = Board(FAST)
    board.publish(_picture(9), {})
    with _page(board) as page:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "nonsense"):
            status, headers, body = _ask(page, "/", method=method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")
            assert body.count(b"\n") == 1
        for path in ("/", "/picture.jpg", "/stream.mjpg"):
            status, headers, body = _ask(page, path, method="HEAD")
            assert (status, body) == (200, b"")
            assert headers["Content-Type"] is not None
        assert int(_ask(page, "/", method="HEAD")[1]["Content-Length"]) == len(_ask(page, "/")[2])


@pytest.mark.parametrize(
    "path",
    [
        "/../page.html",
        "/..%2f..%2fetc/passwd",
        "/../../../../etc/passwd",
        "/page.html",
        "/facts.json/",
        "/facts.jso%6e",
        "//127.0.0.1/facts.json",
        "http://127.0.0.1/facts.json",
        "*",
        "/stream.mjpg%00",
        "/favicon.ico",
    ],
)
def test_everything_else_is_not_there(path):
    with _page() as page:
        status, headers, body = _ask(page, path)
        assert (status, body) == (404, b"there is nothing here; the page is at /\n")
        assert headers["Content-Type"].startswith("text/plain")


def test_headers_of_every_answer():
    with _page() as page:
        answers = [_ask(page, "/"), _ask(page, "/facts.json"), _ask(page, "/nothing")]
        answers += [
            _ask(page, "/", method="POST"),
            _ask(page, "/", headers={"Host": "evil.example"}),
        ]
        answers.append(_ask(page, "/picture.jpg"))
    assert [status for status, *_ in answers] == [200, 200, 404, 405, 403, 503]
    for _, headers, _ in answers:
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert "Python" not in headers["Server"]


# -- bad clients ----------------------------------------------------------------------------------


def _stalled(page: LivePage, asks: bytes) -> socket.socket:
    """A client that asks and never reads."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(WAIT_S)
    raw.connect(("127.0.0.1", _port(page)))
    raw.sendall(asks)
    return raw


WATCH = b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n"


def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up():
    board = Board(BoardConfig(fps=1000, max_width=2000))
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    with _page(board, patience_s=0.4) as page, _stalled(page, WATCH):
        seats = page._server.seats
        with _watching(page) as stream:
            _until(lambda: seats._value == 6)

            def others_still_see():
                board.publish(noise, {})
                return stream.next() is not None

            _until(lambda: others_still_see() and seats._value == 7)
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

    with _page(patience_s=0.3) as page, _stalled(page, b"GET / HTTP/1.0\r\nHost: loc") as raw:
        raw.setblocking(False)
        _until(is_cut)


def test_a_client_that_says_nothing_is_dropped():
    with _page(patience_s=0.1) as page, _stalled(page, b"") as raw:
        assert raw.recv(1) == b""


def test_a_ninth_watcher_is_refused_in_one_line_and_there_is_room_again():
    with _page() as page, ExitStack() as stack:
        streams = [stack.enter_context(_watching(page)) for _ in range(8)]
        assert [stream.status for stream in streams] == [200] * 8
        status, _, body = _ask(page, "/stream.mjpg")
        assert (status, body.count(b"\n")) == (503, 1)
        assert _ask(page, "/facts.json")[0] == 200
        streams[3].close()  # it is noticed without a picture to send
        _until(lambda: page._server.seats._value == 1)
        with _watching(page) as stream:
            assert stream.status == 200


def test_too_many_connections_are_turned_away_and_the_others_go_on():
    board = Board(FAST)
    with _page(board) as page, ExitStack() as stack, _watching(page) as stream:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", _port(page)), WAIT_S))
            for _ in range(80)
        ]
        assert idle[-1].recv(1) == b""
        board.publish(_picture(8), {})
        assert _level(stream.next()) == pytest.approx(8, abs=2)


def test_closing_ends_every_client(capfd):
    board = Board(FAST)
    board.publish(_picture(30), {})
    page = _page(board).start()
    port = _port(page)
    with ExitStack() as stack:
        streams = [stack.enter_context(_watching(page)) for _ in range(3)]
        assert all(stream.next() for stream in streams)
        for asks in (b"", b"GET / HT", WATCH):
            stack.enter_context(_stalled(page, asks))
        _until(lambda: len(page._server._clients) >= 6)
        page.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("curbside-page")]
        assert [stream.next() for stream in streams] == [None] * 3
    page.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WAIT_S)
    board.publish(_picture(31), {})
    assert capfd.readouterr() == ("", "")  # clients that leave are no news


def test_closing_does_not_wait_for_an_encoder_that_is_slow():
    board, encoder = Board(FAST), Encoder()
    with _page(board, encode=encoder) as page, _watching(page) as stream:
        encoder.free.clear()
        board.publish(_picture(0), {})
        assert encoder.begun.wait(WAIT_S)
        threading.Timer(0.1, encoder.free.set).start()
        page.close()
        while stream.next() is not None:
            pass


# -- where it listens -----------------------------------------------------------------------------


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
    page = _page()
    for _ in range(2):
        with page, page:  # twice is well
            assert _ask(page, "/")[0] == 200
