from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.geometry import Grid
from sam_pet.scores import area_under, interactions_to, overshoot, score
from tests.readers.masks import block, mask

MM = (1.0, 1.0, 1.0)


def test_the_reference_run_scores_as_the_challenge_scores_it(data: Path):
    run = data / "autopet" / "reference_run"
    truth = sitk.ReadImage(run / "label.nii.gz")
    steps = [
        score(
            sitk.GetArrayFromImage(sitk.ReadImage(run / f"iter_{step}.nii.gz")).astype(np.uint8),
            sitk.GetArrayFromImage(truth).astype(np.uint8),
            Grid.of(truth).spacing,
        )
        for step in range(5)
    ]
    assert [round(s.dice, 4) for s in steps] == [0.8702, 0.8857, 0.8711, 0.8784, 0.8877]
    assert [round(s.dmm, 3) for s in steps if s.dmm is not None] == [0.778, 0.824, 0.824, 0.824, 0.824]
    assert [(s.tp, s.fp, s.fn) for s in steps] == [(7, 3, 1), *[(7, 2, 1)] * 4]
    assert area_under([s.dice for s in steps]) == pytest.approx(3.5140785408)


class TestDice:
    def test_half_of_each_shared_is_one_half(self):
        # 2 * 1 / (2 + 2).
        assert score(mask((1, 1, 1), (2, 1, 1)), mask((2, 1, 1), (3, 1, 1)), MM).dice == 0.5

    def test_voxels_that_touch_no_truth_count(self):
        assert score(mask((1, 1, 1), (9, 9, 1)), mask((1, 1, 1)), MM).dice == pytest.approx(2 / 3)


class TestDmm:
    def test_lesions_touching_at_an_edge_are_one_and_at_a_corner_two(self):
        edge, corner = [(1, 1, 0), (2, 2, 0)], [(1, 1, 0), (2, 2, 1)]
        found_edge, found_corner = (score(mask((1, 1, 0)), mask(*lesion), MM) for lesion in (edge, corner))
        # Edge: one lesion, IoU 1/2. Corner, which 26 neighbours would join: one found, one missed.
        assert (found_edge.tp, found_edge.fn, found_edge.dmm) == (1, 0, 1.0)
        assert (found_corner.tp, found_corner.fn, found_corner.dmm) == (1, 1, pytest.approx(2 / 3))

    def test_an_overlap_of_exactly_a_tenth_is_a_match(self):
        found = score(mask((1, 1, 1)), mask(*block(range(1, 11), [1])), MM)
        assert (found.tp, found.fp, found.fn, found.dmm) == (1, 0, 0, 1.0)

    def test_an_overlap_of_three_thirtieths_is_a_match(self):
        # 3 shared of 13 + 20 - 3 voxels.
        found = score(mask(*block(range(8, 21), [1])), mask(*block(range(1, 11), [1, 2])), MM)
        assert (found.tp, found.dmm) == (1, 1.0)

    def test_just_less_is_missed_and_made_up_at_once_but_no_false_volume(self):
        found = score(mask((1, 1, 1)), mask(*block(range(1, 12), [1])), MM)
        assert (found.tp, found.fp, found.fn, found.dmm) == (0, 1, 1, 0.0)
        assert (found.fpv_ml, found.fnv_ml) == (0.0, 0.0)

    def test_one_prediction_over_two_lesions_finds_both(self):
        found = score(mask(*block(range(1, 8), [1])), mask(*block([1, 2, 3, 5, 6, 7], [1])), MM)
        assert (found.tp, found.fp, found.fn, found.dmm) == (2, 0, 0, 1.0)

    def test_two_predictions_in_one_lesion_are_no_false_positive(self):
        found = score(mask(*block([1, 2, 3, 5, 6, 7], [1])), mask(*block(range(1, 8), [1])), MM)
        assert (found.tp, found.fp, found.fn) == (1, 0, 0)

    def test_found_made_up_and_missed_lesions_are_weighed(self):
        found = score(mask((1, 1, 1), (9, 9, 1), (15, 9, 1)), mask((1, 1, 1), (5, 20, 1)), MM)
        # 2 * 1 / (2 * 1 + 2 + 1).
        assert (found.tp, found.fp, found.fn, found.dmm) == (1, 2, 1, pytest.approx(0.4))


class TestFalseVolumes:
    def test_only_lesions_that_touch_nothing_count(self):
        prediction = mask((1, 1, 1), (2, 1, 1), *block([9, 10, 11], [9]))
        truth = mask((2, 1, 1), (3, 1, 1), *block([20, 21], [20]))
        found = score(prediction, truth, (2.0, 5.0, 10.0))
        # 0.1 mL a voxel; 3 made up, 2 missed.
        assert found.fpv_ml == pytest.approx(0.3)
        assert found.fnv_ml == pytest.approx(0.2)

    def test_touching_without_sharing_a_voxel_is_no_overlap(self):
        found = score(mask((1, 1, 1)), mask((2, 1, 1)), (10.0, 10.0, 10.0))
        assert (found.fpv_ml, found.fnv_ml) == (1.0, 1.0)


