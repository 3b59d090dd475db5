"""`report.json`, `report.md` and `report.html` of a study, and its section of a document."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...evaluation import Page, plots
from ...evaluation.tables import Table
from ...files import write_json, write_text
from ...metrics import Reliability
from . import tables
from .cost import Budget
from .notes import measured_on, notes
from .pictures import show_pictures
from .plan import Plan
from .plots import bands
from .results import Result, read_results, read_teachers
from .verdict import Verdict

__all__ = ["write_section", "write_study_report"]


def write_study_report(plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> Path:
    """Write `report.json`, `report.md` and `report.html` into the folder of a study.

    Args:
        plan: The study.
        verdict: What it says.
        failed: Why jobs failed, by their keys.

    Returns:
        The path of `report.html`.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        StorageError: The place cannot be written.
    """
    page = _page(plan, verdict, failed)
    budget = {"budget": plan.budget, "amount": plan.amount, "seeds": plan.seeds}
    costs = {name: asdict(variant.cost) for name, variant in plan.variants.items()}
    write_json(
        plan.folder / "report.json",
        _finite(
            {
                **verdict.to_dict(),
                **budget,
                "costs": costs,
                "notes": notes(plan, verdict, failed),
                "measured_on": measured_on(plan),
                "failed": dict(failed),
            }
        ),
    )
    write_text(
        plan.folder / "report.md", f"# {_title(plan)}\n\n{_markdown(plan, verdict, failed)}\n"
    )
    page.write(plan.folder / "report.html")
    return plan.folder / "report.html"


def write_section(path: Path, plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> None:
    """Write what a study says into a document, between `<!-- study NAME -->` and
    `<!-- /study NAME -->`; at its end where these are not there.

    Args:
        path: A Markdown file; made if missing.
        plan: The study.
        verdict: What it says.
        failed: Why jobs failed, by their keys.

    Raises:
        DataError: One of the marks stands there without the other.
        StorageError: The file cannot be written.
    """
    name = plan.folder.absolute().name
    first, last = f"<!-- study {name} -->", f"<!-- /study {name} -->"
    section = f"{first}\n## {_title(plan)}\n\n{_markdown(plan, verdict, failed)}\n{last}"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(first) != text.count(last) or text.count(first) > 1:
        raise DataError(
            f"{path} does not have one {first} with one {last} behind it", fix="repair the marks"
        )
    if first in text:
        whole = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
        text = whole.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n".lstrip()
    write_text(path, text)


def _title(plan: Plan) -> str:
    return f"Study {plan.folder.absolute().name}"


def _finite(value: Any) -> Any:
    """JSON has no nan."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> str:
    shown = [tables.score_table(plan, verdict)]
    if verdict.teachers:
        shown.append(tables.teacher_table(plan, verdict))
    shown += [tables.plan_table(plan), tables.class_table(verdict)]
    groups = tables.group_table(plan, verdict)
    shown += [groups] if groups.rows else []
    shown.append(tables.change_table(plan))
    shown.append(Table(headers=("measured on", ""), rows=tuple(measured_on(plan).items())))
    sentences = [finding.sentence for finding in verdict.findings.values()]
    listed = "\n".join(f"- {_plain(line)}" for line in [*sentences, *notes(plan, verdict, failed)])
    return "\n\n".join([shown[0].markdown(), listed, *(table.markdown() for table in shown[1:])])


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())


def _page(plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> Page:
    results = read_results(plan)
    page = Page(_title(plan))
    page.put(tables.score_table(plan, verdict))
    for finding in verdict.findings.values():
        page.text(finding.sentence)
    for line in notes(plan, verdict, failed):
        page.text(line)
    page.heading("What a run costs")
    page.put(tables.plan_table(plan))
    page.put(tables.cost_table(plan))
    if verdict.teachers:
        page.put(tables.teacher_table(plan, verdict))
    page.heading("While training")
    page.figures(_curves(plan, results))
    compared = [one for one in verdict.findings.values() if one.difference is not None]
    if compared:
        page.heading("Differences to the control")
        page.figure(
            plots.changes(
                [one.name for one in compared],
                [100 * one.difference.value for one in compared if one.difference],
                [
                    (100 * one.difference.low, 100 * one.difference.high)
                    for one in compared
                    if one.difference
                ],
                label="points of mIoU over the control, with 95 % intervals",
            ),
            "Grey where the interval holds zero.",
        )
    _show_classes(page, verdict)
    groups = tables.group_table(plan, verdict)
    if groups.rows:
        page.heading(f"By {plan.by}")
        page.put(groups)
    _show_reliability(page, plan, verdict, results)
    show_pictures(page, plan, verdict, results)
    page.heading("In what the variants differ from the control")
    page.put(tables.change_table(plan))
    page.heading("Measured on")
    page.table(("what", "which"), measured_on(plan).items())
    return page


def _curves(plan: Plan, results: Mapping[str, Mapping[int, Result]]) -> list[tuple[str, str]]:
    by_step, by_compute = {}, {}
    counted: Budget = "time" if plan.budget == "time" else "flops"
    most = max(one.cost.spent(counted, one.steps) for one in plan.variants.values())
    unit, size = ("seconds, as timed", 1.0) if counted == "time" else tables.macs_unit(most)
    for name, by_seed in results.items():
        runs = [run.validations() for run in by_seed.values()]
        if not runs:
            continue
        steps = [step for step, _ in runs[0]]
        values = np.array([[100 * miou for _, miou in run] for run in runs])
        by_step[name] = (steps, values)
        cost = plan.variants[name].cost
        by_compute[name] = ([cost.spent(counted, step) / size for step in steps], values)
    if not by_step:
        return []
    score = "mIoU on the validation split, %"
    return [
        (bands(by_step, x_label="steps", y_label=score), "Mean and range over the seeds."),
        (
            bands(by_compute, x_label=f"{unit}, teachers included", y_label=score),
            "The same against what was spent.",
        ),
    ]


def _show_classes(page: Page, verdict: Verdict) -> None:
    page.heading("Class by class")
    best = verdict.findings.get(verdict.best or "")
    found = [] if best is None else list(zip(verdict.classes, best.iou_difference, strict=False))
    known = [(name, change) for name, change in found if change is not None]
    if best is not None and known:
        page.figure(
            plots.changes(
                [name for name, _ in known],
                [100 * change.value for _, change in known],
                [
                    None if math.isnan(change.low) else (100 * change.low, 100 * change.high)
                    for _, change in known
                ],
                label=f"points of IoU of {best.name} over the control",
            )
        )
    page.put(tables.class_table(verdict))


def _show_reliability(
    page: Page, plan: Plan, verdict: Verdict, results: Mapping[str, Mapping[int, Result]]
) -> None:
    shown = [(name, next(iter(runs.values()))) for name, runs in results.items() if runs]
    shown += [item for item in read_teachers(plan).items() if item[0] not in results]
    figures = []
    for name, run in shown:
        diagram = run.report["reliability"]
        if diagram is not None:
            values = {
                key: np.array([math.nan if v is None else v for v in found], float)
                for key, found in diagram.items()
            }
            figures.append(
                (plots.reliability(Reliability(**values)), f"{name}, ECE {run.scores['ece']:.4f}")
            )
    if figures:
        page.heading("Reliability")
        page.text("The first seed of each, without a temperature fitted to it.")
        page.figures(figures)
