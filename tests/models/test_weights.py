"""Weights from files: all of a file or nothing of it, whosever names it carries."""

from __future__ import annotations

import argparse
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from curbside.errors import ModelFileError
from curbside.models import (
    DeepLabV3PlusConfig,
    EncoderConfig,
    KeyMap,
    LRASPPConfig,
    ModelOutput,
    SegmentationModel,
    load_weights,
)

torch.set_num_threads(1)


class Tiny(SegmentationModel):
    """A network small enough to be written to a file many times."""

    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(
            source="somebody",
            rules=(
                (r"^backbone\.0\.", "first."),
                (r"^backbone\.1\.", "norm."),
                (r"^cls\.", "head."),
            ),
            dropped=(r"aux\.",),
            fresh=("extra.",),
        ),
    )

    def __init__(self, num_classes: int = 5, width: int = 4) -> None:
        super().__init__(num_classes)
        self.first = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.extra = nn.Sequential(nn.Conv2d(width, 6, 1), nn.Conv2d(6, width, 1))
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, image: Tensor) -> ModelOutput:
        return ModelOutput(logits=self.head(self.extra(self.norm(self.first(image)))))


def _published(model: nn.Module) -> dict[str, Tensor]:
    """Weights unlike those that any network starts with."""
    generator = torch.Generator().manual_seed(7)
    return {
        key: torch.rand(value.shape, generator=generator) + 0.5
        if value.is_floating_point()
        else torch.tensor(7)
        for key, value in model.state_dict().items()
    }


def _somebodys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    places = {"first": "backbone.0", "norm": "backbone.1", "head": "cls", "extra": "extra"}
    return {
        f"{places[key.split('.')[0]]}.{key.split('.', 1)[1]}": value for key, value in state.items()
    }


def _save(state: Any, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def _refused(model: SegmentationModel, path: Path, match: str) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ModelFileError, match=match) as caught:
        load_weights(model, path)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def _holds(model: nn.Module, state: dict[str, Tensor]) -> bool:
    mine = model.state_dict()
    return mine.keys() == state.keys() and all(torch.equal(mine[k], v) for k, v in state.items())


