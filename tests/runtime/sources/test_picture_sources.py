"""Pictures as a source: upright, and what is none said."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from curbside.runtime import open_source


def test_pictures_are_upright_as_opencv_shows_them(tmp_path):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :16] = 255
    for orientation in (1, 6):
        exif = Image.Exif()
        exif[0x112] = orientation
        Image.fromarray(picture).save(tmp_path / f"{orientation}.png", exif=exif)
    frames = [frame.bgr for frame in open_source(tmp_path).frames()]
    assert [frame.shape[:2] for frame in frames] == [(32, 48), (48, 32)]
    np.testing.assert_array_equal(frames[1], cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE))
