"""Streams: RTSP and HTTP against small servers of the tests, on this machine's own loopback."""

from __future__ import annotations

import io
import socket
import threading
import time
from pathlib import Path

import cv2
import pytest
from stand_ins.http_video import serve_http
from stand_ins.rtsp_server import RtspServer, serve_rtsp
from video_builders import number_of, numbered, write_video

from curbside.errors import ConfigError, CurbsideError, SourceError
from curbside.runtime import open_source
from curbside.runtime.sources import VideoFile, public_spec, stream
from curbside.runtime.sources.stream import open_stream, public_words

COUNT = 40


@pytest.fixture(scope="module")
def transport():
    """A transport stream of numbered pictures."""
    data = io.BytesIO()
    pictures = (numbered(number, (144, 192)) for number in range(COUNT))
    write_video(data, pictures, codec="mpeg2video", container="mpegts", g="5")
    return data.getvalue()


@pytest.fixture(scope="module")
def jpegs():
    return tuple(cv2.imencode(".jpg", numbered(n))[1].tobytes() for n in range(COUNT))


def first(source, count):
    frames = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == count:
            return frames
    raise AssertionError("it ended")


def test_rtsp_gives_pictures_in_order_over_tcp(transport):
    with serve_rtsp(transport) as server:
        source = open_source(server.address())
        assert (source.live, source.title, source.fps) == (True, server.address(), 25.0)
        assert (source.total, source.duration_s, source.seekable) == (None, None, False)
        frames = first(source, 20)
        numbers = [number_of(frame.bgr) for frame in frames]
        assert numbers == [(numbers[0] + frame.index) % COUNT for frame in frames]
        assert frames[0].timestamp_s == 0.0 < frames[-1].timestamp_s
        assert server.requests[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
        source.close()


def test_a_server_that_goes_away_is_noticed_and_found_again(transport):
    server = RtspServer(transport)
    source = open_source(server.address())
    frames = source.frames()
    next(frames)
    start = time.monotonic()
    server.close()
    with pytest.raises(SourceError, match=r"ended after \d+ frames|broke off"):
        list(frames)
    assert time.monotonic() - start < 4
    with pytest.raises(SourceError, match="connection refused"):
        next(source.frames())
    again = RtspServer(transport, port=server.port)
    assert next(source.frames()).index == 0
    source.close()
    again.close()


def test_a_server_that_falls_silent_is_noticed(transport):
    with serve_rtsp(transport) as server:
        source = open_stream(server.address(), timeout_s=0.5)
        frames = source.frames()
        next(frames)
        server.be_silent()
        start = time.monotonic()
        with pytest.raises(SourceError, match=r"gave no picture for 0\.5 s"):
            list(frames)
        assert time.monotonic() - start < 5
        source.close()


def test_a_silent_server_can_be_left(transport):
    with serve_rtsp(transport) as server:
        source = open_source(server.address())
        frames = source.frames()
        next(frames)
        server.be_silent()
        threading.Timer(0.1, source.interrupt).start()
        start = time.monotonic()
        list(frames)
        assert time.monotonic() - start < 4


def test_passwords_open_the_door_and_are_never_shown(transport):
    with serve_rtsp(transport, password="driver:s3cret") as server:
        source = open_source(server.address("driver:s3cret"))
        assert source.title == server.address()
        source.close()
        for user in ("driver:wr0ng", ""):
            with pytest.raises(SourceError, match="401") as raised:
                open_source(server.address(user))
            assert "wr0ng" not in repr(raised.value) and raised.value.__cause__ is None


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_nobody_there(scheme):
    with pytest.raises(SourceError, match="connection refused") as raised:
        open_source(f"{scheme}://user:s3cret@127.0.0.1:{closed_port()}/road?key=abc")
    assert "s3cret" not in str(raised.value) and "abc" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_somebody_who_never_answers(scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/road"
        start = time.monotonic()
        with pytest.raises(SourceError, match="no answer in time"):
            open_stream(address, timeout_s=0.3)
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("rtsp://user:pa55@cam.local:554/live?token=x", "rtsp://cam.local:554/live"),
        ("rtsp://cam/user=admin_password=pa55_channel=1.sdp", "rtsp://cam/..."),
        ("HTTP://User@[::1]:80/a", "http://[::1]:80/a"),
        ("gst:rtspsrc location=rtsp://u:pa55@cam/1 ! x", "gst:rtspsrc location=rtsp://cam/1 ! x"),
        ("/data/clip.mp4", "/data/clip.mp4"),
        (" rtsp://user:pa55@cam/1", "rtsp://cam/1"),
        ("rtsp:/user:pa55@cam/1", "rtsp://cam/1"),
        ("rtsp:user:pa55@cam/1", "rtsp://cam/1"),
        ("rtsp://user:12/pa55@cam/1", "rtsp://cam/1"),
        ("rtsp://user:12?pa55@cam/1", "rtsp://cam/1"),
        ("rtsp://user:12/p@55@cam/1", "rtsp://cam/1"),
        ("rtsp://user:pa55", "rtsp://..."),
        ("http://cam/x?mail=a@b&key=pa55", "http://b"),
        ("http://cam/x;key=pa55", "http://cam/x"),
        ("http://cam/key=pa55/x", "http://cam/..."),
        ("rtmp://user:pa55@cam/x?k=pa55", "rtmp://cam/x"),
        ("rtmp:/user:pa55@cam/x", "rtmp:/cam/x"),
        ("gst:rtspsrc user-id=me user-pw=pa55 ! x", "gst:rtspsrc user-id=me user-pw=... ! x"),
        ("gst:a PASSWORD='pa 55' ! x", "gst:a PASSWORD=... ! x"),
        ('gst:srtsrc passphrase="pa 55', "gst:srtsrc passphrase=..."),
        ("gst:a uri=http://cam/x?t=pa55 ! x", "gst:a uri=http://cam/x ! x"),
        ("gst:a location=rtsp://u:1/pa55@cam/1 ! x", "gst:a location=rtsp://cam/1 ! x"),
        ("libcamera:/base/i2c@1/imx@10?width=64", "libcamera:/base/i2c@1/imx@10?width=64"),
    ],
)
def test_what_is_shown_of_an_address(spec, shown):
    assert public_spec(spec) == shown


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("rtmp://user:pa55@cam/x", r"^rtmp:// is no kind .*rtsp://, rtsps://, http://, https://"),
        (Path("rtmp://user:pa55@cam/x"), "^rtmp:// is no kind"),
        ("  SRT://cam?passphrase=pa55", "^srt:// is no kind"),
        ("file:///data/pa55.mp4", "^file:// is no kind"),
        ("rtsp:/user:pa55@cam/x", "^rtsp: names no server; write rtsp://server/path"),
        (" rtsp://user:pa55@/x", "names no server"),
        ("http:user:pa55@cam/x", "^http: names no server"),
        ("gst:rtspsrc user-pw='pa55", "pipeline 'rtspsrc user-pw=...' cannot be read"),
        ("/nowhere/token=pa55", "^/nowhere/token=... does not exist"),
        ("x://u:pa55@cam/x", "does not exist"),
    ],
)
def test_what_cannot_be_opened_is_said_without_what_may_be_a_password(spec, said):
    with pytest.raises(CurbsideError, match=said) as raised:
        open_source(spec)
    assert "pa55" not in repr(raised.value)


