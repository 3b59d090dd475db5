"""A lineup as a table."""

from __future__ import annotations

from ..evaluation.tables import Table, score
from .lineup import FileScore, Lineup

__all__ = ["lineup_table"]


def lineup_table(lineup: Lineup) -> Table:
    """One row per file: scores, agreement, speed and size."""
    headers = (
        "file",
        "runs in",
        "mIoU",
        "ECE",
        "agrees",
        "network, ms",
        "frame to result, ms",
        "times the speed",
        "MB",
    )
    rows = [
        (
            file.path.name,
            file.precision,
            *_scores(file),
            f"{file.agreement:.2%}",
            f"{file.latency.p50_ms:.2f} / {file.latency.p95_ms:.2f}",
            f"{file.whole.p50_ms:.2f} / {file.whole.p95_ms:.2f}",
            f"{lineup.speed_up(place):.2f}",
            f"{file.size_bytes / 1e6:.2f}",
        )
        for place, file in enumerate(lineup.files)
    ]
    kept = [
        place for place in range(len(headers)) if any(row[place] not in ("", "–") for row in rows)
    ]
    return Table(
        headers=tuple(headers[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
    )


def _scores(file: FileScore) -> tuple[str, str]:
    if file.evaluation is None:
        return "", ""
    overall = file.evaluation.overall
    return score(overall.miou), score(overall.ece)
