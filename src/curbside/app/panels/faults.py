"""What went wrong, and what was done about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QWidget

from ...runtime import Fault
from ..controls import ElidedLabel, fill, page, plain, told

__all__ = ["FaultsPanel"]


class FaultsPanel(QWidget):
    """The latest faults, newest first, and how many there were at each stage."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Fault, ...] | None = None
        content, layout = page()
        self.counts = ElidedLabel("")
        layout.addWidget(self.counts)
        self.list = QListWidget()
        told(self.list, "Faults", "What went wrong, newest first, and what was done about it")
        self.list.setWordWrap(True)
        self.list.setAlternatingRowColors(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout.addWidget(self.list, 1)
        fill(self, content)
        self.show_faults((), {})

    def show_faults(self, faults: Sequence[Fault], counts: Mapping[str, int]) -> None:
        """List these, oldest first as they are given.

        Args:
            faults: The latest.
            counts: All there were, by stage.
        """
        if self._shown == tuple(faults):
            return
        self._shown = tuple(faults)
        told_of = ", ".join(f"{stage} {count}" for stage, count in counts.items() if count)
        self.counts.show_text(told_of or "Nothing went wrong so far.")
        self.list.clear()
        for fault in reversed(self._shown):
            moment = datetime.fromtimestamp(fault.at_s).strftime("%H:%M:%S")
            where = "" if fault.frame is None else f", frame {fault.frame}"
            text = f"{moment}  {fault.stage}{where}\n{fault.message}\nDone: {fault.action}"
            item = QListWidgetItem(text)
            item.setToolTip(plain(text))
            self.list.addItem(item)
