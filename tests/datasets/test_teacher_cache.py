"""A cache of a teacher's outputs: few bytes, the right places, and nothing believed that is damaged."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders_data import blocks_folder
from PIL import Image
from torch.nn import functional as F

from curbside.datasets import (
    Augmentation,
    AugmentConfig,
    CacheSettings,
    CacheWriter,
    SegmentationDataset,
    TeacherCache,
    is_cache,
)
from curbside.datasets.logit_codes import LEVELS, decode, encode, log_probabilities
from curbside.errors import ConfigError, DataError
from curbside.imaging import Piece
from curbside.labels import load_space
from curbside.prepared import PreparedFolder, Sample, picture_samples

FRAME = (64, 96)
SPACE = load_space("camvid11")
TEACHER = {"recipe": "t", "model": "a network", "step": 7, "weights_sha256": "0" * 64}
SETTINGS = CacheSettings(space=SPACE, teacher=TEACHER, input_hw=FRAME, stride=4)


def smooth(seed: int, map_hw: tuple[int, int] = (16, 24), spread: float = 4.0) -> np.ndarray:
    """Log-probabilities of eleven classes that change gently from place to place."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(0, spread, (1, 11, 4, 6)).astype(np.float32))
    logits = F.interpolate(coarse, size=map_hw, mode="bicubic")[0]
    return F.log_softmax(logits, dim=0).numpy()


def kl(true: np.ndarray, kept: np.ndarray, temperature: float) -> float:
    first, second = (
        F.log_softmax(torch.from_numpy(np.ascontiguousarray(part)) / temperature, dim=0)
        for part in (true, kept)
    )
    return float((first.exp() * (first - second)).sum(dim=0).mean())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_folder(tmp_path_factory.mktemp("blocks") / "data", train=3, val=1, size_hw=FRAME)


@pytest.fixture
def samples(data: Path) -> list[Sample]:
    return PreparedFolder(data).samples("train")


def filled(
    root: Path, samples: list[Sample], settings: CacheSettings = SETTINGS, **more: np.ndarray
) -> Path:
    folder = samples[0].root
    writer = CacheWriter(root, settings, [folder], "train")
    for seed, sample in enumerate(samples):
        writer.write(sample, more.get(sample.id, smooth(seed)))
    writer.finish({folder: samples}, "fp32")
    return root


# ---- numbers


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0, 30.0])
def test_what_is_read_is_within_half_a_step_of_what_was_written(spread, levels):
    true = smooth(1, spread=spread)
    read = log_probabilities(decode(encode(true, None, levels), 11, (16, 24)), 11, None, levels)
    error = np.exp(read.astype(float) / 8) - np.exp(true.astype(float) / 8)
    best = true.argmax(axis=0)[None]
    # The most likely class gives way upwards where another would have its code.
    assert np.abs(np.take_along_axis(error, best, axis=0)).max() <= 1.5 / levels
    np.put_along_axis(error, best, 0, axis=0)
    assert np.abs(error).max() <= 0.5 / levels + 1e-6
    np.testing.assert_array_equal(read.argmax(axis=0), true.argmax(axis=0))
    assert kl(true, read, 1) < 2e-3 * (63 / levels) ** 2
    assert kl(true, read, 4) < 5e-4 * (63 / levels) ** 2


def test_another_decoder_sees_the_same_picture():
    data = encode(smooth(2))
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        rgb = np.asarray(image.convert("RGB"))
    codes = decode(data, 11, (16, 24))
    np.testing.assert_array_equal(codes.reshape(rgb.shape)[..., ::-1], rgb)
    want = np.rint(63 * np.exp(smooth(2).astype(float) / 8))
    got = codes.transpose(0, 3, 1, 2).reshape(12, 16, 24)[:11]
    second = np.sort(want, axis=0)[-2]
    clear = want.max(axis=0) > second  # no two classes with one code
    np.testing.assert_array_equal(got[:, clear], want[:, clear])
    assert clear.mean() > 0.9 and ((got - want).sum(axis=0)[~clear] == 1).all()


