"""The thresholds: which objects are shown, how two networks become one picture, how often each looks."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from ...manifest import Answer
from ...runtime.scene import Rate
from ..choice import TASKS
from ..controls import Options, ShareSlider, fill, heading, page, row, scrolled, told
from ..rules import Rules
from ..words import TASK_WORDS

__all__ = ["RulesPanel"]

_LABEL_WIDTH = 118
_RATES: tuple[tuple[Rate, str], ...] = (
    (1, "at every frame"),
    (2, "at every 2nd frame"),
    (3, "at every 3rd frame"),
    (5, "at every 5th frame"),
    (10, "at every 10th frame"),
    ("own", "as often as it can"),
)


class RulesPanel(QWidget):
    """Sliders and choices for the rules.

    Args:
        rules: Those to begin with, to which the panel can go back.
    """

    changed = Signal(object)
    """The rules, as they are now."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self._usual = self._rules = rules
        content, layout = page(spacing=5)
        layout.addWidget(heading("Objects"))
        self.confidence = ShareSlider(
            "Confidence", rules.instances.confidence, "Objects more probable than this are shown"
        )
        self.iou = ShareSlider(
            "Overlap (IoU)",
            rules.instances.iou,
            "Of two of one class that overlap by more than this, the better one is shown",
        )
        layout.addWidget(self.confidence)
        layout.addWidget(self.iou)
        layout.addWidget(heading("Classes and objects together"))
        self.shares: dict[str, ShareSlider] = {}
        for name, text, tip in (
            (
                "followed_score",
                "Confidence, known",
                "The same for an object shown in the frame before",
            ),
            (
                "min_visible",
                "Least visible",
                "Refused where better objects leave it less than this",
            ),
            (
                "min_agreement",
                "Least agreement",
                "Refused where the class map agrees on less than this",
            ),
            ("sure_score", "Sure from", "From this confidence on the class map is not asked"),
        ):
            slider = ShareSlider(text, getattr(rules.fusion, name), tip)
            slider.changed.connect(lambda value, name=name: self._fuse(**{name: value}))
            self.shares[name] = slider
            layout.addWidget(slider)
        self.outside = Options(
            "Other objects",
            [("road-users", "road users only"), ("keep", "show"), ("drop", "leave out")],
            "Objects that are none of the class map's",
        )
        self.conflicts = Options(
            "Overlaps go to",
            [("score", "the surer object"), ("agreement", "sure and in agreement")],
            "Who has a pixel that two objects want",
        )
        self.pixels = Options(
            "An object has",
            [("object", "all its pixels"), ("agreed", "pixels that agree")],
            "Which of its pixels an object has",
        )
        self.options = {"outside": self.outside, "conflicts": self.conflicts, "pixels": self.pixels}
        for name, options in self.options.items():
            options.chosen.connect(lambda value, name=name: self._fuse(**{name: value}))
            layout.addLayout(_named(options))
        self.following = QCheckBox("Follow objects from frame to frame")
        told(self.following, "Follow objects from frame to frame")
        self.following.toggled.connect(lambda on: self._tell(replace(self._rules, following=on)))
        layout.addWidget(self.following)
        layout.addWidget(heading("How often each network looks"))
        self.rates: dict[Answer, Options] = {}
        for task in TASKS:
            name = f"{TASK_WORDS[task]} look" if task != "depth" else "Depth looks"
            tip = "Between two looks the last answer holds"
            if task == "depth":
                tip += (
                    "; a network that tells classes as well looks as often as is said for classes"
                )
            options = Options(name, _RATES, tip)
            options.chosen.connect(lambda value, task=task: self._look(task, value))
            self.rates[task] = options
            layout.addLayout(_named(options))
        self.reset_button = QPushButton("As at the start")
        told(self.reset_button, "Back to the rules of the start")
        self.reset_button.clicked.connect(self._reset)
        layout.addWidget(self.reset_button)
        layout.addStretch(1)

        fill(self, scrolled(content))
        self.confidence.changed.connect(
            lambda share: self._tell(self._rules.with_confidence(share))
        )
        self.iou.changed.connect(
            lambda share: self._tell(
                replace(self._rules, instances=replace(self._rules.instances, iou=share))
            )
        )
        self._show()

    @property
    def rules(self) -> Rules:
        """The rules as they are now."""
        return self._rules

    def _fuse(self, **settings: object) -> None:
        fusion = replace(self._rules.fusion, **settings)  # type: ignore[arg-type]
        self._tell(replace(self._rules, fusion=fusion))

    def _look(self, task: Answer, rate: Rate) -> None:
        others = tuple(pair for pair in self._rules.rates if pair[0] != task)
        self._tell(replace(self._rules, rates=others if rate == 1 else (*others, (task, rate))))

    def _reset(self) -> None:
        self._tell(self._usual)
        self._show()

    def _tell(self, rules: Rules) -> None:
        if rules != self._rules:
            self._rules = rules
            self.changed.emit(rules)

    def _show(self) -> None:
        rules = self._rules
        self.confidence.set_value(rules.instances.confidence)
        self.iou.set_value(rules.instances.iou)
        for name, slider in self.shares.items():
            slider.set_value(getattr(rules.fusion, name))
        for name, options in self.options.items():
            options.set_value(getattr(rules.fusion, name))
        self.following.blockSignals(True)
        self.following.setChecked(rules.following)
        self.following.blockSignals(False)
        for task, options in self.rates.items():
            options.set_value(dict(rules.rates).get(task, 1))


def _named(options: Options):
    label = QLabel(options.accessibleName())
    label.setFixedWidth(_LABEL_WIDTH)
    label.setBuddy(options)
    return row(label, options, stretch=1)
