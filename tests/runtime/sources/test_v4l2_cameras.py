"""V4L2: what the kernel tells, byte for byte, and what is asked of a camera and granted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from stand_ins.v4l2_device import Device, Format

from curbside.errors import ConfigError, SourceError
from curbside.runtime import open_source
from curbside.runtime.sources import Mode, camera, finding, v4l2

WEBCAM = Device(
    formats=[
        Format("MJPG", [(1920, 1080), (640, 480)], intervals=[(1, 30), (1, 15), (2, 15)]),
        Format("YUYV", [(640, 480)], intervals=[(1001, 30000)]),
    ]
)


def test_formats_sizes_and_rates_of_a_webcam():
    assert v4l2.read_card(WEBCAM) == "USB 2.0 Camera"
    assert list(v4l2.list_modes(WEBCAM)) == [
        Mode(1920, 1080, (30.0, 15.0, 7.5), "MJPG"),
        Mode(640, 480, (30.0, 15.0, 7.5), "MJPG"),
        Mode(640, 480, (29.97,), "YUYV"),
    ]


def test_a_camera_that_gives_any_size_and_rate_in_a_range():
    """Sizes of 16..2592 by steps of 16 and 8: the ends, and the usual ones that lie on a step."""
    sensor = Device(
        formats=[
            Format("BA81", steps=(16, 2592, 16, 16, 1944, 8), between=((1, 60), (1, 1))),
        ]
    )
    modes = list(v4l2.list_modes(sensor))
    assert [(mode.width, mode.height) for mode in modes] == [
        (16, 16),
        (640, 480),
        (1280, 720),
        (1920, 1080),
        (2592, 1944),
    ]
    assert {mode.fps for mode in modes} == {(60.0, 1.0)}


def test_a_camera_of_several_planes():
    planes = Device(
        capabilities=0x84201000, node=0x04201000, type=9, formats=[Format("NV12", [(8, 8)])]
    )
    assert v4l2.read_card(planes) == "USB 2.0 Camera"
    assert list(v4l2.list_modes(planes)) == [Mode(8, 8, (), "NV12")]


@pytest.mark.parametrize(
    ("capabilities", "node"),
    [
        (0x84A00001, 0x04A00000),  # the second node of every webcam: its metadata
        (0x84000002, 0x04000002),  # an output
        (0x84208000, 0x04208000),  # an encoder: memory to memory
    ],
)
def test_what_is_no_camera(capabilities, node):
    assert v4l2.read_card(Device(capabilities=capabilities, node=node)) is None


def test_an_old_driver_speaks_for_the_whole_device_alone():
    assert v4l2.read_card(Device(capabilities=0x04000001, node=0)) == "USB 2.0 Camera"


def test_a_hostile_driver_is_not_asked_for_ever():
    modes = list(v4l2.list_modes(Device(formats=[Format("MJPG", [(1, 1)])], endless=True)))
    assert len(modes) == 256
    card = Device(card=b"two\nlines\x1b[31m\xff" + b"\0" * 18)
    assert v4l2.read_card(card) == "two?lines?[31m\N{REPLACEMENT CHARACTER}"


def test_nodes_are_found_in_the_order_of_their_numbers(tmp_path, monkeypatch):
    nodes = {"video10": WEBCAM, "video2": Device(node=0x04A00000), "video3": Device(card=b"Front")}
    for name in (*nodes, "video", "video-x", "videos", "media0"):
        (tmp_path / name).touch()
    opened = iter(["video2", "video3", "video10"])
    monkeypatch.setattr(v4l2, "_calls", lambda node: nodes[next(opened)])
    found = v4l2.find_v4l2(tmp_path)
    assert [(one.spec, one.title) for one in found] == [
        (str(tmp_path / "video3"), "Front"),
        (str(tmp_path / "video10"), "USB 2.0 Camera"),
    ]
    assert len(found[1].modes) == 3


def test_a_file_that_is_no_device_is_passed_over(tmp_path):
    (tmp_path / "video0").touch()
    assert v4l2.find_v4l2(tmp_path) == []


def test_the_drawn_road_is_always_found(monkeypatch):
    monkeypatch.setattr(finding, "find_v4l2", lambda: [])
    assert finding.find_sources()[-1].spec == "synthetic"


class Capture:
    """OpenCV's capture over a driver that grants what it wants."""

    def __init__(self, granted, gives=10**9):
        self.granted, self.gives, self.asked, self.released = granted, gives, {}, False

    def isOpened(self):
        return True

    def set(self, what, value):
        self.asked[what] = value
        return True

    def get(self, what):
        return self.granted.get(what, 0.0)

    def read(self):
        self.gives -= 1
        return self.gives >= 0, np.zeros((4, 6, 3), np.uint8)

    def release(self):
        self.released = True


