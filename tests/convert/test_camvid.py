"""CamVid: SegNet's masks of ids, and the original masks of colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders import make_camvid_tree, photo, tree_bytes
from builders_raw import make_camvid_colors_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curbside.cli import main
from curbside.convert import Camvid, convert
from curbside.convert.inward.camvid import published_split
from curbside.errors import ConfigError, DataError, LabelError
from curbside.prepared import PreparedFolder

# The original colours, by the class that they are folded to (the list of MathWorks' example).
GROUPS = {
    0: [(128, 128, 128)],
    1: [(0, 128, 64), (128, 0, 0), (64, 192, 0), (64, 0, 64), (192, 0, 128)],
    2: [(192, 192, 128), (0, 0, 64)],
    3: [(128, 64, 128), (128, 0, 192), (192, 0, 64)],
    4: [(0, 0, 192), (64, 192, 128), (128, 128, 192)],
    5: [(128, 128, 0), (192, 192, 0)],
    6: [(192, 128, 128), (128, 128, 64), (0, 64, 64)],
    7: [(64, 64, 128)],
    8: [(64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)],
    9: [(64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)],
    10: [(0, 128, 192), (192, 0, 192)],
    255: [(0, 0, 0)],
}
COLORS = [color for group in GROUPS.values() for color in group]
CLASSES = [number for number, group in GROUPS.items() for _ in group]


def run(root: Path, out: Path, **options: object) -> dict[str, list[str]]:
    """Convert without problems; the ids of each split."""
    assert convert(Camvid(root=root, **options), out, workers=1).problems == ()  # type: ignore[arg-type]
    folder = PreparedFolder(out)
    return {split: [s.id for s in folder.samples(split)] for split, n in folder.counts.items() if n}


def test_void_becomes_ignore_and_the_classes_stay(tmp_path):
    result = convert(Camvid(root=make_camvid_tree(tmp_path / "c")), tmp_path / "out", workers=1)
    assert {split: count["samples"] for split, count in result.counts.items()} == {
        "train": 2,
        "val": 2,
        "test": 2,
    }
    folder = PreparedFolder(tmp_path / "out")
    assert folder.space.name == "camvid11"
    for split in ("train", "val", "test"):
        for sample in folder.samples(split):
            row = [x // 4 if x < 44 else 255 for x in range(48)]
            np.testing.assert_array_equal(sample.read_semantic(), np.array([row] * 20))
            assert sample.record.tags == {"sequence": "0001TP"}


def test_a_jpeg_is_matched_with_its_png_mask(tmp_path):
    make_camvid_tree(tmp_path / "c", splits=["train"], each=1)
    image = tmp_path / "c/train/0001TP_000000.png"
    photo(image.with_suffix(".jpg"), size_hw=(20, 48))
    image.unlink()
    convert(Camvid(root=tmp_path / "c"), tmp_path / "out", workers=1)
    (sample,) = PreparedFolder(tmp_path / "out").samples("train")
    assert sample.image_path.suffix == ".jpg"


def test_every_bad_pair_is_named(tmp_path):
    root = make_camvid_tree(tmp_path / "c", splits=["train"], each=6)
    images, masks = root / "train", root / "trainannot"
    (images / "0001TP_000000.png").unlink()
    (masks / "0001TP_000001.png").unlink()
    Image.new("L", (48, 20), 12).save(masks / "0001TP_000002.png")
    Image.new("RGB", (48, 20)).save(masks / "0001TP_000003.png")
    Image.new("L", (40, 20)).save(masks / "0001TP_000004.png")
    result = convert(Camvid(root=root), tmp_path / "out", workers=1)
    said = [problem.message for problem in result.problems]
    assert len(said) == 5 and not any("\n" in line for line in said)
    for line, words in zip(
        said,
        (
            "trainannot/0001TP_000000.png has no picture",
            f"has no annotation; add {masks / '0001TP_000001.png'}",
            "960 pixels hold the id 12, which camvid11 does not have",
            "0001TP_000003.png holds RGB pixels",
            "the picture is 48 x 20 pixels, its semantic target is 40 x 20",
        ),
        strict=True,
    ):
        assert words in line
    assert [s.id for s in PreparedFolder(tmp_path / "out").samples("train")] == ["0001TP_000005"]


def test_two_pictures_of_one_name_are_not_chosen_between(tmp_path):
    root = make_camvid_tree(tmp_path / "c", splits=["train"])
    picture = root / "train/0001TP_000000.png"
    Image.open(picture).save(picture.with_suffix(".jpg"))
    (problem,) = convert(Camvid(root=root), tmp_path / "out", workers=1).problems
    assert problem.id == "0001TP_000000" and "are the same frame" in problem.message


def test_a_16_bit_mask_with_good_ids_becomes_8_bit(tmp_path):
    root = make_camvid_tree(tmp_path / "c", splits=["train"], each=1)
    Image.fromarray(np.full((20, 48), 11, np.uint16)).save(root / "trainannot/0001TP_000000.png")
    convert(Camvid(root=root), tmp_path / "out", workers=1)
    with Image.open(tmp_path / "out/train/masks/0001TP_000000.png") as mask:
        assert mask.mode == "L" and mask.getextrema() == (255, 255)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for root, words in ((tmp_path / "gone", "does not exist"), (tmp_path / "empty", "no masks")):
        with pytest.raises(DataError, match=words):
            convert(Camvid(root=root), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_thirty_two_colours_are_folded(tmp_path):
    assert len(set(COLORS)) == 32
    root = make_camvid_colors_tree(tmp_path / "c", COLORS, ["0006R0_f00930"])
    assert run(root, tmp_path / "out") == {"train": ["0006R0_f00930"]}
    (sample,) = PreparedFolder(tmp_path / "out").samples("train")
    np.testing.assert_array_equal(sample.read_semantic(), np.tile(np.repeat(CLASSES, 4), (20, 1)))
    info = json.loads((tmp_path / "out/dataset.json").read_text())
    assert info["options"] == {"form": "colors"} and info["label_space"]["name"] == "camvid11"


def test_colours_and_ids_give_the_same_bytes(tmp_path):
    names = ["0001TP_000000", "0001TP_000001"]
    ids = make_camvid_tree(tmp_path / "ids", splits=["train"])
    colors = [GROUPS[number][0] for number in (*range(11), 255)]
    trees = []
    for name, root in {
        "ids": ids,
        "flat": make_camvid_colors_tree(tmp_path / "flat", colors, names),
        "divided": make_camvid_colors_tree(tmp_path / "divided", colors, names, flat=False),
    }.items():
        assert run(root, tmp_path / f"out-{name}") == {"train": names}
        trees.append(tree_bytes(tmp_path / f"out-{name}"))
        del trees[-1]["dataset.json"]
    assert trees[0] == trees[1] == trees[2] and len(trees[0]) == 5


def test_the_published_split_is_told_by_the_names(tmp_path):
    want = {
        "train": ["0001TP_008520", "0006R0_f03930", "0016E5_07920", "0016E5_08190"],
        "val": ["0016E5_07959", "0016E5_08159"],
        "test": ["0001TP_008550", "Seq05VD_f00000"],
    }
    names = [name for group in want.values() for name in group]
    assert run(make_camvid_colors_tree(tmp_path / "c", COLORS, names), tmp_path / "out") == want


def test_lists_decide_by_file_names_alone(tmp_path):
    names = ["0001TP_000000", "0001TP_000001", "0001TP_000002"]
    root = make_camvid_colors_tree(tmp_path / "c", COLORS, names)
    (root / "train.txt").write_text("/SegNet/CamVid/train/0001TP_000002.png /x/y_L.png\n\n")
    (root / "val.txt").write_text("..\\..\\0001TP_000000.png\r\n")
    (root / "test.txt").write_text("../../../0001TP_000099.png\n")
    photo(tmp_path / "0001TP_000099.png")
    result = convert(Camvid(root=root), tmp_path / "out", workers=1)
    unlisted, gone = result.problems
    assert "0001TP_000001_L.png belongs to no split" in unlisted.message
    assert gone.id == "0001TP_000099" and "has neither a picture nor" in gone.message
    folder = PreparedFolder(tmp_path / "out")
    assert [s.id for s in folder.samples("train")] == ["0001TP_000002"]
    assert [s.id for s in folder.samples("val")] == ["0001TP_000000"]
    (root / "val.txt").write_text("0001TP_000002.png")
    with pytest.raises(DataError, match=r"val.txt names 0001TP_000002, which train.txt names too"):
        convert(Camvid(root=root), tmp_path / "out2")
    (root / "val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"val.txt cannot be read"):
        convert(Camvid(root=root), tmp_path / "out2")


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path):
    names = ["0001TP_000000", "0001TP_000001"]
    root = make_camvid_colors_tree(tmp_path / "c", COLORS, names)
    (root / "train.txt").write_bytes(b"\xef\xbb\xbf0001TP_000000.png\r\n")
    (root / "test.txt").write_text("0001TP_000001.png")
    splits = {item.id: item.split for item in Camvid(root=root).plan()}
    assert splits == {"0001TP_000000": "train", "0001TP_000001": "test"}


@given(text=st.text(max_size=200) | st.text("01TP_.png/\\ \r\n", max_size=200))
@settings(max_examples=40, deadline=None)
def test_any_list_is_read_or_refused(tmp_path_factory, text):
    base = tmp_path_factory.mktemp("list")
    root = make_camvid_colors_tree(base / "c", COLORS, ["0001TP_000000"])
    (root / "train.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        items = Camvid(root=root).plan()
    except DataError as error:
        assert "train.txt" in str(error)
    else:
        assert [item.split for item in items] == ["train"] * len(items)
        assert "0001TP_000000" in [item.id for item in items]


@given(place=st.integers(0, 5000), value=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_damaged_mask_is_one_line_or_still_a_mask(tmp_path_factory, place, value, cut):
    base = tmp_path_factory.mktemp("mask")
    root = make_camvid_colors_tree(base / "c", COLORS, ["0001TP_000000"])
    mask = root / "LabeledApproved_full/0001TP_000000_L.png"
    data = bytearray(mask.read_bytes())
    data[place % len(data)] = value
    mask.write_bytes(data[: place % len(data)] if cut else data)
    (item,) = Camvid(root=root).plan()
    try:
        assert item.load().semantic.dtype == np.uint8
    except (DataError, LabelError) as error:
        assert str(mask) in str(error) and "\n" not in str(error)


def test_other_colours_are_counted_and_named(tmp_path):
    names = [f"0001TP_00000{n}" for n in range(4)]
    root = make_camvid_colors_tree(tmp_path / "c", COLORS, names)
    masks = root / "LabeledApproved_full"
    Image.new("RGB", (128, 20), (128, 64, 192)).save(masks / f"{names[0]}_L.png")  # no label's
    with Image.open(masks / f"{names[1]}_L.png") as image:
        image.putpixel((3, 3), (129, 64, 128))
        image.putpixel((4, 3), (129, 64, 128))
        image.putpixel((5, 3), (1, 2, 3))
        image.save(masks / f"{names[1]}_L.png")
    Image.new("L", (128, 20), 3).save(masks / f"{names[2]}_L.png")  # ids instead of colours
    said = [p.message for p in convert(Camvid(root=root), tmp_path / "out", workers=1).problems]
    for line, name, words in zip(
        said,
        names,
        (
            "2560 pixels hold colours that CamVid does not have, 2560 of them (128, 64, 192)",
            "3 pixels hold colours that CamVid does not have, 2 of them (129, 64, 128)",
            "2560 of them (3, 3, 3)",
        ),
        strict=False,
    ):
        assert str(masks / f"{name}_L.png") in line and words in line
    assert len(said) == 3


def test_a_palette_mask_is_read_by_its_colours(tmp_path):
    root = make_camvid_colors_tree(tmp_path / "c", COLORS, ["0001TP_000000"])
    mask = root / "LabeledApproved_full/0001TP_000000_L.png"
    with Image.open(mask) as image:
        palette = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
        assert (np.asarray(palette.convert("RGB")) == np.asarray(image)).all()
    palette.save(mask)
    run(root, tmp_path / "out")
    (sample,) = PreparedFolder(tmp_path / "out").samples("train")
    np.testing.assert_array_equal(sample.read_semantic()[0], np.repeat(CLASSES, 4))


def test_both_kinds_of_masks_need_a_choice(tmp_path, capsys):
    root = make_camvid_tree(tmp_path / "c", splits=["train"], each=1)
    make_camvid_colors_tree(root, COLORS, ["0006R0_f00930"])
    (root / "train.txt").unlink()  # names a frame of the other kind
    with pytest.raises(ConfigError, match="add --form ids or --form colors"):
        convert(Camvid(root=root), tmp_path / "out")
    arguments = ["convert", "camvid", str(root), str(tmp_path / "out"), "--workers", "1", "--json"]
    assert main([*arguments, "--form", "colors"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"train": {"samples": 1, "semantic": 1}}
    assert run(root, tmp_path / "ids", form="ids") == {"train": ["0001TP_000000"]}


def test_a_split_without_masks_has_no_targets_and_sequences_are_held_out_whole(tmp_path):
    root = make_camvid_tree(tmp_path / "c", splits=["train"])
    photo(root / "test/Seq05VD_f00000.png", size_hw=(20, 48))
    for number in range(2):
        for folder in ("train", "trainannot"):
            name = root / folder / f"0001TP_{number:06}.png"
            (root / folder / f"0006R0_f{number:05}.png").write_bytes(name.read_bytes())
    result = convert(Camvid(root=root, hold_out=0.5), tmp_path / "out", workers=1)
    assert result.problems == () and result.counts["test"] == {"samples": 1}
    folder = PreparedFolder(tmp_path / "out")
    held = [{s.record.tags["sequence"] for s in folder.samples(n)} for n in ("train", "val")]
    assert sorted(map(len, held)) == [1, 1] and held[0] != held[1]


def test_the_real_data_convert_whole(shared, tmp_path):
    result = convert(Camvid(root=shared / "data/camvid"), tmp_path / "out")
    assert result.problems == ()
    assert {split: count["samples"] for split, count in result.counts.items()} == {
        "train": 367,
        "val": 101,
    }
    sample = PreparedFolder(tmp_path / "out").samples("val")[50]
    source = shared / "data/camvid/valannot" / f"{sample.id}.png"
    with Image.open(source) as image:
        raw = np.asarray(image)
    mask = sample.read_semantic()
    assert (mask[raw == 11] == 255).all() and (mask[raw < 11] == raw[raw < 11]).all()
    for split in ("train", "val"):  # SegNet's own folders agree with the rule by names
        names = [s.id for s in PreparedFolder(tmp_path / "out").samples(split)]
        assert {published_split(name) for name in names} == {split}


def test_void_is_a_twelfth_class_where_it_is_asked_for(tmp_path):
    ids = make_camvid_tree(tmp_path / "ids", splits=["train"])
    colors = make_camvid_colors_tree(tmp_path / "colors", COLORS, ["0006R0_f00930"])
    for root, number in ((ids, 2), (colors, 1)):
        plain, twelve = tmp_path / f"{root.name}11", tmp_path / f"{root.name}12"
        run(root, plain)
        run(root, twelve, labels="camvid12")
        folders = [PreparedFolder(out).samples("train") for out in (plain, twelve)]
        compared = 0
        for before, after in zip(*folders, strict=True):
            masks = before.read_semantic(), after.read_semantic()
            assert (masks[0] == 255).any() and after.space.names[11] == "void"
            np.testing.assert_array_equal(np.where(masks[0] == 255, 11, masks[0]), masks[1])
            compared += 1
        assert compared == number
        info = json.loads((twelve / "dataset.json").read_text())
        assert info["options"]["labels"] == "camvid12"
        assert info["label_space"]["name"] == "camvid12"
