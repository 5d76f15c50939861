from __future__ import annotations

import numpy as np

from sam_pet.geometry import Grid
from sam_pet.methods.stable_region import most_stable
from tests.methods.studies import ball, click, study

GRID = Grid((72, 72, 72), (4.0, 4.0, 4.0))
CENTRE = (36, 36, 36)


def test_a_region_with_an_edge_is_found_whatever_its_uptake() -> None:
    lesion = ball(CENTRE, 16.0, GRID)
    for suv in (3.0, 12.0, 60.0):
        assert np.array_equal(most_stable(study((lesion, suv), grid=GRID), [click(*CENTRE)]), lesion)


def test_the_peak_is_looked_for_beside_the_click() -> None:
    lesion = ball(CENTRE, 16.0, GRID)
    here = study((lesion, 8.0), grid=GRID)
    assert np.array_equal(most_stable(here, [click(CENTRE[0] + 5, CENTRE[1], CENTRE[2])]), lesion)


def test_a_region_that_does_not_end_is_refused() -> None:
    here = study(grid=GRID)
    here.pet[34:39, 34:39, :] = 8.0
    assert not most_stable(here, [click(*CENTRE)]).any()


def test_a_thin_net_is_refused() -> None:
    here = study(grid=GRID)
    for turn in ((36, 36, slice(28, 45)), (36, slice(28, 45), 36), (slice(28, 45), 36, 36)):
        here.pet[turn] = 8.0
    assert not most_stable(here, [click(*CENTRE)]).any()


def test_what_it_runs_into_at_a_lower_threshold_does_not_cost_the_region_above() -> None:
    lesion = ball(CENTRE, 12.0, GRID)
    bed = np.zeros(GRID.shape, bool)
    bed[:, 38:42, :] = True
    here = study((bed, 2.5), (lesion, 9.0), grid=GRID)
    assert np.array_equal(most_stable(here, [click(*CENTRE)]), lesion)


def test_two_strokes_give_two_regions_and_background_cuts() -> None:
    one, other = ball((20, 36, 36), 10.0, GRID), ball((52, 36, 36), 10.0, GRID)
    here = study((one, 6.0), (other, 9.0), grid=GRID)
    strokes = [click(20, 36, 36), click(52, 36, 36)]
    assert np.array_equal(most_stable(here, strokes), one | other)
    wall = click(52, 36, 36, label="background")
    assert not most_stable(here, [*strokes, wall])[36, 36, 52]
