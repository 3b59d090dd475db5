"""Who is told of a run: TensorBoard, Weights & Biases, nobody; never over the network here."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders_data import blocks_folder

from curbside.errors import MissingDependencyError
from curbside.models import LRASPPConfig
from curbside.training import DataConfig, TrainConfig, config_from_json, config_to_json, fit
from curbside.training.boards import boards
from curbside.training.record import read_metrics
from curbside.training.serialize import changed_settings

NEEDS_WANDB = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="wandb is not installed"
)


def _config(home: Path, **changes: object) -> TrainConfig:
    config = TrainConfig(
        name="told",
        model=LRASPPConfig(channels=16),
        data=DataConfig(
            root=(home / "data",), batch_size=2, crop_hw=(32, 32), eval_hw=(32, 32), workers=0
        ),
        steps=1,
        precision="fp32",
        accelerator="cpu",
        out=home / "sweep/trials/0007",
    )
    return replace(config, **changes)


@NEEDS_WANDB
def test_offline_a_run_keeps_its_metrics_config_group_and_identity(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_RUN_GROUP", "the-sweep")
    blocks_folder(tmp_path / "data", train=2, val=1, size_hw=(32, 32))
    config = _config(tmp_path, logger=("wandb",))
    fit(config)
    run = config.run_folder
    identity = (run / "wandb.id").read_text().strip()
    (written,) = (run / "wandb").glob("offline-run-*")
    assert written.name.endswith(identity)
    record = (written / f"run-{identity}.wandb").read_bytes()
    (row,) = [row for row in read_metrics(run / "metrics.csv") if "val/miou" in row]
    for text in (
        "val/miou",
        repr(row["val/miou"]),
        "the-sweep",
        "0007",
        "curbside",
        "LRASPPConfig",
    ):
        assert text.encode() in record, text
    assert not (run / "tensorboard").exists()
    (again,) = boards(config, resumed_at=1)
    assert again._wandb_init["id"] == identity  # the run goes on, it is no second one
    import wandb

    assert wandb.run is None  # it has ended, so that the next of this process is another


@NEEDS_WANDB
def test_without_a_key_nothing_is_asked_and_a_line_says_so(tmp_path, monkeypatch) -> None:
    import wandb

    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = SimpleNamespace(settings=SimpleNamespace(mode="online"))  # as without any
    monkeypatch.setattr(wandb, "setup", lambda: settings)
    config = _config(tmp_path, logger=("tensorboard", "wandb"))
    for known, mode in ((False, "offline"), (True, None)):
        monkeypatch.setattr(wandb, "login", lambda *, prompt, verify, known=known: known)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            _, board = boards(config, resumed_at=0)
        assert board._wandb_init["mode"] == mode
        assert any("wandb sync" in str(one.message) for one in said) != known
    assert not config.run_folder.exists()  # before there is something to tell


def test_without_wandb_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match=r"curbside\[wandb\]"):
        boards(_config(tmp_path, logger=("wandb",)), resumed_at=0)


def test_who_is_told_may_change_and_old_runs_told_tensorboard(tmp_path) -> None:
    config = _config(tmp_path)
    assert list(changed_settings(config, replace(config, logger=()))) == []
    assert boards(replace(config, logger=()), resumed_at=0) == []
    data = json.loads(json.dumps(config_to_json(config)))
    assert data.pop("logger") == ["tensorboard"]
    assert config_from_json(data, where="an old run") == config
