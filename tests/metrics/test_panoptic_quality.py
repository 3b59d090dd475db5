"""PanopticScores against sums by hand, one segment at a time, and torchmetrics."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curbside.errors import LabelError
from curbside.labels import LabelClass, LabelSpace
from curbside.metrics import PanopticScores

SPACE = LabelSpace(
    name="street",
    classes=tuple(
        LabelClass(id=number, name=name, color=(number,) * 3, has_instances=number >= 2)
        for number, name in enumerate(("road", "sky", "person", "car"))
    ),
)
LETTERS = {
    ".": 0, "s": 1, "p": 2, "c": 3, " ": 255,
    "P": 2001, "Q": 2002, "A": 3001, "B": 3002, "C": 3003,
}  # fmt: skip
VALUES = [*LETTERS.values()]


def drawn(text: str) -> np.ndarray:
    """Letters as a map: (H, W) int32; lower case are plain classes, upper case objects, _ is void."""
    rows = text.replace("_", " ").split("\n")
    return np.array([[LETTERS[letter] for letter in row] for row in rows], np.int32)


def counts(scores: PanopticScores, name: str) -> tuple[int, int, int]:
    """Found, missed and wrong."""
    (item,) = [item for item in scores.summary().classes if item.name == name]
    return item.found, item.missed, item.wrong


def scored(truth: str, predicted: str) -> PanopticScores:
    scores = PanopticScores(SPACE)
    scores.update(drawn(truth), drawn(predicted))
    return scores


def test_a_picture_counted_by_hand():
    scores = scored("ssssss\nAAA.BB\n......", "ssssss\nBB..P.\n......")
    # Sky 6 of 6. Road 7 of 9: the prediction has 9 pixels, all the truth's 7 among them. A has 2 of 3.
    # B was missed, and a person was seen there.
    assert counts(scores, "sky") == counts(scores, "road") == (1, 0, 0)
    assert counts(scores, "car") == (1, 1, 0) and counts(scores, "person") == (0, 0, 1)
    road, sky, person, car = scores.summary().classes
    assert (sky.pq, sky.sq, sky.rq) == (1, 1, 1)
    assert (road.pq, road.sq, road.rq) == (7 / 9, 7 / 9, 1)
    assert (person.pq, person.sq, person.rq) == (0, 0, 0)
    assert car.sq == 2 / 3 and car.rq == 1 / 1.5 and car.pq == pytest.approx(4 / 9)
    found = scores.summary()
    assert found.all.pq == pytest.approx((7 / 9 + 1 + 0 + 4 / 9) / 4) and found.all.classes == 4
    assert found.things.pq == pytest.approx(2 / 9) and found.things.sq == pytest.approx(1 / 3)
    assert found.stuff.pq == pytest.approx(8 / 9) and found.stuff.rq == 1


@pytest.mark.parametrize(
    ("truth", "predicted", "car"),
    [
        ("AA..", "A...", (0, 1, 1)),  # an IoU of exactly one half is too little
        ("AAA.", "AA..", (1, 0, 0)),
        ("AA__", "BBBB", (1, 0, 0)),  # void is taken out of the union
        ("____", "AAAA", (0, 0, 0)),  # mostly on void: not wrong
        ("__..", "AAAA", (0, 0, 1)),  # half of it on void is not mostly
        ("___.", "AAAA", (0, 0, 0)),
        ("ccc.", "AAAA", (0, 0, 0)),  # the same on a crowd of its class
        ("ppp.", "AAAA", (0, 0, 1)),  # but not on one of another
        ("c__.", "AAAA", (0, 0, 0)),  # void and crowd together
        ("cccc", "....", (0, 0, 0)),  # a crowd is not missed
        ("cccc", "cccc", (0, 0, 0)),  # and no object where none is predicted
        ("AAAA", "cccc", (0, 1, 0)),  # a thing without an object is void in the prediction
        ("AAAA", "____", (0, 1, 0)),
        ("AABB", "BBAA", (2, 0, 0)),  # numbers mean nothing
        ("AAAB", "AAAA", (1, 1, 0)),  # 3 of 4
        ("AAAA", "PPPP", (0, 1, 0)),
    ],
)
def test_rules(truth, predicted, car):
    assert counts(scored(truth, predicted), "car") == car


def one_at_a_time(truth: np.ndarray, predicted: np.ndarray) -> dict[int, list]:
    """The definition of the official tools, written out: class -> [sum of IoU, found, missed, wrong]."""

    def split(value: int) -> tuple[int, bool]:
        return (value // 1000, True) if value >= 1000 else (value, False)

    def masks(values: np.ndarray) -> dict[int, np.ndarray]:
        return {value: values == value for value in np.unique(values).tolist()}

    things = {item.id for item in SPACE.classes if item.has_instances}
    result = {item.id: [Fraction(0), 0, 0, 0] for item in SPACE.classes}
    void = truth == 255
    true, shown, crowds = {}, {}, {}
    for value, mask in masks(truth).items():
        class_id, single = split(value)
        if value != 255:
            (true if single or class_id not in things else crowds)[value] = mask
    for value, mask in masks(predicted).items():
        class_id, single = split(value)
        if value != 255 and (single or class_id not in things):
            shown[value] = mask
    matched: set[tuple[str, int]] = set()
    for value, mask in true.items():
        for other, given_mask in shown.items():
            if split(value)[0] != split(other)[0]:
                continue
            both = int((mask & given_mask).sum())
            union = int((mask | (given_mask & ~void)).sum())
            if Fraction(both, union) > Fraction(1, 2):
                matched |= {("true", value), ("shown", other)}
                result[split(value)[0]][0] += Fraction(both, union)
                result[split(value)[0]][1] += 1
    for value in true:
        result[split(value)[0]][2] += ("true", value) not in matched
    for other, given_mask in shown.items():
        class_id = split(other)[0]
        free = void | crowds.get(class_id, np.zeros_like(void))
        share = Fraction(int((given_mask & free).sum()), int(given_mask.sum()))
        result[class_id][3] += ("shown", other) not in matched and share <= Fraction(1, 2)
    return result


MAPS = st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        *(hnp.arrays(np.int32, shape, elements=st.sampled_from(VALUES)) for _ in range(2))
    )
)


@settings(deadline=None, max_examples=150)
@given(MAPS)
def test_one_segment_at_a_time_gives_the_same(pair):
    scores = PanopticScores(SPACE)
    scores.update(*pair)
    expected = one_at_a_time(*pair)
    for item in scores.summary().classes:
        iou, found, missed, wrong = expected[item.id]
        assert (item.found, item.missed, item.wrong) == (found, missed, wrong)
        if found + missed + wrong:
            total = found + Fraction(missed + wrong, 2)
            assert item.pq == pytest.approx(float(iou / total))
        else:
            assert item.pq is item.sq is item.rq is None


@settings(deadline=None, max_examples=20)
@given(st.lists(MAPS, min_size=1, max_size=3))
def test_pictures_add_up(pairs):
    together, parts = PanopticScores(SPACE), PanopticScores(SPACE)
    for pair in pairs:
        parts += together.update(*pair)
    assert parts.summary() == together.summary()


def blocks(random: np.random.Generator, values: list[int], shares: list[float]) -> np.ndarray:
    """A map of squares of these values: segments of several pieces."""
    return np.kron(random.choice(values, (6, 8), p=shares), np.ones((5, 5), np.int64))


def test_torchmetrics_says_the_same_where_it_means_the_same():
    """It has no crowds, and treats void of the prediction otherwise: neither is there."""
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchmetrics.detection")
    theirs = detection.PanopticQuality(
        things={2, 3}, stuffs={0, 1}, return_sq_and_rq=True, return_per_class=True
    )
    ours, random = PanopticScores(SPACE), np.random.default_rng(3)
    for _ in range(30):
        truth = blocks(random, [0, 1, 2001, 2002, 3001, 3002, 255], [0.2, *[0.15] * 4, *[0.1] * 2])
        kept = blocks(random, [1, 0], [0.75, 0.25])
        predicted = np.where(kept, truth, blocks(random, [0, 1, 3002], [0.4, 0.3, 0.3]))
        predicted = np.where(predicted == 255, 0, predicted)
        ours.update(truth, predicted)
        pairs = [
            np.stack([np.where(m >= 1000, m // 1000, m), np.where(m >= 1000, m % 1000, 0)], -1)[
                None
            ]
            for m in (predicted, truth)
        ]
        theirs.update(*(torch.from_numpy(pair) for pair in pairs))
    # Their classes come things first.
    expected = theirs.compute().numpy()
    classes = ours.summary().classes
    order = [2, 3, 0, 1]
    found = np.array([[classes[i].pq, classes[i].sq, classes[i].rq] for i in order])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.min() > 0.2 and found[:, [0, 2]].max() < 0.95


def test_maps_of_any_integers_but_of_one_size():
    truth, predicted = drawn("AAs"), drawn("As.")
    scores = PanopticScores(SPACE)
    scores.update(truth.astype(np.uint16), predicted.astype(np.int64))
    assert scores.summary() == scored("AAs", "As.").summary()
    with pytest.raises(ValueError, match="maps must be"):
        scores.update(truth, predicted[:, 1:])
    with pytest.raises(ValueError, match="integers"):
        scores.update(truth, predicted.astype(float))


@pytest.mark.parametrize("value", [4, 254, 1001, 4000, 254_001, 256_000, -1])
def test_a_value_that_means_nothing_is_refused(value):
    good, bad = drawn("AA"), drawn("AA")
    bad[0, 0] = value
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(LabelError, match=f"the value {value}, which"):
            PanopticScores(SPACE).update(*pair)


def test_nothing_scored_is_no_score():
    found = PanopticScores(SPACE).summary()
    assert found.all is found.things is found.stuff is None


def test_objects_of_class_0_and_other_classes_are_refused():
    first = LabelSpace(
        name="persons", classes=(LabelClass(id=0, name="p", color=(1,) * 3, has_instances=True),)
    )
    with pytest.raises(ValueError, match="class 0 of persons has instances"):
        PanopticScores(first)
    other = PanopticScores(LabelSpace(name="one", classes=SPACE.classes[:1]))
    with pytest.raises(ValueError, match="cannot add scores of street to those of one"):
        other += PanopticScores(SPACE)
