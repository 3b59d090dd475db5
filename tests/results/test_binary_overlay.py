"""What lies over a frame where yes or no is asked: the colour of yes, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from curbside.labels import LabelClass, LabelSpace, load_space
from curbside.results import SceneResult, SemanticResult
from curbside.runtime.views import ViewConfig, draw_scene

IDS = np.array([[0, 0, 1], [1, 255, 0]], np.uint8)
FRAME = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)


def over(space: LabelSpace, **more: object) -> np.ndarray:
    return SemanticResult(ids=IDS, space=space).draw(FRAME, alpha=0.5, **more)


def test_what_is_not_looked_for_shows_the_frame() -> None:
    road = load_space("road2")
    drawn = over(road)
    np.testing.assert_array_equal(drawn[IDS == 0], FRAME[IDS == 0])
    blended = FRAME[IDS == 1] / 2 + np.array(road.palette[1][::-1]) / 2
    assert np.abs(drawn[IDS == 1] - blended).max() <= 0.5
    assert (drawn[IDS == 255] <= FRAME[IDS == 255]).all()  # unknown stays dark, it is not a no
    np.testing.assert_array_equal(over(road, hidden={"road"})[IDS == 1], FRAME[IDS == 1])


def test_of_any_two_other_classes_both_are_painted() -> None:
    classes = tuple(
        LabelClass(id=number, name=name, color=color)
        for number, (name, color) in enumerate({"land": (200, 0, 0), "sea": (0, 0, 200)}.items())
    )
    space = LabelSpace(name="two", classes=classes)
    assert not space.binary and space.num_channels == 2 and space.painted == classes
    assert (over(space)[IDS == 0] != FRAME[IDS == 0]).any(axis=1).all()


@pytest.mark.parametrize(
    "names",
    [("road", "not road"), ("not road", "path"), ("not road", "road", "sky"), ("no road", "road")],
)
def test_yes_or_no_is_known_by_both_its_names_in_their_order(names: tuple[str, ...]) -> None:
    classes = tuple(LabelClass(id=i, name=n, color=(1, 2, 3)) for i, n in enumerate(names))
    space = LabelSpace(name="x", classes=classes)
    assert not space.binary and space.num_channels == len(names)


def test_a_scene_is_drawn_the_same_way() -> None:
    found = SemanticResult(ids=IDS, space=load_space("road2"))
    drawn = draw_scene(FRAME, SceneResult.of(found), ViewConfig(view="semantic"))
    np.testing.assert_array_equal(drawn, found.draw(FRAME, alpha=ViewConfig().alpha))
    np.testing.assert_array_equal(drawn[IDS == 0], FRAME[IDS == 0])
