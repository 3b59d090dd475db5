"""`Manifest`: everything a runtime and a reader must know about a model file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

from ..errors import CurbsideError, ModelFileError
from ..imaging import Normalization
from ..labels import NO_CLASSES, LabelSpace
from .temperature import TemperatureScaling
from .tensors import ANSWERS, MEANINGS, Answer, DepthSpec, InputSpec, Meaning, OutputSpec, Task
from .threshold import DecisionThreshold

__all__ = ["MAKE_ONE", "SEAL", "Manifest", "seal_of"]

FORMAT_VERSION = 2
MAKE_ONE = "make the file with: curbside export RUN --out M.onnx"
SEAL = "sha256"
"""Where a written Manifest holds the hash of the rest of itself."""

_HEADS: tuple[Meaning, ...] = ("box_distribution", "class_scores", "mask_coefficients")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything a runtime and a reader must know about a model file.

    Raises:
        ModelFileError: The parts contradict each other.
    """

    task: Task = "semantic"
    """What the network answers."""
    input: InputSpec
    """The picture that goes in."""
    outputs: tuple[OutputSpec, ...]
    """The tensors that come out. Maps of several strides come from the finest to the coarsest."""
    space: LabelSpace
    """Names, ids and colours of the classes; `NO_CLASSES` for a network that tells none."""
    normalization: Normalization
    """What the network was trained with; it is applied inside the graph or on the device."""
    model: str
    """The architecture, in words."""
    precision: str = "fp32"
    """What the file asks the arithmetic to run in: fp32, fp16, bf16 or int8."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """The run behind it: recipe, commit, step, SHA-256 of the weights, versions."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """What the quantiser saw: dataset, split, number of images, their hash, method; empty for float."""
    deployment: Mapping[str, Any] = field(default_factory=dict)
    """What it was compiled for: target, device, compiler and its version, settings, and the paths
    that were measured before this one was chosen; empty for a plain ONNX file."""
    temperature_scaling: TemperatureScaling | None = None
    """What the scores were divided by; it is folded into the graph, nobody needs to apply it."""
    threshold: DecisionThreshold | None = None
    """Of a binary label space, from which probability on a pixel is id 1; 0.5 where it was never chosen. A
    class map inside the graph follows it."""
    depth: DepthSpec | None = None
    """What its metres are good for, of a network that gives depth and of no other."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Scores measured on this file or its run, with the dataset and split they were measured on."""

    def __post_init__(self) -> None:
        if not self.outputs:
            raise ModelFileError("the Manifest names no output", fix=MAKE_ONE)
        if min(self.input.size_hw) < 1:
            raise ModelFileError(
                f"the Manifest's input size {self.input.size_hw} is impossible", fix=MAKE_ONE
            )
        found = {output.meaning for output in self.outputs}
        strange = sorted(found - set(MEANINGS[self.task]))
        if strange:
            raise ModelFileError(
                f"the Manifest promises {strange[0]} for the task {self.task}", fix=MAKE_ONE
            )
        if "semantic" in self.answers and not {"ids", "logits"} & found:
            raise ModelFileError("the Manifest promises neither ids nor logits", fix=MAKE_ONE)
        if self.task != "depth" and not self.space.classes:
            raise ModelFileError(
                f"the Manifest names no classes for the task {self.task}", fix=MAKE_ONE
            )
        if "depth" in self.answers and "depth" not in found:
            raise ModelFileError(
                f"the Manifest promises no depth for the task {self.task}", fix=MAKE_ONE
            )
        if ("depth" in found) != (self.depth is not None):
            raise ModelFileError(
                "the Manifest must promise depth and say what it is good for, or neither",
                fix=MAKE_ONE,
            )
        told = "semantic" in self.answers
        if self.threshold is not None and not (told and self.space.binary):
            raise ModelFileError(
                f"the Manifest has a threshold for the {len(self.space.classes)} classes of"
                f" {self.space.name}, and only yes or no has one",
                fix=MAKE_ONE,
            )
        if told and self.input.fit == "letterbox":
            raise ModelFileError(
                "the Manifest wants a letterbox, which class maps are not freed from",
                fix="let frames be stretched to the input: fit stretch",
            )
        if self.task == "instances":
            self._check_heads(found)

    def _check_heads(self, found: set[Meaning]) -> None:
        counts = {len(self.outputs_of(meaning)) for meaning in _HEADS}
        whole = "detections" in found
        if "prototypes" not in found or whole == bool(counts - {0}) or len(counts) > 1:
            raise ModelFileError(
                "the Manifest must promise prototypes, and with them either detections or as many"
                f" {', '.join(_HEADS)}",
                fix=MAKE_ONE,
            )

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What the network tells."""
        return ANSWERS[self.task]

    def output(self, meaning: Meaning) -> OutputSpec | None:
        """The first output of a meaning, or None."""
        return next(iter(self.outputs_of(meaning)), None)

    def outputs_of(self, meaning: Meaning) -> list[OutputSpec]:
        """The outputs of a meaning, in their order."""
        return [item for item in self.outputs if item.meaning == meaning]

    @property
    def host(self) -> tuple[str, ...]:
        """What is left to do after the network, in order; the runtime does it."""
        if self.task != "instances":
            choice = "threshold" if self.space.binary else "argmax"
            scores = () if self.output("ids") else ("bilinear", choice)
            classes = (*scores, "nearest to the frame") if "semantic" in self.answers else ()
            return (*classes, *(("bilinear to the frame",) if self.depth else ()))
        heads = () if self.output("detections") else ("distances from bins (DFL)",)
        raw = any(not item.activated for item in self.outputs_of("class_scores"))
        sigmoid = ("sigmoid of class scores",) if raw else ()
        return (*heads, *sigmoid, "NMS", "masks", "back to the frame")

    @property
    def temperature(self) -> float:
        """What the scores that come out were divided by; 1 where it was never fitted."""
        return self.temperature_scaling.temperature if self.temperature_scaling else 1.0

    @property
    def least_score(self) -> float:
        """Of a binary label space, the score from which on a pixel is id 1."""
        return self.threshold.score / self.temperature if self.threshold else 0.0

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
            "host": list(self.host),
            "normalization": {
                "mean": list(self.normalization.mean),
                "std": list(self.normalization.std),
            },
            "space": self.space.to_dict() if self.space.classes else None,
            "source": dict(self.source),
            "calibration": dict(self.calibration),
            "deployment": dict(self.deployment),
            **self._scaling_dict(),
            **({} if self.threshold is None else {"threshold": self.threshold.to_dict()}),
            **({} if self.depth is None else {"depth": asdict(self.depth)}),
            "scores": dict(self.scores),
        }

    def _scaling_dict(self) -> dict[str, Any]:
        found = self.temperature_scaling
        return {"temperature_scaling": {"folded": True, **found.to_dict()}} if found else {}

    def to_json(self, **more: Any) -> str:
        """The Manifest as one JSON text, sealed: an edit is noticed when it is read.

        Args:
            more: Further facts, about the file that it describes.
        """
        data = {**self.to_dict(), **more}
        return json.dumps({**data, SEAL: seal_of(data)}, ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: Any, *, where: str) -> Manifest:
        """The Manifest that `to_dict` wrote.

        Args:
            data: The JSON value.
            where: The file it came from, for the error.

        Raises:
            ModelFileError: A part is missing, of the wrong type, or of a later format, or it was
                edited after it was sealed.
        """
        try:
            if int(data["format"]) > FORMAT_VERSION:
                raise ModelFileError(
                    f"its format is {data['format']}, this curbside reads up to {FORMAT_VERSION}",
                    fix="update curbside: pip install -U curbside",
                )
            if SEAL in data and data[SEAL] != seal_of(data):
                raise ModelFileError(
                    "it was edited after it was written",
                    fix=f"make the file again, or take out its {SEAL!r} to answer for it yourself",
                )
            height, width = (int(v) for v in data["input"]["size_hw"])
            spec = InputSpec(**{**data["input"], "size_hw": (height, width)})
            outputs = tuple(OutputSpec(**output) for output in data["outputs"])
            for value, allowed in (
                (data["task"], get_args(Task)),
                (spec.layout, ("NHWC", "NCHW")),
                (spec.dtype, ("uint8", "float32")),
                (spec.channels, ("bgr", "rgb")),
                (spec.fit, ("stretch", "letterbox")),
                *((output.meaning, get_args(Meaning)) for output in outputs),
                *((output.layout, ("NHWC", "NCHW")) for output in outputs),
            ):
                if value not in allowed:
                    raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
            if not 0 < float(spec.scale) < float("inf"):
                raise ValueError(f"pixels cannot be multiplied with {spec.scale}")
            mean, std = data["normalization"]["mean"], data["normalization"]["std"]
            return cls(
                task=data["task"],
                model=str(data["model"]),
                precision=str(data["precision"]),
                input=spec,
                outputs=outputs,
                normalization=Normalization.of(mean, std),
                space=NO_CLASSES if data["space"] is None else LabelSpace.from_dict(data["space"]),
                source=dict(data.get("source", {})),
                calibration=dict(data.get("calibration", {})),
                deployment=dict(data.get("deployment", {})),
                temperature_scaling=None
                if data.get("temperature_scaling") is None
                else TemperatureScaling.from_dict(data["temperature_scaling"]),
                threshold=None
                if data.get("threshold") is None
                else DecisionThreshold.from_dict(data["threshold"]),
                depth=None if data.get("depth") is None else DepthSpec.from_dict(data["depth"]),
                scores=dict(data.get("scores", {})),
            )
        except CurbsideError as error:
            raise ModelFileError(
                f"the Manifest of {where} cannot be used: {error.what}", fix=error.fix
            ) from error
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelFileError(
                f"the Manifest of {where} is not readable ({type(error).__name__}: {error})",
                fix=MAKE_ONE,
            ) from error


def seal_of(data: Mapping[str, Any]) -> str:
    """SHA-256 of a written Manifest without its seal, however its keys are ordered and indented."""
    rest = {key: value for key, value in data.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