GRANTED = {
    cv2.CAP_PROP_FRAME_WIDTH: 1280.0,
    cv2.CAP_PROP_FRAME_HEIGHT: 720.0,
    cv2.CAP_PROP_FPS: 30.0,
    cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"MJPG")),
}


@pytest.fixture
def capture(monkeypatch):
    made = Capture(GRANTED)
    monkeypatch.setattr(camera.cv2, "VideoCapture", lambda number, backend: made)
    return made


def test_what_is_asked_of_a_camera(capture):
    source = open_source("/dev/video0?width=1280&height=720&fps=30&format=MJPG")
    assert (source.title, source.fps) == ("camera 0, 1280 x 720 at 30 fps, MJPG", 30.0)
    asked = list(capture.asked)
    assert asked.index(cv2.CAP_PROP_FOURCC) < asked.index(cv2.CAP_PROP_FRAME_WIDTH)
    assert capture.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert capture.asked[cv2.CAP_PROP_FOURCC] == 0x47504A4D
    assert source.live and next(source.frames()).bgr.shape == (4, 6, 3)
    source.close()
    assert capture.released


def test_what_a_camera_did_not_grant_is_said(capture):
    source = open_source("0?width=1920&height=1080&fps=60&format=YUYV")
    assert source.title == (
        "camera 0, 1280 x 720 at 30 fps, MJPG (asked for 1920 x 1080, 60 fps, YUYV)"
    )
    source.close()


def test_a_camera_without_wishes_keeps_its_own_choice(capture):
    open_source("0").close()
    assert set(capture.asked) == {cv2.CAP_PROP_BUFFERSIZE}


def test_a_camera_that_is_unplugged(capture):
    capture.gives = 3
    source = open_source("0")
    with pytest.raises(SourceError, match="camera 0 stopped after 3 frames"):
        list(source.frames())
    assert capture.released


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("speed=3", "no setting 'speed'"),
        ("width=abc&height=1", "width of camera 0 is 'abc'"),
        ("width=640", "a size has a width and a height"),
        ("width=0&height=480", "width is 0"),
        ("width=640&height=99999999999", "height is 99999999999"),
        ("fps=nan", "fps is nan"),
        ("fps=-1", "fps is -1"),
        ("format=%00", None),
        ("format=MJPEG", "format is 'MJPEG'"),
        ("?", "no setting"),
    ],
)
def test_nonsense_behind_the_question_mark(capture, wanted, said):
    if said is None:
        open_source(f"0?{wanted}").close()  # three printable letters: the driver refuses them
        return
    with pytest.raises(ConfigError) as raised:
        open_source(f"0?{wanted}")
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_names_that_stay_the_same_lead_to_a_number(tmp_path, monkeypatch, capture):
    from curbside.runtime.sources import opening

    assert opening._node_number("/dev/v4l/by-id/nothing") is None
    monkeypatch.setattr(opening.Path, "resolve", lambda path: "/dev/video7")
    assert opening._node_number("/dev/v4l/by-id/usb-camera") == 7
