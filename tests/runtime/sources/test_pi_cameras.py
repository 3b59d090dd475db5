"""Raspberry Pi cameras: picamera2 by a stand-in of its manual, libcamera by what its programs print."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest
from stand_ins.picamera_library import BLUE_GREEN_RED, install_picamera2

from curbside.errors import ConfigError, SourceError
from curbside.runtime import open_source
from curbside.runtime.sources import Found, finding, libcamera
from curbside.runtime.sources.pi_camera import find_pi_cameras

RPICAM = """Available cameras
-----------------
0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)
    Modes: 'SRGGB10_CSI2P' : 640x480 [206.65 fps - (1000, 752)/1280x960 crop]
                             1640x1232 [41.85 fps - (0, 0)/3280x2464 crop]

1 : imx708_wide [4608x2592 10-bit RGGB] (/base/axi/pcie@120000/rp1/i2c@80000/imx708@1a)
"""
CAM = """Available cameras:
1: 'imx219' (/base/soc/i2c0mux/i2c@1/imx219@10)
2: External camera 'HD Pro' (\\_SB_.PCI0.XHC_.RHUB-1)
"""


def test_a_camera_through_picamera2(monkeypatch):
    rig = install_picamera2(monkeypatch, "imx219")
    source = open_source("picamera:0?width=641&height=480&fps=20")
    assert source.title == ("Raspberry Pi camera 0, 640 x 480 at 20 fps (asked for 641 x 480)")
    assert (source.live, source.fps) == (True, 20.0)
    assert rig.configurations[0]["controls"] == {"FrameRate": 20.0}
    frame = next(source.frames())
    assert frame.bgr.shape == (480, 640, 3) and frame.bgr.flags.c_contiguous
    np.testing.assert_array_equal(frame.bgr[0, 0], BLUE_GREEN_RED)
    source.close()
    assert rig.opened == set()


def test_a_camera_that_fails_can_be_opened_again(monkeypatch):
    rig = install_picamera2(monkeypatch, "imx219")
    rig.gives = 5
    source = open_source("picamera:0")
    for _ in range(2):
        with pytest.raises(SourceError, match=r"camera 0 stopped after 5 frames \(Camera frontend"):
            list(source.frames())
    assert rig.opened == set()


def test_a_camera_that_is_not_there_or_taken(monkeypatch):
    rig = install_picamera2(monkeypatch, "imx219")
    with pytest.raises(SourceError, match="Raspberry Pi camera 3 cannot be opened"):
        open_source("picamera:3")
    rig.opened.add(0)
    with pytest.raises(SourceError, match="sequence did not complete"):
        open_source("picamera:0")
    with pytest.raises(ConfigError, match="picamera:front names no camera"):
        open_source("picamera:front")


def test_without_picamera2_the_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match=r"apt install python3-picamera2.*--system-site-packages"):
        open_source("picamera:0")
    assert find_pi_cameras() == []


def test_a_picamera2_for_another_numpy_is_one_line_with_the_way_out(tmp_path, monkeypatch):
    # what the simplejpeg of Raspberry Pi OS bookworm says beside numpy 2
    said = "numpy.dtype size changed, may indicate binary incompatibility"
    (tmp_path / "picamera2.py").write_text(f"raise ValueError({said!r})\n")
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SourceError, match=f"{said}.*no-deps simplejpeg"):
        open_source("picamera:0")
    assert find_pi_cameras() == []


def test_cameras_of_picamera2_are_found(monkeypatch):
    install_picamera2(monkeypatch, "imx219", "imx708_wide")
    assert [(found.spec, found.title) for found in find_pi_cameras()] == [
        ("picamera:0", "imx219, Raspberry Pi"),
        ("picamera:1", "imx708_wide, Raspberry Pi"),
    ]


def program(folder, name: str, prints: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}END\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "prints", "cameras"),
    [
        (
            "rpicam-hello",
            RPICAM,
            [
                ("imx219 [3280x2464 10-bit RGGB]", "/base/soc/i2c0mux/i2c@1/imx219@10"),
                (
                    "imx708_wide [4608x2592 10-bit RGGB]",
                    "/base/axi/pcie@120000/rp1/i2c@80000/imx708@1a",
                ),
            ],
        ),
        (
            "cam",
            CAM,
            [
                ("imx219", "/base/soc/i2c0mux/i2c@1/imx219@10"),
                ("External camera 'HD Pro", "\\_SB_.PCI0.XHC_.RHUB-1"),
            ],
        ),
        ("rpicam-hello", "No cameras available!\n", []),
    ],
)
def test_cameras_that_the_programs_of_libcamera_list(tmp_path, monkeypatch, name, prints, cameras):
    program(tmp_path, name, prints)
    program(tmp_path, "gst-launch-1.0", "")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    assert libcamera._names() == cameras
    assert [found.spec for found in libcamera.find_libcameras()] == [
        f"libcamera:{number}" for number in range(len(cameras))
    ]


def test_programs_that_hang_are_given_up_after_the_first(tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    for name in ("rpicam-hello", "libcamera-hello", "cam"):
        hung = tmp_path / name
        hung.write_text(f"#!/bin/sh\necho {name} >>{asked}\nexec sleep 30\n")
        hung.chmod(0o755)
    program(tmp_path, "gst-launch-1.0", "")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    assert libcamera.find_libcameras(0.3) == []
    assert asked.read_text().split() == ["rpicam-hello"]


def test_cameras_that_are_not_listed_in_time_are_left_out(monkeypatch):
    going_on = threading.Event()
    monkeypatch.setattr(finding, "_SLACK_S", 0.0)
    monkeypatch.setattr(finding, "find_v4l2", lambda: going_on.wait(10) and [])
    camera = Found("picamera:0", "a camera", "picamera")
    monkeypatch.setattr(finding, "find_pi_cameras", lambda: [camera])
    monkeypatch.setattr(finding, "find_libcameras", lambda timeout_s: [])
    try:
        assert [found.spec for found in finding.find_sources(0.2)] == ["picamera:0", "synthetic"]
    finally:
        going_on.set()


def test_the_pipeline_of_a_libcamera(tmp_path, monkeypatch):
    program(tmp_path, "rpicam-hello", RPICAM)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    made = []
    monkeypatch.setattr(libcamera, "GstPipeline", lambda words, **more: made.append((words, more)))
    open_source("libcamera:0")
    open_source("libcamera:1?width=640&height=480&fps=29.97")
    open_source("libcamera:/base/soc/imx@1")
    usual = "video/x-raw,width=1280,height=720,framerate=30/1"
    assert [words for words, _ in made] == [
        ["libcamerasrc", "!", usual],
        [
            "libcamerasrc",
            "camera-name=/base/axi/pcie@120000/rp1/i2c@80000/imx708@1a",
            "!",
            "video/x-raw,width=640,height=480,framerate=29970/1000".replace(
                "29970/1000", "2997/100"
            ),
        ],
        ["libcamerasrc", "camera-name=/base/soc/imx@1", "!", usual],
    ]
    assert not made[0][1]["paced"]
    with pytest.raises(SourceError, match="libcamera knows 2 cameras, so there is no number 2"):
        open_source("libcamera:2")
    with pytest.raises(ConfigError, match="names no camera"):
        open_source("libcamera:")
