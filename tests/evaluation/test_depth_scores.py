"""A network that tells depth over a prepared folder: what counts, what does not, the report and the verb."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_depth import make_depth_onnx, metres_of
from tiny_joint import classes_of, joint_manifest, make_joint_onnx
from tiny_models import make_onnx

from curbside import cli
from curbside.errors import ConfigError, DataError
from curbside.evaluation import Predictions
from curbside.evaluation.depth import (
    OneLook,
    camera_fit,
    evaluate_depth,
    evaluate_jointly,
    write_depth_report,
)
from curbside.imaging import read_rgb, write_png
from curbside.labels import LabelSpace
from curbside.manifest import DepthSpec
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.runtime import JointPredictor, load_predictor

pytest.importorskip("matplotlib")

SIZE = (12, 16)
SPACE = joint_manifest().space
FOCAL = DepthSpec(max_m=80, focal_xy_px=(20.0, 20.0), camera="the left one")
FACTORS = {"a": 1.0, "b": 0.5, "c": 2.0}
"""What the truth of each picture is times what the network says."""


def _frames() -> dict[str, np.ndarray]:
    """Frames of the network's size on which it knows a depth nearly everywhere, BGR."""
    rng = np.random.default_rng(0)
    return {name: rng.integers(60, 255, (*SIZE, 3), dtype=np.uint8) for name in FACTORS}


def _folder(
    root: Path, parts: dict[str, dict[str, Any]], space: LabelSpace = SPACE
) -> PreparedFolder:
    """A prepared folder of the frames, each with the targets and facts given for it."""
    writer = PreparedWriter(root, space=space, source="by hand")
    for name, more in parts.items():
        file = root.with_name(f"{name}.png")
        write_png(file, _frames()[name][..., ::-1])
        data = SampleData(id=name, split="val", image=file, **more)
        writer.add(write_sample(root, data, space))
    writer.finish()
    return PreparedFolder(root)


def _truth(name: str) -> np.ndarray:
    """Its true depth, whose first row is unknown; whole 256ths of a metre, as files hold it."""
    depth = np.rint(metres_of(_frames()[name]) * FACTORS[name] * 256) / 256
    depth[0] = 0
    return depth.astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> PreparedFolder:
    weather = {"a": "fog", "b": "clear", "c": "fog"}
    parts = {
        name: {"depth_m": _truth(name), "tags": {"weather": weather[name]}} for name in FACTORS
    }
    return _folder(tmp_path / "data", parts)


@pytest.fixture
def network(tmp_path: Path):
    with load_predictor(make_depth_onnx(tmp_path / "d.onnx", depth=FOCAL), threads=1) as found:
        yield found


def _plain(names: str) -> tuple[np.ndarray, np.ndarray]:
    """What the network says and what is true, of all pixels of these pictures where both are known."""
    said = np.concatenate([metres_of(_frames()[name]).ravel() for name in names])
    true = np.concatenate([_truth(name).ravel() for name in names]).astype(np.float64)
    both = (said > 0) & (true > 0)
    return said[both], true[both]


def test_scores_are_those_of_numpy(folder, network):
    found = evaluate_depth(network, folder.samples("val", target="depth"), by="weather")
    said, true = _plain("abc")
    apart = np.abs(said - true) / true
    assert found.overall.abs_rel == pytest.approx(apart.mean(), rel=1e-4)
    assert found.overall.rmse == pytest.approx(np.sqrt(((said - true) ** 2).mean()), rel=1e-4)
    assert (found.overall.pixels, found.images) == (len(said), 3)
    each = [(np.abs(s - t) / t).mean() for s, t in map(_plain, "abc")]
    assert found.pictures.abs_rel == pytest.approx(np.mean(each), rel=1e-4)
    groups = {group.value: group for group in found.groups}
    said, true = _plain("ac")
    assert groups["fog"].summary.abs_rel == pytest.approx(
        np.mean(np.abs(said - true) / true), rel=1e-4
    )
    assert (groups["fog"].images, groups["clear"].images) == (2, 1)
    assert [item.id for item in found.worst] == ["b", "c", "a"]  # twice as far, half as far, right
    assert found.worst[0].abs_rel == pytest.approx(1, rel=1e-2)
    assert sum(band.summary.pixels for band in found.bands) == found.overall.pixels
    assert found.density.counts.sum() == found.overall.pixels
    assert found.abs_rel_interval is None  # of three pictures nothing is said