# What a file may look like


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt", "w.pth.tar", "w.bin", "w.ckpt"])
def test_every_kind_of_file_is_read(name: str, tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    told = load_weights(model, _save(state, tmp_path / name))
    assert _holds(model, state)
    assert (told.loaded, told.fresh, told.dropped) == (len(state) - 1, (), ())
    assert str(told) == f"weights: 11 tensors of {tmp_path / name} under the names of curbside"


def test_files_of_old_versions_of_torch_are_read(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    load_weights(model, tmp_path / "w.pth")
    assert _holds(model, state)


_LAYERS = st.sampled_from(
    ["state_dict", "model_state_dict", "model", "net", "ema", "module.", "_orig_mod.", "model."]
)


@settings(max_examples=30, deadline=None)
@given(prefixes=st.lists(_LAYERS.filter(lambda x: x.endswith(".")), max_size=3), wrapper=_LAYERS)
def test_wrappers_and_their_prefixes_come_off(
    tmp_path_factory: pytest.TempPathFactory, prefixes: list[str], wrapper: str
) -> None:
    model, state = Tiny(), _published(Tiny())
    content: Any = {"".join(prefixes) + key: value for key, value in state.items()}
    if not wrapper.endswith("."):
        content = {"epoch": 3, "optimizer": {"state": {}}, wrapper: content}
    load_weights(model, _save(content, tmp_path_factory.mktemp("w") / "w.pth"))
    assert _holds(model, state)


def test_a_lightning_checkpoint_with_a_few_keys_of_its_own_is_read(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    named = {f"model.{key}": value for key, value in _somebodys(state).items()}
    content = {"state_dict": {**named, "aux.weight": torch.zeros(2)}, "global_step": 3}
    told = load_weights(model, _save(content, tmp_path / "last.ckpt"))
    assert _holds(model, state)
    assert (told.source, told.dropped) == ("somebody", ("aux.weight",))
    ours = {f"model.{key}": value for key, value in state.items()} | {"loss.weight": torch.ones(5)}
    model = Tiny()
    load_weights(model, _save({"state_dict": ours}, tmp_path / "last.ckpt"))
    assert _holds(model, state)


def test_of_a_checkpoint_with_a_moving_average_the_average_counts(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    content = {f"model.{key}": value * 0 for key, value in state.items()}
    content |= {f"average.module.{key}": value for key, value in state.items()}
    content |= {"average.n_averaged": torch.tensor(9), "loss.weight": torch.ones(5)}
    load_weights(model, _save({"state_dict": content}, tmp_path / "last.ckpt"))
    assert _holds(model, state)


def test_options_and_scores_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    options = argparse.Namespace(lr=0.1, classes=[1, 2])
    content = {"model": state, "args": options, "best": np.float64(0.7), "all": np.ones(3)}
    load_weights(model, _save(content, tmp_path / "w.pth"))
    assert _holds(model, state)


def test_the_folder_of_a_run_stands_for_its_weights(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    _refused(model, tmp_path, r"model\.safetensors does not exist")
    _save(state, tmp_path / "model.safetensors")
    load_weights(model, tmp_path)
    assert _holds(model, state)


def test_half_precision_and_trailing_axes_of_one_are_the_same_numbers(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    rounded = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    rounded["head.weight"] = rounded["head.weight"][:, :, 0, 0]
    rounded["norm.bias"] = rounded["norm.bias"][:, None, None]
    load_weights(model, _save(rounded, tmp_path / "w.pth"))
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=1e-3, atol=0)


# Strict


def _missing(state: dict[str, Tensor], key: str) -> str:
    del state[key]
    return rf"fits \d+ of 11 tensors under the names of curbside: {key} .* is missing;"


def _another_shape(state: dict[str, Tensor], key: str) -> str:
    state[key] = torch.ones(*state[key].shape[:-1], state[key].shape[-1] + 9)
    return rf"fits 10 of 1\d tensors .*: {key} is .* in the file and .* here;|beside it does not"


def _another_kind(state: dict[str, Tensor], key: str) -> str:
    state[key] = state[key].to(torch.int8)
    return rf"fits 10 of 11 .*: {key} is .* int8 in the file"


def _one_more(state: dict[str, Tensor], key: str) -> str:
    state[f"more.{key}"] = torch.zeros(2)
    return rf"fits 11 of 11 tensors .*: more\.{key} \(2\) has no place here;"


def _another_name(state: dict[str, Tensor], key: str) -> str:
    state[f"{key}x"] = state.pop(key)
    return rf"fits 10 of 11 tensors .*: {key} .* is missing \(and 1 more\);"


def _not_finite(state: dict[str, Tensor], key: str) -> str:
    state[key].view(-1)[-1] = float("nan") if len(key) % 2 else float("inf")
    return rf"holds numbers that are not finite, the first in {key};"


def _sparse(state: dict[str, Tensor], key: str) -> str:
    state[key] = state[key].to_sparse()
    return rf"fits 10 of 11 .*: {key} is"


def _without_numbers(state: dict[str, Tensor], key: str) -> str:
    state[key] = state[key].to("meta")
    return rf"fits 10 of 11 .*: {key} is"


_DAMAGES = (
    *(_missing, _another_shape, _another_kind, _one_more, _another_name),
    *(_not_finite, _sparse, _without_numbers),
)
_KEYS = [key for key in Tiny().state_dict() if not key.endswith("num_batches_tracked")]


@settings(max_examples=60, deadline=None)
@given(damage=st.sampled_from(_DAMAGES), key=st.sampled_from(_KEYS))
def test_a_file_that_differs_in_one_tensor_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    damage: Callable[[dict[str, Tensor], str], str],
    key: str,
) -> None:
    state = _published(Tiny())
    match = damage(state, key)
    _refused(Tiny(), _save(state, tmp_path_factory.mktemp("w") / "w.pth"), match)


def test_step_counters_may_be_missing(tmp_path: Path) -> None:
    model, state = Tiny(), _published(Tiny())
    del state["norm.num_batches_tracked"]
    told = load_weights(model, _save(state, tmp_path / "w.safetensors"))
    assert told.fresh == () and int(model.norm.num_batches_tracked) == 0
    assert torch.equal(model.norm.weight, state["norm.weight"])


def test_a_file_of_which_nothing_fits_is_told_by_its_first_key(tmp_path: Path) -> None:
    path = _save(
        {"embed.weight": torch.ones(2), "blocks.0.bias": torch.ones(3)}, tmp_path / "w.pth"
    )
    _refused(
        Tiny(), path, r"no tensor of .*w\.pth, which begins with embed\.weight, fits this Tiny"
    )


def test_what_a_file_does_not_tell_is_said(tmp_path: Path) -> None:
    model = DeepLabV3PlusConfig(encoder=EncoderConfig(name="smp-mobilenet_v2", output_stride=16))
    theirs = smp.create_model("DeepLabV3Plus", "mobilenet_v2", encoder_weights=None, classes=5)
    told = load_weights(model.build(5), _save(theirs.state_dict(), tmp_path / "w.pth"))
    assert str(told).endswith("that library's dilations are --model.atrous-rates 12 24 36")
    with pytest.raises(ModelFileError, match=r"--model\.encoder\.name smp-resnet18"):
        load_weights(
            replace(model, encoder=EncoderConfig(name="mobilenetv2_100", output_stride=16)).build(
                5
            ),
            tmp_path / "w.pth",
        )


def test_two_tensors_for_one_place_are_refused(tmp_path: Path) -> None:
    state = _somebodys(_published(Tiny()))
    state["head.weight"] = state["cls.weight"]
    _refused(Tiny(), _save(state, tmp_path / "w.pth"), r"cls\.weight and head\.weight are the same")


def test_what_a_map_lets_a_file_lack_is_lacking_as_a_whole(tmp_path: Path) -> None:
    state = _somebodys(_published(Tiny()))
    extra = [key for key in state if key.startswith("extra.")]
    part = {key: value for key, value in state.items() if key != extra[0]}
    _refused(Tiny(), _save(part, tmp_path / "part.pth"), r"extra\.0\.weight .* is missing")
    rest = {key: value for key, value in state.items() if key not in extra}
    model = Tiny()
    before = model.extra[0].weight.clone()
    told = load_weights(model, _save(rest, tmp_path / "rest.pth"))
    assert told.fresh == tuple(extra) and torch.equal(model.extra[0].weight, before)
    assert str(told).endswith("under the names of somebody; 4 stay random (extra)")


def test_a_classifier_of_other_classes_stays_random(tmp_path: Path) -> None:
    state = _published(Tiny(num_classes=21))
    model = Tiny(num_classes=11)
    before = model.head.weight.clone()
    told = load_weights(model, _save(state, tmp_path / "w.safetensors"))
    assert told.fresh == ("head.weight", "head.bias") and told.classes == (21, 11)
    assert str(told).endswith("; 2 stay random (head: 21 classes in the file, 11 here)")
    assert torch.equal(model.head.weight, before)
    assert torch.equal(model.first.weight, state["first.weight"])


def test_another_width_is_not_another_number_of_classes(tmp_path: Path) -> None:
    # As many classes as channels: the classifier's shape alone says nothing.
    state = _published(Tiny(num_classes=4, width=8))
    _refused(
        Tiny(num_classes=4, width=4),
        _save(state, tmp_path / "w.pth"),
        r"fits \d of \d+ tensors .*: norm",
    )
    state = _published(Tiny(num_classes=4)) | {"head.weight": torch.ones(6, 4, 1, 1)}
    state["head.bias"] = torch.ones(7)  # two numbers of classes in one file
    _refused(Tiny(num_classes=4), _save(state, tmp_path / "w.pth"), r"head\.bias is 7 in the file")
    state["head.bias"] = torch.ones(4)
    match = r"head\.bias fits and head\.weight beside it does not"
    _refused(Tiny(num_classes=4), _save(state, tmp_path / "w.pth"), match)


# Files that are no weights, and files that mean harm


class _Touch:
    """What opens a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["torch.save", "old torch.save", "pickle"])
def test_a_pickle_that_would_run_code_does_not(form: str, tmp_path: Path) -> None:
    content = {**_published(Tiny()), "trap": _Touch(tmp_path / "trodden")}
    if form == "pickle":
        (tmp_path / "w.pth").write_bytes(pickle.dumps(content, protocol=2))
    else:
        new = form == "torch.save"
        torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    _refused(Tiny(), tmp_path / "w.pth", r"w\.pth (would have to run code|is not a weights file)")
    assert not (tmp_path / "trodden").exists()
    with torch.serialization.safe_globals([open]):  # the trap is a real one
        if form != "pickle":
            torch.load(tmp_path / "w.pth", weights_only=True)
            assert (tmp_path / "trodden").exists()


def test_a_whole_pickled_network_is_refused_with_its_name(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    match = r"run code to be read \(torch\.nn\.modules\.linear\.Linear\); save its state dict"
    _refused(Tiny(), tmp_path / "w.pth", match)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "turned"])
def test_a_broken_file_is_one_line(name: str, damage: str, tmp_path: Path) -> None:
    path = _save(_published(Tiny()), tmp_path / name)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "garbage": b"not weights" * 50,
            "cut": whole[: len(whole) // 2],
            "turned": whole[::-1],
        }[damage]
    )
    _refused(Tiny(), path, rf"{name} is not a weights file \(\w+\); give an undamaged file")


def test_what_is_no_weights_file_is_said(tmp_path: Path) -> None:
    _refused(Tiny(), tmp_path / "none.pth", "does not exist; give an existing file")
    (tmp_path / "w.onnx").write_bytes(b"x")
    _refused(Tiny(), tmp_path / "w.onnx", r"ends in '\.onnx'\); give one of \.safetensors, \.pth")
    for content in ({}, [torch.zeros(2)], {"epoch": 3}, {"model": {"a": 1}}, {1: torch.zeros(1)}):
        _refused(Tiny(), _save(content, tmp_path / "w.pth"), "holds no tensors by name; give")


def test_a_file_cannot_make_storage_that_it_does_not_have(tmp_path: Path) -> None:
    size = 10**7
    state = _published(Tiny())
    repeated = {**state, "head.weight": torch.zeros(1).expand(size, size)}
    _refused(Tiny(), _save(repeated, tmp_path / "w.pth"), f"head.weight is {size}x{size} in the")

    entry = {"dtype": "F32", "shape": [size**2], "data_offsets": [0, 4 * size**2]}
    header = json.dumps({"a": entry})
    huge = len(header).to_bytes(8, "little") + header.encode()
    (tmp_path / "w.safetensors").write_bytes(huge)
    _refused(Tiny(), tmp_path / "w.safetensors", "is not a weights file")
    (tmp_path / "w.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    _refused(Tiny(), tmp_path / "w.safetensors", "is not a weights file")


class _Declared:
    """A tensor in a pickle with a shape that goes beyond its storage."""

    def __reduce__(self) -> Any:
        one = torch.zeros(4)
        storage = torch.storage.TypedStorage(
            wrap_storage=one.untyped_storage(), dtype=one.dtype, _internal=True
        )
        arguments = (storage, 0, (10**11,), (1,), False, OrderedDict())
        return torch._utils._rebuild_tensor_v2, arguments


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
def test_a_pickle_cannot_make_storage_that_it_does_not_have(new: bool, tmp_path: Path) -> None:
    content = {**_published(Tiny()), "head.weight": _Declared()}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    _refused(Tiny(), tmp_path / "w.pth", r"w\.pth (is not a weights file|fits 10 of 11)")


def test_a_packed_archive_is_refused(tmp_path: Path) -> None:
    # It would unfold to any size, and mapped into memory it would be read as it is, packed.
    _save(_published(Tiny()), tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    _refused(Tiny(), tmp_path / "w.pth", "is not a weights file")


# Encoders


SMALL = "mobilenetv4_conv_small"


def _scrambled(network: nn.Module) -> nn.Module:
    """A published network: statistics far from where they start, small enough for epsilons to show."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.005, 0.05)
            nn.init.uniform_(module.weight, 0.05, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    for name, parameter in network.named_parameters():
        if name.endswith(("layer_scale", "gamma")):
            nn.init.normal_(parameter)
    return network.eval()


def _encoder_names(model: SegmentationModel) -> set[str]:
    names = {key for key in model.state_dict() if key.startswith("encoder.")}
    return {key for key in names if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, {}) for name in (SMALL, "resnet18", "convnext_atto")),
        *((name, {"stages": 3}) for name in (SMALL, "resnet18", "convnext_atto")),
        *((SMALL, {"every_block": True, "stages": stages}) for stages in (0, 3)),
    ],
)
def test_every_form_of_an_encoder_takes_timms_file(
    name: str, form: dict[str, Any], tmp_path: Path
) -> None:
    published = _scrambled(timm.create_model(name, num_classes=7))
    model = LRASPPConfig(encoder=EncoderConfig(name=name, **form)).build(3).eval()
    heads = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    told = load_weights(model, _save(published.state_dict(), tmp_path / "w.safetensors"))
    assert told.source == f"timm's {name}"
    assert told.loaded == len(_encoder_names(model))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        deepest = model.encoder(image)[-1]
        same = [
            torch.allclose(feature, deepest, rtol=1e-4, atol=1e-4)
            for feature in published.forward_intermediates(image, intermediates_only=True)
            if feature.shape == deepest.shape
        ]
    assert any(same)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in heads.items())


@pytest.mark.parametrize(
    ("theirs", "ours", "layers"),
    [
        ("resnet18", "resnet18", 0),
        ("mobilenet_v2", "mobilenetv2_100", 18),
        ("mobilenet_v3_small", "mobilenetv3_small_100", 13),
        ("mobilenet_v3_large", "mobilenetv3_large_100", 17),
        ("efficientnet_b0", "efficientnet_b0", 8),
        ("convnext_tiny", "convnext_tiny", 8),
    ],
)
def test_torchvisions_networks_give_the_same_features(
    theirs: str, ours: str, layers: int, tmp_path: Path
) -> None:
    published = _scrambled(torchvision.models.get_model(theirs))
    model = LRASPPConfig(encoder=EncoderConfig(name=ours)).build(3).eval()
    told = load_weights(model, _save(published.state_dict(), tmp_path / "w.pth"))
    assert told.loaded == len(_encoder_names(model))
    if layers:
        assert told.source == f"torchvision's {ours}"
        body: nn.Module = published.features[:layers]
    else:
        body = nn.Sequential(*list(published.children())[:-2])
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = body(image)
        torch.testing.assert_close(model.encoder(image)[-1], expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("efficientnet_b1", "efficientnet_b1"),
        ("efficientnet_b5", "efficientnet_b5"),
        ("convnext_base", "convnext_base"),
    ],
)
def test_larger_torchvision_networks_have_the_same_tensors(theirs: str, ours: str) -> None:
    with torch.device("meta"):
        published = torchvision.models.get_model(theirs).state_dict()
        encoder = EncoderConfig(name=ours).build()
    *_, names = encoder.key_maps
    assert names.source == f"torchvision's {ours}"
    wanted = encoder.state_dict()
    found = {mine: value.numel() for key, value in published.items() if (mine := names.ours(key))}
    assert {key: found.get(key) for key in wanted} == {k: v.numel() for k, v in wanted.items()}
    assert found.keys() - wanted.keys() <= names.spare.keys()


