"""Can every network learn a few real pictures by heart?

    python benchmarks/overfit.py data/camvid                      # every named network
    python benchmarks/overfit.py data/camvid pidnet-s swiftnet-resnet18

A network that cannot is broken somewhere between its first convolution and its classifier. One piece
is cut from the middle of each picture and mask, at their own resolution; every step sees all of them;
cross-entropy on the logits, and on the auxiliary heads at 0.4, with classes weighed by the root of
their rarity; the boundary loss where there is a boundary head; no dropout. Scored as it ships: in
evaluation mode, the classes at the mask's size, mIoU over the classes that are present. A network
counts as soon as a scoring passes the goal; the rows are appended to a file, and a network that
stands there is not run again.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from curbside.errors import ConfigError
from curbside.hardware import cpu_model
from curbside.labels import IGNORE_ID
from curbside.losses import BoundaryConfig, CrossEntropyConfig
from curbside.metrics import ConfusionMatrix
from curbside.models import SegmentationModel, load_network, networks, normalize, upsample
from curbside.prepared import PreparedFolder, evenly_spaced

__all__ = ["main"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one network."""

    network: str
    miou: float
    """Best of all scorings, 0..1."""
    steps: int
    """Steps until the goal, or all."""
    minutes: float
    size_hw: tuple[int, int]
    pictures: int
    lr: float


def main(
    data: Annotated[Path, tyro.conf.Positional],
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    /,
    *,
    pictures: int = 8,
    size_hw: tuple[int, int] = (240, 320),
    steps: int = 600,
    goal: float = 0.9,
    lr: float = 2e-3,
    every: int = 20,
    minutes: float = 60,
    threads: int = 2,
    out: Path = Path("overfit.jsonl"),
) -> None:
    """Train networks on a few pictures until they know them.

    Args:
        data: A prepared folder; pictures come evenly from its training split.
        names: Networks by name; all of them where none is given.
        pictures: How many pictures, all of them in every step.
        size_hw: Height and width of what is cut from each.
        steps: Most steps.
        goal: The mIoU to reach.
        lr: Largest learning rate of AdamW; it rises for 20 steps and falls by a cosine.
        every: Steps between two scorings.
        minutes: Longest time for one network.
        threads: Threads of the CPU.
        out: The file that gets a row of JSON per network.
    """
    for name in names:
        load_network(name)  # raises, and says what is close
    torch.set_num_threads(threads)
    folder = PreparedFolder(data)
    samples = evenly_spaced(folder.samples("train", target="semantic"), pictures)
    rgb = [_middle(sample.read_rgb(), size_hw) for sample in samples]
    masks = [_middle(sample.read_semantic(), size_hw) for sample in samples]
    images = torch.from_numpy(np.stack(rgb)).permute(0, 3, 1, 2)
    target = torch.from_numpy(np.stack(masks)).long()
    done = (
        {json.loads(line)["network"] for line in out.read_text().splitlines()}
        if out.is_file()
        else set()
    )
    print(
        f"{cpu_model()}, {threads} threads; {len(samples)} pictures of {data} at {size_hw[1]} x {size_hw[0]}"
    )
    for name in names or networks():
        if name in done:
            continue
        torch.manual_seed(0)
        model = load_network(name).build(folder.space.num_classes)
        miou, used, took = _learn(model, images, target, steps, goal, lr, every, minutes)
        row = Row(
            network=name,
            miou=miou,
            steps=used,
            minutes=took / 60,
            size_hw=size_hw,
            pictures=len(samples),
            lr=lr,
        )
        with open(out, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        print(f"{name:<36} mIoU {miou:.3f} after {used} steps, {took / 60:.1f} min", flush=True)


def _middle(pixels: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    top, left = ((have - want) // 2 for have, want in zip(pixels.shape, size_hw, strict=False))
    if min(top, left) < 0:
        raise ConfigError(
            f"a piece of {size_hw[1]} x {size_hw[0]} does not fit a picture of {pixels.shape[1]} x {pixels.shape[0]}",
            fix="choose a smaller --size-hw",
        )
    return pixels[top : top + size_hw[0], left : left + size_hw[1]]


def _learn(
    model: SegmentationModel,
    images: torch.Tensor,
    target: torch.Tensor,
    steps: int,
    goal: float,
    lr: float,
    every: int,
    minutes: float,
) -> tuple[float, int, float]:
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    pixels = torch.bincount(target[target != IGNORE_ID], minlength=model.num_classes)
    weights = (1 / pixels.clamp(min=1).sqrt()).tolist()
    loss = CrossEntropyConfig(class_weights=tuple(weights)).build(model.num_classes)
    border = BoundaryConfig().build()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = normalize(images, model.normalization).to(memory_format=torch.channels_last)
    size = target.shape[-2:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)

    def factor(step: int) -> float:
        return min((step + 1) / 20, (1 + math.cos(math.pi * step / steps)) / 2)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    best, began = 0.0, time.monotonic()
    for step in range(1, steps + 1):
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            output = model(image)
        total = loss(upsample(output.logits.float(), size), target).total
        for aux in output.aux:
            total = total + 0.4 * loss(upsample(aux.float(), size), target).total
        if output.boundary is not None:
            total = total + border(output.boundary.float(), target).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        took = time.monotonic() - began
        if step % every == 0 or step == steps or took > 60 * minutes:
            best = max(best, _score(model, image, target))
            if best >= goal or took > 60 * minutes:
                break
    return best, step, time.monotonic() - began


def _score(model: SegmentationModel, image: torch.Tensor, target: torch.Tensor) -> float:
    model.eval()
    confusion = ConfusionMatrix(model.num_classes)
    for picture, truth in zip(image, target, strict=True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits = model(picture[None]).logits.float()
        ids = upsample(logits, truth.shape).argmax(dim=1)[0]
        confusion.update(ids.to(torch.uint8).numpy(), truth.to(torch.uint8).numpy())
    return confusion.miou()


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
