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
        x0, y0, x1, y1 = np.ceil(result.boxes_xyxy[index]).astype(int)
        expected = np.zeros((height, width), bool)
        expected[y0:y1, x0:x1] = resized[y0:y1, x0:x1]
        mask = result.full_mask(index)
        assert (mask & expected).sum() > 0.995 * (mask | expected).sum()


def test_every_object_is_what_plain_double_precision_gives(pair, frames):
    """The whole way from the two tensors to masks on the frame, written out in float64."""
    whole, _ = pair
    objects = 0
    for frame in frames:
        outputs = whole.infer(whole.prepare(frame))
        result = whole.decode(outputs, frame.shape[:2])
        tensors = (outputs[f"output{k}"][0].astype(float) for k in range(2))
        expected = list(_objects(*tensors, frame.shape[:2]))
        objects += len(expected)
        assert len(result) == len(expected)
        for index, (kind, score, box, values, inside) in enumerate(expected):
            assert result.class_ids[index] == kind
            assert abs(result.scores[index] - score) < 1e-6
            np.testing.assert_allclose(result.boxes_xyxy[index], box, atol=1e-3)
            clear = np.abs(values) > 1e-3  # nearer to 0, two roundings may differ
            assert clear.mean() > 0.99
            mask = result.full_mask(index)
            np.testing.assert_array_equal(mask[clear], (inside & (values > 0))[clear])
    assert objects > 15


def _objects(found, protos, frame_hw):
    """Class, score, box, and the mask's values and the box's pixels at the size of the frame."""
    height, width = frame_hw
    ratio = min(640 / height, 640 / width)
    high, wide = round(height * ratio), round(width * ratio)
    top, left = (640 - high) // 2, (640 - wide) // 2
    places = np.flatnonzero(found[4:84].max(0) > 0.5)
    kept: list[tuple] = []
    for place in places[np.argsort(-found[4:84, places].max(0), kind="stable")]:
        x, y, w, h = found[:4, place]
        box = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        kind = int(found[4:84, place].argmax())
        if all(kind != other or _iou(box, one) <= 0.5 for other, one, _ in kept):
            kept.append((kind, box, place))
    rows = ((np.arange(height) + 0.5) * high / height + top) / 4 - 0.5
    columns = ((np.arange(width) + 0.5) * wide / width + left) / 4 - 0.5
    for kind, box, place in kept:
        x0, x1 = np.clip((box[[0, 2]] - left) * width / wide, 0, width)
        y0, y1 = np.clip((box[[1, 3]] - top) * height / high, 0, height)
        low = np.einsum("k,khw->hw", found[84:, place], protos)
        values = _between(_between(low, rows).T, columns).T
        y, x = (np.arange(size) for size in (height, width))
        inside = ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))
        yield kind, found[4 + kind, place], (x0, y0, x1, y1), values, inside


def _between(values, at):
    """Rows of a map at places between its rows, linearly; beyond the outermost, their value."""
    at = np.clip(at, 0, len(values) - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    share = (at - low)[:, None]
    return values[low] * (1 - share) + values[high] * share


def _iou(one, two):
    sides = np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2])
    shared = np.maximum(sides, 0).prod()
    return shared / (sum((box[2:] - box[:2]).prod() for box in (one, two)) - shared)
