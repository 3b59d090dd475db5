"""Where frames come from: videos, pictures, cameras, streams, a drawn road."""

from .camera import Camera
from .finding import find_sources
from .found import Found, Mode
from .opening import open_source, public_spec
from .pictures import PICTURE_SUFFIXES, Pictures
from .proving import Proof, prove_source
from .source import DEFAULT_FPS, Frame, Source
from .synthetic import Synthetic, SyntheticFaults, read_number
from .video_file import VideoFile

__all__ = [
    "DEFAULT_FPS",
    "PICTURE_SUFFIXES",
    "Camera",
    "Found",
    "Frame",
    "Mode",
    "Pictures",
    "Proof",
    "Source",
    "Synthetic",
    "SyntheticFaults",
    "VideoFile",
    "find_sources",
    "open_source",
    "prove_source",
    "public_spec",
    "read_number",
]
