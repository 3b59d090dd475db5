"""A tiny prepared folder whose classes and depth are told on pictures of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tiny_depth import metres_of
from tiny_joint import classes_of, joint_manifest

from curbside.imaging import write_png
from curbside.prepared import PreparedWriter, SampleData, write_sample

__all__ = ["SIZE", "SPACE", "frames", "joint_folder"]

SIZE = (12, 16)
SPACE = joint_manifest().space


def frames(count: int) -> list[np.ndarray]:
    """Pictures of the network's size on which it knows a depth everywhere, BGR."""
    rng = np.random.default_rng(0)
    return [rng.integers(110, 200, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]


Truth = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _tiny_truth(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `make_joint_onnx` says: classes and metres."""
    return classes_of(frame), metres_of(frame)


def joint_folder(
    root: Path,
    factor: float = 0.9,
    *,
    told: tuple[str, ...] = ("semantic", "depth"),
    pictures: Sequence[np.ndarray] = (),
    truth: Truth = _tiny_truth,
) -> Path:
    """A prepared folder: of its four pictures to score on two have the network's own classes, and two its
    depth times a factor; eight to calibrate on have neither."""
    writer = PreparedWriter(root, space=SPACE, source="by hand")
    for index, frame in enumerate(pictures or frames(12)):
        file = root.with_name(f"{root.name}-{index}.png")
        write_png(file, frame[..., ::-1])
        more: dict[str, Any] = {}
        if index % 2 and "semantic" in told:
            more = {"semantic": truth(frame)[0].astype(np.uint8)}
        elif not index % 2 and "depth" in told:
            more = {"depth_m": (truth(frame)[1] * factor).astype(np.float32)}
        split = "val" if index < 4 else "train"
        more = more if split == "val" else {}
        data = SampleData(id=f"{index:02}", split=split, image=file, **more)
        writer.add(write_sample(root, data, SPACE))
    writer.finish()
    return root
