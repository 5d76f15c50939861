"""Which way pictures stand, on a volume made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sam_pet.geometry import Grid
from sam_pet.plots.planes import MARKS, View
from tests.plots.studies import SWAPPED, TURNED, UPRIGHT, labels_on, study_on

GRIDS = pytest.mark.parametrize("grid", [UPRIGHT, TURNED, SWAPPED], ids=["upright", "turned", "swapped"])
# Row and column, from the top left corner, of the spot at the left, in front, near the head (SUV 9), and of the one
# opposite: the patient's left is on the right of a picture, the head on top, the face on top or to the left.
PLACES = {
    "axial": ((1, 8), (6, 2)),
    "coronal": ((1, 8), (8, 2)),
    "sagittal": ((1, 1), (8, 6)),
}


@GRIDS
@pytest.mark.parametrize("plane", PLACES)
def test_a_projection_has_the_head_on_top_and_the_patients_right_on_the_left(grid: Grid, plane) -> None:
    study = study_on(grid)
    flat = View(study, plane).maximum(study.pet)
    first, second = PLACES[plane]
    assert (flat[first], flat[second]) == (9.0, 5.0)
    assert (flat == 1.0).sum() == flat.size - 2


@GRIDS
def test_pixels_are_as_high_and_wide_as_the_voxels(grid: Grid) -> None:
    study = study_on(grid)
    assert View(study, "axial").spacing == (3.0, 4.0)
    assert View(study, "coronal").spacing == (5.0, 4.0)
    assert View(study, "sagittal").spacing == (5.0, 3.0)
    assert View(study, "coronal").extent_mm == (60.0, 40.0)


@GRIDS
@pytest.mark.parametrize("plane", PLACES)
def test_a_voxel_is_found_on_its_slice_where_it_is_drawn(grid: Grid, plane) -> None:
    study = study_on(grid)
    view = View(study, plane)
    z, y, x = np.unravel_index(int(study.pet.argmax()), study.pet.shape)
    index, row, column = view.place((int(x), int(y), int(z)))
    assert (row, column) == PLACES[plane][0]
    assert view.slice_(study.pet, index)[row, column] == 9.0


@GRIDS
def test_lesions_are_where_their_uptake_is(grid: Grid) -> None:
    view = View(study_on(grid), "coronal")
    shadows = view.shadows(labels_on(grid))
    assert {n: (p.row, p.column, p.mask.shape) for n, p in shadows.items()} == {1: (1, 7, (1, 2)), 2: (8, 2, (1, 1))}
    assert all(part.mask.all() for part in shadows.values())


@GRIDS
def test_a_slice_shows_the_lesions_that_it_cuts(grid: Grid) -> None:
    study, labels = study_on(grid), labels_on(grid)
    view = View(study, "sagittal")
    z, y, x = (int(n[0]) for n in np.nonzero(labels == 2))
    index, row, column = view.place((x, y, z))
    (number,) = (found := view.sections(labels, index))
    assert number == 2
    assert (found[2].row, found[2].column) == (row, column) == (8, 6)


def test_a_slice_is_named_by_its_stored_index() -> None:
    assert View(study_on(UPRIGHT), "axial").named((2, 6, 3)) == "axial, z = 3"
    assert View(study_on(SWAPPED), "axial").named((3, 2, 6)) == "axial, x = 3"


def test_a_mask_of_booleans_is_one_lesion() -> None:
    assert list(View(study_on(UPRIGHT), "axial").shadows(labels_on(UPRIGHT) > 0)) == [1]


def test_marks_are_the_sides_of_the_patient() -> None:
    assert MARKS["coronal"] == ("R", "L", "H", "F")
    assert MARKS["sagittal"] == ("A", "P", "H", "F")
    assert MARKS["axial"] == ("R", "L", "A", "P")