def test_scaled_to_the_median_the_shape_is_right(folder, network):
    scaled = evaluate_depth(network, folder.samples("val", target="depth")).scaled
    assert scaled.overall.abs_rel == pytest.approx(0, abs=2e-3) and scaled.pictures.delta1 == 1
    assert scaled.factor == pytest.approx(1, rel=1e-2)  # of 1, a half and 2
    assert scaled.spread == pytest.approx(np.std([1, 0.5, 2]), rel=1e-2)


def test_only_what_is_trusted_and_not_too_far_counts(tmp_path, network):
    confidence = np.zeros(SIZE, np.uint8)
    confidence[3:5], confidence[6] = 255, 127
    data = _folder(
        tmp_path / "data",
        {"a": {"depth_m": _truth("a"), "confidence": confidence}, "b": {"depth_m": _truth("b")}},
    )
    samples = data.samples("val", target="depth")
    found = evaluate_depth(network, samples, trusted=True)
    known = [(metres_of(_frames()[n]) > 0) & (_truth(n) > 0) for n in "ab"]
    assert found.overall.pixels == known[0][3:5].sum() + known[1].sum()
    assert "1 pictures tell no confidence" in found.measured_on()["pixels"]
    found = evaluate_depth(network, samples, max_m=15)
    true = np.concatenate([_truth(n)[k] for n, k in zip("ab", known, strict=True)])
    assert found.overall.pixels == (true <= 15).sum() > 0
    assert found.density.counts.sum() == found.overall.pixels
    said = np.minimum(_plain("ab")[0], 15)[true <= 15]
    assert found.overall.rmse == pytest.approx(
        np.sqrt(np.mean((said - true[true <= 15]) ** 2)), rel=1e-4
    )
    with pytest.raises(ConfigError, match="farthest depth of -1"):
        evaluate_depth(network, samples, max_m=-1)


def test_a_picture_that_cannot_be_read_is_left_out_and_one_without_truth_has_no_score(
    tmp_path, network
):
    nothing = np.zeros(SIZE, np.float32)
    data = _folder(
        tmp_path / "data",
        {"a": {"depth_m": _truth("a")}, "b": {"depth_m": nothing}, "c": {"depth_m": _truth("c")}},
    )
    samples = data.samples("val", target="depth")
    samples[2].target_path("depth").write_bytes(b"no picture")
    found = evaluate_depth(network, samples)
    assert found.images == 2 and len(found.unreadable) == 1 and "c.png" in found.unreadable[0]
    assert [item.id for item in found.worst] == ["a"]
    with pytest.raises(
        DataError, match="no depth is known at any pixel that counts, of 1 pictures"
    ):
        evaluate_depth(network, samples[1:2])


def test_many_pictures_have_an_interval(tmp_path, network):
    data = _folder(tmp_path / "data", {name: {"depth_m": _truth(name)} for name in FACTORS})
    samples = data.samples("val", target="depth") * 3
    low, high = evaluate_depth(network, samples).abs_rel_interval
    overall = evaluate_depth(network, samples[:3]).overall
    assert 0 <= low < overall.abs_rel < high <= 1.01


