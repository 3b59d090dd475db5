"""SwiftNet and its pyramid: against plain arithmetic, hand-counted weights and the authors' key names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curbside.errors import ConfigError
from curbside.export import ExportConfig, export_onnx
from curbside.labels import load_space
from curbside.models import EncoderConfig, load_network, load_weights
from curbside.models.encoder import TimmEncoder
from curbside.models.pyramid_encoder import LevelNorm
from curbside.models.swiftnet import SpatialPyramidPooling, SwiftNet, SwiftNetConfig
from curbside.models.swiftnet_blocks import Blend, NormActConv
from curbside.models.swiftnet_pyramid import SwiftNetPyramid, SwiftNetPyramidConfig

TINY = EncoderConfig(name="mobilenetv4_conv_small_035")
RESNET = EncoderConfig(name="resnet18")


def _shaken(module):
    """With statistics and scales that are none of BatchNorm's first values."""
    torch.manual_seed(4)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    return module.eval()


def _norm_act_conv(x: Tensor, layer: NormActConv) -> Tensor:
    norm, weight = layer.norm, layer.conv.weight
    shape = (1, -1, 1, 1)
    x = (x - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
    x = (x * norm.weight.view(shape) + norm.bias.view(shape)).clamp(min=0)
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2)


def _pyramid(**settings) -> SwiftNetPyramid:
    torch.manual_seed(0)
    return SwiftNetPyramidConfig(**{"encoder": TINY, "channels": 12, **settings}).build(3)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        # encoder; pooling: enter, three levels of 42, fuse; projections; blends; norm and classifier
        (
            "swiftnet-resnet18",
            [
                11_176_512,
                2 * 512 + 512 * 128 + 3 * (2 * 128 + 128 * 42) + 2 * 254 + 254 * 128,
                2 * (64 + 128 + 256) + (64 + 128 + 256) * 128,
                3 * (2 * 128 + 9 * 128 * 128),
                2 * 128 + 128 * 19 + 19,
            ],
        ),
        # encoder; two more sets of its norms but for the shortcuts'; projections; blends; as above
        (
            "swiftnet-fpn-resnet18",
            [
                11_176_512,
                2 * (2 * 64 + 2 * 2 * 2 * (64 + 128 + 256 + 512)),
                9 * (64 + 128 + 256 + 512) * 256,
                5 * (2 * 256 + 9 * 256 * 256),
                2 * 256 + 256 * 19 + 19,
            ],
        ),
    ],
)
def test_weights_are_as_counted_by_hand(name: str, parts: list[int]) -> None:
    with torch.device("meta"):
        model = load_network(name).build(19)
    assert sum(p.numel() for p in model.parameters()) == sum(parts)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("swiftnet-resnet18", 11.8),
        ("swiftnet-fpn-resnet18", 16.7),
        ("swiftnet-fpn-mobilenetv4-medium", 13.2),
        ("swiftnet-fpn-convnext-large", 206.0),
    ],
)
def test_sizes_are_within_three_percent_of_the_published(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = load_network(name).build(19)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)


def test_a_step_of_the_ladder_is_resize_sum_norm_relu_convolution() -> None:
    step = _shaken(Blend(6))
    coarse, fine = torch.randn(2, 6, 5, 4), torch.randn(2, 6, 9, 8)
    resized = F.interpolate(coarse, (9, 8), mode="bilinear", align_corners=False)
    with torch.no_grad():
        torch.testing.assert_close(step(coarse, fine), _norm_act_conv(resized + fine, step.conv))


@pytest.mark.parametrize(
    ("size_hw", "grids"),
    [
        ((16, 32), [(8, 16), (4, 8), (2, 4)]),
        ((9, 7), [(8, 6), (4, 3), (2, 2)]),
        ((3, 1), [(8, 3), (4, 1), (2, 1)]),
        ((4, 5), [(8, 10), (4, 5), (2, 2)]),  # two and a half columns are two
    ],
)
def test_pyramid_pooling_has_nearly_square_cells(size_hw, grids) -> None:
    pooling = _shaken(SpatialPyramidPooling(10, 12))
    x = torch.randn(1, 10, *size_hw)
    with torch.no_grad():
        entered = _norm_act_conv(x, pooling.enter)
        joined = [entered]
        for grid, level in zip(grids, pooling.levels, strict=True):
            part = _norm_act_conv(F.adaptive_avg_pool2d(entered, grid), level)
            joined.append(F.interpolate(part, size_hw, mode="bilinear", align_corners=False))
        wanted = _norm_act_conv(torch.cat(joined, 1), pooling.fuse)
        torch.testing.assert_close(pooling(x), wanted, atol=1e-5, rtol=1e-5)


