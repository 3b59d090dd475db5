"""Pooling over a grid: torch's own is the truth, and it must export where torch's does not."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from curbside.export import ExportConfig, export_onnx
from curbside.labels import load_space
from curbside.models import EncoderConfig, UPerNetConfig
from curbside.models.pooling import GridPool, grid_pool, replace_adaptive_pools

SIDES = (1, 2, 3, 5, 7, 8, 12, 13, 16, 17, 34, 60, 61)
CELLS = (1, 2, 3, 4, 6, 8, 14)


@pytest.mark.parametrize("rows", CELLS)
def test_it_is_torch_adaptive_pooling_at_any_size(rows: int) -> None:
    torch.manual_seed(rows)
    for height, width, columns in itertools.product(SIDES, (5, 8, 61), CELLS):
        x = torch.randn(2, 3, height, width)
        wanted = F.adaptive_avg_pool2d(x, (rows, columns))
        torch.testing.assert_close(grid_pool(x, (rows, columns)), wanted, atol=1e-6, rtol=1e-5)


def test_gradients_are_torch_adaptive_poolings_too() -> None:
    x = torch.randn(1, 2, 7, 11, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    (wanted,) = torch.autograd.grad((F.adaptive_avg_pool2d(x, (3, 4)) * weight).sum(), x)
    (given,) = torch.autograd.grad((GridPool((3, 4))(x) * weight).sum(), x)
    torch.testing.assert_close(given, wanted)


def test_poolings_are_replaced_wherever_they_stand_and_global_ones_stay() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d((5, 3))),
        nn.AdaptiveAvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
    )
    x = torch.randn(1, 3, 11, 13)
    wanted, keys = module(x), list(module.state_dict())
    replace_adaptive_pools(module)
    kinds = [type(layer) for layer in (module[0][1], module[1], module[2])]
    assert kinds == [GridPool, GridPool, nn.AdaptiveAvgPool2d]
    assert list(module.state_dict()) == keys
    torch.testing.assert_close(module(x), wanted)


@pytest.mark.parametrize("size_hw", [(96, 128), (135, 240)])
def test_upernet_exports_at_sizes_that_its_grids_do_not_divide(tmp_path, size_hw) -> None:
    torch.manual_seed(0)
    space = load_space("camvid11")
    config = UPerNetConfig(encoder=EncoderConfig(name="convnext_atto"), channels=16)
    found = export_onnx(
        config.build(space.num_classes).eval(),
        tmp_path / "m.onnx",
        config=ExportConfig(size_hw=size_hw),
        space=space,
        title="tiny",
    )
    assert found.agreement >= 0.999
    assert found.logit_difference < 1e-4 < found.logit_range
