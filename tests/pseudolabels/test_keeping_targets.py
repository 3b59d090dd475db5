"""What samples are labelled with is kept, and networks label the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_depth import make_depth_onnx, metres_of
from tiny_instances import make_constant_onnx, manifest_of, random_raw
from tiny_joint import joint_manifest, make_joint_onnx
from tiny_models import SPACE, make_manifest, make_onnx

from curbside.cli import main
from curbside.errors import ConfigError
from curbside.manifest import METADATA_KEY, DepthSpec
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, examine, write_sample
from curbside.pseudolabels import Labeller, Picture, PseudoLabelConfig, write_pseudolabels
from curbside.runtime import load_depth_predictor, load_predictor

SIZE = (48, 64)
THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)
ROAD, SKY, TREE, CAR = range(4)


def frame_of(seed: int) -> np.ndarray:
    """Colours near those where scores are equal, so that some pixels are in doubt; below, most are of a car."""
    bgr = np.random.default_rng(seed).integers(-2, 3, (*SIZE, 3))
    bgr += np.where(np.indices(SIZE)[0, ..., None] < 24, (120, 120, 120), (126, 83, 40))
    return bgr.astype(np.uint8)


def mask_of(seed: int, ids: list[int]) -> np.ndarray:
    return np.random.default_rng(seed).choice(ids, SIZE).astype(np.uint8)


SURFACES = mask_of(1, [ROAD, SKY, TREE, 255])
CARS = np.where(np.indices(SIZE)[1] < 20, CAR, 255).astype(np.uint8)
DEPTH = np.round(np.random.default_rng(2).uniform(0, 60, SIZE) * 256).astype(np.float32) / 256
TRUST = np.random.default_rng(3).choice([0, 255], SIZE).astype(np.uint8)


@pytest.fixture
def source(tmp_path):
    """Four samples: with depth alone, with surfaces alone, with cars alone, with everything."""
    root = tmp_path / "source"
    writer = PreparedWriter(root, space=THINGS, source="test")
    samples = {
        "depth": {
            "depth_m": DEPTH,
            "confidence": TRUST,
            "annotated": (),
            "focal_xy_px": (90.0, 80.0),
        },
        "surfaces": {"semantic": SURFACES, "annotated": ("road", "sky", "tree")},
        "cars": {
            "semantic": CARS,
            "instances": np.where(CARS == CAR, 3000 + np.indices(SIZE)[0] // 24, 255),
            "annotated": ("car",),
        },
        "whole": {"semantic": mask_of(4, [ROAD, CAR, 255]), "depth_m": DEPTH},
    }
    for seed, (name, targets) in enumerate(samples.items()):
        image = tmp_path / f"{name}.png"
        cv2.imwrite(str(image), frame_of(seed))
        data = SampleData(id=name, split="train", image=image, **targets)
        writer.add(write_sample(root, data, THINGS))
    writer.finish()
    return root


@pytest.fixture
def joint(tmp_path):
    manifest = joint_manifest(size_hw=SIZE, outputs="logits", space=THINGS)
    return make_joint_onnx(tmp_path / "j.onnx", size_hw=SIZE, outputs="logits", manifest=manifest)


@pytest.fixture
def instances(tmp_path):
    arrays, outputs = random_raw(1).whole()
    manifest = manifest_of(outputs, random_raw(1).size_hw)
    path = tmp_path / "i.onnx"
    metadata = {METADATA_KEY: manifest.to_json()}
    return make_constant_onnx(path, arrays, size_hw=random_raw(1).size_hw, metadata=metadata)


def read(root, split="train"):
    return {sample.id: sample for sample in PreparedFolder(root).samples(split)}


def sure_of(network, bgr, confidence):
    """What the network is sure of, and what it says."""
    shares = network(bgr, probabilities=True).probabilities
    best = shares.argmax(0)
    return np.where(shares.max(0) >= confidence, best, 255), best


def test_each_sample_gets_what_it_lacks_and_keeps_what_it_has(source, joint, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["pseudolabel", str(joint), str(source), str(out), "--depth", str(joint)]
    argv += ["--keep-targets", "--confidence", "0.6", "--json"]
    assert not main(argv)
    told = json.loads(capsys.readouterr().out)
    before, after = read(source), read(out)
    with load_predictor(joint, threads=1) as network:
        said = {name: sure_of(network.semantic, s.read_bgr(), 0.6) for name, s in before.items()}
    for name, sample in before.items():
        np.testing.assert_array_equal(after[name].read_rgb(), sample.read_rgb())
        assert after[name].record.focal_xy_px == sample.record.focal_xy_px

    one = after["depth"]  # classes of the network, and its own depth, which has its confidence
    np.testing.assert_array_equal(one.read_semantic(), said["depth"][0])
    np.testing.assert_array_equal(one.read_depth_m(), DEPTH)
    np.testing.assert_array_equal(one.read_confidence(), TRUST)
    assert (one.annotated_ids, one.record.pseudo) == (None, ("semantic",))
    assert one.record.by_people == () and one.read_filled() is None

    one = after["surfaces"]
    sure, best = said["surfaces"]
    want = np.array(SURFACES)
    filled = asked = 0
    for place in np.ndindex(*SIZE):
        if want[place] == 255:
            asked += 1
            if sure[place] == CAR:  # nothing else can be where no surface was annotated
                want[place] = CAR
                filled += 1
        elif sure[place] == CAR:  # a car may stand before the surface
            want[place] = 255
    assert filled > 10
    np.testing.assert_array_equal(one.read_semantic(), want)
    assert (one.annotated_ids, one.record.pseudo) == (None, ("semantic", "depth"))
    assert one.record.by_people == ("road", "sky", "tree")
    np.testing.assert_array_equal(one.read_filled(), (SURFACES == 255) & (want == CAR))
    metres = metres_of(before["surfaces"].read_bgr())
    np.testing.assert_allclose(one.read_depth_m(), metres, atol=1 / 256)
    assert "confidence" not in one.record.targets

    one = after["cars"]
    sure, _ = said["cars"]
    want = np.where((CARS == 255) & np.isin(sure, [ROAD, SKY, TREE]), sure, CARS)
    np.testing.assert_array_equal(one.read_semantic(), want)
    own = before["cars"].read_instances()
    np.testing.assert_array_equal(one.read_instances(), np.where(own == 255, want, own))
    assert one.record.pseudo == ("semantic", "instances", "depth")
    np.testing.assert_array_equal(one.read_filled(), (CARS == 255) & (want != 255))

    one = after["whole"]
    np.testing.assert_array_equal(one.read_semantic(), before["whole"].read_semantic())
    np.testing.assert_array_equal(one.read_depth_m(), DEPTH)
    assert (one.record.annotated, one.record.pseudo, one.record.by_people) == (None, (), ())

    # Counted is what was asked of the network: all of one picture, and what was open of two.
    open_cars = CARS == 255
    in_all = (said["depth"][1] == CAR).sum() + (best[SURFACES == 255] == CAR).sum()
    in_all += (said["cars"][1][open_cars] == CAR).sum()
    assert told["pixels"]["car"] == in_all
    assert told["sure_pixels"]["car"] == (said["depth"][0] == CAR).sum() + filled
    assert sum(told["pixels"].values()) == 48 * 64 + asked + open_cars.sum()
    assert told["kept"] == {"semantic": 3, "depth": 2, "confidence": 1, "instances": 1}
    assert told["depth_pixels"] == {"said": 2 * 48 * 64, "kept": 2 * 48 * 64}
    wrong = {finding.code for finding in examine(out, workers=1).findings}
    assert not wrong & {"instance_class", "not_annotated", "unknown_id"}


def test_a_label_that_hides_nothing_stays(source, joint, tmp_path):
    config = PseudoLabelConfig(hidden="none")
    with load_predictor(joint, threads=1) as network:
        labeller = Labeller(semantic=network.semantic, config=config)
        pictures = map(Picture.of_sample, PreparedFolder(source).samples("train"))
        write_pseudolabels(labeller, pictures, tmp_path / "out", keep_targets=True)
    mask = read(tmp_path / "out")["surfaces"].read_semantic()
    np.testing.assert_array_equal(mask[SURFACES != 255], SURFACES[SURFACES != 255])


def test_labels_of_networks_stay_theirs_in_a_second_folder(source, joint, tmp_path):
    with load_predictor(joint, threads=1) as network:
        labeller = Labeller(semantic=network.semantic)
        for root, out in ((source, "one"), (tmp_path / "one", "two")):
            pictures = map(Picture.of_sample, PreparedFolder(root).samples("train"))
            write_pseudolabels(labeller, pictures, tmp_path / out, keep_targets=True)
    once, twice = read(tmp_path / "one"), read(tmp_path / "two")
    assert [s.record.pseudo for s in once.values()].count(()) == 1
    assert once["cars"].record.by_people == ("car",)
    for name, sample in once.items():
        assert sample.record == twice[name].record
        np.testing.assert_array_equal(sample.read_semantic(), twice[name].read_semantic())


def test_a_teacher_that_does_not_tell_all_leaves_the_rest_unsaid(source, tmp_path):
    """The network has no trees: what it is not sure of may be one."""
    narrow = make_onnx(
        tmp_path / "s.onnx",
        size_hw=SIZE,
        outputs="logits",
        manifest=make_manifest(
            size_hw=SIZE,
            outputs="logits",
            space=replace(
                THINGS,
                name="others",
                classes=tuple(
                    replace(c, name="unheard of") if c.name == "tree" else c for c in THINGS.classes
                ),
            ),
        ),
    )
    with load_predictor(narrow, threads=1) as network:
        labeller = Labeller(semantic=network, space=THINGS)
        pictures = map(Picture.of_sample, PreparedFolder(source).samples("train"))
        write_pseudolabels(labeller, pictures, tmp_path / "out", keep_targets=True)
    after = read(tmp_path / "out")
    assert after["depth"].annotated_ids == after["cars"].annotated_ids == (ROAD, SKY, CAR)
    assert after["surfaces"].annotated_ids is None


def test_objects_join_masks_of_people(source, joint, instances, tmp_path):
    """Objects of a network become instances where the mask of people agrees, and of new classes where it
    says nothing."""
    with (
        load_predictor(joint, threads=1) as network,
        load_predictor(instances, threads=1) as finder,
    ):
        config = PseudoLabelConfig(confidence=0.5, doubt=0.2)
        labeller = Labeller(semantic=network.semantic, instances=finder, config=config)
        pictures = list(map(Picture.of_sample, PreparedFolder(source).samples("train")))
        alone = {picture.id: labeller(picture.read_bgr()) for picture in pictures}
        found = write_pseudolabels(labeller, pictures, tmp_path / "out", keep_targets=True)
    before, after = read(source), read(tmp_path / "out")
    assert set(found.objects) == {"car"}
    objects, mask = alone["whole"].instances, before["whole"].read_semantic()
    want = np.where((objects >= 3000) & (mask == CAR), objects, mask)
    assert (want >= 3000).any()
    np.testing.assert_array_equal(after["whole"].read_instances(), want)
    np.testing.assert_array_equal(after["whole"].read_semantic(), mask)
    assert after["whole"].record.pseudo == ("instances",)
    own, now = before["cars"].read_instances(), after["cars"].read_instances()
    np.testing.assert_array_equal(now[own != 255], own[own != 255])
    assert (now[own == 255] < 1000).all()  # cars were annotated: there is no other
    wrong = {finding.code for finding in examine(tmp_path / "out", workers=1).findings}
    assert not wrong & {"instance_class", "not_annotated"}


@pytest.mark.parametrize(
    ("spec", "focal", "limit", "want"),
    [
        (DepthSpec(), (500.0, 500.0), None, lambda m: m),
        (DepthSpec(focal_xy_px=(100.0, 100.0)), None, None, lambda m: m),
        # A lens of twice the focal length shows a thing as large from twice as far.
        (DepthSpec(focal_xy_px=(100.0, 100.0)), (200.0, 200.0), None, lambda m: 2 * m),
        # Of both axes the geometric mean, in pixels of the network's input.
        (DepthSpec(focal_xy_px=(100.0, 50.0)), (200.0, 400.0), None, lambda m: 4 * m),
        (DepthSpec(), None, 17.98, lambda m: np.where(m < 17.98, m, 0)),
        (DepthSpec(max_m=17.98), None, None, lambda m: np.where(m < 17.98, m, 0)),
    ],
)
def test_depth_is_that_of_the_pictures_camera(tmp_path, spec, focal, limit, want):
    path = make_depth_onnx(tmp_path / "d.onnx", size_hw=SIZE, depth=spec)
    frame = frame_of(7)
    with load_depth_predictor(path, threads=1) as network:
        labeller = Labeller(depth=network, config=PseudoLabelConfig(max_depth_m=limit))
        labels = labeller(frame, focal_xy_px=focal)
    expected = want(metres_of(frame))
    np.testing.assert_allclose(labels.depth_m, expected, rtol=1e-5)
    assert labels.semantic is None and labeller.annotated == ()
    assert labels.depth_pixels == {"said": 48 * 64, "kept": np.count_nonzero(expected)}


def test_the_focal_length_counts_in_pixels_of_the_network(tmp_path):
    """The picture is twice as large as the network's input, so that its focal length is, too."""
    path = make_depth_onnx(
        tmp_path / "d.onnx", size_hw=SIZE, depth=DepthSpec(focal_xy_px=(100.0, 100.0))
    )
    frame = np.full((96, 128, 3), 120, np.uint8)
    with load_depth_predictor(path, threads=1) as network:
        depth = Labeller(depth=network)(frame, focal_xy_px=(200.0, 200.0)).depth_m
    np.testing.assert_allclose(depth, 18.0, rtol=1e-5)  # 120 * (0.2 + 0.1 - 0.05) - 12