@pytest.mark.parametrize("top_k", [1, 3, 10])
def test_beyond_the_top_k_classes_share_one_level(top_k):
    true = smooth(3)
    read = log_probabilities(decode(encode(true, top_k), 12, (16, 24)), 11, top_k)
    order = np.argsort(-true, axis=0)
    tail = np.take_along_axis(read, order[top_k:], axis=0)
    assert (tail == tail[:1]).all()
    # Together they weigh at temperature 4 what they weighed.
    weight = np.exp(np.take_along_axis(true, order[top_k:], axis=0) / 4).sum(axis=0)
    np.testing.assert_allclose(np.exp(tail / 4).sum(axis=0), weight, atol=2 * len(tail) / 63)
    kept = np.take_along_axis(np.exp(read / 8) - np.exp(true / 8), order[:top_k], axis=0)
    assert np.abs(kept).max() <= 1.5 / 63
    np.testing.assert_array_equal(read.argmax(axis=0), true.argmax(axis=0))
    exact = log_probabilities(decode(encode(true), 11, (16, 24)), 11)
    assert kl(true, read, 4) >= kl(true, exact, 4) - 1e-6


def test_a_map_that_no_webp_can_hold_is_refused():
    with pytest.raises(ConfigError, match="stride"):
        encode(np.zeros((3, 2, 16384), np.float32))


@pytest.mark.parametrize(
    ("native", "frame", "want"),
    [
        ((16, 24), (64, 96), (16, 24)),
        ((64, 96), (64, 96), (16, 24)),  # a teacher finer than the stride
        ((8, 12), (64, 96), (8, 12)),  # and a coarser one
        ((64, 96), (1080, 1920), (16, 24)),  # what it saw
        ((64, 96), (33, 47), (9, 12)),  # no finer than the picture
    ],
)
def test_a_map_is_as_fine_as_what_the_teacher_knows(native, frame, want):
    assert SETTINGS.map_hw(native, frame) == want


# ---- places