class TestSurfaces:
    @pytest.mark.parametrize(
        ("voxel", "distance", "within"), [((5, 2, 1), 3.0, 0.0), ((4, 2, 1), 2.0, 1.0), ((2, 3, 1), 3.5, 0.0)]
    )
    def test_two_voxels_are_as_far_apart_as_their_centres(self, voxel, distance, within):
        found = score(mask(voxel), mask((2, 2, 1)), (1.0, 3.5, 5.0))
        assert (found.hd95_mm, found.nsd_2mm) == (distance, within)

    def test_slices_are_as_far_apart_as_their_spacing(self):
        assert score(mask((2, 2, 0)), mask((2, 2, 2)), (1.0, 1.0, 1.5)).hd95_mm == 3.0

    def test_the_inside_of_a_mask_is_no_surface(self):
        # 5 x 5 x 3 voxels of 10 mm, of which 3 x 3 x 1 are inside: a surface of 66. The truth is one of them, so
        # 1 + 1 of 66 + 1 surface voxels are near.
        bar = [(x, y, z) for x in range(5) for y in range(5) for z in range(3)]
        found = score(mask(*bar), mask((0, 0, 0)), (10.0, 10.0, 10.0))
        assert found.nsd_2mm == pytest.approx(2 / 67)

    def test_the_larger_of_both_directions_is_taken(self):
        # From the truth all is near; 10 of the 20 predicted voxels lie 1 to 10 mm off the end of the truth.
        found = score(mask(*block(range(20), [1])), mask(*block(range(10), [1])), MM)
        # Sorted distances: ten of 0, then 1..10; the 95th percentile of 20 is at rank 0.95 * 19 = 18.05.
        assert found.hd95_mm == pytest.approx(9.05)
        # 10 + 10 + 2 of 30 surface voxels within 2 mm.
        assert found.nsd_2mm == pytest.approx(22 / 30)


class TestEmpty:
    def test_nothing_to_find_and_nothing_found(self):
        found = score(mask(), mask(), MM, np.ones((3, 24, 24), np.float32))
        assert (found.dice, found.dmm, found.fpv_ml, found.fnv_ml) == (1.0, None, 0.0, None)
        assert (found.nsd_2mm, found.hd95_mm, found.volume_bias) == (None, None, None)
        assert (found.suv_mean_error, found.tlg_error) == (None, None)

    def test_nothing_to_find_and_one_voxel_found(self):
        found = score(mask((1, 1, 1)), mask(), (10.0, 10.0, 10.0), np.ones((3, 24, 24), np.float32))
        assert (found.dice, found.dmm, found.fpv_ml, found.fnv_ml) == (0.0, None, 1.0, None)
        assert (found.tp, found.fp, found.fn) == (0, 1, 0)
        assert (found.nsd_2mm, found.hd95_mm, found.volume_bias, found.tlg_error) == (0.0, None, None, None)
        assert found.tmtv_error_ml == 1.0

    def test_nothing_found_of_one_lesion(self):
        found = score(mask(), mask((1, 1, 1)), (10.0, 10.0, 10.0), np.ones((3, 24, 24), np.float32))
        assert (found.dice, found.dmm, found.fpv_ml, found.fnv_ml) == (0.0, 0.0, 0.0, 1.0)
        assert (found.nsd_2mm, found.hd95_mm, found.volume_bias) == (0.0, None, -1.0)
        assert (found.suv_mean_error, found.tlg_error) == (None, -1.0)


def test_uptake_errors_are_relative_to_the_truth():
    pet = np.ones((3, 24, 24), np.float32)
    pet[1, 1, 1], pet[1, 1, 2] = 4.0, 8.0
    found = score(mask((1, 1, 1), (2, 1, 1), (3, 1, 1)), mask((1, 1, 1), (2, 1, 1)), (10.0, 10.0, 10.0), pet)
    # SUVmean 13/3 against 6, TLG 13 against 12, volume 3 mL against 2.
    assert found.suv_mean_error == pytest.approx((13 / 3 - 6) / 6)
    assert found.tlg_error == pytest.approx(1 / 12)
    assert (found.volume_ml, found.true_volume_ml, found.tmtv_error_ml, found.volume_bias) == (3.0, 2.0, 1.0, 0.5)


def test_without_pet_the_uptake_errors_are_undefined():
    found = score(mask((1, 1, 1)), mask((1, 1, 1)), MM)
    assert (found.suv_mean_error, found.tlg_error) == (None, None)


def test_masks_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        score(mask(), mask(size=(4, 4, 4)), MM)


def test_a_whole_body_is_scored_in_seconds():
    prediction, truth = np.zeros((2, 326, 400, 400), np.uint8)
    truth[100:140, 100:180, 100:180] = 1
    prediction[101:140, 100:182, 100:180] = 1
    truth[10, 10, 10] = prediction[320, 390, 390] = 1
    started = time.process_time()
    found = score(prediction, truth, (2.04, 2.04, 3.0))
    assert time.process_time() - started < 10
    assert (found.tp, found.fp, found.fn) == (1, 1, 1)


class TestCurves:
    def test_the_area_is_that_of_trapezia(self):
        # (0 + 1) / 2 + (1 + 0.5) / 2.
        assert area_under([0.0, 1.0, 0.5]) == pytest.approx(1.25)

    def test_five_perfect_corrections_are_five(self):
        assert area_under([1.0] * 6) == 5.0

    def test_one_undefined_step_leaves_the_curve_undefined(self):
        assert area_under([None, 1.0]) is None
        assert overshoot([None, 1.0]) is None

    def test_a_curve_needs_a_step(self):
        with pytest.raises(ValueError, match="at least one step"):
            area_under([])

    def test_overshoot_is_what_was_lost_after_the_best_step(self):
        assert overshoot([0.5, 0.9, 0.7]) == pytest.approx(0.2)
        assert overshoot([0.5, 0.7, 0.9]) == 0.0

    def test_interactions_are_counted_to_the_first_step_that_is_good_enough(self):
        assert interactions_to([0.5, 0.8, 0.7, 0.9], 0.8) == 1
        assert interactions_to([0.5, 0.8, 0.7, 0.9], 0.9) == 3
        assert interactions_to([0.5, None], 0.8) is None
