"""From what a person wrote to the source that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...errors import ConfigError, SourceError
from .camera import Camera
from .gstreamer import GstPipeline, split_pipeline
from .libcamera import open_libcamera
from .pi_camera import PiCamera
from .pictures import PICTURE_SUFFIXES, Pictures
from .settings import CameraSettings
from .source import Source
from .stream import STREAM_SCHEMES, open_stream, public_address, without_passwords
from .synthetic import Synthetic
from .video_file import VideoFile

__all__ = ["open_source", "public_spec"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+")
_NODE = re.compile(r"(?:/dev/video)?(\d{1,9})")


def open_source(spec: str | Path) -> Source:
    """Open what a person named. It waits until it is known to be there: seconds at most.

    Args:
        spec: One of

            - a video file, a picture, or a folder of pictures,
            - a camera: its number, `/dev/videoN`, or a name under `/dev/v4l`; with settings as in
              `/dev/video0?width=1280&height=720&fps=30&format=MJPG`,
            - `rtsp://...`, `rtsps://...`, `http://...` or `https://...`,
            - `picamera:N` through picamera2, or `libcamera:N` through GStreamer: a Raspberry Pi's
              camera, with settings as above,
            - `gst:` and a GStreamer pipeline that ends in pictures,
            - `synthetic`, or `synthetic:1280x720@30`: a drawn road.

            What is there as a file is taken for one, whatever its name.

    Raises:
        ConfigError: It names something, but in a way that cannot be.
        SourceError: There is nothing there, or it cannot be opened.
    """
    text = str(spec)
    if not os.path.exists(text) or text.startswith("/dev/"):
        text = text.strip() or text
        kind, colon, rest = text.partition(":")
        if kind.lower() in STREAM_SCHEMES and rest.startswith("//"):
            return open_stream(f"{kind.lower()}:{rest}")
        if kind in _OPENERS and (colon or kind == "synthetic"):
            return _OPENERS[kind](rest)
        name, _, wanted = text.partition("?")
        number = _node_number(name)
        if number is not None:
            return Camera(number, CameraSettings.of(wanted, f"camera {number}"))
        _require_no_address(kind.lower(), rest)
    return _open_files(Path(text))


def _require_no_address(scheme: str, rest: str) -> None:
    """Refuse what is written like an address and is none that is read here; what stands in it may be a
    password, so only its scheme is said."""
    if scheme in STREAM_SCHEMES:
        raise ConfigError(f"{scheme}: names no server", fix=f"write {scheme}://server/path")
    if _SCHEME.fullmatch(scheme) and rest.startswith("/"):
        raise ConfigError(
            f"{scheme}:// is no kind of address that can be opened",
            fix=f"give one of {', '.join(f'{known}://' for known in STREAM_SCHEMES)}, or the path of a "
            "file; other kinds may go through gst: and a pipeline",
        )


def public_spec(spec: str) -> str:
    """What a person named as it may be shown: an address without user, password and query, and a
    pipeline without the values of what is named as a password or a key."""
    text = spec.strip()
    kind, _, rest = text.partition(":")
    if kind.lower() not in STREAM_SCHEMES:
        return without_passwords(text)
    with suppress(ConfigError):
        return public_address(f"{kind}://{rest.lstrip('/')}")
    return f"{kind.lower()}://..."


def _pi_camera(rest: str) -> Source:
    name, _, wanted = rest.partition("?")
    if not re.fullmatch(r"\d{1,9}", name):
        raise ConfigError(
            f"{public_spec(f'picamera:{name}')} names no camera", fix="give its number: picamera:0"
        )
    return PiCamera(int(name), CameraSettings.of(wanted, f"picamera:{name}"))


def _libcamera(rest: str) -> Source:
    name, _, wanted = rest.partition("?")
    if not name:
        raise ConfigError("libcamera: names no camera", fix="give its number: libcamera:0")
    return open_libcamera(name, CameraSettings.of(wanted, f"libcamera:{name}"))


_OPENERS: dict[str, Callable[[str], Source]] = {
    "synthetic": Synthetic.of,
    "picamera": _pi_camera,
    "libcamera": _libcamera,
    "gst": lambda rest: GstPipeline(split_pipeline(rest)),
}


def _node_number(name: str) -> int | None:
    """The N of the `/dev/videoN` that a name means; None where it means none."""
    if name.startswith("/dev/v4l/"):  # names that stay the same, as links
        name = str(Path(name).resolve())
    named = _NODE.fullmatch(name)
    return int(named[1]) if named else None


def _open_files(path: Path) -> Source:
    if os.path.isdir(path):
        files = sorted(
            p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()
        )
        if not files:
            raise SourceError(
                f"{path} holds no pictures", fix="name a folder of .jpg or .png files"
            )
        return Pictures(files, f"{path.name}, {len(files)} pictures")
    if not os.path.isfile(path):
        what = "is no file" if os.path.exists(path) else "does not exist"
        raise SourceError(
            f"{public_spec(str(path))} {what}",
            fix="name a video file, a picture, a folder of pictures, a camera's number or an address; "
            "see: curbside sources",
        )
    return Pictures([path]) if path.suffix.lower() in PICTURE_SUFFIXES else VideoFile(path)