def test_the_words_of_a_pipeline_are_shown_without_passwords():
    words = ["rtspsrc", "user-pw=pa 55", "location=rtsp://u:pa55@cam/1?k=pa55", "!", "a=b c"]
    assert public_words(words) == "rtspsrc user-pw=... location=rtsp://cam/1 ! a=b c"


@pytest.mark.parametrize(
    "address", ["rtsp://", "http:///path", "rtsp://cam:99999/x", "http://[::1/"]
)
def test_what_is_no_address(address):
    with pytest.raises(ConfigError, match="names no server"):
        open_source(address)


def test_a_camera_that_sends_jpegs_over_http(jpegs):
    with serve_http(jpegs=jpegs) as server:
        source = open_source(f"{server}/camera")
        assert source.live and source.duration_s is None
        frames = first(source, 10)
        numbers = [number_of(frame.bgr) for frame in frames]
        assert numbers == [numbers[0] + frame.index for frame in frames]
        source.close()
        with pytest.raises(SourceError, match="404"):
            open_source(f"{server}/nothing")


def test_a_camera_over_http_is_asked_once(jpegs, monkeypatch):
    """Some let only one in."""
    opened = []
    real = stream.Container

    def counted(*args, **more):
        opened.append(args)
        return real(*args, **more)

    monkeypatch.setattr(stream, "Container", counted)
    with serve_http(jpegs=jpegs) as server:
        source = open_source(f"{server}/camera")
        first(source, 3)
        assert len(opened) == 1
        first(source, 3)  # begun anew
        assert len(opened) == 2
        source.close()


def test_a_camera_over_http_that_hangs_up(jpegs):
    with serve_http(jpegs=jpegs) as server:
        source = open_source(f"{server}/camera")
        frames = source.frames()
        next(frames)
    with pytest.raises(SourceError, match=r"broke off|ended after"):
        list(frames)


def test_a_video_file_over_http_comes_whole_and_can_be_sought(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, map(numbered, range(COUNT)), g="5")
    with serve_http(file=path.read_bytes()) as server:
        source = open_source(f"{server.replace('//', '//user:s3cret@')}/clip.mp4")
        assert isinstance(source, VideoFile)
        assert (source.live, source.total, source.duration_s) == (False, COUNT, 1.6)
        assert source.title == f"{server}/clip.mp4"
        assert [number_of(frame.bgr) for frame in source.frames()] == list(range(COUNT))
        assert number_of(next(source.frames(1.0)).bgr) == 25
        source.close()
