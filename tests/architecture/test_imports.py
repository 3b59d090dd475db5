"""Imports go one way, and what runs at the edge needs no torch."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "curbside"
EDGE = [
    "errors",
    "files",
    "discovery",
    "hardware",
    "processes",
    "progress",
    "labels",
    "imaging",
    "results",
    "manifest",
    "metrics",
    "prepared",
    "convert",
    "evaluation",
    "runtime",
    "scenes",
]
EDGE_VERBS = [
    "annotations",
    "benchmark",
    "compare",
    "convert",
    "disparity_check",
    "doctor",
    "evaluate",
    "info",
    "labels",
    "run",
    "scenes",
    "sources",
]

IMPORT_ALL = """
import importlib, sys
from importlib.abc import MetaPathFinder

HEAVY = ("torch", "torchvision", "lightning", "timm", "onnx", "onnxslim", "onnxscript",
         "segmentation_models_pytorch", "safetensors", "torchmetrics", "tensorboard")

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is not part of the edge runtime")

sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module(name)
assert not [name for name in HEAVY if name in sys.modules]
"""


def modules(part: str) -> list[str]:
    """Every module of a part of the package, by its dotted name."""
    path = PACKAGE / part
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    names = [".".join(file.relative_to(ROOT / "src").with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def test_the_import_rule_is_kept():
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rule_names_every_room():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers, edge, *_ = config["tool"]["importlinter"]["contracts"]
    named = {room.strip() for layer in layers["layers"] for room in layer.split("|")}
    rooms = {
        f"curbside.{path.stem}"
        for path in PACKAGE.iterdir()
        if not path.name.startswith(("_", "py.typed")) and any(path.rglob("*.py")) | path.is_file()
    }
    assert rooms <= named
    assert set(edge["source_modules"]) == {f"curbside.{part}" for part in EDGE}


@pytest.mark.parametrize("part", EDGE)
def test_every_room_of_the_edge_has_modules(part):
    assert modules(part)


def test_what_stands_below_the_torch_line_imports_without_it():
    names = ["curbside", *(name for part in EDGE for name in modules(part))]
    names += ["curbside.cli", *(f"curbside.cli.{v}" for v in EDGE_VERBS if _is_verb(v))]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def _is_verb(name: str) -> bool:
    return (PACKAGE / "cli" / f"{name}.py").is_file()
