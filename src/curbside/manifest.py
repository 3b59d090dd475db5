"""What a model file says about itself: the `Manifest`, inside an ONNX file or beside any other.

An ONNX file carries it in its metadata under the key `curbside`; any model file may have it beside
it as `<file>.json`. A model file without one is refused: nothing about its pixels could be trusted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import CurbsideError, ModelFileError
from .files import read_json
from .imaging import Normalization
from .labels import LabelSpace

__all__ = [
    "METADATA_KEY",
    "InputSpec",
    "Manifest",
    "OutputSpec",
    "TemperatureScaling",
    "read_sidecar",
]

METADATA_KEY = "curbside"
FORMAT_VERSION = 1

Meaning = Literal["ids", "confidence", "logits"]
_MAKE_ONE = "make the file with: curbside export RUN --out M.onnx"


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The one picture that goes in."""

    name: str = "frame"
    """Name of the graph's input."""
    size_hw: tuple[int, int]
    """Height and width in pixels, fixed."""
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    """Order of the axes; N is 1."""
    dtype: Literal["uint8", "float32"] = "uint8"
    """Type of a value; both count 0..255."""
    channels: Literal["bgr", "rgb"] = "bgr"
    """Order of the colours."""


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """One tensor that comes out."""

    name: str
    """Name of the graph's output."""
    meaning: Meaning
    """`ids`: (1, H, W) class ids; `confidence`: (1, H, W) probability of that class;
    `logits`: (1, C, h, w) scores before softmax, at any stride."""


@dataclass(frozen=True, kw_only=True)
class TemperatureScaling:
    """What a network's scores are divided by so that its confidence can be believed, and how well
    that works on the pictures that told it.

    Raises:
        ValueError: The temperature is none.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """

    temperature: float
    """What the scores are divided by."""
    weights_sha256: str
    """Of the weights that it was fitted for."""
    dataset: str
    """Name of the folder that it was fitted on."""
    split: str
    """Which of its splits."""
    images: int
    """Number of pictures."""
    pixels: int
    """Number of their pixels that were looked at."""
    nll_before: float
    """Negative log-likelihood of these pixels without it, in nats."""
    nll_after: float
    """The same with it."""
    ece_before: float
    """Expected calibration error of these pixels over 15 bins without it."""
    ece_after: float
    """The same with it: on the pixels that it was fitted on, so too good to be expected elsewhere."""
    ece_cross_fitted: float
    """The same when each half of the pictures is measured with what the other half told."""
    halves: str
    """How the pictures were halved."""

    def __post_init__(self) -> None:
        low, high = _TEMPERATURES
        if not low <= self.temperature <= high:
            raise ValueError(f"a temperature of {self.temperature} is not in {low:g} to {high:g}")

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> TemperatureScaling:
        """The facts that `to_dict` wrote; others are passed over.

        Raises:
            KeyError, TypeError, ValueError: A fact is missing or none.
        """
        kinds: dict[str, Callable[[Any], Any]] = {"float": _number, "int": int, "str": str}
        return cls(**{item.name: kinds[str(item.type)](data[item.name]) for item in fields(cls)})


