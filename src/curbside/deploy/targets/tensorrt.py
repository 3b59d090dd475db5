"""TensorRT: an `.engine` for the NVIDIA GPU that it is compiled on, Jetson among them."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnx

from ...errors import ConfigError, ModelFileError
from ...files import atomic_path, sha256_file, write_bytes, write_text
from ...manifest import Manifest, write_sidecar
from ...runtime import NetworkPredictor, load_predictor
from ...runtime.backends.tensorrt import load_tensorrt, message_log
from ...runtime.cuda import Cuda, Device
from ..calibration import CalibrationSet
from ..feed import Feed
from ..graphs.tensorrt import explicit_integers, fit_for_tensorrt, float_ends
from ..target import Built, Target, Work

__all__ = ["TensorRt"]

_MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class TensorRt(Target):
    """TensorRT 8.5 (JetPack 5) to 10 on an NVIDIA GPU."""

    title: ClassVar[str] = "TensorRT (NVIDIA GPU)"
    suffix: ClassVar[str] = ".engine"

    precision: Literal["fp32", "fp16", "int8"] = "fp16"
    """What the network runs in. TensorRT may keep single layers in a finer one where that is faster;
    the parts of an int8 engine that are not integers run in fp16."""
    workspace_mib: int = 1024
    """Memory on the GPU that a layer may use while it runs, in MiB."""
    timing_cache: Path | None = None
    """A file that keeps how fast every layer's variants are, so that the next engine takes less time
    to compile."""

    def __post_init__(self) -> None:
        if self.workspace_mib < 1:
            raise ConfigError(
                f"{self.workspace_mib} MiB of workspace are too few",
                fix="give --workspace-mib 1024",
            )

    @property
    def quantizes(self) -> bool:
        """Whether the precision is int8."""
        return self.precision == "int8"

    def build(self, work: Work) -> Built:
        """Write `M.engine` and the Manifest `M.engine.json`; for int8 also `M.calib`, the ranges."""
        self._check(work)
        tensorrt, cuda = load_tensorrt(), Cuda()
        device = cuda.device()
        _require_able(tensorrt, self.precision)
        log = message_log(tensorrt)
        with load_predictor(work.model, threads=1) as predictor:
            if predictor.manifest.precision != "fp32":
                raise ModelFileError(
                    f"{work.model} is {predictor.manifest.precision} already",
                    fix="give the float file that curbside export wrote",
                )
            plan, notes = self._plan(tensorrt, cuda, log, work, predictor)
            manifest = self._manifest(predictor.manifest, work, tensorrt.__version__, device)
        with atomic_path(work.out, durable=True) as temporary:
            temporary.write_bytes(plan)
            write_sidecar(temporary, manifest)
            beside = Path(f"{temporary}.json")
            try:
                with load_predictor(temporary) as predictor:
                    blank = np.zeros((*manifest.input.size_hw, 3), np.uint8)
                    predictor.infer(predictor.prepare(blank))
                    notes.append(f"On this GPU it runs in {predictor.precision}.")
            finally:
                beside.unlink(missing_ok=True)
        write_sidecar(work.out, manifest)
        return Built(path=work.out, witness=work.out, notes=tuple(notes))

    def _check(self, work: Work) -> None:
        if work.out.suffix.lower() != self.suffix:
            raise ConfigError(
                f"{work.out} does not end in .engine", fix="name it with --out M.engine"
            )
        if self.quantizes and work.calibration is None:
            raise ConfigError(
                "int8 needs pictures to calibrate on",
                fix="give a prepared folder with --calibration, or choose --precision fp16",
            )

    def _plan(
        self, tensorrt: Any, cuda: Cuda, log: Any, work: Work, predictor: NetworkPredictor
    ) -> tuple[bytes, list[str]]:
        """The engine's bytes, and what the person should know."""
        proto = onnx.load(str(work.model))
        fit_for_tensorrt(proto)
        _require_nodes(proto, work)
        builder = tensorrt.Builder(log)
        config = builder.create_builder_config()
        self._configure(tensorrt, config)
        notes = []
        kept, ends, calibrator = work.keep_float, set[str](), None
        if work.calibration is not None and self.quantizes:
            ends = float_ends(proto, predictor.manifest) - kept
            if hasattr(tensorrt, "IInt8EntropyCalibrator2"):
                config.set_flag(tensorrt.BuilderFlag.INT8)
                calibrator = _calibrator(tensorrt, cuda, predictor, work, work.calibration)
                config.int8_calibrator = calibrator
            else:
                notes.append(
                    "This TensorRT finds no ranges itself: they are written into the graph."
                )
                proto = explicit_integers(
                    proto, predictor, work.calibration, keep_float=kept | ends
                )
                kept, ends = frozenset(), set()
        network = _parsed(tensorrt, builder, log, proto, work)
        _bind(tensorrt, config, network, kept, tensorrt.float32)
        _bind(tensorrt, config, network, ends, tensorrt.float16)
        plan = builder.build_serialized_network(network, config)
        if calibrator is not None:
            calibrator.finish()
        if plan is None:
            raise _failed(work, log, "TensorRT could not compile the network")
        self._keep_timings(config)
        return bytes(plan), notes

    def _configure(self, tensorrt: Any, config: Any) -> None:
        flags = tensorrt.BuilderFlag
        pool = tensorrt.MemoryPoolType.WORKSPACE
        config.set_memory_pool_limit(pool, self.workspace_mib * _MIB)
        config.profiling_verbosity = (
            tensorrt.ProfilingVerbosity.DETAILED
        )  # to tell what really runs
        if self.precision == "fp32":
            config.clear_flag(flags.TF32)  # which it would take for fp32, with 10 bits of mantissa
        elif hasattr(flags, "FP16"):
            config.set_flag(flags.FP16)
        if self.timing_cache is not None:
            known = self.timing_cache.read_bytes() if self.timing_cache.is_file() else b""
            config.set_timing_cache(config.create_timing_cache(known), False)

    def _keep_timings(self, config: Any) -> None:
        if self.timing_cache is not None:
            write_bytes(self.timing_cache, bytes(config.get_timing_cache().serialize()))

    def _manifest(self, manifest: Manifest, work: Work, version: str, device: Device) -> Manifest:
        deployment = {
            "target": "tensorrt",
            "version": version,
            "device": device.name,
            "compute_capability": device.compute_capability,
        }
        calibration = {}
        if work.calibration is not None and self.quantizes:
            calibration = {**work.calibration.describe(), "method": "TensorRT"}
            if work.keep_float:
                calibration["float_layers"] = sorted(work.keep_float)
        return replace(
            manifest, precision=self.precision, calibration=calibration, deployment=deployment
        )