def test_the_classifier_sees_what_is_shown_as_decoder() -> None:
    for model in (SwiftNetConfig(encoder=TINY).build(3), _pyramid()):
        _shaken(model)
        with torch.no_grad():
            output = model(torch.randn(1, 3, 65, 99))
        decoded = output.features[-1]
        assert (decoded >= 0).all() and decoded.any()
        logits = torch.einsum("bchw,kc->bkhw", decoded, model.head.weight[..., 0, 0])
        logits = logits + model.head.bias.view(1, -1, 1, 1)
        torch.testing.assert_close(output.logits, logits, atol=1e-5, rtol=1e-4)


def test_equal_strides_of_all_levels_are_summed() -> None:
    model = _shaken(_pyramid(projection=1))
    image = torch.randn(1, 3, 256, 128)
    # At half the size, bilinear sampling is the mean of 2x2; at a quarter, of the middle 2x2 of 4x4.
    middle = F.pad(image, (-1, -1, -1, -1)).unfold(2, 2, 4).unfold(3, 2, 4).mean((-1, -2))
    pictures = [image, F.avg_pool2d(image, 2), middle]
    with torch.no_grad():
        fused = dict(zip([s.name for s in model.feature_specs], model(image).features, strict=True))
        parts: dict[int, list[Tensor]] = {}
        for level, picture in enumerate(pictures):
            for number, stage in enumerate(model.encoder(picture, level)[1:]):
                weight = model.project[number].weight[..., 0, 0]
                part = torch.einsum("bchw,kc->bkhw", stage, weight)
                parts.setdefault(4 * 2 ** (number + level), []).append(part)
    assert {stride: len(found) for stride, found in parts.items()} == {
        4: 1, 8: 2, 16: 3, 32: 3, 64: 2, 128: 1,
    }  # fmt: skip
    assert list(fused) == [*(f"fused{stride}" for stride in sorted(parts)), "decoder"]
    for stride, found in parts.items():
        scale = fused[f"fused{stride}"].abs().max().item()
        torch.testing.assert_close(
            fused[f"fused{stride}"], torch.stack(found).sum(0), atol=1e-5 * scale, rtol=1e-4
        )


def test_a_pyramid_of_one_level_is_a_plain_ladder() -> None:
    model = _shaken(_pyramid(levels=1))
    assert [spec.stride for spec in model.feature_specs] == [4, 8, 16, 32, 4]
    image = torch.randn(1, 3, 65, 99)
    with torch.no_grad():
        output, stages = model(image), model.encoder(image)[1:]
        skips = [project(stage) for project, stage in zip(model.project, stages, strict=True)]
        x = skips[3]
        for number, skip in enumerate(skips[2::-1]):
            resized = F.interpolate(x, skip.shape[2:], mode="bilinear", align_corners=False)
            x = _norm_act_conv(resized + skip, model.blend[number].conv)
        wanted = model.head(model.last(x))
    scale = wanted.abs().max().item()
    torch.testing.assert_close(output.logits, wanted, atol=1e-5 * scale, rtol=1e-4)
    for given, skip in zip(output.features, skips, strict=False):
        assert torch.equal(given, skip)


