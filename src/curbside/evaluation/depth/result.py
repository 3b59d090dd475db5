"""What an evaluation of depth found, and exactly what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...manifest import DepthSpec
from ...metrics import DepthBand, DepthSummary
from ..intervals import Interval
from ..result import ran_said
from .camera import CameraFit
from .density import DepthDensity

__all__ = ["DepthEvaluation", "DepthGroup", "MedianScaling", "WorstDepth"]


@dataclass(frozen=True, kw_only=True)
class DepthGroup:
    """The scores over the pictures that share a tag's value."""

    value: str
    """The tag's value; `(none)` gathers the pictures without the tag."""
    images: int
    """Number of pictures."""
    summary: DepthSummary
    """Their scores, over all pixels."""


@dataclass(frozen=True, kw_only=True)
class MedianScaling:
    """The scores once every picture's depth is multiplied by the factor that makes its median right: how
    good its shape is. The truth is used for it, as papers on one camera do; metres are worth nothing here.

    Source: Zhou et al. 2017, Unsupervised Learning of Depth and Ego-Motion from Video.
    """

    overall: DepthSummary
    """Over all pixels."""
    pictures: DepthSummary
    """The mean of what each picture scores by itself."""
    factor: float | None
    """The median of the factors; 1 where the metres are right. None where no picture has one."""
    spread: float | None
    """Standard deviation of the factors over their median."""


@dataclass(frozen=True, kw_only=True)
class WorstDepth:
    """A picture that went badly."""

    id: str
    """Id of the sample."""
    abs_rel: float
    """Its mean of |predicted - true| / true."""
    delta1: float
    """Its share of pixels within a factor of 1.25."""
    pixels: int
    """How many pixels were scored."""


@dataclass(frozen=True, kw_only=True)
class DepthEvaluation:
    """Scores of a network that tells depth over a split, and what they were measured on."""

    overall: DepthSummary
    """Scores over all pixels of all pictures."""
    pictures: DepthSummary
    """The mean of what each picture scores by itself, as papers on KITTI report."""
    scaled: MedianScaling
    """Both with each picture scaled to the median of its truth."""
    bands: tuple[DepthBand, ...]
    """Scores by true distance, over all pixels; those without a known pixel are left out."""
    abs_rel_interval: Interval | None
    """The 95 % interval of the AbsRel of all pixels over pictures, by the bootstrap; None with too few."""
    density: DepthDensity
    """Pixels by true and predicted depth; not in the JSON."""
    by: str | None
    """The tag that the groups are of."""
    groups: tuple[DepthGroup, ...]
    """Scores per value of the tag, by value; empty without a tag."""
    worst: tuple[WorstDepth, ...]
    """The pictures with the highest AbsRel, worst first."""
    unreadable: tuple[str, ...]
    """What was wrong with each picture that was left out."""
    images: int
    """Number of pictures scored."""
    camera: CameraFit
    """Whether the pictures are of the camera that the network's metres are for."""
    trusted: bool
    """Whether only pixels counted whose confidence is over 127."""
    doubtless: int
    """Where that is so: pictures without a confidence, all of which counted."""
    max_m: float | None
    """Truth beyond it did not count, and predictions were cut to it; None for no limit."""
    depth: DepthSpec
    """What the network's metres are good for, from its Manifest."""
    dataset: str
    """Name of the dataset's folder."""
    split: str
    """The split."""
    model: str
    """The architecture, in words."""
    source: Mapping[str, Any]
    """The run behind the model, from its Manifest."""
    precision: str
    """What the network really ran in."""
    input_size_hw: tuple[int, int]
    """Size of the network's input, in pixels; scores are taken at the size of the pictures."""
    hardware: str
    """The processor and its cores."""
    seconds: float
    """Time for everything, reading and scoring included."""

    def remarks(self) -> tuple[str, ...]:
        """What a reader must know before believing the numbers."""
        return (self.camera.remark,) if self.camera.remark else ()

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        height, width = self.input_size_hw
        return {
            "model": self.model,
            "precision": self.precision,
            "network input": f"{width} x {height} pixels; scored at the size of the pictures",
            "dataset": f"{self.dataset}, split {self.split}",
            "images": f"{self.images}",
            "pixels": f"{self.overall.pixels:,}, {self._truth()}",
            **self._farthest(),
            **self._camera(),
            **ran_said(self.hardware, self.seconds, {"run": self.source}),
        }

    def _truth(self) -> str:
        """Which pixels counted."""
        which = "all whose depth is known"
        if self.trusted:
            which = "those whose depth is known with a confidence over 127 of 255"
            if self.doubtless:
                which += f"; {self.doubtless} pictures tell no confidence, and count in full"
        if self.max_m is not None:
            which += f", up to {self.max_m:g} m, to which predictions were cut"
        return which

    def _farthest(self) -> dict[str, str]:
        far = self.depth.max_m
        return {} if far is None else {"farthest that the network says": f"{far:g} m"}

    def _camera(self) -> dict[str, str]:
        """The camera that metres are for."""
        fit, said = self.camera, {}
        if fit.network_xy_px is not None:
            x, y = fit.network_xy_px
            words = f", {self.depth.camera}" if self.depth.camera else ""
            said["trained for"] = f"a focal length of {x:.4g} x {y:.4g} px at its input{words}"
        if fit.pictures_xy_px is not None:
            x, y = fit.pictures_xy_px
            said["taken with"] = (
                f"a focal length of {x:.4g} x {y:.4g} px at the network's input, the median of"
                f" {fit.pictures} pictures that tell it"
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return {
            "model": self.model,
            "source": dict(self.source),
            "precision": self.precision,
            "input_size_hw": list(self.input_size_hw),
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "trusted": self.trusted,
            "pictures_without_confidence": self.doubtless,
            "max_m": self.max_m,
            "network": asdict(self.depth),
            "camera": self.camera.to_dict(),
            "remarks": list(self.remarks()),
            "hardware": self.hardware,
            "seconds": self.seconds,
            "scores": asdict(self.overall),
            "abs_rel_interval": self.abs_rel_interval and list(self.abs_rel_interval),
            "mean_of_pictures": asdict(self.pictures),
            "median_scaled": {
                "scores": asdict(self.scaled.overall),
                "mean_of_pictures": asdict(self.scaled.pictures),
                "factor": self.scaled.factor,
                "spread": self.scaled.spread,
            },
            "bands": [
                {"low_m": band.low_m, "high_m": band.high_m, **asdict(band.summary)}
                for band in self.bands
            ],
            "by": self.by,
            "groups": [
                {"value": item.value, "images": item.images, **asdict(item.summary)}
                for item in self.groups
            ],
            "worst": [asdict(item) for item in self.worst],
            "unreadable": list(self.unreadable),
        }
