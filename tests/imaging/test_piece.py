"""What a coarse map shows on a piece's canvas: the right places, mirrored, magnified and reduced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbside.imaging import Piece


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    frame = draw(st.integers(20, 300)), draw(st.integers(20, 300))
    extent = [draw(st.integers(4, side)) for side in frame]
    start = [draw(st.integers(0, side - take)) for side, take in zip(frame, extent, strict=True)]
    size = draw(st.integers(8, 200)), draw(st.integers(8, 200))
    inside = [draw(st.integers(4, side)) for side in size]
    return Piece(*start, *extent, frame, (inside[0], inside[1]), size, flipped=draw(st.booleans()))


MAPS = st.tuples(st.integers(1, 60), st.integers(1, 60))
STRIDES = st.sampled_from([1, 2, 4, 8])


def places(piece: Piece, stride: int) -> list[np.ndarray]:
    """Rows and columns of the frame under the middle of every cell: pixel centres are whole numbers."""
    found = []
    for axis, (start, extent) in enumerate(((piece.top, piece.height), (piece.left, piece.width))):
        edges = np.linspace(0, piece.size_hw[axis], -(-piece.size_hw[axis] // stride) + 1)
        middle = (edges[1:] + edges[:-1]) / 2
        if axis and piece.flipped:
            middle = piece.size_hw[1] - middle
        found.append(start + middle * extent / piece.inside_hw[axis] - 0.5)
    return found


@settings(deadline=None)
@given(piece=pieces(), map_hw=MAPS, stride=STRIDES)
def test_a_ramp_is_read_where_the_canvas_shows_it(piece, map_hw, stride):
    for axis, weights in enumerate(piece.sampling(map_hw, stride)):
        cells, frame = map_hw[axis], piece.frame_hw[axis]
        assert weights.shape == (-(-piece.size_hw[axis] // stride), cells)
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
        # The map says of each of its cells which place of the frame its middle is.
        ramp = (np.arange(cells) + 0.5) * frame / cells - 0.5
        true = places(piece, stride)[axis]
        reach = piece.size_hw[axis] / len(weights) / 2
        reach *= (piece.height, piece.width)[axis] / piece.inside_hw[axis]
        inner = (true - reach >= ramp[0]) & (true + reach <= ramp[-1])
        np.testing.assert_allclose((weights @ ramp)[inner], true[inner], atol=1e-3)
        beyond = np.clip(true, ramp[0], ramp[-1])
        step = frame / cells
        assert np.abs(weights @ ramp - beyond).max() <= max(reach, step) + 1e-3


@settings(deadline=None)
@given(map_hw=MAPS, stride=STRIDES)
def test_the_whole_frame_at_the_maps_own_size_is_the_map(map_hw, stride):
    frame = (map_hw[0] * 5, map_hw[1] * 7)
    canvas = (map_hw[0] * stride, map_hw[1] * stride)
    whole = Piece(0, 0, *frame, frame, canvas, canvas, flipped=False)
    for weights, cells in zip(whole.sampling(map_hw, stride), map_hw, strict=True):
        np.testing.assert_allclose(weights, np.eye(cells), atol=1e-6)


@settings(deadline=None)
@given(piece=pieces(), map_hw=MAPS, stride=STRIDES)
def test_a_mirrored_canvas_shows_the_mirror_image(piece, map_hw, stride):
    rows, columns = piece.sampling(map_hw, stride)
    other_rows, other = piece._replace(flipped=not piece.flipped).sampling(map_hw, stride)
    np.testing.assert_array_equal(rows, other_rows)
    np.testing.assert_array_equal(columns[::-1], other)


@pytest.mark.parametrize("seed", range(20))
def test_a_magnified_piece_is_what_torchs_grid_sample_gives(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    frame = (int(rng.integers(20, 300)), int(rng.integers(20, 300)))
    extent = [int(rng.integers(4, side + 1)) for side in frame]
    start = [
        int(rng.integers(0, side - take + 1)) for side, take in zip(frame, extent, strict=True)
    ]
    size = (int(rng.integers(8, 99)), int(rng.integers(8, 99)))
    piece = Piece(*start, *extent, frame, size, size, flipped=bool(seed % 2))
    # So coarse that a cell of the canvas is never larger than one of the map.
    map_hw = tuple(
        max(1, canvas * side // take)
        for canvas, side, take in zip(size, frame, extent, strict=True)
    )
    values = rng.normal(size=map_hw).astype(np.float32)
    rows, columns = piece.sampling(map_hw, 1)
    y, x = (2 * (at + 0.5) / side - 1 for at, side in zip(places(piece, 1), frame, strict=True))
    grid = torch.from_numpy(np.stack(np.meshgrid(x, y), axis=-1))[None]
    want = torch.nn.functional.grid_sample(
        torch.from_numpy(values).double()[None, None],
        grid,
        padding_mode="border",
        align_corners=False,
    )
    np.testing.assert_allclose(rows @ values @ columns.T, want[0, 0].numpy(), atol=1e-4)


@settings(deadline=None)
@given(factor=st.floats(1, 9), cells=st.integers(10, 40))
def test_a_reduced_piece_is_averaged(factor, cells):
    # The middle cell of a canvas of three, by sampling the interpolated map finely.
    extent = 3 * factor * 20
    frame = cells * 20
    if extent > frame:
        return
    start = int((frame - extent) / 2)
    piece = Piece(start, 0, round(extent), 1, (frame, 1), (3, 1), (3, 1), flipped=False)
    rows, _ = piece.sampling((cells, 1), 1)
    values = np.random.default_rng(cells).normal(size=cells)
    reach = round(extent) / 3 / 20
    middle = (start + round(extent) / 2) / 20 - 0.5
    half = max(0.0, (reach - 1) / 2)
    fine = np.interp(np.linspace(middle - half, middle + half, 20001), np.arange(cells), values)
    assert (rows @ values)[1] == pytest.approx(fine.mean(), abs=1e-3)


def test_half_the_size_is_the_mean_of_two_each_way():
    frame = (40, 64)
    piece = Piece(0, 0, *frame, frame, (20, 32), (20, 32), flipped=False)
    values = np.random.default_rng(0).normal(size=(10, 16))
    rows, columns = piece.sampling((10, 16), 4)
    want = values.reshape(5, 2, 8, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(rows @ values @ columns.T, want, atol=1e-6)


def test_beyond_the_frame_its_edge_goes_on():
    piece = Piece(0, 0, 40, 40, (40, 40), (20, 20), (40, 60), flipped=False)
    rows, columns = piece.sampling((5, 5), 4)
    np.testing.assert_array_equal(rows[-4:], np.eye(5)[[4] * 4])
    np.testing.assert_array_equal(columns[-9:], np.eye(5)[[4] * 9])
