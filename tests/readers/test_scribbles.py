from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.readers import STRATEGIES, draw_scribble, make_reader
from sam_pet.readers.scribbles import mixed_strategy
from tests.readers.masks import block, mask

# Far from all errors below, so that the truth is never empty.
ELSEWHERE = (23, 23, 2)


def draw(missing, strategy, seed=42, **size):
    """The voxels of the stroke on what is missing, as tuples."""
    stroke = draw_scribble(mask(**size), mask(*missing, **size), strategy, seed)
    assert stroke is not None
    assert stroke.label == "tumor"
    return [tuple(voxel) for voxel in stroke.voxels.tolist()]


def disc(radius, x, y):
    r = range(-radius, radius + 1)
    return [(x + dx, y + dy, 1) for dx in r for dy in r if dx * dx + dy * dy <= radius * radius]


def test_random_strokes_are_those_of_the_challenge_on_a_real_run(data: Path):
    run = data / "autopet" / "reference_run"

    def read(name):
        return sitk.GetArrayFromImage(sitk.ReadImage(run / name)).astype(np.uint8)

    truth = read("label.nii.gz")
    drawn: dict[str, list[list[int]]] = {"tumor": [], "background": []}
    for step in range(4):
        stroke = draw_scribble(read(f"iter_{step}.nii.gz"), truth, "random")
        assert stroke is not None
        drawn[stroke.label] += stroke.voxels.tolist()
        assert drawn == json.loads((run / f"iter_{step + 1}_scribbles.json").read_text())


class TestCenterline:
    def test_a_tenth_is_dropped_at_both_ends_of_a_long_line(self):
        # 20 pixels, one thick: the line is its own skeleton; int(20 * 0.1) = 2 go, and from int(20 * 0.9) = 18 on.
        assert draw(block(range(2, 22), [5]), "centerline") == block(range(4, 20), [5])

    def test_a_line_of_ten_pixels_is_kept_whole(self):
        assert draw(block(range(2, 12), [5]), "centerline") == block(range(2, 12), [5])

    def test_a_line_of_eleven_pixels_loses_one_at_the_start_and_two_at_the_end(self):
        # int(11 * 0.1) = 1, int(11 * 0.9) = 9: pixels 1 to 8 of 0 to 10 stay.
        assert draw(block(range(2, 13), [5]), "centerline") == block(range(3, 11), [5])

    def test_a_diagonal_is_walked_over_its_corners(self):
        diagonal = [(3 + i, 4 + i, 1) for i in range(6)]
        assert draw(diagonal, "centerline") == diagonal

    @pytest.mark.parametrize(("radius", "voxels"), [(0, 1), (1, 5), (2, 13)])
    def test_a_round_blob_whose_skeleton_is_one_pixel_is_drawn_whole(self, radius, voxels):
        blob = disc(radius, 6, 7)
        assert len(blob) == voxels
        assert draw(blob, "centerline") == blob

    def test_side_branches_shorter_than_the_longest_path_are_left_out(self):
        # A line along x of 10 with a spur of 3 along y from its middle: the farthest ends are those of the line.
        line, spur = block(range(2, 12), [5]), block([7], range(6, 9))
        assert set(draw(line + spur, "centerline")) <= set(line)
        assert len(draw(line + spur, "centerline")) == 10


class TestRandom:
    def test_two_pixels_of_the_seeded_generator_are_joined(self):
        # random.Random(42) draws 1 and 0 out of 0..9: the second and the first pixel.
        assert draw(block(range(2, 12), [5]), "random") == [(2, 5, 1), (3, 5, 1)]

    def test_the_line_is_cut_where_it_leaves_the_component(self):
        # A U, open at y = 0. Pixels in the order of x then y: 0 is (0, 0), 8 is (4, 0); these the seed draws.
        u = block([0], range(5)) + block([1, 2, 3], [4]) + block([4], range(5))
        assert draw(u, "random", seed=246) == [(0, 0, 1), (4, 0, 1)]

    def test_one_pixel_is_one_voxel(self):
        assert draw([(3, 4, 1)], "random") == [(3, 4, 1)]

    def test_another_seed_draws_another_line(self):
        square = block(range(5, 15), range(5, 15))
        assert draw(square, "random", seed=1) != draw(square, "random", seed=2)


class TestBoundary:
    def test_the_inner_edge_is_walked_for_a_fifth_of_its_length(self):
        # 16 of the 25 pixels are edge, so int(3.2) = 3 steps. random.Random(42) draws 3 out of 0..15, in the
        # order of x then y the pixel (2, 5); the first free neighbour is each time the one at smaller y.
        square = block(range(2, 7), range(2, 7))
        assert draw(square, "boundary") == [(2, 2, 1), (2, 3, 1), (2, 4, 1), (2, 5, 1)]

    def test_at_least_two_steps_are_walked(self):
        # 8 edge pixels round the middle of 3 x 3: int(1.6) = 1, so 2 steps and 3 pixels.
        assert len(draw(block(range(4, 7), range(4, 7)), "boundary")) == 3

    def test_the_border_of_the_image_is_no_edge(self):
        # In the corner of the image only x = 4 and y = 4 face anything else.
        square = block(range(5), range(5))
        assert all(x == 4 or y == 4 for x, y, _ in draw(square, "boundary", size=(10, 10, 3)))

    def test_it_stops_where_no_neighbour_is_left(self):
        assert draw([(3, 4, 1), (4, 4, 1)], "boundary") == [(3, 4, 1), (4, 4, 1)]


