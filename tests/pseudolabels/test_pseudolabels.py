"""What networks are sure of, as masks and objects of a prepared folder."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_instances import make_constant_onnx, manifest_of, naive_objects, random_raw
from tiny_models import SPACE, make_manifest, make_onnx, write_clip

from curbside.cli import main
from curbside.errors import ConfigError, LabelError, ModelFileError, SourceError
from curbside.imaging import write_jpeg
from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.manifest import METADATA_KEY
from curbside.prepared import PreparedFolder, examine
from curbside.pseudolabels import Labeller, Picture, PseudoLabelConfig, write_pseudolabels
from curbside.runtime import load_predictor

RAW = random_raw(1)
SIZE = (48, 64)
THINGS = replace(
    SPACE, classes=tuple(replace(c, has_instances=c.name == "car") for c in SPACE.classes)
)
OBJECTS = LabelSpace(
    name="objects",
    classes=tuple(
        LabelClass(id=number, name=name, color=(number, 9, 9), has_instances=name != "sky")
        for number, name in enumerate(("sky", "person", "car"))
    ),
)


@pytest.fixture
def semantic(tmp_path):
    path = tmp_path / "s.onnx"
    return make_onnx(path, size_hw=SIZE, outputs="logits", manifest=_manifest())


def _manifest():
    return make_manifest(size_hw=SIZE, outputs="logits", space=THINGS)


@pytest.fixture
def instances(tmp_path):
    arrays, outputs = RAW.whole()
    metadata = {METADATA_KEY: manifest_of(outputs, RAW.size_hw).to_json()}
    return make_constant_onnx(tmp_path / "i.onnx", arrays, size_hw=RAW.size_hw, metadata=metadata)


@pytest.fixture
def frame():
    """Colours that are near each other, so that some pixels are in doubt."""
    random = np.random.default_rng(0)
    return (120 + random.integers(-2, 3, (*SIZE, 3))).astype(np.uint8)


def test_pixels_below_the_confidence_are_ignored(semantic, frame):
    with load_predictor(semantic, threads=1) as network:
        labels = Labeller(semantic=network, config=PseudoLabelConfig(confidence=0.6))(frame)
        probabilities = network(frame, probabilities=True).probabilities
    best = probabilities.argmax(0)
    sure = probabilities.max(0) >= 0.6
    assert 0 < sure.sum() < sure.size
    np.testing.assert_array_equal(labels.semantic, np.where(sure, best, 255))
    assert labels.instances is None
    assert labels.pixels == {
        c.name: (best == c.id).sum() for c in THINGS.classes if (best == c.id).any()
    }
    assert sum(labels.sure_pixels.values()) == sure.sum()


def test_objects_in_doubt_are_groups(instances, frame):
    config = PseudoLabelConfig(confidence=0.6, doubt=0.3, min_area=4)
    with load_predictor(instances, threads=1) as network:
        labeller = Labeller(instances=network, config=config, space=OBJECTS)
        labels = labeller(frame)
    assert labeller.annotated == ("person", "car")
    expected = np.full(SIZE, 255)
    numbers = {1: 0, 2: 0}
    counts = {"found": 0, "sure": 0}
    found = naive_objects(RAW, SIZE, confidence=0.3)
    for item in sorted(found, key=lambda item: -item["score"]):
        class_id = {"person": 1, "car": 2}.get(("car", "person", "dog")[item["class"]])
        mask = (item["values"] > 0) & item["inside"]
        if class_id is None or mask.sum() < 4:
            continue
        value = class_id
        counts["found"] += 1
        if item["score"] >= 0.6:
            counts["sure"] += 1
            numbers[class_id] += 1
            value = class_id * 1000 + numbers[class_id]
        expected[mask & (expected == 255)] = value
    assert counts["found"] > counts["sure"] > 1
    np.testing.assert_array_equal(labels.instances, expected)
    assert sum(labels.objects.values()) == counts["found"]
    assert sum(labels.sure_objects.values()) == counts["sure"]
    assert labels.semantic is None


def test_both_networks_make_a_folder_that_is_healthy(semantic, instances, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    random = np.random.default_rng(1)
    for number in range(3):
        base = random.integers(60, 200, (6, 8, 3), np.uint8)
        write_jpeg(pictures / f"{number}.jpg", cv2.resize(base, SIZE[::-1]))
    space = ["--confidence", "0.5", "--doubt", "0.2"]
    argv = ["pseudolabel", str(semantic), str(pictures), str(tmp_path / "out"), *space, "--json"]
    assert not main([*argv, "--instances", str(instances)])
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 3
    assert told["label_space"] == "tiny"
    assert 0 < sum(told["sure_pixels"].values()) <= sum(told["pixels"].values()) == 3 * 48 * 64
    assert set(told["objects"]) == {"car"}  # the others are no class of the map
    data = PreparedFolder(tmp_path / "out")
    assert data.counts["train"] == 3
    errors = [f.code for f in examine(tmp_path / "out").findings if f.code.startswith("instance")]
    assert not errors
    sample = data.samples("train", target="instances")[0]
    objects, classes = sample.read_instances(), sample.read_semantic()
    assert (classes[objects >= 1000] == 3).all()
    assert (tmp_path / "out.labels" / "report.html").is_file()
    # What is there can be corrected by people.
    assert not main(["annotations", "cvat", str(tmp_path / "out"), str(tmp_path / "cvat")])
    assert (tmp_path / "cvat" / "train.xml").is_file()


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_labels(semantic, tmp_path, frame):
    frames = [np.roll(frame, shift, 1) for shift in range(4)]

    def pictures(stop: int | None = None):
        for number, bgr in enumerate(frames):
            if number == stop:
                raise KeyboardInterrupt
            yield Picture(
                id=f"{number}",
                split="val",
                image=np.ascontiguousarray(bgr[..., ::-1]),
                read_bgr=lambda bgr=bgr: bgr,
            )

    with load_predictor(semantic, threads=1) as network:
        labeller = Labeller(semantic=network)
        whole = write_pseudolabels(labeller, pictures(), tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            write_pseudolabels(labeller, pictures(2), tmp_path / "cut")
        assert write_pseudolabels(labeller, pictures(), tmp_path / "cut") == whole
        stricter = Labeller(semantic=network, config=PseudoLabelConfig(confidence=0.9))
        with pytest.raises(ConfigError, match=r"confidence is 0\.7 there, 0\.9 here"):
            write_pseudolabels(stricter, pictures(), tmp_path / "cut")
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*.*"))
    for file in files:
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_frames_of_a_video(semantic, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", frames=7, size_hw=SIZE)
    out = tmp_path / "out"
    argv = ["pseudolabel", str(semantic), str(clip), str(out), "--every", "3", "--limit", "2"]
    assert not main(argv)
    assert "labelled in tiny" in capsys.readouterr().out
    assert [s.id for s in PreparedFolder(out).samples("train")] == ["clip_000000", "clip_000003"]


def test_what_cannot_be_is_refused_in_one_line(semantic, instances, tmp_path, capsys):
    plain = make_onnx(tmp_path / "ids.onnx")
    unsure = pytest.raises(ModelFileError, match=r"not how sure it is.*--outputs confidence")
    with load_predictor(plain, threads=1) as network, unsure:
        Labeller(semantic=network)
    with load_predictor(instances, threads=1) as network:
        with pytest.raises(LabelError, match=r"objects of the id 0 \(car\)"):
            Labeller(instances=network)
        with pytest.raises(LabelError, match="tiny road has no class of tiny things"):
            road = replace(THINGS, name="tiny road", classes=THINGS.classes[:2])
            Labeller(instances=network, space=road)
    argv = ["pseudolabel", str(semantic), str(tmp_path), str(tmp_path / "out")]
    assert main(argv) == 2
    assert "labels would be taken for pictures" in capsys.readouterr().err
    (tmp_path / "pictures").mkdir()
    argv[2] = str(tmp_path / "pictures")
    assert main([*argv, "--instances", str(semantic)]) == 2
    assert "both networks have the same task" in capsys.readouterr().err
    assert main([*argv, "--doubt", "0.8"]) == 2
    assert "the doubt 0.8 is above the confidence 0.7" in capsys.readouterr().err
    assert main([*argv, "--every", "0"]) == 2
    capsys.readouterr()
    assert main([*argv, "--every", "3"]) == 2
    assert "--every 3 is for videos" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_two_pictures_of_one_name_are_not_mixed(semantic, tmp_path, frame, capsys):
    for name in ("a/b_c.jpg", "a_b/c.jpg"):
        write_jpeg(tmp_path / "pictures" / name, frame)
    argv = ["pseudolabel", str(semantic), str(tmp_path / "pictures"), str(tmp_path / "out")]
    assert main(argv) == 2
    assert "two pictures are called a_b_c" in capsys.readouterr().err


def test_other_pictures_do_not_go_into_the_same_folder(semantic, tmp_path, frame, capsys):
    for folder in ("one", "two"):
        write_jpeg(tmp_path / folder / "images" / "a.jpg", frame)
    argv = ["pseudolabel", str(semantic), str(tmp_path / "one/images"), str(tmp_path / "out")]
    assert not main(argv)
    argv[2] = str(tmp_path / "two/images")
    assert main(argv) == 2
    assert "pictures is" in capsys.readouterr().err


def test_a_video_that_breaks_off_is_labelled_as_far_as_it_goes(semantic, tmp_path, frame):
    def pictures():
        for number in range(2):
            yield Picture(id=f"{number}", split="train", image=frame, read_bgr=lambda: frame)
        raise SourceError("clip.mp4 ends early", fix="fetch it again")

    with load_predictor(semantic, threads=1) as network:
        found = write_pseudolabels(Labeller(semantic=network), pictures(), tmp_path / "out")
    assert found.images == 2
    assert found.unreadable == ("clip.mp4 ends early; fetch it again",)
    assert PreparedFolder(tmp_path / "out").counts["train"] == 2


def test_a_line_that_a_kill_cut_costs_no_other_picture(semantic, tmp_path, frame):
    pictures = [
        Picture(id=f"{number}", split="train", image=frame, read_bgr=lambda: frame)
        for number in range(3)
    ]
    with load_predictor(semantic, threads=1) as network:
        labeller = Labeller(semantic=network)
        whole = write_pseudolabels(labeller, pictures, tmp_path / "out")
        kept = tmp_path / "out" / "acceptance.jsonl"
        kept.write_text(kept.read_text("utf-8")[:-40] + '\n{"split": "train", "id": "x"}', "utf-8")
        assert write_pseudolabels(labeller, pictures, tmp_path / "out") == whole


def test_what_a_label_space_cannot_tell_apart_is_said_and_not_taken_for_absent(tmp_path, frame):
    """COCO's person may be IDD's person or rider; its dog is a person at level 3."""
    coco, idd = load_space("coco80"), load_space("idd-level3")
    outputs = RAW.whole()[1]
    raw = np.zeros((1, 4 + 80 + 5, 3), np.float32)
    for place, (class_id, score) in enumerate([(0, 0.99), (16, 0.98), (2, 0.97)]):
        raw[0, :4, place] = 16 + 24 * place, 32, 16, 16
        raw[0, 4 + class_id, place] = score
        raw[0, -5, place] = 1
    prototypes = np.ones((1, 5, 16, 24), np.float32)
    names = [spec.name for spec in outputs]
    given = dict(zip(names, (raw, prototypes), strict=True))
    manifest = manifest_of(outputs, RAW.size_hw, space=coco)
    path = make_constant_onnx(
        tmp_path / "coco.onnx",
        given,
        size_hw=RAW.size_hw,
        metadata={METADATA_KEY: manifest.to_json()},
    )
    with load_predictor(path, threads=1) as network:
        labeller = Labeller(instances=network, space=idd)
        labels = labeller(frame)
    assert labels.lost_objects == {"person": 1}
    assert labels.objects == {"person": 1, "car": 1}  # the dog, by IDD's own level 3
    assert labeller.annotated == ("motorcycle", "bicycle", "car", "truck", "bus")