@pytest.mark.parametrize(
    ("file", "encoder", "match"),
    [
        (
            "mobilenetv4_conv_small_050",
            SMALL,
            r"fits \d+ of \d+ tensors .*timm's mobilenetv4_conv_s",
        ),
        (
            "resnet50",
            "resnet18",
            r"layer1\.0\.conv1\.weight is 64x64x1x1 in the file and 64x64x3x3",
        ),
        ("resnet34", "resnet18", r"fits 100 of 100 .*: layer1\.2\.\S+ \(\S+\) has no place here"),
        ("resnet18", "resnet34", r"fits 100 of 180 .*is missing"),
        ("mobilenetv2_100", "mobilenetv2_110d", r"fits \d+ of \d+"),
    ],
)
def test_weights_of_another_encoder_are_refused(
    file: str, encoder: str, match: str, tmp_path: Path
) -> None:
    _save(timm.create_model(file).state_dict(), tmp_path / "w.safetensors")
    model = LRASPPConfig(encoder=EncoderConfig(name=encoder)).build(3)
    _refused(
        model, tmp_path / "w.safetensors", match + r".*; give the weights of this LRASPP or of"
    )


def test_layers_behind_the_last_stage_are_the_networks_own(tmp_path: Path) -> None:
    state = timm.create_model(SMALL).state_dict()
    model = LRASPPConfig(encoder=EncoderConfig(name=SMALL, stages=4)).build(3)
    bare = {k: v for k, v in state.items() if not k.startswith(("classifier.", "conv_head."))}
    load_weights(model, _save(bare, tmp_path / "w.safetensors"))
    other = state | {"conv_head.weight": torch.zeros(2, 2, 1, 1)}
    match = r"conv_head\.weight \(2x2x1x1\) has no place"
    _refused(model, _save(other, tmp_path / "w.safetensors"), match)


