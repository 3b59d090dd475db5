"""Compile this job by the Python module of Hailo's Dataflow Compiler: python3 compile_with_sdk.py"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

__all__ = ["main"]

HERE = Path(__file__).resolve().parent


def main():
    """Parse, optimise and compile; the HEF takes its name when it is whole."""
    sys.path.insert(0, str(HERE))
    from resolve_names import check_files, parsed_names, resolved_script

    step("checking the folder")
    wrong = check_files(HERE)
    if wrong:
        sys.exit(f"{len(wrong)} files are missing or changed, such as {wrong[0]}: copy it anew")
    job = json.loads((HERE / "job.json").read_text(encoding="utf-8"))
    try:
        from hailo_sdk_client import ClientRunner
    except ImportError as error:
        sys.exit(
            f"hailo_sdk_client cannot be imported ({error}): activate the compiler's environment"
        )
    work = Path(tempfile.mkdtemp(prefix="build.", dir=HERE))
    try:
        runner = ClientRunner(hw_arch=job["arch"])
        step("translate_onnx_model")
        runner.translate_onnx_model(
            str(HERE / job["model"]), job["network"], end_node_names=list(job["ends"])
        )
        parsed = work / "parsed.har"
        runner.save_har(str(parsed))
        names = parsed_names(parsed, job)
        (HERE / "layer_names.json").write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
        script = (HERE / "model.alls").read_text(encoding="utf-8")
        runner.load_model_script(resolved_script(script, job["layers"], names))
        step("optimize")
        runner.optimize(pictures(work, job))
        runner.save_har(str(HERE / f"{job['network']}.har"))
        step("compile")
        made = work / f"{job['network']}.hef"
        made.write_bytes(runner.compile())
        os.replace(made, HERE / made.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"wrote {HERE / made.name}")


def pictures(work, job):
    """The calibration set, (N, H, W, 3) float32 with values 0..255, on the disk and not in memory."""
    paths = sorted((HERE / "calib").glob("*.npy"))
    first = np.load(paths[0], allow_pickle=False)
    every = np.memmap(
        work / "calib.f32", dtype=np.float32, mode="w+", shape=(len(paths), *first.shape)
    )
    for place, path in enumerate(paths):
        every[place] = np.load(path, allow_pickle=False)
    return every


def step(name):
    """Say what begins, for whoever reads the log."""
    print(f"== {name}", flush=True)


if __name__ == "__main__":
    main()
