from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.prompts import Box, Click, Scribble, box, checked_voxels, click, require_on_grid, scribble, strokes

GRID = Grid((12, 10, 6))
voxels = st.tuples(st.integers(0, 11), st.integers(0, 9), st.integers(0, 5))


class TestChecked:
    def test_a_click(self):
        assert click((3, 4, 5)) == Click((3, 4, 5), "tumor")
        assert click(np.array([3, 4, 5]), "background").voxels.tolist() == [[3, 4, 5]]

    def test_floats_near_integers_are_integers(self):
        assert click((2.995, 4.01, 5.0)) == Click((3, 4, 5))

    @pytest.mark.parametrize("off", [(3.5, 4, 5), (3, 4.02, 5), (3, 4, np.nan), (3, np.inf, 5), (1e300, 4, 5)])
    @pytest.mark.filterwarnings("error")
    def test_other_floats_are_positions_in_mm_perhaps(self, off):
        with pytest.raises(InputError, match=r"^click: \(.*\) is not a voxel; give whole numbers x, y, z, not .* mm$"):
            click(off)

    @pytest.mark.parametrize(
        "wrong", [(1, 2), (1, 2, 3, 4), (1, 2, None), ("1", "2", "3"), (True, False, True), 7, "abc", (), [[1, 2, 3]]]
    )
    def test_what_is_not_three_numbers(self, wrong):
        with pytest.raises(InputError, match=r"^click: voxels must be three numbers each, x, y and z$"):
            click(wrong)

    @pytest.mark.parametrize("wrong", [[(1, 2), (3, 4), (5, 6)], [1, 2, 3], [(1, 2, 3), (4, 5)], 7, [(1, 2, 10**400)]])
    def test_pairs_are_not_joined_to_triples(self, wrong):
        with pytest.raises(InputError, match=r"^scribble: voxels must be three numbers each"):
            scribble(wrong)

    def test_any_iterable_of_voxels_is_a_stroke(self):
        expected = ((1, 2, 3), (4, 5, 3))
        assert scribble([[1, 2, 3], [4, 5, 3]]).drawn == expected
        assert scribble(np.array([[1, 2, 3], [4, 5, 3]], np.uint8)).drawn == expected
        assert scribble(v for v in expected).drawn == expected

    def test_a_voxel_drawn_twice_counts_the_first_time(self):
        assert scribble([(5, 5, 1), (1, 1, 1), (5.001, 5, 1)]).drawn == ((5, 5, 1), (1, 1, 1))

    @pytest.mark.parametrize("nothing", [[], np.zeros((0, 3))])
    def test_an_empty_stroke(self, nothing):
        with pytest.raises(InputError, match="scribble: no voxel is drawn"):
            scribble(nothing)

    def test_a_box_takes_any_two_opposite_corners(self):
        assert box((5, 1, 4), (2, 3, 0)) == Box((2, 1, 0), (5, 3, 4))

    @pytest.mark.parametrize("label", ["lesion", "Tumor", "", None, ["tumor"]])
    def test_unknown_labels(self, label):
        with pytest.raises(InputError, match=r"click: unknown label .*; use 'tumor' or 'background'"):
            click((1, 1, 1), label)
        with pytest.raises(InputError, match="scribble: unknown label"):
            scribble([(1, 1, 1)], label)

    def test_no_voxels_keep_three_columns(self):
        assert checked_voxels([], "points").shape == (0, 3)


class TestOnGrid:
    @pytest.mark.parametrize(
        "prompt", [click((11, 9, 5)), scribble([(0, 0, 0), (11, 9, 5)]), box((0, 0, 0), (11, 9, 5))]
    )
    def test_corners_are_on_the_grid(self, prompt):
        require_on_grid(prompt, GRID)

    @pytest.mark.parametrize(
        ("prompt", "message"),
        [
            (click((12, 0, 0)), r"click: voxel \(12, 0, 0\)"),
            (scribble([(0, 0, 0), (0, -1, 0)]), r"scribble: voxel \(0, -1, 0\)"),
            (box((0, 0, 0), (0, 0, 6)), r"box: voxel \(0, 0, 6\)"),
        ],
    )
    def test_a_voxel_beyond_is_named(self, prompt, message):
        with pytest.raises(InputError, match=rf"^{message} lies outside the PET grid of 12 x 10 x 6 voxels"):
            require_on_grid(prompt, GRID)


class TestStrokes:
    def test_a_lone_point_is_a_click_and_neighbours_are_a_scribble(self):
        drawn = np.array([[1, 1, 2], [8, 8, 2], [2, 2, 2], [3, 2, 2]])
        assert strokes(drawn, "tumor") == [Scribble(((1, 1, 2), (2, 2, 2), (3, 2, 2))), Click((8, 8, 2))]

    def test_slices_part_strokes(self):
        assert strokes(np.array([[1, 1, 2], [1, 1, 3]]), "background") == [
            Click((1, 1, 2), "background"),
            Click((1, 1, 3), "background"),
        ]

    def test_strokes_come_in_the_order_of_their_first_points(self):
        drawn = np.array([[9, 9, 5], [0, 0, 0], [9, 8, 5], [4, 4, 5]])
        assert [s.voxels[0].tolist() for s in strokes(drawn, "tumor")] == [[9, 9, 5], [0, 0, 0], [4, 4, 5]]

    def test_no_points_are_no_strokes(self):
        assert strokes(np.zeros((0, 3), np.int64), "tumor") == []

    @given(st.lists(voxels, min_size=1, max_size=40), st.randoms(use_true_random=False))
    def test_strokes_are_the_same_sets_whatever_the_order_of_points(self, points, random):
        shuffled = points * 2
        random.shuffle(shuffled)
        found, again = (
            {frozenset(map(tuple, s.voxels.tolist())) for s in strokes(np.array(p), "tumor")}
            for p in (points, shuffled)
        )
        assert found == again

    @given(st.lists(voxels, min_size=1, max_size=40))
    def test_strokes_part_the_points_into_what_is_connected(self, points):
        found = [s.voxels for s in strokes(np.array(points), "tumor")]
        assert sorted(map(tuple, np.concatenate(found).tolist())) == sorted(set(points))
        for stroke in found:
            assert len(set(stroke[:, 2])) == 1
            # Walking from the first voxel over neighbours, one comes everywhere in the stroke.
            reached = {0}
            while (
                more := {j for i in reached for j in range(len(stroke)) if np.abs(stroke[i] - stroke[j]).max() <= 1}
                - reached
            ):
                reached |= more
            assert len(reached) == len(stroke)
        for i, one in enumerate(found):
            for other in found[i + 1 :]:
                if one[0, 2] == other[0, 2]:
                    assert np.abs(one[:, None, :2] - other[None, :, :2]).max(axis=2).min() > 1