def test_an_encoder_alone_may_carry_our_names(tmp_path: Path) -> None:
    config = LRASPPConfig(encoder=EncoderConfig(name=SMALL, stages=3))
    source, model = config.build(3), config.build(3)
    told = load_weights(model, _save(source.encoder.state_dict(), tmp_path / "w.safetensors"))
    assert _holds(model.encoder, source.encoder.state_dict())
    assert {key.split(".")[0] for key in told.fresh} == {"deep", "fine", "gate", "project"}
    # A whole file of ours that lacks the head is not an encoder's.
    part = {k: v for k, v in source.state_dict().items() if not k.startswith("deep.")}
    _refused(model, _save(part, tmp_path / "w.safetensors"), r"deep\.weight .* is missing")


class Shell(SegmentationModel):
    """A network around an encoder, whose published files leave the encoder's names as they were."""

    key_maps: ClassVar[tuple[KeyMap, ...]] = (
        KeyMap(source="somebody", rules=((r"^backbone\.", "encoder."), (r"^cls\.", "head."))),
    )

    def __init__(self, encoder: str) -> None:
        super().__init__(4)
        self.encoder = EncoderConfig(name=encoder).build()
        self.head = nn.Conv2d(self.encoder.specs[-1].channels, 4, 1)

    def forward(self, image: Tensor) -> ModelOutput:
        return ModelOutput(logits=self.head(self.encoder(image)[-1]))


def test_a_networks_map_joins_with_the_encoders(tmp_path: Path) -> None:
    published = _scrambled(torchvision.models.mobilenet_v3_small())
    head = nn.Conv2d(576, 4, 1)
    state = {f"module.backbone.{key}": value for key, value in published.state_dict().items()}
    state |= {f"module.cls.{key}": value for key, value in head.state_dict().items()}
    model = Shell("mobilenetv3_small_100").eval()
    told = load_weights(model, _save({"net": state}, tmp_path / "w.pth"))
    assert told.source == "somebody over torchvision's mobilenetv3_small_100"
    assert told.fresh == ()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = head(published.features(image))
        torch.testing.assert_close(model(image).logits, expected, rtol=1e-4, atol=1e-4)


def test_real_files_fit_their_encoders(shared: Path) -> None:
    for path in sorted((shared / "weights").glob("*.safetensors")):
        name = path.name.split(".")[0]
        config = EncoderConfig(name=name)
        model = DeepLabV3PlusConfig(encoder=config).build(3)
        assert load_weights(model, path).loaded == len(_encoder_names(model))