def test_a_cut_is_the_field_at_the_places_of_the_canvas(tmp_path, samples):
    # Eighth roots of probabilities that are linear in x and y, so known everywhere.
    def field(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        one = 0.3 + 0.3 * y[:, None] / FRAME[0] + 0.3 * x[None] / FRAME[1]
        return np.stack([one, 1.1 - one])

    y, x = ((np.arange(side // 2) + 0.5) * 2 - 0.5 for side in FRAME)
    two = np.log(field(y, x)) * 8
    rest = np.full((9, *two.shape[1:]), -30.0)
    rest[0] = 0  # the most likely class, which may give way, is another one
    log_probs = np.concatenate([two, rest]).astype(np.float32)
    cache = TeacherCache(filled(tmp_path / "c", samples, **{samples[0].id: log_probs}))
    logits = cache.read(samples[0])
    rgb, ids = samples[0].read_rgb(), samples[0].read_semantic()
    for zoom in (None, (0.5, 3.0)):
        augment = Augmentation(AugmentConfig(scale=(0.1, 1.0), zoom=zoom, hue=0), (50, 61))
        for seed in range(40):
            piece = augment(rgb, ids, seed=seed).piece
            got = logits.cut(piece)
            assert got.shape == (11, 13, 16) and got.dtype == np.float16
            # Middles of the cells, on the canvas and on the frame.
            down = (np.arange(13) + 0.5) * 50 / 13
            right = (np.arange(16) + 0.5) * 61 / 16
            right = 61 - right if piece.flipped else right
            at_y = piece.top + down * piece.height / piece.inside_hw[0] - 0.5
            at_x = piece.left + right * piece.width / piece.inside_hw[1] - 0.5
            rows = (at_y > 2) & (at_y < FRAME[0] - 3)
            columns = (at_x > 2) & (at_x < FRAME[1] - 3)
            want = field(at_y[rows], at_x[columns])
            roots = np.exp(got[:2, rows][:, :, columns].astype(float) / 8)
            assert np.abs(roots - want).max() < 0.6 / 63


def test_a_cut_shows_what_the_picture_shows(tmp_path, samples):
    # A picture whose red and green say where they are, and a map that says the same.
    y, x = np.mgrid[0:64, 0:96]
    rgb = np.dstack([2 * x, 2 * y, 0 * x]).astype(np.uint8)
    cells_y, cells_x = ((np.arange(side // 4) + 0.5) * 4 - 0.5 for side in FRAME)
    place = np.zeros((11, 16, 24))
    place[2] = 1  # the most likely class, which may give way, is another one
    place[0] += cells_x / 200 + 0.2
    place[1] += cells_y[:, None] / 200 + 0.2
    log_probs = (8 * np.log(np.maximum(place, 0.02))).astype(np.float32)
    cache = TeacherCache(filled(tmp_path / "c", samples, **{samples[0].id: log_probs}))
    logits = cache.read(samples[0])
    config = AugmentConfig(scale=(0.1, 1.0), brightness=0, contrast=0, saturation=0)
    for augment in (config, replace(config, zoom=(0.5, 3.0))):
        for seed in range(20):
            image, _, piece = Augmentation(augment, (48, 64))(rgb, y.astype(np.uint8), seed=seed)
            seen = F.avg_pool2d(image.float(), 4)[:2].numpy() / 2
            said = (np.exp(logits.cut(piece)[:2].astype(float) / 8) - 0.2) * 200
            inner = F.avg_pool2d(torch.from_numpy(piece.cover().copy())[None].float(), 4)[0] == 1
            inner = inner.numpy() & (seen[0] > 3) & (seen[0] < 92) & (seen[1] > 3) & (seen[1] < 60)
            # A step of the codes is 3 pixels, so places are right on average.
            assert abs((said - seen)[:, inner].mean()) < 0.5
            assert np.abs(said - seen)[:, inner].max() < 3.5


def test_the_whole_picture_is_the_map_itself(tmp_path, samples):
    logits = TeacherCache(filled(tmp_path / "c", samples)).read(samples[0])
    whole = Piece(0, 0, *FRAME, FRAME, FRAME, FRAME, flipped=False)
    np.testing.assert_array_equal(logits.cut(whole), logits.whole().astype(np.float16))
    mirrored = logits.cut(whole._replace(flipped=True))
    np.testing.assert_array_equal(mirrored[..., ::-1], logits.cut(whole))


def test_the_stride_of_what_is_cut_is_the_readers(tmp_path, samples):
    root = filled(tmp_path / "c", samples)
    whole = Piece(0, 0, *FRAME, FRAME, FRAME, FRAME, flipped=False)
    fine = TeacherCache(root).read(samples[0]).cut(whole)
    coarse = TeacherCache(root, stride=8).read(samples[0]).cut(whole)
    want = F.avg_pool2d(torch.from_numpy(fine).float(), 2).numpy()
    np.testing.assert_allclose(coarse, want, atol=0.03)


# ---- entries


def test_entries_are_found_by_folder_split_and_name(tmp_path):
    pictures = tmp_path / "more"
    for name in ("a/1.png", "b/c/1.png", "2.jpg"):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", FRAME[::-1], "red").save(pictures / name)
    samples = picture_samples(pictures, "train", SPACE)
    cache = TeacherCache(filled(tmp_path / "c", samples))
    assert (cache.root / "logits/more/train/b/c/1.webp").is_file()
    for seed, sample in enumerate(samples):
        true, read = smooth(seed), cache.read(sample).whole()
        assert np.abs(np.exp(read / 8) - np.exp(true / 8)).max() <= 1.5 / LEVELS[-1]
    val = replace(samples[0], record=replace(samples[0].record, split="val"))
    with pytest.raises(DataError, match=r"val/2\.webp is missing.*curbside cache"):
        cache.read(val)
    climbing = replace(samples[0], record=replace(samples[0].record, id="../../../x"))
    with pytest.raises(DataError, match="leads out of"):
        cache.read(climbing)


@pytest.mark.parametrize("share", [10.0, 0.9, 0.7, 0.1])
def test_an_entry_is_no_larger_than_its_picture_where_coarser_steps_bring_it_there(tmp_path, share):
    finest, coarsest = (len(encode(smooth(0), None, levels)) for levels in (LEVELS[0], LEVELS[-1]))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", FRAME[::-1], "red").save(pictures / "1.png")
    with open(pictures / "1.png", "ab") as file:  # behind a picture's end may stand anything
        file.write(bytes(max(0, int(share * finest) - file.tell())))
    samples = picture_samples(pictures, "train", SPACE)
    cache = TeacherCache(filled(tmp_path / "c", samples))
    held = (cache.root / "logits/pictures/train/1.webp").stat().st_size
    asked = (pictures / "1.png").stat().st_size
    if share == 10:
        assert held == finest + 34
    elif share == 0.1:
        assert held == coarsest + 34
    else:
        assert coarsest + 34 <= held <= asked < finest
    assert kl(smooth(0), cache.read(samples[0]).whole(), 1) < 2e-3 * (63 / LEVELS[-1]) ** 2


def test_a_damaged_entry_is_never_believed(tmp_path, samples):
    cache = TeacherCache(filled(tmp_path / "c", samples))
    path = cache.root / "logits/data/train/000.webp"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    broken = [b"", b"RIFF", whole[:31], whole[:-1], whole[: len(whole) // 2], whole + b"\0"]
    for place in rng.integers(0, len(whole), 80):
        one = bytearray(whole)
        one[place] ^= 1 << rng.integers(8)
        broken.append(bytes(one))
    for data in broken:
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"000\.webp is damaged, .*cache command again"):
            cache.read(samples[0])
    path.write_bytes(whole)
    cache.read(samples[0])
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"000\.webp"):
        cache.read(samples[0])


def test_a_forged_entry_allocates_nothing(tmp_path, samples):
    # Sealed as ours are, around pictures that are not what the settings say.
    cache = TeacherCache(filled(tmp_path / "c", samples))
    path = cache.root / "logits/data/train/000.webp"
    about = path.read_bytes()[-34:-4]
    buffer = io.BytesIO()
    Image.new("RGB", (24, 64)).save(buffer, "WEBP")
    lossy = buffer.getvalue()
    huge = bytearray(encode(smooth(0)))
    huge[21:25] = (16383 | 16383 << 14).to_bytes(4, "little")
    for data in (b"", lossy, bytes(huge), encode(smooth(0, (16, 23))), encode(smooth(0))[:60]):
        seal = zlib.crc32(data + about, cache.settings.seal)
        path.write_bytes(data + about + seal.to_bytes(4, "little"))
        with pytest.raises(DataError, match=r"000\.webp is damaged"):
            cache.read(samples[0])


def test_entries_of_another_cache_or_of_another_picture_are_refused(tmp_path):
    folder = blocks_folder(tmp_path / "data", train=3, val=1, size_hw=FRAME)
    samples = PreparedFolder(folder).samples("train")
    cache = TeacherCache(filled(tmp_path / "c", samples))
    other = filled(tmp_path / "d", samples, replace(SETTINGS, teacher={**TEACHER, "step": 8}))
    entry = "logits/data/train/001.webp"
    (cache.root / entry).write_bytes((other / entry).read_bytes())
    with pytest.raises(DataError, match="belongs to another cache"):
        cache.read(samples[1])
    Image.new("RGB", FRAME[::-1]).save(samples[0].image_path)
    with pytest.raises(DataError, match=r"000\.webp was made of a picture of 96 x 64 .* replaces"):
        cache.read(samples[0])
    samples[0].image_path.unlink()
    with pytest.raises(DataError, match=r"000\.jpg cannot be read"):
        cache.read(samples[0])
    larger = replace(samples[2], record=replace(samples[2].record, size_hw=(65, 96)))
    with pytest.raises(DataError, match="was made of a picture of 96 x 64"):
        cache.read(larger)


def test_what_is_missing_cut_off_or_outdated_is_counted_beforehand(tmp_path):
    folder = blocks_folder(tmp_path / "data", train=5, val=1, size_hw=FRAME)
    samples = PreparedFolder(folder).samples("train")
    cache = TeacherCache(filled(tmp_path / "c", samples))
    cache.require(samples)
    entries = sorted((cache.root / "logits/data/train").iterdir())
    entries[1].unlink()
    entries[2].write_bytes(entries[2].read_bytes()[:-1])
    entries[3].write_bytes(b"RIFF")
    Image.new("RGB", FRAME[::-1]).save(samples[4].image_path)
    said = (
        r"lacks 4 of the 5 pictures.*001\.webp is missing.*"
        rf"curbside cache RUN {folder} --split train --out {cache.root}$"
    )
    with pytest.raises(DataError, match=said):
        cache.require(samples)
    for number, what in (
        (2, r"002\.webp is damaged"),
        (3, r"003\.webp is damaged"),
        (4, r"made of a picture of 96 x 64"),
    ):
        with pytest.raises(DataError, match=f"lacks 1 of the 2 pictures.*{what}"):
            cache.require([samples[0], samples[number]])


def test_the_dataset_reports_what_the_cache_lacks_and_takes_another(tmp_path, samples):
    cache = TeacherCache(filled(tmp_path / "c", samples))
    (cache.root / "logits/data/train/001.webp").unlink()
    dataset = SegmentationDataset(
        samples,
        size_hw=(32, 32),
        augmentation=Augmentation(AugmentConfig(), (32, 32)),
        caches=[cache, cache],
    )
    item = dataset[1, 5]
    assert "001.webp is missing" in item.problems[0] and len(item.problems) == 1
    assert [tuple(one.shape) for one in item.taught] == [(11, 8, 8)] * 2
    assert dataset[0, 5].problems == ()


# ---- the folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"teacher": {**TEACHER, "weights_sha256": "1" * 64}}, "another teacher"),
        ({"stride": 8}, "another stride"),
        ({"top_k": 3}, "another --top-k"),
        ({"input_hw": (32, 48)}, "another input size"),
        ({"flip": True}, "another choice of --flip"),
        ({"space": load_space("idd-lite7")}, "another label space"),
    ],
)
def test_a_cache_with_other_settings_is_refused(tmp_path, samples, change, said):
    root = filled(tmp_path / "c", samples)
    before = (root / "cache.json").read_bytes()
    with pytest.raises(ConfigError, match=said):
        CacheWriter(root, replace(SETTINGS, **change), [samples[0].root], "train")
    assert (root / "cache.json").read_bytes() == before


def test_two_folders_of_one_name_are_refused(tmp_path, samples):
    root = filled(tmp_path / "c", samples)
    with pytest.raises(ConfigError, match=r"two folders are called data.*rename"):
        CacheWriter(root, SETTINGS, [tmp_path / "data"], "val")
    (tmp_path / "x").mkdir()
    with pytest.raises(ConfigError, match="two folders are called x"):
        CacheWriter(tmp_path / "d", SETTINGS, [tmp_path / "x", tmp_path / "y/x"], "train")
    assert not (tmp_path / "d").exists()


def test_a_folder_that_was_moved_is_the_same_folder(tmp_path):
    folder = blocks_folder(tmp_path / "here/data", train=2, val=1, size_hw=FRAME)
    root = filled(tmp_path / "c", PreparedFolder(folder).samples("train"))
    (tmp_path / "here").rename(tmp_path / "there")
    samples = PreparedFolder(tmp_path / "there/data").samples("train")
    writer = CacheWriter(root, SETTINGS, [tmp_path / "there/data"], "train")
    assert all(map(writer.holds, samples))


def test_a_folder_with_something_else_is_left_alone(tmp_path, samples):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty and holds no cache"):
        CacheWriter(tmp_path, SETTINGS, [samples[0].root], "train")
    assert not is_cache(tmp_path)


@pytest.mark.parametrize(
    "change", [{"stride": 0}, {"top_k": 0}, {"top_k": 11}], ids=lambda change: str(change)
)
def test_impossible_settings_are_refused(change):
    with pytest.raises(ConfigError, match=r"impossible|cannot be kept apart"):
        replace(SETTINGS, **change)


def test_an_unfinished_or_damaged_cache_is_refused(tmp_path, samples):
    root = filled(tmp_path / "c", samples)
    good = json.loads((root / "cache.json").read_text())
    CacheWriter(root, SETTINGS, [samples[0].root], "val")
    with pytest.raises(DataError, match=r"unfinished.*goes on where it stopped"):
        TeacherCache(root)
    damages = [
        [],
        {},
        {**good, "format": "curbside-run"},
        {**good, "version": 2},
        {**good, "label_space": {"name": "x"}},
        {**good, "input_hw": [1]},
        {**good, "stride": "x"},
        {**good, "top_k": 99},
        {**good, "teacher": 3},
        {**good, "data": [{"name": "x", "unknown": 1}]},
        {key: value for key, value in good.items() if key != "complete"},
    ]
    for about in damages:
        (root / "cache.json").write_text(json.dumps(about))
        with pytest.raises(DataError, match=r"cache\.json"):
            TeacherCache(root)
    with pytest.raises(DataError, match=r"does not exist.*curbside cache RUN DATA"):
        TeacherCache(tmp_path / "nothing")


def test_another_folder_or_split_is_added(tmp_path, samples, data):
    root = filled(tmp_path / "c", samples)
    val = PreparedFolder(data).samples("val")
    writer = CacheWriter(root, SETTINGS, [data], "val")
    writer.write(val[0], smooth(9))
    writer.finish({data: val}, "bf16")
    cache = TeacherCache(root)
    assert cache.space == SPACE and cache.read(val[0]) and cache.read(samples[0])
    folders = json.loads((root / "cache.json").read_text())["data"]
    assert [(one["split"], one["pictures"], one["precision"]) for one in folders] == [
        ("train", 3, "fp32"),
        ("val", 1, "bf16"),
    ]
    sizes = [path.stat().st_size for path in (root / "logits/data/train").iterdir()]
    assert folders[0]["bytes"] == sum(sizes)
