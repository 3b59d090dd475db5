"""Counts of every picture: kept, written, read back; hostile files refused; intervals from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from curbside.errors import DataError
from curbside.evaluation import evaluate, write_report
from curbside.evaluation.per_image import read_per_image
from curbside.evaluation.tables import class_table, score_table
from curbside.metrics import ConfusionMatrix, bootstrap_miou


def stripes(truth: np.ndarray) -> np.ndarray:
    wrong = truth.copy()
    wrong[:, :3] = 0
    wrong[0, 0] = 255
    return wrong


def test_the_counts_of_every_picture_are_those_of_its_own_matrix(fake, samples, tmp_path):
    predictor = fake("logits", answer=stripes)
    found = evaluate(predictor, samples)
    assert found.per_image.shape == (4, 3, 4) and found.image_ids == ("a", "b", "c", "d")
    for sample, counts in zip(samples, found.per_image, strict=True):
        alone = ConfusionMatrix(3)
        alone.update(stripes(np.where(sample.read_semantic() == 255, 0, sample.read_semantic())),
                     sample.read_semantic())  # fmt: skip
        np.testing.assert_array_equal(counts[:, :3], alone.counts)
        np.testing.assert_array_equal(counts[:, 3], alone.outside)
    np.testing.assert_array_equal(found.per_image[:, :, :3].sum(axis=0), found.confusion)
    assert found.per_image[:, :, 3].sum() == 3  # one pixel of each picture, of one an ignored one

    write_report(found, tmp_path / "out", predictor, samples)
    ids, counts = read_per_image(tmp_path / "out")
    assert ids == found.image_ids and counts.dtype == np.int64
    np.testing.assert_array_equal(counts, found.per_image)
    assert "per_image" not in json.loads((tmp_path / "out/report.json").read_text())


def test_intervals_need_six_pictures(fake, samples):
    few = evaluate(fake("ids", answer=stripes), samples, by="weather")
    assert few.miou_interval is None and few.iou_intervals == (None,) * 3
    assert [group.miou_interval for group in few.groups] == [None, None]
    many = evaluate(fake("ids", answer=stripes), samples * 3, by="weather")
    assert many.iou_intervals[2] is None, "only 3 of 12 pictures hold the class"
    many = evaluate(fake("ids", answer=stripes), samples * 6, by="weather")
    assert many.miou_interval == bootstrap_miou(many.per_image)
    fog = many.groups[1]
    assert fog.value == "fog" and fog.images == 12
    own = [i for i, name in enumerate(many.image_ids) if name in "ab"]
    assert fog.miou_interval == bootstrap_miou(many.per_image[own])
    low, high = many.miou_interval
    assert low <= many.overall.miou <= high
    assert many.iou_intervals[2][0] <= many.overall.iou[2] <= many.iou_intervals[2][1]
    assert many.to_dict()["miou_interval"] == (low, high)
    shown = dict(score_table(many).rows)
    assert shown["mIoU, 95 % interval over pictures"] == f"{low:.3f}–{high:.3f}"
    assert dict(score_table(few).rows)["mIoU, 95 % interval over pictures"] == "–"


def test_boundaries_are_scored_and_their_width_is_said(fake, samples):
    found = evaluate(fake("ids", answer=stripes), samples, by="weather")
    # Pictures of 8 x 16 have a diagonal of 18 pixels: 2 % of it is less than one pixel.
    assert found.overall.boundary_px == (1,)
    assert found.measured_on()["boundaries"] == "1 px wide, 2 % of the diagonal"
    assert found.headline()["mean boundary IoU"] == found.overall.mean_boundary_iou < 1
    assert [row[2] for row in class_table(found).rows] == [
        f"{value:.4f}" for value in found.overall.boundary_iou
    ]
    assert all(group.summary.mean_boundary_iou < 1 for group in found.groups)
    assert evaluate(fake("ids"), samples).overall.mean_boundary_iou == 1


def test_hostile_files_are_one_line(tmp_path):
    path = tmp_path / "per_image.npz"
    with pytest.raises(DataError, match="does not exist; write it again"):
        read_per_image(tmp_path)
    ids, counts = np.array(["a"]), np.zeros((1, 2, 3), np.int64)
    spoilt = [
        {"ids": np.array([{"a": 1}], object), "counts": counts},
        {"ids": ids},
        {"ids": ids, "counts": counts[0]},
        {"ids": ids, "counts": np.zeros((2, 2, 3), np.int64)},
        {"ids": ids, "counts": np.zeros((1, 2, 2), np.int64)},
        {"ids": ids, "counts": counts.astype(float)},
        {"ids": np.array([1]), "counts": counts},
    ]
    for arrays in spoilt:
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=r"per_image\.npz") as caught:
            read_per_image(tmp_path)
        assert "\n" not in str(caught.value)
    np.savez(path, ids=ids, counts=counts)
    whole = path.read_bytes()
    for data in (b"", b"PK", whole[: len(whole) // 2], b"\x93NUMPY" + whole):
        path.write_bytes(data)
        with pytest.raises(DataError, match="is not readable"):
            read_per_image(tmp_path)


def test_more_than_memory_holds_is_not_unpacked(tmp_path, monkeypatch):
    from curbside.evaluation import per_image

    monkeypatch.setattr(per_image, "_MOST_BYTES", 1000)
    counts = np.zeros((50, 2, 3), np.int64)
    np.savez_compressed(tmp_path / "per_image.npz", ids=np.full(50, "a"), counts=counts)
    with pytest.raises(DataError, match="bytes"):
        read_per_image(tmp_path)
