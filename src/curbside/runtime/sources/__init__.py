"""Where frames come from: videos, pictures, cameras, streams, a drawn road."""

from .camera import Camera
from .opening import open_source
from .pictures import PICTURE_SUFFIXES, Pictures
from .source import DEFAULT_FPS, Frame, Source
from .video_file import VideoFile

__all__ = [
    "DEFAULT_FPS",
    "PICTURE_SUFFIXES",
    "Camera",
    "Frame",
    "Pictures",
    "Source",
    "VideoFile",
    "open_source",
]
