"""The inference form: fewer layers, the same answers, and the network itself untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional as F

from curbside.models import EncoderConfig, LRASPPConfig, ModelOutput, SegmentationModel, inference
from curbside.models.inference import inference_form

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Toy(SegmentationModel):
    """Layers by name, and what to do with them."""

    def __init__(
        self,
        layers: dict[str, nn.Module],
        run: Callable[[Toy, Tensor], Tensor | tuple[Tensor, ...]],
    ) -> None:
        super().__init__(num_classes=4)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = run

    def forward(self, image: Tensor) -> ModelOutput:
        given = self.run(self, image)
        logits, *features = given if isinstance(given, tuple) else (given,)
        return ModelOutput(logits=logits, features=tuple(features))


def conv(channels: int = 4, **options: object) -> nn.Conv2d:
    return nn.Conv2d(3, channels, 3, padding=1, **options)  # type: ignore[arg-type]


def twice_tied() -> dict[str, nn.Module]:
    first, second = conv(), conv()
    second.weight = first.weight
    return {"a": first, "b": second, "bn": nn.BatchNorm2d(4), "other": nn.BatchNorm2d(4)}


def half(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2)


def linear_on_pixels(m: Toy, x: Tensor) -> Tensor:
    return m.bn(m.fc(x.movedim(1, 3)[:, 0]).contiguous())  # (B, W, 4): the axis 1 is W


CASES = {
    "plain": (
        {"c": conv(bias=False), "bn": nn.BatchNorm2d(4)},
        lambda m, x: F.relu(m.bn(m.c(x))),
        0,
    ),
    "bias, groups, stride, no affine": (
        {"c": nn.Conv2d(3, 6, 3, 2, 1, groups=3), "bn": nn.BatchNorm2d(6, affine=False)},
        lambda m, x: m.bn(m.c(x)),
        0,
    ),
    "transposed": (
        {"c": conv(), "up": nn.ConvTranspose2d(4, 6, 3, 2), "bn": nn.BatchNorm2d(6)},
        lambda m, x: m.bn(m.up(m.c(x))),
        0,
    ),
    "transposed with groups": (
        {"c": conv(), "up": nn.ConvTranspose2d(4, 6, 2, 2, groups=2), "bn": nn.BatchNorm2d(6)},
        lambda m, x: m.bn(m.up(m.c(x))),
        0,
    ),
    "activation inside the normalisation": (
        {
            "c": conv(),
            "bn": BatchNormAct2d(4, act_layer=nn.LeakyReLU, drop_layer=nn.Hardtanh),
        },
        lambda m, x: m.bn(m.c(x)),
        0,
    ),
    "activation in place": (
        {"c": conv(), "bn": nn.BatchNorm2d(4), "act": nn.ReLU(inplace=True)},
        lambda m, x: m.act(m.bn(m.c(x))),
        0,
    ),
    "dense": (
        {"fc": nn.Linear(3, 4, bias=False), "bn": nn.BatchNorm1d(4)},
        lambda m, x: m.bn(m.fc(x.mean(dim=(2, 3)))),
        0,
    ),
    "dense on pixels": ({"fc": nn.Linear(3, 5), "bn": nn.BatchNorm1d(160)}, linear_on_pixels, 1),
    "one of two behind the other": (
        {"c": conv(), "bn": nn.BatchNorm2d(4), "more": nn.BatchNorm2d(4)},
        lambda m, x: m.more(m.bn(m.c(x))),
        1,
    ),
    "behind a sum": (
        {"c": conv(), "d": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: m.bn(m.c(x) + m.d(x)),
        1,
    ),
    "before a convolution": (
        {"bn": nn.BatchNorm2d(3), "c": conv()},
        lambda m, x: m.c(m.bn(x)),
        1,
    ),
    "output used twice": (
        {"c": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: (lambda y: m.bn(y) + y.tanh())(m.c(x)),
        1,
    ),
    "output shown": (
        {"c": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: (lambda y: (m.bn(y), y))(m.c(x)),
        1,
    ),
    "at two scales": (
        {"c": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: (m.bn(m.c(x)), m.bn(m.c(half(x)))),
        0,
    ),
    "at two scales, normalised at one": (
        {"c": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: (m.bn(m.c(x)), m.c(half(x))),
        1,
    ),
    "at two scales, each its own": (
        {"c": conv(), "bn": nn.BatchNorm2d(4), "other": nn.BatchNorm2d(4)},
        lambda m, x: (m.bn(m.c(x)), m.other(m.c(half(x)))),
        2,
    ),
    "one normalisation for two": (
        {"c": conv(), "d": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: (m.bn(m.c(x)), m.bn(m.d(x))),
        1,
    ),
    "weights of two layers in one": (
        twice_tied(),
        lambda m, x: (m.bn(m.a(x)), m.other(m.b(x))),
        2,
    ),
    "weights used elsewhere": (
        {"c": conv(), "bn": nn.BatchNorm2d(4)},
        lambda m, x: m.bn(m.c(x)) * m.c.weight.mean(),
        1,
    ),
}


def train_by_chance(model: nn.Module) -> None:
    """Statistics and scales as training would leave them, none of them neutral."""
    for module in model.modules():
        if isinstance(module, NORMS) and module.running_mean is not None:
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.3, 2.0)
            if module.weight is not None:
                nn.init.uniform_(module.weight, -1.4, 1.4)
                nn.init.uniform_(module.bias, -0.4, 0.4)


def norms_in(model: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in model.modules())


def assert_same_answers(one: SegmentationModel, two: SegmentationModel, image: Tensor) -> None:
    with torch.no_grad():
        expected, given = one(image), two(image)
    pairs = zip((expected.logits, *expected.features), (given.logits, *given.features), strict=True)
    for wanted, found in pairs:
        torch.testing.assert_close(found, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_only_what_belongs_together_is_folded(case: str) -> None:
    torch.manual_seed(0)
    layers, run, left = CASES[case]
    model = Toy(layers, run).eval()
    train_by_chance(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    form = inference_form(model)
    assert norms_in(form) == left
    assert_same_answers(model, form, torch.randn(2, 3, 40, 160))
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }


def test_a_fold_that_changes_the_answers_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    layers, run, _ = CASES["plain"]
    model = Toy(layers, run).eval()
    honest = inference._fold

    def wrong(twin: nn.Module, layer: str, norm: str) -> None:
        honest(twin, layer, norm)
        twin.get_submodule(layer).bias.data += 1  # type: ignore[union-attr, operator]

    monkeypatch.setattr(inference, "_fold", wrong)
    form = inference_form(model)
    assert norms_in(form) == 1
    assert_same_answers(model, form, torch.randn(1, 3, 32, 32))


class WithTrainingHead(Toy):
    training_only: ClassVar[tuple[str, ...]] = ("aux",)

    def forward(self, image: Tensor) -> ModelOutput:
        output = super().forward(image)
        return output._replace(aux=(self.aux(image),)) if self.training else output


def test_what_only_training_runs_is_left_out() -> None:
    layers, run, _ = CASES["plain"]
    model = WithTrainingHead({**layers, "aux": nn.Sequential(conv(), nn.BatchNorm2d(4))}, run)
    form = inference_form(model.train())
    assert model.training and "aux.0.weight" in model.state_dict()
    assert not [name for name in form.state_dict() if name.startswith("aux")]
    assert_same_answers(model.eval(), form, torch.randn(1, 3, 32, 32))
    again = inference_form(form)  # nothing is left to do, and nothing breaks
    assert_same_answers(form, again, torch.randn(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("encoder", "fewer"),
    [
        ("mobilenetv4_conv_small", 0),
        ("mobileone_s0", 3_000_000),  # parallel branches
        ("resnet18", 0),
        ("ghostnet_050", 0),
        ("convnext_atto", 0),
    ],
)
def test_encoders_of_timm_answer_as_before(encoder: str, fewer: int) -> None:
    torch.manual_seed(0)
    model = LRASPPConfig(encoder=EncoderConfig(name=encoder), channels=32).build(4).eval()
    train_by_chance(model)
    form = inference_form(model)
    assert norms_in(form) <= norms_in(model) // 10
    size, was = (sum(p.numel() for p in m.parameters()) for m in (form, model))
    assert was - size >= fewer
    assert_same_answers(model, form, torch.randn(2, 3, 65, 99))


@pytest.mark.parametrize("encoder", ["convnext_atto", "convnext_tiny", "convnextv2_atto"])
def test_convnext_becomes_plain_convolutions(encoder: str) -> None:
    torch.manual_seed(0)
    model = LRASPPConfig(encoder=EncoderConfig(name=encoder), channels=32).build(4).eval()
    factors = [p for name, p in model.named_parameters() if name.endswith(".gamma")]
    with torch.no_grad():
        for factor in factors:  # timm starts them at a millionth
            factor.uniform_(-1, 1)
    form = inference_form(model)
    assert bool(factors) == ("v2" not in encoder)
    assert not any(name.endswith(".gamma") for name, _ in form.named_parameters())
    assert not any(isinstance(m, torch.nn.Linear) for m in form.modules())
    assert_same_answers(model, form, torch.randn(2, 3, 64, 96))


def test_the_form_is_ready_to_run() -> None:
    model = LRASPPConfig(encoder=EncoderConfig(stages=3), channels=32).build(4).train()
    form = inference_form(model)
    assert not form.training and model.training
    assert not any(p.requires_grad for p in form.parameters())
    assert all(p.requires_grad for p in model.parameters())
    assert form.deep.weight.is_contiguous(memory_format=torch.channels_last)
    assert form.feature_specs == model.feature_specs and form.num_classes == 4