def test_depth_alone_for_a_folder_of_masks(source, tmp_path, capsys):
    path = make_depth_onnx(tmp_path / "d.onnx", size_hw=SIZE)
    argv = ["pseudolabel", str(path), str(source), str(tmp_path / "out"), "--max-depth-m", "17.98"]
    assert not main([*argv, "--keep-targets"])
    said = capsys.readouterr().out
    assert "Depth was told for 6,144 pixels" in " ".join(said.split()) and "warning" not in said
    before, after = read(source), read(tmp_path / "out")
    assert PreparedFolder(tmp_path / "out").space == THINGS
    for name in ("surfaces", "cars"):
        np.testing.assert_array_equal(after[name].read_semantic(), before[name].read_semantic())
        metres = metres_of(before[name].read_bgr())
        want = np.where(metres < 17.98, metres, 0)
        np.testing.assert_allclose(after[name].read_depth_m(), want, atol=1 / 256)
        assert after[name].record.annotated == before[name].record.annotated
        assert after[name].record.pseudo == ("depth",)
    # Without its targets a picture gets depth whether it has some or not, and nothing else.
    argv[3] = str(tmp_path / "plain")
    assert not main(argv)
    plain = read(tmp_path / "plain")
    assert {sample.record.targets for sample in plain.values()} == {("depth",)}
    assert plain["depth"].record.focal_xy_px == (90.0, 80.0)


