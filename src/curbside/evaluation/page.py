"""A self-contained HTML page: no script, nothing fetched, opens offline."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..files import write_json, write_text
from ..imaging import encode_jpeg
from .tables import Table

__all__ = ["Page", "write_files"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff;
       max-width: 1080px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 1.7rem; margin: 0 0 .4rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p { max-width: 75ch; margin: .5rem 0; }
.scroll { overflow-x: auto; margin: .8rem 0 1.6rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: 4px 14px 4px 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #e4e7eb; }
th { color: #52606d; font-weight: 600; border-bottom-color: #9aa5b1; }
td.number, th.number { text-align: right; }
figure { margin: 1rem 0; } figcaption { color: #52606d; font-size: .9rem; max-width: 75ch; }
figure svg { max-width: 100%; height: auto; }
figure img { max-width: 100%; height: auto; display: block; border-radius: 3px; }
.row { display: flex; flex-wrap: wrap; gap: 12px 28px; align-items: flex-start; }
.swatches span { display: inline-flex; align-items: center; gap: 6px; margin: 2px 16px 2px 0;
                 font-size: .9rem; }
.swatches i { width: 14px; height: 14px; border-radius: 3px; border: 1px solid #cbd2d9; }
.row figure { margin: .4rem 0; overflow-wrap: anywhere; } .pictures { gap: 12px; }
.pictures figure { flex: 1 1 calc(.65 * var(--width)); max-width: var(--width); }
"""


def write_files(out_dir: Path, *, data: Any, text: str, page: Page) -> Path:
    """Write `report.json`, `report.md` and `report.html` into a folder, which is made if missing.

    Args:
        out_dir: Where to write.
        data: JSON values.
        text: Markdown.
        page: The page.

    Returns:
        The path of `report.html`.

    Raises:
        StorageError: The place cannot be written.
    """
    write_json(out_dir / "report.json", data)
    write_text(out_dir / "report.md", text)
    page.write(out_dir / "report.html")
    return out_dir / "report.html"


class Page:
    """An HTML page that is filled from top to bottom; every text is escaped.

    Args:
        title: Its title.
    """

    def __init__(self, title: str) -> None:
        self._title = escape(title)
        self._parts: list[str] = [f"<h1>{self._title}</h1>"]

    def heading(self, text: str) -> None:
        """A heading over what follows."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table of texts; the first column holds names, others whose every cell starts like a number
        are set to the right."""
        body = [list(row) for row in rows]
        kinds = [
            ' class="number"' if i and body and all(_is_number(row[i]) for row in body) else ""
            for i in range(len(headers))
        ]
        lines = [_row("th", headers, kinds), *(_row("td", row, kinds) for row in body)]
        self._parts.append(f'<div class="scroll"><table>{"".join(lines)}</table></div>')

    def put(self, table: Table) -> None:
        """A table that the terminal may show, too; see `table`."""
        self.table(table.headers, table.rows)

    def figure(self, svg: str, caption: str = "") -> None:
        """A plot.

        Args:
            svg: An `<svg>` element from our own plots; it is trusted.
            caption: What it shows.
        """
        self._parts.append(_figure(svg, caption))

    def figures(self, figures: Iterable[tuple[str, str]]) -> None:
        """Plots beside one another, as (svg, caption) pairs."""
        inner = "".join(_figure(svg, caption) for svg, caption in figures)
        self._parts.append(f'<div class="row">{inner}</div>')

    def image(self, rgb: np.ndarray, caption: str = "", *, max_width: int = 960) -> None:
        """A picture, scaled down where it is wider than `max_width` pixels.

        Args:
            rgb: (H, W, 3) uint8.
            caption: What it shows.
            max_width: In pixels.
        """
        self._parts.append(_figure(_picture(rgb, max_width), caption))

    def images(self, pictures: Iterable[tuple[np.ndarray, str]], *, max_width: int = 340) -> None:
        """Pictures beside one another, as (rgb, caption) pairs; see `image`."""
        inner = "".join(_figure(_picture(rgb, max_width), caption) for rgb, caption in pictures)
        row = f'<div class="row pictures" style="--width: {max_width}px">{inner}</div>'
        self._parts.append(row)

    def swatches(self, colors: Mapping[str, tuple[int, int, int]]) -> None:
        """What each colour means: names with their RGB colours."""
        inner = "".join(
            f'<span><i style="background: rgb({r}, {g}, {b})"></i>{escape(name)}</span>'
            for name, (r, g, b) in colors.items()
        )
        self._parts.append(f'<p class="swatches">{inner}</p>')

    def html(self) -> str:
        """The page as it stands."""
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{self._title}</title><style>{_STYLE}</style></head><body>\n"
            + "\n".join(self._parts)
            + "\n</body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page to a file, whole or not at all.

        Raises:
            StorageError: The place cannot be written.
        """
        write_text(path, self.html())


def _is_number(text: str) -> bool:
    return text in ("", "–") or text.lstrip("+-").replace(",", "")[:1].isdigit()


def _row(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    inner = "".join(
        f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)
    )
    return f"<tr>{inner}</tr>"


def _figure(inner: str, caption: str) -> str:
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{inner}{below}</figure>"


def _picture(rgb: np.ndarray, max_width: int) -> str:
    height, width = rgb.shape[:2]
    if width > max_width:
        size = (max_width, max(1, round(height * max_width / width)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(encode_jpeg(rgb, quality=88)).decode()
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'
