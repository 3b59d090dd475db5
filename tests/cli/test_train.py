"""`curbside train` from the shell's point of view."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders_data import blocks_folder

from curbside.cli import main


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    listed = capsys.readouterr().out
    assert "idd-level2-mnv4s-lraspp-kd" in listed and "Source: 59.67 % mIoU" in listed


def test_any_setting_is_a_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = blocks_folder(tmp_path / "data", train=4, val=2)
    flags = [
        "--data.root", str(data), "--out", str(tmp_path / "run"), "--steps", "2", "--data.crop-hw", "64", "64",
        "--data.eval-hw", "64", "96", "--data.batch-size", "2", "--data.workers", "0", "--model.channels", "16",
        "--optimizer.lr", "1e-3", "--accelerator", "cpu",
    ]  # fmt: skip
    assert main(["train", "camvid-mnv4s-lraspp", *flags]) == 0
    said = capsys.readouterr()
    assert "trained   2 steps" in said.out and "mIoU" in said.out
    assert (tmp_path / "run/model.safetensors").is_file()
    assert main(["train", "camvid-mnv4s-lraspp", *flags]) == 0
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-recipe"], "there is no recipe"),
        (["camvid-mnv4s-lraspp", "--data.root", "nowhere"], "the folder nowhere does not exist"),
        (["camvid-mnv4s-lraspp", "--data.batch-size", "0"], "batch size 0"),
        (["camvid-mnv4s-lraspp", "--optimizer.lr", "-1"], "lr -1.0"),
        *(
            (["camvid-mnv4s-lraspp-kd", f"--{name}", *values.split()], said)
            for name, values, said in (
                ("optimizer.betas", "2 3", "betas (2.0, 3.0)"),
                ("optimizer.encoder-lr-factor", "-1", "encoder's lr of -1.0"),
                ("optimizer.clip-norm", "0", "longest gradient of 0.0"),
                ("optimizer.clip-norm", "-1", "longest gradient of -1.0"),
                ("optimizer.weight-decay", "nan", "weight decay nan"),
                ("optimizer.lr", "inf", "optimizer.lr is inf"),
                ("schedule.power", "-1", "power of -1.0"),
                ("seed", "-5", "seed of -5"),
                ("seed", "4294967296", "seed of 4294967296"),
                ("aux-weight", "nan", "nan"),
                ("boundary.weight", "nan", "boundary weight of nan"),
                ("boundary.aware-weight", "inf", "borders of inf"),
                ("loss.class-weights", "1 nan", "class weight of nan"),
                ("distillation.supervised", "nan", "supervised loss of nan"),
                ("distillation.shares", "inf", "distillation.shares.0 is inf"),
                ("data.augment.flip", "7", "probability 7.0"),
                ("data.augment.brightness", "-1", "brightness by -1.0"),
                ("data.augment.hue", "1", "hue by 1.0"),
                ("data.augment.zoom", "1 inf", "data.augment.zoom.1 is inf"),
            )
        ),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("curbside train: ") and said in error and "\n" not in error
