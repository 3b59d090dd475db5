"""Every recipe builds, and the source document's settings are what it says they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from curbside.errors import ConfigError
from curbside.recipes import load_recipe, recipes
from curbside.training import config_from_json, config_to_json


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_recipe_is_whole(name: str) -> None:
    config = load_recipe(name)
    assert config.name == name
    assert recipes()[name].__doc__
    assert config_from_json(config_to_json(config), where=name) == config


@pytest.mark.parametrize(
    ("name", "epochs", "lr", "batch", "teacher"),
    [
        ("idd-level2-mnv4l-deeplab", 50, 1e-4, 32, None),
        ("idd-level1-mnv4s-lraspp", 50, 6e-4, 32, None),
        ("idd-level3-mnv4s-lraspp-kd", 125, 6e-4, 32, "idd-level3-mnv4l-deeplab"),
        ("idd-level2-convnextb-upernet", 50, 1e-4, 24, None),
        ("idd-level2-mnv4s-lraspp-kd-convnextb", 100, 6e-4, 24, "idd-level2-convnextb-upernet"),
        ("idd-level1-mnv4l-deeplab-kd-convnextb", 125, 6e-4, 32, "idd-level1-convnextb-upernet"),
        ("idd-level3-mnv4s-deeplab-kd-convnextb", 125, 6e-4, 32, "idd-level3-convnextb-upernet"),
    ],
)
def test_the_source_documents_settings(
    name: str, epochs: float, lr: float, batch: int, teacher: str | None
) -> None:
    config = load_recipe(name)
    assert (config.epochs, config.optimizer.lr, config.data.batch_size) == (epochs, lr, batch)
    assert config.optimizer.weight_decay == 1e-4 and config.seed == 42
    assert config.data.crop_hw == config.data.eval_hw == (512, 512)
    if teacher is None:
        assert config.distillation is None
    else:
        assert config.distillation.teacher == (Path("runs") / teacher,) and teacher in recipes()
        (loss,) = config.distillation.losses
        assert (loss.temperature, loss.weight, loss.resolution) == (4.0, 1.0, "input")


def test_a_misspelt_recipe_is_one_line() -> None:
    with pytest.raises(ConfigError, match="did you mean camvid-mnv2-deeplab"):
        load_recipe("camvid-mnv2-deplab")