@pytest.mark.parametrize(
    ("focal", "others", "factor"),
    [((40.0, 40.0), 0, 1.0), ((60.0, 60.0), 2, 1.5), ((40.0, 43.0), 2, np.sqrt(1.075))],
)
def test_metres_of_another_camera_are_told(tmp_path, network, focal, others, factor):
    big = {"depth_m": _truth("a"), "focal_xy_px": focal}
    data = _folder(tmp_path / "data", {"a": big, "b": big, "c": {"depth_m": _truth("c")}})
    # The pictures as if they were twice the size of the network's input.
    samples = [
        replace(s, record=replace(s.record, size_hw=(2 * SIZE[0], 2 * SIZE[1])))
        for s in data.samples("val")
    ]
    fit = camera_fit(network.manifest, samples)
    assert (fit.pictures, fit.others) == (2, others)
    assert fit.factor == pytest.approx(factor)
    assert bool(fit.remark) == bool(others)
    assert fit.pictures_xy_px == pytest.approx((focal[0] / 2, focal[1] / 2))
    if factor == 1.5:
        assert "2 of 2 pictures" in fit.remark and "30 x 30 against 20 x 20 px" in fit.remark
        assert "times 1.5 would be" in fit.remark


def test_a_border_does_not_change_the_focal_length(tmp_path):
    path = make_depth_onnx(tmp_path / "d.onnx", size_hw=(16, 16), fit="letterbox", depth=FOCAL)
    data = _folder(tmp_path / "data", {"a": {"depth_m": _truth("a"), "focal_xy_px": (20, 20)}})
    with load_predictor(path, threads=1) as predictor:
        assert camera_fit(predictor.manifest, data.samples("val")).factor == 1


def test_the_report_shows_all_that_was_found(tmp_path, network):
    parts = {n: {"depth_m": _truth(n), "focal_xy_px": (30, 30)} for n in FACTORS}
    samples = _folder(tmp_path / "data", parts).samples("val")
    found = evaluate_depth(network, samples)
    page = write_depth_report(found, tmp_path / "report", network, samples).read_text()
    assert page.count("<img") == 12 and page.count("<svg") == 2
    assert "metric scale is for another camera" in page and "delta &lt; 1.25" in page
    assert "a focal length of 20 x 20 px at its input, the left one" in page
    said = json.loads((tmp_path / "report" / "report.json").read_text())
    assert said["scores"]["abs_rel"] == found.overall.abs_rel
    assert said["median_scaled"]["factor"] == found.scaled.factor
    assert said["camera"]["factor"] == 1.5 and said["camera"]["other_pictures"] == 3
    assert "metric scale" in (tmp_path / "report" / "report.md").read_text()


class _Counted(JointPredictor):
    """A network that counts how often it looks."""

    looks = 0

    def infer(self, tensor):
        self.looks += 1
        return super().infer(tensor)


@pytest.fixture
def mixed(tmp_path: Path) -> PreparedFolder:
    """Of three pictures one has a mask, one depth and one both."""
    mask = classes_of(_frames()["a"]).astype(np.uint8)
    both = {"semantic": classes_of(_frames()["c"]).astype(np.uint8), "depth_m": _truth("c")}
    parts = {"a": {"semantic": mask}, "b": {"depth_m": _truth("b")}, "c": both}
    return _folder(tmp_path / "mixed", parts)


def test_each_answer_is_scored_on_the_pictures_that_have_it_at_one_look(tmp_path, mixed):
    path = make_joint_onnx(tmp_path / "j.onnx", outputs="logits")
    with load_predictor(path, threads=1) as opened:
        network = _Counted(opened.backend)
        look = OneLook(network)
        with_classes, with_depth = (mixed.samples("val", target=t) for t in ("semantic", "depth"))
        out = tmp_path / "kept"
        with Predictions(out, space=SPACE, options={}) as kept:
            classes, depth = evaluate_jointly(
                look.semantic, look.depth, with_classes, with_depth, kept=kept
            )
        assert network.looks == 3
    assert (classes.images, depth.images) == (2, 2)
    assert classes.overall.pixel_accuracy == 1 and classes.overall.mean_auprc is not None
    said, true = _plain("bc")
    assert depth.overall.abs_rel == pytest.approx(np.mean(np.abs(said - true) / true), rel=1e-4)
    for sample in PreparedFolder(out).samples("val"):
        frame = _frames()[sample.id]
        assert sample.record.targets == ("semantic", "depth")
        assert np.array_equal(sample.read_semantic(), classes_of(frame))
        assert sample.read_depth_m() == pytest.approx(metres_of(frame), abs=1 / 256)
        assert np.array_equal(read_rgb(sample.image_path), frame[..., ::-1])


