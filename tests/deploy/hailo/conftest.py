"""The YOLOv8n-seg of the measuring data, a job for it, and calibration pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from curbside.deploy import CalibrationSet, write_manifest
from curbside.deploy.graphs.cut import Cut, cut_network
from curbside.manifest import Manifest
from curbside.prepared import PreparedFolder
from curbside.runtime.description import Hints, describe_network


@pytest.fixture(scope="session")
def pictures(data: Path) -> CalibrationSet:
    """Twelve pictures of coloured blocks."""
    return CalibrationSet.choose(PreparedFolder(data), count=12)


@pytest.fixture(scope="session")
def yolo(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """YOLOv8n-seg with a Manifest."""
    source = shared / "data" / "yolo" / "yolov8n-seg.onnx"
    manifest = describe_network(source, Hints(space="coco80"))
    proto = onnx.load(str(source))
    write_manifest(proto, manifest)
    path = tmp_path_factory.mktemp("yolo") / "yolov8n-seg.onnx"
    path.write_bytes(proto.SerializeToString())
    return path, manifest


@pytest.fixture(scope="session")
def yolo_cut(yolo: tuple[Path, Manifest]) -> Cut:
    """Where a chip stops in it."""
    path, manifest = yolo
    return cut_network(onnx.load(str(path)), manifest)


@pytest.fixture(scope="session")
def frames(shared: Path) -> list[np.ndarray]:
    """A few real road scenes, BGR."""
    root = shared / "data" / "idd20k_lite" / "leftImg8bit"
    paths = sorted(root.rglob("*_image.jpg"))
    if not paths:
        pytest.skip(f"no pictures under {root}")
    made = [cv2.imread(str(path)) for path in paths[:: max(1, len(paths) // 8)]]
    return [frame for frame in made if frame is not None]
