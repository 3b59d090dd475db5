"""What a sweep tries: its spelling, the settings it reaches, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from curbside.errors import ConfigError
from curbside.losses import CWDConfig, LogitKDConfig
from curbside.models import DeepLabV3PlusConfig, EncoderConfig, LRASPPConfig
from curbside.training import DistillationConfig, TrainConfig
from curbside.training.sweep import Choices, Range, Space, read_space, split_items

CONFIG = TrainConfig(
    name="recipe",
    model=LRASPPConfig(encoder=EncoderConfig(name="mobilenetv4_conv_small", stages=4)),
    distillation=DistillationConfig(
        teacher=(Path("t"),), losses=(LogitKDConfig(temperature=4.0), CWDConfig())
    ),
)


def _space(*items: str, config: TrainConfig = CONFIG) -> Space:
    return read_space(split_items(items), {"": config})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("optimizer.lr=1e-4..1e-2:log", {"low": 1e-4, "high": 1e-2, "log": True}),
        ("epochs=5..20", {"low": 5.0, "high": 20.0}),  # the recipe's field is a float
        ("epochs=5..21:step=5", {"low": 5.0, "high": 20.0, "step": 5.0}),
        ("data.batch_size=1e1..32", {"low": 10, "high": 32, "integer": True}),
        ("steps=10..20:step=4", {"low": 10, "high": 18, "step": 4, "integer": True}),
        ("model.channels=16..64:log", {"low": 16, "high": 64, "log": True, "integer": True}),
        ("distillation.losses.0.temperature=1..8", {"low": 1.0, "high": 8.0}),
    ],
)
def test_ranges_are_of_what_the_setting_is(item: str, expected: dict[str, object]) -> None:
    (found,) = _space(item).parameters
    name = item.partition("=")[0].replace("_", "-")
    assert found == Range(name=name, **{"integer": False, **expected})  # type: ignore[arg-type]
    assert type(found.low) is (int if found.integer else float)


@pytest.mark.parametrize(
    ("item", "values"),
    [
        ("data.batch-size=8,16,32", (8, 16, 32)),
        ("ema-decay=none,0.99", (None, 0.99)),
        ("channels-last=true,false", (True, False)),
        ("optimizer.kind=adamw,sgd", ("adamw", "sgd")),
        ("data.crop-hw=160x224,224x320", ((160, 224), (224, 320))),
        ("optimizer.betas=0.9x0.999,0.8x0.99", ((0.9, 0.999), (0.8, 0.99))),
        ("data.root=a,b/c", ((Path("a"),), (Path("b/c"),))),
        ("weights=../a..1.pth,../b.pth", (Path("../a..1.pth"), Path("../b.pth"))),
        ("keep=0.5,0.5x1", ((0.5,), (0.5, 1.0))),
    ],
)
def test_choices_are_read_by_the_type_of_the_setting(item: str, values: tuple[object, ...]) -> None:
    (found,) = _space(item).parameters
    assert isinstance(found, Choices) and found.read == values
    assert found.texts == tuple(item.partition("=")[2].split(","))


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "nothing to try"),
        (["optimizer.lr"], "is no parameter"),
        (["=1..2"], "is no parameter"),
        (["optimizer.lr=1..2", "optimizer.lr=2..3"], "stands twice"),
        (["data.batch-size=8,16", "data.batch_size=4,8"], "stands twice"),
        (["optimizer.lrr=1e-4..1e-2"], "did you mean optimizer.lr?"),
        (["optimizer.lr=1e-2..1e-4"], "is empty"),
        (["optimizer.lr=1e-2..1e-2"], "is empty"),
        (["optimizer.weight-decay=0..1e-2:log"], "no logarithm"),
        (["optimizer.lr=1e-4..1e-2:log:step=1e-3"], "has a step and is logarithmic"),
        (["optimizer.lr=1e-4..1e-2:lin"], "option 'lin'"),
        (["optimizer.lr=1e-4..1e-2:step=0"], "one value at most"),
        (["steps=10..20:step=11"], "one value at most"),
        (["optimizer.lr=1e-4..big"], "is no range"),
        (["optimizer.lr=-1..1"], "lr -1.0 with weight decay"),  # the config's own check
        (["data.batch-size=0,8"], "batch size 0"),
        (["steps=1.5..3"], "give a whole number"),
        (["data.batch-size=8,many"], "give a number"),
        (["optimizer.lr=1e-3,nan"], "give a finite number"),
        (["data.batch-size=8"], "leaves no choice"),
        (["data.batch-size=8,"], "leaves no choice"),
        (["data.batch-size=8,8"], "a choice twice"),
        (["optimizer.lr=1e-3,0.001"], "a choice twice"),
        (["optimizer.kind=1..2"], "is no single number"),
        (["optimizer.kind=adamw,adamm"], "give adamw or adam or sgd"),
        (["data.crop-hw=160..320"], "is no single number"),
        (["data.crop-hw=160,320"], "give 2 numbers with an x between"),
        (["channels-last=yes,no"], "give true or false"),
        (["model=a,b"], "name one of it, such as model."),
        (["aux-loss=dice,focal"], "cannot be chosen from a command line"),
        (["model.encoder=a,b"], "is no single setting"),
        (["out=a,b"], "every trial has of its own"),
    ],
)
def test_what_cannot_be_is_one_line(items: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _space(*items)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_setting_without_effect_is_refused() -> None:
    with pytest.raises(ConfigError, match="epochs change nothing"):
        _space("epochs=5..20", config=replace(CONFIG, steps=100))


def test_every_choice_of_a_whole_must_have_the_setting() -> None:
    other = replace(CONFIG, model=DeepLabV3PlusConfig())
    bases = {"network=a": CONFIG, "network=b": other}
    items = {"network": "a,b", "model.detail-stride": "4,8"}
    with pytest.raises(ConfigError, match=r"no setting model\.detail-stride"):
        read_space(items, bases)
    space = read_space({"network": "a,b", "model.channels": "16..32"}, bases)
    found = space.apply(bases, {"network": "b", "model.channels": 24})
    assert found == replace(other, model=replace(other.model, channels=24))


def test_a_point_reaches_settings_at_any_depth() -> None:
    space = _space("optimizer.lr=1e-4..1e-2:log", "distillation.losses.1.weight=1..4", "seed=1,2")
    values = {"optimizer.lr": 0.0031, "distillation.losses.1.weight": 2.5, "seed": "2"}
    found = space.apply({"": CONFIG}, values)
    assert found.optimizer.lr == 0.0031 and found.seed == 2  # type: ignore[attr-defined]
    losses = found.distillation.losses  # type: ignore[attr-defined]
    assert losses == (LogitKDConfig(temperature=4.0), CWDConfig(weight=2.5))
    assert replace(CONFIG, seed=2).optimizer.lr == CONFIG.optimizer.lr  # the recipe's stays


def test_a_small_space_is_listed_and_a_large_one_is_not() -> None:
    points = _space("data.batch-size=8,16", "steps=10..14:step=2").points()
    assert points is not None and len(points) == 6
    assert {"data.batch-size": "16", "steps": 14} in points
    assert _space("data.batch-size=8,16", "optimizer.lr=1e-4..1e-2").points() is None
    tenths = _space("optimizer.weight-decay=0..0.3:step=0.1").points()
    assert [one["optimizer.weight-decay"] for one in tenths or ()] == [0.0, 0.1, 0.2, 0.3]


def test_values_are_no_longer_than_they_need_and_stay_inside() -> None:
    (lr,) = _space("optimizer.lr=1.23416e-4..1e-2:log").parameters
    assert isinstance(lr, Range)
    assert lr.tidy(0.0031234567) == 0.003123
    assert lr.tidy(1.23417e-4) == 1.23416e-4  # rounded it would be under the lower end
