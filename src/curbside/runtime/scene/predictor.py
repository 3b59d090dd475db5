"""Several networks on one frame: each at its rate, fused where two of them can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple, Self

import numpy as np

from ...errors import ConfigError
from ...labels import LabelSpace
from ...manifest import Answer, Manifest, Task
from ...results import SceneResult, View
from ..fusion import Fusion
from ..instances import InstanceConfig
from ..interruption import RunInterrupted
from ..predictor import InstancePredictor, NetworkPredictor
from .clip import Clip
from .config import Rate, SceneConfig
from .own_pace import Look, OwnPace

__all__ = ["ScenePredictor"]

_SIMULTANEOUS = 8


class _Tensors(NamedTuple):
    """A frame, and what the networks whose turn it is take, by task."""

    number: int
    frame_bgr: np.ndarray
    by_task: dict[Task, np.ndarray]


class _Outputs(NamedTuple):
    """What they give; of one on its own thread, what it gave last."""

    number: int
    looks: Mapping[Task, Look]
    interrupted: bool = False
    """Whether one of them was told not to finish."""


class ScenePredictor:
    """The networks of a scene as one predictor: frame in, `SceneResult` out.

    Frames are taken for those of one clip, in the order in which they are decoded; `reset` begins
    another. Networks on different devices look at a frame at the same time, those on one device one
    after the other. A network that tells two things looks once for both.

    Args:
        networks: At most one that tells the same; closed with this predictor where `on_close` is None.
        config: Rates and rules; its `models` are not looked at.
        on_close: Called instead of closing the networks, which then belong to somebody else.

    Raises:
        ConfigError: Two networks tell the same.
        LabelError: No object of the one could ever be shown with the other.
    """

    def __init__(
        self,
        networks: Sequence[NetworkPredictor[Any]],
        config: SceneConfig | None = None,
        *,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.config = config or SceneConfig()
        self._networks: dict[Task, NetworkPredictor[Any]] = {}
        for network in networks:
            for answer in network.manifest.answers:
                if other := self._network_for(answer):
                    raise ConfigError(
                        f"{network.title} and {other.title} both answer {answer}",
                        fix="give at most one network for each task",
                    )
            self._networks[network.manifest.task] = network
        self._on_close = on_close
        self._fusion = self._make_fusion()
        self._choose_objects()
        self._own = {
            task: OwnPace(network.infer, getattr(network.backend, "restart", None), f"{task}-own")
            for task, network in self._networks.items()
            if self._rate(task) == "own"
        }
        devices = {network.backend.device for network in self._networks.values()}
        self._pool = (
            ThreadPoolExecutor(_SIMULTANEOUS, "curbside-scene") if len(devices) > 1 else None
        )
        self._numbers = count()
        self._turns: dict[Task, int] = {}
        self._clip = Clip(self._networks, self._fusion, self.config, own=self._own)
        self.confidence = False
        """Whether results also tell how sure the semantic network is, where it can."""

    @property
    def manifests(self) -> dict[Task, Manifest]:
        """What every network expects and gives, by its task."""
        return {task: network.manifest for task, network in self._networks.items()}

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What its networks tell."""
        told = (network.manifest.answers for network in self._networks.values())
        return tuple(chain.from_iterable(told))

    @property
    def space(self) -> LabelSpace | None:
        """What the ids of the richest result mean; None where there is no network."""
        if self._fusion is not None:
            return self._fusion.space
        return next((network.space for network in self._networks.values()), None)

    @property
    def title(self) -> str:
        """The networks in words."""
        return " + ".join(network.title for network in self._networks.values()) or "no network"

    @property
    def precision(self) -> str:
        """What the arithmetic of each really runs in."""
        return " + ".join(dict.fromkeys(network.precision for network in self._networks.values()))

    @property
    def views(self) -> tuple[View, ...]:
        """What can be shown of its results."""
        told, fused, semantic = (
            self.answers,
            self._fusion is not None,
            self._network_for("semantic"),
        )
        there: dict[View, bool] = {
            "frame": True,
            "semantic": "semantic" in told,
            "instances": "instances" in told,
            "panoptic": fused,
            "depth": "depth" in told,
            "semantic+depth": "semantic" in told and "depth" in told,
            "confidence": semantic is not None and _tells_confidence(semantic.manifest),
            "disagreement": fused,
        }
        return tuple(view for view, shown in there.items() if shown)

    def __call__(self, frame_bgr: np.ndarray) -> SceneResult:
        """What is on the next frame.

        Args:
            frame_bgr: (H, W, 3) uint8, of any size.

        Raises:
            ValueError: The frame is not (H, W, 3) uint8.
        """
        return self.decode(self.infer(self.prepare(frame_bgr)), frame_bgr.shape[:2])

    def prepare(self, frame_bgr: np.ndarray) -> _Tensors:
        """The frame as the tensors of the networks that look at it; raises what a call raises."""
        number = next(self._numbers)
        turns = [task for task in self._networks if self._has_its_turn(task, number)]
        prepared = {task: self._networks[task].prepare(frame_bgr) for task in turns}
        return _Tensors(number, frame_bgr, prepared)

    def infer(self, tensors: _Tensors) -> _Outputs:
        """What the networks that look at the frame give."""
        number, frame_bgr, by_task = tensors
        size_hw = (frame_bgr.shape[0], frame_bgr.shape[1])
        for task in self._overdue(number):
            by_task.setdefault(task, self._networks[task].prepare(frame_bgr))
        asked: dict[Task, Callable[[], dict[str, np.ndarray]]] = {}
        for task, tensor in by_task.items():
            look = partial(self._networks[task].infer, tensor)
            if task in self._own:
                self._own[task].offer(Look(number, size_hw, tensor))
            else:
                asked[task] = look if self._pool is None else self._pool.submit(look).result
        looks: dict[Task, Look] = {}
        interrupted = False
        for task, answer in asked.items():
            try:
                looks[task] = Look(number, size_hw, answer())
            except RunInterrupted:
                interrupted = True
                if self._pool is None:
                    break
        for task, own in self._own.items():
            newest = own.newest()
            if newest is not None:
                looks[task] = newest
        return _Outputs(number, looks, interrupted)

    def make_way(self, other: object) -> None:
        """Let another scene take the place of this one soon: networks that it does not have need not
        finish with the frame that they look at. From any thread.

        Args:
            other: The other predictor; nothing happens where it is no scene.
        """
        if not isinstance(other, ScenePredictor):
            return
        kept = {id(network.backend) for network in other._networks.values()}
        for task, network in self._networks.items():
            interrupt = getattr(network.backend, "interrupt", None)
            if interrupt is not None and task not in self._own and id(network.backend) not in kept:
                interrupt()

    def infer_after(
        self, other: object, outputs: _Outputs, frame_bgr: np.ndarray
    ) -> _Outputs | None:
        """What the networks give for a frame that another scene has just looked at: those that both
        have do not look again.

        Args:
            other: The other predictor.
            outputs: What it gave.
            frame_bgr: The frame, (H, W, 3) uint8.

        Returns:
            None where the other is no scene, or it was not interrupted and has nothing of use.
        """
        if not isinstance(other, ScenePredictor):
            return None
        number = next(self._numbers)
        known = {
            task: look._replace(number=number)
            for task, look in outputs.looks.items()
            if look.number == outputs.number and self._shares(task, other)
        }
        if not known and not outputs.interrupted:
            return None
        missing = [task for task in self._networks if task not in known and task not in self._own]
        tensors = {task: self._networks[task].prepare(frame_bgr) for task in missing}
        found = self.infer(_Tensors(number, frame_bgr, tensors))
        return _Outputs(number, {**found.looks, **known})

    def decode(self, outputs: _Outputs, size_hw: tuple[int, int]) -> SceneResult:
        """What is known of the frame, from what `infer` gave; frames come in order."""
        number, looks = outputs.number, outputs.looks
        return self._clip.frame(number, looks, size_hw, confidence=self.confidence)

    def again(self) -> None:
        """The next frame to be decoded is the last one once more: nothing in it moves."""
        self._clip.again()

    def take_errors(self) -> list[Exception]:
        """What networks on threads of their own raised since this was asked last."""
        return [error for own in self._own.values() for error in own.take_errors()]

    def reset(self) -> None:
        """The next frame to be decoded is the first of another clip."""
        self._clip.end()

    def restart(self) -> None:
        """Load again the networks that can be.

        Raises:
            ConfigError: None of them can be.
            CurbsideError: One cannot be loaded any more.
        """
        backends = [network.backend for network in self._networks.values()]
        restarts = [b.restart for b in backends if hasattr(b, "restart")]
        if not restarts:
            raise ConfigError(f"{self.title} came loaded", fix="load it with load_scene")
        for restart in restarts:
            restart()

    def close(self) -> None:
        """Give the networks' memory back, or them to whom they belong."""
        for own in self._own.values():
            own.close()
        if self._pool is not None:
            self._pool.shutdown()
        if self._on_close is not None:
            self._on_close()
            return
        for network in self._networks.values():
            network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _network_for(self, answer: Answer) -> NetworkPredictor[Any] | None:
        """The network that tells something; None where none does."""
        networks = self._networks.values()
        return next((one for one in networks if answer in one.manifest.answers), None)

    def _make_fusion(self) -> Fusion | None:
        semantic, instances = self._network_for("semantic"), self._network_for("instances")
        if semantic is None or instances is None:
            return None
        return Fusion(semantic.space, instances.space, self.config.fusion)

    def _choose_objects(self) -> None:
        """Let the instance network give all objects that the rules may want to see."""
        network = self._networks.get("instances")
        if network is None:
            return
        chosen = self.config.instances
        if self._fusion is not None:
            least = self.config.fusion.least_score(following=self.config.tracking is not None)
            chosen = InstanceConfig(
                confidence=least,
                iou=chosen.iou,
                max_detections=chosen.max_detections,
                max_candidates=chosen.max_candidates,
            )
        self._networks["instances"] = InstancePredictor(network.backend, chosen)

    def _shares(self, task: Task, other: ScenePredictor) -> bool:
        """Whether both have the same network for a task, and look at every frame that it is asked for."""
        own, theirs = self._networks.get(task), other._networks.get(task)
        same = own is not None and theirs is not None and own.backend is theirs.backend
        return same and task not in self._own

    def _rate(self, task: Task) -> Rate:
        return self.config.rates.get(self._networks[task].manifest.answers[0], 1)

    def _has_its_turn(self, task: Task, number: int) -> bool:
        """Whether the network of a task is to look at the frame of this number."""
        rate = self._rate(task)
        return self._own[task].free if rate == "own" else number % rate == 0

    def _overdue(self, number: int) -> list[Task]:
        """The networks whose last turn was dropped on its way, as frames of a live source may be."""
        late = []
        for task in self._networks:
            rate = self._rate(task)
            if rate == "own":
                continue
            last = self._turns.setdefault(task, number)
            overdue = number - last >= 2 * rate
            if overdue or number % rate == 0:
                self._turns[task] = number
            if overdue and number % rate:
                late.append(task)
        return late


def _tells_confidence(manifest: Manifest) -> bool:
    return bool(manifest.output("confidence") or manifest.output("logits"))
