"""Whether a window can open here, found out before Qt ends the process over it."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, CurbsideError, MissingDependencyError

__all__ = ["drop_foreign_plugins", "load_qt", "require_display"]

_WITHOUT = "without a screen use: curbside run"
_PACKAGES = (
    "install Qt's system libraries, on Debian and Raspberry Pi OS: apt install libdbus-1-3 libegl1"
    " libfontconfig1 libgl1 libglib2.0-0 libsm6 libwayland-cursor0 libwayland-egl1 libxcb-cursor0"
    " libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0"
)
_PLUGINS = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR", "QT_PLUGIN_PATH")
_X11_PORT = 6000
_ANSWER_S = 3.0
_CALLS = 100
_REFUSED = 10  # plus libxcb's number of the error
_KNOCK = f"""
import ctypes, sys
try:
    xcb = ctypes.CDLL("libxcb.so.1")
except OSError:
    sys.exit(0)
xcb.xcb_connect.restype = ctypes.c_void_p
connection = ctypes.c_void_p(xcb.xcb_connect(sys.argv[1].encode(), None))
error = xcb.xcb_connection_has_error(connection)
sys.exit({_REFUSED} + error if error else 0)
"""


def require_display(environ: Mapping[str, str], *, system: str = sys.platform) -> None:
    """Check that there is something to open a window on; only Linux can be without.

    Args:
        environ: The environment's variables.
        system: The operating system, as `sys.platform` names it.

    Raises:
        ConfigError: There is no display, or it does not answer.
    """
    if not system.startswith("linux"):
        return
    names = _platforms(environ)
    if not names:
        raise _nothing("there is no display: DISPLAY and WAYLAND_DISPLAY are empty")
    first: ConfigError | None = None
    for name in names:  # Qt takes the first that opens
        try:
            _require_platform(name, environ)
            return
        except ConfigError as error:
            first = first or error
    assert first is not None
    raise first


def _platforms(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Names of those of Qt's platforms that are asked for, or that Linux has a display for."""
    asked = environ.get("QT_QPA_PLATFORM", "").split(";")
    names = tuple(name for text in asked if (name := text.split(":")[0]))
    if names:
        return names
    displays = (("wayland", "WAYLAND_DISPLAY"), ("xcb", "DISPLAY"))
    return tuple(name for name, variable in displays if environ.get(variable))


def _require_platform(name: str, environ: Mapping[str, str]) -> None:
    if name.startswith("wayland"):
        _require_wayland(environ)
    elif name == "xcb":
        if not environ.get("DISPLAY"):
            raise _nothing("QT_QPA_PLATFORM asks for X11, and DISPLAY is empty")
        _require_answer(environ["DISPLAY"])
        _require_welcome(environ["DISPLAY"], environ)
    elif name == "linuxfb":
        _require_file("/dev/fb0", name)
    elif name.startswith("eglfs"):
        _require_file("/dev/dri", name)


def _nothing(what: str) -> ConfigError:
    return ConfigError(
        what,
        fix="start it in a desktop session; on a screen without one: cage -d -- curbside app, or"
        f" QT_QPA_PLATFORM=linuxfb (offscreen shows nothing); {_WITHOUT}",
    )


def _require_file(path: str, asked: str) -> None:
    if not Path(path).exists():
        raise ConfigError(
            f"QT_QPA_PLATFORM is {asked}, and there is no {path}",
            fix=f"take it away in a desktop session; {_WITHOUT}",
        )


def _require_answer(display: str) -> None:
    """An X server must listen: Qt ends the process where none does."""
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdigit():
        raise ConfigError(
            f"DISPLAY is {display!r}, which is none", fix=f"give one as :0; {_WITHOUT}"
        )
    try:
        if host.startswith("/"):
            return
        if host.rpartition("/")[2] in ("", "unix"):
            _connect_locally(int(number))
        else:
            socket.create_connection((host, _X11_PORT + int(number)), _ANSWER_S).close()
    except OSError as error:
        raise _nothing(
            f"the display {display} does not answer ({error.strerror or error})"
        ) from None


def _connect_locally(number: int) -> None:
    path = f"/tmp/.X11-unix/X{number}"
    for address in (f"\0{path}", path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_ANSWER_S)
            try:
                client.connect(address)
                return
            except OSError as error:
                refused = error
    raise refused


def _require_welcome(display: str, environ: Mapping[str, str]) -> None:
    """An X server must let us in, which only its own library finds out; it does so in a process of
    its own, as it waits for ever and writes to the screen. Nothing is asked where there is none."""
    command = [sys.executable, "-I", "-S", "-c", _KNOCK, display]
    try:
        done = subprocess.run(
            command, env=dict(environ), capture_output=True, text=True, timeout=2 * _ANSWER_S
        )
    except subprocess.TimeoutExpired:
        raise _nothing(f"the display {display} does not answer (timed out)") from None
    except OSError:
        return
    if done.returncode >= _REFUSED:
        said = " ".join(done.stderr.split()).rstrip(".")
        raise ConfigError(
            f"the display {display} does not let us in ({said or 'no reason given'})",
            fix="start it as the user who is logged in there, with that user's XAUTHORITY;"
            f" {_WITHOUT}",
        )


