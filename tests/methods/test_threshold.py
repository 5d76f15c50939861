from __future__ import annotations

import numpy as np
import pytest

from sam_pet.geometry import Grid
from sam_pet.methods.liver import FALLBACK_SUV, find_liver, percist
from sam_pet.methods.near import hottest
from sam_pet.methods.threshold import fixed, fraction_of_max, region_growing
from sam_pet.study import Study
from tests.methods.studies import GRID, ball, box, click, scribble, study

GROW41, SUV4 = region_growing(fraction_of_max(0.41)), region_growing(fixed(4.0))


def test_the_hottest_voxel_is_looked_for_within_10_mm():
    here = study()
    here.pet[8, 11, 14] = 5  # 8 mm off
    here.pet[8, 11, 15] = 9  # 12 mm off
    assert hottest(here, click(12, 11, 8)) == ((8, 11, 14), 5.0)


def test_the_hottest_voxel_of_a_box_is_inside_it():
    here = study()
    here.pet[8, 11, 14] = 5
    here.pet[8, 11, 17] = 9
    assert hottest(here, box((12, 10, 8), (16, 12, 8))) == ((8, 11, 14), 5.0)


def test_the_level_is_a_part_of_the_maximum_near_the_stroke():
    here = study()
    here.pet[8, 11, 10:16] = [4.0, 4.2, 10.0, 4.2, 4.0, 4.2]
    mask = GROW41(here, [click(12, 11, 8)])
    assert np.argwhere(mask).tolist() == [[8, 11, 11], [8, 11, 12], [8, 11, 13]]


def test_a_hot_region_that_no_stroke_touches_is_left_out_until_one_does():
    one, other = ball((7, 11, 8), 8.0), ball((21, 11, 8), 8.0)
    here = study((one, 8.0), (other, 8.0))
    assert np.array_equal(SUV4(here, [click(7, 11, 8)]), one)
    assert np.array_equal(SUV4(here, [click(7, 11, 8), click(21, 11, 8)]), one | other)


def test_background_voxels_cut_off_what_hangs_on_them():
    here = study()
    here.pet[8, 11, 5:15] = 8
    mask = SUV4(here, [click(5, 11, 8), click(9, 11, 8, label="background")])
    assert np.argwhere(mask)[:, 2].tolist() == [5, 6, 7, 8]


def test_a_stroke_below_the_level_with_nothing_hot_near_it_adds_nothing():
    assert not SUV4(study(), [scribble([(3, 3, 3), (4, 3, 3)])]).any()


class TestLiver:
    GRID = Grid((80, 60, 60), (5.0, 5.0, 5.0))

    @pytest.fixture
    def body(self):
        """Muscle of SUV 0.7 in air, on the right a noisy liver of 2.2, on the left a smaller spleen of 2.0."""
        grid = self.GRID
        inside = ball((40, 30, 30), 140.0, grid)
        liver, spleen = ball((24, 28, 30), 50.0, grid), ball((58, 30, 30), 25.0, grid)
        here = study((~inside, 0.0), (inside, 0.7), (liver, 2.2), (spleen, 2.0), grid=grid)
        here.pet[liver] += np.random.default_rng(0).normal(0, 0.1, int(liver.sum())).astype(np.float32)
        here.ct[~inside] = -1000
        return here, liver

    def test_the_sphere_lies_in_the_liver_and_has_its_uptake(self, body):
        here, inside = body
        liver = find_liver(here)
        assert inside[liver.center]
        assert liver.mean == pytest.approx(2.2, abs=0.05)
        assert liver.deviation == pytest.approx(0.1, abs=0.02)
        assert percist(here, click(40, 30, 30)) == pytest.approx(1.5 * liver.mean + 2 * liver.deviation)

    def test_it_is_found_without_a_ct(self, body):
        here, inside = body
        assert inside[find_liver(Study(pet=here.pet, ct=None, grid=here.grid)).center]

    def test_where_there_is_none_the_threshold_is_the_fixed_one(self):
        here = study((ball((12, 11, 8), 14.0), 10.0))
        assert find_liver(here) is None
        assert percist(here, click(12, 11, 8)) == FALLBACK_SUV == 4.0
        assert here.grid == GRID
