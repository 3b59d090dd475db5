"""What a run computes in where the machine is to decide."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curbside.hardware import processor
from curbside.models import LRASPPConfig
from curbside.training import TrainConfig
from curbside.training.precision import lightning_precision


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        ("fpu sse avx512f avx512_bf16", "bf16-mixed"),
        ("fpu amx_bf16 amx_tile", "bf16-mixed"),
        ("fpu avx2 avx512f avx512_fp16", "32-true"),
        ("", "32-true"),
    ],
)
def test_a_processor_computes_in_bf16_where_it_says_that_it_can(
    flags: str, want: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(processor, "Path", lambda path: listed)
    config = TrainConfig(name="x", model=LRASPPConfig(), accelerator="cpu")
    assert lightning_precision(config) == want


@pytest.mark.parametrize(("able", "want"), [(True, "bf16-mixed"), (False, "16-mixed")])
def test_a_gpu_takes_the_better_half(
    able: bool, want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: able)
    config = TrainConfig(name="x", model=LRASPPConfig())
    assert lightning_precision(config) == want
