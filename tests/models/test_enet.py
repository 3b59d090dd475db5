"""ENet against the published port layer by layer, its phases, and its unpooling against torch's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from published_layers import PublishedLayers
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from curbside.errors import ModelFileError
from curbside.export import ExportConfig, export_onnx
from curbside.labels import LabelClass, LabelSpace
from curbside.models import load_weights
from curbside.models.enet import ENet, ENetConfig
from curbside.models.unpooling import max_unpool

SIZES = [(64, 96), (65, 99)]
CLASSES = 5
SPACE = LabelSpace(
    name="five",
    classes=tuple(LabelClass(id=i, name=f"class {i}", color=(9 * i, i, i)) for i in range(CLASSES)),
)


def _port(p: PublishedLayers, image: Tensor) -> Tensor:
    """The logits of davidtvs's PyTorch-ENet, by the names in its checkpoints."""

    def active(x: Tensor, name: str, learned: bool) -> Tensor:
        return p.prelu(x, name) if learned else x.relu()

    def conv(x: Tensor, name: str, channels: int, kernel, learned: bool, at: int = 0, **options):
        x = p.norm(p.conv(x, f"{name}.{at}", channels, kernel, **options), f"{name}.{at + 1}")
        return active(x, f"{name}.{at + 2}", learned)

    def bottleneck(x: Tensor, name: str, learned: bool = True) -> Tensor:
        inner = x.shape[1] // 4
        y = conv(x, f"{name}.ext_conv1", inner, 1, learned)
        if name.startswith("asymmetric"):
            y = conv(y, f"{name}.ext_conv2", inner, (5, 1), learned, padding=(2, 0))
            y = conv(y, f"{name}.ext_conv2", inner, (1, 5), learned, at=3, padding=(0, 2))
        else:
            wide = {"dilated2_2": 2, "dilated2_4": 4, "dilated2_6": 8, "dilated2_8": 16}
            wide |= {"dilated3_1": 2, "dilated3_3": 4, "dilated3_5": 8, "dilated3_7": 16}
            d = wide.get(name, 1)
            y = conv(y, f"{name}.ext_conv2", inner, 3, learned, padding=d, dilation=d)
        y = conv(y, f"{name}.ext_conv3", x.shape[1], 1, learned)
        return active(x + y, f"{name}.out_activation", learned)

    def down(x: Tensor, name: str, channels: int) -> tuple[Tensor, Tensor]:
        inner = x.shape[1] // 4
        y = conv(x, f"{name}.ext_conv1", inner, 2, True, stride=2)
        y = conv(y, f"{name}.ext_conv2", inner, 3, True, padding=1)
        y = conv(y, f"{name}.ext_conv3", channels, 1, True)
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        zeros = torch.zeros_like(y)[:, pooled.shape[1] :]
        y = torch.cat([pooled, zeros], dim=1) + y
        return p.prelu(y, f"{name}.out_activation"), places

    def up(x: Tensor, name: str, channels: int, places: Tensor, size: torch.Size) -> Tensor:
        inner = x.shape[1] // 4
        main = p.norm(p.conv(x, f"{name}.main_conv1.0", channels), f"{name}.main_conv1.1")
        main = F.max_unpool2d(main, places, 2, output_size=size)
        y = conv(x, f"{name}.ext_conv1", inner, 1, False)
        grown = p.transposed(y, f"{name}.ext_tconv1", inner, 2)
        # An odd row or column more is zero before the normalisation.
        y = F.pad(grown, (0, size[1] - grown.shape[-1], 0, size[0] - grown.shape[-2]))
        y = p.norm(y, f"{name}.ext_tconv1_bnorm").relu()
        y = p.norm(p.conv(y, f"{name}.ext_conv2.0", channels), f"{name}.ext_conv2.1")
        return (main + y).relu()

    x = p.conv(image, "initial_block.main_branch", 13, 3, stride=2, padding=1)
    x = torch.cat([x, F.max_pool2d(image, 3, stride=2, padding=1)], dim=1)
    x = p.prelu(p.norm(x, "initial_block.batch_norm"), "initial_block.out_activation")
    first = x.shape[-2:]
    x, places_1 = down(x, "downsample1_0", 64)
    for number in range(1, 5):
        x = bottleneck(x, f"regular1_{number}")
    second = x.shape[-2:]
    x, places_2 = down(x, "downsample2_0", 128)
    kinds = ["regular", "dilated", "asymmetric", "dilated"] * 2
    for stage, start in ((2, 1), (3, 0)):
        for number, kind in enumerate(kinds, start=start):
            x = bottleneck(x, f"{kind}{stage}_{number}")
    x = up(x, "upsample4_0", 64, places_2, second)
    x = bottleneck(bottleneck(x, "regular4_1", False), "regular4_2", False)
    x = up(x, "upsample5_0", 16, places_1, first)
    x = bottleneck(x, "regular5_1", False)
    grown = p.transposed(x, "transposed_conv", CLASSES, 3, padding=1, output_padding=1)
    return grown[..., : image.shape[-2], : image.shape[-1]]


def _enet(**settings) -> ENet:
    torch.manual_seed(0)
    return ENetConfig(**settings).build(CLASSES).eval()


