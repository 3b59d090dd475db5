"""A real YOLOv8n-seg on real frames: the ten raw heads give what the whole export gives."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import onnx
import pytest

from curbside.cli import main
from curbside.imaging import read_rgb
from curbside.manifest import Manifest, OutputSpec, write_sidecar
from curbside.runtime import InstancePredictor, load_predictor

ENDS = {
    "box_distribution": [f"/model.22/cv2.{k}/cv2.{k}.2/Conv" for k in range(3)],
    "class_scores": [f"/model.22/cv3.{k}/cv3.{k}.2/Conv" for k in range(3)],
    "mask_coefficients": [f"/model.22/cv4.{k}/cv4.{k}.2/Conv" for k in range(3)],
    "prototypes": ["/model.22/proto/cv3/act/Mul"],
}


def _heads(path, out, manifest: Manifest) -> None:
    """A copy that ends at the ten tensors which a Hailo graph ends at."""
    proto = onnx.load(str(path))
    made_by = {node.name: node.output[0] for node in proto.graph.node}
    ends = [(made_by[name], meaning) for meaning, names in ENDS.items() for name in names]
    del proto.graph.output[:]
    for name, _ in ends:
        proto.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    shaped = onnx.shape_inference.infer_shapes(proto)
    onnx.save(shaped, str(out))
    outputs = tuple(
        OutputSpec(name=name, meaning=meaning, activated=False)  # type: ignore[arg-type]
        for name, meaning in ends
    )
    data = {**manifest.to_dict(), "outputs": [vars(item) for item in outputs]}
    write_sidecar(out, Manifest.from_dict(data, where="a test"))


@pytest.fixture(scope="module")
def pair(shared, tmp_path_factory):
    """The whole export and the ten heads."""
    folder = tmp_path_factory.mktemp("yolo")
    path = folder / "whole.onnx"
    shutil.copyfile(shared / "data/yolo/yolov8n-seg.onnx", path)
    assert main(["describe", str(path), "--space", "coco80"]) == 0
    with load_predictor(path) as whole:
        _heads(path, folder / "heads.onnx", whole.manifest)
        with load_predictor(folder / "heads.onnx") as heads:
            assert isinstance(whole, InstancePredictor)
            assert isinstance(heads, InstancePredictor)
            yield whole, heads


@pytest.fixture(scope="module")
def frames(shared):
    """Of both clips and of IDD."""
    found = []
    for clip in sorted((shared / "data/clips").glob("*.mp4")):
        capture = cv2.VideoCapture(str(clip))
        for number in range(101):
            there, frame = capture.read()
            if there and number % 50 == 0:
                found.append(frame)
        capture.release()
    pictures = sorted((shared / "data/idd20k_lite/leftImg8bit").rglob("*.jpg"))
    found += [cv2.cvtColor(read_rgb(path), cv2.COLOR_RGB2BGR) for path in pictures[::40][:6]]
    return found


def test_ten_heads_give_what_the_whole_export_gives(pair, frames):
    whole, heads = pair
    objects = 0
    for frame in frames:
        one, two = whole(frame), heads(frame)
        objects += len(one)
        np.testing.assert_array_equal(one.class_ids, two.class_ids)
        np.testing.assert_allclose(one.scores, two.scores, atol=1e-4)
        np.testing.assert_allclose(one.boxes_xyxy, two.boxes_xyxy, atol=0.01)
        for index in range(len(one)):
            first, second = one.full_mask(index), two.full_mask(index)
            assert (first & second).sum() > 0.999 * (first | second).sum()
            assert one.masks[index].area > 0
    assert objects > 15


def test_cars_are_found_on_the_road(pair, frames):
    whole, _ = pair
    names = {name for frame in frames for name in whole(frame).counts()}
    assert "car" in names


def test_masks_are_those_of_whole_pictures_resized(pair, frames):
    """Ultralytics' own way: mix everything, resize to the frame, then crop to the box."""
    whole, _ = pair
    frame = frames[0]
    height, width = frame.shape[:2]
    outputs = whole.infer(whole.prepare(frame))
    result = whole.decode(outputs, (height, width))
    assert len(result)
    found, protos = outputs["output0"][0], outputs["output1"][0]
    border = round((640 - 640 * height / width) / 2) // 4
    for index in range(len(result)):
        place = int(np.argmin(np.abs(found[4 + result.class_ids[index]] - result.scores[index])))
        mixed = np.tensordot(found[84:, place], protos, 1)[border : 160 - border]
        resized = cv2.resize(mixed, (width, height), interpolation=cv2.INTER_LINEAR) > 0
        x0, y0, x1, y1 = np.ceil(result.boxes_xyxy[index] - 0.5).astype(int)
        expected = np.zeros((height, width), bool)
        expected[y0:y1, x0:x1] = resized[y0:y1, x0:x1]
        mask = result.full_mask(index)
        assert (mask & expected).sum() > 0.995 * (mask | expected).sum()
