"""`report.json`, `report.md` and `report.html` of a study, and its section of a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ...evaluation import Page, section
from ...evaluation.tables import Table
from ...files import write_json, write_text
from . import figures, tables
from .notes import measured_on, notes
from .plan import Plan
from .results import read_results
from .verdict import Verdict

__all__ = ["check_section", "write_section", "write_study_report"]

_KIND = "study"


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
        {
            **verdict.to_dict(),
            **budget,
            "costs": costs,
            "notes": notes(plan, verdict, failed),
            "measured_on": measured_on(plan),
            "failed": dict(failed),
        },
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
    body = f"## {_title(plan)}\n\n{_markdown(plan, verdict, failed)}\n"
    section.put_section(path, _KIND, plan.folder.absolute().name, body)


def check_section(path: Path, folder: Path) -> None:
    """See that a document can take the section of a study.

    Args:
        path: The document.
        folder: Where the study lies.

    Raises:
        DataError: One of the marks stands there without the other, or the document is no text.
    """
    section.check_section(path, _KIND, folder.absolute().name)


def _title(plan: Plan) -> str:
    return f"Study {plan.folder.absolute().name}"


def _markdown(plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> str:
    shown = [tables.quality_table(plan, verdict)]
    if verdict.teachers:
        shown.append(tables.teacher_table(plan, verdict))
    shown += [tables.plan_table(plan), tables.class_table(verdict)]
    groups = tables.group_table(plan, verdict)
    shown += [groups] if groups.rows else []
    shown.append(tables.change_table(plan))
    shown.append(Table(headers=("measured on", ""), rows=tuple(measured_on(plan).items())))
    sentences = [finding.sentence for finding in verdict.findings.values()]
    listed = "\n".join(f"- {_plain(line)}" for line in [*sentences, *notes(plan, verdict, failed)])
    first = tables.summary_table(plan, verdict).markdown()
    return "\n\n".join([first, listed, *(table.markdown() for table in shown)])


def _plain(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())


def _page(plan: Plan, verdict: Verdict, failed: Mapping[str, str]) -> Page:
    results = read_results(plan)
    page = Page(_title(plan))
    for finding in verdict.findings.values():
        page.text(finding.sentence)
    page.put(tables.summary_table(plan, verdict))
    page.put(tables.quality_table(plan, verdict))
    page.heading("What these numbers mean")
    for line in notes(plan, verdict, failed):
        page.text(line)
    page.heading("What a run costs")
    page.put(tables.plan_table(plan))
    page.put(tables.cost_table(plan))
    if verdict.teachers:
        page.heading("Teachers")
        page.put(tables.teacher_table(plan, verdict))
    figures.show_curves(page, plan, results)
    figures.show_differences(page, verdict)
    page.heading("Class by class")
    figures.show_class_differences(page, verdict)
    page.put(tables.class_table(verdict))
    groups = tables.group_table(plan, verdict)
    if groups.rows:
        page.heading(f"By {plan.by}")
        page.put(groups)
    figures.show_reliability(page, plan, results)
    figures.show_pictures(page, plan, verdict, results)
    page.heading("In what the variants differ from the control")
    page.put(tables.change_table(plan))
    page.heading("Measured on")
    page.table(("what", "which"), measured_on(plan).items())
    return page
