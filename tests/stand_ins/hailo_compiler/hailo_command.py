"""A stand-in for the `hailo` command of Hailo's Dataflow Compiler; it refuses what it does not know.

HAILO_VERSION is the version that it tells; HAILO_FAIL and HAILO_KILL name a step, `parser`, `optimize`
or `compiler`, at which it fails, or is killed as for want of memory.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from stand_ins.hailo_formats import Refused, hef_of, optimize_har, parse_model, read_har, write_har

VERSION = os.environ.get("HAILO_VERSION", "3.31.0")
FLAGS = {
    "parser": {"--hw-arch": 1, "--end-node-names": None, "--har": 1},
    "optimize": {
        "--hw-arch": 1,
        "--calib-set-path": 1,
        "--model-script": 1,
        "--output-har-path": 1,
    },
    "compiler": {"--hw-arch": 1},
}
"""The flags of each step, all needed, with the number of their values; None: one or more."""


def arguments_of(step: str, words: list[str]) -> tuple[str, dict[str, list[str]]]:
    """The file and the flags of a step."""
    (file, *rest), flags, last = words, {}, None
    for word in rest:
        if word.startswith("--"):
            if word not in FLAGS[step] or word in flags:
                raise Refused(f"unrecognized arguments: {word}")
            last, flags[word] = word, []
        elif last is None:
            raise Refused(f"unrecognized arguments: {word}")
        else:
            flags[last].append(word)
    for name, count in FLAGS[step].items():
        given = len(flags.get(name, ()))
        if given < 1 or (count is not None and given != count):
            raise Refused(f"argument {name}: {given} values")
    return file, flags


def main(words: list[str]) -> None:
    """Do what the words say."""
    if words == ["--version"]:
        print(f"[info] Current Time: now\nHailoRT v4.20.0\nHailo Dataflow Compiler v{VERSION}")
        return
    step, *rest = words
    if step == "parser":
        if rest[:1] != ["onnx"]:
            raise Refused("hailo parser takes tf or onnx")
        rest = rest[1:]
    if step not in FLAGS:
        raise Refused(f"invalid choice: {step!r}")
    file, flags = arguments_of(step, rest)
    arch = flags["--hw-arch"][0]
    print(f"[info] {step} {file}", flush=True)
    if os.environ.get("HAILO_FAIL") == step:
        raise Refused("out of luck")
    if os.environ.get("HAILO_KILL") == step:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == "parser":
        har = parse_model(Path(file), Path(file).stem, arch, flags["--end-node-names"])
        if input("Would you like to parse again with the recommended end nodes? (y/n)\n") != "n":
            raise Refused("the graph ends elsewhere now")
        write_har(Path(flags["--har"][0]), har)
        return
    har = read_har(Path(file))
    if har["arch"] != arch:
        raise Refused(f"the HAR is for {har['arch']}, not {arch}")
    if step == "optimize":
        paths = sorted(Path(flags["--calib-set-path"][0]).glob("*.npy"))
        pictures = np.stack([np.load(path) for path in paths])
        if pictures.dtype != np.uint8:
            raise Refused(f"calibration pictures of {pictures.dtype}")
        for line in optimize_har(har, Path(flags["--model-script"][0]).read_text(), pictures):
            print(f"[warning] {line}")
        write_har(Path(flags["--output-har-path"][0]), har)
    else:
        Path(f"{har['network']}.hef").write_bytes(hef_of(har, VERSION))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as error:
        sys.exit(f"[error] {error}")
