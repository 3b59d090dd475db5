"""Which features are compared, and what makes them fit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from curbside.errors import ConfigError
from curbside.losses import AdapterConfig, CWDConfig, FeatureLossConfig
from curbside.losses.distillation.affinity import AffinityConfig
from curbside.losses.distillation.attn_fd import AttnFDConfig
from curbside.losses.distillation.feature_l2 import FeatureL2Config
from curbside.losses.distillation.lad import LADConfig
from curbside.losses.distillation.pre_logit_l2 import PreLogitL2Config
from curbside.models import FeatureSpec, load_network
from curbside.training.adapters import FeatureComparison, pair_features


def specs(**strides: int) -> tuple[FeatureSpec, ...]:
    """A network by the strides of its features; the n-th has 2 + n channels."""
    return tuple(
        FeatureSpec(name=name, channels=2 + i, stride=stride)
        for i, (name, stride) in enumerate(strides.items())
    )


def paired(student: tuple[FeatureSpec, ...], teacher: tuple[FeatureSpec, ...]) -> dict[str, str]:
    return {student[i].name: teacher[j].name for i, j in pair_features(student, teacher)}


STUDENT = specs(stage1=4, stage2=8, stage3=16, stage4=32, decoder=4)


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        (  # the same strides; the decoders go together whatever theirs
            specs(stage1=4, stage2=8, stage3=16, stage4=32, decoder=16),
            ["stage1", "stage2", "stage3", "stage4"],
        ),
        (  # by stride, not by number
            specs(stage1=2, stage2=4, stage3=8, stage4=16, stage5=32, decoder=4),
            ["stage2", "stage3", "stage4", "stage5"],
        ),
        (  # strides that are missing: the nearest, by factors
            specs(stage1=4, stage2=32, decoder=4),
            ["stage1", "stage1", "stage2", "stage2"],
        ),
        (  # several at a stride: in order from the deepest
            specs(stage1=4, stage2=8, stage3=8, stage4=8, decoder=8),
            ["stage1", "stage2", "stage3", "stage4"],
        ),
        (  # branches at the stride of a stage
            specs(stage1=4, stage2=8, stage3=16, stage4=32, p=8, d=8, decoder=8),
            ["stage1", "stage2", "stage3", "stage4"],
        ),
        (specs(decoder=8), ["decoder"] * 4),
        (specs(p=8, decoder=8), ["p"] * 4),
    ],
)
def test_stages_go_by_stride(teacher: tuple[FeatureSpec, ...], expected: list[str]) -> None:
    found = paired(STUDENT, teacher)
    assert found.pop("decoder") == "decoder"
    assert list(found.values()) == expected


def test_branches_go_with_branches_else_with_the_deepest_at_their_stride() -> None:
    branched = specs(stage1=4, stage2=8, stage3=16, p=8, d=8, context=8, decoder=8)
    assert paired(branched, branched) == {spec.name: spec.name for spec in branched}
    found = paired(branched, specs(stage1=4, stage2=8, stage3=8, decoder=4))
    assert [found[name] for name in ("p", "d", "context")] == ["stage3"] * 3


@cache
def shown(name: str) -> tuple[FeatureSpec, ...]:
    with torch.device("meta"):
        return load_network(name).build(5).feature_specs


NETWORKS = ("pidnet-s", "deeplabv3plus-resnet18", "swiftnet-resnet18", "segformer-b0")


@pytest.mark.parametrize("teacher", NETWORKS)
@pytest.mark.parametrize("student", NETWORKS)
def test_any_two_networks(student: str, teacher: str) -> None:
    ours, theirs = shown(student), shown(teacher)
    pairs = pair_features(ours, theirs)
    assert [i for i, _ in pairs] == list(range(len(ours)))
    assert (ours[-1].name, theirs[pairs[-1][1]].name) == ("decoder", "decoder")
    stages = [j for i, j in pairs if ours[i].name.startswith("stage")]
    assert stages == sorted(stages)  # deeper goes with deeper
    assert all(theirs[j].name.startswith("stage") for j in stages)
    for i, j in pairs[:-1]:
        nearest = min(
            max(ours[i].stride / t.stride, t.stride / ours[i].stride) for t in theirs[:-1]
        )
        ratio = ours[i].stride / theirs[j].stride
        assert max(ratio, 1 / ratio) == nearest
    if student == teacher:
        assert all(i == j for i, j in pairs)


def test_branches_of_a_small_pidnet_go_with_those_of_a_large_one() -> None:
    assert {a: b for a, b in paired(shown("pidnet-s"), shown("pidnet-l")).items() if a != b} == {}


def test_names_decide_where_they_are_given() -> None:
    wanted = [("stage4", "stage1"), ("decoder", "stage2"), ("stage4", "decoder")]
    assert pair_features(STUDENT, STUDENT, wanted) == [(3, 0), (4, 1), (3, 4)]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("stage9", "stage1"), "the student shows no feature 'stage9'"),
        (("stage1", "p"), "the teacher shows no feature 'p'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(
    wanted: tuple[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        pair_features(STUDENT, specs(stage1=4, decoder=4), [wanted])
    fix = "stage1, stage2, stage3, stage4, decoder" if "9" in message else "stage1, decoder"
    assert fix in str(caught.value)


@pytest.mark.parametrize(("student", "teacher"), [((), STUDENT), (STUDENT, ())])
def test_a_network_without_features_is_refused(
    student: tuple[FeatureSpec, ...], teacher: tuple[FeatureSpec, ...]
) -> None:
    role = "teacher" if student else "student"
    with pytest.raises(ConfigError, match=f"the {role} shows no features"):
        pair_features(student, teacher)


TEACHER = specs(stage1=4, stage2=8, decoder=4)
SMALL = specs(stage1=8, decoder=8)


def tensors(shown: tuple[FeatureSpec, ...], size: int = 40, grad: bool = False) -> list[Tensor]:
    """Features of a picture of that size, odd ones rounded up as networks do."""
    generator = torch.Generator().manual_seed(len(shown))
    return [
        torch.randn(
            2, s.channels, -(-size // s.stride), -(-(size + 9) // s.stride), generator=generator
        ).requires_grad_(grad)
        for s in shown
    ]


def comparison(config: FeatureLossConfig) -> FeatureComparison:
    torch.manual_seed(0)
    return FeatureComparison(config, SMALL, TEACHER)


@pytest.mark.parametrize("config", [CWDConfig(), LADConfig(), AffinityConfig()])
def test_what_the_classifiers_see_is_compared_unless_all_is_asked_for(
    config: FeatureLossConfig,
) -> None:
    features = tensors(SMALL), tensors(TEACHER)
    assert [name.rpartition("/")[2] for name in comparison(config)(*features).parts] == ["decoder"]
    every = comparison(replace(config, pairs=()))(*features)
    assert [name.rpartition("/")[2] for name in every.parts] == [spec.name for spec in SMALL]


@pytest.mark.parametrize("size", [32, 37, 8])
@pytest.mark.parametrize("config", [FeatureL2Config(), AffinityConfig(pairs=()), AttnFDConfig()])
def test_features_of_any_size_meet(config: FeatureLossConfig, size: int) -> None:
    student = tensors(SMALL, size, grad=True)
    found = comparison(config)(student, tensors(TEACHER, size))
    found.total.backward()
    assert found.total.isfinite()
    assert len(found.parts) == 2
    for feature in student:
        assert feature.grad.isfinite().all()
        assert feature.grad.abs().sum() > 0


def test_a_pair_is_compared_at_the_coarser_size_by_averages() -> None:
    # Both already have 2 channels; an adapter that passes them on leaves the losses alone.
    coarse = (FeatureSpec(name="decoder", channels=2, stride=8),)
    fine = (FeatureSpec(name="decoder", channels=2, stride=4),)
    generator = torch.Generator().manual_seed(1)
    small, large = (torch.randn(1, 2, n, n, generator=generator) for n in (3, 6))
    blocks = torch.stack([large[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1)]).mean(dim=0)
    expected = (small - blocks).square().mean().item()
    for ours, theirs, pair in ((coarse, fine, (small, large)), (fine, coarse, (large, small))):
        both = FeatureComparison(FeatureL2Config(), ours, theirs)
        both.adapters = torch.nn.ModuleList([torch.nn.Identity()])
        assert both([pair[0]], [pair[1]]).total.item() == pytest.approx(expected, rel=1e-5)


def test_the_total_is_the_mean_over_pairs() -> None:
    found = comparison(LADConfig(weight=3.0, pairs=()))(tensors(SMALL), tensors(TEACHER))
    assert set(found.parts) == {"lad/stage1", "lad/decoder"}
    mean = sum(part.item() for part in found.parts.values()) / 2
    assert found.total.item() == pytest.approx(3 * mean, rel=1e-5)


def test_a_feature_in_two_pairs_is_logged_twice() -> None:
    pairs = (("stage1", "stage1"), ("stage1", "stage2"), ("decoder", "decoder"))
    found = comparison(LADConfig(pairs=pairs))(tensors(SMALL), tensors(TEACHER))
    assert set(found.parts) == {"lad/stage1-stage1", "lad/stage1-stage2", "lad/decoder"}


def test_pre_logit_l2_compares_the_decoders_alone() -> None:
    found = comparison(PreLogitL2Config())(tensors(SMALL), tensors(TEACHER))
    assert set(found.parts) == {"l2/decoder"}


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_every_weight_of_the_adapters_learns(norm: bool, count: int) -> None:
    both = comparison(LADConfig(pairs=(), adapter=AdapterConfig(norm=norm, count=count)))
    teacher = [feature.requires_grad_() for feature in tensors(TEACHER)]
    both(tensors(SMALL, grad=True), teacher).total.backward()
    weights = dict(both.named_parameters())
    assert len(weights) == 2 * count * (3 if norm else 2)
    for name, weight in weights.items():
        assert weight.grad.abs().sum() > 0, name
    assert all(feature.grad is None for feature in teacher)


def test_adapters_bring_the_students_channels_to_the_teachers() -> None:
    both = comparison(FeatureL2Config())
    for adapter, ours, theirs in zip(both.adapters, SMALL, (TEACHER[1], TEACHER[2]), strict=True):
        assert adapter(torch.randn(2, ours.channels, 3, 3)).shape == (2, theirs.channels, 3, 3)


def test_several_projections_are_averaged() -> None:
    both = comparison(FeatureL2Config(adapter=AdapterConfig(count=3, norm=False)))
    adapter, feature = both.adapters[0], tensors(SMALL)[0]
    each = torch.stack([projection(feature) for projection in adapter.projections])
    assert not torch.allclose(each[0], each[1])
    torch.testing.assert_close(adapter(feature), each.mean(dim=0))


def test_relations_need_no_adapter() -> None:
    assert list(comparison(AffinityConfig()).parameters()) == []


def test_impossible_adapters_are_refused() -> None:
    with pytest.raises(ConfigError, match="-1 projections"):
        AdapterConfig(count=-1)


def test_without_an_adapter_channels_must_be_equal() -> None:
    config = FeatureL2Config(adapter=AdapterConfig(count=0))
    spec = FeatureSpec(name="decoder", channels=4, stride=4)
    same = FeatureComparison(config, [spec], [spec])
    feature = torch.randn(2, 4, 5, 6)
    assert not list(same.parameters())
    assert same([feature], [feature]).total.item() == 0
    wider = FeatureSpec(name="decoder", channels=6, stride=4)
    with pytest.raises(ConfigError, match=r"decoder has 4 channels.* 6, and no adapter"):
        FeatureComparison(config, [spec], [wider])