@pytest.mark.parametrize("activations", ["out_activation", "out_prelu"])
@pytest.mark.parametrize("size_hw", SIZES, ids=["even", "odd"])
def test_a_published_checkpoint_gives_the_same_logits(size_hw, activations, tmp_path: Path) -> None:
    layers = PublishedLayers(seed=1)
    image = torch.rand(1, 3, *size_hw, dtype=torch.float64)
    expected = _port(layers, image)
    state = {k.replace("out_activation", activations): v for k, v in layers.state.items()}
    torch.save({"state_dict": state, "epoch": 300, "miou": 0.5}, tmp_path / "ENet.pth")
    model = _enet()
    loaded = load_weights(model, tmp_path / "ENet.pth")
    assert loaded.fresh == loaded.dropped == ()
    assert loaded.loaded == len(state)
    with torch.no_grad():
        assert torch.allclose(model.double()(image).logits, expected, rtol=1e-9, atol=1e-12)
    assert expected.std() > 0.1


def test_parameters() -> None:
    # As the published port's network has with the 12 classes of CamVid, whatever the unpooling.
    for unpooling in ("indices", "bilinear"):
        model = ENetConfig(unpooling=unpooling).build(12)
        assert sum(p.numel() for p in model.parameters()) == 350_652


def test_the_whole_network_starts_from_the_first_phase(tmp_path: Path) -> None:
    first, whole = ENetConfig(encoder_only=True).build(12), _enet()
    file = tmp_path / "phase1.safetensors"
    save_file(first.state_dict(), file)
    decoder = {k: v.clone() for k, v in whole.decoder.state_dict().items()}
    loaded = load_weights(whole, file)
    assert set(loaded.dropped) == {"classifier.weight", "classifier.bias"}
    assert {key.split(".")[0] for key in loaded.fresh} == {"decoder", "head"}
    assert all(torch.equal(v, decoder[k]) for k, v in whole.decoder.state_dict().items())
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        early, late = first.eval()(image), whole(image)
    assert early.logits.shape == (1, 12, 8, 8) and late.logits.shape == (1, CLASSES, 64, 64)
    assert all(
        torch.equal(a, b) for a, b in zip(early.features[:4], late.features[:4], strict=True)
    )

    damaged = {k: v for k, v in first.state_dict().items() if k != "encoder.initial.conv.weight"}
    save_file(damaged, file)
    with pytest.raises(ModelFileError, match=r"initial\.conv\.weight"):
        load_weights(_enet(), file)


def test_bilinear_shortcuts_take_the_same_weights_and_answer_otherwise() -> None:
    by_indices, bilinear = _enet(), _enet(unpooling="bilinear")
    bilinear.load_state_dict(by_indices.state_dict())
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        one, other = by_indices(image), bilinear(image)
    assert torch.equal(one.features[3], other.features[3])
    assert not torch.allclose(one.features[-1], other.features[-1], atol=1e-3)


@pytest.mark.parametrize("unpooling", ["indices", "bilinear"])
def test_an_odd_size_is_exported(unpooling, tmp_path: Path) -> None:
    path = tmp_path / "enet.onnx"
    config = ExportConfig(size_hw=(67, 90))  # 34 x 45, 17 x 22 and 8 x 11 inside
    found = export_onnx(_enet(unpooling=unpooling), path, config=config, space=SPACE, title="ENet")
    assert found.agreement >= 0.999
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    # A PReLU of one slope is a leaky ReLU, and nothing reads by computed places.
    assert "LeakyRelu" in kinds and not kinds & {"PRelu", "MaxUnpool", "GatherElements"}
    assert ("Where" in kinds) == (unpooling == "indices")


def _bits(x: Tensor) -> Tensor:
    return x.view(torch.int32)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("size_hw", [(2, 2), (6, 8), (7, 8), (6, 9), (9, 7)])
def test_unpooling_is_torchs_bit_by_bit_in_torch_and_in_a_file(size_hw, tmp_path: Path) -> None:
    class Unpool(nn.Module):
        def forward(self, values: Tensor, source: Tensor) -> Tensor:
            return max_unpool(values, source)

    # Whole numbers of a small range: most windows have several maxima.
    source = torch.randint(-1, 2, (2, 5, *size_hw)).float()
    pooled, places = F.max_pool2d(source, 2, return_indices=True)
    values = torch.randn_like(pooled)
    values[0, 0, 0, 0] = -torch.inf
    expected = F.max_unpool2d(values, places, 2, output_size=size_hw)
    assert torch.equal(_bits(max_unpool(values, source)), _bits(expected))

    path = tmp_path / "unpool.onnx"
    inputs = {"values": values, "source": source}
    torch.onnx.export(
        Unpool(),
        tuple(inputs.values()),
        path,
        dynamo=False,
        input_names=list(inputs),
        opset_version=13,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    assert torch.equal(_bits(torch.from_numpy(given)), _bits(expected))


def test_the_first_of_equal_maxima_counts() -> None:
    source = torch.tensor([[1.0, 1, 2, 3], [1, 1, 3, 3], [0, 5, 4, 4]])[None, None]
    unpooled = max_unpool(torch.tensor([[7.0, 8]])[None, None], source)
    assert np.array_equal(unpooled[0, 0], [[7, 0, 0, 8], [0, 0, 0, 0], [0, 0, 0, 0]])