def _require_wayland(environ: Mapping[str, str]) -> None:
    if environ.get("WAYLAND_SOCKET"):
        return
    display, folder = environ.get("WAYLAND_DISPLAY", ""), environ.get("XDG_RUNTIME_DIR", "")
    if not display:
        raise _nothing("QT_QPA_PLATFORM asks for Wayland, and WAYLAND_DISPLAY is empty")
    if not folder and not display.startswith("/"):
        raise _nothing(f"WAYLAND_DISPLAY is {display}, and XDG_RUNTIME_DIR is empty")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_ANSWER_S)
            client.connect(str(Path(folder) / display))
    except OSError as error:
        raise _nothing(
            f"the display {display} does not answer ({error.strerror or error})"
        ) from None


def drop_foreign_plugins(environ: MutableMapping[str, str]) -> None:
    """Take away the paths by which OpenCV's own Qt, in opencv-python, would be mixed with ours.

    Args:
        environ: The environment's variables, changed where they point into OpenCV's folder.
    """
    for name in _PLUGINS:
        if "cv2" in Path(environ.get(name, "")).parts:
            del environ[name]


def load_qt(environ: MutableMapping[str, str]) -> None:
    """Import PySide6 and load what it needs of the system, so that what is missing has a name.

    Args:
        environ: The environment's variables; see `drop_foreign_plugins`.

    Raises:
        MissingDependencyError: PySide6 is not installed.
        ConfigError: `QT_QPA_PLATFORM` asks for what this PySide6 does not have.
        CurbsideError: A library of the system is missing, or this PySide6 would end the process.
    """
    try:
        from PySide6 import QtCore, QtGui, QtWidgets  # noqa: F401
    except ModuleNotFoundError:
        raise MissingDependencyError("PySide6", extra="app") from None
    except ImportError as error:
        raise _missing(error) from None
    if _gives_none_away(QtCore):
        raise CurbsideError(
            f"PySide6 {QtCore.qVersion()} ends a process of Python {_python()} after a few thousand"
            " calls: it gives references away that it does not own",
            fix="run: pip install 'PySide6-Essentials<6.12', or use Python 3.12 or later",
        )
    drop_foreign_plugins(environ)
    if sys.platform.startswith("linux"):
        _load_platform(QtCore, environ)


def _load_platform(core: Any, environ: Mapping[str, str]) -> None:
    """Load the first of the platforms asked for that is there, as Qt will."""
    there: dict[str, Path] = {}
    for plugin in _platform_files(core, environ):
        facts = core.QPluginLoader(str(plugin)).metaData().get("MetaData", {})
        for key in facts.get("Keys", ()):
            there.setdefault(key.lower(), plugin)
    names = _platforms(environ) or ("xcb",)
    chosen = [there[name.lower()] for name in names if name.lower() in there]
    if not chosen:
        raise ConfigError(
            f"Qt's platform is to be {' or '.join(names)}, which PySide6 does not have",
            fix=f"set QT_QPA_PLATFORM to one of {', '.join(sorted(there))}, or unset it",
        )
    try:
        ctypes.CDLL(str(chosen[0]))
    except OSError as error:
        raise _missing(error) from None


def _platform_files(core: Any, environ: Mapping[str, str]) -> list[Path]:
    """Qt's platform plugins, in the folders where it looks for them."""
    own = core.QLibraryInfo.path(core.QLibraryInfo.LibraryPath.PluginsPath)
    roots = [*environ.get("QT_PLUGIN_PATH", "").split(os.pathsep), own]
    folders = [Path(root) / "platforms" for root in roots if root]
    if named := environ.get("QT_QPA_PLATFORM_PLUGIN_PATH"):
        folders.insert(0, Path(named))
    return [path for folder in folders for path in sorted(folder.glob("*.so"))]


def _gives_none_away(core: Any) -> bool:
    """Whether calls that return nothing cost a reference to None each, as in 6.12.0."""
    timer, before = core.QTimer(), sys.getrefcount(None)
    for _ in range(_CALLS):
        timer.stop()
    return before - sys.getrefcount(None) > _CALLS // 2


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _missing(error: Exception) -> CurbsideError:
    text = " ".join(str(error).split()).partition(": cannot open")[0]
    return CurbsideError(f"Qt cannot be loaded, this machine lacks {text}", fix=_PACKAGES)
