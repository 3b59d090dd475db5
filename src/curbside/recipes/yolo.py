"""YOLOv8-seg through Ultralytics: `pip install 'curbside[yolo]'`; AGPL-3.0 holds for what comes out.

Source of the IDD one: the IDD edge segmentation report. Its figures are on IDD's official validation
split, as Ultralytics measures them.
"""

from __future__ import annotations

from pathlib import Path

from ..training import YoloConfig, YoloDataConfig

__all__ = ["drawn_yolov8n_seg", "idd_yolov8n_seg"]


def idd_yolov8n_seg() -> YoloConfig:
    """YOLOv8n-seg on IDD's five kinds of road user, from COCO. Published: box mAP 21.0 %, mask mAP 15.6 %."""
    return YoloConfig(
        name="idd-yolov8n-seg",
        data=YoloDataConfig(root=(Path("data/idd-level3"),), classes=("idd5",), workers=8),
        weights="yolov8n-seg.pt",
        image_size=512,
        epochs=100,
        batch_size=192,
        seed=0,
    )


def drawn_yolov8n_seg() -> YoloConfig:
    """YOLOv8n-seg on drawn scenes of 320 x 192, from random weights, half an hour on one core."""
    return YoloConfig(
        name="drawn-yolov8n-seg",
        data=YoloDataConfig(root=(Path("data/drawn"),)),
        image_size=320,
        export_hw=(192, 320),
        epochs=30,
        batch_size=8,
        step_pictures=8,
        close_mosaic=5,
    )
