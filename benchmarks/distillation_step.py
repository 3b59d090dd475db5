"""What a step of training costs with a teacher, beside the same step without one.

    python benchmarks/distillation_step.py data/camvid --work work/step
    python benchmarks/distillation_step.py data/camvid --cache runs/teacher/cache --turns 9

A step is: the next batch (read and augmented by worker processes meanwhile), the student forward, its
losses, backward, the optimiser. The student learns alone; with a teacher that looks at every batch, in
float32 or in bfloat16; from a cache, read, decoded and cut by the workers; and with teacher logits that
lie ready at the size of the picture, compared there by a plain KL divergence. All take turns, a block of
steps each, so that a busy neighbour slows all alike; a ratio is taken within each turn, and its median
shown. Weights are random, which costs the same time. Without --cache, one is made from the masks: noise
around the truth, about as large as that of a trained teacher.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from curbside.datasets import (
    Augmentation,
    AugmentConfig,
    CacheSettings,
    CacheWriter,
    ResumableBatches,
    SegmentationDataset,
    TeacherCache,
    TrainItem,
    collate_train,
    is_cache,
)
from curbside.hardware import core_count, cpu_model
from curbside.labels import LabelSpace
from curbside.losses import CrossEntropyConfig
from curbside.models import SegmentationModel, inference_form, load_network, normalize, upsample
from curbside.prepared import PreparedFolder, Sample, evenly_spaced
from curbside.progress import track
from curbside.training import DistillationConfig, OptimizerConfig
from curbside.training.distiller import Distiller

__all__ = ["main"]

Way = Literal["alone", "teacher in fp32", "teacher in bf16", "cached", "ready, full-size KL"]
WAYS: tuple[Way, ...] = (
    "alone",
    "teacher in fp32",
    "teacher in bf16",
    "cached",
    "ready, full-size KL",
)
_WARM_UP = 2


def main(
    data: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    work: Path = Path("work/distillation-step"),
    cache: Path | None = None,
    students: tuple[str, ...] = ("lraspp-mobilenetv4-small", "deeplabv3plus-mobilenetv4-small"),
    teacher: str = "upernet-convnext-base",
    ways: tuple[Way, ...] = WAYS,
    size_hw: tuple[int, int] = (256, 256),
    batch_size: int = 8,
    workers: int = 2,
    threads: int = 2,
    turns: int = 5,
    steps: int = 6,
    student_in: Literal["fp32", "bf16"] = "fp32",
    clock: Literal["wall", "cpu"] = "wall",
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Time the steps.

    Args:
        data: A prepared folder.
        work: Where the cache is made.
        cache: A cache of the folder's training pictures, made by `curbside cache`.
        students: Networks that learn.
        teacher: The network that teaches.
        ways: How they learn.
        size_hw: Height and width of a training picture.
        batch_size: Pictures per step.
        workers: Processes that read.
        threads: Threads of the network.
        turns: Blocks of each way.
        steps: Timed steps of a block.
        student_in: Arithmetic of the student.
        clock: The time that passes, or that of the processor over all threads, which neighbours move
            less; it needs --workers 0, so that reading is in it.
        as_json: Print JSON instead of a table.
    """
    if clock == "cpu" and workers:
        raise SystemExit("--clock cpu would leave out the workers; give --workers 0 too")
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    folder = PreparedFolder(data)
    samples = folder.samples("train", target="semantic")
    if cache is None:
        cache = work / f"cache-{data.resolve().name}"
        samples = evenly_spaced(samples, 64)
        _fill(cache, samples, folder.space)
    bench = _Bench(
        samples,
        TeacherCache(cache),
        inference_form(load_network(teacher).build(folder.space.num_classes)),
        size_hw=size_hw,
        batch_size=batch_size,
        workers=workers,
        half=student_in == "bf16",
        clock=process_time if clock == "cpu" else perf_counter,
    )
    load = os.getloadavg()[0]
    blocks = [(student, way) for student in students for way in ways]
    times: dict[tuple[str, Way], list[list[float]]] = {block: [] for block in blocks}
    todo = [block for _ in range(turns) for block in blocks]
    for student, way in track(todo, total=len(todo), description="timing", unit="blocks"):
        times[student, way].append(bench.block(student, way, steps))
    rows = [
        {
            "student": student,
            "way": way,
            "ms_min": round(1e3 * min(map(min, found)), 1),
            "ms_median": round(1e3 * median(map(median, found)), 1),
            "ratio": _ratio(found, times.get((student, "alone"))),
        }
        for (student, way), found in times.items()
    ]
    sizes = [_entry_bytes(cache), sum(s.image_path.stat().st_size for s in samples) / len(samples)]
    about = {
        "cpu": cpu_model(),
        "cores": core_count(),
        "threads": threads,
        "workers": workers,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "torch": torch.__version__,
        "data": data.resolve().name,
        "size_hw": size_hw,
        "batch_size": batch_size,
        "student_in": student_in,
        "clock": clock,
        "teacher": teacher,
        "turns": turns,
        "steps": steps,
        "cache_over_pictures": round(sizes[0] / sizes[1], 2),
    }
    if as_json:
        print(json.dumps({**about, "rows": rows}, indent=2))
        return
    table = Table()
    for name in ("student", "way", "ms, least", "ms, median", "times alone"):
        table.add_column(name, justify="left" if name in ("student", "way") else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
    print("; ".join(f"{name} {value}" for name, value in about.items()))


def _ratio(found: list[list[float]], alone: list[list[float]] | None) -> float | None:
    if alone is None:
        return None
    return round(median(median(a) / median(b) for a, b in zip(found, alone, strict=True)), 3)


def _entry_bytes(cache: Path) -> float:
    sizes = [path.stat().st_size for path in cache.rglob("*.webp")]
    return sum(sizes) / len(sizes)


def _fill(root: Path, samples: Sequence[Sample], space: LabelSpace) -> None:
    """A cache made from masks: logits of about 6 for the truth, blurred, with noise that is smooth too."""
    if is_cache(root):
        return
    rng = np.random.default_rng(0)
    teacher = {"recipe": "masks", "model": "masks", "step": 0, "weights_sha256": ""}
    settings = CacheSettings(space=space, teacher=teacher, input_hw=(1 << 16, 1 << 16), stride=4)
    writer = CacheWriter(root, settings, [samples[0].root], "train")
    for sample in track(samples, total=len(samples), description="cache from masks"):
        height, width = settings.map_hw(settings.input_hw, sample.record.size_hw)
        ids = cv2.resize(sample.read_semantic(), (width, height), interpolation=cv2.INTER_NEAREST)
        maps = []
        for number in space.ids:
            noise = cv2.resize(
                rng.normal(0, 2, (height // 4, width // 4)).astype(np.float32), (width, height)
            )
            maps.append(cv2.GaussianBlur((ids == number) * np.float32(8), (0, 0), 1) + noise)
        logits = torch.from_numpy(np.stack(maps)) + 0.1 * torch.randn(len(maps), height, width)
        writer.write(sample, F.log_softmax(logits, dim=0).numpy())
    writer.finish({samples[0].root: samples}, "fp32")


class _Bench:
    """Everything that steps need."""

    def __init__(
        self,
        samples: Sequence[Sample],
        cache: TeacherCache,
        teacher: SegmentationModel,
        *,
        size_hw: tuple[int, int],
        batch_size: int,
        workers: int,
        half: bool,
        clock: Callable[[], float],
    ) -> None:
        self._samples, self._cache, self._teacher = samples, cache, teacher
        self._size_hw, self._batch_size, self._workers = size_hw, batch_size, workers
        self._half, self._clock = half, clock
        classes = teacher.num_classes
        self._ready = torch.randn(batch_size, classes, *size_hw)

    def block(self, student: str, way: Way, steps: int) -> list[float]:
        """Seconds of some steps of a way, while the workers keep reading ahead."""
        step = self._step(student, way)
        batches = self._batches([self._cache] if way == "cached" else [])
        # What was read before the first step must be used up, or the reading would cost nothing.
        for batch in islice(batches, max(_WARM_UP, 2 * self._workers)):
            step(batch)
        found = []
        for _ in range(steps):
            began = self._clock()
            step(next(batches))
            found.append(self._clock() - began)
        return found

    def _batches(self, caches: Sequence[TeacherCache]) -> Iterator[TrainItem]:
        batches = ResumableBatches(
            length=len(self._samples),
            batch_size=self._batch_size,
            seed=0,
            step=lambda: 0,
            pause=lambda step: 1 << 30,
        )
        dataset = SegmentationDataset(
            self._samples,
            size_hw=self._size_hw,
            augmentation=Augmentation(AugmentConfig(), self._size_hw),
            caches=caches,
        )
        return iter(
            DataLoader(
                dataset,
                batch_sampler=batches,
                collate_fn=collate_train,
                num_workers=self._workers,
                worker_init_fn=_one_thread,
            )
        )

    def _step(self, student: str, way: Way) -> Callable[[TrainItem], None]:
        classes = self._teacher.num_classes
        model = load_network(student).build(classes).train()
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        loss = CrossEntropyConfig().build(classes)
        distiller = None
        if way.startswith("teacher") or way == "cached":
            distiller = Distiller(
                DistillationConfig(), model, [None if way == "cached" else self._teacher]
            )
            dtype = torch.bfloat16 if way == "teacher in bf16" else torch.float32
            distiller.place(torch.device("cpu"), dtype)
        learnt: list[Any] = [model] if distiller is None else [model, distiller]
        optimizer = OptimizerConfig().build(*learnt)

        def step(batch: TrainItem) -> None:
            image = normalize(batch.image, model.normalization)
            with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
                output = model(image.to(memory_format=torch.channels_last))
                logits = upsample(output.logits, batch.target.shape[-2:])
                total = loss(logits, batch.target.long()).total
                if distiller is not None:
                    total = total + distiller(batch, output, logits).total
                elif way == "ready, full-size KL":
                    total = total + _plain_kl(logits, self._ready, batch.counts)
            optimizer.zero_grad()
            total.backward()
            optimizer.step()

        return step


def _plain_kl(student: Tensor, teacher: Tensor, counts: Tensor) -> Tensor:
    """The KL divergence at temperature 4 as it is commonly written."""
    divergence = F.kl_div(
        F.log_softmax(student / 4, dim=1), F.softmax(teacher / 4, dim=1), reduction="none"
    ).sum(dim=1)
    return (divergence * counts).sum() / counts.sum() * 16


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
