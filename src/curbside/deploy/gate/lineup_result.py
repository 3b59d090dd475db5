"""What came of model files side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...evaluation import Evaluation
from ...evaluation.depth import DepthEvaluation
from ...evaluation.instances import InstanceEvaluation
from ...manifest import Task
from ...metrics.timing import LatencySummary

__all__ = ["FileScore", "Lineup", "scored_on"]


@dataclass(frozen=True, kw_only=True)
class FileScore:
    """What one file scored."""

    path: Path
    """The file."""
    task: Task
    """What it answers."""
    size_bytes: int
    """Its size, with the parts that belong to it."""
    precision: str
    """What its arithmetic really ran in."""
    device: str
    """What it computed on: `cpu`, `cuda` or `hailo`."""
    input_size_hw: tuple[int, int]
    """Size of the network's input, in pixels."""
    agreement: float | None
    """Of a semantic network, the share of pixels that have the first file's class, 0..1; of an instance
    network, the share of objects that both found, twice the matches over all (a match is of one class
    and overlaps by an IoU of 0.9); None of one that tells depth alone."""
    latency: LatencySummary
    """Time of the bare network."""
    whole: LatencySummary
    """Time from the frame to the class map, to the objects with their masks, or to the depth."""
    depth_difference: float | None = None
    """Mean difference of its depth from the first file's, as a share of that; None where it tells none."""
    evaluation: Evaluation | None = None
    """Its scores, where there was data to score on."""
    objects: InstanceEvaluation | None = None
    """The same of a network that finds objects."""
    depth: DepthEvaluation | None = None
    """The same of depth, which may be scored on other samples."""

    @property
    def scored(self) -> Evaluation | InstanceEvaluation | None:
        """The scores of its classes or objects."""
        return self.evaluation or self.objects

    @property
    def miou(self) -> float | None:
        """Its mIoU, 0..1; None where it was not scored."""
        return None if self.evaluation is None else self.evaluation.overall.miou

    @property
    def mask_ap(self) -> float | None:
        """Average precision of its masks, 0..1; None where it was not scored."""
        return None if self.objects is None else self.objects.overall.mask.average.ap

    @property
    def abs_rel(self) -> float | None:
        """Mean relative error of its depth; None where it was not scored."""
        return None if self.depth is None else self.depth.overall.abs_rel

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON values."""
        found, objects = self.evaluation, self.objects
        scores = None if found is None else asdict(found.overall)
        return {
            "file": str(self.path),
            "task": self.task,
            "size_bytes": self.size_bytes,
            "precision": self.precision,
            "device": self.device,
            "input_size_hw": list(self.input_size_hw),
            "agreement": self.agreement,
            "latency": asdict(self.latency),
            "whole": asdict(self.whole),
            "scores": scores if objects is None else objects.overall.to_dict(),
            "depth_difference": self.depth_difference,
            "depth": None if self.depth is None else asdict(self.depth.overall),
        }


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Files on the same pictures, with the same threads; the first is what the others are held to."""

    files: tuple[FileScore, ...]
    """One per file, in the order given."""
    threads: int
    """Threads of each network."""
    pictures: str
    """What speed and agreement were measured on."""
    hardware: str
    """The processor and its cores."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files, whole paths where two are the same."""
        names = tuple(file.path.name for file in self.files)
        return names if len(set(names)) == len(names) else tuple(str(f.path) for f in self.files)

    def miou_loss(self, place: int = 1) -> float | None:
        """How much mIoU a file lost against the first, 0..1; negative where it gained; None where
        there is no score."""
        return _lost(self.files[0].miou, self.files[place].miou)

    def mask_ap_loss(self, place: int = 1) -> float | None:
        """How much average precision its masks lost, likewise."""
        return _lost(self.files[0].mask_ap, self.files[place].mask_ap)

    def depth_loss(self, place: int = 1) -> float | None:
        """How much the mean relative error of its depth has grown, as a share of the first's; negative
        where it shrank."""
        before, after = self.files[0].abs_rel, self.files[place].abs_rel
        return None if not before or after is None else (after - before) / before

    def speed_up(self, place: int = 1) -> float:
        """How many times faster than the first a file is from frame to result, by the medians."""
        return self.files[0].whole.p50_ms / self.files[place].whole.p50_ms

    def to_dict(self) -> dict[str, Any]:
        """The lineup as JSON values."""
        first = self.files[0]
        found = first.scored or first.depth
        deep = {} if first.depth is None else {"depth_images": first.depth.images}
        return {
            **({} if found is None else scored_on(found)),
            **deep,
            "pictures": self.pictures,
            "hardware": self.hardware,
            "threads": self.threads,
            "files": [
                {
                    **file.to_dict(),
                    "miou_loss": self.miou_loss(place),
                    "mask_ap_loss": self.mask_ap_loss(place),
                    "depth_loss": self.depth_loss(place),
                    "speed_up": self.speed_up(place),
                }
                for place, file in enumerate(self.files)
            ],
        }


def scored_on(found: Evaluation | InstanceEvaluation | DepthEvaluation) -> dict[str, Any]:
    """What scores were taken on, as JSON values."""
    about = {"dataset": found.dataset, "split": found.split, "images": found.images}
    if isinstance(found, DepthEvaluation):
        return about
    return {**about, "classes": list(found.space.names)}


def _lost(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after
