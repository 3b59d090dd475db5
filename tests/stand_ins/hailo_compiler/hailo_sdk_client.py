"""A stand-in for the module hailo_sdk_client of Hailo's Dataflow Compiler; it insists on the order of
calls and on their arguments."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
from stand_ins.hailo_formats import hef_of, optimize_har, parse_model, write_har

VERSION = os.environ.get("HAILO_VERSION", "3.31.0")


class ClientRunner:
    """One network on its way to a HEF."""

    def __init__(self, *, hw_arch: str) -> None:
        self._arch = hw_arch
        self._har: dict[str, Any] | None = None
        self._script: str | None = None

    def translate_onnx_model(
        self, model: str, net_name: str, *, end_node_names: list[str]
    ) -> tuple[dict, dict]:
        self._meet("parser")
        assert isinstance(model, str)
        self._har = parse_model(Path(model), net_name, self._arch, end_node_names)
        return self._har["layers"], {}

    def save_har(self, path: str) -> None:
        assert isinstance(path, str)
        write_har(Path(path), self._parsed())

    def load_model_script(self, script: str) -> None:
        assert self._parsed()["state"] == "hailo_model"
        self._script = script

    def optimize(self, calib_data: np.ndarray) -> None:
        self._meet("optimize")
        assert isinstance(calib_data, np.ndarray)
        assert calib_data.dtype == np.float32
        assert self._script is not None, "no model script was loaded"
        for line in optimize_har(self._parsed(), self._script, np.asarray(calib_data)):
            print(f"[warning] {line}")

    def compile(self) -> bytes:
        self._meet("compiler")
        return hef_of(self._parsed(), VERSION)

    def _parsed(self) -> dict[str, Any]:
        assert self._har is not None, "no model was translated"
        return self._har

    @staticmethod
    def _meet(step: str) -> None:
        if os.environ.get("HAILO_FAIL") == step:
            raise RuntimeError("out of luck")
        if os.environ.get("HAILO_KILL") == step:
            os.kill(os.getpid(), signal.SIGKILL)
