from __future__ import annotations

import numpy as np
import pytest

from sam_pet.boxes import MaskBox
from sam_pet.geometry import Grid
from sam_pet.proposers.geodesic_split import nearer_to_tumor
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study


def dumbbell() -> tuple[Study, MaskBox]:
    """Two hot blocks joined by a faint bridge that is nearer to the right one; voxels of 2 mm."""
    pet = np.full((5, 9, 40), 0.5, np.float32)
    mask = np.zeros(pet.shape, bool)
    for columns, suv in ((slice(2, 12), 8.0), (slice(12, 24), 3.0), (slice(24, 38), 8.0)):
        pet[1:4, 2:7, columns] = suv
        mask[1:4, 2:7, columns] = True
    return Study(pet, None, Grid((40, 9, 5), (2.0, 2.0, 2.0))), MaskBox((0, 0, 0), mask)


def test_each_end_goes_with_the_stroke_in_it() -> None:
    study, block = dumbbell()
    ours = nearer_to_tumor(study, block, np.array([[4, 4, 2]]), np.array([[36, 4, 2]]), DEFAULTS.strokes)
    assert ours[1:4, 2:7, 2:11].all()
    assert not ours[:, :, 25:].any()
    assert not (ours & ~block.values).any()


@pytest.mark.parametrize("tumor", [np.zeros((0, 3), int), np.array([[0, 0, 0]]), np.array([[36, 4, 2]])])
def test_nothing_is_nearer_where_no_tumor_stroke_is_left_in_the_mask(tumor: np.ndarray) -> None:
    study, block = dumbbell()
    assert not nearer_to_tumor(study, block, tumor, np.array([[36, 4, 2]]), DEFAULTS.strokes).any()


def test_all_is_nearer_where_no_background_stroke_is_in_the_mask() -> None:
    study, block = dumbbell()
    ours = nearer_to_tumor(study, block, np.array([[4, 4, 2]]), np.array([[0, 0, 0]]), DEFAULTS.strokes)
    np.testing.assert_array_equal(ours, block.values)
