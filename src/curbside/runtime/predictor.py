"""Frame in, result at frame size out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, Self, TypeVar

import cv2
import numpy as np

from ..errors import ConfigError, ModelFileError
from ..imaging import Placement
from ..labels import LabelSpace
from ..manifest import InputSpec, Manifest
from ..results import DepthResult, InstanceResult, SceneResult, SemanticResult
from .backends import Backend, open_backend
from .decoding import decode_depth, decode_semantic
from .instances import InstanceConfig, decode_instances

__all__ = [
    "DepthPredictor",
    "InstancePredictor",
    "JointPredictor",
    "NetworkPredictor",
    "SemanticPredictor",
    "TaskPredictor",
    "classes_of",
    "load_class_predictor",
    "load_depth_predictor",
    "load_predictor",
    "load_semantic_predictor",
    "placement",
    "predictor_of",
    "semantic_of",
]

Result = TypeVar("Result", covariant=True)


class NetworkPredictor(ABC, Generic[Result]):
    """A network behind any backend; a subclass per task.

    A call is `prepare`, `infer` and `decode` in turn; a pipeline calls the three itself, to time
    them and to run them in several threads.

    Args:
        backend: The network; the predictor closes it.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @property
    def manifest(self) -> Manifest:
        """What the network expects and gives."""
        return self.backend.manifest

    @property
    def space(self) -> LabelSpace:
        """What the ids of results mean."""
        return self.manifest.space

    @property
    def title(self) -> str:
        """The network in words."""
        return self.manifest.model

    @property
    def precision(self) -> str:
        """What the arithmetic really runs in."""
        return self.backend.precision

    def __call__(self, frame_bgr: np.ndarray) -> Result:
        """What is on a frame.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        return self.decode(self.infer(self.prepare(frame_bgr)), frame_bgr.shape[:2])

    def prepare(self, frame_bgr: np.ndarray) -> np.ndarray:
        """The frame as the tensor that the network takes.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        shape, kind = getattr(frame_bgr, "shape", None), getattr(frame_bgr, "dtype", None)
        if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape or kind != np.uint8:
            given = type(frame_bgr).__name__ if shape is None else f"{tuple(shape)} {kind}"
            raise ValueError(f"a frame must be (H, W, 3) uint8 in BGR order, not {given}")
        spec = self.manifest.input
        picture = placement(spec, (shape[0], shape[1])).draw(frame_bgr)
        if spec.channels == "rgb":
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        if spec.layout == "NCHW":
            picture = picture.transpose(2, 0, 1)
        tensor = np.ascontiguousarray(picture, spec.dtype)[None]
        if spec.scale != 1:
            tensor = (tensor * np.float32(spec.scale)).astype(spec.dtype, copy=False)
        return tensor

    def infer(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """The network's outputs by name, from what `prepare` made."""
        return self.backend.run({self.manifest.input.name: tensor})

    @abstractmethod
    def decode(self, outputs: Mapping[str, np.ndarray], size_hw: tuple[int, int]) -> Result:
        """The result at the size of the frame, from what `infer` gave."""

    def close(self) -> None:
        """Give the network's memory back."""
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SemanticPredictor(NetworkPredictor[SemanticResult]):
    """A semantic network behind any backend; see `NetworkPredictor`."""

    def __call__(
        self, frame_bgr: np.ndarray, *, probabilities: bool = False, confidence: bool = False
    ) -> SemanticResult:
        """A class for every pixel of a frame.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.
            probabilities: Also give every class's probability, where the network gives logits.
            confidence: Also give that of the class shown, where the network gives logits.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        outputs = self.infer(self.prepare(frame_bgr))
        return self.decode(
            outputs, frame_bgr.shape[:2], probabilities=probabilities, confidence=confidence
        )

    def decode(
        self,
        outputs: Mapping[str, np.ndarray],
        size_hw: tuple[int, int],
        *,
        probabilities: bool = False,
        confidence: bool = False,
    ) -> SemanticResult:
        """The result at the size of the frame, from what `infer` gave."""
        return decode_semantic(
            outputs, self.manifest, size_hw, probabilities=probabilities, confidence=confidence
        )


class InstancePredictor(NetworkPredictor[InstanceResult]):
    """A network that finds single objects, behind any backend; see `NetworkPredictor`.

    Args:
        backend: The network; the predictor closes it.
        config: Which of its proposals are shown.
    """

    def __init__(self, backend: Backend, config: InstanceConfig | None = None) -> None:
        super().__init__(backend)
        self.config = config or InstanceConfig()

    def decode(self, outputs: Mapping[str, np.ndarray], size_hw: tuple[int, int]) -> InstanceResult:
        """The objects on a frame of this size, from what `infer` gave.

        Raises:
            ModelFileError: The outputs are not what the Manifest promises.
        """
        place = placement(self.manifest.input, size_hw)
        return decode_instances(outputs, self.manifest, place, self.config)


class DepthPredictor(NetworkPredictor[DepthResult]):
    """A network that tells how far away everything is, behind any backend; see `NetworkPredictor`."""

    def decode(self, outputs: Mapping[str, np.ndarray], size_hw: tuple[int, int]) -> DepthResult:
        """The depth of a frame of this size, from what `infer` gave.

        Raises:
            ModelFileError: The outputs are not what the Manifest promises.
        """
        return decode_depth(outputs, self.manifest, placement(self.manifest.input, size_hw))


class JointPredictor(NetworkPredictor[SceneResult]):
    """A network that tells both a class and a depth for every pixel, behind any backend; see
    `NetworkPredictor`.

    Args:
        backend: The network; the predictor closes it.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.semantic = SemanticPredictor(backend)
        """Its classes alone; closing it closes the network."""
        self.depth = DepthPredictor(backend)
        """Its depth alone; closing it closes the network."""

    def decode(
        self,
        outputs: Mapping[str, np.ndarray],
        size_hw: tuple[int, int],
        *,
        probabilities: bool = False,
        confidence: bool = False,
    ) -> SceneResult:
        """The classes and the depth of a frame of this size, from what `infer` gave.

        Args:
            outputs: The network's outputs by name.
            size_hw: The frame's height and width.
            probabilities: Also give every class's probability, where the network gives logits.
            confidence: Also give that of the class shown, where the network gives logits.

        Raises:
            ModelFileError: The outputs are not what the Manifest promises.
        """
        return SceneResult(
            size_hw=size_hw,
            semantic=self.semantic.decode(
                outputs, size_hw, probabilities=probabilities, confidence=confidence
            ),
            depth=self.depth.decode(outputs, size_hw),
        )


TaskPredictor = SemanticPredictor | InstancePredictor | DepthPredictor | JointPredictor
"""The predictor of any task."""


def load_predictor(
    path: Path, *, threads: int | None = None, instances: InstanceConfig | None = None
) -> TaskPredictor:
    """Open a model file as the predictor of its task.

    Args:
        path: A model file with a Manifest.
        threads: Threads for the network; all cores where None.
        instances: Which objects are shown, where it is a network that finds some.

    Raises:
        ModelFileError: The file is missing, damaged, or carries no Manifest that fits it.
        ConfigError: Objects are to be chosen, and the network finds none.
        MissingDependencyError: The library for this kind of file is not installed.
    """
    backend = open_backend(Path(path), threads=threads)
    if instances is not None and backend.manifest.task != "instances":
        backend.close()
        raise ConfigError(
            f"{path} is a network for the task {backend.manifest.task}, so that there are no objects"
            " to choose from",
            fix="leave out confidence, iou and the like",
        )
    return predictor_of(backend, instances)


def predictor_of(backend: Backend, instances: InstanceConfig | None = None) -> TaskPredictor:
    """The predictor of the task that a loaded network has.

    Args:
        backend: The network; the predictor closes it.
        instances: Which objects are shown, where it is a network that finds some.
    """
    match backend.manifest.task:
        case "instances":
            return InstancePredictor(backend, instances)
        case "depth":
            return DepthPredictor(backend)
        case "semantic+depth":
            return JointPredictor(backend)
        case "semantic":
            return SemanticPredictor(backend)


def load_class_predictor(
    path: Path, *, threads: int | None = None
) -> SemanticPredictor | InstancePredictor:
    """Open the model file of a network that tells classes, be it of pixels or of objects.

    Args:
        path: A model file with a Manifest; of a network that tells depth as well, its classes are taken.
        threads: Threads for the network; all cores where None.

    Raises:
        ModelFileError: As `load_predictor`, or the network tells no classes.
        MissingDependencyError: The library for this kind of file is not installed.
    """
    return classes_of(load_predictor(path, threads=threads), path)


def load_semantic_predictor(path: Path, *, threads: int | None = None) -> SemanticPredictor:
    """Open the model file of a semantic network.

    Args:
        path: A model file with a Manifest; of a network that tells depth as well, its classes are taken.
        threads: Threads for the network; all cores where None.

    Raises:
        ModelFileError: As `load_predictor`, or the network has another task.
        MissingDependencyError: The library for this kind of file is not installed.
    """
    return semantic_of(load_predictor(path, threads=threads), path)


def load_depth_predictor(path: Path, *, threads: int | None = None) -> DepthPredictor:
    """Open the model file of a network that tells depth.

    Args:
        path: A model file with a Manifest; of a network that tells classes as well, its depth is taken.
        threads: Threads for the network; all cores where None.

    Raises:
        ModelFileError: As `load_predictor`, or the network tells no depth.
        MissingDependencyError: The library for this kind of file is not installed.
    """
    predictor = load_predictor(path, threads=threads)
    if isinstance(predictor, JointPredictor):
        return predictor.depth
    if isinstance(predictor, DepthPredictor):
        return predictor
    raise _refused(predictor, path, "a depth for every pixel", "one that tells depth")


def classes_of(predictor: TaskPredictor, path: Path) -> SemanticPredictor | InstancePredictor:
    """What tells classes of an opened network, of pixels or of objects; of one that tells depth as well,
    the part that tells classes.

    Args:
        predictor: The network; closed where it tells none.
        path: Where it is from, for the error.

    Raises:
        ModelFileError: It tells no classes.
    """
    if isinstance(predictor, InstancePredictor):
        return predictor
    if isinstance(predictor, DepthPredictor):
        raise _refused(
            predictor,
            path,
            "classes of pixels or of objects",
            "a semantic network or one that finds objects; curbside evaluate scores depth, and"
            " curbside run shows it",
        )
    return semantic_of(predictor, path)


def semantic_of(predictor: TaskPredictor, path: Path) -> SemanticPredictor:
    """What gives a class for every pixel of an opened network; see `classes_of`."""
    if isinstance(predictor, JointPredictor):
        return predictor.semantic
    if isinstance(predictor, SemanticPredictor):
        return predictor
    raise _refused(predictor, path, "a class for every pixel", "a semantic network")


def _refused(predictor: TaskPredictor, path: Path, needed: str, give: str) -> ModelFileError:
    """Close a network of another task than is needed, and say so."""
    task = predictor.manifest.task
    predictor.close()
    return ModelFileError(
        f"{path} is a network for the task {task}, and this needs {needed}", fix=f"give {give}"
    )


def placement(spec: InputSpec, frame_hw: tuple[int, int]) -> Placement:
    """Where a frame of this size stands on the picture that a network takes."""
    make = Placement.letterbox if spec.fit == "letterbox" else Placement.stretch
    return make(frame_hw, spec.size_hw)
