"""The camera, solids and shapes against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbside.scenes.camera import Camera
from curbside.scenes.scene import index_map
from curbside.scenes.shape import Canvas, Light, flat_shape, seen
from curbside.scenes.solid import Solid, part_of
from curbside.scenes.street import Street
from curbside.scenes.textures import Texture, noise

CAMERA = Camera(size_hw=(100, 201), focal_px=100.0, horizon_px=40.0, height_m=1.5)
LIGHT = Light(direction=(0.0, 1.0, 0.0), strength=0.0)
RED, BLUE = (200, 0, 0, 0), (0, 0, 200, 255)


def square(*, label: str = "car", closed: bool = True) -> Solid:
    """Two metres wide and high, standing, its front towards the camera."""
    solid = Solid(label, closed=closed)
    solid.face([(-1, 2, 0), (1, 2, 0), (1, 0, 0), (-1, 0, 0)], RED)
    return solid


def test_project():
    # 100 / 5 = 20 pixels per metre; the axis is column 100, the horizon row 40
    points = np.array([(1.0, 0.5, 5.0), (0.0, 1.5, 80.0), (-2.0, 0.0, 10.0)])
    assert CAMERA.project(points).tolist() == [[120.0, 60.0], [100.0, 40.0], [80.0, 55.0]]


def test_depth_of_level_ground():
    a, b, c = CAMERA.level_plane()
    assert 1 / (a * 17 + b * 65 + c) == pytest.approx(6.0)  # 100 * 1.5 / (65 - 40)
    a, b, c = CAMERA.level_plane(0.5)
    assert 1 / (a * 17 + b * 65 + c) == pytest.approx(4.0)  # 100 * 1.0 / (65 - 40)


@given(
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.tuples(st.floats(-8, 8), st.floats(0, 5), st.floats(3, 60)),
    st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_depth_of_any_plane(normal: tuple, corner: tuple, along: tuple):
    """Walk from the corner within the plane: the depth found at that pixel is that of the point."""
    n, p = np.array(normal), np.array(corner)
    basis = [np.cross(n, axis) for axis in np.eye(3)]
    point = p + along[0] * basis[0] + along[1] * basis[1]
    relative = p - (0, CAMERA.height_m, 0)
    if point[2] < 1 or abs(n @ relative) < 0.05 * np.abs(n).sum() or np.abs(n).sum() < 0.1:
        return
    (plane,), _ = CAMERA.planes_of(p[None], n[None])
    u, v = CAMERA.project(point[None])[0]
    assert plane[0] * u + plane[1] * v + plane[2] == pytest.approx(1 / point[2], rel=1e-4, abs=1e-7)


def test_an_outline_where_it_was_worked_out():
    shape = seen(square(), CAMERA, LIGHT, 1.0, 10.0, 0.0)
    assert shape is not None
    # x 0..2 m at 10 m is 0..20 px right of column 100; y 0..2 m is rows 55..35
    assert sorted(shape.outline) == [(100, 35), (100, 55), (120, 35), (120, 55)]


def test_a_face_that_looks_away_is_not_seen_unless_it_is_a_cutout():
    assert seen(square(), CAMERA, LIGHT, 0.0, 10.0, np.pi) is None
    assert seen(square(closed=False), CAMERA, LIGHT, 0.0, 10.0, np.pi) is not None


@pytest.mark.parametrize(("x", "z"), [(0.0, -5.0), (60.0, 10.0), (0.0, 3000.0)])
def test_what_is_behind_beside_or_too_far_is_not_seen(x: float, z: float):
    assert seen(square(), CAMERA, LIGHT, x, z, 0.0) is None


def test_what_reaches_behind_the_camera_is_cut():
    wall = Solid("wall", convex=True)
    wall.face([(3, 2, 40), (3, 2, -40), (3, 0, -40), (3, 0, 40)], RED)
    shape = seen(wall, CAMERA, LIGHT, 0.0, 0.0, 0.0)
    assert shape is not None
    columns = [x for x, _ in shape.outline]
    assert min(columns) == 108  # 100 + 3 m * 100 px / 40 m = 107.5
    assert max(columns) > 201  # the near end lies outside the picture


def test_painting_gives_color_glow_and_depth_to_what_is_seen():
    solid = square()
    solid.detail(part_of(solid.corners, 0.25, 0.25, 0.75, 0.75), BLUE)
    everything = [(0, 0), (200, 0), (200, 99), (0, 99)]
    sky = flat_shape("sky", everything, (9, 9, 9, 0), surface="sky")
    near = seen(solid, CAMERA, LIGHT, 0.0, 5.0, 0.0)
    far = seen(square(), CAMERA, LIGHT, 0.0, 10.0, 0.0)
    assert near is not None and far is not None
    shapes = [sky, far, near]
    canvas = Canvas(index_map([shape.outline for shape in shapes], (100, 201)))
    for number, shape in enumerate(shapes):
        shape.paint(canvas, number)
    # the near square is columns 80..120 and rows 30..70, its middle is blue
    assert canvas.color[50, 100].tolist()[2] > 150 and canvas.color[50, 100, 3] == 255
    assert canvas.color[50, 82, 0] > 150 and canvas.color[50, 82, 3] == 0
    assert canvas.color[5, 5].tolist() == [9, 9, 9, 0]
    assert 1 / canvas.inverse[50, 100] == pytest.approx(5.0)
    assert canvas.inverse[5, 5] == 0
    assert (canvas.owner == 1).sum() == 0  # wholly behind the near one


def test_part_of_a_quad():
    quad = [(0, 4, 0), (2, 4, 2), (2, 0, 2), (0, 0, 0)]
    assert part_of(quad, 0.5, 0.25, 1.0, 0.5) == [(1, 3, 1), (2, 3, 2), (2, 2, 2), (1, 2, 1)]


def test_a_texture_is_laid_upright_and_painted_only_when_seen():
    calls = []

    def make() -> np.ndarray:
        calls.append(1)
        pixels = np.zeros((32, 32, 4), np.uint8)
        pixels[:16, :, 0] = 255  # the upper half is red
        pixels[:, 16:, 1] = 255  # the right half is green
        return pixels

    solid = Solid("billboard", convex=True)
    texture = Texture(make)
    solid.face([(-1, 2, 0), (1, 2, 0), (1, 0, 0), (-1, 0, 0)], RED, texture=texture)
    shape = seen(solid, CAMERA, LIGHT, 0.0, 5.0, 0.0)
    assert shape is not None and not calls
    canvas = Canvas(index_map([shape.outline], (100, 201)))
    shape.paint(canvas, 0)
    bright = canvas.color[..., :2] > 150
    assert bright[35, 85].tolist() == [True, False]
    assert bright[35, 115].tolist() == [True, True]
    assert bright[65, 85].tolist() == [False, False]
    assert bright[65, 115].tolist() == [False, True]
    shape.paint(canvas, 0)
    assert len(calls) == 1


def test_noise_repeats_without_a_seam():
    values = noise()
    inside = np.abs(np.diff(values, axis=1)).mean()
    seam = np.abs(values[:, 0] - values[:, -1]).mean()
    assert seam < 2 * inside


@given(st.integers(0, 50), st.floats(0, 500), st.floats(0, 100))
def test_the_course_of_a_street_agrees_with_itself(seed: int, s: float, ahead: float):
    street = Street(np.random.default_rng(seed))
    moved, heading = street.course(s, ahead)
    assert moved == pytest.approx(float(street.bend(s, np.array(ahead))), abs=1e-9)
    step = 1e-4
    slope = (street.course(s, ahead + step)[0] - street.course(s, ahead - step)[0]) / (2 * step)
    assert np.tan(heading) == pytest.approx(slope, abs=1e-5)
    assert street.course(s, 0.0) == (0.0, 0.0)


def test_streets_differ():
    streets = [Street(np.random.default_rng([0, index])) for index in range(40)]
    assert len({street.mood for street in streets}) == 4
    assert len({len(street.lanes) for street in streets}) >= 3
    assert {bool(street.median) for street in streets} == {True, False}
    for name in ("camera_height", "lane_width", "traffic", "road_color"):
        assert len({getattr(street, name) for street in streets}) > 30
    for street in streets:  # the camera is in its own lane, between the edges
        lane = street.lanes[street.own_lane]
        assert abs(lane.x) < 0.5 and lane.speed == street.ego_speed
        assert all(side.edge > 0.8 for side in street.sides)