class TestWhere:
    def test_the_slice_with_the_largest_component_and_not_the_most_error_is_taken(self):
        scattered = block(range(0, 20, 2), [0], z=0)  # 10 single pixels
        assert draw([*scattered, *block([5, 6], [5], z=2)], "centerline") == block([5, 6], [5], z=2)

    def test_the_first_slice_wins_a_tie(self):
        assert draw(block([8, 9], [5], z=2) + block([3, 4], [5], z=0), "centerline") == block([3, 4], [5], z=0)

    def test_the_component_first_met_with_x_running_fastest_wins_a_tie(self):
        # (5, 1) comes before (1, 5): y is smaller.
        assert draw(block([1], [5, 6]) + block([5], [1, 2]), "centerline") == block([5], [1, 2])

    def test_components_joined_by_a_corner_are_one(self):
        corner = [(3, 3, 1), (4, 4, 1)]
        assert draw([*corner, (10, 10, 1)], "centerline") == corner

    def test_neighbouring_slices_are_apart(self):
        column = [(5, 5, 0), (5, 5, 1), (5, 5, 2)]
        assert draw(column, "random") == [(5, 5, 0)]


class TestLabel:
    def test_the_longer_stroke_decides_and_not_the_larger_error(self):
        # Too much: 5 x 9 = 45 pixels, with a centre line of 9 at most. Missing: a disc of 13, drawn whole.
        truth, prediction = mask(*disc(2, 16, 16)), mask(*block(range(1, 6), range(1, 10)))
        stroke = draw_scribble(prediction, truth, "centerline")
        assert stroke is not None
        assert (stroke.label, len(stroke.voxels)) == ("tumor", 13)

    def test_a_tie_is_tumor(self):
        stroke = draw_scribble(mask((1, 1, 1)), mask((9, 9, 1)), "random")
        assert stroke is not None
        assert (stroke.label, stroke.voxels.tolist()) == ("tumor", [[9, 9, 1]])

    def test_a_longer_stroke_on_what_is_too_much_is_background(self):
        stroke = draw_scribble(mask(*block([1, 2], [1])), mask((9, 9, 1)), "centerline")
        assert stroke is not None
        assert (stroke.label, stroke.voxels.tolist()) == ("background", [[1, 1, 1], [2, 1, 1]])

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_nothing_missing_is_background(self, strategy):
        stroke = draw_scribble(mask(ELSEWHERE, (1, 1, 1)), mask(ELSEWHERE), strategy)
        assert stroke is not None
        assert (stroke.label, stroke.voxels.tolist()) == ("background", [[1, 1, 1]])

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_nothing_too_much_is_tumor(self, strategy):
        stroke = draw_scribble(mask(ELSEWHERE), mask(ELSEWHERE, (1, 1, 1)), strategy)
        assert stroke is not None
        assert (stroke.label, stroke.voxels.tolist()) == ("tumor", [[1, 1, 1]])

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_a_perfect_prediction_gets_no_stroke(self, strategy):
        assert draw_scribble(mask(ELSEWHERE), mask(ELSEWHERE), strategy) is None

    def test_an_empty_truth_gets_no_stroke(self):
        assert draw_scribble(mask((1, 1, 1)), mask(), "random") is None


def test_bool_and_integer_masks_and_any_memory_order_give_the_same_stroke():
    generator = np.random.default_rng(0)
    prediction, truth = (generator.random((2, 6, 30, 20)) > 0.6).astype(np.uint8)
    for strategy in STRATEGIES:
        wanted = draw_scribble(prediction, truth, strategy)
        turned = draw_scribble(np.asfortranarray(prediction > 0), np.asfortranarray(truth > 0), strategy)
        assert wanted is not None
        assert turned is not None
        assert wanted.label == turned.label
        assert wanted.voxels.tolist() == turned.voxels.tolist()


def test_strokes_lie_on_the_error_they_name():
    generator = np.random.default_rng(1)
    for _ in range(20):
        prediction, truth = (generator.random((2, 4, 20, 16)) > 0.7).astype(np.uint8)
        for strategy in STRATEGIES:
            stroke = draw_scribble(prediction, truth, strategy)
            assert stroke is not None
            x, y, z = stroke.voxels.T
            right = 1 if stroke.label == "tumor" else 0
            assert (truth[z, y, x] == right).all()
            assert (prediction[z, y, x] == 1 - right).all()


def test_an_unknown_strategy_names_the_known_ones():
    with pytest.raises(InputError, match=r"'middle'.*centerline, random, boundary"):
        draw_scribble(mask(), mask(), "middle")


def test_masks_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="differ"):
        draw_scribble(mask(), mask(size=(5, 5, 5)), "random")


def test_mixed_gives_each_strategy_a_third_of_the_cases():
    drawn = [mixed_strategy(f"case_{number}") for number in range(3000)]
    assert all(900 < drawn.count(strategy) < 1100 for strategy in STRATEGIES)


def test_mixed_depends_on_the_case_name_alone():
    # SHA-256 of "a", "b" modulo 3: 1 and 2.
    assert make_reader("scribble-mixed", "a").name == "scribble-random"
    assert make_reader("scribble-mixed", "b").name == "scribble-boundary"


def test_a_whole_body_takes_less_than_two_seconds():
    prediction, truth = np.zeros((2, 326, 400, 400), np.uint8)
    truth[100:160, 100:260, 100:260] = 1
    prediction[105:170, 90:250, 110:270] = 1
    for strategy in STRATEGIES:
        started = time.process_time()
        assert draw_scribble(prediction, truth, strategy) is not None
        assert time.process_time() - started < 2