def test_levels_share_every_weight_but_the_norms() -> None:
    model, plain = _pyramid(), TimmEncoder(TINY)
    shared = {name for name, _ in plain.named_parameters()}
    norms = {name for name, layer in plain.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    names = [name for name, _ in model.encoder.named_parameters()]
    apart = [name for name in names if name not in shared]
    assert len(names) - len(apart) == len(shared) - 2 * len(norms)
    assert len(apart) == 3 * 2 * len(norms)
    pointers = {value.data_ptr() for value in model.state_dict().values() if value.ndim}
    assert len(pointers) == sum(value.ndim > 0 for value in model.state_dict().values())


def test_each_level_counts_its_own_pictures() -> None:
    model = _pyramid(encoder=RESNET).train()
    image = torch.randn(2, 3, 128, 160)
    model(image)
    norm = model.encoder.body["bn1"]
    assert isinstance(norm, LevelNorm) and len(norm) == 3
    conv = model.encoder.body["conv1"]
    for level, picture in enumerate((image, F.avg_pool2d(image, 2))):
        x = conv(picture).detach()
        torch.testing.assert_close(norm[level].running_mean, 0.1 * x.mean((0, 2, 3)))
        wanted = 0.9 + 0.1 * x.var((0, 2, 3))
        torch.testing.assert_close(norm[level].running_var, wanted)
    assert all(layer.num_batches_tracked == 1 for layer in norm)
    shortcut = model.encoder.body["layer2"][0].downsample[1]
    assert isinstance(shortcut, nn.BatchNorm2d) and shortcut.num_batches_tracked == 3


def test_the_pyramid_sees_resnet_sums_and_the_single_scale_their_activation() -> None:
    pyramid = _pyramid(encoder=RESNET, levels=1)
    single = SwiftNetConfig(encoder=RESNET).build(3)
    _shaken(pyramid), _shaken(single)
    # One level alone has the same tensors in the same order.
    pairs = zip(single.encoder.state_dict(), pyramid.encoder.state_dict().values(), strict=True)
    single.encoder.load_state_dict(dict(pairs))
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        sums, activated = pyramid.encoder(image), single.encoder(image)
    for before, after in zip(sums[1:], activated[1:], strict=True):
        assert (before < 0).any()
        torch.testing.assert_close(before.clamp(min=0), after)


@pytest.mark.parametrize("encoder", ["mobilenetv4_conv_small_035", "convnext_atto"])
@pytest.mark.parametrize("size_hw", [(32, 32), (71, 131), (200, 45)])
def test_any_size_from_32_on_gives_maps_of_the_declared_strides(encoder: str, size_hw) -> None:
    model = _pyramid(encoder=EncoderConfig(name=encoder)).eval()
    with torch.no_grad():
        output = model(torch.randn(1, 3, *size_hw))
    for feature, spec in zip(output.features, model.feature_specs, strict=True):
        for given, side in zip(feature.shape[2:], size_hw, strict=True):
            assert given in (side // spec.stride, -(-side // spec.stride)), spec


def test_the_authors_pixels_are_brought_to_cityscapes_statistics() -> None:
    plain = SwiftNetConfig(encoder=TINY).build(3)
    theirs = SwiftNetConfig(encoder=TINY, pixels="cityscapes").build(3)
    assert plain.normalization == plain.encoder.normalization
    assert [round(255 * value, 2) for value in theirs.normalization.mean] == [73.15, 82.9, 72.3]
    assert [round(255 * value, 2) for value in theirs.normalization.std] == [47.67, 48.49, 47.73]


def _norm_keys(name: str) -> Iterator[str]:
    for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        yield f"{name}.{part}"


def _authors_keys(levels: int | None) -> Iterator[str]:
    """The names in the authors' checkpoints over ResNet-18, from the layers of their code."""

    def norm(name: str) -> Iterator[str]:
        for copy in [""] if levels is None else [f".{level}" for level in range(levels)]:
            yield from _norm_keys(name + copy)

    def block(name: str, *, bias: bool = False) -> Iterator[str]:
        yield from _norm_keys(f"{name}.norm")
        yield f"{name}.conv.weight"
        if bias:
            yield f"{name}.conv.bias"

    yield from ("backbone.img_mean", "backbone.img_std", "backbone.conv1.weight")
    yield from norm("backbone.bn1")
    for layer in (1, 2, 3, 4):
        for number in (0, 1):
            place = f"backbone.layer{layer}.{number}"
            for part in (1, 2):
                yield f"{place}.conv{part}.weight"
                yield from norm(f"{place}.bn{part}")
            if layer > 1 and number == 0:
                yield f"{place}.downsample.0.weight"
                yield from _norm_keys(f"{place}.downsample.1")
    if levels is None:
        for name in ("spp_bn", "spp0", "spp1", "spp2", "spp_fuse"):
            yield from block(f"backbone.spp.spp.{name}")
        for number in range(3):
            yield from block(f"backbone.upsample.{number}.bottleneck")
            yield from block(f"backbone.upsample.{number}.blend_conv")
    else:
        yield from (f"backbone.upsample_bottlenecks.{number}.weight" for number in range(4))
        for number in range(levels + 2):
            yield from block(f"backbone.upsample_blends.{number}.blend_conv")
    yield from block("logits", bias=True)


@pytest.mark.parametrize(
    ("name", "levels", "places"),
    [
        (
            "swiftnet-resnet18",
            None,
            {
                "backbone.layer2.0.downsample.1.bias": "encoder.body.layer2.0.downsample.1.bias",
                "backbone.spp.spp.spp1.conv.weight": "spp.levels.1.conv.weight",
                "backbone.upsample.0.bottleneck.conv.weight": "project.0.conv.weight",
                "backbone.upsample.2.blend_conv.norm.bias": "blend.2.conv.norm.bias",
                "logits.norm.running_mean": "last.0.running_mean",
                "logits.conv.weight": "head.weight",
            },
        ),
        (
            "swiftnet-pyramid-resnet18",
            3,
            {
                "backbone.bn1.2.running_var": "encoder.body.bn1.2.running_var",
                "backbone.layer4.1.bn2.1.weight": "encoder.body.layer4.1.bn2.1.weight",
                "backbone.upsample_bottlenecks.0.weight": "project.3.weight",
                "backbone.upsample_blends.4.blend_conv.conv.weight": "blend.4.conv.conv.weight",
                "logits.conv.bias": "head.bias",
            },
        ),
    ],
)
def test_checkpoints_of_the_authors_load(tmp_path, name, levels, places) -> None:
    model: SwiftNet | SwiftNetPyramid = load_network(name).build(19)
    names = [key for key in _authors_keys(levels)]
    ours = {model.key_maps[0].ours(key): key for key in names}
    assert ours.pop(None).startswith("backbone.img_")
    shapes = model.state_dict()
    assert sorted(ours) == sorted(shapes)
    torch.manual_seed(2)
    state = {
        theirs: torch.rand(shapes[key].shape).to(shapes[key].dtype) for key, theirs in ours.items()
    }
    state |= {
        "backbone.img_mean": torch.rand(1, 3, 1, 1),
        "backbone.img_std": torch.rand(1, 3, 1, 1),
    }
    torch.save(state, tmp_path / "authors.pt")
    loaded = load_weights(model, tmp_path / "authors.pt")
    assert loaded.source == "SwiftNet's authors" and loaded.fresh == ()
    assert sorted(loaded.dropped) == ["backbone.img_mean", "backbone.img_std"]
    for theirs, key in places.items():
        assert torch.equal(model.state_dict()[key], state[theirs]), key


def test_every_level_starts_from_the_norms_of_an_encoder_file(tmp_path) -> None:
    file = _shaken(timm.create_model("mobilenetv4_conv_small_035", num_classes=7))
    torch.save(file.state_dict(), tmp_path / "encoder.pth")
    model = _pyramid()
    loaded = load_weights(model, tmp_path / "encoder.pth")
    assert {key.split(".")[0] for key in loaded.fresh} == {"project", "blend", "last", "head"}
    image, plain = torch.randn(1, 3, 64, 64), timm.create_model(TINY.name, features_only=True)
    plain.load_state_dict(file.state_dict(), strict=False)
    model.eval(), plain.eval()
    with torch.no_grad():
        wanted = plain(image)
        for level in range(3):
            for given, stage in zip(model.encoder(image, level), wanted, strict=True):
                torch.testing.assert_close(given, stage)


def test_an_encoder_that_runs_at_three_scales_is_written_once(tmp_path) -> None:
    encoder = EncoderConfig(name="convnext_tiny", stages=3)
    config = SwiftNetPyramidConfig(encoder=encoder, channels=16)
    model = config.build(19).eval()
    path = tmp_path / "model.onnx"
    shape = ExportConfig(size_hw=(64, 64))
    export_onnx(model, path, config=shape, space=load_space("cityscapes19"), title="pyramid")
    weights = 4 * sum(p.numel() for p in model.parameters())
    assert path.stat().st_size < 1.1 * weights


def test_the_authors_resampling_exports(tmp_path) -> None:
    space = load_space("camvid11")
    config = SwiftNetPyramidConfig(encoder=TINY, channels=12, resampling="bicubic")
    found = export_onnx(
        _shaken(config.build(space.num_classes)),
        tmp_path / "m.onnx",
        config=ExportConfig(size_hw=(135, 161)),
        space=space,
        title="tiny",
    )
    assert found.agreement >= 0.999
    assert found.logit_difference < 1e-3 * max(1, found.logit_range)


@pytest.mark.parametrize("settings", [{"levels": 0}, {"projection": 2}])
def test_impossible_pyramids_are_refused(settings) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        SwiftNetPyramidConfig(**settings)
