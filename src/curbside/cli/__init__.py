"""The `curbside` command. One file per verb: its name is the verb, its first docstring line the help.

A verb's module has `main(argv) -> int | None` and is imported only when it is called, so that
`curbside --help` and the verbs of the edge runtime stay quick and free of torch.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run `curbside VERB ...` and return the exit code: 0 well, 2 a mistake of the caller's."""
    arguments = sys.argv[1:] if argv is None else argv
    verbs = _verbs()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(verbs))
        return 0
    if arguments[0] in ("-V", "--version"):
        from .. import __version__

        print(f"curbside {__version__}")
        return 0
    verb, rest = arguments[0], arguments[1:]
    if verb not in verbs:
        from difflib import get_close_matches

        close = get_close_matches(verb, verbs, n=1)
        hint = f"did you mean {close[0]}?" if close else "see: curbside --help"
        print(f"curbside: there is no verb {verb!r}; {hint}", file=sys.stderr)
        return 2
    return _call(verb, rest)


def _call(verb: str, arguments: list[str]) -> int:
    from importlib import import_module

    from ..errors import CurbsideError, MissingDependencyError
    from ..files import as_storage_error

    try:
        module = import_module(f"{__name__}.{verb.replace('-', '_')}")
        return int(module.main(arguments) or 0)
    except CurbsideError as error:
        print(f"curbside {verb}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        known = as_storage_error(error)
        if known is None:
            raise
        print(f"curbside {verb}: {known}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(
            f"curbside {verb}: {MissingDependencyError(error.name or '', extra=extra)}",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print(f"curbside {verb}: stopped", file=sys.stderr)
        return 130


_EXTRA_OF = {
    "torch": "train",
    "torchvision": "train",
    "lightning": "train",
    "timm": "train",
    "segmentation_models_pytorch": "train",
    "safetensors": "train",
    "tensorboard": "train",
    "matplotlib": "report",
    "faster_coco_eval": "report",
    "onnx": "deploy",
    "openvino": "openvino",
    "nncf": "openvino",
    "onnxslim": "export",
    "onnxscript": "export",
    "PySide6": "app",
    "ray": "ray",
    "optuna": "sweep",
    "plotly": "sweep",
    "wandb": "wandb",
}


def _verbs() -> dict[str, str]:
    """Every verb and its line of help, read from the sources without importing them."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if not file.stem.startswith("_"):
            docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            found[file.stem.replace("_", "-")] = docstring.splitlines()[0] if docstring else ""
    return found


def _help(verbs: dict[str, str]) -> str:
    lines = [
        "curbside: road-scene perception at the edge",
        "",
        "usage: curbside VERB [options]      curbside VERB --help shows a verb's options",
        "",
    ]
    width = max(map(len, verbs))
    lines += [f"  {verb:<{width}} {text}" for verb, text in verbs.items()]
    return "\n".join(lines)
