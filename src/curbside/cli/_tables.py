"""Printing the tables that reports share with the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

    from ..evaluation.tables import Table

__all__ = ["print_table"]


def print_table(console: Console, table: Table) -> None:
    """Print a table of texts; columns of numbers are set to the right."""
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable()
    for index, header in enumerate(table.headers):
        cells = [row[index] for row in table.rows]
        numbers = all(cell == "–" or cell.lstrip("+-")[:1].isdigit() for cell in cells)
        justify: Literal["left", "right"] = "right" if numbers and index else "left"
        shown.add_column(escape(header), justify=justify, overflow="fold")
    for row in table.rows:
        shown.add_row(*(escape(cell) for cell in row))
    console.print(shown)