def _require_able(tensorrt: Any, precision: str) -> None:
    if not hasattr(tensorrt.DataType, "UINT8"):
        raise ModelFileError(
            f"TensorRT {tensorrt.__version__} takes no bytes as a network's input",
            fix="install TensorRT 8.5 or later (JetPack 5.1 or later)",
        )
    if precision == "fp16" and not hasattr(tensorrt.BuilderFlag, "FP16"):
        raise ModelFileError(
            f"TensorRT {tensorrt.__version__} no longer makes fp16 from a float network",
            fix="install TensorRT 10, or choose --precision int8",
        )


def _require_nodes(proto: onnx.ModelProto, work: Work) -> None:
    unknown = sorted(work.keep_float - {node.name for node in proto.graph.node})
    if unknown:
        raise ConfigError(
            f"{work.model} has no node {unknown[0]!r} to keep in float",
            fix="name nodes of this very file",
        )


def _parsed(tensorrt: Any, builder: Any, log: Any, proto: onnx.ModelProto, work: Work) -> Any:
    """The graph as TensorRT's own network."""
    flags = tensorrt.NetworkDefinitionCreationFlag
    explicit = getattr(flags, "EXPLICIT_BATCH", None)  # version 8 wants it, 10 has nothing else
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = tensorrt.OnnxParser(network, log)
    if not parser.parse(proto.SerializeToString()):
        said = [parser.get_error(place).desc() for place in range(parser.num_errors)]
        raise _failed(work, log, "TensorRT cannot read the network", " ".join(said[:1]))
    return network


def _bind(tensorrt: Any, config: Any, network: Any, names: Set[str], kind: Any) -> None:
    """Bind the layers of these names to a type of float, against what TensorRT would find faster."""
    if not names:
        return
    config.set_flag(tensorrt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for place in range(network.num_layers):
        layer = network.get_layer(place)
        outputs = [layer.get_output(number) for number in range(layer.num_outputs)]
        if layer.name in names and all(item.dtype == tensorrt.float32 for item in outputs):
            layer.precision = kind
            for number in range(layer.num_outputs):
                layer.set_output_type(number, kind)


def _failed(work: Work, log: Any, what: str, reason: str = "") -> ModelFileError:
    """The error of a failed compilation, whose log stays beside the file that was not made."""
    kept = work.out.with_suffix(".log")
    write_text(kept, "\n".join(log.lines) + "\n")
    why = " ".join((reason or log.last).split())[:200]
    return ModelFileError(f"{what} ({why})", fix=f"see its whole log in {kept}")


def _calibrator(
    tensorrt: Any, cuda: Cuda, predictor: NetworkPredictor, work: Work, calibration: CalibrationSet
) -> Any:
    """What shows TensorRT the calibration pictures, and keeps the ranges that it finds in `M.calib`.

    The file starts with a line that names what the ranges are of; ranges of other pictures, another
    network or another TensorRT are not used.
    """
    store = work.out.with_suffix(".calib")
    about = f"{calibration.sha256}{sha256_file(work.model)}{tensorrt.__version__}"
    key = f"curbside {hashlib.sha256(about.encode()).hexdigest()}\n".encode()

    class Calibrator(tensorrt.IInt8EntropyCalibrator2):
        def __init__(self) -> None:
            tensorrt.IInt8EntropyCalibrator2.__init__(self)
            self._tensors = iter(Feed(predictor, calibration))
            self._address: int | None = None
            self._problem: Exception | None = None

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: list[str]) -> list[int] | None:
            try:  # TensorRT would swallow what is raised here
                tensor = next(self._tensors, None)
                if tensor is None:
                    return None
                if self._address is None:
                    self._address = cuda.allocate(tensor.nbytes)
                cuda.upload(self._address, tensor)
            except Exception as error:
                self._problem = error
                return None
            return [self._address]

        def read_calibration_cache(self) -> bytes | None:
            content = store.read_bytes() if store.is_file() else b""
            return content.removeprefix(key) if content.startswith(key) else None

        def write_calibration_cache(self, cache: Any) -> None:
            write_bytes(store, key + bytes(cache))

        def finish(self) -> None:
            """Give the memory back, and raise what went wrong on the way."""
            if self._address is not None:
                cuda.free(self._address)
            if self._problem is not None:
                raise self._problem

    return Calibrator()
