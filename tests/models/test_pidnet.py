"""PIDNet against the names, shapes and answers of its authors' checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pidnet_reference import pidnet_scores, pidnet_shapes
from torch import Tensor

from curbside.errors import ConfigError
from curbside.models import KeyMap, load_weights
from curbside.models.pidnet import PIDNet, PIDNetConfig

NETWORKS = {network.name: network for network in PIDNetConfig.networks()}
PUBLISHED = {  # m, n, planes, channels of the pyramid and of the head, light; tensors in the file
    "pidnet-s": ((2, 3, 32, 96, 128), True, 479),
    "pidnet-m": ((2, 3, 64, 96, 128), True, 479),
    "pidnet-l": ((3, 4, 64, 112, 256), False, 545),
}
TRAINED, IMAGENET = PIDNet.key_maps
CLASSES = 5


def _checkpoint(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights, and statistics that a network which has seen pictures could have; float64."""
    generator = torch.Generator().manual_seed(3)
    made = {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            made[key] = torch.tensor(7)
        elif key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
            made[key] = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5
        else:
            fan = max(1, torch.Size(shape[1:]).numel())
            noise = torch.randn(shape, generator=generator, dtype=torch.float64)
            made[key] = noise * (2 / fan) ** 0.5
    return made


def _as_saved(state: dict[str, Any], class_weights: Any) -> dict[str, Any]:
    """The authors save the network as part of one that holds the losses too, class weights and all."""
    losses = dict.fromkeys(("sem_loss.criterion.weight", "sb_loss.criterion.weight"), class_weights)
    return {f"model.{key}": value for key, value in state.items()} | losses


def _renamed(state: dict[str, Any], names: KeyMap) -> dict[str, Any]:
    return {ours: value for key, value in state.items() if (ours := names.ours(key)) is not None}


@pytest.fixture(params=[True, False], ids=["light", "full"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Tensor], PIDNet]:
    """A checkpoint by the authors' names, and our network with its weights."""
    few, many = (2, 3) if request.param else (3, 4)
    state = _checkpoint(pidnet_shapes(few, many, 8, 12, 20, CLASSES, light=request.param))
    config = PIDNetConfig(
        width=8, blocks=(few, many), context_channels=12, head_channels=20, light=request.param
    )
    model = config.build(CLASSES).double()
    torch.save(_as_saved(state, torch.ones(CLASSES)), tmp_path / "best.pt")
    load_weights(model, tmp_path / "best.pt")
    return state, model


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_a_published_checkpoint_gives_the_same_answers(pair, training: bool) -> None:
    state, model = pair
    image = torch.randn(2, 3, 161, 227).double()
    with torch.no_grad():
        expected = pidnet_scores(state, image, training=training)
        output = model.train(training)(image)
    inside = {
        spec.name: feature
        for spec, feature in zip(model.feature_specs, output.features, strict=True)
    }
    given = [output.logits, inside["p"], inside["d"], inside["context"]]
    wanted = [expected.logits, expected.p, expected.d, expected.context]
    if training:
        given += [*output.aux, output.boundary]
        wanted += [expected.aux, expected.boundary]
    else:
        assert output.aux == () and output.boundary is None
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_classifier_sees_the_feature_named_decoder(pair) -> None:
    _, model = pair
    with torch.no_grad():
        output = model.eval()(torch.randn(1, 3, 64, 96).double())
    assert model.feature_specs[-1].name == "decoder"
    assert torch.equal(model.head(output.features[-1]), output.logits)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_published_files_name_all_our_tensors(name: str) -> None:
    sizes, light, tensors = PUBLISHED[name]
    shapes = pidnet_shapes(*sizes, 19, light=light)
    assert len(shapes) == tensors
    with torch.device("meta"):
        model = NETWORKS[name].config.build(19)
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert _renamed(_as_saved(shapes, (19,)), TRAINED) == ours


@pytest.mark.parametrize("name", NETWORKS)
def test_deployed_parameters_are_the_published_number(name: str) -> None:
    with torch.device("meta"):
        model = NETWORKS[name].config.build(19)
    deployed = sum(
        value.numel()
        for key, value in model.named_parameters()
        if not key.startswith(PIDNet.training_only)
    )
    assert deployed / 1e6 == pytest.approx(NETWORKS[name].published_m, abs=0.05)


def test_an_imagenet_file_leaves_only_what_reads_out_fresh(tmp_path: Path) -> None:
    lacks = ("spp", "dfm", "final_layer", "seghead")
    shapes = pidnet_shapes(2, 3, 4, 6, 8, CLASSES, light=True)
    state = _checkpoint({key: s for key, s in shapes.items() if not key.startswith(lacks)})
    rest = ("down5.0.weight", "down5.1.bias", "last_layer.0.weight", "linear.weight", "linear.bias")
    extra = dict.fromkeys(rest, torch.ones(3))
    torch.save({"epoch": 99, "state_dict": state | extra}, tmp_path / "imagenet.pth.tar")
    model = PIDNetConfig(width=4, context_channels=6, head_channels=8).build(CLASSES)
    report = load_weights(model, tmp_path / "imagenet.pth.tar")
    assert report.source == IMAGENET.source
    assert set(report.dropped) == set(rest)
    assert {key.split(".")[0] for key in report.fresh} == {
        *("context", "fusion", "decoder", "head", "aux_head", "boundary_head"),
    }
    loaded = model.stage5[1].body.conv3.weight
    assert torch.equal(loaded, state["layer5.1.conv3.weight"].float())


def test_titles_are_the_published_sizes() -> None:
    titles = [network.config.title for network in NETWORKS.values()]
    assert titles == ["PIDNet-S", "PIDNet-M", "PIDNet-L"]
    assert PIDNetConfig(width=48).title == "PIDNet of width 48"


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"width 32, blocks \(2, 0\)"):
        PIDNetConfig(blocks=(2, 0))
