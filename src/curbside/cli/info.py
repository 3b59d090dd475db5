"""Show what a model file or a run says about itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..errors import ModelFileError
from ..files import read_json, sha256_file
from ..runtime.backends import open_backend

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Entry of `curbside info`."""
    tyro.cli(_info, args=argv, prog="curbside info", description=__doc__)


def _info(
    path: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Show what a model file or a run says about itself.

    Args:
        path: A model file, or a run's folder.
        as_json: Print JSON instead of a table, with a run's whole config.
    """
    facts = _run_facts(path) if path.is_dir() else _file_facts(path)
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _show(facts)


def _file_facts(path: Path) -> dict[str, Any]:
    backend = open_backend(path, threads=1)
    try:
        manifest = backend.manifest.to_dict()
        manifest["runs_in"] = backend.precision
    finally:
        backend.close()
    about = {"file": str(path), "bytes": path.stat().st_size, "sha256": sha256_file(path)}
    return {**about, **manifest}


def _run_facts(folder: Path) -> dict[str, Any]:
    config = read_json(
        folder / "config.json",
        error=ModelFileError,
        fix="name a model file, or the folder of a run made by curbside train",
    )
    if not isinstance(config, dict):
        raise ModelFileError(
            f"{folder / 'config.json'} is not a run's config", fix="name the folder of a run"
        )
    files = sorted(item.name for item in folder.iterdir() if item.is_file())
    resolved = config.get("config")
    recipe = resolved.get("name") if isinstance(resolved, dict) else None
    about = {"run": str(folder), "recipe": recipe, "last_metrics": _last_metrics(folder)}
    return {**about, "temperature_scaling": _calibration(folder), "files": files, **config}


def _calibration(folder: Path) -> Any:
    """What `curbside calibrate` found; None where it was not called."""
    path = folder / "calibration.json"
    if not path.exists():
        return None
    return read_json(
        path, error=ModelFileError, fix="fit it again with: curbside calibrate RUN DATA"
    )


def _last_metrics(folder: Path) -> dict[str, str]:
    """The newest value of every column of `metrics.csv`, where most rows leave some empty."""
    try:
        with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
            newest: dict[str, str] = {}
            for row in csv.DictReader(file):
                newest.update({key: value for key, value in row.items() if key and value})
            return newest
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, csv.Error) as error:
        raise ModelFileError(
            f"{folder / 'metrics.csv'} is not a table of numbers ({error})",
            fix="resume the run to write it anew",
        ) from error


def _show(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False)
    for name, value in facts.items():
        if name in ("format", "config") or value in (None, {}, []):
            continue
        table.add_row(name.replace("_", " "), escape("\n".join(_lines(name, value))))
    Console().print(table)


def _lines(name: str, value: Any) -> list[str]:
    """A value as people read it: one fact a line, a label space as its names."""
    if name in ("space", "label_space") and isinstance(value, dict) and "classes" in value:
        names = ", ".join(f"{item['id']} {item['name']}" for item in value["classes"])
        return [f"{value.get('name')}: {names}"]
    if isinstance(value, dict):
        return [f"{key}: {line}" for key, item in value.items() for line in _lines(key, item)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [", ".join(line for line in _lines(name, item)) for item in value]
    if isinstance(value, list):
        return [", ".join(map(str, value))]
    return [str(value)]
