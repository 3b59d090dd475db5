"""What decides a training of YOLOv8-seg through Ultralytics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ..convert.outward import Yolo
from ..errors import ConfigError
from ..manifest import Task
from .run_config import FoldersConfig, RunConfig

__all__ = ["YoloConfig", "YoloDataConfig"]

_STRIDE = 32


@dataclass(frozen=True, kw_only=True)
class YoloDataConfig(FoldersConfig):
    """Where the samples come from, and as which classes they are learned."""

    classes: tuple[str, ...] = ()
    """idd5, the five classes of the IDD edge project; or space, every class with instances; or classes of
    your own, as NAME=CLASS,CLASS NAME=CLASS in their order. Where not given: idd5 for IDD, space for
    others."""
    backgrounds: bool = True
    """Learn from pictures without objects, too."""
    min_area: int = 10
    """Objects of fewer pixels are left out."""
    workers: int = 2
    """Processes that read and augment; Ultralytics takes none on a CPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.root) > 1:
            raise ConfigError(
                f"YOLO learns from one folder, not from {len(self.root)}",
                fix="give one --data.root",
            )
        if self.workers < 0:
            raise ConfigError(f"{self.workers} workers are impossible", fix="give 0 or more")
        self.layout()

    def layout(self) -> Yolo:
        """How the prepared folder is written for Ultralytics.

        Raises:
            ConfigError: An option is impossible.
        """
        return Yolo(classes=self.classes, backgrounds=self.backgrounds, min_area=self.min_area)


@dataclass(frozen=True, kw_only=True)
class YoloConfig(RunConfig):
    """A whole training run of YOLOv8-seg; Ultralytics trains, and its licence, AGPL-3.0, goes with it."""

    task: ClassVar[Task] = "instances"

    data: YoloDataConfig = field(default_factory=YoloDataConfig)
    """The samples."""
    weights: str | None = None
    """What to start from: a .pt file of Ultralytics, or the name of one that it publishes, such as
    yolov8n-seg.pt, which is fetched; random weights where not given."""
    size: Literal["n", "s", "m"] = "n"
    """Size of the network: nano, small or medium."""
    image_size: int = 640
    """Height and width of the square that pictures are letterboxed into, a multiple of 32."""
    export_hw: tuple[int, int] | None = None
    """Height and width of the picture that the model file takes, multiples of 32; the square where not
    given. One of the frames' own shape has no grey border to compute."""
    epochs: int = 100
    """Passes over the training split."""
    batch_size: int = 16
    """Pictures per forward pass."""
    step_pictures: int = 64
    """Pictures that an optimiser step learns from, over several passes where a batch is smaller; fewer
    give a short run more steps."""
    patience: int = 100
    """Epochs without a better score after which the run stops early."""
    optimizer: Literal["auto", "SGD", "AdamW"] = "auto"
    """The optimiser; auto leaves it and the learning rate to Ultralytics."""
    lr: float = 0.01
    """First learning rate, unless the optimiser is auto."""
    mosaic: float = 1.0
    """Share of training pictures that are put together from four."""
    close_mosaic: int = 10
    """Last epochs without such pictures."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """The device: one GPU or the CPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "batch_size", "step_pictures", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix="give 1 or more")
        if self.close_mosaic < 0:
            raise ConfigError(f"close_mosaic is {self.close_mosaic}", fix="give 0 or more")
        if not self.lr > 0 or not 0 <= self.mosaic <= 1:
            raise ConfigError(
                f"a learning rate of {self.lr} with a share of mosaics of {self.mosaic} is impossible",
                fix="choose a rate over 0 and a share in 0..1",
            )
        for side in (self.image_size, *(self.export_hw or ())):
            if side < _STRIDE or side % _STRIDE:
                raise ConfigError(
                    f"YOLOv8 cannot take a side of {side} pixels",
                    fix=f"choose a multiple of {_STRIDE}, such as {max(1, round(side / _STRIDE)) * _STRIDE}",
                )

    @property
    def title(self) -> str:
        """The architecture in words."""
        return f"YOLOv8{self.size}-seg"

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the picture that the model file takes."""
        return self.export_hw or (self.image_size, self.image_size)
