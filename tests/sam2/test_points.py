from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sam_pet.sam2.points import spread_points

pixels = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40, unique=True)


def test_few_points_stay_as_they_are():
    points = np.array([[5, 1], [0, 0], [9, 9]])
    assert np.array_equal(spread_points(points, 3), points)


def test_a_line_gives_its_middle_then_its_ends_then_between():
    line = np.array([[x, 4] for x in range(9)])
    assert spread_points(line, 5).tolist() == [[4, 4], [0, 4], [8, 4], [2, 4], [6, 4]]


def test_works_on_voxels_and_keeps_their_type():
    voxels = np.array([[x, 2 * x, 7] for x in range(20)], np.int64)
    assert spread_points(voxels, 4).shape == (4, 3)
    assert spread_points(voxels, 4).dtype == np.int64


@given(pixels, st.integers(1, 10))
def test_points_taken_are_different_ones_of_those_given(points, count):
    taken = [tuple(p) for p in spread_points(np.array(points), count).tolist()]
    assert len(taken) == len(set(taken)) == min(count, len(points))
    assert set(taken) <= set(points)


@given(pixels, st.integers(1, 10))
def test_no_point_is_farther_from_those_taken_than_they_are_from_one_another(points, count):
    """What makes them spread: a point left out farther away would have been taken."""
    drawn = np.array(points, float)
    taken = spread_points(drawn, count)
    if len(taken) < 2 or len(taken) == len(drawn):
        return
    left = np.linalg.norm(drawn[:, None] - taken[None], axis=2).min(axis=1).max()
    apart = np.linalg.norm(taken[:, None] - taken[None], axis=2)[~np.eye(len(taken), dtype=bool)].min()
    assert left <= apart + 1e-9
