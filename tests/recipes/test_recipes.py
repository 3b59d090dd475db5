"""Every recipe builds, and the source document's settings are what it says they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from curbside.errors import ConfigError
from curbside.models import load_network
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


_KL, _L2, _CWD, _LAD = "logit_kd", "feature_l2", "cwd", "lad"


@pytest.mark.parametrize(
    ("name", "network", "losses", "miou"),
    [
        ("acdc-teacher", "swiftnet-fpn-convnext-large", (), "85.0"),
        ("acdc-a-mnv4", "swiftnet-fpn-mobilenetv4-medium", (), "69.9"),
        ("acdc-b-mnv4-l2", "swiftnet-fpn-mobilenetv4-medium", (_L2,), "72.4"),
        ("acdc-c-mnv4-cwd-kl", "swiftnet-fpn-mobilenetv4-medium", (_CWD, _KL), "72.7"),
        ("acdc-d-mnv4-l2-kl", "swiftnet-fpn-mobilenetv4-medium", (_L2, _KL), "73.1"),
        ("acdc-e-rn18", "swiftnet-fpn-resnet18", (), "67.7"),
        ("acdc-f-rn18-l2-kl", "swiftnet-fpn-resnet18", (_L2, _KL), "68.1"),
        ("acdc-g-rn18-lad", "swiftnet-fpn-resnet18", (_LAD,), "68.8"),
        ("acdc-h-rn18-l2", "swiftnet-fpn-resnet18", (_L2,), "69.1"),
        ("acdc-i-rn18-cwd-kl", "swiftnet-fpn-resnet18", (_CWD, _KL), "70.4"),
        ("acdc-j-rn18-cwd", "swiftnet-fpn-resnet18", (_CWD,), "71.2"),
        ("acdc-pidnet-s", "pidnet-s", (), "68.8"),
        ("acdc-pidnet-m", "pidnet-m", (), "70.0"),
        ("acdc-pidnet-l", "pidnet-l", (), "71.1"),
        ("acdc-sfnet-rn18", "sfnet-resnet18", (), "66.9"),
        ("acdc-sfnet-lite-rn18", "sfnet-lite-resnet18", (), "64.8"),
        ("acdc-segformer-b0", "segformer-b0", (), "64.4"),
        ("acdc-hrnetv2-w48", "hrnetv2-w48", (), "73.5"),
    ],
)
def test_the_rows_of_the_acdc_thesis(
    name: str, network: str, losses: tuple[str, ...], miou: str
) -> None:
    config = load_recipe(name)
    assert miou in (recipes()[name].__doc__ or "")
    plain = load_network(network)
    if hasattr(plain, "encoder"):
        pretrained = config.model.encoder.pretrained
        plain = replace(plain, encoder=replace(plain.encoder, pretrained=pretrained))
    assert config.model == plain
    assert config.data.crop_hw == (864, 864) and config.data.eval_hw == (864, 1536)
    if network.startswith("swiftnet"):
        assert (config.epochs, config.data.batch_size, config.data.accumulate) == (250, 8, 2)
        assert (config.optimizer.kind, config.optimizer.lr) == ("adam", 4e-4)
        assert type(config.loss).__module__.endswith(".border_focal")
    if not losses:
        assert config.distillation is None
        return
    assert config.distillation is not None
    assert config.distillation.teacher == (Path("runs/acdc-teacher"),)
    assert config.distillation.supervised == (0.5 if _KL in losses else 1.0)
    found = {type(loss).__module__.rpartition(".")[2]: loss for loss in config.distillation.losses}
    assert tuple(found) == losses
    if _KL in found:
        assert (found[_KL].temperature, found[_KL].weight) == (1.0, 0.5)
    for loss in found.values():
        if hasattr(loss, "pairs"):
            assert [ours for ours, _ in loss.pairs] == [f"fused{4 << i}" for i in range(6)]


@pytest.mark.parametrize(
    ("name", "epochs", "losses", "whole"),
    [
        ("acdc-logits-control", 50, (), 250),
        ("acdc-logits-kl", 50, ("logit_kd",), 250),
        ("acdc-logits-border-kl", 50, ("border_kd",), 250),
        ("acdc-logits-border-kl-pre-logit", 50, ("border_kd", "pre_logit_l2"), 250),
        ("acdc-pidnet-s-100", 100, (), 484),
        ("acdc-pidnet-kl", 100, ("logit_kd",), 484),
    ],
)
def test_the_stopped_sets_of_the_acdc_thesis(
    name: str, epochs: float, losses: tuple[str, ...], whole: float
) -> None:
    config = load_recipe(name)
    assert config.epochs == epochs
    assert config.epochs * config.schedule.stretch == pytest.approx(whole)
    asked = config.distillation.losses if config.distillation else ()
    assert tuple(type(loss).__module__.rpartition(".")[2] for loss in asked) == losses


def test_a_misspelt_recipe_is_one_line() -> None:
    with pytest.raises(ConfigError, match="did you mean camvid-mnv2-deeplab"):
        load_recipe("camvid-mnv2-deplab")


@pytest.mark.parametrize("name", ["iddlite-teacher", "iddlite-student"])
def test_a_second_part_goes_on_from_a_first_that_exists(name: str) -> None:
    config = load_recipe(name)
    assert config.weights is not None and config.weights.name == "model.safetensors"
    first = load_recipe(config.weights.parent.name)
    assert config.weights.parent == Path("runs") / first.name
    assert (config.model, config.data.root) == (first.model, first.data.root)
    assert config.data.crop_hw == config.data.eval_hw and config.optimizer.lr < first.optimizer.lr
