"""What a study says of runs whose scores are made up: intervals, gaps, sentences, documents."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from curbside.errors import DataError
from curbside.evaluation.per_image import write_per_image
from curbside.files import write_json
from curbside.losses import LogitKDConfig
from curbside.losses.distillation.feature_l2 import FeatureL2Config
from curbside.losses.supervised.ohem import OHEMConfig
from curbside.models import LRASPPConfig
from curbside.training import DistillationConfig, TrainConfig
from curbside.training.study import Cost, Plan, Teacher, Variant, judge, write_section
from curbside.training.study.figures import most_different
from curbside.training.study.tables import change_table, macs_text, plan_table, summary_table
from curbside.training.study.work import Outcome

T2, T3 = 12.7062, 4.30265  # Student's t, 97.5 %, of two and of three values


def _plan(
    folder: Path, seeds: int, budget: str = "flops", steps: tuple[int, int] = (100, 50)
) -> Plan:
    def variant(length: int, teacher: int) -> Variant:
        config = TrainConfig(name="recipe", model=LRASPPConfig(), steps=length, validate_every=0.25)
        return Variant(
            config=config,
            cost=Cost(pictures=4, student=10**9, losses=0, teacher=teacher, once=0, seconds=0.1),
        )

    return Plan(
        folder=folder,
        budget=budget,  # type: ignore[arg-type]
        amount=100 * 12e9,
        seeds=tuple(range(seeds)),
        split="val",
        by="weather",
        validations=4,
        control="alone",
        variants={"alone": variant(steps[0], 0), "kd": variant(steps[1], 3 * 10**9)},
        teachers={"big": Teacher(path=Path("runs/big"), training_macs=5e15)},
        made_on={"processor": "a CPU", "cores": 2, "gpus": [], "versions": {"torch": "2"}},
    )


def _score(plan: Plan, key: str, miou: float, *, counts: np.ndarray | None = None) -> None:
    """A run as it lies there when it is done; its two classes are 0.1 apart."""
    folder = plan.folder / key
    outcome = Outcome(
        seconds=1.0, device="CPU", precision="32-true", commit="abc", best_step=50,
        last_miou=miou - 0.01, ece=0.1, ece_scaled=0.02, temperature=1.5,
    )  # fmt: skip
    classes = [
        {"name": name, "iou": miou + sign * 0.05, "auprc": miou + sign * 0.1}
        for name, sign in (("road", 1), ("pole", -1))
    ]
    report = {
        "scores": {"miou": miou, "mean_auprc": miou, "ece": 0.09, "mean_boundary_iou": None},
        "classes": classes,
        "groups": [{"value": "fog", "summary": {"miou": miou - 0.2}}],
        "precision": "fp32",
        "hardware": "a CPU, 2 cores",
        "images": 20,
    }
    write_json(folder / "eval-val/report.json", report)
    if counts is not None:
        ids = tuple(str(i) for i in range(len(counts)))
        write_per_image(folder / "eval-val", ids, counts)
    write_json(folder / "result.json", asdict(outcome))


def _done(plan: Plan, alone: list[float], kd: list[float], big: float | None) -> None:
    for name, scores in (("alone", alone), ("kd", kd)):
        for seed, miou in enumerate(scores):
            _score(plan, f"runs/{name}/seed-{seed}", miou)
    if big is not None:
        _score(plan, "teachers/big", big)


def test_scores_intervals_and_the_share_of_the_gap(tmp_path) -> None:
    plan = _plan(tmp_path, 3)
    _done(plan, [0.50, 0.52, 0.51], [0.55, 0.58, 0.55], big=0.61)
    verdict = judge(plan)
    alone, kd = verdict.findings["alone"], verdict.findings["kd"]
    assert alone.miou is not None and kd.difference is not None and kd.gap_closed is not None
    assert alone.miou.value == pytest.approx(0.51)
    assert alone.miou.half == pytest.approx(T3 * 0.01 / 3**0.5, rel=1e-4)
    assert kd.difference.value == pytest.approx(0.05)  # of 0.05, 0.06 and 0.04
    assert kd.difference.low == pytest.approx(0.05 - T3 * 0.01 / 3**0.5, rel=1e-4)
    assert kd.gap_closed.value == pytest.approx(0.5)  # 0.05 of 0.10
    assert kd.gap_closed.low == pytest.approx(kd.difference.low / 0.1)
    assert (kd.over, kd.seeds, kd.missing, verdict.best) == ("seeds", (0, 1, 2), (), "kd")
    assert kd.sentence.startswith(
        "kd is better than alone: +5.00 points of mIoU (95 % interval +2.52"
    )
    assert kd.iou[0] == pytest.approx(0.61) and kd.groups == {"fog": pytest.approx(0.36)}
    road, _ = kd.iou_difference
    assert road is not None and road.value == pytest.approx(0.05)
    assert road.half == pytest.approx(kd.difference.half)
    assert kd.last_miou == pytest.approx(0.55)
    assert kd.compute == pytest.approx(1) and kd.equal
    assert (kd.macs, kd.teachers_macs, kd.pictures) == (50 * 4 * 6e9, 50 * 4 * 3e9, 200)


@pytest.mark.parametrize(
    ("kd", "said"),
    [
        ([0.45, 0.47, 0.44], "kd is worse than alone: -5.67"),
        ([0.56, 0.45, 0.53], "kd is not distinguishable from alone with these seeds: +0.33"),
    ],
)
def test_worse_and_undecided(tmp_path, kd, said) -> None:
    plan = _plan(tmp_path, 3)
    _done(plan, [0.50, 0.52, 0.51], kd, big=0.61)
    assert judge(plan).findings["kd"].sentence.startswith(said)


@pytest.mark.parametrize(
    ("alone", "big", "why"),
    [
        ([0.50, 0.54], 0.60, "is not beyond the control's own"),  # 0.08, and 12.7 * 0.02
        ([0.50, 0.50], 0.45, "-5.00 points, is not beyond"),
        ([0.50, 0.54], None, "no teacher is scored"),
    ],
)
def test_no_share_of_a_gap_that_is_none(tmp_path, alone, big, why) -> None:
    plan = _plan(tmp_path, 2)
    _done(plan, alone, [0.55, 0.56], big)
    verdict = judge(plan)
    kd = verdict.findings["kd"]
    assert kd.gap_closed is None and why in kd.gap_remark
    assert summary_table(plan, verdict).rows[1][3] == "–"
    path = tmp_path / "results.md"
    write_section(path, plan, verdict, {})
    assert why in path.read_text()


def test_one_seed_speaks_of_pictures_and_says_so(tmp_path) -> None:
    plan = _plan(tmp_path, 1)
    rng = np.random.default_rng(0)
    better = rng.integers(50, 60, (20, 2, 3))
    better[:, 0, 0] += 200
    better[:, 1, 1] += 200
    worse = better.copy()
    worse[:, 0, 0] -= 100
    worse[:, 0, 1] += 100
    _score(plan, "runs/alone/seed-0", 0.5, counts=worse)
    _score(plan, "runs/kd/seed-0", 0.6, counts=better)
    verdict = judge(plan)
    kd = verdict.findings["kd"]
    assert kd.miou is not None and kd.difference is not None
    assert kd.over == "pictures" and kd.miou.low < kd.miou.high
    assert 0 < kd.difference.low < kd.difference.high  # every picture is better
    for change in kd.iou_difference:  # what one class wins, the other loses no longer
        assert change is not None and 0 < change.low < change.high
    json.dumps(verdict.to_dict(), allow_nan=False)
    assert "over the pictures, with one seed" in kd.sentence and "Another seed" in kd.sentence
    path = tmp_path / "results.md"
    write_section(path, plan, verdict, {})
    assert "by the bootstrap over pictures, as there is one seed" in path.read_text()


def test_a_missing_run_is_said_and_pairs_are_of_the_same_seed(tmp_path) -> None:
    plan = _plan(tmp_path, 3)
    for key, miou in (
        ("runs/alone/seed-0", 0.50), ("runs/alone/seed-2", 0.60), ("runs/kd/seed-0", 0.52),
        ("runs/kd/seed-1", 0.90), ("runs/kd/seed-2", 0.63),
    ):  # fmt: skip
        _score(plan, key, miou)
    verdict = judge(plan)
    alone, kd = verdict.findings["alone"], verdict.findings["kd"]
    assert alone.missing == (1,) and "seeds 1 are missing" in alone.sentence
    assert kd.difference is not None
    assert kd.difference.value == pytest.approx(0.025)
    assert kd.difference.half == pytest.approx(T2 * 0.01 / 2, rel=1e-4)
    assert summary_table(plan, verdict).rows[0][4] == "2 of 3"
    path = tmp_path / "results.md"
    write_section(path, plan, verdict, {"runs/alone/seed-1": "the disk is full"})
    assert "Failed: runs/alone/seed-1: the disk is full." in path.read_text()


def test_nothing_done_yet_is_no_verdict(tmp_path) -> None:
    plan = _plan(tmp_path, 2)
    verdict = judge(plan)
    assert verdict.findings["kd"].sentence.startswith("kd cannot be compared with alone yet.")
    assert verdict.best is None and verdict.teacher is None
    write_section(tmp_path / "results.md", plan, verdict, {})


@pytest.mark.parametrize(
    ("budget", "steps", "compute"), [("steps", (100, 100), "2.00"), ("time", (100, 40), "0.40")]
)
def test_unequal_compute_is_said_wherever_scores_are(tmp_path, budget, steps, compute) -> None:
    plan = _plan(tmp_path, 2, budget, steps)
    _done(plan, [0.50, 0.51], [0.55, 0.57], big=0.61)
    verdict = judge(plan)
    assert f"It had {compute} times the control's compute." in verdict.findings["kd"].sentence
    assert summary_table(plan, verdict).rows[1][-1] == compute
    path = tmp_path / "results.md"
    write_section(path, plan, verdict, {})
    assert f"The compute is not equal. In times the control's: kd {compute}." in path.read_text()


def test_a_section_is_replaced_in_its_place(tmp_path) -> None:
    plan = _plan(tmp_path / "fair", 2)
    _done(plan, [0.50, 0.51], [0.55, 0.57], big=0.61)
    path = tmp_path / "results.md"
    path.write_text("# Results\n\n<!-- study fair -->\nold\n<!-- /study fair -->\n\n## Later\n")
    for _ in range(2):
        write_section(path, plan, judge(plan), {})
        text = path.read_text()
        assert text.startswith("# Results\n\n<!-- study fair -->\n## Study fair\n")
        assert text.endswith("<!-- /study fair -->\n\n## Later\n") and "old" not in text
        assert "| kd | 56.00" in text
    path.write_text("# Results\n")
    write_section(path, plan, judge(plan), {})
    assert path.read_text().startswith("# Results\n\n<!-- study fair -->\n")
    for broken in ("<!-- study fair -->", "<!-- study fair -->\n<!-- /study fair -->\n" * 2):
        path.write_text(broken)
        with pytest.raises(DataError, match="repair the marks"):
            write_section(path, plan, judge(plan), {})
        assert path.read_text() == broken


def test_the_verdict_is_json(tmp_path) -> None:
    plan = _plan(tmp_path, 2)
    _done(plan, [0.50, 0.51], [0.55, 0.57], big=0.61)
    data = json.loads(json.dumps(judge(plan).to_dict()))
    assert data["findings"]["kd"]["difference"]["value"] == pytest.approx(0.055)


def test_pictures_that_differ_most_come_first() -> None:
    # Three pictures of two classes; the last column is for pixels without a class.
    first = np.array([[[8, 2, 0], [0, 0, 0]], [[5, 5, 0], [5, 5, 0]], [[0, 0, 0], [0, 0, 0]]])
    second = np.array([[[8, 2, 0], [0, 0, 0]], [[10, 0, 0], [0, 8, 2]], [[0, 0, 0], [0, 0, 0]]])
    ((place, before, after),) = most_different(first, second, 6)
    assert place == 1
    assert before == pytest.approx(5 / 15) and after == pytest.approx((1 + 0.8) / 2)


def test_tables_say_how_teachers_teach_and_what_is_changed(tmp_path) -> None:
    plan = _plan(tmp_path, 2)
    control, kd = plan.variants["alone"], plan.variants["kd"]
    cache, teacher = Path("runs/big/cache"), Path("runs/big")
    losses = (FeatureL2Config(weight=3), LogitKDConfig())
    cached = replace(control.config, distillation=DistillationConfig(teacher=(cache,)))
    online = replace(
        kd.config,
        distillation=DistillationConfig(teacher=(teacher,), losses=losses),
        loss=OHEMConfig(),
    )
    plan = replace(
        plan,
        variants={
            "alone": control,
            "cached": Variant(config=cached, cost=replace(control.cost, once=100 * 4 * 10**9)),
            "kd": replace(kd, config=online),
        },
    )
    # 400 of 400 + 3 * 400 GMACs; 3 of 3 + 3
    assert [row[4] for row in plan_table(plan).rows] == ["–", "25 %, cached", "50 %, online"]
    first, second = (row[1] for row in change_table(plan).rows)
    assert first == (
        "distillation.teacher runs/big/cache; distillation.losses.0 LogitKD: weight 1, resolution"
        " logits, temperature 4, standardize False; distillation.supervised 1; distillation.depth 0"
    )
    assert "loss CrossEntropy → OHEM: threshold 0.9" in second
    assert second.startswith("steps 100 → 50; ")
    assert "; distillation.losses.0 FeatureL2: weight 3, adapter.norm True, adapter" in second


def test_numbers_of_macs_have_a_unit() -> None:
    found = [macs_text(n).replace("\u00a0", " ") for n in (950, 2.5e6, 12.34e9, 999.6e9, 7e15)]
    assert found == ["950 MACs", "2.5 MMACs", "12.3 GMACs", "1 TMACs", "7 PMACs"]
