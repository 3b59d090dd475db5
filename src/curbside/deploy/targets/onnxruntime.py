"""ONNX Runtime: any processor, and NVIDIA's where its packages are installed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import onnx

from ...errors import ConfigError
from ...files import atomic_path
from ..graphs.onnx_manifest import read_manifest, write_manifest
from ..quantization import QuantizeConfig, quantize
from ..target import Built, Target, Work

__all__ = ["OnnxRuntime"]


@dataclass(frozen=True, kw_only=True)
class OnnxRuntime(Target):
    """ONNX Runtime: any processor, and NVIDIA's where its packages are installed."""

    title: ClassVar[str] = "ONNX Runtime"
    suffix: ClassVar[str] = ".onnx"
    quantizes_everything: ClassVar[bool] = False

    precision: Literal["fp32", "int8"] = "int8"
    """What the convolutions run in."""
    method: Literal["average", "minmax"] = "average"
    """Ranges from the mean of the pictures' extremes (average), or from all (minmax)."""
    provider: Literal["cpu", "cuda", "tensorrt"] | None = None
    """What runs it; the quickest to start that the device has where not given."""

    @property
    def quantizes(self) -> bool:
        """Whether it needs calibration pictures."""
        return self.precision == "int8"

    def build(self, work: Work) -> Built:
        """Write the file: the INT8 twin, or a copy that says what is to run it."""
        if self.quantizes:
            if work.calibration is None:
                raise ConfigError("int8 needs pictures to calibrate on", fix="give --calibration")
            quantize(
                work.model,
                work.out,
                work.calibration,
                QuantizeConfig(method=self.method),
                keep_float=work.keep_float,
            )
            proto, source = onnx.load(str(work.out)), work.out
        else:
            proto, source = onnx.load(str(work.model)), work.model
        manifest = read_manifest(proto, source)
        provider = {"provider": self.provider} if self.provider else {}
        write_manifest(proto, replace(manifest, deployment={"target": "onnxruntime", **provider}))
        with atomic_path(work.out, durable=True) as temporary:
            temporary.write_bytes(proto.SerializeToString())
        return Built(path=work.out, witness=work.out)
