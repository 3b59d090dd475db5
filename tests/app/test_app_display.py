"""Whether a window can open is found out beforehand, and said in one line."""

import ctypes
import os
import socket
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_models import make_onnx, write_clip

from curbside.app import display
from curbside.app.display import drop_foreign_plugins, load_qt, require_display
from curbside.cli import main
from curbside.errors import ConfigError, CurbsideError


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "there is no display"),
        ({"QT_QPA_PLATFORM": "xcb"}, "DISPLAY is empty"),
        ({"QT_QPA_PLATFORM": "wayland;xcb", "DISPLAY": ":4711"}, "WAYLAND_DISPLAY is empty"),
        ({"QT_QPA_PLATFORM": "linuxfb:fb=/dev/fb7"}, "there is no /dev/fb0"),
        ({"DISPLAY": "nonsense"}, "which is none"),
        ({"DISPLAY": ":4711"}, "the display :4711 does not answer"),
        ({"DISPLAY": "127.0.0.1:59000.0"}, "127.0.0.1:59000.0 does not answer"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "XDG_RUNTIME_DIR is empty"),
        ({"WAYLAND_DISPLAY": "w-9", "XDG_RUNTIME_DIR": "/nowhere"}, "w-9 does not answer"),
    ],
)
def test_without_a_display_a_line_says_what_to_do(environ, said):
    with pytest.raises(ConfigError, match=said) as caught:
        require_display(environ, system="linux")
    assert "curbside run" in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"QT_QPA_PLATFORM": "offscreen"},
        {"QT_QPA_PLATFORM": "vnc:size=800x480"},
        {"QT_QPA_PLATFORM": "wayland", "WAYLAND_SOCKET": "9"},
    ],
)
def test_what_may_open_is_not_refused(environ):
    require_display(environ, system="linux")
    require_display({}, system="darwin")