def test_the_verb_scores_both_answers(tmp_path, mixed, capsys):
    model = make_joint_onnx(tmp_path / "j.onnx")
    assert cli.main(["evaluate", str(model), str(mixed.root), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["semantic"]["images"] == said["depth"]["images"] == 2
    assert said["depth"]["scores"]["delta1"] == 0
    assert Path(said["semantic"]["report"]).parent.name == "j.onnx.eval-val"
    assert Path(said["depth"]["report"]).parent.name == "j.onnx.eval-val-depth"


def test_the_verb_leaves_out_what_no_picture_tells(tmp_path, folder, capsys):
    model = make_joint_onnx(tmp_path / "j.onnx")
    options = ["--json", "--out", str(tmp_path / "out"), "--by", "weather", "--max-depth-m", "40"]
    assert cli.main(["evaluate", str(model), str(folder.root), *options]) == 0
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert said.keys() == {"depth"} and said["depth"]["max_m"] == 40
    assert "no sample of split 'val' has a semantic target" in captured.err
    assert (tmp_path / "out" / "depth" / "report.html").is_file()


def test_the_verb_scores_depth_alone_and_keeps_it(tmp_path, folder, capsys):
    model, out = make_depth_onnx(tmp_path / "d.onnx"), tmp_path / "kept"
    options = ["--limit", "2", "--save-predictions", str(out)]
    assert cli.main(["evaluate", str(model), str(folder.root), *options]) == 0
    shown = capsys.readouterr().out
    assert "AbsRel" in shown and "distance" in shown and "0–10 m" in shown
    assert (tmp_path / "d.onnx.eval-val-depth" / "report.html").is_file()
    kept = PreparedFolder(out).samples("val")
    assert [sample.record.targets for sample in kept] == [("depth",)] * 2
    assert kept[0].read_depth_m() == pytest.approx(metres_of(_frames()["a"]), abs=1 / 256)


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (make_depth_onnx, ["--common"], "--common says nothing here"),
        (make_depth_onnx, ["--iou", "0.5"], "--iou says nothing here"),
        (make_onnx, ["--trusted"], "--trusted says nothing here"),
        (make_onnx, ["--max-depth-m", "80"], "no depth; leave it out"),
        (make_joint_onnx, ["--confidence", "0.5"], "finds no objects"),
        (make_joint_onnx, ["--split", "test"], "split 'test'"),
        (make_depth_onnx, ["--max-depth-m", "0"], "farthest depth of 0.0 m"),
    ],
)
def test_mistakes_are_one_line(tmp_path, folder, capsys, make, options, said):
    model = make(tmp_path / "m.onnx")
    assert cli.main(["evaluate", str(model), str(folder.root), *options]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_where_classes_are_wanted_depth_alone_is_refused_and_both_are_taken(
    tmp_path, mixed, capsys
):
    depth, both = make_depth_onnx(tmp_path / "d.onnx"), make_joint_onnx(tmp_path / "j.onnx")
    assert cli.main(["compare", str(both), str(depth), "--data", str(mixed.root)]) == 2
    assert "network for the task depth" in capsys.readouterr().err
    semantic = make_onnx(tmp_path / "s.onnx")
    assert cli.main(["compare", str(both), str(semantic), "--data", str(mixed.root), "--json"]) == 0
