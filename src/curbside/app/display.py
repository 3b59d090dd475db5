"""Whether a window can open here, found out before Qt ends the process over it."""

from __future__ import annotations

import ctypes
import socket
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, CurbsideError, MissingDependencyError

__all__ = ["drop_foreign_plugins", "load_qt", "require_display"]

_WITHOUT = "without a screen use: curbside run"
_PACKAGES = (
    "install Qt's system libraries, on Debian and Raspberry Pi OS: apt install libegl1 libgl1"
    " libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-shape0"
    " libxcb-xkb1"
)
_PLUGINS = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR", "QT_PLUGIN_PATH")
_X11_PORT = 6000
_ANSWER_S = 3.0
_CALLS = 100


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
    asked = environ.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    x11, wayland = environ.get("DISPLAY", ""), environ.get("WAYLAND_DISPLAY", "")
    if asked.startswith("wayland"):
        if not wayland and not environ.get("WAYLAND_SOCKET"):
            raise _nothing("QT_QPA_PLATFORM asks for Wayland, and WAYLAND_DISPLAY is empty")
    elif asked == "xcb":
        if not x11:
            raise _nothing("QT_QPA_PLATFORM asks for X11, and DISPLAY is empty")
        _require_answer(x11)
    elif asked == "linuxfb":
        _require_file("/dev/fb0", asked)
    elif asked.startswith("eglfs"):
        _require_file("/dev/dri", asked)
    elif not asked and not x11 and not wayland:
        raise _nothing("there is no display: DISPLAY and WAYLAND_DISPLAY are empty")
    elif not asked and not wayland:
        _require_answer(x11)


def _nothing(what: str) -> ConfigError:
    return ConfigError(
        what,
        fix="start it in a desktop session; on a screen without one set QT_QPA_PLATFORM=eglfs or"
        f" linuxfb (offscreen shows nothing); {_WITHOUT}",
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
    asked = environ.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    if not asked and sys.platform.startswith("linux") and not environ.get("WAYLAND_DISPLAY"):
        asked = "xcb"
    folder = Path(QtCore.QLibraryInfo.path(QtCore.QLibraryInfo.LibraryPath.PluginsPath))
    plugin = folder / "platforms" / f"libq{asked}.so"
    if asked and plugin.is_file():
        try:
            ctypes.CDLL(str(plugin))
        except OSError as error:
            raise _missing(error) from None


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
