"""Fine-tuning for 8 bits: the weights move, what comes out is float, and rounding it costs less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from color_scenes import COLORS, SIZE_HW, build, make_data
from torch import nn

from curbside.errors import ConfigError
from curbside.labels import LabelClass, LabelSpace
from curbside.models import SegmentationModel, inference_form, normalize
from curbside.prepared import PreparedFolder
from curbside.recipes import load_recipe
from curbside.training import QuantizationAwareConfig, Run, fine_tune_for_int8
from curbside.training.quantization_aware import _round

SPACE = LabelSpace(
    name="colors",
    classes=tuple(LabelClass(id=i, name=f"c{i}", color=c) for i, c in enumerate(COLORS)),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, PreparedFolder]:
    root = make_data(tmp_path_factory.mktemp("d") / "data", SPACE, train=8, val=1)
    config = load_recipe("drawn-student")
    data = replace(config.data, root=(root,), crop_hw=SIZE_HW, eval_hw=SIZE_HW, batch_size=4)
    run = Run(
        folder=root,
        config=replace(config, data=data),
        space=SPACE,
        model=build("lraspp"),
        source={},
        scores={},
    )
    return run, PreparedFolder(root)


def seen(model: SegmentationModel) -> torch.Tensor:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, *SIZE_HW), np.uint8))
    with torch.no_grad():
        return model(normalize(image, model.normalization)).logits


def test_rounding_is_to_8_bits_and_is_taken_away_again(run: tuple[Run, PreparedFolder]) -> None:
    model = inference_form(run[0].model).eval()
    before = seen(model)
    release = _round(model)
    read: list[torch.Tensor] = []
    first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    hook = first.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    rounded = seen(model)
    hook.remove()
    assert 0 < (rounded - before).abs().max() < before.abs().max()
    assert len(read[0].unique()) <= 256
    weight = first.weight
    assert all(len(channel.unique()) <= 255 for channel in weight)
    release()
    assert torch.equal(seen(model), before)
    assert not hasattr(first, "parametrizations")


def test_the_network_learns_and_comes_out_in_float(run: tuple[Run, PreparedFolder]) -> None:
    trained, folder = run
    original = seen(inference_form(trained.model).eval())
    samples = folder.samples("train", target="semantic")
    config = QuantizationAwareConfig(epochs=12, lr=3e-3)
    tuned = fine_tune_for_int8(trained, samples, config)
    assert tuned.about["steps"] == 24 and tuned.about["pictures"] == 8
    assert tuned.about["last_loss"] < 0.8 * tuned.about["first_loss"]
    assert not tuned.model.training
    assert not [name for name, _ in tuned.model.named_modules() if "parametrizations" in name]
    assert set(tuned.model.state_dict()) == set(inference_form(trained.model).state_dict())
    assert not torch.equal(seen(tuned.model), original)
    assert torch.equal(seen(inference_form(trained.model).eval()), original)  # the run is untouched
    again = fine_tune_for_int8(trained, samples, config)
    assert torch.equal(seen(again.model), seen(tuned.model))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": -1.0}, {"self_weight": float("nan")}])
def test_numbers_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        QuantizationAwareConfig(**wrong)


def test_a_rate_that_breaks_it_is_one_line(run: tuple[Run, PreparedFolder]) -> None:
    trained, folder = run
    samples = folder.samples("train", target="semantic")
    with pytest.raises(ConfigError, match=r"fine-tuning diverged at step \d+; lower --finetune-lr"):
        fine_tune_for_int8(trained, samples, QuantizationAwareConfig(epochs=20, lr=1e12))