_TEMPERATURES = (1e-3, 1e3)


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything a runtime and a reader must know about a model file.

    Raises:
        ModelFileError: The parts contradict each other.
    """

    task: Literal["semantic"] = "semantic"
    """What the network answers."""
    input: InputSpec
    """The picture that goes in."""
    outputs: tuple[OutputSpec, ...]
    """The tensors that come out."""
    space: LabelSpace
    """Names, ids and colours of the classes."""
    normalization: Normalization
    """What the network was trained with; it is applied inside the graph."""
    model: str
    """The architecture, in words."""
    precision: str = "fp32"
    """Type of the weights: fp32 or int8."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """The run behind it: recipe, commit, step, SHA-256 of the weights, versions."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """What the quantiser saw: dataset, split, number of images, their hash, method; empty for float."""
    temperature_scaling: TemperatureScaling | None = None
    """What the scores were divided by; it is folded into the graph, nobody needs to apply it."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Scores measured on this file or its run, with the dataset and split they were measured on."""

    def __post_init__(self) -> None:
        if not self.outputs:
            raise ModelFileError("the Manifest names no output", fix=_MAKE_ONE)
        if min(self.input.size_hw) < 1:
            raise ModelFileError(
                f"the Manifest's input size {self.input.size_hw} is impossible", fix=_MAKE_ONE
            )
        if not {"ids", "logits"} & {output.meaning for output in self.outputs}:
            raise ModelFileError("the Manifest promises neither ids nor logits", fix=_MAKE_ONE)

    def output(self, meaning: Meaning) -> OutputSpec | None:
        """The output of a meaning, or None."""
        return next((item for item in self.outputs if item.meaning == meaning), None)

    @property
    def temperature(self) -> float:
        """What the scores that come out were divided by; 1 where it was never fitted."""
        return self.temperature_scaling.temperature if self.temperature_scaling else 1.0

    def with_scores(self, name: str, scores: Mapping[str, Any]) -> Manifest:
        """A copy with scores added under a name."""
        return replace(self, scores={**self.scores, name: dict(scores)})

    def to_dict(self) -> dict[str, Any]:
        """The Manifest as JSON values."""
        return {
            "format": FORMAT_VERSION,
            "task": self.task,
            "model": self.model,
            "precision": self.precision,
            "input": {**asdict(self.input), "size_hw": list(self.input.size_hw)},
            "outputs": [asdict(output) for output in self.outputs],
            "normalization": {
                "mean": list(self.normalization.mean),
                "std": list(self.normalization.std),
            },
            "space": self.space.to_dict(),
            "source": dict(self.source),
            "calibration": dict(self.calibration),
            **self._scaling_dict(),
            "scores": dict(self.scores),
        }

    def _scaling_dict(self) -> dict[str, Any]:
        found = self.temperature_scaling
        return {"temperature_scaling": {"folded": True, **found.to_dict()}} if found else {}

    def to_json(self) -> str:
        """The Manifest as one JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: Any, *, where: str) -> Manifest:
        """The Manifest that `to_dict` wrote.

        Args:
            data: The JSON value.
            where: The file it came from, for the error.

        Raises:
            ModelFileError: A part is missing, of the wrong type, or of a later format.
        """
        try:
            if int(data["format"]) > FORMAT_VERSION:
                raise ModelFileError(
                    f"its format is {data['format']}, this curbside reads up to {FORMAT_VERSION}",
                    fix="update curbside: pip install -U curbside",
                )
            height, width = (int(v) for v in data["input"]["size_hw"])
            spec = InputSpec(**{**data["input"], "size_hw": (height, width)})
            outputs = tuple(OutputSpec(**output) for output in data["outputs"])
            for value, allowed in (
                (data["task"], ("semantic",)),
                (spec.layout, ("NHWC", "NCHW")),
                (spec.dtype, ("uint8", "float32")),
                (spec.channels, ("bgr", "rgb")),
                *((output.meaning, get_args(Meaning)) for output in outputs),
            ):
                if value not in allowed:
                    raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
            mean, std = data["normalization"]["mean"], data["normalization"]["std"]
            return cls(
                task=data["task"],
                model=str(data["model"]),
                precision=str(data["precision"]),
                input=spec,
                outputs=outputs,
                normalization=Normalization.of(mean, std),
                space=LabelSpace.from_dict(data["space"]),
                source=dict(data.get("source", {})),
                calibration=dict(data.get("calibration", {})),
                temperature_scaling=None
                if data.get("temperature_scaling") is None
                else TemperatureScaling.from_dict(data["temperature_scaling"]),
                scores=dict(data.get("scores", {})),
            )
        except CurbsideError as error:
            raise ModelFileError(
                f"the Manifest of {where} cannot be used: {error.what}", fix=error.fix
            ) from error
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelFileError(
                f"the Manifest of {where} is not readable ({type(error).__name__}: {error})",
                fix=_MAKE_ONE,
            ) from error

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> Manifest:
        """The Manifest of an ONNX file: in its metadata, else beside it as `<file>.json`.

        Args:
            metadata: The file's metadata properties.
            path: The file.

        Raises:
            ModelFileError: There is none, or it is not readable.
        """
        text = metadata.get(METADATA_KEY)
        if text is None:
            return read_sidecar(path)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelFileError(
                f"the Manifest inside {path} is not valid JSON ({error})", fix=_MAKE_ONE
            ) from error
        return cls.from_dict(data, where=str(path))


def read_sidecar(path: Path) -> Manifest:
    """The Manifest beside a model file, `<file>.json`.

    Raises:
        ModelFileError: There is none, or it is not readable.
    """
    beside = Path(f"{path}.json")
    if not beside.is_file():
        raise ModelFileError(
            f"{path} carries no Manifest, and there is no {beside.name} beside it",
            fix=f"{_MAKE_ONE}, or describe the file in {beside.name} (docs/model-files.md)",
        )
    return Manifest.from_dict(
        read_json(beside, error=ModelFileError, fix=_MAKE_ONE), where=str(beside)
    )
