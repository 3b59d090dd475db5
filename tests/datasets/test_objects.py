"""Pictures with objects: boxes follow the map through every augmentation; what nobody knows is said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builders_objects import SPACE, objects_folder, objects_picture
from builders_outward import SPACE as DRAWN
from builders_outward import drawn, make_prepared

from curbside.datasets import (
    Augmentation,
    AugmentConfig,
    ObjectDataset,
    collate_object_pictures,
    collate_objects,
    open_object_folders,
    true_objects,
)
from curbside.errors import ConfigError, DataError, LabelError
from curbside.imaging import Placement
from curbside.labels import LabelClass, LabelSpace
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample

PLAIN = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}


def _dataset(root: Path, augment: AugmentConfig, size_hw=(64, 96), classes=("space",), **more):
    samples = PreparedFolder(root).samples("train")
    augmentation = Augmentation(augment, size_hw)
    return ObjectDataset(
        samples, classes=classes, size_hw=size_hw, augmentation=augmentation, **more
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return objects_folder(tmp_path_factory.mktemp("yard") / "data")


@pytest.mark.parametrize(
    "augment",
    [
        AugmentConfig(scale=(1, 1), ratio=(1, 1), flip=0, **PLAIN),
        AugmentConfig(scale=(0.2, 0.6), flip=1, **PLAIN),
        AugmentConfig(zoom=(0.5, 0.7), flip=0.5, **PLAIN),
    ],
)
def test_boxes_enclose_their_objects_and_lie_on_their_colours(
    data: Path, augment: AugmentConfig
) -> None:
    dataset = _dataset(data, augment)
    seen = 0
    for index in range(4):
        source = PreparedFolder(data).samples("train")[index]
        names = {1: 0, 2: 1, 3: 2}
        item = dataset[index, index + 10]
        objects, image = item.objects.numpy(), item.image.permute(1, 2, 0).numpy()
        assert objects.shape == (64, 96) and objects.dtype == np.int16
        found = zip(item.boxes_xyxy[0].tolist(), item.classes[0].tolist(), strict=True)
        for number, (box, channel) in enumerate(found, 1):
            rows, columns = np.nonzero(objects == number)
            assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            color = np.median(image[objects == number], axis=0)
            # The object of the source picture with this colour has this class.
            true = source.read_instances()
            colors = {
                value: np.median(source.read_rgb()[true == value], axis=0)
                for value in np.unique(true[true > 0])
            }
            nearest = min(colors, key=lambda value: np.abs(colors[value] - color).max())
            assert np.abs(colors[nearest] - color).max() < 30
            assert names[nearest // 1000] == channel
            seen += 1
    assert seen > 4


def test_a_mirrored_picture_has_mirrored_boxes(data: Path) -> None:
    whole = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0), **PLAIN}
    straight = _dataset(data, AugmentConfig(flip=0, **whole))[0, 0]
    mirrored = _dataset(data, AugmentConfig(flip=1, **whole))[0, 0]
    wanted = straight.boxes_xyxy[0].clone()
    wanted[:, [0, 2]] = 96 - wanted[:, [2, 0]]
    torch.testing.assert_close(mirrored.boxes_xyxy[0], wanted)
    assert torch.equal(mirrored.objects, straight.objects.flip(1))


def test_groups_and_unlabelled_pixels_are_where_nobody_knows(tmp_path: Path) -> None:
    text = "\n".join(["AA..cc", "AA..cc", "..  ss", "p.  QQ", "p...QQ", "......"])
    map_ = np.kron(drawn(text), np.ones((16, 16), np.uint16))
    make_prepared(tmp_path / "x", {"train/a": {"instances": map_}})
    augment = AugmentConfig(scale=(1, 1), ratio=(1, 1), flip=0, **PLAIN)
    both = _dataset(tmp_path / "x", augment, (96, 96))[0, 0]
    found = both.objects.numpy()[8::16, 8::16]
    A, Q = sorted({found[0, 0], found[3, 4]})
    assert (A, Q) == (1, 2) and both.classes[0].tolist() in ([1, 0], [0, 1])
    unknown = [(0, 4), (0, 5), (1, 4), (1, 5), (2, 2), (2, 3), (3, 2), (3, 3), (3, 0), (4, 0)]
    assert sorted(map(tuple, np.argwhere(found == -1))) == sorted(unknown)
    # Of persons alone, cars and their group are background.
    persons = _dataset(tmp_path / "x", augment, (96, 96), ("somebody=person",))[0, 0]
    found = persons.objects.numpy()[8::16, 8::16]
    assert persons.classes[0].tolist() == [0] and found[0, 0] == 0 and found[0, 4] == 0
    assert found[3, 0] == -1 and found[3, 4] == 1


def test_around_objects_that_alone_were_annotated_is_none(tmp_path: Path) -> None:
    map_ = np.full((32, 32), 255, np.uint16)
    map_[4:12, 4:12], map_[20:28, 20:28] = 3001, 3  # an object and a group
    augment = AugmentConfig(scale=(1, 1), ratio=(1, 1), flip=0, **PLAIN)
    things = tuple(item.name for item in DRAWN.classes if item.has_instances)
    around = {}
    for name, annotated in (("alone", things), ("with stuff", DRAWN.names), ("all", None)):
        samples = {"train/a": {"instances": map_, "annotated": annotated}}
        make_prepared(tmp_path / name, samples)
        found = _dataset(tmp_path / name, augment, (32, 32))[0, 0].objects.numpy()
        assert found[8, 8] == 1 and found[24, 24] == -1
        around[name] = int(found[0, 0])
    assert around == {"alone": 0, "with stuff": -1, "all": -1}


def test_what_a_crop_leaves_too_little_of_is_unknown(tmp_path: Path) -> None:
    map_ = np.zeros((64, 64), np.uint16)
    map_[:, :40], map_[4:7, 50:53] = 3000, 2000
    make_prepared(tmp_path / "x", {"train/a": {"instances": map_}})
    augment = AugmentConfig(scale=(0.25, 0.25), ratio=(1, 1), flip=0, **PLAIN)
    dataset = _dataset(tmp_path / "x", augment, (32, 32), min_area=9, min_share=0.15)
    outcomes = set()
    for draw in range(60):
        item = dataset[0, draw]
        objects = item.objects.numpy()
        left = [int((objects == number).sum()) for number in range(1, len(item.classes[0]) + 1)]
        for class_id, area in zip(item.classes[0].tolist(), left, strict=True):
            assert area >= (0.15 * 64 * 40 if class_id == 1 else 9)
        outcomes.add((len(left), bool((objects == -1).any())))
    assert len(outcomes) > 2  # both kinds happened


def test_the_same_draw_is_the_same_item(data: Path) -> None:
    one, two = (_dataset(data, AugmentConfig(), seed=3)[1, 7] for _ in range(2))
    other = _dataset(data, AugmentConfig(), seed=4)[1, 7]
    assert torch.equal(one.image, two.image) and torch.equal(one.objects, two.objects)
    assert torch.equal(one.boxes_xyxy[0], two.boxes_xyxy[0])
    assert not torch.equal(one.image, other.image)


def test_batches_keep_the_objects_of_each_picture_apart(data: Path) -> None:
    dataset = _dataset(data, AugmentConfig())
    items = [dataset[index, index] for index in range(3)]
    batch = collate_objects(items)
    assert batch.image.shape == (3, 3, 64, 96) and batch.objects.shape == (3, 64, 96)
    assert [len(boxes) for boxes in batch.boxes_xyxy] == [len(i.classes[0]) for i in items]


def test_pictures_to_score_are_letterboxed_as_the_runtime_does(data: Path) -> None:
    samples = PreparedFolder(data).samples("val")
    dataset = ObjectDataset(samples, classes=("space",), size_hw=(64, 64))
    batch = collate_object_pictures([dataset[0], dataset[1]])
    assert batch.indices == (0, 1) and batch.image.shape == (2, 3, 64, 64)
    rgb = samples[1].read_rgb()
    small = cv2.resize(rgb, (64, 48), interpolation=cv2.INTER_LINEAR)
    wanted = np.full((64, 64, 3), 114, np.uint8)
    wanted[8:56] = small
    assert np.abs(batch.image[1].permute(1, 2, 0).numpy().astype(int) - wanted).max() <= 1
    assert Placement.letterbox((96, 128), (64, 64)).top == 8


def test_unreadable_pictures_are_told_and_replaced(tmp_path: Path) -> None:
    root = objects_folder(tmp_path / "data", train=2, val=1)
    broken = next((root / "train/instances").glob("000*"))
    broken.write_bytes(broken.read_bytes()[:60])
    item = _dataset(root, AugmentConfig())[0, 0]
    assert len(item.problems) == 1 and "000.png" in item.problems[0]
    next((root / "train/instances").glob("001*")).unlink()
    with pytest.raises(DataError, match="none of the 2 training samples"):
        _dataset(root, AugmentConfig())[0, 0]


def test_true_objects_are_those_of_the_classes_looked_for(data: Path) -> None:
    folders = open_object_folders([data], ("vehicle=bus,car",))
    assert folders.space.names == ("vehicle",) and folders.space.ids == (0,)
    sample = folders.samples("val")[0]
    found = true_objects(sample, folders.classes, folders.space)
    _, instances = objects_picture(1000)
    values = [value for value in np.unique(instances) if value // 1000 in (1, 2)]
    assert found.values.tolist() == values and set(found.class_ids.tolist()) == {0}
    assert found.areas.tolist() == [int((instances == value).sum()) for value in values]


def test_a_space_keeps_its_ids(data: Path) -> None:
    folders = open_object_folders([data])
    assert folders.classes == ("space",) and folders.space.ids == (1, 2, 3)
    sample = folders.samples("val")[0]
    found = true_objects(sample, folders.classes, folders.space)
    assert (found.values // 1000 == found.class_ids).all()


def test_folders_that_cannot_be_learned_from(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stands twice"):
        open_object_folders([data, data])
    with pytest.raises(LabelError, match=r"no class 'lorry'"):
        open_object_folders([data], ("x=lorry",))
    other = LabelSpace(
        name="other", classes=(LabelClass(id=0, name="cat", color=(1, 2, 3), has_instances=True),)
    )
    make_prepared(
        tmp_path / "cats", {"train/a": {"instances": np.zeros((6, 8), np.uint16)}}, space=other
    )
    with pytest.raises(LabelError, match="other objects"):
        open_object_folders([data, tmp_path / "cats"])
    with pytest.raises(DataError, match=r"split 'val' of .*cats has no sample whose objects"):
        open_object_folders([tmp_path / "cats"]).samples("val")


def test_pictures_where_a_class_was_not_annotated_are_left_out(tmp_path: Path) -> None:
    writer = PreparedWriter(tmp_path / "x", space=SPACE, source="yard")
    for name, annotated in (("all", None), ("cars", ("ground", "car"))):
        rgb, instances = objects_picture(0)
        instances[instances >= 2000] = 0
        data = SampleData(
            id=name, split="train", image=rgb, instances=instances, annotated=annotated
        )
        writer.add(write_sample(tmp_path / "x", data, SPACE))
    writer.finish()
    every = open_object_folders([tmp_path / "x"])
    assert [sample.id for sample in every.samples("train")] == ["all"]
    cars = open_object_folders([tmp_path / "x"], ("car=car",))
    assert [sample.id for sample in cars.samples("train")] == ["all", "cars"]
