"""Resizing scores: bilinear between pixel centres, and nothing at all where the size is right."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from curbside.models import upsample


def test_scores_of_the_right_size_are_not_copied() -> None:
    scores = torch.randn(1, 3, 8, 12)
    assert upsample(scores, (8, 12)) is scores
    assert upsample(scores, scores.shape[-2:]) is scores


def test_between_two_pixels_values_are_a_quarter_and_three_quarters() -> None:
    scores = torch.tensor([0.0, 4.0]).view(1, 1, 1, 2)
    assert upsample(scores, (1, 4)).flatten().tolist() == [0, 1, 3, 4]


class _Resized(nn.Module):
    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return upsample(scores * 2, (8, 12))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("size_hw", "resizes"), [((8, 12), 0), ((4, 6), 1)])
def test_an_exported_graph_resizes_only_where_it_must(
    size_hw: tuple[int, int], resizes: int, tmp_path: Path
) -> None:
    path = tmp_path / "resized.onnx"
    torch.onnx.export(_Resized(), (torch.zeros(1, 3, *size_hw),), str(path), dynamo=False)
    operators = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert operators.count("Resize") == resizes


def test_it_compiles_whole() -> None:
    compiled = torch.compile(_Resized(), fullgraph=True, backend="eager")
    assert compiled(torch.ones(1, 3, 8, 12)).shape == (1, 3, 8, 12)
    assert compiled(torch.ones(1, 3, 4, 6)).shape == (1, 3, 8, 12)
