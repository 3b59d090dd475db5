"""What the page shows, over a real connection."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest
from page_clients import (
    FAST,
    WAIT_S,
    Encoder,
    ask,
    decoded,
    level_of,
    page_at,
    picture_of,
    until,
    watching,
)

from curbside.errors import ConfigError, SourceError
from curbside.labels import LabelClass, LabelSpace
from curbside.results import SemanticResult
from curbside.runtime import Fault, Frame, Pipeline
from curbside.runtime.page import Board, BoardConfig, live_facts
from curbside.runtime.sources import Source


def test_before_the_first_picture():
    with page_at() as page:
        assert ask(page, "/picture.jpg")[0] == 503
        status, headers, body = ask(page, "/facts.json")
        assert (status, json.loads(body)) == (200, {"picture": None, "since_ms": None})
        assert headers["Content-Type"] == "application/json"


def test_the_newest_picture_and_its_facts():
    board = Board(BoardConfig(fps=1000, max_width=50, quality=95))
    with page_at(board) as page:
        for level in (10, 200):
            board.publish(picture_of(level, (60, 100)), {"title": f"level {level}"})
        status, headers, body = ask(page, "/picture.jpg")
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert body.startswith(b"\xff\xd8\xff")
        assert decoded(body).shape == (30, 50, 3)
        assert level_of(body) == pytest.approx(200, abs=2)
        facts = json.loads(ask(page, "/facts.json")[2])
        assert (facts["title"], facts["picture"]) == ("level 200", 1)
        assert facts["since_ms"] >= 0
        board.publish(np.array([[[255, 0, 0]]], np.uint8), {})  # smaller than the greatest width
        assert decoded(ask(page, "/picture.jpg")[2]).tolist() == [
            [[pytest.approx(254, abs=2), *[pytest.approx(0, abs=2)] * 2]]
        ]


def test_facts_are_json_whatever_they_hold():
    board = Board()
    with page_at(board) as page:
        odd = {"fps": float("nan"), "title": "<script>alert('ü')</script>", "n": np.int64(4)}
        board.publish(picture_of(0), odd)
        facts = json.loads(ask(page, "/facts.json")[2], parse_constant=pytest.fail)
        assert facts["fps"] is None
        assert facts["title"] == "<script>alert('ü')</script>"
        assert facts["n"] == 4


def test_facts_that_must_be_made_are_made_when_somebody_asks():
    made = []

    def make():
        made.append(threading.current_thread().name)
        return {"title": "made"}

    board = Board()
    with page_at(board) as page:
        for _ in range(50):
            board.publish(picture_of(0), make)
        assert made == []
        assert json.loads(ask(page, "/facts.json")[2])["title"] == "made"
        assert made == ["curbside-page-client"]


def test_the_facts_of_a_pipeline():
    class Grey(Source):
        title, total = "two grey frames", 2

        def frames(self, start_s=0.0):
            for index in range(2):
                yield Frame(index, index / 10, picture_of(50 + index, (2, 4)))

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
    with page_at(board) as page:
        pipeline = Pipeline(Grey(), Half())
        for shown in pipeline:
            facts = partial(
                live_facts, pipeline, shown, source="grey", precision="fp32", faults=faults
            )
            board.publish(shown.picture_bgr, facts)
        told = json.loads(ask(page, "/facts.json")[2])
    assert told["shares"] == {"road": 0.75, "tree": 0.25}
    assert told["objects"] == {}
    assert (told["model"], told["source"], told["precision"]) == ("half of it", "grey", "fp32")
    assert (told["frames"], told["dropped"], told["late"], told["recording"]) == (2, 0, 0, None)
    assert told["stages"]["network"]["count"] == 2
    assert [item["message"] for item in told["faults"]] == [
        f"{n} is gone" for n in range(29, 9, -1)
    ]


def test_the_page_brings_everything_and_may_do_nothing_else():
    with page_at() as page:
        status, headers, body = ask(page, "/")
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


def test_the_stream_shows_pictures_that_change_in_content_and_size():
    board = Board(BoardConfig(fps=1000, max_width=80))
    with page_at(board) as page, watching(page) as stream:
        for level, size, there in (
            (20, (36, 64), (36, 64)),
            (120, (90, 160), (45, 80)),
            (220, (7, 5), (7, 5)),
        ):
            board.publish(picture_of(level, size), {})
            data = stream.next()
            assert level_of(data) == pytest.approx(level, abs=2)
            assert decoded(data).shape[:2] == there


def test_nothing_is_encoded_while_nobody_watches_and_once_however_many_watch():
    board, encoder = Board(FAST), Encoder()
    with page_at(board, encode=encoder) as page:
        for level in range(20):
            board.publish(picture_of(level), {})
            ask(page, "/facts.json")
        assert encoder.sizes == []
        with ExitStack() as stack:
            streams = [stack.enter_context(watching(page)) for _ in range(3)]
            assert [level_of(stream.next()) for stream in streams] == [19] * 3
            board.publish(picture_of(77), {})
            assert [level_of(stream.next()) for stream in streams] == [77] * 3
            assert level_of(ask(page, "/picture.jpg")[2]) == 77
            assert len(encoder.sizes) == 2
        until(lambda: page._server.feed._watchers == 0)
        board.publish(picture_of(78), {})
        ask(page, "/facts.json")
        assert len(encoder.sizes) == 2
        # who comes back sees what is up now, not what was encoded last
        assert level_of(ask(page, "/picture.jpg")[2]) == 78


def test_publishing_waits_for_nobody_and_nothing_queues():
    board, encoder = Board(FAST), Encoder()
    with page_at(board, encode=encoder) as page, watching(page) as stream:
        encoder.free.clear()
        board.publish(picture_of(0), {})
        assert encoder.begun.wait(WAIT_S)
        for level in range(1, 200):  # the encoder stands still meanwhile
            board.publish(picture_of(level), {})
        encoder.free.set()
        if (level := level_of(stream.next())) != 199:  # it may have missed the first
            assert (level, level_of(stream.next())) == (0, 199)
        assert len(encoder.sizes) == 2


def test_pictures_come_at_the_rate_chosen():
    board, encoder = Board(BoardConfig(fps=20)), Encoder()
    with page_at(board, encode=encoder) as page, watching(page) as stream:
        start_s, count = time.monotonic(), 0
        while count < 6:
            board.publish(picture_of(count), {})
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


def test_a_picture_that_cannot_be_encoded_does_not_end_those_after_it():
    from curbside.runtime.page.feed import encode_picture

    calls = []

    def encode(picture_bgr, config):
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError
        return encode_picture(picture_bgr, config)

    board = Board(FAST)
    with page_at(board, encode=encode) as page:
        board.publish(picture_of(100), {})
        assert ask(page, "/picture.jpg")[0] == 200  # the second try
        board.publish(picture_of(200), {})
        assert level_of(ask(page, "/picture.jpg")[2]) == pytest.approx(200, abs=3)
    assert len(calls) >= 3


def test_facts_that_cannot_be_told_are_an_answer_too():
    def facts():
        raise RuntimeError("nothing to say")

    board = Board(FAST)
    board.publish(picture_of(10), facts)
    with page_at(board) as page:
        status, _, body = ask(page, "/facts.json")
    assert (status, body) == (500, b"the facts cannot be told: RuntimeError\n")
