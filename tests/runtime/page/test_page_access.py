"""Who may see the page, and what they may ask for."""

from __future__ import annotations

import socket

import pytest
from page_clients import FAST, TOKEN, WAIT_S, ask, page_at, picture_of, port_of, watching

from curbside.runtime.page import Board


def status_of(page, path="/facts.json", **headers) -> int:
    return ask(page, path, headers=headers)[0]


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
    with page_at() as page:
        assert page.token is None
        assert page.link == page.url == f"http://127.0.0.1:{port_of(page)}/"
        for path in ("/", "/facts.json"):
            assert status_of(page, path, Host=host) == status


def test_a_request_without_a_host_or_with_two():
    with page_at() as page:
        for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
            with socket.create_connection(("127.0.0.1", port_of(page)), WAIT_S) as raw:
                raw.sendall(b"GET / HTTP/1.0\r\n" + hosts + b"\r\n")
                assert b" 403 " in raw.makefile("rb").readline()


@pytest.mark.parametrize("path", ["/", "/facts.json", "/picture.jpg", "/stream.mjpg", "/nothing"])
def test_without_the_token_there_is_nothing(path):
    board = Board(FAST)
    board.publish(picture_of(1), {"title": "secret"})
    with page_at(board, token=TOKEN) as page:
        cookie = f"curbside_{port_of(page)}"
        for headers in (
            {},
            {"Authorization": "Bearer wrong-token"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer"},
            {"Cookie": f"{cookie}=wrong-token; other={TOKEN}"},
            {"Cookie": f"{cookie}=\xff\xfe"},
        ):
            status, answer, body = ask(page, path, headers=headers)
            assert (status, answer["WWW-Authenticate"]) == (401, "Bearer")
            assert body.count(b"\n") == 1 and b"secret" not in body
        for query in (f"token={TOKEN}x", "token=", f"Token={TOKEN}", "token=%ff", "&" * 50):
            status, answer, _ = ask(page, f"{path}?{query}")
            assert (status, answer["Set-Cookie"]) == (401, None)


def test_the_token_moves_from_the_address_to_a_cookie():
    with page_at(token=TOKEN) as page:
        assert page.link == f"{page.url}?token={TOKEN}"
        for path in ("/", "/facts.json"):
            status, headers, body = ask(page, f"{path}?a=b&token={TOKEN}")
            assert (status, headers["Location"], body) == (303, path, b"")
            cookie, *flags = (part.strip() for part in headers["Set-Cookie"].split(";"))
            assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict"]
            assert status_of(page, path, Cookie=f"x=1; {cookie}") == 200
            assert status_of(page, path, Cookie=f"x=1; {cookie}x") == 401
        assert status_of(page, Authorization=f"Bearer {TOKEN}") == 200
        assert status_of(page, Authorization=f"bearer  {TOKEN}", Host="car.example") == 200
        assert ask(page, f"/nothing?token={TOKEN}")[0] == 404
        with watching(page, {"Cookie": cookie}) as stream:
            assert stream.status == 200


def test_beyond_loopback_a_token_is_made():
    with page_at(host="0.0.0.0") as page, page_at(host="0.0.0.0") as other:
        assert len(page.token) >= 20 and page.token != other.token
        assert "0.0.0.0" not in page.url
        assert status_of(page) == 401
        assert status_of(page, Authorization=f"Bearer {page.token}") == 200
        assert status_of(page, Authorization=f"Bearer {other.token}") == 401
    with page_at(host="0.0.0.0", token=TOKEN) as page:
        assert page.token == TOKEN


def test_it_can_only_be_read():
    board = Board(FAST)
    board.publish(picture_of(9), {})
    with page_at(board) as page:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "nonsense"):
            status, headers, body = ask(page, "/", method=method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")
            assert body.count(b"\n") == 1
        for path in ("/", "/picture.jpg", "/stream.mjpg"):
            status, headers, body = ask(page, path, method="HEAD")
            assert (status, body) == (200, b"")
            assert headers["Content-Type"] is not None
        assert int(ask(page, "/", method="HEAD")[1]["Content-Length"]) == len(ask(page, "/")[2])


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
    with page_at() as page:
        status, headers, body = ask(page, path)
        assert (status, body) == (404, b"there is nothing here; the page is at /\n")
        assert headers["Content-Type"].startswith("text/plain")


def test_headers_of_every_answer():
    with page_at() as page:
        answers = [ask(page, "/"), ask(page, "/facts.json"), ask(page, "/nothing")]
        answers += [
            ask(page, "/", method="POST"),
            ask(page, "/", headers={"Host": "evil.example"}),
        ]
        answers.append(ask(page, "/picture.jpg"))
    assert [status for status, *_ in answers] == [200, 200, 404, 405, 403, 503]
    for _, headers, _ in answers:
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert "Python" not in headers["Server"]
