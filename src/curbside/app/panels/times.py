"""How fast it really is: frames shown and dropped, every stage, and the last minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ...metrics.timing import LatencySummary
from ..controls import ElidedLabel, fill, page, scrolled, told
from ..plot import LivePlot
from ..theme import Colors

__all__ = ["TimesPanel"]


class TimesPanel(QWidget):
    """Counters, stage timings and the live plot.

    Args:
        colors: Those of the theme.
    """

    def __init__(self, colors: Colors) -> None:
        super().__init__()
        content, layout = page()
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        self.numbers: dict[str, QLabel] = {}
        for place, name in enumerate(("frames/s", "age", "shown", "dropped", "late", "faults")):
            title = QLabel(name)
            title.setProperty("role", "faint")
            self.numbers[name] = QLabel("0")
            line, column = place // 2, 2 * (place % 2)
            grid.addWidget(title, line, column)
            grid.addWidget(self.numbers[name], line, column + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.precision, self.device = ElidedLabel(""), ElidedLabel("")
        for line, (name, label) in enumerate(
            (("runs in", self.precision), ("device", self.device)), start=3
        ):
            title = QLabel(name)
            title.setProperty("role", "faint")
            grid.addWidget(title, line, 0)
            grid.addWidget(label, line, 1, 1, 3)
        layout.addLayout(grid)

        self.table = QTableWidget(0, 4)
        told(self.table, "Stages", "What every stage takes, in milliseconds")
        self.table.setHorizontalHeaderLabels(["stage", "p50 ms", "p95 ms", "p99 ms"])
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(20)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.setTabKeyNavigation(False)
        self.table.setShowGrid(False)
        self.table.setMinimumHeight(92)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        layout.addWidget(self.table, 3)
        self.plot = LivePlot(colors)
        layout.addWidget(self.plot, 2)

        fill(self, scrolled(content))

    def show_numbers(self, numbers: Mapping[str, str], precision: str) -> None:
        """Show the counters, by their names, and what the arithmetic runs in."""
        for name, text in numbers.items():
            self.numbers[name].setText(text)
        self.precision.show_text(precision or "not known yet")

    def show_stages(self, stages: Mapping[str, LatencySummary]) -> None:
        """Show what every stage took."""
        rows = [(name, summary) for name, summary in stages.items() if summary.count]
        self.table.setRowCount(len(rows))
        for place, (name, summary) in enumerate(rows):
            p99 = getattr(summary, "p99_ms", None)
            cells: Sequence[str] = (
                name,
                f"{summary.p50_ms:.1f}",
                f"{summary.p95_ms:.1f}",
                "" if p99 is None else f"{p99:.1f}",
            )
            for column, text in enumerate(cells):
                item = self.table.item(place, column)
                if item is None:
                    item = QTableWidgetItem()
                    if column:
                        item.setTextAlignment(
                            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                        )
                    self.table.setItem(place, column, item)
                item.setText(text)

    def show_colors(self, colors: Colors) -> None:
        """Follow the theme."""
        self.plot.colors = colors
        self.plot.update()
