"""How a report says what was measured on what, whatever was scored."""

from __future__ import annotations

from typing import Protocol

from .page import Page
from .tables import Table

__all__ = ["Measured", "measured_parts", "show_measured"]


class Measured(Protocol):
    """What every evaluation can say."""

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What was wrong with each picture that was left out."""
        ...

    def measured_on(self) -> dict[str, str]:
        """What was measured on what, in words."""
        ...


def show_measured(page: Page, evaluation: Measured) -> None:
    """The section of a page."""
    page.heading("Measured on")
    page.table(("what", "which"), evaluation.measured_on().items())
    if evaluation.unreadable:
        page.text(f"{len(evaluation.unreadable)} pictures could not be read and were left out:")
        page.table(["left out"], [[message] for message in evaluation.unreadable])


def measured_parts(evaluation: Measured) -> list[str | Table]:
    """The same as the end of a Markdown document."""
    table = Table(headers=("measured on", ""), rows=tuple(evaluation.measured_on().items()))
    return [table, *(f"Left out: {message}" for message in evaluation.unreadable)]
