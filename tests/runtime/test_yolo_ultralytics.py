"""Our predictor beside Ultralytics' own, on the same file and the same real frames."""

from __future__ import annotations

import importlib.util
import os
import shutil

import cv2
import numpy as np
import pytest

from curbside.cli import main
from curbside.imaging import read_rgb
from curbside.results import InstanceResult
from curbside.runtime import InstanceConfig, InstancePredictor, load_predictor

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("Ultralytics is not installed: the extra yolo", allow_module_level=True)

from curbside.training.yolo import quiet_ultralytics

IOU = 0.5


@pytest.fixture(scope="module")
def path(shared, tmp_path_factory):
    path = tmp_path_factory.mktemp("yolo") / "yolov8n-seg.onnx"
    shutil.copyfile(shared / "data/yolo/yolov8n-seg.onnx", path)
    assert main(["describe", str(path), "--space", "coco80"]) == 0
    return path


@pytest.fixture(scope="module")
def frames(shared):
    """Of both clips, of CamVid and of IDD, and odd pieces: letterboxes with whole and with broken cells
    of border."""
    found = []
    for clip in sorted((shared / "data/clips").glob("*.mp4")):
        capture = cv2.VideoCapture(str(clip))
        for _ in range(2):
            found.append(capture.read()[1])
            capture.set(cv2.CAP_PROP_POS_FRAMES, 24)
        capture.release()
    pictures = sorted((shared / "data/camvid/val").iterdir())[::50][:2]
    pictures += sorted((shared / "data/idd20k_lite/leftImg8bit").rglob("*.jpg"))[::400][:4]
    found += [cv2.cvtColor(read_rgb(path), cv2.COLOR_RGB2BGR) for path in pictures]
    return [*found, found[0][:539, :957], found[-1][:211, :317], found[-2][5:, 20:221]]


@pytest.fixture(scope="module")
def theirs(path, frames):
    """What Ultralytics finds on every frame, with masks at the frame's size, by its confidence."""
    threads = cv2.getNumThreads()
    with quiet_ultralytics(path.with_suffix(".log")) as library:
        model = library("models").YOLO(str(path), task="segment")

        def predict(confidence: float) -> list:
            # An exported file is given its own square; rect is for networks in torch alone.
            settings = {"conf": confidence, "iou": IOU, "imgsz": 640, "rect": False}
            settings |= {"retina_masks": True, "verbose": False, "device": "cpu"}
            return [model.predict(frame, **settings)[0].numpy() for frame in frames]

        found = {confidence: predict(confidence) for confidence in (0.25, 0.5)}
    assert cv2.getNumThreads() == threads
    return found


@pytest.mark.parametrize("confidence", [0.25, 0.5])
def test_objects_are_those_that_ultralytics_finds(path, frames, theirs, confidence):
    objects = 0
    settings = InstanceConfig(confidence=confidence, iou=IOU)
    with load_predictor(path, threads=1, instances=settings) as predictor:
        assert isinstance(predictor, InstancePredictor)
        for frame, found in zip(frames, theirs[confidence], strict=True):
            ours = predictor(frame)
            pairs = _pairs(ours, found)
            objects += len(pairs)
            unsure = set(range(len(ours))) - set(pairs), set(range(len(found))) - {*pairs.values()}
            for score in (*ours.scores[[*unsure[0]]], *found.boxes.conf[[*unsure[1]]]):
                assert abs(score - confidence) < 1e-3
            for i, j in pairs.items():
                box = found.boxes.xyxy[j]
                assert np.abs(ours.boxes_xyxy[i] - box).max() < 0.01  # pixels
                mask, other = ours.full_mask(i), found.masks.data[j].astype(bool)
                assert (mask & other).sum() > 0.98 * (mask | other).sum()
    assert objects > (30 if confidence == 0.25 else 20)


def _pairs(ours: InstanceResult, theirs) -> dict[int, int]:
    """Which of theirs each of ours is: of the same class, with the same score and nearly the same box."""
    pairs: dict[int, int] = {}
    for i in range(len(ours)):
        for j in range(len(theirs)):
            if (
                j not in pairs.values()
                and theirs.boxes.cls[j] == ours.class_ids[i]
                and abs(theirs.boxes.conf[j] - ours.scores[i]) < 1e-3
                and np.abs(theirs.boxes.xyxy[j] - ours.boxes_xyxy[i]).max() < 0.5
            ):
                pairs[i] = j
                break
    return pairs


def test_its_library_was_kept_quiet(path, theirs, capfd):
    del theirs
    assert "Loading" in path.with_suffix(".log").read_text(encoding="utf-8")
    assert "YOLO_OFFLINE" not in os.environ and "YOLO_CONFIG_DIR" not in os.environ
    assert capfd.readouterr().out == ""
