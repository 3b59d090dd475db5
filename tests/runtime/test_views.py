"""What people see of a frame: pixels computed by hand, and what is hidden shows the frame."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.errors import ConfigError
from curbside.imaging import mask_classes
from curbside.labels import LabelClass, LabelSpace
from curbside.results import (
    DepthResult,
    Disagreement,
    InstanceResult,
    MaskCrop,
    PanopticResult,
    SceneResult,
    SemanticResult,
    View,
)
from curbside.runtime.views import ViewConfig, draw_scene

H, W = SIZE = (90, 120)
ROAD, CAR, TREE = (100, 50, 200), (0, 0, 140), (40, 160, 20)
SPACE = LabelSpace(
    name="street",
    classes=tuple(
        LabelClass(id=number, name=name, color=color, has_instances=name == "vehicle")
        for number, (name, color) in enumerate({"road": ROAD, "vehicle": CAR, "tree": TREE}.items())
    ),
)
FOUND = LabelSpace(
    name="found",
    classes=tuple(
        LabelClass(id=number, name=name, color=(250, 10, 10 * number), has_instances=True)
        for number, name in enumerate(("dog", "bus", "truck"))
    ),
)
ALL = frozenset((*SPACE.names, *FOUND.names))


def _objects(space: LabelSpace, class_ids: tuple[int, int]) -> InstanceResult:
    """Two objects side by side, of 20 x 30 pixels."""
    return InstanceResult(
        boxes_xyxy=np.float32([[10, 40, 40, 60], [60, 40, 90, 60]]),
        scores=np.float32([0.9, 0.8]),
        class_ids=np.array(class_ids, np.uint8),
        masks=tuple(MaskCrop(top=40, left=x, inside=np.ones((20, 30), bool)) for x in (10, 60)),
        space=space,
        size_hw=SIZE,
    )


def _scene() -> SceneResult:
    ids = np.zeros(SIZE, np.uint8)
    ids[:20] = 2
    ids[80:] = 255
    fused = ids.copy()
    fused[40:60, 10:40] = fused[40:60, 60:90] = 1
    marks = np.zeros(SIZE, np.uint8)
    marks[:10, :10] = Disagreement.CLASS
    marks[30:35, :10] = Disagreement.NO_OBJECT
    confidence = np.ones(SIZE, np.float32)
    confidence[:, :60] = 0.4
    depth = np.full(SIZE, 10, np.float32)
    depth[:20] = 0
    return SceneResult(
        size_hw=SIZE,
        semantic=SemanticResult(ids=ids, space=SPACE, confidence=confidence),
        instances=_objects(FOUND, (1, 2)),
        panoptic=PanopticResult(
            ids=fused,
            objects=_objects(SPACE, (1, 1)),
            found_as=("bus", "truck"),
            track_ids=np.int32([1, 2]),
            disagreement=marks,
        ),
        depth=DepthResult(depth_m=depth, max_m=80.0),
    )


SCENE = _scene()
FRAME = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
GREY = np.repeat(cv2.cvtColor(FRAME, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)


def _mixed(frame: np.ndarray, color_rgb: tuple[int, int, int], alpha: float) -> np.ndarray:
    return frame * (1 - alpha) + np.array(color_rgb[::-1]) * alpha


def _near(picture: np.ndarray, expected: np.ndarray) -> bool:
    return bool((np.abs(picture.astype(float) - expected) <= 1).all())


def _shown(view: View | None, alpha: float = 0.5, *hidden: str) -> np.ndarray:
    config = ViewConfig(view=view, alpha=alpha, hidden=frozenset(hidden))
    before = FRAME.copy()
    picture = draw_scene(FRAME, SCENE, config)
    assert picture.shape == FRAME.shape and picture.dtype == np.uint8
    assert not np.shares_memory(picture, FRAME) and (before == FRAME).all()
    return picture


@pytest.mark.parametrize("view", get_args(View))
def test_every_view_is_a_new_picture_of_the_frames_size(view):
    assert _shown(view).shape == (H, W, 3)


def test_the_frame_alone_is_the_frame():
    assert (_shown("frame", 1.0) == FRAME).all()


def test_classes_have_their_colours_and_what_is_unknown_is_darkened():
    picture = _shown("semantic", 0.25)
    assert _near(picture[:20], _mixed(FRAME[:20], TREE, 0.25))
    assert _near(picture[20:80], _mixed(FRAME[20:80], ROAD, 0.25))
    assert _near(picture[80:], FRAME[80:] * 0.75)


def test_a_hidden_class_shows_the_frame_and_leaves_the_rest_as_it_is():
    shown, without = _shown("semantic", 0.6), _shown("semantic", 0.6, "tree", "no such class")
    assert (without[:20] == FRAME[:20]).all()
    assert (without[20:] == shown[20:]).all()


@pytest.mark.parametrize("name", ["bus", "vehicle"])
def test_a_hidden_object_is_hidden_as_found_and_as_shown(name):
    shown, without = _shown("panoptic", 0.6), _shown("panoptic", 0.6, name)
    assert (without[42:58, 12:38] == FRAME[42:58, 12:38]).all()  # the bus, where nothing reaches
    assert (without[62:80] == shown[62:80]).all()
    truck = np.s_[42:58, 62:88]
    assert ((without[truck] == FRAME[truck]).all()) == (name == "vehicle")
    assert ((without[truck] == shown[truck]).all()) == (name == "bus")


def test_a_hidden_object_of_the_instance_network_is_not_drawn():
    without = _shown("instances", 0.6, "bus")
    assert (without[:, :50] == FRAME[:, :50]).all()
    assert (without[:, 50:] == _shown("instances", 0.6)[:, 50:]).all()
    assert (without[:, 50:] != FRAME[:, 50:]).any()
    assert (_shown("instances", 0.6, "vehicle") == _shown("instances", 0.6)).all()


@pytest.mark.parametrize("view", ["semantic", "panoptic", "instances"])
def test_with_everything_hidden_the_frame_is_left(view):
    picture = _shown(view, 0.7, *ALL)
    assert (picture[:80] == FRAME[:80]).all()
    if view != "instances":
        assert _near(picture[80:], FRAME[80:] * 0.3)  # what is unknown has no class to hide


@pytest.mark.parametrize("view", ["confidence", "disagreement"])
def test_with_everything_hidden_the_grey_frame_is_left(view):
    assert (_shown(view, 0.7, *ALL)[:80] == GREY[:80]).all()


def test_alpha_0_is_the_frame_itself():
    for view in ("semantic", "depth"):
        assert (_shown(view, 0.0) == FRAME).all()
    for view in ("confidence", "disagreement"):
        assert (_shown(view, 0.0) == GREY).all()
    inside = np.s_[42:58, 12:38]  # objects keep their outlines
    assert (_shown("panoptic", 0.0)[inside] == FRAME[inside]).all()
    assert (_shown("instances", 0.0)[inside] == FRAME[inside]).all()


def test_confidence_darkens_where_the_network_is_sure_and_glows_where_it_is_not():
    picture = _shown("confidence", 0.5)
    assert _near(picture[:, 60:], GREY[:, 60:] * 0.5)
    doubt = cv2.applyColorMap(np.array([[153]], np.uint8), cv2.COLORMAP_INFERNO)[0, 0, ::-1]
    assert _near(picture[:, :60], _mixed(GREY[:, :60], tuple(doubt.tolist()), 0.5))


def test_disagreement_marks_the_grey_frame():
    picture = _shown("disagreement", 1.0)
    assert (picture[:10, :10] == (50, 60, 235)).all()  # red
    assert (picture[30:35, :10] == (40, 200, 250)).all()  # yellow
    assert (picture[40:] == GREY[40:]).all()
    hidden = _shown("disagreement", 1.0, "tree")
    assert (hidden[:10] == GREY[:10]).all() and (hidden[10:] == picture[10:]).all()


def test_depth_is_not_a_class_and_cannot_be_hidden():
    assert (_shown("depth", 0.5, *ALL) == _shown("depth", 0.5)).all()
    assert _near(_shown("depth", 0.5)[:20], FRAME[:20] * 0.5)


def test_classes_and_depth_stand_side_by_side_at_half_the_size():
    picture = _shown("semantic+depth", 0.5)
    small = FRAME.reshape(H // 2, 2, W // 2, 2, 3).mean((1, 3))  # (45, 60, 3)
    top, left, right = 22, np.s_[:, :60], np.s_[:, 60:]
    assert (picture[:top] == 24).all() and (picture[top + 45 :] == 24).all()
    classes, depth = picture[top : top + 45][left], picture[top : top + 45][right]
    assert _near(classes[:10], _mixed(small[:10], TREE, 0.5))
    assert _near(classes[10:40], _mixed(small[10:40], ROAD, 0.5))
    assert _near(depth[:10], small[:10] * 0.5)  # nothing is known there
    ten_metres = cv2.applyColorMap(np.array([[128]], np.uint8), cv2.COLORMAP_TURBO)[0, 0, ::-1]
    assert _near(depth[10:], _mixed(small[10:], tuple(ten_metres.tolist()), 0.5))
    hidden = _shown("semantic+depth", 0.5, "tree")[top : top + 45]
    assert _near(hidden[left][:10], small[:10]) and (hidden[right] == depth).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (31, 45)])
def test_classes_and_depth_side_by_side_are_as_large_as_any_frame(size):
    scene = SceneResult(
        size_hw=size,
        semantic=SemanticResult(ids=np.zeros(size, np.uint8), space=SPACE),
        depth=DepthResult(depth_m=np.ones(size, np.float32)),
    )
    frame = np.zeros((*size, 3), np.uint8)
    assert draw_scene(frame, scene, ViewConfig(view="semantic+depth")).shape == frame.shape


def test_without_a_view_what_tells_most_is_shown():
    assert (_shown(None) == _shown("panoptic")).all()
    alone = SceneResult(size_hw=SIZE, depth=SCENE.depth)
    assert (draw_scene(FRAME, alone, ViewConfig()) == _shown("depth")).all()
    nothing = draw_scene(FRAME, SceneResult(size_hw=SIZE), ViewConfig())
    assert (nothing == FRAME).all() and not np.shares_memory(nothing, FRAME)


@pytest.mark.parametrize("view", [view for view in get_args(View) if view != "frame"])
def test_a_view_that_is_not_there_is_refused_with_those_that_are(view):
    with pytest.raises(ConfigError, match=rf"no {re.escape(view)} view .*show one of: frame$"):
        draw_scene(FRAME, SceneResult(size_hw=SIZE), ViewConfig(view=view))


def test_without_confidence_its_view_is_not_there():
    plain = SceneResult(size_hw=SIZE, semantic=replace(SCENE.semantic, confidence=None))
    with pytest.raises(ConfigError, match=r"confidence.*show one of: frame, semantic$"):
        draw_scene(FRAME, plain, ViewConfig(view="confidence"))


def test_the_legend_stands_beside_the_picture_in_one_width_for_all_views():
    for view in get_args(View):
        picture = draw_scene(FRAME, SCENE, ViewConfig(view=view, legend=True))
        assert picture.shape == (H, W + 190, 3)
        assert (picture[:, :W] == _shown(view)).all()


def test_the_legend_of_classes_and_depth_has_the_names_above_the_scale():
    def legend(height: int, view: View) -> np.ndarray:
        size = (height, 8)
        scene = SceneResult(
            size_hw=size,
            semantic=SemanticResult(ids=np.zeros(size, np.uint8), space=SPACE),
            depth=DepthResult(depth_m=np.ones(size, np.float32), max_m=30.0),
        )
        frame = np.zeros((*size, 3), np.uint8)
        return draw_scene(frame, scene, ViewConfig(view=view, legend=True))[:, 8:]

    both = legend(201, "semantic+depth")
    assert (both[:101] == legend(101, "semantic")).all()
    assert (both[101:] == legend(100, "depth")).all()
    assert (legend(60, "semantic+depth") == legend(60, "semantic")).all()  # no room for two


def test_the_legend_has_the_colours_shown_and_those_alone():
    def patches(view: View, *hidden: str) -> set[tuple[int, int, int]]:
        config = ViewConfig(view=view, legend=True, hidden=frozenset(hidden))
        panel = draw_scene(FRAME, SCENE, config)[:, W:]
        colors, counts = np.unique(panel.reshape(-1, 3), axis=0, return_counts=True)
        return {tuple(c[::-1].tolist()) for c, n in zip(colors, counts, strict=True) if n > 250}

    paper = (24, 24, 24)
    assert patches("semantic") == {paper, ROAD, CAR, TREE}
    assert patches("panoptic", "vehicle") == {paper, ROAD, TREE}
    assert patches("frame") == {paper}
    assert patches("disagreement") == {paper, (235, 60, 50), (250, 200, 40), (60, 140, 250)}


def test_a_legend_that_cannot_hold_all_classes_has_those_of_the_frame():
    many = LabelSpace(
        name="many",
        classes=tuple(LabelClass(id=i, name=f"c{i}", color=(i, 90, 250)) for i in range(40)),
    )
    semantic = SemanticResult(ids=np.full(SIZE, 33, np.uint8), space=many)
    scene = SceneResult(size_hw=SIZE, semantic=semantic)
    panel = draw_scene(FRAME, scene, ViewConfig(legend=True))[:, W:]
    assert (panel == (250, 90, 33)).all(axis=2).sum() > 100
    assert not (panel == (250, 90, 0)).all(axis=2).any()


def test_a_frame_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(89, 120\).*\(90, 120\)"):
        draw_scene(FRAME[1:], SCENE, ViewConfig())


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_impossible_alpha_is_refused(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        ViewConfig(alpha=alpha)


@given(wanted=st.sets(st.integers(0, 255)))
def test_the_pixels_of_some_classes_are_found(wanted):
    ids = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert ((mask_classes(ids, sorted(wanted)) == 255) == np.isin(ids, list(wanted))).all()
    assert set(np.unique(mask_classes(ids, sorted(wanted)))) <= {0, 255}
