"""Several prepared folders as samples of one label space, and how often each is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders_data import blocks_folder
from hypothesis import given
from hypothesis import strategies as st

from curbside.datasets import ResumableBatches, SharedDraws, open_mixture
from curbside.errors import ConfigError, DataError, LabelError
from curbside.labels import LabelClass, LabelSpace, load_space, mapping
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample


def folder(root: Path, space: LabelSpace, *splits: str) -> Path:
    """A prepared folder with a picture per split that holds every class and an ignored pixel."""
    writer = PreparedWriter(root, space=space, source=f"drawn {space.name}")
    ids = np.array([[*space.ids, 255]], np.uint8)
    for split in splits:
        image = np.zeros((*ids.shape, 3), np.uint8)
        data = SampleData(id="a", split=split, image=image, semantic=ids)
        writer.add(write_sample(root, data, space))
    writer.finish()
    return root


CAMVID, CITYSCAPES = load_space("camvid11"), load_space("cityscapes19")


def test_masks_arrive_in_the_space_that_was_named(tmp_path: Path) -> None:
    roots = [folder(tmp_path / s.name, s, "train", "val") for s in (CAMVID, CITYSCAPES)]
    mixture = open_mixture(roots, "cityscapes19")
    assert mixture.space == CITYSCAPES
    (first,), (second,) = mixture.samples("train")
    names = {**dict(zip(CITYSCAPES.ids, CITYSCAPES.names, strict=True)), 255: None}
    assert [names[i] for i in first.read_semantic()[0]] == [
        "sky", "building", "pole", "road", "sidewalk", "vegetation", None, "fence", None, "person",
        None, None,
    ]  # fmt: skip
    assert second.read_semantic()[0].tolist() == [*range(19), 255]
    assert first.space == second.space == CITYSCAPES
    assert mixture.unfed == ()
    told = mixture.describe()
    assert [part["label_space"] for part in told] == ["camvid11", "cityscapes19"]
    assert told[0]["lost"] == {
        "sign symbol": "could be traffic sign or traffic light; billboard would be ignored",
        "car": "could be car or truck or bus",
        "bicyclist": "could be rider or bicycle",
    }
    assert told[1]["lost"] == {} and told[1]["source"] == "drawn cityscapes19"


def test_a_mask_is_checked_against_its_own_space(tmp_path: Path) -> None:
    sample = PreparedFolder(folder(tmp_path / "a", CITYSCAPES, "train")).samples("train")[0]
    wrong = replace(sample, space=CAMVID).mapped(mapping(CAMVID, CITYSCAPES))
    with pytest.raises(LabelError, match=r"the id 11, which camvid11 does not have"):
        wrong.read_semantic()


def test_a_sample_mapped_twice_is_mapped_in_turn(tmp_path: Path) -> None:
    sample = PreparedFolder(folder(tmp_path / "a", CITYSCAPES, "train")).samples("train")[0]
    lite = load_space("idd-lite7")
    once = sample.mapped(mapping(CITYSCAPES, CAMVID))
    twice = once.mapped(mapping(CAMVID, lite))
    expected = mapping(CAMVID, lite).table[once.read_semantic()]
    assert np.array_equal(twice.read_semantic(), expected) and twice.space == lite


def test_folders_of_one_space_need_no_name_for_it(tmp_path: Path) -> None:
    recoloured = replace(
        CAMVID, classes=tuple(replace(item, color=(1, 2, 3)) for item in CAMVID.classes)
    )
    roots = [folder(tmp_path / "a", CAMVID, "train"), folder(tmp_path / "b", recoloured, "val")]
    mixture = open_mixture(roots)
    assert mixture.space == CAMVID and [part.labels for part in mixture.parts] == [None, None]
    assert [len(samples) for samples in mixture.samples("train")] == [1, 0]


def test_folders_of_several_spaces_need_one(tmp_path: Path) -> None:
    roots = [folder(tmp_path / s.name, s, "train") for s in (CAMVID, CITYSCAPES)]
    with pytest.raises(
        ConfigError, match=r"camvid11, .*cityscapes19; name the one .*--data.space: .*idd-level3"
    ):
        open_mixture(roots)


def test_names_and_ids_must_both_agree(tmp_path: Path) -> None:
    turned = LabelSpace(
        name="camvid11",
        classes=tuple(
            replace(item, id=10 - item.id) for item in sorted(CAMVID.classes, key=lambda c: -c.id)
        ),
    )
    other = LabelSpace(
        name="camvid11",
        classes=tuple(replace(item, name=f"no {item.name}") for item in CAMVID.classes),
    )
    first = folder(tmp_path / "a", CAMVID, "train")
    spread = LabelSpace(
        name="camvid11", classes=tuple(replace(item, id=2 * item.id) for item in CAMVID.classes)
    )
    for number, space in enumerate((turned, other, spread)):
        with pytest.raises(ConfigError, match="different label spaces"):
            open_mixture([first, folder(tmp_path / f"{number}", space, "train")])
    mixture = open_mixture([first, tmp_path / "0"], "camvid11")
    (one,), (two,) = mixture.samples("train")
    # Both pictures hold every class, the first from sky to bicyclist, the second the other way round.
    assert one.read_semantic()[0].tolist() == [*range(11), 255]
    assert two.read_semantic()[0].tolist() == [*range(10, -1, -1), 255]


def test_classes_that_no_folder_has_are_named(tmp_path: Path) -> None:
    roots = [folder(tmp_path / "a", CAMVID, "train")]
    unfed = open_mixture(roots, "cityscapes19").unfed
    assert unfed == (
        "wall", "traffic light", "traffic sign", "terrain", "rider", "car", "truck", "bus", "train",
        "motorcycle", "bicycle",
    )  # fmt: skip
    level2 = folder(tmp_path / "b", load_space("idd-level2"), "train")
    assert "terrain" not in open_mixture([*roots, level2], "cityscapes19").unfed


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    roots = [folder(tmp_path / s / "data", CAMVID, "train") for s in "ab"]
    lone = folder(tmp_path / "lone", CAMVID, "train")
    names = [part.name for part in open_mixture([*roots, lone]).parts]
    assert names == [str(roots[0]), str(roots[1]), "lone"]


def test_what_cannot_be_mixed_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", CAMVID, "train")
    with pytest.raises(ConfigError, match="stands twice"):
        open_mixture([root, tmp_path / "x" / ".." / "a"])
    with pytest.raises(LabelError, match="ids with gaps"):
        open_mixture([root], "idd-csid")
    with pytest.raises(DataError, match=r"split 'val' of .* has no sample"):
        open_mixture([root]).samples("val")
    kelp = LabelSpace(name="sea", classes=(LabelClass(id=0, name="kelp", color=(0, 9, 0)),))
    sea = folder(tmp_path / "sea", kelp, "train")
    with pytest.raises(LabelError, match=r"no class of .*sea.* is one of camvid11; see why with"):
        open_mixture([root, sea], "camvid11")


def test_a_bare_tree_is_in_the_space_that_is_named(tmp_path: Path) -> None:
    whole = blocks_folder(tmp_path / "data", train=2, val=1)
    (whole / "dataset.json").unlink()
    (whole / "samples.jsonl").unlink()
    other = folder(tmp_path / "b", CITYSCAPES, "train")
    mixture = open_mixture([whole, other], "camvid11")
    assert [len(samples) for samples in mixture.samples("train")] == [2, 1]
    assert mixture.parts[0].labels is None


SETS = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5)), min_size=1, max_size=4).filter(
    lambda sets: any(share for _, share in sets)
)


@given(sets=SETS, passes=st.integers(1, 6))
def test_shares_are_kept_and_every_sample_of_a_set_comes_equally_often(
    sets: list[tuple[int, int]], passes: int
) -> None:
    lengths, shares = [n for n, _ in sets], [share for _, share in sets]
    draws = SharedDraws(lengths, shares, seed=3)
    found = np.concatenate([draws(epoch) for epoch in range(passes)])
    assert found.size == passes * sum(lengths)
    counts = np.bincount(found, minlength=sum(lengths))
    ends = np.cumsum(lengths)
    for part, share in zip(np.split(counts, ends[:-1]), shares, strict=True):
        assert part.max() - part.min() <= 1
        ideal = sum(lengths) * share / sum(shares)
        assert abs(part.sum() / passes - ideal) <= 1
        assert share or not part.any()


@given(start=st.integers(0, 20), seed=st.integers(0, 3))
def test_shared_draws_resume_at_any_step(start: int, seed: int) -> None:
    def batches(first: int) -> list[list[tuple[int, int]]]:
        return list(
            ResumableBatches(
                length=10,
                batch_size=3,
                seed=seed,
                step=lambda: first,
                pause=lambda step: 20,
                drawn=SharedDraws([7, 3], [1, 2], seed),
            )
        )

    whole = batches(0)
    assert batches(start) == whole[start:]
    drawn = [index for batch in whole for index, _ in batch]
    assert sum(index >= 7 for index in drawn) / len(drawn) == pytest.approx(2 / 3, abs=0.06)
    assert len({draw for batch in whole for _, draw in batch}) == 60


def test_a_small_share_comes_round_to_every_sample() -> None:
    batches = ResumableBatches(
        length=10,
        batch_size=5,
        seed=0,
        step=lambda: 0,
        pause=lambda step: 8,
        drawn=SharedDraws([8, 2], [1, 4], seed=0),
    )
    drawn = [index for batch in batches for index, _ in batch]
    assert sorted(index for index in drawn if index < 8) == list(
        range(8)
    )  # two a pass, four passes


def test_sets_of_one_length_are_not_shuffled_alike() -> None:
    one, two = np.split(SharedDraws([9, 9], [1, 1], seed=0)(0), 2)
    assert one.tolist() != (two - 9).tolist() and sorted(one) == sorted(two - 9)


def test_a_share_by_the_numbers_of_pictures_takes_each_once() -> None:
    draws = SharedDraws([4, 6], [4, 6], seed=0)
    assert sorted(draws(5)) == list(range(10))
    assert draws(0).tolist() != draws(1).tolist()


def test_what_brings_nothing_is_said(tmp_path: Path) -> None:
    roots = [folder(tmp_path / "a", CAMVID, "train"), folder(tmp_path / "b", CAMVID, "val")]
    lines = open_mixture(roots, "cityscapes19").warnings("train")
    assert lines[1] == "b has no train sample with a mask"
    # A CamVid car may be a truck or a bus, a sign a light, a bicyclist a bicycle.
    for name in ("car", "sign symbol", "bicyclist"):
        assert name in lines[0].partition("of cityscapes19: ")[2].split(", ")
    assert "road" not in lines[0] and lines[0].startswith("a: ignored")
    assert lines[-1].startswith("no folder has any pixel of: ")
    assert open_mixture(roots[:1]).warnings("train") == []
