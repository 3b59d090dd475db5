"""The tables of an evaluation of depth as texts, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from ...metrics import DepthBand, DepthSummary
from ..tables import Table, ends_said, score
from .result import DepthEvaluation

__all__ = ["SCORES", "band_name", "band_table", "depth_tables", "group_table", "score_table"]

SCORES = {
    "AbsRel": "abs_rel",
    "SqRel, m": "sq_rel",
    "RMSE, m": "rmse",
    "RMSE log": "rmse_log",
    "SILog": "silog",
    "log10": "log10",
    "delta < 1.25": "delta1",
    "delta < 1.25^2": "delta2",
    "delta < 1.25^3": "delta3",
    "coverage": "coverage",
}
"""The scores by the names people read."""
_FEW = ("AbsRel", "RMSE, m", "SILog", "delta < 1.25", "coverage")


def score_table(evaluation: DepthEvaluation) -> Table:
    """The scores over all pixels and as the mean of pictures, as they are and scaled to the median."""
    scaled = evaluation.scaled
    columns = (evaluation.overall, evaluation.pictures, scaled.overall, scaled.pictures)
    rows = [
        (name, *(score(getattr(found, field)) for found in columns))
        for name, field in SCORES.items()
    ]
    rows.insert(1, ("95 % interval", ends_said(evaluation.abs_rel_interval), "–", "–", "–"))
    return Table(
        headers=("score", "pixels", "pictures", "scaled, pixels", "scaled, pictures"),
        rows=tuple(rows),
    )


def band_table(evaluation: DepthEvaluation) -> Table:
    """The scores by true distance, over all pixels."""
    return Table(
        headers=("distance", "pixels", *_FEW),
        rows=tuple(
            (band_name(band), f"{band.summary.pixels:,}", *_cells(band.summary))
            for band in evaluation.bands
        ),
    )


def group_table(evaluation: DepthEvaluation) -> Table:
    """The scores group by group, over all pixels."""
    return Table(
        headers=(evaluation.by or "group", "images", *_FEW),
        rows=tuple(
            (group.value, str(group.images), *_cells(group.summary)) for group in evaluation.groups
        ),
    )


def depth_tables(evaluation: DepthEvaluation) -> list[Table]:
    """All tables of scores that there are."""
    found = [score_table(evaluation), band_table(evaluation)]
    return [*found, group_table(evaluation)] if evaluation.groups else found


def band_name(band: DepthBand) -> str:
    """A band of distance in words."""
    if band.high_m is None:
        return f"from {band.low_m:g} m"
    return f"{band.low_m:g}–{band.high_m:g} m"


def _cells(summary: DepthSummary) -> list[str]:
    """The cells under `_FEW`."""
    return [score(getattr(summary, SCORES[name])) for name in _FEW]
