"""Training over prepared folders of different label spaces, through the real command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from builders_data import blocks_folder

from curbside.cli import main
from curbside.errors import ConfigError
from curbside.labels import load_space
from curbside.metrics import ConfusionMatrix
from curbside.prepared import PreparedFolder, PreparedWriter, SampleData, write_sample
from curbside.training import DataConfig, config_from_json, load_run, load_run_predictor
from curbside.training.record import Checkpoints


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """CamVid's eleven classes, and Cityscapes' nineteen."""
    root = tmp_path_factory.mktemp("folders")
    camvid = blocks_folder(root / "camvid", train=8, val=3)
    space, rng = load_space("cityscapes19"), np.random.default_rng(5)
    writer = PreparedWriter(root / "streets", space=space, source="streets")
    for split, count in (("train", 4), ("val", 2)):
        for index in range(count):
            ids = np.kron(rng.integers(0, 19, (4, 6)), np.ones((16, 16), int)).astype(np.uint8)
            data = SampleData(id=f"{index}", split=split, image=space.palette[ids], semantic=ids)
            writer.add(write_sample(writer.root, data, space))
    writer.finish()
    return camvid, writer.root


def flags(folders: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    return [
        "train", "camvid-mnv4s-lraspp", "--data.root", *map(str, folders), "--out", str(out),
        "--steps", "6", "--validate-every", "3", "--data.crop-hw", "64", "64", "--data.eval-hw",
        "64", "96", "--data.batch-size", "4", "--data.workers", "0", "--model.channels", "16",
        "--precision", "fp32", "--accelerator", "cpu", *more,
    ]  # fmt: skip


def rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    more = ("--data.space", "cityscapes19", "--data.shares", "1", "2")
    assert main(flags(folders, out, *more)) == 0
    return out


def test_a_run_says_where_every_class_of_every_folder_went(
    run: Path, folders: tuple[Path, Path]
) -> None:
    about = json.loads((run / "config.json").read_text())
    assert about["label_space"]["name"] == "cityscapes19"
    assert about["config"]["data"]["root"] == [str(root) for root in folders]
    data = about["dataset"]
    assert (data["train"], data["val"], data["unfed"]) == (12, 5, [])
    camvid, streets = data["folders"]
    assert (camvid["train"], camvid["val"], streets["train"], streets["val"]) == (8, 3, 4, 2)
    assert (camvid["label_space"], streets["label_space"]) == ("camvid11", "cityscapes19")
    assert set(camvid["lost"]) == {"sign symbol", "car", "bicyclist"} and streets["lost"] == {}


def test_the_score_of_each_folder_is_that_of_its_masks_in_the_common_space(
    run: Path, folders: tuple[Path, Path]
) -> None:
    from curbside.labels import mapping

    best = max((r for r in rows(run) if r["val/miou"]), key=lambda r: float(r["val/miou"]))
    predictor = load_run_predictor(run, device="cpu")
    whole = ConfusionMatrix(19)
    for root in folders:
        folder, alone = PreparedFolder(root), ConfusionMatrix(19)
        table = mapping(folder.space, load_space("cityscapes19")).table
        for sample in folder.samples("val"):
            alone.update(predictor(sample.read_bgr()).ids, table[sample.read_semantic()])
        assert float(best[f"val/miou/{root.name}"]) == pytest.approx(alone.miou(), abs=1e-6)
        whole += alone
    assert float(best["val/miou"]) == pytest.approx(whole.miou(), abs=1e-6)
    assert load_run(run).space == load_space("cityscapes19")


def test_a_broken_off_run_ends_with_the_same_bytes(
    run: Path, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = flags(folders, tmp_path, "--data.space", "cityscapes19", "--data.shares", "1", "2")
    saved = Checkpoints.on_train_epoch_end

    def broken_off(self, trainer, module) -> None:
        saved(self, trainer, module)
        raise RuntimeError("pulled the plug")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="pulled the plug"):
        patch.setattr(Checkpoints, "on_train_epoch_end", broken_off)
        main(command)
    assert len(rows(tmp_path)) == 3
    assert main(command) == 0
    for name in ("metrics.csv", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes()


def test_shares_change_what_is_learnt_from(
    run: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    assert main(flags(folders, tmp_path, "--data.space", "cityscapes19")) == 0
    assert rows(tmp_path)[0]["train/loss"] != rows(run)[0]["train/loss"]


def test_a_class_without_a_folder_is_said_in_one_line(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = flags((folders[0],), tmp_path, "--data.space", "cityscapes19", "--steps", "1")
    assert main(command) == 0
    (told,) = (line for line in capsys.readouterr().err.splitlines() if "no folder" in line)
    assert told.startswith("curbside train: no folder has any pixel of: wall, traffic light, ")
    about = json.loads((tmp_path / "config.json").read_text())
    assert "traffic light" in about["dataset"]["unfed"]
    assert not [name for name in rows(tmp_path)[0] if name.startswith("val/miou/")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "the folders have different label spaces"),
        (("--data.space", "idd-csid"), "ids with gaps"),
        (("--data.space", "cityscapes19", "--data.shares", "1"), "do not fit 2 folders"),
        (("--data.space", "cityscapes19", "--data.shares", "0", "0"), "do not fit 2 folders"),
        (("--data.space", "cityscapes19", "--data.train-split", "test"), "split 'test' of"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], more, told: str
) -> None:
    assert main(flags(folders, tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("curbside train: ") and told in error and "\n" not in error
    assert not (tmp_path / "out").exists()


def test_a_share_of_a_folder_without_pictures_is_refused(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lone = blocks_folder(tmp_path / "lone", train=0, val=1)
    command = flags((folders[0], lone), tmp_path / "out", "--data.shares", "1", "1")
    assert main(command) == 2
    assert "has no sample in train; give it the share 0" in capsys.readouterr().err


def test_a_config_from_when_there_was_one_folder_is_still_read(run: Path) -> None:
    stored = json.loads((run / "config.json").read_text())["config"]
    stored["data"]["root"] = "data/camvid"
    del stored["data"]["shares"]
    assert config_from_json(stored, where="test").data.root == (Path("data/camvid"),)


def test_a_config_without_a_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="no folder to learn from"):
        DataConfig(root=())
