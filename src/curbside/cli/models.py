"""Show the networks that have a name: their size, work, features and published weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..files import dotted

if TYPE_CHECKING:
    from ..evaluation.tables import Table
    from ..models import Network
    from ..models.complexity import Complexity

__all__ = ["main"]

_SIZES_HW = ((512, 512), (1080, 1920))
_WIDE = 150
"""Columns that a terminal needs for the whole table."""
_LEFT_OUT = ("published, M", "GMACs, 1080x1920", "weights")
"""What a narrower one does not show."""
_EXPLAINED = 3.0
"""Difference from the published number of parameters, in percent, that wants a reason."""


def main(argv: list[str]) -> None:
    """Entry of `curbside models`."""
    tyro.cli(_models, args=argv, prog="curbside models", description=__doc__)


def _models(
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    /,
    *,
    macs: bool = False,
    markdown: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Show the networks that have a name.

    Args:
        names: Networks to show in detail, with all their settings; without one, all are listed.
        macs: Also count the multiply-accumulates of every network in the list.
        markdown: Print the whole table in Markdown, with the reason for every difference from a
            published size: what docs/networks.md holds.
        as_json: Print everything as JSON.
    """
    from ..models import load_network, networks

    for name in names:
        load_network(name)
    known = networks()
    listed = not (names or markdown or as_json)
    chosen = [known[name] for name in names or known]
    entries = _count(chosen, _SIZES_HW if macs or not listed else ())
    if as_json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=2, default=str))
    elif markdown:
        print(_table(entries).markdown())
        print("\n" + "\n".join(_reasons(entries)))
    elif listed:
        _list(entries)
    else:
        _show(entries)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A network and what was counted of it."""

    network: Network
    found: Complexity

    @property
    def difference_percent(self) -> float | None:
        """How many more parameters ours has than were published; None where none were."""
        published_m = self.network.published_m
        return published_m and 100 * (self.found.parameters / (1e6 * published_m) - 1)

    @property
    def differs(self) -> str:
        """The same as text."""
        percent = self.difference_percent
        return "–" if percent is None else f"{round(percent, 1) + 0.0:+.1f} %"

    def to_dict(self) -> dict[str, Any]:
        network, found = self.network, self.found
        return {
            "name": network.name,
            "title": network.config.title,
            "classes": network.published_classes,
            "parameters": found.parameters,
            "training_parameters": found.training_parameters,
            "published_m": network.published_m,
            "published_in": network.published_in,
            "difference_percent": self.difference_percent,
            "difference": network.difference,
            "macs": {f"{height}x{width}": macs for (height, width), macs in found.macs.items()},
            "features": [asdict(spec) for spec in found.features],
            "encoder_weights": _encoder_weights(network),
            "weights": network.weights,
            "architecture": type(network.config).__name__,
            "settings": asdict(network.config),
        }


def _count(chosen: Sequence[Network], sizes_hw: Sequence[tuple[int, int]]) -> list[_Entry]:
    from ..models.complexity import complexity
    from ..progress import track

    return [
        _Entry(
            network=network,
            found=complexity(network.config, network.published_classes, *sizes_hw),
        )
        for network in track(chosen, total=len(chosen), description="counting", unit="networks")
    ]


def _encoder_weights(network: Network) -> str:
    """Which weights `pretrained` fetches for the encoder, and their licence; empty for none."""
    import timm

    encoder: Any = getattr(network.config, "encoder", None)
    if encoder is None or encoder.deep_stem:  # timm has none of that form
        return ""
    name = encoder.name
    if name.startswith("mit_b"):
        return "NVIDIA's, for research and evaluation only"
    if name.startswith("smp-"):
        return "torchvision's, bsd-3-clause"
    published: Any = timm.get_pretrained_cfg(name)
    if published is None or not published.has_weights:
        return ""
    return f"timm {published.tag}, {published.license or 'licence not stated'}"


def _table(entries: Sequence[_Entry]) -> Table:
    from ..evaluation.tables import Table

    cells = [_cells(entry) for entry in entries]
    return Table(headers=tuple(cells[0]), rows=tuple(tuple(row.values()) for row in cells))


def _cells(entry: _Entry) -> dict[str, str]:
    """A row of the whole table by its headers."""
    network, found = entry.network, entry.found
    macs = {
        f"GMACs, {height}x{width}": f"{count / 1e9:.2f}"
        for (height, width), count in found.macs.items()
    }
    return {
        "network": network.name,
        "parameters, M": f"{found.parameters / 1e6:.2f}",
        "published, M": "–" if network.published_m is None else f"{network.published_m:g}",
        "differs": entry.differs,
        **macs,
        "features, channels/stride": _features(found),
        "weights": _weights(network),
    }


def _features(found: Complexity) -> str:
    return " ".join(f"{spec.channels}/{spec.stride}" for spec in found.features)


def _weights(network: Network) -> str:
    encoder = _encoder_weights(network)
    return "; ".join(filter(None, [encoder and f"encoder: {encoder}", network.weights])) or "–"


def _reasons(entries: Sequence[_Entry]) -> Iterator[str]:
    """A line of Markdown for every difference that wants a reason."""
    for entry in entries:
        percent, network = entry.difference_percent, entry.network
        if percent is not None and abs(percent) > _EXPLAINED:
            yield (
                f"- **{network.name}**, {entry.differs} from {network.published_m:g} M"
                f" ({network.published_in}): {network.difference}"
            )


def _list(entries: Sequence[_Entry]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console(highlight=False)
    whole = _table(entries)
    left_out = () if console.width >= _WIDE else _LEFT_OUT
    table = RichTable(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    shown = [place for place, header in enumerate(whole.headers) if header not in left_out]
    for place in shown:
        header = whole.headers[place]
        is_text = header.startswith(("network", "features", "weights"))
        table.add_column(
            header.replace(", ", "\n"),
            justify="left" if is_text else "right",
            no_wrap=header == "network",
        )
    for row in whole.rows:
        table.add_row(*(escape(row[place]) for place in shown))
    console.print(table)
    print(f"{len(entries)} networks; in detail: curbside models NAME...")


def _show(entries: Sequence[_Entry]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    for entry in entries:
        table = RichTable(
            box=SIMPLE_HEAD, show_header=False, title=entry.network.name, title_justify="left"
        )
        for name, text in _details(entry).items():
            table.add_row(escape(name), escape(text))
        Console(highlight=False).print(table)


def _details(entry: _Entry) -> dict[str, str]:
    network, found = entry.network, entry.found
    with_heads = found.training_parameters != found.parameters
    rows = {
        "title": network.config.title,
        "parameters": f"{found.parameters:,} with {network.published_classes} classes"
        + (f"; in training {found.training_parameters:,}" if with_heads else ""),
    }
    percent = entry.difference_percent
    if percent is not None:
        rows["published"] = (
            f"{network.published_m:g} M ({network.published_in}); ours {entry.differs}"
        )
    if network.difference:
        rows["difference"] = network.difference
    for (height, width), macs in found.macs.items():
        rows[f"MACs at {height} x {width}"] = f"{macs / 1e9:.2f} G"
    for spec in found.features:
        rows[f"feature {spec.name}"] = f"{spec.channels} channels at stride {spec.stride}"
    rows["weights"] = _weights(network)
    rows["architecture"] = type(network.config).__name__
    return rows | {name: str(value) for name, value in dotted(asdict(network.config))}