def test_scores_that_were_never_calibrated_are_warned_of(source, joint, tmp_path, capsys):
    assert not main(["pseudolabel", str(joint), str(source), str(tmp_path / "out")])
    said = " ".join(capsys.readouterr().out.split())
    assert "warning: the scores of a convolution had never been calibrated" in said
    assert "fit one first: curbside calibrate RUN DATA" in said
    assert "never been calibrated" in (tmp_path / "out.labels/report.md").read_text()
    assert all("depth" not in sample.record.targets for sample in read(tmp_path / "out").values())


def test_what_cannot_be_kept_is_refused_in_one_line(source, joint, tmp_path, capsys):
    semantic = make_onnx(tmp_path / "s.onnx", size_hw=SIZE, outputs="logits")
    argv = ["pseudolabel", str(joint), str(source), str(tmp_path / "out")]
    plain = [*argv[:2], str(source / "train/images"), argv[3]]
    assert main([*plain, "--keep-targets"]) == 2
    assert "is no prepared folder, so that there are no targets" in capsys.readouterr().err
    assert main([*argv, "--depth", str(semantic)]) == 2
    assert "is a network for the task semantic, and tells no depth" in capsys.readouterr().err
    metres = make_depth_onnx(tmp_path / "d.onnx", size_hw=SIZE)
    assert main(["pseudolabel", str(metres), *argv[2:], "--depth", str(joint)]) == 2
    assert "both networks have the same task" in capsys.readouterr().err
    assert main([*argv, "--max-depth-m", "0"]) == 2
    assert "max_depth_m is 0.0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with load_predictor(semantic, threads=1) as network:
        labeller = Labeller(semantic=network, space=replace(THINGS, name="else"))
        pictures = map(Picture.of_sample, PreparedFolder(source).samples("train"))
        with pytest.raises(ConfigError, match="has masks in tiny, and the labels are in else"):
            write_pseudolabels(labeller, pictures, tmp_path / "else", keep_targets=True)