WELCOME = (
    struct.pack("<BxHHH", 1, 11, 0, 8) + bytes(4) + bytes(28)
)  # of the X11 protocol, without screens
REASON = b"No protocol specified\n\0\0"
REFUSAL = struct.pack("<BBHHH", 0, 22, 11, 0, len(REASON) // 4) + REASON


@contextmanager
def x_server(server: socket.socket, answer: bytes) -> Iterator[None]:
    """Answers whoever says something."""

    def serve() -> None:
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            with client:
                if client.recv(1024):
                    client.sendall(answer)

    thread = threading.Thread(target=serve)
    with server:
        server.listen()
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
    thread.join()


def local_server() -> tuple[socket.socket, str]:
    number = next(n for n in range(7000, 7100) if not Path(f"/tmp/.X11-unix/X{n}").exists())
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(f"\0/tmp/.X11-unix/X{number}")
    return server, f":{number}.0"


def test_a_display_that_lets_us_in_is_one():
    server, display = local_server()
    with x_server(server, WELCOME):
        require_display({"DISPLAY": display}, system="linux")
        stale = {"WAYLAND_DISPLAY": "w-9", "XDG_RUNTIME_DIR": "/nowhere"}
        require_display({"DISPLAY": display, **stale}, system="linux")  # Qt takes the other then
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    with x_server(server, WELCOME):
        require_display({"DISPLAY": f"127.0.0.1:{port - 6000}"}, system="linux")


def test_a_display_that_wants_a_cookie_is_refused_with_its_reason(capfd):
    try:
        ctypes.CDLL("libxcb.so.1")
    except OSError:
        pytest.skip("no libxcb, by which alone it is found out")
    server, display = local_server()
    with (
        x_server(server, REFUSAL),
        pytest.raises(ConfigError, match=r"not let us in \(No protocol specified\).*XAUTHORITY"),
    ):
        require_display({"DISPLAY": display}, system="linux")
    assert capfd.readouterr().err == ""


def test_a_wayland_display_is_one_where_it_listens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an address is no longer than 107 bytes
    environ = {"WAYLAND_DISPLAY": "w", "XDG_RUNTIME_DIR": "."}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("w")
        with pytest.raises(ConfigError, match="w does not answer"):
            require_display(environ, system="linux")
        server.listen()
        require_display(environ, system="linux")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere Qt has one platform")
def test_a_platform_that_qt_does_not_have_is_refused():
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    with pytest.raises(ConfigError, match=r"nonsense, which .* minimal, .*offscreen"):
        load_qt({"QT_QPA_PLATFORM": "nonsense:size=9"})
    load_qt({"QT_QPA_PLATFORM": "nonsense;offscreen"})


def test_paths_of_opencvs_own_qt_are_taken_away_and_no_others():
    environ = {
        "QT_QPA_PLATFORM_PLUGIN_PATH": "/v/site-packages/cv2/qt/plugins",
        "QT_QPA_FONTDIR": "/v/site-packages/cv2/qt/fonts",
        "QT_PLUGIN_PATH": "/opt/mine",
        "HOME": "/cv2",
    }
    drop_foreign_plugins(environ)
    assert environ == {"QT_PLUGIN_PATH": "/opt/mine", "HOME": "/cv2"}


def test_a_library_that_qt_lacks_has_a_name(monkeypatch):
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

    def lacking(path):
        raise OSError("libxcb-cursor.so.0: cannot open shared object file: No such file")

    monkeypatch.setattr(display.ctypes, "CDLL", lacking)
    with pytest.raises(CurbsideError, match=r"lacks libxcb-cursor\.so\.0; .*apt install"):
        load_qt({"QT_QPA_PLATFORM": "xcb"})


def test_a_pyside_that_would_end_the_process_is_refused(monkeypatch):
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    monkeypatch.setattr(display, "_gives_none_away", lambda core: True)
    with pytest.raises(CurbsideError, match=r"PySide6 .* ends a process"):
        load_qt({"QT_QPA_PLATFORM": "offscreen"})


def test_the_verb_without_a_display_is_one_line_and_code_2(monkeypatch, tmp_path, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main(["app", str(make_onnx(tmp_path / "m.onnx"))]) == 2
    said = capsys.readouterr().err
    assert said.startswith("curbside app: there is no display") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.onnx"], "none.onnx does not exist"),
        (["{clip}"], "is no model file"),
        (["{bare}"], "curbside describe"),
        (["--models", "none"], "none is no folder"),
        (["--alpha", "3"], "by 3"),
        (["--confidence", "7"], "confidence is 7"),
        (["--threads", "0"], "0 threads"),
        (["--benchmark", "{clip}"], "no model to measure"),
        (["{model}", "--benchmark"], "names no video"),
        (["{model}", "--benchmark", "none.mp4", "8"], "none.mp4"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = {
        "model": make_onnx(tmp_path / "m.onnx"),
        "bare": make_onnx(tmp_path / "bare.onnx", metadata={}),
        "clip": write_clip(tmp_path / "clip.mp4", frames=2),
    }
    assert main(["app", *(part.format(**files) for part in arguments)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and len(shown.err.strip().splitlines()) == 1


def test_benchmark_is_the_other_verb(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("curbside.cli.benchmark.main", calls.append)
    model, bad = make_onnx(tmp_path / "m.onnx"), tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    folder = ["--models", str(tmp_path)]
    assert main(["app", "--benchmark", "drive.mp4", "120", *folder]) == 0
    assert main(["app", str(model), "--threads", "1", "--benchmark", "drive.mp4"]) == 0
    assert calls == [
        [str(model), "--source", "drive.mp4", "--frames", "120"],
        [str(model), "--source", "drive.mp4", "--threads", "1"],
    ]


STARTED = """
    import os, signal, sys, threading
    import curbside.runtime  # brings OpenCV, which may set paths of its own
    os.environ["QT_QPA_PLATFORM_PLUGIN_PATH"] = "/nowhere/cv2/qt/plugins"
    os.environ["QT_QPA_FONTDIR"] = "/nowhere/cv2/qt/fonts"
    from curbside.app import start
    from curbside.cli import main

    begin = start.begin

    def begin_and_end(window, *arguments):
        from PySide6.QtCore import QTimer

        def end():
            if window.isVisible() and window.mirror.status.frames > 3:
                os.kill(os.getpid(), getattr(signal, sys.argv[1]))

        timer = QTimer(window)
        timer.timeout.connect(end)
        timer.start(20)
        begin(window, *arguments)

    start.begin = begin_and_end
    code = main(["app", *sys.argv[2:]])
    print("code", code, [t.name for t in threading.enumerate() if t.name.startswith("curbside")])
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_it_starts_beside_opencvs_qt_and_a_signal_ends_it(number, tmp_path):
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    model = make_onnx(tmp_path / "m.onnx")
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    environ = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-c",
        textwrap.dedent(STARTED),
        number,
        str(model),
    ]
    done = subprocess.run(
        [*command, "--source", str(clip), "--loop", "--threads", "1"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "code 0 []\n"
    assert "Traceback" not in done.stderr and "plugin path" not in done.stderr
    assert (tmp_path / "curbside" / "app.ini").is_file()  # and nowhere else
